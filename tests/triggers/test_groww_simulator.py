"""The Groww trigger against the simulated Groww: all sections with each login, and what it held is what we read."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import CASH, FNO, Listing, Order
from portfolio.triggers.base import (
    Account,
    BrokerUnavailable,
    Credential,
    LoginRequired,
    NotPermitted,
    RateLimited,
    TriggerError,
    UnexpectedReply,
)
from portfolio.triggers.client import Transport
from portfolio.triggers.groww import GrowwTrigger
from simulators.groww import GrowwSimulator, groww_simulator
from simulators.market import Market
from simulators.scripts import first_investor, second_investor

from .broker import FakeTime, Kept, Tokens

UCC = "1000000001"


@pytest.fixture
def groww() -> Iterator[GrowwSimulator]:
    with groww_simulator(limits=False) as simulator:
        yield simulator


def secrets(groww: GrowwSimulator, method: str) -> dict[str, str]:
    all_three = groww.credentials(next(iter(groww.investors)))
    return {
        "totp": {"totp_token": all_three["totp_token"], "totp_secret": all_three["totp_seed"]},
        "approval": {"api_key": all_three["api_key"], "api_secret": all_three["api_secret"]},
        "token": {"access_token": all_three["access_token"]},
    }[method]


def run(
    groww: GrowwSimulator, ask: Callable[[GrowwTrigger], Awaitable[Any]], method: str = "totp", **options: Any
) -> Any:
    tokens, kept, time = options.pop("tokens", Tokens()), options.pop("kept", Kept()), options.pop("time", FakeTime())

    async def go() -> Any:
        async with Transport(
            lambda: groww.now.astimezone(UTC), timer=time.timer, sleep=time.sleep, **options
        ) as transport:
            client = transport.client(GrowwTrigger, groww.url, "one", kept, groww.instruments_url)
            account = Account("one", UCC, Credential(secrets(groww, method)), groww.now)
            return await ask(GrowwTrigger(account, client, tokens))

    return asyncio.run(go())


async def everything(trigger: GrowwTrigger) -> dict[str, Any]:
    found: dict[str, Any] = {"identity": await trigger.identify()}
    names = ("holdings", "positions", "orders", "funds")
    answers = await asyncio.gather(*(getattr(trigger, f"fetch_{name}")() for name in names))
    found |= dict(zip(names, answers, strict=True))
    found["trades"] = await trigger.fetch_trades(found["orders"].entries)
    listings = [Listing(row.isin, row.symbol, row.exchange) for row in found["holdings"].entries]
    found["prices"] = await trigger.fetch_prices(listings)
    found["instruments"] = await trigger.fetch_instruments()
    return found


@pytest.mark.parametrize("method", ["totp", "approval", "token"])
def test_every_login_reads_every_section_whole(groww: GrowwSimulator, method: str) -> None:
    tokens = Tokens()
    found = run(groww, everything, method, tokens=tokens)
    assert found.pop("identity") == UCC
    assert {name: list(answer.rows[1]) for name, answer in found.items()} == {name: [] for name in found}
    assert all(len(answer.entries) > 0 for answer in found.values())
    assert len(tokens.puts) == 1
    assert [row.doubt for row in found["holdings"].entries if row.doubt] == []


def test_who_is_refused_twice_in_a_row_waits_for_the_next_minute(groww: GrowwSimulator) -> None:
    """Groww counts by the minute, and does not say how long to wait."""
    groww.fault("429", "/holdings/user", times=2)
    time = FakeTime()
    found = run(groww, GrowwTrigger.fetch_holdings, "token", time=time, random=lambda: 0.0, wall=lambda: 60_033.0)
    assert (len(found.entries) > 0, time.slept) == (True, [1, 27])


def test_a_minute_that_does_not_begin_in_time_is_told_as_the_pause(groww: GrowwSimulator) -> None:
    groww.fault("429", "/holdings/user")
    with pytest.raises(RateLimited) as refused:
        run(groww, GrowwTrigger.fetch_holdings, "token", random=lambda: 0.0, wall=lambda: 60.5)
    assert refused.value.retry_after == 59.5
    assert [seen.path for seen in groww.requests].count("/holdings/user") == 2


def test_a_pause_that_is_said_is_the_one_that_is_kept(groww: GrowwSimulator) -> None:
    groww.fault("429", "/holdings/user", times=2, retry_after=7)
    time = FakeTime()
    run(groww, GrowwTrigger.fetch_holdings, "token", time=time, random=lambda: 0.0)
    assert time.slept == [7, 7]


def bought_and_sold(orders: list[Order]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for order in orders:
        sign = 1 if order.transaction_type == "BUY" else -1
        totals[order.symbol] = totals.get(order.symbol, Decimal(0)) + sign * order.filled_quantity
    return {symbol: total for symbol, total in totals.items() if total}


def test_fills_add_up_to_what_their_orders_say_was_filled(groww: GrowwSimulator) -> None:
    found = run(groww, everything)
    filled = {order.order_id: order.filled_quantity for order in found["orders"].entries if order.filled_quantity}
    fills: dict[str, Decimal] = {}
    for trade in found["trades"].entries:
        fills[trade.order_id] = fills.get(trade.order_id, Decimal(0)) + trade.quantity
    assert fills == filled
    assert len(filled) > 10


def test_positions_agree_with_the_days_orders(groww: GrowwSimulator) -> None:
    found = run(groww, everything)
    shares = [order for order in found["orders"].entries if order.segment == CASH]
    nets = {row.symbol: Decimal(0) for row in found["positions"].entries if row.segment == CASH}
    for row in found["positions"].entries:
        if row.segment == CASH:
            nets[row.symbol] += row.quantity
    assert {symbol: net for symbol, net in nets.items() if net} == bought_and_sold(shares)


def sections(found: dict[str, Any], *names: str) -> dict[str, list[Any]]:
    return {name: list(found[name].entries) for name in names}


BOOKS = ("holdings", "positions", "orders", "trades", "funds", "prices")


@pytest.mark.parametrize(
    "switches",
    [
        {"times": "z_utc"},
        {"times": "z_literal"},
        {"times": "offset"},
        {"numbers": "floats"},
        {"numbers": "strings"},
        {"segment_in_positions": False},
        {"groww_trade_id": False},
        {"page_size_limit": 25, "trades_page_size_limit": 25},
        {"page_size_limit": 7, "trades_page_size_limit": 1},
        {"failures_with_200": True},
        {"t1_inside_quantity": True},
    ],
    ids=str,
)
def test_what_groww_leaves_open_changes_nothing_of_what_we_read(
    groww: GrowwSimulator, switches: dict[str, Any]
) -> None:
    as_documented = sections(run(groww, everything), *BOOKS)
    for name, value in switches.items():
        groww.switch(name, value)
    found = sections(run(groww, everything), *BOOKS)
    if "t1_inside_quantity" in switches:
        owned = [(row.symbol, row.owned) for row in found["holdings"]]
        assert owned == [(row.symbol, row.owned) for row in as_documented.pop("holdings")]
        del found["holdings"]
    assert found == as_documented


@pytest.mark.parametrize("given", ["null", "absent"])
def test_an_exchange_time_that_is_not_given_leaves_the_rest(groww: GrowwSimulator, given: str) -> None:
    as_documented = run(groww, everything)["orders"].entries
    groww.switch("exchange_time", given)
    found = run(groww, everything)["orders"]
    assert list(found.entries) == [order._replace(exchange_time=None) for order in as_documented]


def test_fills_of_derivatives_have_a_contract_and_no_isin() -> None:
    with groww_simulator([first_investor(Market())]) as groww:
        groww.move_to("2026-10-14 16:05")
        trades = run(groww, everything)["trades"]
    options = [(trade.symbol, trade.isin, trade.is_synthesised) for trade in trades.entries if trade.segment == FNO]
    assert (options, trades.rows[1]) == ([("NIFTY26NOV25000CE", None, False)], [])


def test_derivatives_whose_fills_are_not_listed_give_one_fill_an_order() -> None:
    with groww_simulator([first_investor(Market())]) as groww:
        groww.move_to("2026-10-14 16:05")
        groww.switch("fno_trades_404", True)
        found = run(groww, everything)
    options = [order for order in found["orders"].entries if order.segment == FNO]
    made = [trade for trade in found["trades"].entries if trade.is_synthesised]
    assert [(order.order_id, order.filled_quantity, order.average_fill_price) for order in options] == [
        (trade.order_id, trade.quantity, trade.price) for trade in made
    ]
    assert len(made) == 1


@pytest.mark.parametrize("clamp", [100, 25])
def test_a_day_with_more_orders_than_a_page_holds_is_read_whole(clamp: int) -> None:
    with groww_simulator([second_investor(Market())], page_size_limit=clamp, limits=False) as groww:
        groww.move_to("2026-10-12 16:05")
        orders = run(groww, lambda trigger: trigger.fetch_orders()).entries
        placed = len(next(iter(groww.investors.values())).orders)
    assert len({order.order_id for order in orders}) == len(orders) == placed
    assert placed >= 130


def test_a_token_dies_at_six_and_is_renewed_once_while_all_sections_ask(groww: GrowwSimulator) -> None:
    tokens = Tokens()
    run(groww, everything, tokens=tokens)
    groww.move_to("2026-10-06 06:00")
    logins = len(logins_of(groww))
    run(groww, everything, tokens=tokens)
    assert (len(logins_of(groww)) - logins, len(tokens.puts)) == (1, 2)


def logins_of(groww: GrowwSimulator) -> list[str]:
    return [each.path for each in groww.requests if each.path.endswith("/token/api/access")]


def test_a_key_that_nobody_approved_today_says_so(groww: GrowwSimulator) -> None:
    groww.switch("approved_today", False)
    with pytest.raises(LoginRequired, match="Approve today's key"):
        run(groww, everything, "approval")
    assert len(logins_of(groww)) == 1


def test_a_code_that_was_used_is_followed_by_the_next_one(groww: GrowwSimulator) -> None:
    groww.switch("totp_single_use", True)
    assert [run(groww, lambda trigger: trigger.identify()) for _ in range(2)] == [UCC, UCC]
    assert len(logins_of(groww)) == 3


def test_an_account_without_a_subscription_is_not_permitted(groww: GrowwSimulator) -> None:
    tokens = Tokens()
    run(groww, lambda trigger: trigger.identify(), tokens=tokens)
    groww.switch("subscription", False)
    with pytest.raises(NotPermitted):
        run(groww, lambda trigger: trigger.fetch_holdings(), tokens=tokens)


FAULTS: list[tuple[str, dict[str, Any], type[TriggerError]]] = [
    ("401", {}, LoginRequired),
    ("403", {}, NotPermitted),
    ("429", {}, RateLimited),
    ("429", {"retry_after": 600}, RateLimited),
    ("429", {"retry_after": "date", "seconds": 600}, RateLimited),
    ("500", {}, BrokerUnavailable),
    ("502", {}, BrokerUnavailable),
    ("503_html", {}, BrokerUnavailable),
    ("504", {}, BrokerUnavailable),
    ("html_200", {}, UnexpectedReply),
    ("failure_200", {}, BrokerUnavailable),
    ("failure_200", {"code": "GA001", "message": "Bad request"}, UnexpectedReply),
    ("deep_nesting", {}, UnexpectedReply),
    ("gzip_bomb", {}, UnexpectedReply),
    ("huge_body", {"bytes": 20_000_000}, UnexpectedReply),
    ("slow_drip", {"seconds": 0.05}, BrokerUnavailable),
    ("latency", {"seconds": 3}, BrokerUnavailable),
    ("truncated_length", {}, BrokerUnavailable),
    ("reset", {}, BrokerUnavailable),
]


@pytest.mark.parametrize(("kind", "options", "error"), FAULTS)
def test_a_fault_that_stays_ends_in_its_own_error(
    groww: GrowwSimulator, kind: str, options: dict[str, Any], error: type[TriggerError]
) -> None:
    tokens = Tokens()
    run(groww, lambda trigger: trigger.identify(), tokens=tokens)
    groww.fault(kind, "/holdings/user", **options)
    with pytest.raises(error):
        run(groww, lambda trigger: trigger.fetch_holdings(), tokens=tokens, deadline=0.5)


def test_an_answer_cut_short_is_kept_and_never_believed(groww: GrowwSimulator) -> None:
    kept = Kept()
    groww.fault("truncated", "/holdings/user")
    answer = run(groww, lambda trigger: trigger.fetch_holdings(), kept=kept)
    with pytest.raises(UnexpectedReply, match="not JSON"):
        _ = answer.entries
    assert [reply.request for reply in kept.replies] == ["GET /holdings/user"]


@pytest.mark.parametrize("kind", ["500", "503_html", "reset", "429", "truncated_length", "401"])
def test_a_fault_that_passes_costs_nothing(groww: GrowwSimulator, kind: str) -> None:
    groww.fault(kind, "/holdings/user", times=1)
    assert len(run(groww, lambda trigger: trigger.fetch_holdings()).entries) > 0


def test_nothing_that_changes_anything_is_ever_asked(groww: GrowwSimulator) -> None:
    run(groww, everything)
    assert [each.path for each in groww.requests if each.is_write] == []
