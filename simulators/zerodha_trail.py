"""Which states an order passes at Zerodha: the trail of one order, oldest first. Pure, from the broker-neutral order.

What the exchange knows as one step is several here, often within the same second.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from .orders import CANCELLED, EXECUTED, OPEN, QUEUED, REJECTED, TRIGGER_PENDING, Order, OrderState

WORDS = {
    QUEUED: "AMO REQ RECEIVED",
    OPEN: "OPEN",
    TRIGGER_PENDING: "TRIGGER PENDING",
    EXECUTED: "COMPLETE",
    CANCELLED: "CANCELLED",
    REJECTED: "REJECTED",
}
MODIFYING = ("MODIFY VALIDATION PENDING", "MODIFY PENDING")


class Snapshot(NamedTuple):
    """One row of the trail. `is_asked` when it tells of what the client did, not of what the exchange did."""

    word: str
    state: OrderState
    at: datetime
    is_asked: bool = False


def trail(order: Order, starts_at: str = "PUT ORDER REQ RECEIVED") -> list[Snapshot]:
    """Some live trails begin later than at the first state."""
    found = [*_placed(order), *(step for pair in pairwise(order.history) for step in _moved(*pair))]
    first = next((number for number, step in enumerate(found) if step.word == starts_at), 0)
    return found[first:]


def _placed(order: Order) -> Iterator[Snapshot]:
    first = order.history[0]
    yield Snapshot("PUT ORDER REQ RECEIVED", first, first.at, is_asked=True)
    if first.status != QUEUED:
        yield Snapshot("VALIDATION PENDING", first, first.at)
    if first.status in (OPEN, TRIGGER_PENDING):
        yield Snapshot("OPEN PENDING", first, first.at)
    yield Snapshot(WORDS[first.status], first, first.at)


def _moved(before: OrderState, after: OrderState) -> Iterator[Snapshot]:
    is_modified = _instruction(before) != _instruction(after)
    if is_modified:
        yield from (Snapshot(word, before, after.at, is_asked=True) for word in MODIFYING)
        yield Snapshot("MODIFIED", after, after.at)
    elif before.status == QUEUED and after.status in (OPEN, TRIGGER_PENDING):
        yield Snapshot("OPEN PENDING", before, after.at)
    elif after.status == CANCELLED:
        yield Snapshot("CANCEL PENDING", before, after.at, is_asked=True)
    yield Snapshot(WORDS[after.status], after, after.at)


def _instruction(state: OrderState) -> tuple[object, ...]:
    return state.quantity, state.price, state.trigger_price
