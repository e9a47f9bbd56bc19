"""Positions of one capture: as the broker shows them, and gone when it shows them no more."""

from ledger import diff
from ledger.diff import PositionKey, PositionMove
from ledger.entries import Position

from . import rows
from .capture import ACCEPTED, POSITIONS
from .decision import Decision
from .holdings import price_now


def take_positions(made: Decision) -> dict[PositionKey, Position]:
    """Returns what is open now."""
    known = {key: row.position for key, row in made.book.positions.items()}
    if made.section(POSITIONS).state != ACCEPTED or not made.capture.takes_state:
        return known
    seen = made.unique(POSITIONS, lambda row: (made.instrument_of(row), row.segment, row.product))
    unread = {row.subject for row in made.section(POSITIONS).set_aside}
    for key, position in known.items():
        if position.symbol in unread or "" in unread:  # a row that cannot be right is not a row that is gone
            seen.setdefault(key, position)
    for move in diff.positions(known, seen):
        _take(made, move)
    return seen


def _take(made: Decision, move: PositionMove) -> None:
    pen, capture = made.pen, made.capture
    pen.position_version(capture.trading_day, capture.started_at, move)
    made.count("positions_updated")
    row = made.book.positions.get(move.key)
    if move.after is None:
        if row:
            pen.delete(rows.REAL_POSITION, row.row_id)
        return
    price, price_day = price_now(made, move.key[0], row)
    state = (*rows.position_figures(move.after), price, price_day, pen.now)
    if row:
        pen.update(rows.REAL_POSITION_STATE, row.row_id, *state)
    else:
        pen.insert(rows.REAL_POSITION, pen.new_id(), *state, capture.account_id, *move.key, pen.now)
