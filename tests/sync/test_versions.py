"""Orders are kept as versions: what the design documents' sketch would overwrite, cut off or mix up."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from ledger.entries import CANCELLED, EXECUTED, NEW, OPEN, PARTIALLY_FILLED
from portfolio.models import OrderQuantityChange, OrderVersion
from simulators.market import Market
from simulators.scripts import random_investor
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]


def versions() -> list[tuple[str, str, int, str, int]]:
    rows = OrderVersion.objects.order_by("broker_account__account_id", "order_date", "groww_order_id", "version")
    columns = rows.values_list("groww_order_id", "order_date", "version", "order_status", "filled_quantity")
    return [(order, str(day), version, status, int(filled)) for order, day, version, status, filled in columns]


def changes() -> list[tuple[str, int]]:
    rows = OrderQuantityChange.objects.order_by("order_history__version", "pk")
    return sorted((kind, int(delta)) for kind, delta in rows.values_list("change_type", "quantity_delta"))


def test_a_changed_order_is_a_new_version_and_the_old_one_stands(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-05 11:00")
    broker.says["orders"] = [build.an_order(filled=4)]
    build.synced(account)
    first = OrderVersion.objects.values().get()
    at("2026-10-05 16:05")
    broker.says["orders"] = [build.an_order(filled=10)]
    build.synced(account)
    assert versions() == [
        ("O1", "2026-10-05", 1, PARTIALLY_FILLED, 4),
        ("O1", "2026-10-05", 2, EXECUTED, 10),
    ]
    assert OrderVersion.objects.values().get(version=1) == first


def test_a_status_that_changes_with_the_quantity_is_told_beside_it(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    for filled in (4, 10):
        broker.says["orders"] = [build.an_order(filled=filled)]
        build.synced(account)
    assert changes() == [("ORDER_PLACED", 0), ("QUANTITY_ADDED", 4), ("QUANTITY_ADDED", 6), ("STATUS_CHANGED", 0)]


def test_a_cancelled_order_is_told_as_cancelled_with_what_it_filled(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["orders"] = [build.an_order(), build.an_order("O2", filled=3, status=CANCELLED)]
    build.synced(account)
    broker.says["orders"] = [build.an_order(filled=2, status=CANCELLED), broker.says["orders"][1]]
    build.synced(account)
    assert changes() == [
        ("ORDER_CANCELLED", 0),
        ("ORDER_CANCELLED", 0),
        ("ORDER_PLACED", 0),
        ("ORDER_PLACED", 0),
        ("QUANTITY_ADDED", 2),
        ("QUANTITY_ADDED", 3),
    ]


def test_every_page_of_a_long_order_list_is_taken() -> None:
    investor = random_investor(Market(), "1000000001", 3, holdings=3, positions=1, orders=120)
    with build.groww(investor) as simulator:
        (result,) = build.synced(build.a_groww_account(simulator, investor.ucc))
        given = {order.created_at for order in investor.orders}
    assert result.capture.problems == []
    assert len(given) > 100
    assert set(OrderVersion.objects.values_list("created_at", flat=True)) == given


def test_one_order_id_at_two_accounts_is_two_orders(broker: Broker) -> None:
    accounts = [build.an_account("SCRIPTED", client) for client in ("A", "B")]
    broker.others = {"A": {"orders": [build.an_order(filled=10)]}, "B": {"orders": [build.an_order(quantity=7)]}}
    build.synced(*accounts)
    build.synced(*accounts)
    assert versions() == [("O1", "2026-10-05", 1, EXECUTED, 10), ("O1", "2026-10-05", 1, OPEN, 0)]


@pytest.mark.parametrize("is_dated", [True, False], ids=["dated", "undated"])
def test_an_order_id_used_again_on_another_day_is_another_order(broker: Broker, at: At, is_dated: bool) -> None:
    account = build.an_account("SCRIPTED")
    monday = build.MORNING if is_dated else None
    broker.says["orders"] = [build.an_order(filled=10, created_at=monday)]
    build.synced(account)
    at("2026-10-06 16:05")
    tuesday = build.MORNING + timedelta(days=1) if is_dated else None
    for filled in (0, 3):
        broker.says["orders"] = [build.an_order(quantity=7, filled=filled, created_at=tuesday)]
        build.synced(account)
    assert versions() == [
        ("O1", "2026-10-05", 1, EXECUTED, 10),
        ("O1", "2026-10-06", 1, OPEN, 0),
        ("O1", "2026-10-06", 2, PARTIALLY_FILLED, 3),
    ]


@pytest.mark.parametrize("is_dated", [True, False], ids=["dated", "undated"])
def test_an_after_market_order_seen_on_two_days_is_one_order(broker: Broker, at: At, is_dated: bool) -> None:
    account = build.an_account("SCRIPTED")
    given = build.MORNING if is_dated else None
    broker.says["orders"] = [build.an_order(status="ACKED", created_at=given)]
    build.synced(account)
    at("2026-10-06 16:05")
    broker.says["orders"] = [build.an_order(filled=10, created_at=given)]
    build.synced(account)
    assert versions() == [("O1", "2026-10-05", 1, "ACKED", 0), ("O1", "2026-10-05", 2, EXECUTED, 10)]


@pytest.mark.parametrize("other", ["3000.0", "3000.00000000", "3E+3"])
def test_a_number_written_otherwise_is_the_same_number(broker: Broker, other: str) -> None:
    account = build.an_account("SCRIPTED")
    for price in ("3000", other):
        broker.says["orders"] = [build.an_order(price=Decimal(price))]
        build.synced(account)
    assert OrderVersion.objects.count() == 1


def test_a_difference_beyond_the_reach_of_floats_is_a_difference(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    for quantity in ("900000000.0000000001", "900000000.0000000002"):
        broker.says["orders"] = [build.an_order(quantity=Decimal(quantity))]
        build.synced(account)
    found = OrderVersion.objects.order_by("version").values_list("quantity", flat=True)
    assert list(found) == [Decimal("900000000.0000000001"), Decimal("900000000.0000000002")]


def test_a_second_row_of_one_order_in_one_answer_is_set_aside_unless_it_is_the_same(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["orders"] = [build.an_order(), build.an_order(), build.an_order("O2"), build.an_order("O2", price=1)]
    (result,) = build.synced(account)
    assert versions() == [("O1", "2026-10-05", 1, OPEN, 0), ("O2", "2026-10-05", 1, OPEN, 0)]
    assert result.status == "PARTIAL"
    assert [(problem.section, problem.kind) for problem in result.capture.problems] == [("orders", "set_aside")]


def test_states_that_are_learnt_late_are_kept_as_late_and_change_nothing(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-05 11:00")
    broker.says["orders"] = [build.an_order(filled=4)]
    build.synced(account)
    before = changes()
    at("2026-10-05 16:05")
    placed, opened, half = build.an_order(status=NEW), build.an_order(), build.an_order(filled=4)
    broker.says.update(orders=[build.an_order(filled=10)], trails=[placed, opened, half, build.an_order(filled=10)])
    build.synced(account)
    rows = OrderVersion.objects.order_by("version").values_list("version", "order_status", "filled_quantity", "is_late")
    assert list(rows) == [
        (1, PARTIALLY_FILLED, 4, False), (2, NEW, 0, True), (3, OPEN, 0, True), (4, EXECUTED, 10, False),
    ]  # fmt: skip
    assert changes() == sorted([*before, ("QUANTITY_ADDED", 6), ("STATUS_CHANGED", 0)])
