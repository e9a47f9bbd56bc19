"""Holdings that are not in an answer: never erased by it alone, never kept for ever when they were really sold."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import Holding, Order
from portfolio.models import BrokerAccount
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
FOUR = [build.a_holding("TCS", 10), build.a_holding("INFY", 25), build.a_holding("ITC", 40), build.a_holding("SBIN", 5)]
MONDAY, TUESDAY, WEDNESDAY = date(2026, 10, 5), date(2026, 10, 6), date(2026, 10, 7)


def without(*symbols: str) -> list[Holding]:
    return [row for row in FOUR if row.symbol not in symbols]


def sold(symbol: str, quantity: int, day: int, **values: Any) -> Order:
    given = build.MORNING.replace(day=day)
    return build.an_order(
        f"{symbol}{day}", quantity, quantity, symbol=symbol, transaction_type="SELL", created_at=given, **values
    )


def tell_sales(broker: Broker, *orders: Order) -> None:
    broker.says["orders"] = list(orders)
    broker.says["trades"] = [build.a_trade(order, trade_id=f"T{order.order_id}") for order in orders]


def state(account: BrokerAccount) -> dict[str, tuple[int, date | None]]:
    return {row.symbol: (int(row.owned_quantity), row.unconfirmed_since) for row in account.holdings.all()}


def questions(account: BrokerAccount) -> list[tuple[int, str, int]]:
    rows = account.holding_changes.exclude(unexplained_quantity=0).order_by("question_number")
    return [(int(r.question_number or 0), r.symbol, int(r.unexplained_quantity)) for r in rows]


def kinds(result: Any) -> list[tuple[str, str]]:
    return [(problem.section, problem.kind) for problem in result.capture.problems]


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """Four holdings taken on Monday evening."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = FOUR
    broker.says["funds"] = []
    at("2026-10-05 16:05")
    build.synced(account)
    return account


WHOLE = {"TCS": (10, None), "INFY": (25, None), "ITC": (40, None), "SBIN": (5, None)}


@pytest.mark.parametrize("shown", [[], [row._replace(quantity=Decimal(0), owned=Decimal(0)) for row in FOUR]])
def test_an_empty_answer_is_suspect_and_takes_nothing(
    account: BrokerAccount, broker: Broker, at: At, shown: list[Holding]
) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = shown
    (result,) = build.synced(account)
    assert state(account) == {symbol: (units, TUESDAY) for symbol, (units, _) in WHOLE.items()}
    assert (result.status, kinds(result)) == ("PARTIAL", [("holdings", "suspect")])
    assert result.capture.problems[0].message == "an empty answer, while 4 holdings were not sold"
    assert account.holding_changes.count() == 0
    assert account.snapshots.filter(snapshot_date=TUESDAY).count() == 0


def test_more_than_half_missing_is_suspect_and_nothing_else_of_it_is_taken(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = [build.a_holding("SBIN", 50)]
    (result,) = build.synced(account)
    assert state(account)["SBIN"] == (5, None)
    assert state(account)["TCS"] == (10, TUESDAY)
    assert kinds(result) == [("holdings", "suspect")]


def test_more_than_half_of_the_value_missing_is_suspect_too(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 10:00")
    broker.prices = {"TCS": Decimal(100_000)}
    build.synced(account)
    at("2026-10-06 16:05")
    broker.says["holdings"] = without("TCS")
    assert kinds(build.synced(account)[0]) == [("holdings", "suspect")]


def test_one_missing_row_is_unconfirmed_and_the_rest_is_taken(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = [*without("SBIN", "TCS"), build.a_holding("TCS", 11)]
    (result,) = build.synced(account)
    assert state(account) == {"TCS": (11, None), "INFY": (25, None), "ITC": (40, None), "SBIN": (5, TUESDAY)}
    assert (result.status, questions(account)) == ("COMPLETED", [(1, "TCS", 1)])
    snapshot = account.snapshots.get(snapshot_date=TUESDAY)
    assert snapshot.holdings_count == 4


def test_the_same_absence_again_on_the_same_day_changes_nothing(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = []
    build.synced(account)
    versions = account.holding_versions.count()
    at("2026-10-06 19:00")
    (result,) = build.synced(account)
    assert kinds(result) == [("holdings", "suspect")]
    assert state(account) == {symbol: (units, TUESDAY) for symbol, (units, _) in WHOLE.items()}
    assert account.holding_versions.count() == versions


def test_an_early_look_of_the_next_morning_agrees_to_nothing(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = without("SBIN")
    build.synced(account)
    at("2026-10-07 08:30")
    build.synced(account)
    assert state(account)["SBIN"] == (5, TUESDAY)


@pytest.mark.parametrize("missing", [("SBIN",), ("TCS", "INFY", "ITC", "SBIN")])
def test_agreement_on_a_later_trading_day_is_believed_with_an_open_question_each(
    account: BrokerAccount, broker: Broker, at: At, missing: tuple[str, ...]
) -> None:
    broker.says["holdings"] = without(*missing)
    at("2026-10-06 16:05")
    build.synced(account)
    at("2026-10-07 16:05")
    (result,) = build.synced(account)
    assert state(account) == {symbol: value for symbol, value in WHOLE.items() if symbol not in missing}
    assert result.status == "COMPLETED"
    assert {(symbol, units) for _, symbol, units in questions(account)} == {
        (symbol, -WHOLE[symbol][0]) for symbol in missing
    }
    assert [number for number, *_ in questions(account)] == list(range(1, len(missing) + 1))
    kinds_of_events = [event.kind for event in account.events.order_by("number")]
    assert kinds_of_events.count("question.opened") == 1


def test_a_purchase_meanwhile_speaks_against_the_absence(account: BrokerAccount, broker: Broker, at: At) -> None:
    broker.says["holdings"] = without("SBIN")
    at("2026-10-06 16:05")
    build.synced(account)
    at("2026-10-07 16:05")
    tell_sales(broker, sold("SBIN", 3, 7)._replace(transaction_type="BUY"))
    build.synced(account)
    assert state(account)["SBIN"] == (5, TUESDAY)


@pytest.mark.parametrize("shown", [{"bought": 3}, {"carry_forward_credit_quantity": 3, "quantity": 3}])
@pytest.mark.parametrize("product", ["CNC", "MTF"])
def test_a_purchase_in_positions_alone_speaks_against_an_absence_too(
    account: BrokerAccount, broker: Broker, at: At, shown: dict[str, int], product: str
) -> None:
    broker.says["holdings"] = without("SBIN")
    at("2026-10-06 16:05")
    build.synced(account)
    broker.says["positions"] = [build.a_position("SBIN", product=product, **shown)]
    at("2026-10-07 16:05")
    build.synced(account)
    assert state(account)["SBIN"] == (5, TUESDAY)
    at("2026-10-07 19:00")  # the same answer again
    build.synced(account)
    assert state(account)["SBIN"] == (5, TUESDAY)


@pytest.mark.parametrize(
    "shown",
    [{"sold": 3}, {"bought": 3, "product": "MIS"}, {"bought": 3, "segment": "FNO"}, {"symbol": "TCS", "bought": 3}],
)
def test_positions_of_another_kind_say_nothing_of_an_absence(
    account: BrokerAccount, broker: Broker, at: At, shown: dict[str, Any]
) -> None:
    broker.says["holdings"] = without("SBIN")
    at("2026-10-06 16:05")
    build.synced(account)
    broker.says["positions"] = [build.a_position(**{"symbol": "SBIN", **shown})]
    at("2026-10-07 16:05")
    build.synced(account)
    assert "SBIN" not in state(account)


def test_what_positions_showed_on_an_earlier_day_speaks_against_nothing(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    broker.says.update(holdings=without("SBIN"), positions=[build.a_position("SBIN", 3)])
    at("2026-10-06 16:05")
    build.synced(account)
    del broker.says["positions"]
    at("2026-10-07 16:05")
    build.synced(account)
    assert "SBIN" not in state(account)


def test_what_appears_again_is_confirmed(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = []
    build.synced(account)
    at("2026-10-06 19:00")
    broker.says["holdings"] = FOUR
    (result,) = build.synced(account)
    assert (result.status, state(account)) == ("COMPLETED", WHOLE)
    assert account.holding_changes.count() == 0
    assert account.snapshots.filter(snapshot_date=TUESDAY).count() == 1


def test_what_was_sold_is_gone_at_once_without_a_question(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    tell_sales(broker, sold("SBIN", 5, 6))
    broker.says["holdings"] = without("SBIN")
    (result,) = build.synced(account)
    assert (result.status, "SBIN" in state(account), questions(account)) == ("COMPLETED", False, [])
    assert account.head.sells_lower_holdings is None  # as it was read before
    assert type(account.head).objects.get(pk=account.head.pk).sells_lower_holdings is True


def test_what_was_sold_yesterday_is_gone_this_morning_without_a_question(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    at("2026-10-06 16:05")
    tell_sales(broker, sold("SBIN", 5, 6))
    build.synced(account)
    assert state(account) == WHOLE
    at("2026-10-07 10:00")
    tell_sales(broker)
    broker.says["holdings"] = without("SBIN")
    (result,) = build.synced(account)
    assert (result.status, "SBIN" in state(account), questions(account)) == ("COMPLETED", False, [])


def test_a_true_exit_of_everything_is_accepted_without_a_person(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    tell_sales(broker, *(sold(symbol, units, 6) for symbol, (units, _) in WHOLE.items()))
    broker.says["holdings"] = []
    (result,) = build.synced(account)
    assert (result.status, state(account), questions(account)) == ("COMPLETED", {}, [])


def test_an_account_that_was_always_empty_is_whole(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    for _ in range(2):
        assert build.synced(account)[0].status == "COMPLETED"
    assert account.snapshots.get().total_holdings_value == 0


def test_a_smaller_quantity_is_taken_and_asked_about(account: BrokerAccount, broker: Broker, at: At) -> None:
    at("2026-10-06 16:05")
    broker.says["holdings"] = [*without("ITC"), build.a_holding("ITC", 15)]
    build.synced(account)
    assert state(account)["ITC"] == (15, None)
    assert questions(account) == [(1, "ITC", -25)]


@pytest.mark.parametrize("evenings", [1, 3])
def test_a_row_that_cannot_be_read_is_not_a_row_that_is_gone(
    account: BrokerAccount, broker: Broker, at: At, evenings: int
) -> None:
    broker.says["holdings"] = [*without("SBIN"), build.a_holding("SBIN")._replace(quantity=Decimal("NaN"))]
    for day in range(6, 6 + evenings):
        at(f"2026-10-0{day} 16:05")
        (result,) = build.synced(account)
        assert (result.status, kinds(result)) == ("PARTIAL", [("holdings", "set_aside")])
    assert state(account) == WHOLE


def test_a_row_without_a_name_keeps_all_that_is_missing(account: BrokerAccount, broker: Broker, at: At) -> None:
    known = [{"symbol": row.symbol, "isin": row.isin, "quantity": row.quantity} for row in without("SBIN")]
    broker.says["holdings"] = [*known, {"quantity": 5}]
    for day in (6, 7):
        at(f"2026-10-0{day} 16:05")
        build.synced(account)
    assert state(account)["SBIN"] == (5, None)
