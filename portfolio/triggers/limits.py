"""How often a broker may be asked, and when it is left in peace for a while.

A limit is between us and the broker's servers, so it runs in real time and not on the clock of the
book, and outlasts the run that reached it. Threads may share it; nothing here opens a socket.
"""

import asyncio
import heapq
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from .base import BaseTrigger, LeftAlone, Rate

Timer = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

SLACK: Final = 0.25  # seconds added to every window: what is sent apart may arrive closer together


class Limiter:
    """At most `calls` in any `seconds`, for each of its rates. Callers go in the order they came.

    Each caller books the first moment that every rate allows and sleeps until then. A booking is
    never given back: a cancelled caller costs its place.
    """

    def __init__(self, rates: Sequence[Rate], timer: Timer = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._rates = tuple(rates)
        self._timer, self._sleep = timer, sleep
        self._booked: deque[float] = deque(maxlen=max((rate.calls for rate in self._rates), default=1))
        self._not_before = 0.0
        self._one_at_a_time = threading.Lock()

    async def wait(self) -> None:
        delay = self._book()
        if delay > 0:
            await self._sleep(delay)

    def hold(self, seconds: float) -> None:
        """The broker said to wait: nobody behind this limiter goes earlier."""
        self._not_before = max(self._not_before, self._timer() + seconds)

    def held(self) -> float:
        """Seconds that are left of what the broker asked for."""
        return max(0.0, self._not_before - self._timer())

    def is_idle(self) -> bool:
        """Whether it holds nobody up: as good as a new one."""
        longest = max((rate.seconds for rate in self._rates), default=0.0) + SLACK
        return not self.held() and (not self._booked or self._booked[-1] + longest <= self._timer())

    def _book(self) -> float:
        with self._one_at_a_time:
            now = self._timer()
            booked = self._booked
            moment = max(now, self._not_before, booked[-1] if booked else now)
            for calls, seconds in self._rates:
                if len(booked) >= calls:
                    moment = max(moment, booked[-calls] + seconds + SLACK)
            booked.append(moment)
            return moment - now


class Doors:
    """So many at a time. Of those who wait, whoever has the lowest `order` goes first: accounts that were begun are
    finished before others get on, so that they come out one after the other and not all at once."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._came = 0

    async def enter(self, order: int) -> None:
        """Waits for its turn. Whoever was let in leaves again, whatever happens."""
        if self._free:
            self._free -= 1
            return
        self._came += 1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (order, self._came, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was let in at that very moment
                self.leave()
            raise

    def leave(self) -> None:
        """Hands its place to the next one who still waits."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Breaker:
    """One a broker: after `failures` in a row, whatever the account, nobody asks for `pause` s; then one tries."""

    def __init__(self, failures: int = 20, pause: float = 15.0, timer: Timer = time.monotonic) -> None:
        self._limit, self._pause, self._timer = failures, pause, timer
        self._failed = 0
        self._closed_until = 0.0

    def check(self) -> None:
        if self._failed < self._limit:
            return
        now = self._timer()
        if now < self._closed_until:
            raise LeftAlone(f"the broker failed {self._failed} times in a row and is left alone for a moment")
        self._closed_until = now + self._pause  # this caller tries; the others wait for what it finds

    def saw(self, *, is_down: bool) -> None:
        """How an attempt ended. Any answer of the broker, a refusal too, shows that it is up."""
        self._failed = self._failed + 1 if is_down else 0
        if self._failed >= self._limit:
            self._closed_until = self._timer() + self._pause


class Limits:
    """Every limiter and breaker of one process, by broker, account and family. They outlast a run."""

    def __init__(self, timer: Timer = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._timer, self._sleep = timer, sleep
        self._limiters: dict[tuple[str, ...], Limiter] = {}
        self._breakers: dict[str, Breaker] = {}
        self._are_lifted = False
        self._one_at_a_time = threading.Lock()

    def limiter(self, trigger: type[BaseTrigger], account_key: str, family: str) -> Limiter:
        """Of one account; without an account, of the broker as a whole."""
        key = (trigger.code, account_key, family)
        with self._one_at_a_time:
            if key not in self._limiters:
                self._limiters[key] = self._new_limiter(trigger, account_key, family)
            return self._limiters[key]

    def _new_limiter(self, trigger: type[BaseTrigger], account_key: str, family: str) -> Limiter:
        rates = trigger.limits.get(family, ()) if account_key else trigger.broker_limits
        return Limiter(() if self._are_lifted else rates, self._timer, self._sleep)

    def breaker(self, trigger: type[BaseTrigger]) -> Breaker:
        with self._one_at_a_time:
            if trigger.code not in self._breakers:
                self._breakers[trigger.code] = Breaker(timer=self._timer)
            return self._breakers[trigger.code]

    def tidy(self) -> None:
        """Lets go of what holds nobody up, so that thousands of accounts do not add up over the days."""
        with self._one_at_a_time:
            self._limiters = {key: limiter for key, limiter in self._limiters.items() if not limiter.is_idle()}

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Within it no rate holds: for a pretended broker on this machine. Pauses that it asks for do."""
        self.forget()
        self._are_lifted = True
        try:
            yield
        finally:
            self._are_lifted = False
            self.forget()

    def forget(self) -> None:
        with self._one_at_a_time:
            self._limiters.clear()
            self._breakers.clear()


OF_THIS_PROCESS: Final = Limits()


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a broker asks to be left alone, said as seconds or as a date; None when it does not say."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    moment = _http_date(value)
    if moment is None:
        return None
    # Measured on the broker's own clock, where it shows it: ours may be set, or wrong.
    return max(0.0, (moment - (_http_date(headers.get("Date", "")) or now)).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
