"""Fills from capture to capture: each is one transaction, however the broker lists it, and none goes unnoticed."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import FNO, Order, Trade
from portfolio.models import BrokerAccount, Transaction
from portfolio.sync.record import Result
from simulators.investor import Investor
from simulators.market import Market
from simulators.orders import BUY, CARRY
from tests import build
from tests.simulators.build import an_investor
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
ISIN = build.ISINS["TCS"]


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """Connected and captured once, on Monday morning."""
    account = build.an_account("SCRIPTED")
    at("2026-10-05 09:30")
    build.synced(account)
    at("2026-10-05 16:05")
    return account


def told(account: BrokerAccount, broker: Broker, order: Order, *fills: Trade) -> Result:
    """A capture in which the broker says this of one order and its fills."""
    broker.says.update(orders=[order], trades=list(fills))
    return build.synced(account)[0]


def kinds(result: Result) -> list[str]:
    return [problem.kind for problem in result.capture.problems]


def counted(account: BrokerAccount) -> list[tuple[str, Decimal]]:
    """What counts: the beginning of the source id, and units."""
    rows = Transaction.objects.current().filter(broker_account=account).order_by("source_id")
    return [(source_id.partition(":")[0], units) for source_id, units in rows.values_list("source_id", "quantity")]


def bought(account: BrokerAccount) -> Decimal:
    """What the day's snapshot says was put in."""
    return account.snapshots.latest("snapshot_date", "revision").net_purchases


def filled(units: int, **values: Any) -> Order:
    return build.an_order(filled=units, **values)


def a_fill(order: Order, units: int, trade_id: str, **values: Any) -> Trade:
    fill: Trade = build.a_trade(order, units, trade_id, **values)
    return fill


def made_up(order: Order) -> Trade:
    fill: Trade = build.a_trade(order, trade_id="", is_synthesised=True)
    return fill


def test_a_list_that_is_not_there_any_more_makes_up_only_what_is_new(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(4), a_fill(filled(4), 4, "T1"))
    result = told(account, broker, filled(10), made_up(filled(10)))
    assert (kinds(result), counted(account), bought(account)) == ([], [("NSE", 4), ("order", 6)], 30_000)


def test_numbered_fills_take_the_place_of_made_up_ones(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(4), made_up(filled(4)))
    order = filled(10)
    result = told(account, broker, order, a_fill(order, 4, "T1"), a_fill(order, 6, "T2"))
    assert (kinds(result), counted(account), bought(account)) == ([], [("NSE", 4), ("NSE", 6)], 30_000)
    void = account.transactions.exclude(void_reason="").get()
    assert (void.revision, void.quantity, void.void_reason) == (2, 4, "all fills of its order are listed by now")
    assert void.supersedes == account.transactions.get(source_id=void.source_id, revision=1)


def test_a_made_up_fill_is_asked_for_until_it_is_listed_and_then_replaced_though_its_order_stood_still(
    account: BrokerAccount, broker: Broker
) -> None:
    order = filled(10)
    told(account, broker, order, made_up(order))
    assert told(account, broker, order, made_up(order)).page.entries_count == 0
    result = told(account, broker, order, a_fill(order, 10, "T1"))
    assert (kinds(result), counted(account), bought(account)) == ([], [("NSE", 10)], 30_000)


def test_a_fill_that_gets_its_number_later_is_one_transaction(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(4), a_fill(filled(4), 4, ""))
    order = filled(10)
    result = told(account, broker, order, a_fill(order, 4, "T1"), a_fill(order, 6, "T2"))
    assert (kinds(result), counted(account), bought(account)) == ([], [("NSE", 4), ("NSE", 6)], 30_000)


def test_a_number_that_comes_where_the_isin_is_gone_keeps_the_isin(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(4), a_fill(filled(4), 4, "", isin=ISIN))
    order = filled(10)
    result = told(account, broker, order, a_fill(order, 4, "T1"), a_fill(order, 6, "T2"))
    assert (kinds(result), counted(account)) == ([], [("NSE", 4), ("NSE", 6)])
    numbered = account.transactions.get(quantity=4, void_reason="", revision=1, source_id__startswith="NSE")
    assert (numbered.isin, numbered.instrument.isin) == (ISIN, ISIN)


@pytest.mark.parametrize("trade_id", ["T1", ""])
@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"isin": None}, {"isin": ISIN}),
        ({"executed_at": None}, {}),
        ({"executed_at": None, "trade_date": build.MORNING.date() + timedelta(days=1)}, {}),
        ({}, {"executed_at": build.MORNING + timedelta(hours=5, minutes=30)}),
        ({}, {"executed_at": build.MORNING - timedelta(hours=5, minutes=30)}),
        ({}, {"executed_at": None, "isin": ISIN}),
    ],
    ids=["isin learnt", "time learnt", "time learnt after midnight", "read later", "read earlier", "time not said"],
)
def test_what_is_learnt_of_a_fill_later_makes_no_second_one(
    account: BrokerAccount, broker: Broker, trade_id: str, first: dict[str, Any], later: dict[str, Any]
) -> None:
    told(account, broker, filled(4), a_fill(filled(4), 4, trade_id, **first))
    order = filled(10)
    for _ in range(2):
        result = told(account, broker, order, a_fill(order, 4, trade_id, **later), a_fill(order, 6, "T2"))
        units = [units for _, units in counted(account)]
        assert (kinds(result), sorted(units), bought(account)) == ([], [4, 6], 30_000)
    dates = Transaction.objects.current().values_list("trade_date", flat=True).distinct()
    assert [str(day) for day in dates] == ["2026-10-05"]


def test_fills_beyond_what_the_order_filled_are_told_every_time_and_asked_again(
    account: BrokerAccount, broker: Broker
) -> None:
    told(account, broker, filled(10), a_fill(filled(10), 10, "T1"))
    order = filled(6)
    for _ in range(2):
        result = told(account, broker, order)
        assert (result.status, kinds(result)) == ("PARTIAL", ["fills_exceed"])
        assert result.capture.problems[0].message == "TCS: order O1 filled 6, its fills add up to 10"
    result = told(account, broker, order, a_fill(order, 6, "T2"))
    assert (kinds(result), counted(account), bought(account)) == ([], [("NSE", 6)], 18_000)


def test_an_order_that_filled_nothing_after_all_is_told_of_its_fills(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(4), a_fill(filled(4), 4, "T1"))
    assert kinds(told(account, broker, filled(0))) == ["fills_exceed"]
    assert counted(account) == [("NSE", 4)]


def test_two_different_rows_of_one_number_are_one_fill_and_a_word(account: BrokerAccount, broker: Broker) -> None:
    order = filled(10)
    result = told(account, broker, order, a_fill(order, 10, "T1"), a_fill(order, 9, "T1"), a_fill(order, 10, "T1"))
    assert (result.status, kinds(result), counted(account)) == ("PARTIAL", ["set_aside"], [("NSE", 10)])


def test_a_fill_that_is_listed_under_another_order_by_now_is_one_fill(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(10), a_fill(filled(10), 10, "T1"))
    other = filled(10, order_id="O2")
    broker.says.update(orders=[other], trades=[a_fill(other, 10, "T1")])
    (result,) = build.synced(account)
    assert (kinds(result), counted(account)) == (["orders_missing"], [("NSE", 10)])


def test_a_fill_that_moves_from_one_order_to_another_is_written_once_a_revision(
    account: BrokerAccount, broker: Broker
) -> None:
    told(account, broker, filled(10), a_fill(filled(10), 10, "T1"))
    one, other = filled(6), filled(10, order_id="O2")
    for _ in range(3):
        broker.says.update(
            orders=[one, other], trades=[a_fill(one, 6, "T2"), a_fill(other, 10, "T1", price=Decimal(2999))]
        )
        (result,) = build.synced(account)
    assert (kinds(result), counted(account)) == ([], [("NSE", 10), ("NSE", 6)])
    both = [a_fill(filled(9), 6, "T2"), a_fill(filled(9), 3, "T3")]
    broker.says.update(orders=[filled(9), other], trades=both)
    (result,) = build.synced(account)
    assert (kinds(result), counted(account)) == ([], [("NSE", 10), ("NSE", 6), ("NSE", 3)])


def test_a_fill_that_was_corrected_under_another_order_is_that_ones(account: BrokerAccount, broker: Broker) -> None:
    told(account, broker, filled(10), a_fill(filled(10), 10, "T1"))
    other = filled(10, order_id="O2")
    told(account, broker, other, a_fill(other, 10, "T1", price=Decimal(2999)))
    order = filled(6)
    result = told(account, broker, order, a_fill(order, 6, "T2"))
    assert (kinds(result), counted(account)) == (["orders_missing"], [("NSE", 10), ("NSE", 6)])


def test_a_fill_of_the_other_side_than_its_order_is_set_aside(account: BrokerAccount, broker: Broker) -> None:
    order = filled(10)
    result = told(account, broker, order, a_fill(order, 10, "T1", transaction_type="SELL"))
    assert (kinds(result), counted(account)) == (["set_aside", "fills_missing"], [])
    assert result.capture.problems[0].message == "TCS: a fill to SELL of an order to BUY"


def test_fills_without_an_order_are_known_by_their_names(account: BrokerAccount, broker: Broker) -> None:
    nameless = filled(8, order_id="")
    fills = [a_fill(nameless, 4, ""), a_fill(nameless, 4, "")]
    for _ in range(2):
        told(account, broker, nameless, *fills)
        assert counted(account) == [("fill", 4), ("fill", 4)]


def test_an_amount_beyond_its_column_is_set_aside_and_its_order_told(account: BrokerAccount, broker: Broker) -> None:
    order = filled(10, price=Decimal("9e9"), quantity=Decimal(10**8))
    order = order._replace(filled_quantity=Decimal(10**8))
    result = told(account, broker, order, a_fill(order, 10**8, "T1"))
    assert (kinds(result), counted(account)) == (["set_aside", "fills_missing"], [])


def test_the_fills_of_an_earlier_order_with_the_same_id_are_left_alone(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    told(account, broker, filled(10), a_fill(filled(10), 10, ""))
    at("2026-10-06 16:05")
    order = filled(6, created_at=build.MORNING + timedelta(days=1))
    result = told(account, broker, order, a_fill(order, 6, "T1"))
    assert (kinds(result), counted(account)) == ([], [("NSE", 6), ("fill", 10)])


# By way of Groww


def an_option_buyer() -> Investor:
    """Buys an option in three parts on Wednesday 14 October: 65 at 10:00, 65 at 11:00 and 130 at 12:00."""
    investor = Investor(Market(), "1000000001")
    orders: list[Any] = []
    investor.at(
        "2026-10-14 10:00",
        lambda one: orders.append(one.place("NIFTY26NOV25000CE", BUY, 260, product=CARRY, price=10)),
    )
    for moment, units in (("10:00", 65), ("11:00", 65), ("12:00", 130)):
        investor.at(f"2026-10-14 {moment}", lambda one, units=units: one.fill(orders[0], units, Decimal(10)))  # type: ignore[misc]
    return investor


@pytest.mark.parametrize("not_listed", [(), (0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_options_whose_fills_come_and_go_are_counted_once(not_listed: tuple[int, ...]) -> None:
    with build.groww(an_option_buyer()) as simulator:
        account = build.a_groww_account(simulator, "1000000001")
        for number, (clock, units) in enumerate((("10:30", 65), ("11:30", 130), ("16:05", 260))):
            simulator.move_to(f"2026-10-14 {clock}")
            simulator.switch("fno_trades_404", number in not_listed)
            for _ in range(2):
                (result,) = build.synced(account)
                assert kinds(result) == []
                counts = Transaction.objects.current().filter(segment=FNO)
                assert sum(counts.values_list("quantity", flat=True)) == units
        assert counts.filter(is_synthesised=True).exists() == (2 in not_listed)


HOURS = [
    "06 10:30", "06 12:10", "06 14:00", "06 15:45", "06 16:05", "06 19:00", "06 23:50", "07 00:10", "07 05:00",
    "07 08:30", "07 09:20", "07 16:05", "07 20:00", "08 10:00",
]  # fmt: skip


def a_trader() -> Investor:
    """Orders at all hours, an after-market one among them, and one that fills in parts."""
    investor = an_investor()
    investor.at("2026-10-06 11:30", lambda one: one.buy("SBIN", 5))
    parts: list[Any] = []
    investor.at("2026-10-06 11:40", lambda one: parts.append(one.place("TCS", BUY, 9, price=3000)))
    investor.at("2026-10-06 12:00", lambda one: one.fill(parts[0], 4, Decimal(3000)))
    investor.at("2026-10-06 14:30", lambda one: one.fill(parts[0], 5, Decimal(3000)))
    investor.at("2026-10-06 20:30", lambda one: one.place("TCS", BUY, 3))
    investor.at("2026-10-07 09:16", lambda one: one.sell("TCS", 2))
    investor.at("2026-10-07 15:20", lambda one: one.place("SBIN", BUY, 7, price=100))
    return investor


def captured(times: str) -> dict[str, Any]:
    """Three days of captures at all hours, with times in one of the broker's forms: what the book has then."""
    with build.groww(a_trader()) as simulator:
        simulator.switch("times", times)
        account = build.a_groww_account(simulator, "1000000001")
        problems = []
        for clock in HOURS:
            simulator.move_to(f"2026-10-{clock}")
            problems += kinds(build.synced(account)[0])
    columns = ("groww_order_id", "order_date", "version", "order_status", "filled_quantity")
    return {
        "orders": sorted(account.order_versions.values_list(*columns)),
        "fills": sorted(account.transactions.values_list("groww_order_id", "trade_date", "revision", "quantity")),
        "problems": problems,
    }


def test_orders_and_fills_are_the_same_at_whatever_hour_and_in_whatever_form_their_times_are_read() -> None:
    naive = captured("naive")
    assert len(naive["orders"]) > 6
    assert [captured(times) for times in ("z_utc", "z_literal", "offset")] == [naive] * 3
