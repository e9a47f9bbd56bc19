"""What open questions look like: answers that the figures suggest, likeliest first. Pure.

A proposal is no explanation: a person accepts it, or says something else. None is made that would not add up.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from .answers import (
    BONUS,
    DEMERGER,
    ISIN_CHANGE,
    LARGEST,
    MERGER,
    MOVED_BACK,
    SEEN_WITHIN,
    SPLIT,
    TRANSFER_IN,
    TRANSFER_OUT,
    Answer,
    Parent,
    Question,
    partners,
    pieces,
    ratios,
)
from .entries import ZERO
from .errors import BadAnswer
from .links import Link
from .normalise import price

_MERGER_LARGEST = 1000  # of mergers they are not: there the cost must agree
# One old share of this many or fewer became so many: a change of face value more likely than a bonus.
_FACE_VALUES = frozenset({(1, 5), (1, 10)})
_TOLERANCE = Decimal("0.005")


class Fallen(NamedTuple):
    """A holding whose average fell while its units stayed: something may have been split off it. INR."""

    parent: Parent
    as_of: date
    cost_before: Decimal
    cost_after: Decimal


class Proposal(NamedTuple):
    """An answer to these questions together, and why. Without an answer: something to be done first."""

    answer: Answer | None
    questions: tuple[int, ...]
    because: str
    parent: Parent | None = None


def propose(
    questions: Sequence[Question],
    links: Iterable[Link] = (),
    fallen: Iterable[Fallen] = (),
    missed: Mapping[int, Sequence[date]] | None = None,
    parents: Mapping[Link, Parent] | None = None,
) -> dict[int, list[Proposal]]:
    """For each open question of one account what it may be, by its number. `links`: what was said for other accounts;
    `parents`: how much this one owned of what a demerger split off from; `missed`: days nobody looked before it."""
    links, fallen = list(links), list(fallen)
    found: dict[int, list[Proposal]] = {}
    for question in questions:
        others = [each for each in questions if each is not question]
        made = [
            *_as_for_another(question, others, links, parents or {}), *_moved_back(question, others),
            *_replaced(question, others), *_of_itself(question), *_merged(question, others),
            *_split_off(question, fallen), *_missed(question, (missed or {}).get(question.number, ())),
            *_transferred(question), *_credited_late(question),
        ]  # fmt: skip
        found[question.number] = _each_once(made)
    return found


def _each_once(made: Iterable[Proposal]) -> list[Proposal]:
    """Where it stands first: what was answered for another account is likelier than the same from figures alone."""
    first: dict[object, Proposal] = {}
    for each in made:
        first.setdefault(_what(each), each)
    return list(first.values())


def _what(proposal: Proposal) -> tuple[Answer | None, tuple[int, ...]]:
    """The same answer of another day is no other proposal."""
    return proposal.answer and proposal.answer._replace(on=None), proposal.questions


def _adding_up(
    answer: Answer, questions: Sequence[Question], because: str, parent: Parent | None = None
) -> Iterator[Proposal]:
    try:
        made = pieces(answer, questions, parent)
    except BadAnswer:
        return
    yield Proposal(answer, tuple(sorted(piece.question for piece in made)), because, parent)


def _as_for_another(
    question: Question, others: Sequence[Question], links: Sequence[Link], parents: Mapping[Link, Parent]
) -> Iterator[Proposal]:
    """The nearest first: the same company may have done the same years before."""
    for link in sorted(links, key=lambda each: abs(each.effective_on - question.as_of)):
        because = f"answered so for another account, with effect from {link.effective_on}"
        answer = link.answer._replace(on=_day_here(link, question))
        if link.kind == DEMERGER and question.instrument == link.successor:
            yield from _adding_up(answer, [question], because, parents.get(link))
        elif link.kind != DEMERGER and question.instrument in (link.instrument, link.successor):
            yield from _adding_up(answer, [question, *partners(answer, question, others)], because)


def _day_here(link: Link, question: Question) -> date | None:
    """The link's day, if what moved here can be of that day; perhaps it was seen here before. Of a demerger it always
    is: what was owned of its parent is measured on that day, and the shares may come months later."""
    is_unseen = question.looked is not None and link.effective_on > question.looked
    if link.kind == DEMERGER or is_unseen or abs(link.effective_on - question.as_of) <= SEEN_WITHIN:
        return min(link.effective_on, question.as_of)
    return None


def _moved_back(question: Question, others: Sequence[Question]) -> Iterator[Proposal]:
    answer = Answer(MOVED_BACK)
    for other in partners(answer, question, others):
        because = f"question {other.number} is of the same units the other way"
        yield from _adding_up(answer, [question, other], because)


def _replaced(question: Question, others: Sequence[Question]) -> Iterator[Proposal]:
    """One ISIN went and another came under the same symbol."""
    same = [each for each in others if each.symbol == question.symbol and each.instrument != question.instrument]
    for other in same:
        old, new = (question, other) if question.is_gone else (other, question)
        if not old.is_gone or new.before or not old.before:
            continue
        ratio = Fraction(new.open) / Fraction(old.before)
        kind = ISIN_CHANGE if ratio == 1 else SPLIT
        told = f"{_plain(old.before)} of {old.isin} went, {_plain(new.open)} of {new.isin} came"
        for before, after in [(1, 1)] if ratio == 1 else ratios(old.before, new.open):
            agrees = _agrees(old.average_before, new.average_after, Decimal(before), Decimal(after))
            if agrees is not False or ratio in (Fraction(after, before), 1):
                answer = Answer(kind, before, after)
                yield from _adding_up(answer, [question, other], f"{told}{_of_averages(old, new, agrees)}")


def _of_itself(question: Question) -> Iterator[Proposal]:
    """More or fewer of the same, and the average the other way round. On the day on which it was seen, else on the only
    one before it that fits what was traded."""
    fit = _fit(question)
    if fit and not _is_guess(question, fit):
        yield from _by(question, fit)


def _credited_late(question: Question) -> Iterator[Proposal]:
    """The same of a day that was looked at, with nothing but units to speak for it: whatever else it may be is
    likelier."""
    fit = _fit(question)
    if fit and _is_guess(question, fit):
        yield from _by(question, fit)


class _Fit(NamedTuple):
    day: date
    ratio: tuple[int, int]
    agrees: bool | None  # whether the average does; None where one is not known


def _fit(question: Question) -> _Fit | None:
    recent = [day for day in question.days() if day >= question.as_of - SEEN_WITHIN]
    found = {day: _Fit(day, *fit) for day in recent if (fit := _fitting(question, day))}
    if question.as_of in found:
        return found[question.as_of]
    unseen = [fit for day, fit in found.items() if not _was_seen(question, day)]
    likely = unseen or list(found.values())
    return likely[0] if len(likely) == 1 else None


def _is_guess(question: Question, fit: _Fit) -> bool:
    return not fit.agrees and _was_seen(question, fit.day)


def _was_seen(question: Question, day: date) -> bool:
    """Whether somebody looked after an action of that day, and saw nothing of it."""
    return question.looked is not None and day <= question.looked


def _by(question: Question, fit: _Fit) -> Iterator[Proposal]:
    day, (before, after), agrees = fit
    units, became = question.around(day)
    told = f"{_plain(units)} became {_plain(became)}"
    if day != question.as_of:
        told += f" by {day}, and what was traded since is {_plain(question.after - became)}"
    kinds = [SPLIT] if after < before else [SPLIT, BONUS] if (before, after) in _FACE_VALUES else [BONUS, SPLIT]
    for kind in kinds:
        answer = Answer(kind, before, after, on=None if day == question.as_of else day)
        yield from _adding_up(answer, [question], f"{told}{_of_averages(question, question, agrees)}")


def _fitting(question: Question, day: date) -> tuple[tuple[int, int], bool | None] | None:
    """The ratio that an action of that day may have had, and whether the average agrees."""
    units, became = question.around(day)
    if units <= ZERO or became <= ZERO:
        return None
    nothing_since = units == question.before
    for before, after in ratios(units, became):
        of = (Decimal(before), Decimal(after)) if nothing_since else (question.before, question.after)
        agrees = _agrees(question.average_before, question.average_after, *of)
        is_exact = Fraction(became) / Fraction(units) == Fraction(after, before)
        # Companies consolidate shares into one of so many: without an average nothing else speaks for fewer of them.
        if agrees or (agrees is None and is_exact and (after > before or after == 1)):
            return (before, after), agrees
    return None


def _agrees(
    average_before: Decimal | None, average_after: Decimal | None, before: Decimal, after: Decimal
) -> bool | None:
    """Whether the average cost went the other way; None when one of them is not known."""
    if not average_before or not average_after or before <= ZERO:
        return None
    return abs(average_after * after / before - average_before) <= average_before * _TOLERANCE


def _of_averages(old: Question, new: Question, agrees: bool | None) -> str:
    if agrees is None or old.average_before is None or new.average_after is None:
        return "; no average cost tells more"
    told = f"{old.average_before:,.2f} to {new.average_after:,.2f}"
    return f"; the average went from {told}" if agrees else f"; the average does not agree ({told})"


def _merged(question: Question, others: Sequence[Question]) -> Iterator[Proposal]:
    """One share went and another grew, at the same cost."""
    for other in others:
        if other.instrument == question.instrument or other.symbol == question.symbol:
            continue
        old, new = (question, other) if question.is_gone else (other, question)
        if not old.is_gone or new.open <= ZERO or not old.average_before or not new.average_after:
            continue
        ratio = Fraction(new.open) / Fraction(old.before)
        if max(ratio.numerator, ratio.denominator) > _MERGER_LARGEST:
            continue
        gained = new.after * new.average_after - new.before * (new.average_before or ZERO)
        if _is_near(gained, old.before * old.average_before):
            told = f"{_plain(old.before)} {old.symbol} went and {_plain(new.open)} {new.symbol} came, at the same cost"
            yield from _adding_up(Answer(MERGER, ratio.denominator, ratio.numerator), [question, other], told)


def _split_off(question: Question, fallen: Sequence[Fallen]) -> Iterator[Proposal]:
    """Another share's average fell by what these cost."""
    if question.before or question.open <= ZERO or not question.average_after:
        return
    cost = question.open * question.average_after
    for each in fallen:
        ratio = Fraction(question.open) / Fraction(each.parent.owned)
        if max(ratio.numerator, ratio.denominator) <= LARGEST and _is_near(each.cost_before - each.cost_after, cost):
            percent = (100 * cost / each.cost_before).quantize(Decimal("0.0001"))
            answer = Answer(DEMERGER, ratio.denominator, ratio.numerator, cost_percent=percent)
            because = f"the cost of {each.parent.symbol} fell by what these cost"
            yield from _adding_up(answer, [question], because, each.parent)


def _missed(question: Question, days: Sequence[date]) -> Iterator[Proposal]:
    if days:
        told = ", ".join(str(day) for day in days[:3]) + (f" and {len(days) - 3} more" if len(days) > 3 else "")
        yield Proposal(None, (question.number,), f"nobody looked on {told}: import the broker's statement of then")


def _transferred(question: Question) -> Iterator[Proposal]:
    if question.open < ZERO:
        yield from _adding_up(Answer(TRANSFER_OUT), [question], "units went, and nothing else suggests itself")
        return
    cost = _cost_of_newcomers(question)
    told = f" at {cost:,.2f} each, by the averages" if cost else ", at a cost that is not known"
    yield from _adding_up(Answer(TRANSFER_IN, cost=cost), [question], f"units came{told}")


def _cost_of_newcomers(question: Question) -> Decimal | None:
    if not question.average_after or (question.before and not question.average_before):
        return None
    gained = question.after * question.average_after - question.before * (question.average_before or ZERO)
    return price(gained / question.open) if gained > ZERO else None


def _is_near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= max(abs(one), abs(other)) * _TOLERANCE


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"
