"""Orders from version to version: what moved, and that it always adds up to what is filled."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import diff
from ledger.entries import CANCELLED, EXECUTED, OPEN, PARTIALLY_FILLED, REJECTED, Order
from tests.build import an_order

STATES = st.sampled_from([OPEN, PARTIALLY_FILLED, EXECUTED, CANCELLED, REJECTED, "UNKNOWN"])
LIVES = st.lists(
    st.builds(
        lambda filled, status, price: an_order(quantity=100, filled=filled, status=status, price=Decimal(price)),
        st.integers(0, 100),
        STATES,
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=8,
)


@given(LIVES)
def test_the_deltas_of_an_order_add_up_to_what_it_filled(life: list[Order]) -> None:
    total = Decimal(0)
    before = None
    for order in life:
        changes = diff.order_changes(before, order)
        total += sum(change.quantity_delta for change in changes)
        assert total == order.filled_quantity
        assert {change.new_quantity for change in changes} <= {order.filled_quantity, Decimal(0)}
        before = order


@given(LIVES)
def test_each_change_says_what_it_was_before(life: list[Order]) -> None:
    for before, after in pairwise(life):
        for change in diff.order_changes(before, after):
            moved = change.quantity_delta != 0
            assert moved == change.change_type.startswith("QUANTITY_")
            assert change.previous_quantity == (before.filled_quantity if moved else after.filled_quantity)
            assert change.quantity_delta in (0, after.filled_quantity - before.filled_quantity)


def kinds(before: Order | None, after: Order) -> list[tuple[str, str]]:
    return [(change.change_type, change.change_reason) for change in diff.order_changes(before, after)]


def test_first_sight_places_an_order_and_adds_what_is_filled() -> None:
    assert kinds(None, an_order()) == [("ORDER_PLACED", "ORDER_PLACED")]
    assert kinds(None, an_order(filled=4)) == [("ORDER_PLACED", "ORDER_PLACED"), ("QUANTITY_ADDED", "ORDER_EXECUTED")]
    assert kinds(None, an_order(filled=4, status=CANCELLED)) == [
        ("ORDER_PLACED", "ORDER_PLACED"),
        ("QUANTITY_ADDED", "ORDER_EXECUTED"),
        ("ORDER_CANCELLED", "ORDER_CANCELLED"),
    ]


def test_the_price_of_a_change_is_that_of_the_order_or_of_its_fills() -> None:
    placed, added = diff.order_changes(None, an_order(filled=4, price=Decimal(7), average_fill_price=Decimal(6)))
    assert (placed.price_at_change, added.price_at_change, placed.previous_quantity) == (7, 6, None)
    assert (placed.new_quantity, placed.quantity_delta) == (0, 0)


@pytest.mark.parametrize("field", ["quantity", "price", "trigger_price", "order_type", "validity"])
def test_another_instruction_is_a_modification(field: str) -> None:
    other: dict[str, Any] = {field: "OTHER" if field in ("order_type", "validity") else Decimal(11)}
    assert kinds(an_order(), an_order()._replace(**other)) == [("ORDER_MODIFIED", "ORDER_MODIFIED")]


@pytest.mark.parametrize("field", ["remark", "status_raw", "exchange_time", "amo_status", "average_fill_price"])
def test_what_only_the_broker_changes_is_a_version_without_a_change(field: str) -> None:
    other: dict[str, Any] = {field: "other"}
    after = an_order()._replace(**other)
    assert kinds(an_order(), after) == []
    assert not diff.is_same_order(an_order(), after)


def test_a_fill_that_shrinks_is_taken_back() -> None:
    assert kinds(an_order(filled=6), an_order(filled=4)) == [("QUANTITY_REMOVED", "FILL_REVISED")]


def test_a_status_is_told_with_both_words_and_a_cancellation_once() -> None:
    opened = an_order()
    assert kinds(opened, an_order(status=REJECTED)) == [("STATUS_CHANGED", "STATUS_CHANGED_OPEN_TO_REJECTED")]
    cancelled = an_order(status=CANCELLED)
    assert kinds(opened, cancelled) == [("ORDER_CANCELLED", "ORDER_CANCELLED")]
    assert kinds(cancelled, cancelled._replace(remark="again")) == []
    assert kinds(cancelled, opened) == [("STATUS_CHANGED", "STATUS_CHANGED_CANCELLED_TO_OPEN")]


def test_the_isin_alone_makes_no_version() -> None:
    assert diff.is_same_order(an_order(), an_order(isin="INE467B01029"))
    assert not diff.is_same_order(an_order(), an_order(symbol="INFY"))
    assert not diff.is_same_order(an_order(), an_order("O2"))


def test_part_of_a_unit_is_a_quantity_too() -> None:
    half = an_order(filled=4, status=PARTIALLY_FILLED)._replace(filled_quantity=Decimal("0.5"))
    placed = an_order(status=PARTIALLY_FILLED)
    assert kinds(placed, half) == [("QUANTITY_ADDED", "ORDER_EXECUTED")]
    assert kinds(half, placed) == [("QUANTITY_REMOVED", "FILL_REVISED")]
