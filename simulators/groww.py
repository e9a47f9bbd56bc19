"""A local Groww: its Trading API over HTTP, with a clock that can be moved. `python -m simulators.groww`.

True to Groww's documentation, with a switch for each point that it leaves open; it cannot trade.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

from .control import Control
from .faults import BADLY_SENT, IN_PLACE, OTHER_CLIENT, REPEATED_PAGE, Fault, strike
from .groww_api import ACCOUNT_ENDPOINTS, FAMILIES, SWITCHES, Call
from .groww_login import Logins
from .groww_prices import PRICE_ENDPOINTS, instrument_master
from .groww_view import GrowwView, Row
from .investor import Investor
from .limits import Limits
from .market import IST, Market
from .scripts import demo_investors, random_investor
from .server import HOST, ServerThread, run_forever
from .stage import Refusal, Served, Stage

BASE = "/v1"
TOKEN_PATH = "/token/api/access"
MASTER_PATH = "/instruments/instrument.csv"
FAULT = web.RequestKey("fault", str)
Render = Callable[[Call], Row]


class GrowwServer:
    """The application over a stage. Every answer passes `_answer`, which injects faults and writes the log."""

    def __init__(self, stage: Stage, latency_seconds: float = 0) -> None:
        self.stage = stage
        self.logins = Logins(stage)
        self.limits = Limits(FAMILIES)
        self.latency = Fault("latency", options={"seconds": latency_seconds}) if latency_seconds else None

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._middleware])
        routes = application.router
        routes.add_post(BASE + TOKEN_PATH, self._token)
        routes.add_get(BASE + "/changelog", self._changelog)
        for path in (MASTER_PATH, BASE + MASTER_PATH):
            routes.add_get(path, self._instruments)
        for path, (family, render) in (ACCOUNT_ENDPOINTS | PRICE_ENDPOINTS).items():
            routes.add_get(BASE + path, self._endpoint(family, render))
        application.add_routes(Control(self.stage, self.credentials).routes())
        return application

    def credentials(self, ucc: str) -> Row:
        """All three ways to log in: keys of both kinds, and a token as pasted from the web page."""
        keys = self.logins.keys[ucc]
        return {
            "ucc": ucc,
            "totp_token": keys.totp_token,
            "totp_seed": keys.totp_seed,
            "api_key": keys.api_key,
            "api_secret": keys.api_secret,
            "access_token": self.logins.issue(ucc)[0],
        }

    # One request

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/control/"):
            control: web.StreamResponse = await handler(request)
            return control
        path = request.path.removeprefix(BASE)
        bearer = _bearer(request)
        ucc = self.logins.whose_token(bearer) or self.logins.whose_key(bearer)
        fault = self.stage.fault_for(path, ucc)
        response = await self._answer(request, handler, fault)
        self._log(request, path, ucc, response.status, fault.kind if fault else "")
        if fault and fault.kind in BADLY_SENT and isinstance(response, web.Response):
            return await strike(request, fault, response)
        return response

    async def _answer(self, request: web.Request, handler: Any, fault: Fault | None) -> web.StreamResponse:
        request[FAULT] = fault.kind if fault else ""
        if fault and fault.kind in IN_PLACE:
            return await strike(request, fault, None)
        try:
            response: web.StreamResponse = await handler(request)
        except Refusal as refusal:
            return self._failure(refusal, is_token=request.path == BASE + TOKEN_PATH)
        except web.HTTPException:
            return self._failure(Refusal(404, "GA004", "Requested entity does not exist"))
        if self.latency and isinstance(response, web.Response):
            response = await strike(request, self.latency, response)
        if fault and fault.kind not in BADLY_SENT and isinstance(response, web.Response):
            return await strike(request, fault, response)
        return response

    def _failure(self, refusal: Refusal, is_token: bool = False) -> web.Response:
        """The token endpoint has its own field for the text of a 400."""
        name = "displayMessage" if is_token and refusal.status == 400 else "message"
        error = {"code": refusal.code, name: refusal.message, "metadata": None}
        status = 200 if self.stage.switch("failures_with_200") and not is_token else refusal.status
        return web.json_response({"status": "FAILURE", "error": error}, status=status)

    def _log(self, request: web.Request, path: str, ucc: str, status: int, fault: str) -> None:
        is_write = request.method not in ("GET", "HEAD") and path != TOKEN_PATH
        query = tuple(request.query.items())
        self.stage.requests.append(Served(request.method, path, query, ucc, status, self.stage.now, fault, is_write))

    # Endpoints

    def _endpoint(self, family: str, render: Render) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            with self.stage.lock:
                payload = render(self._call(request, family))
            return web.json_response({"status": "SUCCESS", "payload": payload})

        return answer

    def _call(self, request: web.Request, family: str) -> Call:
        """Login, version and limit, in this order."""
        ucc = self.logins.whose_token(_bearer(request))
        if not ucc:
            raise Refusal(401, "GA005", "Token expired or invalid")
        self._check_version(request)
        if not self.stage.switch("subscription", ucc):
            raise Refusal(403, "GA005", "User not authorised to perform this operation")
        if self.stage.switch("limits", ucc) and not self.limits.allow(ucc, family):
            raise Refusal(429, "GA003", "Rate limit exceeded")
        shown = self._somebody_else(ucc) if request[FAULT] == OTHER_CLIENT else ucc
        view = GrowwView(self.stage.investors[shown], lambda name: self.stage.switch(name, ucc))
        return Call(
            self.stage,
            ucc,
            view,
            request.query,
            lambda name: list(request.query.getall(name, [])),
            request.match_info,
            request[FAULT] == REPEATED_PAGE,
        )

    def _somebody_else(self, ucc: str) -> str:
        """Whose data a mixed-up answer holds: another investor's, where there is one."""
        return next((other for other in self.stage.investors if other != ucc), ucc)

    def _check_version(self, request: web.Request) -> None:
        if self.stage.switch("version_required") and request.headers.get("X-API-VERSION") != "1.0":
            raise Refusal(400, "GA001", "X-API-VERSION header must be 1.0")

    async def _token(self, request: web.Request) -> web.Response:
        self._check_version(request)
        try:
            body = await request.json()
        except ValueError:
            raise Refusal(400, "GA001", "The body must be JSON") from None
        with self.stage.lock:
            return web.json_response(self.logins.log_in(_bearer(request), body))

    async def _changelog(self, request: web.Request) -> web.Response:
        return web.json_response({"info": [], "warning": []})

    async def _instruments(self, request: web.Request) -> web.Response:
        text = instrument_master(self.stage.market, self.stage.now.date())
        return web.Response(text=text, content_type="text/csv")


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


class GrowwSimulator:
    """A running local Groww, as tests hold it."""

    def __init__(self, stage: Stage, server: GrowwServer, thread: ServerThread) -> None:
        self._stage, self._server = stage, server
        self.url = f"http://{HOST}:{thread.port}{BASE}"
        self.control_url = f"http://{HOST}:{thread.port}/control"
        self.instruments_url = f"http://{HOST}:{thread.port}{MASTER_PATH}"
        self.market: Market = stage.market
        self.investors: dict[str, Investor] = stage.investors

    @property
    def now(self) -> datetime:
        return self._stage.now

    @property
    def requests(self) -> list[Served]:
        """All that was asked, oldest first."""
        return self._stage.requests

    def move_to(self, now: datetime | str) -> None:
        """Text is read as IST, such as "2026-10-05 16:05"."""
        self._stage.move_to(in_india(now))

    def switch(self, name: str, value: Any, ucc: str = "") -> None:
        self._stage.set_switch(name, value, ucc)

    def fault(self, kind: str, endpoint: str = "*", times: int | None = None, ucc: str = "", **options: Any) -> None:
        self._stage.faults.append(Fault(kind, endpoint, times, ucc, options))

    def clear_faults(self) -> None:
        self._stage.faults.clear()

    def credentials(self, ucc: str) -> dict[str, Any]:
        """totp_token and totp_seed, api_key and api_secret, and an access_token that lives until 06:00."""
        return self._server.credentials(ucc)


@contextmanager
def groww_simulator(
    investors: Iterable[Investor] | None = None,
    start: datetime | str | None = None,
    *,
    latency_seconds: float = 0,
    **switches: Any,
) -> Iterator[GrowwSimulator]:
    """A local Groww in a thread, at 16:05 of the investors' first day if no `start` is given.

    Without investors there is one, random (ucc 1000000001). All of them share one market.
    """
    chosen = list(investors) if investors is not None else [random_investor(Market(), "1000000001", 1)]
    stage = Stage(chosen, in_india(start) if start else after_close(chosen), SWITCHES)
    for name, value in switches.items():
        stage.set_switch(name, value)
    server = GrowwServer(stage, latency_seconds)
    thread = ServerThread(server.application())
    try:
        yield GrowwSimulator(stage, server, thread)
    finally:
        thread.stop()


def in_india(when: datetime | str) -> datetime:
    """Text or time without an offset is read as IST."""
    moment = datetime.fromisoformat(when) if isinstance(when, str) else when
    return moment if moment.tzinfo else moment.replace(tzinfo=IST)


def after_close(investors: list[Investor]) -> datetime:
    """16:05 of the day that the investors have reached, or now when that is past."""
    now = max(investor.now for investor in investors)
    return max(now, now.replace(hour=16, minute=5))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators.groww", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--start", help="ISO time; IST when it has no offset")
    parser.add_argument("--investors", default="demo", help='"demo", or a number of random ones')
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--ends-with-input", action="store_true", help="end when whoever holds the input's pipe ends")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    market = Market(arguments.seed)
    if arguments.investors == "demo":
        investors = demo_investors(market)
    else:
        count = int(arguments.investors)
        investors = [random_investor(market, str(1_000_000_000 + n), arguments.seed + n) for n in range(1, count + 1)]
    start = in_india(arguments.start) if arguments.start else None
    stage = Stage(investors, start, SWITCHES | {"limits": not arguments.no_limits})
    application = GrowwServer(stage, arguments.latency_ms / 1000).application()

    def say_ready(port: int) -> None:
        root = f"http://{HOST}:{port}"
        where = {"url": root + BASE, "control": f"{root}/control", "instruments": root + MASTER_PATH}
        print(json.dumps(where), flush=True)

    run_forever(application, arguments.port, say_ready, arguments.ends_with_input)


if __name__ == "__main__":
    main()
