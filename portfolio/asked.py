"""Open questions as a person reads them, with what they look like, and as a program does. Reads; decides nothing."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from ledger.proposals import Proposal

from .models import BrokerAccount
from .sync.questions import OpenQuestion

NONE_OPEN = "No open questions: every share is accounted for."


def lines(found: Sequence[OpenQuestion], today: date, is_short: bool = False) -> Iterator[str]:
    """One line a question, and under it what it may be; the likeliest alone when it is to be short."""
    for each in found:
        q = each.question
        yield (
            f"  {q.number:>3}  {q.as_of}  {_age(q.as_of, today):>8}  {q.symbol:<12}  {q.isin:<12}  "
            f"{q.open.normalize():>+10,f}"
        )
        for number, proposal in enumerate(each.proposals[:1] if is_short else each.proposals):
            word = "looks like" if number == 0 else "or"
            yield f"       {word} {_text(q.number, proposal)}"


def _age(as_of: date, today: date) -> str:
    days = (today - as_of).days
    return "today" if days <= 0 else f"{days} day{'s' * (days != 1)}"


def _text(number: int, proposal: Proposal) -> str:
    answer = proposal.answer.text() if proposal.answer else "a missed day"
    if proposal.parent:
        answer += f" of {proposal.parent.symbol}"
    if proposal.answer and proposal.answer.cost_percent is not None:
        answer += f", with {proposal.answer.cost_percent.normalize():f} % of its cost"
    rest = [other for other in proposal.questions if other != number]
    beside = f", with question {', '.join(map(str, rest))}" if rest else ""
    return f"{answer}{beside}: {proposal.because}"


def text(accounts: Iterable[tuple[BrokerAccount, Sequence[OpenQuestion]]], today: date) -> str:
    told: list[str] = []
    for account, found in accounts:
        if found:
            told += [f"{account}, account {account.pk}", *lines(found, today), ""]
    if not told:
        return NONE_OPEN + "\n"
    return (
        "\n".join([*told, "Answer with: manage.py explain NUMBER accept --account ID   (or see explain --help)"]) + "\n"
    )


def values(account: BrokerAccount, found: Iterable[OpenQuestion], today: date) -> dict[str, Any]:
    return {"account": account.pk, "label": str(account), "questions": [question_values(one, today) for one in found]}


def question_values(one: OpenQuestion, today: date) -> dict[str, Any]:
    q = one.question
    return {
        "number": q.number, "as_of": q.as_of, "age_days": max((today - q.as_of).days, 0), "symbol": q.symbol,
        "isin": q.isin, "lot": q.lot, "moved": _plain(one.delta), "unexplained": _plain(q.open),
        "proposals": [_proposal_values(each) for each in one.proposals],
    }  # fmt: skip


def _proposal_values(proposal: Proposal) -> dict[str, Any]:
    return {
        "answer": proposal.answer.text() if proposal.answer else None,
        "cost": str(proposal.answer.cost) if proposal.answer and proposal.answer.cost is not None else None,
        "questions": list(proposal.questions),
        "because": proposal.because,
    }


def _plain(value: Any) -> str:
    return f"{value.normalize():f}"
