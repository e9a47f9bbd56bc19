"""Fills of one capture: a transaction for each, and a word on orders that filled more or less than their fills."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from ledger import fills
from ledger.entries import BUY, ZERO, Holding, Order, Trade
from ledger.errors import BadValue
from ledger.fills import FillMove, KnownFill
from ledger.normalise import MONEY_SCALE, at_scale
from ledger.reconcile import is_delivery

from .capture import ACCEPTED, TRADES, UNCHANGED
from .decision import Decision, listing_of
from .orders import date_of
from .waiting import DayFills


def take_fills(made: Decision) -> None:
    if made.section(TRADES).state not in (ACCEPTED, UNCHANGED):
        return
    _name_doubles(made)
    lacking = {order.order_id: order for order in made.capture.lacking}
    for order_id in {**made.told_fills, **lacking}:
        _take(made, order_id, made.told_fills.get(order_id, {}), lacking.get(order_id))


def _name_doubles(made: Decision) -> None:
    kept = {trade for named in made.told_fills.values() for trade in named.values()}
    for trade in made.section(TRADES).entries:
        if trade not in kept:
            made.blame_twice(TRADES, trade)


def _take(made: Decision, order_id: str, told: Mapping[str, Trade], order: Order | None) -> None:
    if order:
        told = {name: trade for name, trade in told.items() if _is_of_its_side(made, order, trade)}
    known = _known(made, order_id, told, order)
    moves = fills.moves(known, told, order.filled_quantity if order else None)
    written = [move for move in moves if _write(made, move)]
    if order and not any(fill.is_by_hand for fill in known):
        _compare(made, order, fills.standing(known, written).values())


def _is_of_its_side(made: Decision, order: Order, trade: Trade) -> bool:
    if trade.transaction_type == order.transaction_type:
        return True
    sides = f"a fill to {trade.transaction_type} of an order to {order.transaction_type}"
    made.capture.blame(TRADES, "set_aside", f"{trade.symbol}: {sides}", "the fill is kept in the raw reply; report it")
    return False


def _known(made: Decision, order_id: str, told: Mapping[str, Trade], order: Order | None) -> list[KnownFill]:
    """What the book has of an order. Fills of days before it are those of an earlier order that had its id."""
    since = date_of(made, order) if order else None
    of_order = made.book.trades_of.get(order_id, {})
    found = {name: fill for name, fill in of_order.items() if since is None or fill.trade.trade_date >= since}
    found |= {name: made.book.trades[name] for name in told if name in made.book.trades}
    return list(found.values())


def _write(made: Decision, move: FillMove) -> bool:
    """One revision; False when it cannot be kept."""
    before, trade = move.before, move.trade
    revision, supersedes, known_as = (before.revision, before.row_id, before.instrument) if before else (0, None, "")
    instrument = known_as if move.void_reason else _instrument(made, trade, known_as)
    try:
        row_id = made.pen.transaction(move.source_id, revision + 1, supersedes, move.void_reason, instrument, trade)
    except BadValue as error:
        made.capture.blame(TRADES, "set_aside", f"{trade.symbol}: {error}", "the fill is kept in the raw reply")
        return False
    made.book.keep_fill(KnownFill(move.source_id, row_id, revision + 1, move.void_reason, instrument, trade))
    if before and before.counts:
        _count(made, known_as, before.trade, -1)
    if not move.void_reason:
        _count(made, instrument, trade, 1)
    return True


def _instrument(made: Decision, trade: Trade, known_as: str) -> str:
    """That of its listing; a fill whose ISIN is only known from before was told without it."""
    listing = listing_of(trade)
    return made.instruments.get(listing) or known_as or made.instruments[listing._replace(isin=None)]


def _count(made: Decision, instrument: str, trade: Trade, sign: int) -> None:
    """Counts a fill among those of its day, or takes it out again."""
    units, amount = sign * trade.quantity, sign * at_scale(trade.quantity * trade.price, MONEY_SCALE)
    filled = DayFills(units, ZERO, amount) if trade.transaction_type == BUY else DayFills(ZERO, units, -amount)
    made.book.add_fills(
        (instrument, trade.segment, trade.product), trade.trade_date, is_delivery(trade.segment, trade.product),
        filled, sign,
    )  # fmt: skip
    made.book.named.setdefault(instrument, Holding(trade.isin, trade.symbol, trade.exchange, ZERO, ZERO, None))


def _compare(made: Decision, order: Order, standing: Iterable[Trade]) -> None:
    """An order whose fills do not add up to what it says: they are asked again the next time."""
    units = sum((trade.quantity for trade in standing), ZERO)
    if units != order.filled_quantity:
        made.capture.blame(
            TRADES, "fills_missing" if units < order.filled_quantity else "fills_exceed",
            f"{order.symbol}: order {order.order_id} filled {_plain(order.filled_quantity)}, "
            f"its fills add up to {_plain(units)}",
            "nothing to do: they are asked again the next time",
        )  # fmt: skip


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
