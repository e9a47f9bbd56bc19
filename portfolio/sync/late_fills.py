"""The quantity bridge of fills that are learnt, or learnt otherwise, after their day: imported, corrected, read anew.

They answer the questions that they explain. What holdings ought to have shown of them by now, and did not, is used up
and is an open question; the fills of later days are left to the next look at the holdings. Asks no broker.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from ledger import statement
from ledger.diff import HoldingKey, HoldingMove
from ledger.entries import ZERO, Holding, Trade
from ledger.fills import FillMove
from ledger.reconcile import FILLS, Piece
from ledger.statement import Asked, Bridged

from .amend import Amendment
from .questions import OpenQuestion, read_open

Placed = tuple[FillMove, str]  # with the instrument that it is of


class Learnt(NamedTuple):
    """The numbers of the questions that were closed, and of those that were opened."""

    answered: list[int]
    opened: list[int]


def bridge(amendment: Amendment, placed: Sequence[Placed]) -> Learnt:
    """What these moves explain, and what holdings ought to have shown of them. Before the opening: nothing."""
    learnt, head = Learnt([], []), amendment.head
    if head.opened_on is None:
        return learnt
    net = statement.net_units(placed, head.opened_on)
    asked: dict[HoldingKey, list[OpenQuestion]] = defaultdict(list)
    for each in read_open(amendment.account) if net else ():
        asked[each.question.instrument, each.question.lot].append(each)
    named = {instrument: _named(move.trade) for move, instrument in placed}
    for key, days in sorted(net.items()):
        opened = {each.question.number: each for each in asked[key]}
        questions = [Asked(n, each.question.as_of, each.question.open) for n, each in opened.items()]
        _explain(amendment, key, named[key[0]], statement.bridge(days, questions, head.holdings_day), opened, learnt)
    if learnt.answered:
        amendment.tell("question.closed", subjects=learnt.answered)
    if learnt.opened:
        amendment.tell("question.opened", subjects=learnt.opened)
    return learnt


def _named(trade: Trade) -> Holding:
    return Holding(trade.isin, trade.symbol, trade.exchange, ZERO, ZERO, None)


def _explain(
    amendment: Amendment, key: HoldingKey, named: Holding, found: Bridged, opened: dict[int, OpenQuestion],
    learnt: Learnt,
) -> None:  # fmt: skip
    for number, pieces in found.answers.items():
        _write_pieces(amendment, opened[number].change_id, key, named, pieces)
        if sum((piece.quantity for piece in pieces), ZERO) == opened[number].question.open:
            learnt.answered.append(number)
    if not found.overdue:
        return
    missing = -sum((piece.quantity for piece in found.overdue), ZERO)
    question = amendment.next_question() if missing else None
    if question:
        learnt.opened.append(question)
    held = amendment.account.holdings.filter(instrument=UUID(key[0]), lot=key[1]).first()
    stands = named._replace(owned=held.owned_quantity if held else ZERO)
    move = HoldingMove(key, stands, stands)
    change_id = amendment.pen.holding_change(amendment.trading_day, move, None, ZERO, missing, question)
    _write_pieces(amendment, change_id, key, named, found.overdue)


def _write_pieces(
    amendment: Amendment, change_id: str, key: HoldingKey, named: Holding, pieces: Iterable[Piece]
) -> None:
    for piece in pieces:
        amendment.pen.explanation(change_id, key, named, FILLS, piece.dated, piece.quantity)
