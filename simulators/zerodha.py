"""A local Zerodha: Kite Connect 3 over HTTP, with a clock that can be moved. `python -m simulators.zerodha`.

True to Zerodha's documentation and published samples, with a switch for each point that they leave open; it cannot
trade. The login page is served too, so that a whole day's login can be made.
"""

import argparse
import http.client
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from .faults import OTHER_CLIENT, Manner, Refused
from .groww_login import totp
from .investor import Investor
from .market import Market
from .scripts import random_investor
from .server import HOST, ServerThread, run_forever
from .serving import FAULT, BrokerServer, Row, Running, a_stage, in_india
from .stage import Refusal, Stage
from .zerodha_api import ENDPOINTS, FAMILIES, SWITCHES, Call, instrument_dump
from .zerodha_login import Logins, token_ended
from .zerodha_money import profile
from .zerodha_view import ZerodhaView

SESSION_PATH = "/session/token"
LOGIN_PATH = "/connect/login"
REDIRECT_URL = "http://127.0.0.1/zerodha/callback"  # as the client's app has it; nobody needs to listen there
Render = Callable[[Call], Any]


def _body(kind: str, message: str) -> Row:
    return {"status": "error", "message": message, "data": None, "error_type": kind}


class ZerodhaServer(BrokerServer):
    broker = "ZERODHA"
    login_paths = frozenset({SESSION_PATH, LOGIN_PATH})
    families = FAMILIES
    manner = Manner(
        {
            "401": Refused(403, "TokenException", "Token is invalid or has expired."),  # it never says 401
            "403": Refused(403, "PermissionException", "Insufficient permission for that call."),
            "404": Refused(404, "GeneralException", "Route not found"),
            "429": Refused(429, "NetworkException", "Too many requests"),
            "500": Refused(500, "GeneralException", "Something unexpected happened"),
            "failure_200": Refused(200, "GeneralException", "Something unexpected happened"),
        },
        _body,
        '{"status": "success", "data": ',
    )
    not_found = Refusal(404, "GeneralException", "Route not found")

    def __init__(self, stage: Stage, latency_seconds: float = 0, redirect_url: str = REDIRECT_URL) -> None:
        super().__init__(stage, latency_seconds)
        self.logins = Logins(stage, redirect_url)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get(LOGIN_PATH, self._login_page)
        router.add_post(LOGIN_PATH, self._log_in)
        router.add_post(SESSION_PATH, self._open_session)
        router.add_delete(SESSION_PATH, self._log_out)
        router.add_get("/instruments", self._instruments)
        router.add_get("/instruments/{exchange}", self._instruments)
        for path, (family, render) in ENDPOINTS.items():
            router.add_get(path, self._endpoint(family, render))

    def credentials(self, ucc: str) -> Row:
        """The app's key and secret, and what the client types on the login page; `totp` is good for half a minute."""
        app = next(app for app in self.logins.apps.values() if app.ucc == ucc)
        code = totp(app.totp_seed, self.stage.now)
        return {"ucc": ucc, "user_id": app.user_id, "api_key": app.api_key, "api_secret": app.api_secret,
                "password": app.password, "totp": code}  # fmt: skip

    def whose(self, request: web.Request) -> str:
        return self.logins.whose(request.headers.get("Authorization", ""))

    def refused(self, refusal: Refusal, path: str) -> web.Response:
        body = _body(refusal.code, refusal.message)
        if self.stage.switch("refusals_without_kind"):
            del body["error_type"]
        return web.json_response(body, status=refusal.status)

    # What a browser asks

    async def _login_page(self, request: web.Request) -> web.Response:
        query = request.query
        page = self.logins.page(query.get("api_key", ""), query.get("redirect_params", ""))
        return web.Response(text=page, content_type="text/html")

    async def _log_in(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        with self.stage.lock:
            address = self.logins.sent_back(form)
        if address is None:
            page = self.logins.page(form["api_key"], form.get("redirect_params", ""), "Wrong user id, password or code")
            return web.Response(text=page, content_type="text/html", status=403)
        return web.Response(status=302, headers={"Location": address})

    # What a program asks

    async def _open_session(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        with self.stage.lock:
            app, token = self.logins.open_session(form)
            told = profile(self.stage.investors[app.ucc])
        now = f"{self.stage.now:%Y-%m-%d %H:%M:%S}"
        session = {"api_key": app.api_key, "access_token": token, "public_token": token[::-1], "enctoken": token[:16],
                   "refresh_token": "", "silo": "", "login_time": now}  # fmt: skip
        return _success(told | session)

    async def _log_out(self, request: web.Request) -> web.Response:
        self.logins.log_out(request.query.get("api_key", ""), request.query.get("access_token", ""))
        return _success(True)

    async def _instruments(self, request: web.Request) -> web.Response:
        exchange = request.match_info.get("exchange", "")
        body = instrument_dump(self.stage.market, self.stage.now.date(), exchange)
        return web.Response(body=body, content_type="text/csv", headers={"Content-Encoding": "gzip"})

    def _endpoint(self, family: str, render: Render) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            with self.stage.lock:
                return _success(render(self._call(request, family)))

        return answer

    def _call(self, request: web.Request, family: str) -> Call:
        if not request.headers.get("Authorization"):
            raise Refusal(400, "InputException", "Missing `api_key` or `access_token`.")
        ucc = self.whose(request)
        if not ucc:
            raise token_ended()
        if self.stage.switch("limits", ucc) and not self.limits.allow(ucc, family):
            raise Refusal(429, "NetworkException", "Too many requests")
        shown = self.somebody_else(ucc) if request[FAULT] == OTHER_CLIENT else ucc
        view = ZerodhaView(self.stage.investors[shown], lambda name: self.stage.switch(name, ucc))
        return Call(self.stage, ucc, view, list(request.query.getall("i", [])), request.match_info)


def _success(data: Any) -> web.Response:
    return web.json_response({"status": "success", "data": data})


class ZerodhaSimulator(Running):
    """`credentials(ucc)`: the app's api_key and api_secret, and user_id, password and totp for the login page."""

    def __init__(self, stage: Stage, server: ZerodhaServer, thread: ServerThread) -> None:
        super().__init__(stage, server, thread)
        self.login_url = self.root + LOGIN_PATH
        self.logins = server.logins

    def log_in(self, ucc: str, **more: str) -> str:
        """What the client does in a browser; the address that the browser is sent to at the end."""
        return log_in(self.login_url, self.credentials(ucc), **more)


def log_in(login_url: str, credentials: dict[str, str], **more: str) -> str:
    """Fills in the login page; `more` are further fields, such as redirect_params. The address at the end, or ""."""
    parts = urlsplit(login_url)
    named = {name: credentials[name] for name in ("api_key", "user_id", "password", "totp")}
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", parts.path, urlencode(named | more), headers)
        return connection.getresponse().headers.get("Location", "")
    finally:
        connection.close()


def request_token_in(address: str) -> str:
    return parse_qs(urlsplit(address).query).get("request_token", [""])[0]


@contextmanager
def zerodha_simulator(
    investors: Iterable[Investor] | None = None,
    start: datetime | str | None = None,
    *,
    latency_seconds: float = 0,
    **switches: Any,
) -> Iterator[ZerodhaSimulator]:
    """A local Zerodha in a thread, at 16:05 of the investors' first day if no `start` is given.

    Without investors there is one, random (ucc 1000000001). All of them share one market.
    """
    chosen = list(investors) if investors is not None else [random_investor(Market(), "1000000001", 1)]
    stage = a_stage(chosen, start, SWITCHES, **switches)
    with serving(stage, latency_seconds) as simulator:
        yield simulator


@contextmanager
def serving(stage: Stage, latency_seconds: float = 0) -> Iterator[ZerodhaSimulator]:
    """A local Zerodha over a stage that others may stand on as well."""
    server = ZerodhaServer(stage, latency_seconds)
    thread = ServerThread(server.application())
    try:
        yield ZerodhaSimulator(stage, server, thread)
    finally:
        thread.stop()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.zerodha", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--start", help="ISO time; IST when it has no offset")
    parser.add_argument("--investors", type=int, default=1, help="how many random ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--redirect-url", default=REDIRECT_URL, help="where a browser is sent after the login")
    parser.add_argument("--ends-with-input", action="store_true", help="end when whoever holds the input's pipe ends")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    market = Market(arguments.seed)
    numbers = range(1, arguments.investors + 1)
    investors = [random_investor(market, str(1_000_000_000 + n), arguments.seed + n) for n in numbers]
    start = in_india(arguments.start) if arguments.start else None
    stage = Stage(investors, start, SWITCHES | {"limits": not arguments.no_limits})
    application = ZerodhaServer(stage, arguments.latency_ms / 1000, arguments.redirect_url).application()

    def say_ready(port: int) -> None:
        root = f"http://{HOST}:{port}"
        print(json.dumps({"url": root, "control": f"{root}/control", "login": root + LOGIN_PATH}), flush=True)

    run_forever([application], arguments.port, say_ready, arguments.ends_with_input)


if __name__ == "__main__":
    main()
