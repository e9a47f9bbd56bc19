"""One order stays one order: whenever it is read, and whatever the broker leaves out or learns later."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger.entries import EXECUTED, OPEN, PARTIALLY_FILLED, Order
from portfolio.models import OrderVersion, Transaction
from portfolio.sync.record import Result
from tests import build
from tests.sync.scripted import Broker
from tests.sync.test_versions import versions

pytestmark = pytest.mark.database

At = Callable[[str], None]
INDIA_IS_AHEAD = timedelta(hours=5, minutes=30)
TUESDAY = build.MORNING + timedelta(days=1)


Seen = Callable[..., Result]


@pytest.fixture
def seen(broker: Broker) -> Seen:
    """Syncs the account, of whose orders the broker says this."""
    account = build.an_account("SCRIPTED")

    def sync(*orders: Order) -> Result:
        broker.says["orders"] = list(orders)
        return build.synced(account)[0]

    return sync


@pytest.mark.parametrize("days_before", [0, 1])
def test_an_order_that_says_only_later_when_it_was_made_is_one_order(seen: Seen, days_before: int) -> None:
    seen(build.an_order(created_at=None))
    made_at = build.MORNING - timedelta(days=days_before)
    for filled in (0, 0, 4):
        result = seen(build.an_order(filled=filled, created_at=made_at))
    assert versions() == [
        ("O1", "2026-10-05", 1, OPEN, 0),
        ("O1", "2026-10-05", 2, OPEN, 0),
        ("O1", "2026-10-05", 3, PARTIALLY_FILLED, 4),
    ]
    assert [problem.kind for problem in result.capture.problems] == ["fills_missing"]
    assert list(OrderVersion.objects.order_by("version").values_list("created_at", flat=True)) == [
        None, made_at, made_at,
    ]  # fmt: skip


def test_an_order_that_no_longer_says_when_it_was_made_keeps_its_time(seen: Seen) -> None:
    seen(build.an_order())
    seen(build.an_order(created_at=None))
    seen(build.an_order(quantity=11, created_at=None))
    rows = OrderVersion.objects.order_by("version").values_list("version", "quantity", "created_at")
    assert list(rows) == [(1, 10, build.MORNING), (2, 11, build.MORNING)]


def test_an_order_made_after_its_id_was_first_seen_is_another(seen: Seen, at: At) -> None:
    seen(build.an_order(created_at=None))
    at("2026-10-06 16:05")
    seen(build.an_order(created_at=TUESDAY))
    assert versions() == [("O1", "2026-10-05", 1, OPEN, 0), ("O1", "2026-10-06", 1, OPEN, 0)]


@pytest.mark.parametrize("moment", ["2026-10-05 10:00", "2026-10-05 20:00"], ids=["by day", "over midnight"])
@pytest.mark.parametrize("shift", [INDIA_IS_AHEAD, -INDIA_IS_AHEAD], ids=["later", "earlier"])
@pytest.mark.parametrize("field", ["created_at", "exchange_time", "trade_date"])
def test_times_read_the_other_way_are_the_known_ones(
    seen: Seen, at: At, field: str, shift: timedelta, moment: str
) -> None:
    given = datetime.fromisoformat(f"{moment}+05:30")
    order = build.an_order(created_at=given, exchange_time=given, trade_date=given)
    seen(order)
    at("2026-10-06 16:05")
    changed: dict[str, Any] = {field: given + shift}
    seen(order._replace(**changed))
    assert versions() == [("O1", "2026-10-05", 1, OPEN, 0)]


def test_a_change_beside_times_read_the_other_way_is_a_version_with_the_known_times(seen: Seen) -> None:
    order = build.an_order(exchange_time=build.MORNING)
    seen(order)
    later = build.MORNING + INDIA_IS_AHEAD
    seen(build.an_order(quantity=11, created_at=later, exchange_time=later))
    rows = OrderVersion.objects.order_by("version").values_list("version", "created_at", "exchange_time")
    assert list(rows) == [(1, build.MORNING, build.MORNING), (2, build.MORNING, build.MORNING)]


def test_another_difference_of_times_is_a_version(seen: Seen) -> None:
    order = build.an_order(exchange_time=build.MORNING)
    seen(order)
    seen(order._replace(exchange_time=build.MORNING + timedelta(hours=5)))
    assert [version for _, _, version, *_ in versions()] == [1, 2]


def test_an_order_told_with_and_without_its_time_is_told_once(seen: Seen) -> None:
    for _ in range(2):
        rows = [build.an_order(quantity=11), build.an_order(created_at=None), build.an_order("O2")]
        result = seen(*rows)
        assert [(problem.section, problem.kind) for problem in result.capture.problems] == [("orders", "set_aside")]
    assert versions() == [("O1", "2026-10-05", 1, OPEN, 0), ("O2", "2026-10-05", 1, OPEN, 0)]
    assert OrderVersion.objects.get(groww_order_id="O1").quantity == 11


EXECUTED_UNDATED = build.an_order(filled=10, created_at=None)


def fill(trade_id: str, day: int) -> Any:
    return build.a_trade(
        EXECUTED_UNDATED, trade_id=trade_id, executed_at=build.MORNING.replace(day=day),
        trade_date=build.MORNING.replace(day=day).date(),
    )  # fmt: skip


@pytest.mark.parametrize("trade_id", ["T1", "T2", ""])
def test_an_undated_id_used_again_with_equal_fills_is_asked_and_is_another_order(
    broker: Broker, seen: Seen, at: At, trade_id: str
) -> None:
    broker.says["trades"] = [fill("" if not trade_id else "T1", 5)]
    seen(EXECUTED_UNDATED)
    at("2026-10-06 16:05")
    broker.says["trades"] = [fill(trade_id, 6)]
    result = seen(EXECUTED_UNDATED)
    assert versions() == [("O1", "2026-10-05", 1, EXECUTED, 10), ("O1", "2026-10-06", 1, EXECUTED, 10)]
    days = Transaction.objects.order_by("trade_date").values_list("trade_date", "quantity")
    assert [(str(day), quantity) for day, quantity in days] == [("2026-10-05", 10), ("2026-10-06", 10)]
    assert result.status == "COMPLETED"
    at("2026-10-06 19:00")
    assert (seen(EXECUTED_UNDATED).status, len(versions()), Transaction.objects.count()) == ("COMPLETED", 2, 2)


def test_an_undated_order_shown_again_with_its_own_fills_is_the_same(broker: Broker, seen: Seen, at: At) -> None:
    broker.says["trades"] = [fill("T1", 5)]
    seen(EXECUTED_UNDATED)
    at("2026-10-06 16:05")
    result = seen(EXECUTED_UNDATED)
    assert versions() == [("O1", "2026-10-05", 1, EXECUTED, 10)]
    assert (result.status, Transaction.objects.count()) == ("COMPLETED", 1)


@pytest.mark.parametrize("change", [{"symbol": "INFY"}, {"transaction_type": "SELL"}, {"segment": "FNO"}])
def test_an_undated_id_on_another_day_for_something_else_is_another_order(
    seen: Seen, at: At, change: dict[str, Any]
) -> None:
    seen(build.an_order(created_at=None))
    at("2026-10-06 16:05")
    seen(build.an_order(created_at=None, **change))
    assert versions() == [("O1", "2026-10-05", 1, OPEN, 0), ("O1", "2026-10-06", 1, OPEN, 0)]
