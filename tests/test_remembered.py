"""What the head remembers of its captures is made again from the book: the day of its holdings, and their reading."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from portfolio.corrections import Author, void
from portfolio.models import AccountHead, BrokerAccount
from portfolio.rebuild import rebuild
from tests import build
from tests.sync.scripted import Broker
from tests.sync.test_bridge import account as account  # 100 TCS, seen on Monday evening
from tests.sync.test_bridge import evening, order
from tests.sync.test_morning import morning, traded

pytestmark = pytest.mark.database

At = Callable[[str], None]
Remembered = tuple[str, bool | None]


def remembered(account: BrokerAccount) -> Remembered:
    head = AccountHead.objects.get(account=account)
    return str(head.holdings_day), head.sells_lower_holdings


def made_again(account: BrokerAccount) -> Remembered:
    """What stands after both were spoilt, and nothing else was found; what stood before, the same check left alone."""
    before = remembered(account)
    wrong = (date(2020, 1, 1), not before[1])
    AccountHead.objects.filter(account=account).update(
        **dict(zip(("holdings_day", "sells_lower_holdings"), wrong, strict=True))
    )
    ((_, found),) = rebuild([account], repair=True)
    assert [(each.column, each.found, each.expected) for each in found] == [
        ("holdings_day", "2020-01-01", before[0]), ("sells_lower_holdings", str(wrong[1]), str(before[1])),
    ]  # fmt: skip
    assert [found for _, found in rebuild([account], repair=False)] == [[]]
    return remembered(account)


def bought_on_monday_sold_on_tuesday(broker: Broker, at: At, account: BrokerAccount, shown: int) -> None:
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10))
    build.synced(account)
    evening(broker, at, 7, {"TCS": shown}, order("S", 7, "SELL", 30))
    build.synced(account)


def test_a_capture_without_sells_tells_no_reading(account: BrokerAccount) -> None:
    assert made_again(account) == ("2026-10-05", None)


@pytest.mark.parametrize(("shown", "reading"), [(80, True), (110, False), (105, None)])
def test_sells_that_holdings_show_or_not_tell_the_reading(
    account: BrokerAccount, broker: Broker, at: At, shown: int, reading: bool | None
) -> None:
    """Of 110 there were 30 sold; with 105 there is a question, and nothing told."""
    bought_on_monday_sold_on_tuesday(broker, at, account, shown)
    assert made_again(account) == ("2026-10-07", reading)


def test_the_last_capture_that_told_a_reading_counts(account: BrokerAccount, broker: Broker, at: At) -> None:
    bought_on_monday_sold_on_tuesday(broker, at, account, 110)
    evening(broker, at, 8, {"TCS": 75}, order("T", 8, "SELL", 5))
    build.synced(account)
    assert made_again(account) == ("2026-10-08", True)
    evening(broker, at, 9, {"TCS": 75})
    build.synced(account)
    assert made_again(account) == ("2026-10-09", True)


def test_what_was_shown_before_tells_nothing_again(account: BrokerAccount, broker: Broker, at: At) -> None:
    """All 30 were shown at 16:05; 5 that come beside it in the next look say nothing of sells."""
    evening(broker, at, 6, {"TCS": 70}, order("S", 6, "SELL", 30))
    build.synced(account)
    at("2026-10-06 16:20")
    broker.says["holdings"] = [build.a_holding(quantity=75)]
    build.synced(account)
    assert made_again(account) == ("2026-10-06", True)


@pytest.mark.parametrize("shown", [{"TCS": 108, "INFY": 10}, {"INFY": 10, "TCS": 108}])
def test_of_readings_that_disagree_in_one_capture_some_were_lowered(
    account: BrokerAccount, broker: Broker, at: At, shown: dict[str, int]
) -> None:
    bought = [order(f"B{symbol}", 6, "BUY", 10, symbol) for symbol in ("TCS", "INFY")]
    evening(broker, at, 6, {"TCS": 100}, *bought)
    build.synced(account)
    sold = [order(f"S{symbol}", 7, "SELL", 2, symbol) for symbol in ("TCS", "INFY")]
    evening(broker, at, 7, shown, *sold)
    build.synced(account)
    assert made_again(account) == ("2026-10-07", True)


def test_a_sale_that_is_void_by_now_told_what_it_told(account: BrokerAccount, broker: Broker, at: At) -> None:
    bought_on_monday_sold_on_tuesday(broker, at, account, 110)
    void(account, account.transactions.get(transaction_type="SELL").source_id, Author("Asha", "not mine"))
    assert made_again(account) == ("2026-10-07", False)


@pytest.mark.parametrize("is_shown", [True, False])
def test_an_opening_that_was_written_again_tells_the_reading(broker: Broker, at: At, is_shown: bool) -> None:
    account = build.an_account("SCRIPTED")
    evening(broker, at, 6, {"TCS": 70 if is_shown else 100}, order("S", 6, "SELL", 30))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 70})
    build.synced(account)
    assert made_again(account) == ("2026-10-07", True if is_shown else None)


def test_an_opening_that_was_written_again_tells_nothing_of_that_days_own_sells(broker: Broker, at: At) -> None:
    """Bought on the day of the first capture and shown already; what is sold today is another matter."""
    account = build.an_account("SCRIPTED")
    evening(broker, at, 6, {"TCS": 110}, order("B", 6, "BUY", 10))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 105}, order("S", 7, "SELL", 5))
    build.synced(account)
    assert made_again(account)[0] == "2026-10-07"


@pytest.mark.parametrize(("shown", "day"), [(110, "2026-10-07"), (100, "2026-10-06")])
def test_holdings_of_a_morning_count_where_what_was_expected_came(
    account: BrokerAccount, broker: Broker, at: At, shown: int, day: str
) -> None:
    traded(broker, at, account, order("B", 6, "BUY", 10))
    morning(broker, at, {"TCS": shown})
    assert made_again(account) == (day, None)


def test_holdings_that_are_not_believed_or_of_a_day_without_a_session_do_not_count(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    evening(broker, at, 6, {})
    build.synced(account)
    assert made_again(account) == ("2026-10-05", None)
    at("2026-10-10 11:00")
    broker.says["holdings"] = [build.a_holding(quantity=Decimal(90))]
    build.synced(account)
    assert made_again(account) == ("2026-10-05", None)
