"""The look at holdings before a trading day begins: it closes what was expected of the day before, and nothing else."""

from collections.abc import Callable
from datetime import date

import pytest

from ledger.entries import Order
from portfolio.corrections import Author, void
from portfolio.models import BrokerAccount, HoldingVersion, RealHolding
from portfolio.schedule.tick import tick
from tests import build
from tests.sync.scripted import Broker
from tests.sync.test_bridge import account as account  # 100 TCS, seen on Monday evening
from tests.sync.test_bridge import evening, explained, left_open, order, told

pytestmark = pytest.mark.database

At = Callable[[str], None]
TUESDAY = order("B", 6, "BUY", 10)
MORNING = "2026-10-07 08:30"


def traded(broker: Broker, at: At, account: BrokerAccount, *orders: Order, shown: dict[str, int] | None = None) -> None:
    """Tuesday evening; its fills do not show in holdings yet."""
    evening(broker, at, 6, shown or {"TCS": 100}, *orders)
    build.synced(account)


def morning(broker: Broker, at: At, holdings: dict[str, int], moment: str = MORNING) -> None:
    """What a tick makes of it. Orders, positions and prices are not asked for then."""
    broker.says = {"holdings": [build.a_holding(symbol, units) for symbol, units in holdings.items()]}
    at(moment)
    tick()


def held(account: BrokerAccount) -> dict[str, int]:
    rows = RealHolding.objects.filter(broker_account=account)
    return {row.symbol: int(row.owned_quantity) for row in rows}


def test_it_explains_what_was_bought_and_sold_the_day_before(account: BrokerAccount, broker: Broker, at: At) -> None:
    traded(broker, at, account, TUESDAY, order("N", 6, "BUY", 5, "INFY"))
    morning(broker, at, {"TCS": 110, "INFY": 5})
    shown = [("INFY", 5, 0, {"06": 5}), ("TCS", 10, 0, {"06": 10})]
    assert (told(account), held(account), explained(account)) == (shown, {"TCS": 110, "INFY": 5}, 115)
    version = HoldingVersion.objects.filter(symbol="INFY").get()
    assert (str(version.as_of), str(version.batch.trading_day)) == ("2026-10-07", "2026-10-06")
    assert account.holdings.get(symbol="INFY").current_price == 1500  # the position's
    assert [str(row.snapshot_date) for row in account.snapshots.order_by("snapshot_date")] == [
        "2026-10-05",
        "2026-10-06",
    ]
    evening(broker, at, 7, {"TCS": 110, "INFY": 5})
    build.synced(account)
    assert (told(account), left_open(account)) == (shown, {})
    assert account.snapshots.latest("snapshot_date").total_holdings_value == 337_500


def test_what_was_sold_whole_is_gone(account: BrokerAccount, broker: Broker, at: At) -> None:
    traded(broker, at, account, order("S", 6, "SELL", 100))
    morning(broker, at, {})
    assert (told(account), held(account)) == ([("TCS", -100, 0, {"06": -100})], {})


def test_a_sale_that_was_shown_and_is_void_by_now_is_expected_back_like_a_purchase(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    traded(broker, at, account, order("S", 6, "SELL", 10), order("N", 6, "BUY", 5, "INFY"), shown={"TCS": 90})
    sale = account.transactions.get(transaction_type="SELL")
    void(account, sale.source_id, Author("Asha Rao", "the exchange cancelled it"))
    morning(broker, at, {"TCS": 100, "INFY": 5})
    assert (left_open(account), held(account), explained(account)) == ({}, {"TCS": 100, "INFY": 5}, 105)


def test_an_empty_answer_is_never_taken_where_anything_was_not_sold(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    traded(broker, at, account, order("S", 6, "SELL", 90))
    morning(broker, at, {})
    assert (told(account), held(account)) == ([], {"TCS": 100})


def test_what_ought_to_have_come_and_did_not_is_a_question_that_the_evening_may_answer(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    traded(broker, at, account, TUESDAY, order("N", 6, "BUY", 5, "INFY"))
    morning(broker, at, {"TCS": 110})
    assert (told(account)[0], left_open(account)) == (("INFY", 0, -5, {"06": 5}), {1: -5})
    evening(broker, at, 7, {"TCS": 110, "INFY": 5})
    build.synced(account)
    assert left_open(account) == {}


def test_where_nothing_has_moved_the_books_are_yesterdays_and_the_evening_decides(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    traded(broker, at, account, TUESDAY)
    morning(broker, at, {"TCS": 100})
    assert (told(account), left_open(account)) == ([], {})
    evening(broker, at, 7, {"TCS": 100})
    build.synced(account)
    assert told(account) == [("TCS", 0, -10, {"06": 10})]


def test_what_nobody_traded_changes_nothing_before_the_day_begins(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    traded(broker, at, account, TUESDAY, shown={"TCS": 100, "ITC": 7, "SBIN": 3})
    before = told(account)
    morning(broker, at, {"TCS": 110, "ITC": 70, "WIPRO": 1})
    assert held(account) == {"TCS": 110, "ITC": 7, "SBIN": 3}
    assert told(account) == [*before, ("TCS", 10, 0, {"06": 10})]
    assert account.holdings.filter(unconfirmed_since__isnull=False).count() == 0


def test_a_holding_in_doubt_is_left_to_the_evening(account: BrokerAccount, broker: Broker, at: At) -> None:
    traded(broker, at, account, shown={"TCS": 100, "ITC": 7, "SBIN": 3})
    questions = left_open(account)
    evening(broker, at, 7, {"TCS": 100, "ITC": 7}, order("B", 7, "BUY", 10), order("C", 7, "BUY", 1, "SBIN"))
    build.synced(account)
    morning(broker, at, {"TCS": 110, "ITC": 7, "SBIN": 4}, "2026-10-08 08:30")
    assert held(account) == {"TCS": 110, "ITC": 7, "SBIN": 3}
    assert account.holdings.get(symbol="SBIN").unconfirmed_since == date(2026, 10, 7)
    evening(broker, at, 8, {"TCS": 110, "ITC": 7, "SBIN": 4})
    build.synced(account)
    assert told(account)[-2:] == [("SBIN", 1, 0, {"07": 1}), ("TCS", 10, 0, {"07": 10})]
    assert (held(account)["SBIN"], left_open(account)) == (4, questions)


def test_a_share_with_another_isin_in_its_place_is_left_to_the_evening(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    """A split: the old one has not gone before the new one is there."""
    traded(broker, at, account, TUESDAY, order("N", 6, "BUY", 5, "INFY"))
    broker.says = {"holdings": [build.a_holding(quantity=550, isin="INE467B01037"), build.a_holding("INFY", 5)]}
    at(MORNING)
    tick()
    assert (held(account), left_open(account)) == ({"TCS": 100, "INFY": 5}, {})


def test_the_same_answer_again_writes_nothing(account: BrokerAccount, broker: Broker, at: At) -> None:
    traded(broker, at, account, TUESDAY)
    morning(broker, at, {"TCS": 110})
    at("2026-10-07 08:40")
    (again,) = build.synced(account, sync_type="HOLDINGS_LOOK")
    assert (again.status, again.page.entries_count) == ("COMPLETED", 0)


@pytest.mark.parametrize(("moment", "kind"), [(MORNING, "DAILY_PORTFOLIO"), ("2026-10-10 08:30", "HOLDINGS_LOOK")])
def test_another_look_or_one_on_a_day_without_a_session_closes_nothing(
    account: BrokerAccount, broker: Broker, at: At, moment: str, kind: str
) -> None:
    traded(broker, at, account, TUESDAY)
    broker.says = {"holdings": [build.a_holding(quantity=110)]}
    at(moment)
    build.synced(account, sync_type=kind)
    assert (told(account), held(account)) == ([], {"TCS": 100})


def test_the_very_first_capture_is_of_the_last_session_whatever_asked_for_it(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": [build.a_holding(quantity=100)]}
    at(MORNING)
    (result,) = build.synced(account, sync_type="HOLDINGS_LOOK")
    version = HoldingVersion.objects.get(broker_account=account)
    assert (result.status, str(version.batch.trading_day), str(version.as_of)) == (
        "COMPLETED", "2026-10-06", "2026-10-06",
    )  # fmt: skip
    assert (account.explanations.count(), held(account)) == (0, {"TCS": 100})
    build.synced(account)  # asks for everything
    assert (str(account.explanations.get().dated), held(account)) == ("2026-10-05", {"TCS": 100})
