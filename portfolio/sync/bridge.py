"""The quantity bridge of one capture: why holdings moved, what they ought to have shown, and the opening of a book.

Whatever a holding did, its change is the sum of its explanations and of what is left as an open question.
"""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger import reconcile
from ledger.diff import HoldingKey, HoldingMove
from ledger.entries import ZERO, Holding
from ledger.reconcile import LATE, Change, Explained, Overdue, Piece

from ..schedule import calendar
from . import rows
from .capture import ABSENT, ACCEPTED, HOLDINGS, POSITIONS, TRADES, UNCHANGED, WHOLE
from .decision import Decision
from .state import Book
from .waiting import NOTHING_FILLED


class Moved(NamedTuple):
    """A holding that was written anew, and the id of its new version."""

    move: HoldingMove
    version_id: str

    @property
    def delta(self) -> Decimal:
        before, after = self.move.before, self.move.after
        return (after.owned if after else ZERO) - (before.owned if before else ZERO)


def explain_moves(made: Decision, moved: Mapping[HoldingKey, Moved], doubted: Collection[HoldingKey]) -> None:
    """Explains every move, and every holding that ought to have moved. Before the opening there is nothing to explain.

    `doubted`: holdings of which the answer told nothing; what they ought to show they may show later.
    """
    if made.book.head.opened_on is None:
        return
    day, book = made.capture.holdings_day, made.book
    keys = {key: one.delta for key, one in moved.items() if one.delta}
    for key in traded_before(book, day):  # what was traded today alone is due tomorrow
        if key not in keys and key not in doubted and book.waiting(key, day).is_due():
            keys[key] = ZERO
    changes = {
        key: Change(delta, book.waiting(key, day), book.overdue.get(key, ()), _owned(book, key, moved.get(key)))
        for key, delta in keys.items()
    }
    readings = []
    came_alone = min(keys.values(), default=ZERO) >= ZERO  # in the place of nothing that went
    for key, explained in reconcile.explain_all(changes, day, book.head.sells_lower_holdings).items():
        if came_alone and _is_shown_late(made, key, moved.get(key)):
            _open_late(made, moved[key])
            continue
        explained = _opening_corrected(made, key, explained)
        readings.append(explained.sells_lower_holdings)
        if keys[key] or explained.pieces or explained.unexplained:
            _write(made, key, moved.get(key), explained)
    habit = reconcile.habit_of(readings)
    made.sells_lower_holdings = made.sells_lower_holdings if habit is None else habit


def _owned(book: Book, key: HoldingKey, moved: Moved | None) -> Decimal:
    """By now."""
    if moved:
        return moved.move.after.owned if moved.move.after else ZERO
    held = book.holdings.get(key)
    return held.holding.owned if held else ZERO


def traded_before(book: Book, day: date) -> dict[HoldingKey, None]:
    """What has fills of earlier days, or had some that are void by now."""
    traded = {key: None for dated, filled in book.fills.items() if dated < day for key in filled}
    return traded | {key: None for key, days in book.used.items() if any(dated < day for dated in days)}


def _write(made: Decision, key: HoldingKey, moved: Moved | None, explained: Explained) -> None:
    question = _question(made) if explained.unexplained else None
    held = made.book.holdings.get(key)
    standing = held.holding if held else None
    move = moved.move if moved else HoldingMove(key, standing, standing or made.book.named[key[0]])
    version_id, delta = (moved.version_id, moved.delta) if moved else (None, ZERO)
    change_id = made.pen.holding_change(
        made.capture.holdings_day, move, version_id, delta, explained.unexplained, question
    )
    named = move.after or move.before or rows.GONE
    for piece in explained.pieces:
        _write_piece(made, key, named, change_id, piece)


def _write_piece(made: Decision, key: HoldingKey, named: Holding, change_id: str | None, piece: Piece) -> None:
    pen, book = made.pen, made.book
    pen.explanation(change_id, key, named, piece.kind, piece.dated, piece.quantity)
    if piece.kind == reconcile.FILLS:
        book.used[key][piece.dated] = book.used[key].get(piece.dated, ZERO) + piece.quantity
    if piece.question is not None:
        pen.explanation(book.asked[piece.question], key, named, LATE, piece.dated, -piece.quantity)
        if Overdue(piece.question, -piece.quantity) in book.overdue[key]:
            made.outbox.closed.append(piece.question)


def _question(made: Decision) -> int:
    made.question_number += 1
    made.outbox.questions.append(made.question_number)
    return made.question_number


def _is_shown_late(made: Decision, key: HoldingKey, moved: Moved | None) -> bool:
    """On the opening's own day: a holding that its first answer lacked or had in a form that could not be read. Of
    what was traded on the day its fills tell."""
    day = made.capture.holdings_day
    is_new = moved is not None and moved.move.before is None and key not in made.book.fills.get(day, {})
    return is_new and calendar.previous_session(day) == made.book.head.opened_on


def _open_late(made: Decision, moved: Moved) -> None:
    """It was owned before, as all that the first answer had: nothing that anybody has to explain."""
    holding, opened_on = moved.move.after, made.book.head.opened_on
    assert holding and opened_on
    change_id = made.pen.holding_change(
        made.capture.holdings_day, moved.move, moved.version_id, moved.delta, ZERO, None
    )
    cost = holding.average_price
    made.pen.explanation(change_id, moved.move.key, holding, "OPENING", opened_on, holding.owned, cost)


def _opening_corrected(made: Decision, key: HoldingKey, explained: Explained) -> Explained:
    """On the trading day after the opening's capture: its holdings may have shown fills of that day already."""
    opened_on = made.book.head.opened_on
    dated = {piece.dated: piece for piece in explained.pieces if piece.kind == reconcile.FILLS}
    first_day = next((day for day in dated if calendar.previous_session(day) == opened_on), None)
    if first_day is None or opened_on is None or first_day == made.capture.holdings_day:
        return explained
    fills = made.book.fills[first_day].get(key, NOTHING_FILLED)  # void by now, perhaps
    missing = reconcile.misread_opening(explained.unexplained, fills.bought, fills.sold)
    _, opening, _ = made.book.openings.get(key, (None, ZERO, None))
    if not missing or opening + missing < ZERO:  # what was never shown, the first holdings had not shown already
        return explained
    _correct_opening(made, key, missing, first_day)
    rest = dated[first_day].quantity + missing
    others = [piece for piece in explained.pieces if piece is not dated[first_day]]
    pieces = [Piece(first_day, rest), *others] if rest else others
    lowers = True if fills.sold else explained.sells_lower_holdings
    return Explained(pieces, explained.unexplained - missing, lowers)


def _correct_opening(made: Decision, key: HoldingKey, missing: Decimal, first_day: date) -> None:
    """The opening is written again, and those fills are used up: they were before what was seen first."""
    opened_on = made.book.head.opened_on
    assert opened_on
    row_id, quantity, cost = made.book.openings.get(key, (None, ZERO, None))
    held = made.book.holdings.get(key)
    named = held.holding if held else made.book.named[key[0]]
    made.pen.explanation(None, key, named, "OPENING", opened_on, quantity + missing, cost, row_id)
    _write_piece(made, key, named, None, Piece(first_day, -missing))


def write_opening(made: Decision, held: Mapping[HoldingKey, Holding]) -> None:
    """The first capture whose holdings, positions and trades are whole says what was owned the day before.

    That is what holdings show: what was bought on the day comes into them on the next one, and what was sold is read
    as not yet gone. The day's fills tell of both, whenever they come.
    """
    whole = all(made.section(name).state in (ACCEPTED, UNCHANGED, ABSENT) for name in (HOLDINGS, POSITIONS, TRADES))
    whole = whole and made.capture.sync_type in WHOLE and not made.lacks_orders  # what was not asked is not absent
    if made.opened_on is not None or not whole or made.section(HOLDINGS).state == ABSENT or made.holdings_day is None:
        return
    made.opened_on = calendar.previous_session(made.capture.trading_day)
    for key, holding in held.items():
        if holding.owned:
            made.pen.explanation(None, key, holding, "OPENING", made.opened_on, holding.owned, holding.average_price)
