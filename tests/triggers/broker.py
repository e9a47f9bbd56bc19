"""A tiny broker in the test's own event loop, and time that passes only when somebody sleeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from aiohttp import web

from portfolio.triggers.base import Account, BaseTrigger, Credential, Endpoint, Reply
from portfolio.triggers.client import Client, Transport

NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)  # a Monday, 16:05 in India

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class PlainTrigger(BaseTrigger):
    code = "PLAIN"
    name = "Plain broker"
    base_url = "http://127.0.0.1:1"
    allowed: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint("GET", "/things", "reading"),
        Endpoint("GET", "/things/{thing_id}", "reading"),
        Endpoint("GET", "/other", "other"),
        Endpoint("POST", "/token", "login"),
    )

    def fetch_holdings(self) -> list[dict[str, Any]]:
        return []


@dataclass
class Broker:
    """What a running tiny broker was asked: method and path with query, and the headers of each."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@asynccontextmanager
async def a_broker(answer: Answer) -> AsyncIterator[Broker]:
    broker = Broker()

    async def handle(request: web.Request) -> web.StreamResponse:
        broker.asked.append(f"{request.method} {request.raw_path}")
        broker.headers.append(dict(request.headers))
        return await answer(request)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    broker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield broker
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_raw_broker(script: Raw) -> AsyncIterator[Broker]:
    """Reads a request's head, then does what `script` says with the bare connection."""
    broker = Broker()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            broker.asked.append(head.split(b"\r\n")[0].decode())
            await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    broker.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield broker
    finally:
        server.close()


class FakeTime:
    """A timer that moves only while somebody sleeps, and remembers for how long."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def timer(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds
        await asyncio.sleep(0)


class Kept:
    """Keeps replies as the evidence store does: it takes its time, and what it has counts only afterwards."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    async def __call__(self, reply: Reply) -> None:
        await asyncio.sleep(0)
        self.replies.append(reply)

    @property
    def seen(self) -> list[tuple[str, int]]:
        return [(reply.request, reply.status) for reply in self.replies]


class Tokens:
    """The store of a day's token."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.puts: list[tuple[str, datetime]] = []

    def get(self) -> str | None:
        return self.token

    async def put(self, token: str, expires_at: datetime) -> None:
        self.token = token
        self.puts.append((token, expires_at))


def a_transport(time: FakeTime | None = None, chance: float = 0.0, **options: Any) -> Transport:
    time = time or FakeTime()
    return Transport(lambda: NOW, timer=time.timer, sleep=time.sleep, random=lambda: chance, **options)


def a_client(transport: Transport, url: str, kept: Kept | None = None, account: str = "one") -> Client:
    return transport.client(PlainTrigger, url, account, kept or Kept())


def an_account(*, entered_at: datetime | None = NOW, **credentials: str) -> Account:
    return Account("one", "", Credential(credentials, entered_at), NOW)


def a_reply(body: bytes | str, request: str = "GET /x", status: int = 200, fetched_at: datetime = NOW) -> Reply:
    return Reply(request, status, body.encode() if isinstance(body, str) else body, fetched_at)


def in_turn(*answers: Any) -> Answer:
    """Each answer once, the last one for ever: a response maker, or text that is sent as JSON."""
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        if callable(chosen):
            made: web.StreamResponse = chosen()
            return made
        return web.Response(text=chosen, content_type="application/json")

    return answer


def status(code: int, text: str = "{}", **headers: str) -> Callable[[], web.Response]:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: web.Response(status=code, text=text, content_type="application/json", headers=headers)


def page(code: int) -> Callable[[], web.Response]:
    return lambda: web.Response(status=code, text="<html><h1>Maintenance</h1></html>", content_type="text/html")


def http_date(moment: datetime, after: float = 0) -> str:
    return (moment + timedelta(seconds=after)).strftime("%a, %d %b %Y %H:%M:%S GMT")
