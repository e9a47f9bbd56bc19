"""What the servers of all simulated brokers share: faults struck, every request logged, and the handle that tests hold.

Each broker's own server says how it recognises a client and how it refuses. Never knows any envelope.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from aiohttp import web

from .control import Control
from .faults import BADLY_SENT, IN_PLACE, Fault, Manner, strike
from .investor import Investor
from .limits import Limits
from .market import IST, Market
from .server import HOST, ServerThread
from .stage import Refusal, Served, Stage

Row = dict[str, Any]
FAULT = web.RequestKey("fault", str)


class BrokerServer(ABC):
    """One broker's application over a stage. Every answer passes `_answer`, which injects faults and writes the log."""

    broker: ClassVar[str]
    base: ClassVar[str] = ""  # what stands before each path
    login_paths: ClassVar[frozenset[str]]
    families: ClassVar[Mapping[str, tuple[int, int]]]
    manner: ClassVar[Manner]
    not_found: ClassVar[Refusal]

    def __init__(self, stage: Stage, latency_seconds: float = 0) -> None:
        self.stage = stage
        self.limits = Limits(dict(self.families))
        self.latency = Fault("latency", options={"seconds": latency_seconds}) if latency_seconds else None

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._middleware])
        self.add_routes(application.router)
        application.add_routes(Control(self.stage, self.credentials).routes())
        return application

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None: ...

    @abstractmethod
    def credentials(self, ucc: str) -> Row:
        """All that this investor needs to log in."""

    @abstractmethod
    def whose(self, request: web.Request) -> str:
        """The ucc of the client who asks, or nothing."""

    @abstractmethod
    def refused(self, refusal: Refusal, path: str) -> web.Response:
        """A refusal in the broker's form."""

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/control/"):
            control: web.StreamResponse = await handler(request)
            return control
        path = request.path.removeprefix(self.base)
        ucc = self.whose(request)
        fault = self.stage.fault_for(path, ucc)
        response = await self._answer(request, handler, fault)
        self._log(request, path, ucc, response.status, fault.kind if fault else "")
        if fault and fault.kind in BADLY_SENT and isinstance(response, web.Response):
            return await strike(request, fault, response, self.manner)
        return response

    async def _answer(self, request: web.Request, handler: Any, fault: Fault | None) -> web.StreamResponse:
        request[FAULT] = fault.kind if fault else ""
        if fault and fault.kind in IN_PLACE:
            return await strike(request, fault, None, self.manner)
        path = request.path.removeprefix(self.base)
        try:
            response: web.StreamResponse = await handler(request)
        except Refusal as refusal:
            return self.refused(refusal, path)
        except web.HTTPRedirection:
            raise
        except web.HTTPException:
            return self.refused(self.not_found, path)
        if self.latency and isinstance(response, web.Response):
            response = await strike(request, self.latency, response, self.manner)
        if fault and fault.kind not in BADLY_SENT and isinstance(response, web.Response):
            return await strike(request, fault, response, self.manner)
        return response

    def _log(self, request: web.Request, path: str, ucc: str, status: int, fault: str) -> None:
        is_write = request.method not in ("GET", "HEAD") and path not in self.login_paths
        query = tuple(request.query.items())
        self.stage.requests.append(
            Served(request.method, path, query, ucc, status, self.stage.now, fault, is_write, self.broker)
        )

    def somebody_else(self, ucc: str) -> str:
        """Whose data a mixed-up answer holds: another investor's, where there is one."""
        return next((other for other in self.stage.investors if other != ucc), ucc)


class Running:
    """A running simulated broker, as tests hold it."""

    def __init__(self, stage: Stage, server: BrokerServer, thread: ServerThread) -> None:
        self._stage = stage
        self.root = f"http://{HOST}:{thread.port}"
        self.url = self.root + server.base
        self.control_url = f"{self.root}/control"
        self.credentials = server.credentials
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


def in_india(when: datetime | str) -> datetime:
    """Text or time without an offset is read as IST."""
    moment = datetime.fromisoformat(when) if isinstance(when, str) else when
    return moment if moment.tzinfo else moment.replace(tzinfo=IST)


def after_close(investors: list[Investor]) -> datetime:
    """16:05 of the day that the investors have reached, or now when that is past."""
    now = max(investor.now for investor in investors)
    return max(now, now.replace(hour=16, minute=5))


def a_stage(investors: list[Investor], start: datetime | str | None, switches: Mapping[str, Any], **own: Any) -> Stage:
    """At 16:05 of the investors' first day if no `start` is given; `own` are the switches that are set otherwise."""
    stage = Stage(investors, in_india(start) if start else after_close(investors), switches)
    for name, value in own.items():
        stage.set_switch(name, value)
    return stage
