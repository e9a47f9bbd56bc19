"""Positions of one capture: as the broker shows them, and gone when it shows them no more.

They belong to a trading day: what was bought on an earlier one stands in holdings by now, and is not counted again.
A derivative that is missing erases nothing until it was closed or expired, or a later trading day agrees: see
`ledger.absence`. Shares that were shown as bought or sold that day stand for the day while its fills say the same.
"""

from collections.abc import Mapping, Set
from datetime import date

from ledger import absence, diff
from ledger.absence import OpenPosition, Traded
from ledger.diff import PositionKey, PositionMove
from ledger.entries import CASH, Position
from ledger.reconcile import is_delivery

from . import rows
from .capture import ACCEPTED, POSITIONS, SUSPECT, UNCHANGED
from .decision import Decision, NotStanding
from .holdings import price_now


def take_positions(made: Decision) -> dict[PositionKey, Position]:
    """Returns what is open today, so far as it is known."""
    section, capture = made.section(POSITIONS), made.capture
    known = {key: row.position for key, row in made.book.positions.items()}
    is_of_today = made.memory.positions_day == capture.trading_day
    # Shares are settled or squared off overnight; a derivative stays open until it is told otherwise.
    still_open = {key: position for key, position in known.items() if is_of_today or position.segment != CASH}
    if section.state == UNCHANGED:
        made.positions_shown = known
    if section.state != ACCEPTED or not capture.takes_state:
        return still_open
    seen = _shown(made, known)
    made.positions_shown = seen
    unread = made.unread(POSITIONS)  # a row that cannot be right is not a row that is gone
    kept = {key for key, row in known.items() if key not in seen and ("" in unread or row.symbol in unread)}
    doubted = _doubted(made, {key for key in known if key not in seen and key not in kept})
    if reason := _suspicion(made, len(doubted), not (seen or kept)):
        _suspect(made, reason)
        return still_open
    kept |= doubted | (_traded_today(made, seen, known.keys() - seen.keys() - kept) if is_of_today else set())
    for move in diff.positions(known, {**seen, **{key: known[key] for key in kept}}):
        _take(made, move)
    if not section.set_aside:
        made.memory.positions_day = capture.trading_day
    return {**seen, **{key: still_open[key] for key in kept & still_open.keys()}}


def _shown(made: Decision, known: Mapping[PositionKey, Position]) -> dict[PositionKey, Position]:
    """All that the broker shows; what stands as it did is taken from the book (`known`). One share that was traded at
    two exchanges is shown at each, and is one position."""

    def key_of(row: Position) -> PositionKey:
        return made.instrument_of(row), row.segment, row.product

    fresh: dict[PositionKey, Position] = {}
    for (key, _), row in made.unique(POSITIONS, lambda row: (key_of(row), row.exchange)).items():
        fresh[key] = diff.added_up(fresh[key], row) if key in fresh else row
    if (gone := made.gone(POSITIONS, key_of, known, fresh)) is None:
        return fresh
    for row in made.section(POSITIONS).gone or ():
        if diff.has_moved(known[key_of(row)], row):
            raise NotStanding(POSITIONS)  # it is but a part of what the book has
    return {key: row for key, row in known.items() if key not in gone} | fresh


def _doubted(made: Decision, missing: set[PositionKey]) -> set[PositionKey]:
    """Those of the missing ones that are not believed to be gone; they are remembered until they are."""
    memory, book, capture = made.memory, made.book.positions, made.capture
    open_ones = {
        key: OpenPosition(row.position, memory.unconfirmed.get(row.row_id), _fills_since(made, key))
        for key, row in book.items()
        if key in missing and absence.stays_open(row.position)
    }
    found = absence.doubted(open_ones, capture.trading_day, capture.is_closed)
    memory.unconfirmed = {book[key].row_id: open_ones[key].unconfirmed_since or capture.trading_day for key in found}
    if found:
        capture.metadata["positions_unconfirmed"] = ", ".join(sorted(book[key].position.symbol for key in found))
    return set(found)


def _traded_today(made: Decision, seen: Mapping[PositionKey, Position], missing: Set[PositionKey]) -> set[PositionKey]:
    """Those of the missing ones that the day's fills tell as they were shown: no holding has these shares before
    the next trading day. What is shown of the same shares as another product was converted, and so was what is squared
    off, which some brokers show no more."""
    day, shown = made.capture.trading_day, {(key[0], key[1]) for key in seen}
    traded, squared = made.book.traded.get(day, {}), made.book.squared_off(day) if made.capture.is_closed else ()
    stands = {
        key
        for key in missing
        if is_delivery(*key[1:])
        and key[:2] not in shown
        and key[0] not in squared
        and absence.is_as_traded(_known(made, key), traded.get(key))
    }
    if stands:
        symbols = ", ".join(sorted(_known(made, key).symbol for key in stands))
        made.capture.metadata["positions_not_shown"] = f"the day's fills tell of them, and they stand: {symbols}"
    return stands


def _known(made: Decision, key: PositionKey) -> Position:
    return made.book.positions[key].position


def _fills_since(made: Decision, key: PositionKey) -> dict[date, Traded]:
    """From the day whose positions are in the book: what they show as that day's own is among these."""
    since = made.memory.positions_day or made.capture.trading_day
    return {day: traded[key] for day, traded in made.book.traded.items() if day >= since and key in traded}


def _suspicion(made: Decision, doubted: int, is_empty: bool) -> str:
    open_count = sum(absence.stays_open(row.position) for row in made.book.positions.values())
    return absence.suspicion(open_count, doubted, is_empty)


def _suspect(made: Decision, reason: str) -> None:
    made.capture.blame(
        POSITIONS, "suspect", reason,
        "nothing was taken; look at the broker's own app: the same answer on the next trading day is believed",
    )  # fmt: skip
    made.capture.sections[POSITIONS] = made.section(POSITIONS)._replace(state=SUSPECT)


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
