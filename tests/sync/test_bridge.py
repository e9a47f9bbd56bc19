"""Why holdings moved: fills of earlier days and of today, both readings of a sale, and what is left as a question."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ledger.answers import Answer
from ledger.entries import Order
from portfolio.models import BrokerAccount
from portfolio.sync.answer import Said, answer
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """100 TCS held on Monday evening, 3,000 rupees each."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding(quantity=100)]
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500)}
    build.synced(account)
    return account


def order(order_id: str, day: int, side: str, units: int, symbol: str = "TCS", **values: Any) -> Order:
    given = build.MORNING.replace(day=day)
    return build.an_order(order_id, units, units, symbol=symbol, transaction_type=side, created_at=given, **values)


def evening(broker: Broker, at: At, day: int, holdings: dict[str, int], *orders: Order) -> None:
    """What the broker says at 16:05 of that day of October: holdings, and the day's orders with fills and positions."""
    at(f"2026-10-{day:02} 16:05")
    broker.says["holdings"] = [build.a_holding(symbol, units) for symbol, units in holdings.items()]
    broker.says["orders"] = list(orders)
    broker.says["trades"] = [build.a_trade(each, trade_id=f"T{each.order_id}") for each in orders]
    totals: dict[str, list[Decimal]] = {}
    for each in orders:
        totals.setdefault(each.symbol, [Decimal(0), Decimal(0)])[each.transaction_type == "SELL"] += (
            each.filled_quantity
        )
    broker.says["positions"] = [build.a_position(symbol, *both) for symbol, both in totals.items()]


def told(account: BrokerAccount) -> list[tuple[str, int, int, dict[str, int]]]:
    """Each change: symbol, by how much, how much of it unexplained, and the pieces by day."""
    found = []
    for row in account.holding_changes.order_by("as_of", "symbol"):
        pieces = {f"{piece.dated:%d}": int(piece.quantity) for piece in row.explanations.all()}
        found.append((row.symbol, int(row.quantity_delta), int(row.unexplained_quantity), pieces))
    return found


def left_open(account: BrokerAccount) -> dict[int, int]:
    """What is still open of each question, by its number."""
    found = {}
    for row in account.holding_changes.exclude(question_number=None):
        left = row.quantity_delta - sum(piece.quantity for piece in row.explanations.current())
        if left:
            found[int(row.question_number or 0)] = int(left)
    return found


def explained(account: BrokerAccount) -> int:
    """All that explanations and open questions add up to: what is in holdings."""
    return int(sum(piece.quantity for piece in account.explanations.current())) + sum(left_open(account).values())


def kinds_of_events(account: BrokerAccount) -> list[str]:
    return [event.kind for event in account.events.order_by("number")]


def value(account: BrokerAccount) -> int:
    return int(account.snapshots.latest("snapshot_date", "revision").total_holdings_value)


def test_a_purchase_is_in_holdings_on_the_next_trading_day(account: BrokerAccount, broker: Broker, at: At) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10))
    build.synced(account)
    assert (told(account), value(account)) == ([], 330_000)
    evening(broker, at, 7, {"TCS": 110})
    build.synced(account)
    assert (told(account), value(account)) == ([("TCS", 10, 0, {"06": 10})], 330_000)


@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_sale_is_read_in_both_ways(account: BrokerAccount, broker: Broker, at: At, is_at_once: bool) -> None:
    evening(broker, at, 6, {"TCS": 70 if is_at_once else 100}, order("S", 6, "SELL", 30))
    build.synced(account)
    assert value(account) == 210_000
    evening(broker, at, 7, {"TCS": 70})
    build.synced(account)
    assert (told(account), value(account)) == ([("TCS", -30, 0, {"06": -30})], 210_000)


@pytest.mark.parametrize("is_at_once", [True, False])
def test_shares_bought_and_sold_on_one_day_are_counted_once(
    account: BrokerAccount, broker: Broker, at: At, is_at_once: bool
) -> None:
    """50 bought and 70 sold: 20 leave the holding, today or tomorrow."""
    orders = order("B", 6, "BUY", 50), order("S", 6, "SELL", 70)
    evening(broker, at, 6, {"TCS": 80 if is_at_once else 100}, *orders)
    build.synced(account)
    assert value(account) == 240_000
    evening(broker, at, 7, {"TCS": 80})
    build.synced(account)
    assert (told(account), value(account)) == ([("TCS", -20, 0, {"06": -20})], 240_000)
    assert account.holdings.get().owned_quantity == 80


def test_a_sale_out_of_free_shares_leaves_todays_purchase_for_tomorrow(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    """Lowered by all 30 at once; the 10 bought come the day after."""
    evening(broker, at, 6, {"TCS": 70}, order("B", 6, "BUY", 10), order("S", 6, "SELL", 30))
    build.synced(account)
    assert value(account) == 240_000
    evening(broker, at, 7, {"TCS": 80})
    build.synced(account)
    assert told(account) == [("TCS", -30, 0, {"06": -30}), ("TCS", 10, 0, {"06": 10})]


def test_bought_and_sold_before_it_was_held_explains_nothing_later(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    """Where sales lower holdings at once, shares bought on Tuesday and sold on Wednesday are never seen in them."""
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 50, "INFY"))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 100}, order("S", 7, "SELL", 50, "INFY"))
    build.synced(account)
    evening(broker, at, 8, {"TCS": 100}, order("C", 8, "BUY", 5, "INFY"))
    build.synced(account)
    evening(broker, at, 9, {"TCS": 100, "INFY": 5})
    build.synced(account)
    assert told(account) == [("INFY", 0, 0, {"06": 50, "07": -50}), ("INFY", 5, 0, {"08": 5})]


def test_what_was_bought_and_never_shown_is_asked_for_by_its_name_and_isin(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, "INFY", isin="INE009A01021"))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 100})
    build.synced(account)
    (asked,) = account.holding_changes.exclude(question_number=None)
    assert (asked.symbol, asked.isin, left_open(account)) == ("INFY", "INE009A01021", {1: -10})


def test_a_purchase_that_arrives_in_two_parts_is_a_question_until_it_is_whole(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10), order("C", 6, "BUY", 5, "INFY"))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 110})
    build.synced(account)
    assert told(account) == [("INFY", 0, -5, {"06": 5}), ("TCS", 10, 0, {"06": 10})]
    assert left_open(account) == {1: -5}
    evening(broker, at, 8, {"TCS": 110, "INFY": 5})
    build.synced(account)
    assert told(account)[2:] == [("INFY", 5, 0, {"08": 5})]
    assert left_open(account) == {}
    assert kinds_of_events(account)[-2:] == ["holdings.changed", "question.closed"]


def test_what_was_never_delivered_does_not_come_out_of_a_bonus(account: BrokerAccount, broker: Broker, at: At) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("O1", 6, "BUY", 5))
    build.synced(account)
    for day, units in ((7, 100), (8, 200)):
        evening(broker, at, day, {"TCS": units})
        build.synced(account)
    assert left_open(account) == {1: -5, 2: 100}
    answer(account, Said(2, Answer("BONUS", 1, 2), "Asha"))
    assert (left_open(account), explained(account)) == ({1: -5}, 200)


@pytest.mark.parametrize(("shown", "left", "said"), [(115, 10, "TRANSFER_IN"), (210, 105, "BONUS")])
def test_a_late_purchase_that_comes_with_something_else_leaves_that_alone_open(
    account: BrokerAccount, broker: Broker, at: At, shown: int, left: int, said: str
) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("O1", 6, "BUY", 5))
    build.synced(account)
    for day, units in ((7, 100), (8, shown)):
        evening(broker, at, day, {"TCS": units})
        build.synced(account)
    assert left_open(account) == {2: left}
    answer(account, Said(2, Answer(said, 1, 2) if said == "BONUS" else Answer(said), "Asha"))
    assert (left_open(account), explained(account)) == ({}, shown)


def test_a_question_is_told_to_be_closed_when_nothing_of_it_is_left(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 15, "INFY"))
    build.synced(account)
    seen = []
    for day, shown in ((7, {"TCS": 100}), (8, {"TCS": 100, "INFY": 5}), (9, {"TCS": 100, "INFY": 15})):
        evening(broker, at, day, shown)
        build.synced(account)
        seen.append((left_open(account), kinds_of_events(account).count("question.closed")))
    assert seen == [({1: -15}, 0), ({1: -10}, 0), ({}, 1)]


@pytest.mark.parametrize("lot", ["MTF", "DELIVERY"])
def test_funded_shares_are_explained_in_whichever_lot_the_broker_shows_them(
    account: BrokerAccount, broker: Broker, at: At, lot: str
) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10, product="MTF"))
    build.synced(account)
    at("2026-10-07 16:05")
    rows = [build.a_holding(quantity=100), build.a_holding(quantity=10, lot="MTF")]
    broker.says.update(orders=[], trades=[], positions=[])
    broker.says["holdings"] = rows if lot == "MTF" else [build.a_holding(quantity=110)]
    build.synced(account)
    assert left_open(account) == {}
    assert sum(row.quantity_delta for row in account.holding_changes.all()) == 10


@pytest.mark.parametrize("is_shown", [True, False])
def test_an_opening_that_was_read_before_its_days_sale_is_written_again_on_the_next_day(
    broker: Broker, at: At, is_shown: bool
) -> None:
    """100 owned, 30 of them sold on the day of the first capture: its holdings may be lowered already."""
    account = build.an_account("SCRIPTED")
    evening(broker, at, 6, {"TCS": 70 if is_shown else 100}, order("S", 6, "SELL", 30))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 70})
    build.synced(account)
    opening = account.explanations.filter(kind="OPENING").current().get()
    assert (opening.quantity, opening.cost_price, opening.supersedes is not None) == (100, 2200, is_shown)
    assert (left_open(account), explained(account)) == ({}, 70)
    account.head.refresh_from_db()
    assert account.head.sells_lower_holdings is (True if is_shown else None)


def test_a_holding_that_is_doubted_is_not_asked_to_show_its_fills(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    evening(broker, at, 6, {"TCS": 100, "INFY": 1}, order("B", 6, "BUY", 10))
    build.synced(account)
    evening(broker, at, 7, {"INFY": 1})
    build.synced(account)
    evening(broker, at, 8, {"INFY": 1})
    build.synced(account)
    evening(broker, at, 9, {"TCS": 110, "INFY": 1})
    build.synced(account)
    assert told(account)[1:] == [("TCS", 10, 0, {"06": 10})]


def test_a_part_that_moves_to_another_is_a_version_and_no_change(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    days: dict[int, dict[str, Any]] = {
        6: {"pledge_quantity": 40, "free_quantity": 60},
        7: {"t1_quantity": 20, "free_quantity": 80},
    }
    for day, parts in days.items():
        at(f"2026-10-{day:02} 16:05")
        broker.says["holdings"] = [build.a_holding(quantity=100, **parts)]
        build.synced(account)
    assert account.holding_versions.count() == 3
    assert (told(account), account.holdings.get().pledge_quantity) == ([], 0)


def test_a_split_is_an_open_question_with_a_number_for_each_side(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = [build.a_holding(quantity=500, isin="INE467B01037")]
    (result,) = build.synced(account)
    rows = account.holding_changes.order_by("question_number")
    assert [(row.isin, int(row.unexplained_quantity), row.question_number) for row in rows] == [
        ("INE467B01029", -100, 1),
        ("INE467B01037", 500, 2),
    ]
    assert (result.status, account.holdings.get().isin) == ("COMPLETED", "INE467B01037")
    assert account.events.get(kind="question.opened").payload.count('"subjects":[1,2]') == 1


def test_questions_are_numbered_on_from_day_to_day(account: BrokerAccount, broker: Broker, at: At) -> None:
    for day, units in ((6, 101), (7, 103)):
        evening(broker, at, day, {"TCS": units})
        build.synced(account)
    assert list(account.holding_changes.order_by("as_of").values_list("question_number", flat=True)) == [1, 2]


def test_the_days_gain_leaves_out_the_money_that_was_put_in(account: BrokerAccount, broker: Broker, at: At) -> None:
    broker.prices["TCS"] = Decimal(3030)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10)._replace(price=Decimal(3000)))
    build.synced(account)
    snapshot = account.snapshots.get(snapshot_date="2026-10-06")
    assert (snapshot.total_portfolio_value, snapshot.net_purchases) == (333_300, 30_000)
    assert (snapshot.day_change, snapshot.day_change_percent) == (3_300, Decimal("1.1"))


def test_what_was_bought_counts_as_owned_that_day_where_no_position_shows_it(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    broker.prices["TCS"] = Decimal(3030)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10)._replace(price=Decimal(3000)))
    broker.says["positions"] = []
    build.synced(account)
    snapshot = account.snapshots.get(snapshot_date="2026-10-06")
    assert (snapshot.total_portfolio_value, snapshot.net_purchases, snapshot.day_change) == (333_300, 30_000, 3_300)


@pytest.mark.parametrize(
    ("looks", "change"),
    [
        (["2026-11-06 16:05", "2026-11-09 16:05"], None),
        (["2026-11-06 16:05", "2026-11-08 19:30", "2026-11-09 16:05"], 1_000),
        (["2026-11-06 16:05", "2026-11-08 12:00", "2026-11-09 16:05"], None),
    ],
)
def test_the_days_gain_is_measured_from_the_session_before_a_muhurat_on_a_sunday_too(
    account: BrokerAccount, broker: Broker, at: At, looks: list[str], change: int | None
) -> None:
    """Without a look after that session there is nothing to measure from, and Friday's total is not taken for it."""
    for number, look in enumerate(looks):
        at(look)
        broker.prices["TCS"] = Decimal(3000 + 10 * number)
        build.synced(account)
    monday = account.snapshots.get(snapshot_date="2026-11-09")
    assert (monday.day_change, monday.day_change_percent is None) == (change, change is None)


def test_a_corrected_fill_is_the_next_revision_and_counts_once(account: BrokerAccount, broker: Broker, at: At) -> None:
    bought = order("B", 6, "BUY", 10)
    evening(broker, at, 6, {"TCS": 100}, bought)
    broker.says["trades"] = [build.a_trade(bought, 9)]
    (first,) = build.synced(account)
    broker.says["trades"] = [build.a_trade(bought, 10, price=Decimal("2999.12345678"))]
    (second,) = build.synced(account)
    assert [(problem.kind) for problem in first.capture.problems] == ["fills_missing"]
    assert second.status == "COMPLETED"
    rows = account.transactions.order_by("revision").values_list("revision", "quantity", "amount")
    assert list(rows) == [(1, 9, 27_000), (2, 10, Decimal("29991.234568"))]
    assert account.snapshots.latest("snapshot_date", "revision").net_purchases == Decimal("29991.234568")


def test_fills_that_are_missing_are_told_every_time_until_they_come(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    bought = order("B", 6, "BUY", 10)
    evening(broker, at, 6, {"TCS": 100}, bought)
    broker.says["trades"] = []
    for clock in ("16:05", "19:00", "21:00"):
        at(f"2026-10-06 {clock}")
        (result,) = build.synced(account)
        assert (result.status, [each.kind for each in result.capture.problems]) == ("PARTIAL", ["fills_missing"])
    broker.says["trades"] = [build.a_trade(bought)]
    (result,) = build.synced(account)
    assert (result.status, account.transactions.count()) == ("COMPLETED", 1)
