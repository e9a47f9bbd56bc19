"""Orders of one capture: a version for each state that was not known."""

from datetime import date
from itertools import count

from ledger import diff, trail
from ledger.diff import KnownOrder
from ledger.entries import Order
from ledger.fills import counting
from ledger.normalise import ist_date
from ledger.pairs import paired

from .capture import ORDERS
from .decision import Decision, NotStanding


def take_orders(made: Decision) -> None:
    taken: dict[tuple[str, date], Order] = {}
    section = made.section(ORDERS)
    gone = None if section.gone is None else {order.order_id for order in section.gone}
    for listed in section.entries:
        told = _as_first_told(made, listed)
        known = _known(made, told)
        if known and gone is not None and told.order_id not in gone:
            raise NotStanding(ORDERS)  # the same order may stand among the rows that were left unread
        order_date = _order_date(made, told, known)
        first = taken.setdefault((told.order_id, order_date), told)
        if first is not told:
            if first != told:
                made.blame_twice(ORDERS, told)
            continue
        order = _nameless(made, told)
        _take(made, told.order_id, order_date, known, diff.with_known_times(known.order, order) if known else order)
    for order_id in made.trails.keys() - {order_id for order_id, _ in taken}:
        last = made.trails[order_id][-1]
        known = _known(made, last)
        _take(made, order_id, _order_date(made, last, known), known, None)


def _as_first_told(made: Decision, listed: Order) -> Order:
    """What is listed, made when its trail begins: a broker may list the time of what was asked last."""
    states = made.trails.get(listed.order_id)
    return listed._replace(created_at=states[0].created_at or listed.created_at) if states else listed


def _take(made: Decision, order_id: str, order_date: date, known: KnownOrder | None, order: Order | None) -> None:
    """Writes the states that the book lacks: what was learnt late, then what came after the current one."""
    states = [_nameless(made, state) for state in made.trails.get(order_id, ())]
    versions = [each for each in made.book.orders.get(order_id, ()) if known and each.order_date == known.order_date]
    if states:
        late, new = trail.news(versions, states, order)
    else:
        late, new = [], [order] if order and not (known and diff.is_same_order(known.order, order)) else []
    if late or new:
        made.outbox.orders.append(order_id)
        made.count("orders_created", 0 if known else 1)
    numbers = count(max((each.version for each in versions), default=0) + 1)
    for state, version in zip(late, numbers, strict=False):
        made.pen.order(made.instrument_of(state), order_date, version, state, is_late=True)
    before = known.order if known else None
    for state, version in zip(new, numbers, strict=False):
        _write(made, order_date, version, before, state)
        before = state


def date_of(made: Decision, told: Order) -> date:
    """The day under which the book has this order, or will have it."""
    return _order_date(made, told, _known(made, told))


def _order_date(made: Decision, told: Order, known: KnownOrder | None) -> date:
    if known:
        return known.order_date
    return ist_date(told.created_at) if told.created_at else made.capture.trading_day


def _known(made: Decision, told: Order) -> KnownOrder | None:
    versions = made.book.orders.get(told.order_id)
    if not versions:
        return None
    return diff.known_order(versions, told, made.capture.trading_day, _has_new_fills(made, told))


def _has_new_fills(made: Decision, told: Order) -> bool:
    """Whether the broker lists fills of this order, and none that is known. It matters only where no date tells."""
    listed = {} if told.created_at else made.told_fills.get(told.order_id, {})
    known = counting(made.book.trades_of.get(told.order_id, {}).values())
    return bool(listed and known) and not paired(known, listed)


def _nameless(made: Decision, order: Order) -> Order:
    """The client id stands in no leaf, not even where the broker's own texts name it."""
    client_id = made.capture.client_id
    if not client_id or (client_id not in order.remark and client_id not in order.order_reference_id):
        return order
    scrub = made.capture.scrub
    return order._replace(remark=scrub(order.remark), order_reference_id=scrub(order.order_reference_id))


def _write(made: Decision, order_date: date, version: int, before: Order | None, order: Order) -> None:
    row_id = made.pen.order(made.instrument_of(order), order_date, version, order)
    changes = diff.order_changes(before, order)
    for change in changes:
        made.pen.order_change(row_id, order, change)
    made.count("quantity_changes_detected", len(changes))
