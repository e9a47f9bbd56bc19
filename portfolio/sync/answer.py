"""Writes what a person says to an open question: explanations that add up, who said so, and what became of a share.

Everything is read again under the head's lock, so that an answer is never given to a question that has moved.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from ledger import answers, canonical
from ledger.answers import CORPORATE, DEMERGER, NOTED, Answer, AnswerPiece, Parent, Question
from ledger.entries import ZERO, Holding
from ledger.errors import BadAnswer

from ..models import BrokerAccount, ChangeExplanation, InstrumentLink
from .amend import ANSWER, Amendment, Deed, amending
from .questions import OpenQuestion, open_questions, read_open

WITHDRAWN = "WITHDRAWN"  # of 0 units, in the place of what was said


class Said(NamedTuple):
    """An answer as it is given: about which question, by whom; `others` are questions it answers as well."""

    number: int
    answer: Answer
    who: str
    why: str = ""
    others: tuple[int, ...] = ()
    parent: Parent | None = None


class Outcome(NamedTuple):
    """What an answer did: which questions it closed, and what is left of those it did not, in units."""

    account: BrokerAccount
    text: str
    closed: list[int]
    left: dict[int, str]


def accepted(account: BrokerAccount, number: int, who: str, why: str = "", on: date | None = None) -> Said:
    """The likeliest proposal for this question as an answer. BadAnswer when there is none to accept."""
    asked = next((each for each in open_questions(account) if each.question.number == number), None)
    if asked is None:
        raise BadAnswer(_unknown(number, read_open(account)))
    first = next(iter(asked.proposals), None)
    if first is None or first.answer is None:
        raise BadAnswer(f"question {number}: {first.because if first else 'nothing suggests itself'}")
    others = tuple(other for other in first.questions if other != number)
    return Said(number, first.answer._replace(on=on or first.answer.on), who, why, others, first.parent)


def answer(account: BrokerAccount, said: Said) -> Outcome:
    """Records it, in a batch of its own. BadAnswer, with nothing written, when it does not add up."""
    if said.answer.kind == NOTED and not said.why.strip():
        raise BadAnswer(f'question {said.number}: say why, such as: explain {said.number} note "a gift from my father"')
    deed = Deed(f"question {said.number}: {said.answer.text()}", said.who, said.why)
    with amending(account, ANSWER, deed) as amendment:
        opened = {each.question.number: each for each in read_open(account)}
        asked = _asked(said, opened)
        made = answers.pieces(said.answer, asked, said.parent)
        answers.check(made, {number: each.question for number, each in opened.items()})
        for piece in made:
            _write(amendment, opened[piece.question], piece, said.answer.on)
        if said.answer.kind in CORPORATE:
            _link(amendment, said, asked)
        return _told(amendment, account, said.answer.text(), made, opened)


def _asked(said: Said, opened: dict[int, OpenQuestion]) -> list[Question]:
    """The question itself first, then those that go with it."""
    for number in (said.number, *said.others):
        if number not in opened:
            raise BadAnswer(_unknown(number, opened.values()))
    question = opened[said.number].question
    if said.others:
        return [question, *(opened[number].question for number in said.others)]
    rest = [each.question for number, each in opened.items() if number != said.number]
    return [question, *answers.partners(said.answer, question, rest)]


def _unknown(number: int, opened: object) -> str:
    numbers = ", ".join(str(each.question.number) for each in opened) or "none"  # type: ignore[attr-defined]
    return f"question {number} is not open in this account; open are: {numbers}"


def _write(amendment: Amendment, opened: OpenQuestion, piece: AnswerPiece, on: date | None) -> None:
    """Of the day that is said, but never of one before the account was first seen: the opening was counted later."""
    question, opened_on = opened.question, amendment.head.opened_on
    dated = max(on, opened_on + timedelta(days=1)) if on and opened_on else question.as_of
    named = Holding(question.isin or None, question.symbol, question.exchange, ZERO, ZERO, None)
    amendment.pen.explanation(
        opened.change_id, (question.instrument, question.lot), named, piece.kind, dated, piece.quantity,
        piece.cost,
    )  # fmt: skip


def _link(amendment: Amendment, said: Said, asked: Sequence[Question]) -> None:
    """What one unit became: offered to the other accounts that hold the same."""
    question = asked[0]
    if said.answer.kind == DEMERGER and said.parent:
        old = (said.parent.instrument, said.parent.isin, said.parent.symbol, question.exchange)
        new = question
    else:
        gone = next((each for each in asked if each.is_gone), question)
        new = next((each for each in asked if each is not gone), gone)
        old = (gone.instrument, gone.isin, gone.symbol, gone.exchange)
    amendment.pen.write(
        canonical.LINK, said.answer.kind, *old, new.instrument, new.isin, new.symbol,
        said.answer.on or question.as_of, said.answer.units_before, said.answer.units_after,
        said.answer.cost_percent, False,
    )  # fmt: skip


def _told(
    amendment: Amendment,
    account: BrokerAccount,
    text: str,
    made: Sequence[AnswerPiece],
    opened: dict[int, OpenQuestion],
) -> Outcome:
    left = {piece.question: opened[piece.question].question.open - piece.quantity for piece in made}
    closed = sorted(number for number, units in left.items() if not units)
    if closed:
        amendment.tell("question.closed", subjects=closed)
    return Outcome(account, text, closed, {n: f"{units.normalize():+f}" for n, units in left.items() if units})


def withdraw(account: BrokerAccount, number: int, who: str, why: str = "") -> list[int]:
    """Takes back the last answer to a question, and to those that were answered with it: they are open again."""
    with amending(account, ANSWER, Deed(f"question {number}: answer withdrawn", who, why)) as amendment:
        given = _last_answer(account, number)
        for row in given:
            named = Holding(row.isin or None, row.symbol, row.exchange, ZERO, ZERO, None)
            amendment.pen.explanation(
                str(row.change_id), (str(row.instrument_id), row.lot), named, WITHDRAWN, row.dated, ZERO, None,
                str(row.pk),
            )  # fmt: skip
        for link in InstrumentLink.objects.filter(batch=given[0].batch_id, broker_account=account):
            amendment.pen.write(
                canonical.LINK, link.kind, str(link.instrument_id), link.isin, link.symbol, link.exchange,
                str(link.successor_id), link.successor_isin, link.successor_symbol, link.effective_on,
                link.units_before, link.units_after, link.cost_percent, True,
            )  # fmt: skip
        numbers = sorted({row.change.question_number for row in given if row.change and row.change.question_number})
        amendment.tell("question.opened", subjects=numbers)
    return numbers


def _last_answer(account: BrokerAccount, number: int) -> list[ChangeExplanation]:
    """All explanations that its last answer wrote. BadAnswer when nobody has answered it."""
    said = ChangeExplanation.objects.current().filter(broker_account=account, batch__sync_type=ANSWER)
    said = said.exclude(kind=WITHDRAWN).select_related("change")
    last = said.filter(change__question_number=number).order_by("pk").last()
    if last is None:
        raise BadAnswer(f"question {number}: no person has answered it in this account")
    return list(said.filter(batch=last.batch_id))


def fitting(said: Said, account: BrokerAccount) -> list[tuple[BrokerAccount, Said]]:
    """The same answer for other accounts that have a question about the same share, where it adds up. Not for erased
    ones: nobody answers for them any more."""
    if said.answer.kind not in CORPORATE:
        return []
    written = InstrumentLink.objects.filter(broker_account=account).order_by("pk").last()
    if written is None:
        return []
    instruments = [written.instrument_id, written.successor_id]
    others = BrokerAccount.objects.exclude(pk=account.pk).filter(
        key__destroyed_at=None,
        holding_changes__instrument__in=instruments,
        holding_changes__question_number__isnull=False,
    )
    found = []
    for other in others.distinct().order_by("created_at", "pk"):
        for question, *_, proposals in open_questions(other):
            number = question.number
            for proposal in proposals:
                same = proposal.answer and proposal.answer._replace(cost_percent=said.answer.cost_percent)
                if same and same._replace(on=said.answer.on) == said.answer and number == min(proposal.questions):
                    rest = tuple(each for each in proposal.questions if each != number)
                    found.append((other, said._replace(
                        number=number, answer=same, others=rest, parent=proposal.parent,
                    )))  # fmt: skip
                    break
    return found
