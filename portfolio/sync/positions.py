"""Positions of one capture: as the broker shows them, and gone when it shows them no more.

They belong to a trading day: what was bought on an earlier one stands in holdings by now, and is not counted again.
"""

from ledger import diff
from ledger.diff import PositionKey, PositionMove
from ledger.entries import CASH, Position

from . import rows
from .capture import ACCEPTED, POSITIONS, UNCHANGED
from .decision import Decision
from .holdings import price_now


def take_positions(made: Decision) -> dict[PositionKey, Position]:
    """Returns what is open today, so far as it is known."""
    section, capture = made.section(POSITIONS), made.capture
    known = {key: row.position for key, row in made.book.positions.items()}
    is_of_today = section.state == UNCHANGED or made.memory.positions_day == capture.trading_day
    # Shares are settled or squared off overnight; a derivative stays open until it is told otherwise.
    still_open = {key: position for key, position in known.items() if is_of_today or position.segment != CASH}
    if section.state != ACCEPTED or not capture.takes_state:
        return still_open
    seen = made.shown(POSITIONS, lambda row: (made.instrument_of(row), row.segment, row.product), known)
    unread = made.unread(POSITIONS)  # a row that cannot be right is not a row that is gone
    kept = {key for key, row in known.items() if key not in seen and ("" in unread or row.symbol in unread)}
    for move in diff.positions(known, {**seen, **{key: known[key] for key in kept}}):
        _take(made, move)
    if not section.set_aside:
        made.memory.positions_day = capture.trading_day
    return {**seen, **{key: still_open[key] for key in kept & still_open.keys()}}


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
