"""How often a broker may be asked, with time that passes only when somebody sleeps."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from portfolio.triggers.base import BaseTrigger, LeftAlone, Rate
from portfolio.triggers.groww import GrowwTrigger
from portfolio.triggers.limits import SLACK, Breaker, Doors, Limiter, Limits
from portfolio.triggers.zerodha import ZerodhaTrigger

from .broker import FakeTime, PlainTrigger


class Limited(PlainTrigger):
    limits = {"read": (Rate(2, 1),)}


def moments(rates: list[Rate], calls: int) -> list[float]:
    """When each of so many calls, all made at once, may go."""
    time = FakeTime()
    limiter = Limiter(rates, time.timer, time.sleep)
    return [round(limiter._book(), 6) for _ in range(calls)]


def test_calls_within_the_rate_go_at_once_and_the_next_waits_for_the_window() -> None:
    assert moments([Rate(3, 1)], 7) == [0, 0, 0, 1 + SLACK, 1 + SLACK, 1 + SLACK, 2 * (1 + SLACK)]


def test_the_slower_of_two_rates_decides() -> None:
    assert moments([Rate(2, 1), Rate(3, 60)], 5) == [0, 0, 1 + SLACK, 60 + SLACK, 60 + SLACK]


def test_no_rate_is_no_limit() -> None:
    assert moments([], 1000) == [0] * 1000


@pytest.mark.parametrize("rates", [[Rate(20, 1), Rate(500, 60)], [Rate(10, 1), Rate(300, 60)], [Rate(1, 1)]])
def test_no_window_ever_holds_more_calls_than_its_rate_allows(rates: list[Rate]) -> None:
    times = moments(rates, 1200)
    for calls, seconds in rates:
        assert all(later - earlier >= seconds for earlier, later in zip(times, times[calls:], strict=False))


def test_callers_go_in_the_order_they_came() -> None:
    time = FakeTime()
    limiter = Limiter([Rate(1, 1)], time.timer, time.sleep)
    went: list[int] = []

    async def call(number: int) -> None:
        await limiter.wait()
        went.append(number)

    async def all_at_once() -> None:
        await asyncio.gather(*(call(number) for number in range(5)))

    asyncio.run(all_at_once())
    assert went == [0, 1, 2, 3, 4]


def test_what_the_broker_asked_for_holds_everybody_behind_the_limiter() -> None:
    time = FakeTime()
    limiter = Limiter([], time.timer, time.sleep)
    limiter.hold(30)
    asyncio.run(limiter.wait())
    assert (time.slept, limiter.held()) == ([30], 0)


def test_a_broker_that_failed_often_is_left_alone_and_then_tried_by_one_caller() -> None:
    time = FakeTime()
    breaker = Breaker(failures=3, pause=10, timer=time.timer)
    for _ in range(3):
        breaker.check()
        breaker.saw(is_down=True)
    with pytest.raises(LeftAlone, match="3 times in a row"):
        breaker.check()
    time.now += 10
    breaker.check()
    with pytest.raises(LeftAlone):
        breaker.check()
    breaker.saw(is_down=False)
    breaker.check()


def test_what_was_asked_before_counts_whoever_asks_for_the_limiter() -> None:
    time = FakeTime()
    limits = Limits(time.timer, time.sleep)
    for _ in range(3):
        asyncio.run(limits.limiter(Limited, "one", "read").wait())
    asyncio.run(limits.limiter(Limited, "two", "read").wait())
    assert time.slept == [1 + SLACK]


def test_only_what_holds_nobody_up_is_let_go() -> None:
    time = FakeTime()
    limits = Limits(time.timer, time.sleep)
    asked, told = limits.limiter(Limited, "one", "read"), limits.limiter(Limited, "two", "read")
    asyncio.run(asked.wait())
    told.hold(30)
    limits.tidy()
    assert (limits.limiter(Limited, "one", "read"), limits.limiter(Limited, "two", "read")) == (asked, told)
    time.now += 1 + SLACK
    limits.tidy()
    assert limits.limiter(Limited, "one", "read") is not asked
    assert limits.limiter(Limited, "two", "read") is told


def test_lifted_limits_hold_nobody_up_and_hold_again_afterwards() -> None:
    time = FakeTime()
    limits = Limits(time.timer, time.sleep)
    with limits.lifted():
        for _ in range(9):
            asyncio.run(limits.limiter(Limited, "one", "read").wait())
    assert time.slept == []
    for _ in range(3):
        asyncio.run(limits.limiter(Limited, "one", "read").wait())
    assert time.slept == [1 + SLACK]


def test_threads_that_share_a_limiter_are_given_one_place_each() -> None:
    time = FakeTime()
    limiter = Limiter([Rate(5, 1)], time.timer, time.sleep)
    with ThreadPoolExecutor(8) as threads:
        places = Counter(threads.map(lambda _: limiter._book(), range(1000)))
    assert set(places.values()) == {5}


@pytest.mark.parametrize(
    ("trigger", "family", "allowed"),
    [
        (GrowwTrigger, "non_trading", [Rate(20, 1), Rate(500, 60)]),
        (GrowwTrigger, "live_data", [Rate(10, 1), Rate(300, 60)]),
        (ZerodhaTrigger, "reading", [Rate(10, 1)]),
        (ZerodhaTrigger, "quotes", [Rate(1, 1)]),
    ],
)
def test_processes_that_take_an_account_over_from_each_other_keep_the_brokers_limit(
    trigger: type[BaseTrigger], family: str, allowed: list[Rate]
) -> None:
    """Each starts with a limiter that knows nothing, asks all it may for five seconds, and hands over."""
    time, moments = FakeTime(), []
    for start in range(0, 120, 5):
        time.now = 1000.0 + start + (1 if family == "quotes" else 0)
        limiter = Limiter(trigger.limits[family], time.timer, time.sleep)
        while (moment := time.now + limiter._book()) < 1000 + start + 5:
            moments.append(moment)
    for calls, seconds in allowed:
        pairs = zip(moments, moments[calls:], strict=False)
        assert all(later - earlier >= seconds for earlier, later in pairs)


def test_of_those_who_wait_at_the_doors_the_account_that_was_begun_first_goes_first() -> None:
    doors, went = Doors(1), []

    async def go(order: int) -> None:
        await doors.enter(order)
        went.append(order)
        await asyncio.sleep(0)
        doors.leave()

    async def all_at_once() -> None:
        given_up = asyncio.create_task(go(0))
        waiting = [asyncio.create_task(go(order)) for order in (3, 1, 2, 1)]
        await asyncio.sleep(0)
        waiting[2].cancel()
        await asyncio.gather(given_up, *waiting, return_exceptions=True)
        await go(9)

    asyncio.run(all_at_once())
    assert went == [0, 1, 1, 3, 9]
