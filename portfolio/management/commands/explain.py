"""manage.py explain: lists the open questions with what they look like, and records what a person says to them."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, DjangoHelpFormatter

from ledger import wording
from ledger.answers import WORDS, Parent
from ledger.errors import BadAnswer

from ... import asked, clock
from ...models import BrokerAccount
from ...sync.answer import Outcome, Said, accepted, answer, fitting, withdraw
from ...sync.questions import open_questions, parent_on, read_open
from ...values import as_json
from ..arguments import REFUSALS, a_day, accounts_named, add_accounts, login_name, refusing, words

EXAMPLES = """examples:
  explain                                   what is open, and what it looks like
  explain 1 accept                          the first thing that it looks like is so
  explain 1 split 1:5                       one old share became five
  explain 3 bonus 1:2                       one new share for every two held, at no cost
  explain 4 transfer-in --cost 250.50       came from elsewhere, where a share had cost so much
  explain 5 note "a gift to my daughter"    anything else; the words are encrypted
  explain 1 withdraw                        the last answer was wrong: open it again
"""

Failed = tuple[BrokerAccount, str]  # where nothing was written, and why
SAID = ("said", "units", "cost", "cost_percent")
BESIDE = {"others": "--with", "parent": "--from", "on": "--on", "everywhere": "--everywhere"}
TROUBLE: tuple[type[Exception], ...] = (BadAnswer, *REFUSALS)
ACCEPTED = "accept takes the proposal as it is; say transfer-in, split and so on for anything else"
WITHDRAWN = "withdraw takes back what was said, as it was: only --note and --by go with it"


class _Help(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Examples as they are written."""


class Command(BaseCommand):
    help = (
        "Open questions: list them (exit code 0: none, 1: some), or answer one (0: recorded; 1: recorded, but with "
        "--everywhere not in each further account; 2: refused, nothing is written)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = EXAMPLES
        parser.formatter_class = _Help
        parser.add_argument("number", nargs="?", type=int, help="the question")
        parser.add_argument("answer", nargs="?", help=f"accept, withdraw, {', '.join(WORDS)}")
        parser.add_argument(
            "said", nargs="?", type=words, default="", help="a ratio such as 1:5, or the words of a note"
        )
        add_accounts(parser)
        parser.add_argument("--with", dest="others", type=int, metavar="N", help="the question that goes with it")
        parser.add_argument("--from", dest="parent", metavar="SYMBOL", help="which share a demerger split off")
        parser.add_argument("--units", default="", metavar="N", help="so many of them; the rest stays open")
        parser.add_argument("--cost", default="", metavar="INR", help="what a unit that came in had cost")
        parser.add_argument(
            "--cost-percent", default="", metavar="P", help="how much of the cost a demerger took along"
        )
        parser.add_argument("--on", type=a_day, metavar="DATE", help="since when it is so (default: when it was seen)")
        parser.add_argument("--note", type=words, default="", help="why, in your words; encrypted")
        parser.add_argument(
            "--by", type=words, default="", metavar="NAME", help="who says so; encrypted (default: your login name)"
        )
        parser.add_argument("--everywhere", action="store_true", help="also for other accounts where it adds up")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        with refusing(BadAnswer):
            accounts = _accounts(options["account"])
            if options["number"] is None:
                self._list(accounts, options["json"])
            else:
                account = _the_account(accounts, options["number"], options["answer"])
                act = self._withdraw if options["answer"] == "withdraw" else self._answer
                act(account, options)

    def _list(self, accounts: Sequence[BrokerAccount], is_json: bool) -> None:
        found = [(account, open_questions(account)) for account in accounts]
        today = clock.today()
        if is_json:
            self.stdout.write(as_json({"accounts": [asked.values(*each, today) for each in found]}))
        else:
            self.stdout.write(asked.text(found, today))
        if any(questions for _, questions in found):
            sys.exit(1)

    def _withdraw(self, account: BrokerAccount, options: dict[str, Any]) -> None:
        _refuse(options, (*SAID, *BESIDE), WITHDRAWN)
        numbers = withdraw(account, options["number"], options["by"] or login_name(), options["note"])
        if options["json"]:
            self.stdout.write(as_json({"account": account.pk, "answer": "answer withdrawn", "opened": numbers}))
        else:
            self.stdout.write(f"{account}: answer withdrawn; open again: {', '.join(map(str, numbers))}")

    def _answer(self, account: BrokerAccount, options: dict[str, Any]) -> None:
        said = _said(account, options, options["by"] or login_name())
        outcomes = [answer(account, said)]
        others = fitting(said, account)
        failed: list[Failed] = []
        if options["everywhere"]:
            further, failed = _further(others)
            outcomes += further
        if options["json"]:
            told = [{"account": other.pk, "error": error} for other, error in failed]
            self.stdout.write(as_json({"answers": [_values(each) for each in outcomes], "failed": told}))
        else:
            self._tell_all(outcomes, failed)
            if others and not options["everywhere"]:
                self._offer(others)
        if failed:
            sys.exit(1)

    def _tell_all(self, outcomes: Sequence[Outcome], failed: Sequence[Failed]) -> None:
        for each in outcomes:
            self._tell(each)
        for other, error in failed:
            self.stderr.write(f"{other}: nothing is written: {error}")

    def _tell(self, outcome: Outcome) -> None:
        left = [f"{units} of question {number}" for number, units in outcome.left.items()]
        parts = [("closed", list(map(str, outcome.closed))), ("left", left)]
        words = "; ".join(f"{name}: {', '.join(values)}" for name, values in parts if values)
        self.stdout.write(f"{outcome.account}: {outcome.text} recorded; {words}")

    def _offer(self, others: Sequence[tuple[BrokerAccount, Said]]) -> None:
        self.stdout.write("The same fits other accounts (--everywhere would have recorded it there too):")
        for other, said in others:
            self.stdout.write(f"  {other}: manage.py explain {said.number} accept --account {other.pk}")


def _accounts(ids: Sequence[UUID] | None) -> list[BrokerAccount]:
    """Of persons who were erased nobody answers anything any more: their questions are left out."""
    found = accounts_named(ids)
    standing = [account for account in found if account.key.destroyed_at is None]
    if ids and len(standing) < len(found):
        erased = ", ".join(str(account) for account in found if account not in standing)
        raise BadAnswer(f"{erased}: the person was erased, and nobody answers for them any more")
    return standing


def _the_account(accounts: Sequence[BrokerAccount], number: int, word: str | None) -> BrokerAccount:
    """The one that is meant; without --account the only one in which the question is open."""
    if not word:
        raise BadAnswer(f"question {number}: say what it is, such as: explain {number} accept; see explain --help")
    if len(accounts) == 1:
        return accounts[0]
    asked_in = [account for account in accounts if any(each.question.number == number for each in read_open(account))]
    if len(asked_in) != 1:
        if not asked_in:
            raise BadAnswer(f"question {number} is open in no account; manage.py explain lists what is open")
        raise BadAnswer(f"question {number} is open in {len(asked_in)} accounts; name the account with --account ID")
    return asked_in[0]


def _said(account: BrokerAccount, options: dict[str, Any], who: str) -> Said:
    number, word, said = options["number"], options["answer"], options["said"]
    if word == "accept":
        _refuse(options, (*SAID, "others", "parent"), ACCEPTED)
        accepting = accepted(account, number, who, options["note"], options["on"])
        wording.refuse_unused(accepting.answer, _given(options))
        return accepting
    is_note = word == "note"
    why = " ".join(each for each in (said if is_note else "", options["note"]) if each)
    made = wording.read(word, "" if is_note else said, options["units"], options["cost"], options["cost_percent"])
    wording.refuse_unused(made, _given(options))
    made = made._replace(on=options["on"])
    others = () if options["others"] is None else (options["others"],)
    parent = _parent(account, number, options["parent"], options["on"]) if options["parent"] else None
    return Said(number, made, who, why, others, parent)


def _given(options: dict[str, Any]) -> list[str]:
    """Those of the options beside an answer that were given."""
    return [flag for name, flag in BESIDE.items() if options[name] is not None and options[name] is not False]


def _refuse(options: dict[str, Any], names: Iterable[str], why: str) -> None:
    if any(options[name] not in ("", None) and options[name] is not False for name in names):
        raise BadAnswer(why)


def _further(others: Sequence[tuple[BrokerAccount, Said]]) -> tuple[list[Outcome], list[Failed]]:
    """The first answer is written by now: what fails in a further account is told beside it, and stops no other."""
    outcomes: list[Outcome] = []
    failed: list[Failed] = []
    for other, same in others:
        try:
            outcomes.append(answer(other, same))
        except TROUBLE as error:
            failed.append((other, str(error)))
    return outcomes, failed


def _parent(account: BrokerAccount, number: int, symbol: str, on: date | None) -> Parent:
    """As much of it as was owned when the other one was split off: what was traded on that day came after."""
    seen_on = (each.question.as_of for each in read_open(account) if each.question.number == number)
    day = on or next(seen_on, clock.today())
    parent = parent_on(account, day, symbol=symbol.upper())
    if parent is None:
        raise BadAnswer(f"--from: this account held no {symbol} on {day}")
    return parent


def _values(outcome: Outcome) -> dict[str, Any]:
    return {
        "account": outcome.account.pk, "answer": outcome.text, "closed": outcome.closed,
        "left": {str(number): units for number, units in outcome.left.items()},
    }  # fmt: skip
