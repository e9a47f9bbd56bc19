"""What a person says to an open question, and whether it adds up. Pure.

An answer becomes pieces of explanations. One that does not add up makes none: it is refused, with the figures.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from itertools import product
from math import gcd
from typing import NamedTuple

from .entries import ZERO
from .errors import BadAnswer
from .normalise import quantity

SPLIT, BONUS, ISIN_CHANGE, MERGER, DEMERGER = "SPLIT", "BONUS", "ISIN_CHANGE", "MERGER", "DEMERGER"
TRANSFER_IN, TRANSFER_OUT, NOTED, MOVED_BACK = "TRANSFER_IN", "TRANSFER_OUT", "NOTED", "MOVED_BACK"
CORPORATE = frozenset({SPLIT, BONUS, ISIN_CHANGE, MERGER, DEMERGER})  # what is so for everybody who holds it
WORDS = {
    "split": SPLIT, "bonus": BONUS, "isin-change": ISIN_CHANGE, "merger": MERGER, "demerger": DEMERGER,
    "transfer-in": TRANSFER_IN, "transfer-out": TRANSFER_OUT, "note": NOTED, "moved-back": MOVED_BACK,
}  # fmt: skip
# One account sees it on the day itself, another after a holiday or days without a login.
SEEN_WITHIN = timedelta(days=30)
IN_PARTS = frozenset({TRANSFER_IN, TRANSFER_OUT, NOTED})
OLD_TO_NEW = frozenset({SPLIT, ISIN_CHANGE, MERGER})  # of these the old one may go, and another come in its place
LARGEST = 10  # ratios of companies are of small numbers
_RATIOS = sorted(((b, a) for b, a in product(range(1, LARGEST + 1), repeat=2) if a != b and gcd(a, b) == 1), key=sum)


class Question(NamedTuple):
    """How much of a holding's change nothing explains yet, and the figures on both sides of it. Averages in INR."""

    number: int
    as_of: date
    instrument: str
    lot: str
    isin: str
    symbol: str
    exchange: str
    after: Decimal  # owned once it had moved
    open: Decimal
    average_before: Decimal | None = None
    average_after: Decimal | None = None
    fills: tuple[tuple[date, Decimal], ...] = ()  # that it had shown by then, units by the day of the trade, signed
    looked: date | None = None  # the last day on which somebody looked at it before it moved

    @property
    def before(self) -> Decimal:
        """Owned without what is open."""
        return self.after - self.open

    @property
    def is_gone(self) -> bool:
        return not self.after and self.open < ZERO

    def days(self) -> list[date]:
        """The days of which an action of the company may be that its fills tell apart, latest first."""
        return sorted({self.as_of, *(day for day, _ in self.fills)}, reverse=True)

    def around(self, day: date) -> tuple[Decimal, Decimal]:
        """What an action of that day was applied to, and what came of it: bought and sold since is as it was traded."""
        since = sum((units for dated, units in self.fills if dated >= day), ZERO)
        return self.before - since, self.after - since

    def came_in_time(self, day: date) -> bool:
        """Whether nothing of it had been sold that was not there, if it came on that day."""
        traded = {each for each in self.days() if day - SEEN_WITHIN <= each < day}
        return all(self.around(each)[0] >= ZERO for each in (day, *traded))


class Parent(NamedTuple):
    """The instrument that another one was split off from, and how much of it is owned."""

    instrument: str
    symbol: str
    isin: str
    owned: Decimal


class Answer(NamedTuple):
    """`units_before` became `units_after`. A transfer or note may answer a part: so many `units` of it.

    `cost`: INR a unit of what was transferred in; `cost_percent`: how much of the parent's cost went along. `on`: since
    which day it is so; None: since it was seen.
    """

    kind: str
    units_before: int = 1
    units_after: int = 1
    units: Decimal | None = None
    cost: Decimal | None = None
    cost_percent: Decimal | None = None
    on: date | None = None

    def text(self) -> str:
        """As a person writes it, such as "split 1:5"."""
        word = next(word for word, kind in WORDS.items() if kind == self.kind)
        if self.kind == BONUS:
            return f"{word} {self.units_after - self.units_before}:{self.units_before}"
        if self.kind in (SPLIT, MERGER, DEMERGER):
            return f"{word} {self.units_before}:{self.units_after}"
        return word if self.units is None else f"{word} of {_plain(self.units)}"


class AnswerPiece(NamedTuple):
    """So much of the change of `question`; together with what explained it before."""

    question: int
    kind: str
    quantity: Decimal
    cost: Decimal | None = None


def partners(answer: Answer, question: Question, others: Sequence[Question]) -> list[Question]:
    """The questions that this answer answers together with `question`, of which `others` are to choose from."""
    if answer.kind == MOVED_BACK:
        return [each for each in others if each.instrument == question.instrument and each.open == -question.open][:1]
    if answer.kind not in OLD_TO_NEW or not (question.is_gone or (question.after and not question.before)):
        return []
    same = [
        each for each in others
        if each.instrument != question.instrument and (each.symbol == question.symbol or answer.kind == MERGER)
    ]  # fmt: skip
    if not question.is_gone:
        gone = [each for each in same if each.is_gone]
        return ([each for each in gone if question.open == entitled(each.before, answer)] or gone)[:1]
    fits = [each for each in same if each.open == entitled(question.before, answer)]
    return (fits or [each for each in same if each.open > ZERO and not each.before])[:1]


def entitled(units: Decimal, answer: Answer) -> Decimal:
    """What so many units became; of whole shares the fraction is paid out."""
    become = units * answer.units_after / answer.units_before
    is_whole = units == units.to_integral_value()
    return become.to_integral_value(ROUND_FLOOR) if is_whole else quantity(become)


def ratios(before: Decimal, after: Decimal) -> list[tuple[int, int]]:
    """The small ratios of which a company makes `after` of `before`, the exact one first."""
    found = [(b, a) for b, a in _RATIOS if before > ZERO and entitled(before, Answer(SPLIT, b, a)) == after]
    return sorted(found, key=lambda each: Fraction(each[1], each[0]) != Fraction(after) / Fraction(before))


def pieces(answer: Answer, questions: Sequence[Question], parent: Parent | None = None) -> list[AnswerPiece]:
    """What the answer explains of these questions, the asked one first. BadAnswer when it does not add up."""
    question = questions[0]
    if answer.on and answer.on > question.as_of:
        raise BadAnswer(f"question {question.number} was seen on {question.as_of}: it is not since {answer.on}")
    if answer.kind in IN_PARTS:
        return [_part(answer, question)]
    if answer.kind == MOVED_BACK:
        return _both(answer, questions)
    if answer.kind == DEMERGER:
        return [_split_off(answer, question, parent)]
    old = next((each for each in questions if each.is_gone), None)
    if old is None:
        if len(questions) > 1:
            raise BadAnswer(f"question {question.number}: {question.symbol} is not gone: nothing goes with it")
        return [_of_itself(answer, question)]
    return _replaced(answer, old, [each for each in questions if each is not old])


def _part(answer: Answer, question: Question) -> AnswerPiece:
    wanted = {TRANSFER_IN: 1, TRANSFER_OUT: -1}.get(answer.kind, 0)
    sign = 1 if question.open > ZERO else -1
    if wanted and wanted != sign:
        way, other = ("came", "transfer-in") if sign > 0 else ("went", "transfer-out")
        raise BadAnswer(
            f"question {question.number}: {_plain(abs(question.open))} {question.symbol} {way}; "
            f"that is no {answer.text()} but perhaps a {other}"
        )
    units = abs(question.open) if answer.units is None else answer.units
    if units > abs(question.open):
        raise BadAnswer(
            f"question {question.number}: {_plain(units)} is more than the {_plain(abs(question.open))} that are open"
        )
    return AnswerPiece(question.number, answer.kind, sign * units, answer.cost)


def _both(answer: Answer, questions: Sequence[Question]) -> list[AnswerPiece]:
    if len(questions) != 2 or questions[0].open != -questions[1].open or len({q.instrument for q in questions}) != 1:
        raise BadAnswer(f"question {questions[0].number}: no other question is of the same units the other way")
    return [AnswerPiece(each.number, answer.kind, each.open) for each in questions]


def _of_itself(answer: Answer, question: Question) -> AnswerPiece:
    """More or less of the same instrument. Bonus shares cost nothing."""
    if answer.kind in (ISIN_CHANGE, MERGER):
        raise BadAnswer(
            f"question {question.number}: {question.symbol} is still there; {answer.text()} needs one that is gone, "
            "and with --with the number of what came in its place"
        )
    held, found = question.around(answer.on or question.as_of)
    days = [] if answer.on else [day for day in question.days() if _adds_up(answer, *question.around(day))]
    hint = f"; say the day with --on, such as --on {days[0]}" if days else ""
    _must_equal(answer, held, found, question, hint)
    return AnswerPiece(question.number, answer.kind, question.open, ZERO if answer.kind == BONUS else None)


def _replaced(answer: Answer, old: Question, others: Sequence[Question]) -> list[AnswerPiece]:
    if answer.kind == BONUS:
        raise BadAnswer(f"question {old.number}: {old.symbol} is gone, and a bonus leaves what was there")
    if not others:
        raise BadAnswer(
            f"question {old.number}: {old.symbol} is gone; {answer.text()} needs what came in its place: "
            "say its question's number with --with"
        )
    new = others[0]
    if new.instrument == old.instrument:
        raise BadAnswer(
            f"question {new.number}: {new.symbol} cannot have come in its own place; perhaps it is moved-back"
        )
    _must_come_in_time(answer, new)
    _must_equal(answer, old.before, new.open, new)
    return [AnswerPiece(old.number, answer.kind, old.open), AnswerPiece(new.number, answer.kind, new.open)]


def _split_off(answer: Answer, question: Question, parent: Parent | None) -> AnswerPiece:
    if parent is None:
        raise BadAnswer(f"question {question.number}: say with --from which share {question.symbol} was split off")
    if parent.instrument == question.instrument:
        raise BadAnswer(f"question {question.number}: {question.symbol} cannot have been split off from itself")
    _must_come_in_time(answer, question)
    hint = "" if answer.on else f"; where {parent.symbol} was traded since, say the day with --on"
    _must_equal(answer, parent.owned, question.open, question, hint)
    return AnswerPiece(question.number, answer.kind, question.open)


def _must_come_in_time(answer: Answer, new: Question) -> None:
    """What was sold of it by the day on which it came would be taken out of nothing, and be owned for ever."""
    day = answer.on or new.as_of
    earlier = next((each for each in new.days() if each <= day and new.came_in_time(each)), day)
    if earlier != day and not new.came_in_time(day):
        raise BadAnswer(
            f"question {new.number}: {new.symbol} was sold before {day}, so it came earlier; "
            f"say the day with --on, such as --on {earlier}"
        )


def _adds_up(answer: Answer, units: Decimal, found: Decimal) -> bool:
    return units > ZERO and entitled(units, answer) == found


def _must_equal(answer: Answer, units: Decimal, found: Decimal, question: Question, hint: str = "") -> None:
    if _adds_up(answer, units, found):
        return
    become = entitled(units, answer)
    difference = found - become
    raise BadAnswer(
        f"question {question.number}: {answer.text()} makes {_plain(become)} of {_plain(units)}, and there are "
        f"{_plain(found)}: {_plain(abs(difference))} too {'many' if difference > ZERO else 'few'}{hint}"
    )


def check(made: Sequence[AnswerPiece], questions: Mapping[int, Question]) -> None:
    """No piece explains more than is open. BadAnswer otherwise: somebody may have answered meanwhile."""
    for piece in made:
        left = questions[piece.question].open if piece.question in questions else ZERO
        if abs(piece.quantity) > abs(left) or (piece.quantity > ZERO) is not (left > ZERO):
            raise BadAnswer(f"question {piece.question} has only {_signed(left)} open by now; look at it again")


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"


def _signed(value: Decimal) -> str:
    return f"{value.normalize():+,f}"
