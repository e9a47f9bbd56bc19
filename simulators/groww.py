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

from .faults import OTHER_CLIENT, REPEATED_PAGE, Manner, Refused
from .groww_api import ACCOUNT_ENDPOINTS, FAMILIES, SWITCHES, Call
from .groww_login import Logins
from .groww_prices import PRICE_ENDPOINTS, instrument_master
from .groww_view import GrowwView, Row
from .investor import Investor
from .market import Market
from .scripts import demo_investors, random_investor
from .server import HOST, ServerThread, run_forever
from .serving import FAULT, BrokerServer, Running, a_stage, in_india
from .stage import Refusal, Stage

BASE = "/v1"
TOKEN_PATH = "/token/api/access"
MASTER_PATH = "/instruments/instrument.csv"
Render = Callable[[Call], Row]


def _body(code: str, message: str) -> Row:
    return {"status": "FAILURE", "error": {"code": code, "message": message, "metadata": None}}


class GrowwServer(BrokerServer):
    broker = "GROWW"
    base = BASE
    login_paths = frozenset({TOKEN_PATH})
    families = FAMILIES
    manner = Manner(
        {
            "401": Refused(401, "GA005", "Token expired or invalid"),
            "403": Refused(403, "GA005", "User not authorised to perform this operation"),
            "404": Refused(404, "GA004", "Requested entity does not exist"),
            "429": Refused(429, "GA003", "Rate limit exceeded"),
            "500": Refused(500, "GA000", "Internal error occurred"),
            "failure_200": Refused(200, "GA000", "Internal error occurred"),
        },
        _body,
        '{"status": "SUCCESS", "payload": ',
    )
    not_found = Refusal(404, "GA004", "Requested entity does not exist")

    def __init__(self, stage: Stage, latency_seconds: float = 0) -> None:
        super().__init__(stage, latency_seconds)
        self.logins = Logins(stage)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post(BASE + TOKEN_PATH, self._token)
        router.add_get(BASE + "/changelog", self._changelog)
        for path in (MASTER_PATH, BASE + MASTER_PATH):
            router.add_get(path, self._instruments)
        for path, (family, render) in (ACCOUNT_ENDPOINTS | PRICE_ENDPOINTS).items():
            router.add_get(BASE + path, self._endpoint(family, render))

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

    def whose(self, request: web.Request) -> str:
        bearer = _bearer(request)
        return self.logins.whose_token(bearer) or self.logins.whose_key(bearer)

    def refused(self, refusal: Refusal, path: str) -> web.Response:
        """The token endpoint has its own field for the text of a 400."""
        is_token = path == TOKEN_PATH
        body = _body(refusal.code, refusal.message)
        if is_token and refusal.status == 400:
            body["error"]["displayMessage"] = body["error"].pop("message")
        status = 200 if self.stage.switch("failures_with_200") and not is_token else refusal.status
        return web.json_response(body, status=status)

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
        shown = self.somebody_else(ucc) if request[FAULT] == OTHER_CLIENT else ucc
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


class GrowwSimulator(Running):
    """`credentials(ucc)`: totp_token and totp_seed, api_key and api_secret, and an access_token that lives until
    06:00."""

    def __init__(self, stage: Stage, server: GrowwServer, thread: ServerThread) -> None:
        super().__init__(stage, server, thread)
        self.instruments_url = self.root + MASTER_PATH
        self.logins = server.logins


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
    with serving(a_stage(chosen, start, SWITCHES, **switches), latency_seconds) as simulator:
        yield simulator


@contextmanager
def serving(stage: Stage, latency_seconds: float = 0) -> Iterator[GrowwSimulator]:
    """A local Groww over a stage that others may stand on as well."""
    server = GrowwServer(stage, latency_seconds)
    thread = ServerThread(server.application())
    try:
        yield GrowwSimulator(stage, server, thread)
    finally:
        thread.stop()


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

    run_forever([application], arguments.port, say_ready, arguments.ends_with_input)


if __name__ == "__main__":
    main()
