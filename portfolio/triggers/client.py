"""The one HTTP client. It cannot trade: what is not on a trigger's allow-list raises before a socket opens.

One `Transport` a process or run, made inside a running loop; one `Client` an account and run. Every
reply is handed to `keep` before anybody looks at it. Never here: what a broker's own error codes mean
(the trigger's `classify`), tokens, settings, the database.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import aiohttp
from yarl import URL

from .base import (
    BaseTrigger,
    BrokerUnavailable,
    ForbiddenRequest,
    LeftAlone,
    RateLimited,
    Reply,
    TriggerError,
    UnexpectedReply,
)
from .decode import is_deeper_than
from .limits import Doors, Limiter, Limits, Sleep, Timer, retry_after
from .permits import Permits, checked_address

Keep = Callable[[Reply], Awaitable[None]]
MEBIBYTE: Final = 1024 * 1024
DEPTH_LIMIT: Final = 64
MINUTE: Final = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0  # seconds between attempts: the first is anything up to 1, then 2, 4, 8
PAGE_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "text/xml", "application/xml"})
USER_AGENT: Final = "Khata/0.1"


@dataclass(slots=True)
class Call:
    """One request, checked against the allow-list."""

    method: str
    url: str
    request: str  # what is kept of it
    family: str
    headers: Mapping[str, str] | None = None
    json: Any = None
    form: Mapping[str, str] | None = None
    is_kept: bool = True
    byte_limit: int = 8 * MEBIBYTE


@dataclass(slots=True)
class Transport:
    """What all accounts of a run share: connections, limits. `async with Transport(clock) as transport: ...`.

    `clock` gives the instant that is recorded; `timer`, `wall` (the hour, by the machine), `sleep` and `random` are
    real time and chance, handed in for tests. Seconds: `deadline` for one attempt, connect and body together;
    `patience` for a call with all its attempts. `shared` are the limits of the process; without them the run has its
    own.
    """

    clock: Callable[[], datetime]
    concurrency: int = 64
    deadline: float = 20.0
    patience: float = 60.0
    attempts: int = 3
    byte_limit: int = 8 * MEBIBYTE
    instruments_byte_limit: int = 64 * MEBIBYTE
    timer: Timer = time.monotonic
    sleep: Sleep = asyncio.sleep
    random: Callable[[], float] = random.random
    wall: Timer = time.time
    shared: Limits | None = None
    _permits: dict[type[BaseTrigger], Permits] = field(default_factory=dict, repr=False)
    limits: Limits = field(init=False, repr=False)
    _session: aiohttp.ClientSession = field(init=False, repr=False)
    _in_flight: Doors = field(init=False, repr=False)
    orders: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def __post_init__(self) -> None:
        self.limits = self.shared or Limits(self.timer, self.sleep)
        self.limits.tidy()

    async def __aenter__(self) -> "Transport":
        self._in_flight = Doors(self.concurrency)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),  # the doors are the limit
            cookie_jar=aiohttp.DummyCookieJar(),  # nothing of one account may reach another
            timeout=aiohttp.ClientTimeout(total=self.deadline, ceil_threshold=3600),
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.close()

    def client(
        self,
        trigger: type[BaseTrigger],
        base_url: str,
        account_key: str,
        keep: Keep,
        instruments_url: str | None = None,
    ) -> "Client":
        """The client of one account's run. An empty `base_url` means the trigger's own."""
        return Client(self, trigger, base_url or trigger.base_url, account_key, keep, instruments_url)

    def permits(self, trigger: type[BaseTrigger]) -> Permits:
        if trigger not in self._permits:
            self._permits[trigger] = Permits(trigger.allowed)
        return self._permits[trigger]

    async def send(self, call: Call, order: int) -> tuple[Reply, Mapping[str, str]]:
        """One attempt on the wire: the reply with its headers, or BrokerUnavailable. Low orders go first."""
        await self._in_flight.enter(order)
        try:
            fetched_at = self.clock()
            started = time.perf_counter()
            async with self._session.request(
                call.method,
                URL(call.url, encoded=True),
                headers=call.headers,
                json=call.json,
                data=call.form,
                allow_redirects=False,
            ) as response:
                body = await _body(response, call.byte_limit)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # From None: an aiohttp error may carry the request's headers, and with them the token.
            raise BrokerUnavailable(f"{call.request.split('?')[0]}: {_what_failed(error, self.deadline)}") from None
        finally:
            self._in_flight.leave()
        took_ms = round((time.perf_counter() - started) * 1000)
        return Reply(call.request, response.status, body, fetched_at, took_ms), response.headers


class Client:
    """What a trigger asks its broker with: `HttpClient` for one account."""

    def __init__(
        self,
        transport: Transport,
        trigger: type[BaseTrigger],
        base_url: str,
        account_key: str,
        keep: Keep,
        instruments_url: str | None = None,
    ) -> None:
        self._transport, self._trigger, self._keep = transport, trigger, keep
        self._base = checked_address(base_url, f"{trigger.code}_API_URL")
        self._account_key = account_key
        self._order = next(transport.orders)
        self._instruments_url = instruments_url or trigger.instruments_url

    def clock(self) -> datetime:
        return self._transport.clock()

    async def get(
        self, path: str, *, params: Iterable[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> Reply:
        query = "&".join([f"{_escaped(key)}={_escaped(value)}" for key, value in params])
        return await self._ask(self._call("GET", path, query, headers=headers))

    async def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        keep: bool = True,
    ) -> Reply:
        return await self._ask(self._call("POST", path, headers=headers, json=json, form=form, is_kept=keep))

    async def get_instruments(self) -> Reply:
        """The broker's public instrument file, from the one address that the trigger declares."""
        if not self._instruments_url:
            raise ForbiddenRequest("this broker declares no instrument file")
        address = checked_address(self._instruments_url, f"{self._trigger.code}_INSTRUMENTS_URL")
        request = f"GET {urlsplit(address).path}"
        limit, headers = self._transport.instruments_byte_limit, {"Accept": "*/*"}
        return await self._ask(Call("GET", self._instruments_url, request, "instruments", headers, byte_limit=limit))

    def _call(self, method: str, path: str, query: str = "", **rest: Any) -> Call:
        family = self._transport.permits(self._trigger).family(method, path)
        request = f"{path}?{query}" if query else path
        limit = self._transport.byte_limit
        return Call(method, self._base + request, f"{method} {request}", family, byte_limit=limit, **rest)

    async def _ask(self, call: Call) -> Reply:
        """The reply, after as many attempts as make sense. Only a GET is asked twice: a POST may have counted.

        A broker that failed and was then left alone is told with its failure. One that counts by the minute and refuses
        twice in a row, without saying for how long, is left alone until the next minute begins."""
        transport, limiter = self._transport, self._limiter(call)
        ends = transport.timer() + transport.patience
        attempts_left = transport.attempts if call.method == "GET" else 1
        longest, failed, refusals = FIRST_PAUSE, None, 0
        while True:
            if transport.timer() + limiter.held() > ends:
                raise RateLimited("the broker asked for a pause that is not over", limiter.held())
            try:
                return await self._attempt(call)
            except TriggerError as error:
                attempts_left -= 1
                failed = failed if failed and isinstance(error, LeftAlone) else error
                refusals = refusals + 1 if isinstance(error, RateLimited) else 0
                if refusals > 1 and error.retry_after is None and self._counts_by_minute(call):
                    error.retry_after = MINUTE - transport.wall() % MINUTE
                pause = self._pause(error, longest)
                if isinstance(error, RateLimited) or error.retry_after is not None:
                    limiter.hold(pause)
                if not error.is_retryable or not attempts_left or transport.timer() + pause > ends:
                    raise failed from None
            longest = min(longest * 2, LONGEST_PAUSE)
            await transport.sleep(pause)

    def _counts_by_minute(self, call: Call) -> bool:
        return any(rate.seconds == MINUTE for rate in self._trigger.limits.get(call.family, ()))

    def _limiter(self, call: Call) -> Limiter:
        return self._transport.limits.limiter(self._trigger, self._account_key, call.family)

    async def _attempt(self, call: Call) -> Reply:
        transport, trigger = self._transport, self._trigger
        breaker = transport.limits.breaker(trigger)
        breaker.check()
        await self._limiter(call).wait()
        await transport.limits.limiter(trigger, "", "").wait()
        try:
            reply, headers = await transport.send(call, self._order)
            if call.is_kept:
                await self._keep(reply)
            self._judge(reply, headers)
        except TriggerError as error:
            breaker.saw(is_down=isinstance(error, BrokerUnavailable))
            raise
        breaker.saw(is_down=False)
        return reply

    def _judge(self, reply: Reply, headers: Mapping[str, str]) -> None:
        """Raise what every broker's reply can be wrong in; the rest is the trigger's to say."""
        where = f"{reply.request.split('?')[0]}: the broker answered {reply.status}"
        if reply.status == 429:
            raise RateLimited(f"{where}, too many requests", retry_after(headers, self.clock()))
        if reply.status >= 500:
            down = BrokerUnavailable(f"{where}, it is down or under maintenance")
            down.retry_after = retry_after(headers, self.clock())
            raise down
        if 300 <= reply.status < 400:
            raise UnexpectedReply(f"{where}, a redirect, which is never followed")
        if _is_a_page(reply.body, headers):
            unusable = UnexpectedReply if reply.status < 400 else BrokerUnavailable
            raise unusable(f"{where} with a web page where data was expected")
        if is_deeper_than(DEPTH_LIMIT, reply.body):
            raise UnexpectedReply(f"{where}, nested deeper than {DEPTH_LIMIT} levels")
        error = self._trigger.classify(reply)
        if error:
            raise error

    def _pause(self, error: TriggerError, longest: float) -> float:
        """Chance spreads the attempts of many accounts. It comes on top of what the broker asked for."""
        unsaid = longest if isinstance(error, RateLimited) else 0.0
        least = unsaid if error.retry_after is None else error.retry_after
        return least + self._transport.random() * longest


async def _body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body after decompression; UnexpectedReply as soon as it is larger than `limit` bytes."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            raise UnexpectedReply(f"{response.method} {response.url.path}: more than {limit} bytes; not read further")
        chunks.append(chunk)
    return b"".join(chunks)


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    return quote_plus(text, safe=",")


def _is_a_page(body: bytes, headers: Mapping[str, str]) -> bool:
    content_type = headers.get("Content-Type", "").split(";")[0].strip().lower()
    return content_type in PAGE_TYPES or body[:64].lstrip().startswith(b"<")


def _what_failed(error: Exception, deadline: float) -> str:
    if isinstance(error, aiohttp.ClientSSLError):
        return "the broker's TLS certificate was not accepted; nothing was sent"
    if isinstance(error, TimeoutError):
        return f"no whole answer within {deadline:g} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {error.host}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    return f"the connection failed ({type(error).__name__})"


__all__ = ["Client", "Keep", "Transport"]
