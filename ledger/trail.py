"""What the trail of one order, as its broker lists it, adds to the book. Pure.

A trail that is seen whole at first sight is written in its order. What lies before the state that the book has as
current was learnt late: it is kept, and changes nothing.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import date
from typing import NamedTuple

from . import diff
from .diff import KnownOrder
from .entries import ACKED, NEW, Order

BEGINNINGS = (NEW, ACKED)


class News(NamedTuple):
    """The states that the book lacks, each in its order: those before the current one, and those after it."""

    late: list[Order]
    new: list[Order]


def news(known: Iterable[KnownOrder], trail: Sequence[Order], told: Order | None) -> News:
    """`known`: all that the book has of this order, late states too. `told`: the order as it is listed now; None where
    that stands as it did."""
    states, told_at = _with_told(trail, told)
    versions = sorted(known, key=lambda each: each.version)
    current = next((each.order for each in reversed(versions) if not each.is_late), None)
    taken, last = _places(states, versions, current, told_at)
    late = [state for place, state in enumerate(states) if place <= last and place not in taken]
    new = [state for place, state in enumerate(states) if place > last]
    if current and told and told_at == last and not _is_same(current, told):
        new.insert(0, told)
    return News(late, new)


def _is_same(current: Order, told: Order) -> bool:
    """When it was made may only be known now; the late states say it."""
    return diff.is_same_order(current, told._replace(created_at=current.created_at))


def lacks_states(known: Sequence[KnownOrder], told: Order, day: date) -> bool:
    """Whether the book lacks the order as it is listed, or its beginning."""
    current = diff.known_order(known, told, day, False)
    if current is None or not diff.is_same_order(current.order, diff.with_known_times(current.order, told)):
        return True
    of_order = (each.order for each in known if each.order_date == current.order_date)
    return not any(order.status in BEGINNINGS for order in of_order)


def _with_told(trail: Sequence[Order], told: Order | None) -> tuple[list[Order], int]:
    """The states with the order as it is listed in its place: it says more than its row of the trail. The trail was
    asked later, so it may go on."""
    states = list(trail)
    if told is None:
        return states, -1
    place = next((place for place in reversed(range(len(states))) if _state(states[place]) == _state(told)), None)
    if place is None:
        return [*states, told], len(states)
    states[place] = told
    return states, place


def _places(
    states: Sequence[Order], versions: Sequence[KnownOrder], current: Order | None, told_at: int
) -> tuple[set[int], int]:
    """Which states the book has, and the place of its current one; -1 before all of them."""
    taken: set[int] = set()
    last = found = -1
    for version in versions:
        place = _place(states, version.order, taken, -1 if version.is_late else last)
        if place is not None:
            taken.add(place)
            last = last if version.is_late else place
            found = place if version.order is current else found
    if current is None or found >= 0:
        return taken, last
    return taken, max(last, _passed(states, current, told_at))


def _place(states: Sequence[Order], order: Order, taken: Container[int], after: int) -> int | None:
    """The place of this state, at its own time where there are several like it."""
    alike = [
        place for place, each in enumerate(states)
        if place > after and place not in taken and _state(each) == _state(order)
    ]  # fmt: skip
    same_time = (place for place in alike if states[place].changed_at == order.changed_at)
    return next(same_time, alike[0] if alike else None)


def _passed(states: Sequence[Order], current: Order, told_at: int) -> int:
    """How far the trail had come when the book saw a state that the trail does not show."""
    if current.changed_at is None:
        return (told_at if told_at >= 0 else len(states)) - 1
    return max((place for place, each in enumerate(states)
                if each.changed_at and each.changed_at <= current.changed_at), default=-1)  # fmt: skip


def _state(order: Order) -> tuple[object, ...]:
    return order.status_raw, order.quantity, order.filled_quantity, order.price, order.trigger_price
