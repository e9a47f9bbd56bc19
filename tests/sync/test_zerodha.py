"""A Zerodha account by the whole pipeline: what the simulated Zerodha knows is what stands in the book."""

from collections import Counter
from datetime import date, datetime

import pytest

from ledger.entries import Instrument as Line
from ledger.entries import Listing as Named
from ledger.normalise import IST
from portfolio.models import (
    FundsVersion,
    Instrument,
    Listing,
    OrderQuantityChange,
    OrderVersion,
    RealHolding,
    RealPosition,
    Transaction,
)
from portfolio.schedule.tick import tick
from portfolio.sync import master
from simulators.investor import Investor
from simulators.market import Market
from simulators.scripts import random_investor
from simulators.zerodha_forms import order_id_of
from tests import build
from tests.simulators.build import at
from tests.sync.month import bridge

pytestmark = pytest.mark.database
UCC = "1000000001"


def test_an_evening_stands_in_the_book_as_it_was() -> None:
    investor = random_investor(Market(), UCC, 1, holdings=6, positions=3, orders=9)
    with build.zerodha(investor) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        (result,) = build.synced(account)
        (again,) = build.synced(account)
    assert (result.status, result.capture.problems) == ("COMPLETED", [])
    assert result.capture.metadata["prices_absent"].startswith("Zerodha refused GET /quote/ltp")
    holdings = {row.isin: row.owned_quantity for row in RealHolding.objects.all()}
    assert holdings == {holding.isin: holding.total for holding in investor.holdings}
    positions = {row.symbol: row.quantity for row in RealPosition.objects.all()}
    assert positions == {each.instrument.symbol: each.net for each in investor.positions.values()}
    latest = {row.groww_order_id: row for row in OrderVersion.objects.order_by("version")}
    assert sorted(row.filled_quantity for row in latest.values()) == sorted(o.filled for o in investor.orders)
    fills = sorted(Transaction.objects.values_list("executed_at", "symbol", "quantity", "price"))
    assert fills == sorted(
        (fill.at, order.instrument.symbol, fill.quantity, fill.price)
        for order, fill in investor.truth.fills_on(investor.book_day)
    )
    assert FundsVersion.objects.get().margin_available == round(investor.cash, 4)
    assert (again.status, again.page.entries_count) == ("COMPLETED", 0)
    prices = {row.symbol: row.current_price for row in RealHolding.objects.all()}
    assert prices == {symbol: simulator.market.price(symbol, simulator.now) for symbol in prices}


def a_busy_morning() -> Investor:
    """An order in two fills with a change of its price between, all before noon."""
    investor = Investor(Market(), UCC)
    investor.at("2026-10-05 10:00", lambda one: one.place("SBIN", "BUY", 10, price="700"))
    investor.at("2026-10-05 10:30", lambda one: one.fill(one.orders[0], 4))
    investor.at("2026-10-05 11:00", lambda one: one.modify(one.orders[0], price="710"))
    investor.at("2026-10-05 11:30", lambda one: one.fill(one.orders[0]))
    return investor


TRAIL = [
    ("PUT ORDER REQ RECEIVED", "NEW", 0, "10:00"),
    ("VALIDATION PENDING", "NEW", 0, "10:00"),
    ("OPEN PENDING", "NEW", 0, "10:00"),
    ("OPEN", "OPEN", 0, "10:00"),
    ("OPEN", "PARTIALLY_FILLED", 4, "10:30"),
    ("MODIFY VALIDATION PENDING", "MODIFY_PENDING", 4, "11:00"),
    ("MODIFY PENDING", "MODIFY_PENDING", 4, "11:00"),
    ("MODIFIED", "PARTIALLY_FILLED", 4, "11:00"),
    ("OPEN", "PARTIALLY_FILLED", 4, "11:00"),
    ("COMPLETE", "EXECUTED", 10, "11:30"),
]


def states(is_late: bool = False) -> list[tuple[str, str, int, str]]:
    rows = OrderVersion.objects.filter(is_late=is_late).order_by("version")
    return [(row.status_raw, row.order_status, int(row.filled_quantity), clock_of(row.changed_at)) for row in rows]


def clock_of(moment: datetime | None) -> str:
    return f"{moment.astimezone(IST):%H:%M}" if moment else ""


def test_a_trail_seen_whole_at_first_sight_is_written_in_its_order_at_the_brokers_own_times() -> None:
    with build.zerodha(a_busy_morning()) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        (first,) = build.synced(account)
        (again,) = build.synced(account)
    assert (states(), states(is_late=True)) == (TRAIL, [])
    assert set(OrderVersion.objects.values_list("created_at", flat=True)) == {at("2026-10-05 10:00")}
    changes = OrderQuantityChange.objects.order_by("order_history__version", "pk").values_list("change_type", flat=True)
    assert Counter(changes) == {
        "ORDER_PLACED": 1, "QUANTITY_ADDED": 2, "STATUS_CHANGED": 5, "ORDER_MODIFIED": 1,
    }  # fmt: skip
    assert sum(OrderQuantityChange.objects.values_list("quantity_delta", flat=True)) == 10
    assert (first.status, first.made.counts["orders_created"], again.page.entries_count) == ("COMPLETED", 1, 0)


@pytest.mark.parametrize("moment", ["10:10", "10:45", "11:10"])
def test_looks_in_between_find_the_same_trail(moment: str) -> None:
    with build.zerodha(a_busy_morning(), start=f"2026-10-05 {moment}") as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        build.synced(account)
        simulator.move_to("2026-10-05 16:05")
        build.synced(account)
    assert (states(), states(is_late=True)) == (TRAIL, [])


def test_a_trail_that_came_too_late_is_kept_as_late_and_changes_nothing() -> None:
    with build.zerodha(a_busy_morning()) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        simulator.fault("reset", "/orders/*")
        (first,) = build.synced(account)
        simulator.clear_faults()
        moved = list(OrderQuantityChange.objects.values_list("pk", flat=True))
        (second,) = build.synced(account)
        (third,) = build.synced(account)
    assert [(each.section, each.kind) for each in first.capture.problems] == [("trails", "broker_unavailable")]
    assert (first.status, second.status, third.page.entries_count) == ("PARTIAL", "COMPLETED", 0)
    assert (states(), states(is_late=True)) == (TRAIL[-1:], TRAIL[:-1])
    assert list(OrderQuantityChange.objects.values_list("pk", flat=True)) == moved


def test_one_trail_that_does_not_come_is_named_and_the_others_are_written() -> None:
    investor = a_busy_morning()
    investor.at("2026-10-05 12:00", lambda one: one.buy("TCS", 1))
    with build.zerodha(investor) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        simulator.fault("500", f"/orders/{order_id_of(UCC, investor.orders[0], 19)}")
        (result,) = build.synced(account)
    (problem,) = result.capture.problems
    assert (problem.section, problem.kind, result.status) == ("trails", "set_aside", "PARTIAL")
    assert "its trail did not come" in problem.message
    assert Counter(OrderVersion.objects.values_list("symbol", flat=True)) == {"SBIN": 1, "TCS": 5}


@pytest.mark.parametrize("amo_time", ["entered", "sent"])
def test_an_after_market_order_is_one_order_on_both_its_days(amo_time: str) -> None:
    investor = Investor(Market(), UCC)
    investor.at("2026-10-05 18:30", lambda one: one.place("SBIN", "BUY", 10))
    with build.zerodha(investor, start="2026-10-05 19:00", amo_time=amo_time) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        build.synced(account)
        simulator.move_to("2026-10-06 16:05")
        build.log_in(simulator, UCC, account)
        simulator.fault("reset", "/orders/*")
        build.synced(account)
    assert set(OrderVersion.objects.values_list("order_date", flat=True)) == {date(2026, 10, 5)}
    assert [row[:3] for row in states()] == [
        ("PUT ORDER REQ RECEIVED", "NEW", 0),
        ("AMO REQ RECEIVED", "NEW", 0),
        ("COMPLETE", "EXECUTED", 10),
    ]
    assert [row.amo_status for row in OrderVersion.objects.order_by("version")] == ["PLACED", "PENDING", "PLACED"]


@pytest.mark.parametrize("status", [400, 404])
def test_an_order_without_a_trail_is_kept_as_it_is_listed(status: int) -> None:
    with build.zerodha(a_busy_morning(), past_order_status=status) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        simulator.fault("404", "/orders/*")
        (result,) = build.synced(account)
    assert (result.status, result.capture.problems, states()) == ("COMPLETED", [], TRAIL[-1:])


def test_a_share_that_is_traded_at_the_other_exchange_is_the_one_that_is_held() -> None:
    """Orders and fills have no ISIN: one is held under NSE and sold at BSE, another comes and is shown under NSE."""
    investor = Investor(Market(), UCC)
    investor.start_with("SBIN", 90, "640.5")
    investor.at("2026-10-05 11:00", lambda one: one.sell("SBIN", 20, exchange="BSE"))
    investor.at("2026-10-05 11:30", lambda one: one.buy("TCS", 3, exchange="BSE"))
    with build.zerodha(investor, exchange_flips=False) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        for moment in ("2026-10-05 16:05", "2026-10-06 16:05"):
            simulator.move_to(moment)
            build.log_in(simulator, UCC, account)
            (result,) = build.synced(account)
    assert (result.status, bridge(account)) == ("COMPLETED", {"INE062A01020": 70, "INE467B01029": 3})
    assert list(account.holding_changes.exclude(question_number=None)) == []
    assert sorted(Instrument.objects.values_list("symbol", "isin")) == [
        ("SBIN", "INE062A01020"),
        ("TCS", "INE467B01029"),
    ]
    assert sorted(Listing.objects.values_list("symbol", "exchange")) == [
        ("SBIN", "BSE"), ("SBIN", "NSE"), ("TCS", "BSE"), ("TCS", "NSE"),
    ]  # fmt: skip


def test_what_is_bought_for_the_first_time_has_its_isin_from_the_instrument_map_that_evening() -> None:
    investor = Investor(Market(), UCC)
    investor.at("2026-10-05 11:00", lambda one: one.buy("TCS", 3, exchange="BSE"))
    master.take("ANY", [Line(Named("INE467B01029", "TCS", exchange)) for exchange in ("NSE", "BSE")])
    with build.zerodha(investor) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        build.synced(account)
    (fill,) = Transaction.objects.all()
    assert (fill.isin, fill.instrument.isin) == ("", "INE467B01029")  # as the broker said it, and which it is
    assert RealPosition.objects.get().instrument == fill.instrument


def test_the_evenings_run_takes_the_public_file_of_another_broker_where_no_account_is_there() -> None:
    """Zerodha's own has no ISIN."""
    investor = Investor(Market(), UCC)
    investor.at("2026-10-05 11:00", lambda one: one.buy("TCS", 3))
    with build.groww() as other, build.zerodha(investor) as simulator:
        build.a_zerodha_account(simulator, UCC)
        simulator.move_to("2026-10-05 19:00")
        assert (tick(), tick()) == (1, 0)
        assert [(one.path, one.ucc) for one in other.requests] == [("/instruments/instrument.csv", "")]
    assert Transaction.objects.get().instrument.isin == "INE467B01029"
