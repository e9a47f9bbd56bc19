"""Whether the order list of a capture is short: of what positions and fills show, or of what it had before that day.

What is listed is taken all the same. But the section is not whole, so the capture ends in part and is made again.
"""

from collections.abc import Container, Iterator, Sequence
from datetime import time
from decimal import Decimal

from ledger import unlisted
from ledger.absence import Traded
from ledger.entries import BUY, CASH, COMMODITY, CURRENCY, DELIVERY, FNO, MTF, ZERO, Order, Position
from ledger.normalise import IST
from ledger.unlisted import Dealt, Missing

from ..schedule import calendar
from .capture import ABSENT, ACCEPTED, ORDERS, POSITIONS, TRADES, UNCHANGED
from .decision import Decision, listing_of
from .state import Book

LOTS = (MTF, DELIVERY)
NAMED = 8  # instruments that one message names, and orders
SHARES = (CASH, FNO)  # in these nothing is traded once the session after the close has ended
LATE = {CURRENCY: time(19, 30), COMMODITY: time(23, 55)}  # in India, on the longest of their days


def compare_orders(made: Decision) -> None:
    """Says what is missing. The same list is looked at afresh the next time, also where nothing else has moved."""
    lacking, orders = (_lacking(made), _not_listed(made)) if _is_comparable(made) else ([], [])
    if lacking or made.memory.unlisted:
        made.memory.seen.pop(ORDERS, None)
    made.lacks_orders = bool(lacking or orders)
    if words := [*_words(lacking, orders, _listed_before(made))]:
        made.capture.blame(
            ORDERS, "orders_missing", f"the order list may be short: {'; '.join(words)}",
            "it is asked again this evening; if it stays so, compare with the broker's own app, and import what is "
            "missing from the broker's statement",
        )  # fmt: skip


def _listed_before(made: Decision) -> list[str]:
    """Orders that were listed earlier that day and are no more: a broker lists all of the day until it ends."""
    section, capture = made.section(ORDERS), made.capture
    if section.state != ACCEPTED or section.set_aside or capture.is_first or not capture.takes_state:
        return []
    before = made.book.listed if section.gone is None else {order.order_id for order in section.gone}
    return sorted(before - {order.order_id for order in section.entries})


def _is_comparable(made: Decision) -> bool:
    """Something came anew, of the day itself; and no order was set aside, which is told already."""
    capture, states = made.capture, [made.section(name).state for name in (ORDERS, POSITIONS, TRADES)]
    return (
        ACCEPTED in states
        and all(state in (ACCEPTED, UNCHANGED) for state in states[:2])
        and states[2] != ABSENT
        and not made.section(ORDERS).set_aside
        and calendar.is_own_day(capture.started_at, capture.trading_day)
    )


def _lacking(made: Decision) -> list[Missing]:
    """What positions show and nothing tells. Other shares are looked at only where something seems to be missing: then
    one of them may have its name."""
    shown, beyond = [*_shown(made)], [*_filled_beyond(made)]
    of_these = {each.instrument for each in shown}
    if not unlisted.missing(shown, [*_told(made, of_these), *beyond]):
        return []
    return unlisted.missing(shown, [*_told(made), *beyond])


def _shown(made: Decision) -> Iterator[Dealt]:
    for (instrument, _, product), row in made.positions_shown.items():
        if row.credit_quantity or row.debit_quantity:
            carried = row.carry_forward_credit_quantity - row.carry_forward_debit_quantity
            yield Dealt(instrument, row.symbol, row.segment, product, _for_sure(made, instrument, row), carried)


def _of_the_day(row: Position) -> Traded:
    """Without what was carried in, where the row's own figures show that it is counted among what was bought and sold:
    what one broker documents leaves both readings open."""
    bought, sold = row.credit_quantity, row.debit_quantity
    carried = row.carry_forward_credit_quantity, row.carry_forward_debit_quantity
    if any(carried) and row.quantity == bought - sold:
        return Traded(max(bought - carried[0], ZERO), max(sold - carried[1], ZERO))
    return Traded(bought, sold)


def _for_sure(made: Decision, instrument: str, row: Position) -> Traded:
    """What the order list ought to know of. It is asked beside positions, and while there is trading a fill may come
    between the two answers: then it is what the capture before has shown as well."""
    now = _of_the_day(row)
    if _is_over(made, row.segment):
        return now
    before = made.book.positions.get((instrument, row.segment, row.product))
    if before is None or made.capture.memory.positions_day != made.capture.trading_day:
        return Traded()
    was = _of_the_day(before.position)
    return Traded(min(now.bought, was.bought), min(now.sold, was.sold))


def _is_over(made: Decision, segment: str) -> bool:
    """Whether nothing of this segment is traded any more: the session after the close included."""
    if segment in LATE:
        return made.capture.started_at.astimezone(IST).time() >= LATE[segment]
    session = calendar.session(made.capture.trading_day)
    is_over = made.capture.started_at >= session.post_close_ends if session else made.capture.is_closed
    return is_over and segment in SHARES


def _told(made: Decision, instruments: Container[str] | None = None) -> Iterator[Dealt]:
    """The day's fills, of this capture and of those before it: of these instruments, or all."""
    for (instrument, segment, product), traded in made.book.traded.get(made.capture.trading_day, {}).items():
        if instruments is None or instrument in instruments:
            yield Dealt(instrument, _symbol(made.book, instrument), segment, product, traded)


def _symbol(book: Book, instrument: str) -> str:
    held = (book.holdings[key].holding for lot in LOTS if (key := (instrument, lot)) in book.holdings)
    named = book.named.get(instrument) or next(held, None)
    return named.symbol if named else ""


def _filled_beyond(made: Decision) -> Iterator[Dealt]:
    """What listed orders filled beyond the fills that are known of them: it is told of the fills that they lack."""
    for order in (*made.capture.lacking, *made.capture.set_right):
        units = order.filled_quantity - _known_units(made, order)
        if units > ZERO:
            traded = Traded(units) if order.transaction_type == BUY else Traded(sold=units)
            instrument = made.instruments.get(listing_of(order), "")
            yield Dealt(instrument, order.symbol, order.segment, order.product, traded)


def _known_units(made: Decision, order: Order) -> Decimal:
    fills = [fill.trade for fill in made.book.trades_of.get(order.order_id, {}).values() if fill.counts]
    same = (made.capture.trading_day, order.transaction_type)
    return sum((fill.quantity for fill in fills if (fill.trade_date, fill.transaction_type) == same), ZERO)


def _not_listed(made: Decision) -> list[str]:
    """Orders of which fills came, and that neither came themselves nor are known. While there is trading, those that
    were missing in the capture before as well; the head remembers them."""
    before = made.memory.unlisted
    orders = made.capture.orders_of_fills_alone() - made.book.orders.keys()
    made.memory.unlisted = dict.fromkeys(sorted(orders), made.capture.trading_day)
    fills = {order: made.told_fills.get(order, {}).values() for order in orders}
    return sorted(
        order for order, of in fills.items() if order in before or all(_is_over(made, fill.segment) for fill in of)
    )


def _words(lacking: Sequence[Missing], orders: Sequence[str], before: Sequence[str]) -> Iterator[str]:
    if lacking:
        yield f"positions show what no fill explains, {_listed([_of_one(each) for each in lacking])}"
    if orders:
        yield f"fills came of orders that did not, {_listed(orders)}"
    if before:
        yield f"orders that were listed before are not listed now, {_listed(before)}"


def _of_one(each: Missing) -> str:
    sides = ((each.bought, "bought"), (each.sold, "sold"))
    return f"{each.symbol} {' and '.join(f'{units.normalize():f} {side}' for units, side in sides if units)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
