"""manage.py explain: lists the open questions with what they look like, and records what a person says to them."""

import getpass
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter

from ledger import answers
from ledger.answers import DEMERGER, WORDS, Parent
from ledger.errors import BadAnswer

from ... import asked, clock, startup
from ...clock import ClockError
from ...keys import CannotDecrypt, KeyTrouble
from ...models import BrokerAccount
from ...report import as_json
from ...sync.answer import Outcome, Said, accepted, answer, fitting, withdraw
from ...sync.questions import open_questions, read_open
from .sync_holdings import _id

EXAMPLES = """examples:
  explain                                   what is open, and what it looks like
  explain 1 accept                          the first thing that it looks like is so
  explain 1 split 1:5                       one old share became five
  explain 3 bonus 1:2                       one new share for every two held, at no cost
  explain 4 transfer-in --cost 250.50       came from elsewhere, where a share had cost so much
  explain 5 note "a gift to my daughter"    anything else; the words are encrypted
  explain 1 withdraw                        the last answer was wrong: open it again
"""


class _Help(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Examples as they are written."""


class Command(BaseCommand):
    help = (
        "Open questions: list them (exit code 0: none, 1: some), or answer one (0: recorded; 2: refused, nothing is "
        "written)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = EXAMPLES
        parser.formatter_class = _Help
        parser.add_argument("number", nargs="?", type=int, help="the question")
        parser.add_argument("answer", nargs="?", help=f"accept, withdraw, {', '.join(WORDS)}")
        parser.add_argument("said", nargs="?", default="", help="a ratio such as 1:5, or the words of a note")
        parser.add_argument(
            "--account", action="append", type=_id, metavar="ID", help="of this account; may be repeated"
        )
        parser.add_argument("--with", dest="others", type=int, metavar="N", help="the question that goes with it")
        parser.add_argument("--from", dest="parent", metavar="SYMBOL", help="which share a demerger split off")
        parser.add_argument("--units", default="", metavar="N", help="so many of them; the rest stays open")
        parser.add_argument("--cost", default="", metavar="INR", help="what a unit that came in had cost")
        parser.add_argument(
            "--cost-percent", default="", metavar="P", help="how much of the cost a demerger took along"
        )
        parser.add_argument("--on", type=_day, metavar="DATE", help="since when it is so (default: when it was seen)")
        parser.add_argument("--note", default="", help="why, in your words; encrypted")
        parser.add_argument(
            "--by", default="", metavar="NAME", help="who says so; encrypted (default: your login name)"
        )
        parser.add_argument("--everywhere", action="store_true", help="also for other accounts where it adds up")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            clock.refresh()
            accounts = _accounts(options["account"] or [])
            if options["number"] is None:
                self._list(accounts, options["json"])
            else:
                self._answer(_the_account(accounts, options["number"], options["answer"]), options)
        except (BadAnswer, CannotDecrypt, startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None

    def _list(self, accounts: Sequence[BrokerAccount], is_json: bool) -> None:
        found = [(account, open_questions(account)) for account in accounts]
        today = clock.today()
        if is_json:
            self.stdout.write(as_json({"accounts": [asked.values(*each, today) for each in found]}))
        else:
            self.stdout.write(asked.text(found, today))
        if any(questions for _, questions in found):
            sys.exit(1)

    def _answer(self, account: BrokerAccount, options: dict[str, Any]) -> None:
        number, who = options["number"], options["by"] or _login_name()
        if options["answer"] == "withdraw":
            numbers = withdraw(account, number, who, options["note"])
            self._tell(account, "answer withdrawn", {"opened": numbers}, options["json"])
            return
        said = _said(account, options, who)
        outcome = answer(account, said)
        others = fitting(said, account)
        outcomes = [outcome, *([answer(other, same) for other, same in others] if options["everywhere"] else [])]
        if options["json"]:
            self.stdout.write(as_json({"answers": [_values(each) for each in outcomes]}))
            return
        for each in outcomes:
            self._tell(each.account, each.text, {"closed": each.closed, "left": each.left}, False)
        if others and not options["everywhere"]:
            self._offer(others)

    def _tell(self, account: BrokerAccount, what: str, numbers: dict[str, Any], is_json: bool) -> None:
        if is_json:
            self.stdout.write(as_json({"account": account.pk, "answer": what, **numbers}))
            return
        words = "; ".join(f"{name}: {_listed(value)}" for name, value in numbers.items() if value)
        self.stdout.write(f"{account}: {what} recorded; {words}")

    def _offer(self, others: Sequence[tuple[BrokerAccount, Said]]) -> None:
        self.stdout.write("The same fits other accounts (--everywhere would have recorded it there too):")
        for other, said in others:
            self.stdout.write(f"  {other}: manage.py explain {said.number} accept --account {other.pk}")


def _accounts(ids: Sequence[str]) -> list[BrokerAccount]:
    found = BrokerAccount.objects.select_related("head", "key", "broker").order_by("created_at", "pk")
    accounts = list(found.filter(pk__among=ids) if ids else found)
    if missing := set(ids) - {str(account.pk) for account in accounts}:
        raise BadAnswer(f"no account with the id {', '.join(sorted(missing))}; the admin shows the ids")
    return accounts


def _the_account(accounts: Sequence[BrokerAccount], number: int, word: str | None) -> BrokerAccount:
    """The one that is meant; without --account the only one in which the question is open."""
    if not word:
        raise BadAnswer(f"question {number}: say what it is, such as: explain {number} accept; see explain --help")
    if len(accounts) == 1:
        return accounts[0]
    asked_in = [account for account in accounts if any(each.question.number == number for each in read_open(account))]
    if len(asked_in) != 1:
        where = f"open in {len(asked_in)} accounts" if asked_in else "open in no account"
        raise BadAnswer(f"question {number} is {where}; name the account with --account ID")
    return asked_in[0]


def _said(account: BrokerAccount, options: dict[str, Any], who: str) -> Said:
    number, word, said = options["number"], options["answer"], options["said"]
    if word == "accept":
        if said or options["units"] or options["cost"]:
            raise BadAnswer("accept takes the proposal as it is; say transfer-in, split and so on for anything else")
        return accepted(account, number, who, options["note"])
    is_note = word == "note"
    why = " ".join(each for each in (said if is_note else "", options["note"]) if each)
    if is_note and not why:
        raise BadAnswer(f'question {number}: say why, such as: explain {number} note "a gift from my father"')
    made = answers.read(word, "" if is_note else said, options["units"], options["cost"], options["cost_percent"])
    others = (options["others"],) if options["others"] else ()
    parent = _parent(account, options["parent"]) if made.kind == DEMERGER and options["parent"] else None
    return Said(number, made, who, why, others, parent, options["on"])


def _parent(account: BrokerAccount, symbol: str) -> Parent:
    row = account.holdings.filter(symbol=symbol.upper()).first()
    if row is None:
        raise BadAnswer(f"--from: this account holds no {symbol}")
    return Parent(str(row.instrument_id), row.symbol, row.isin, row.owned_quantity)


def _values(outcome: Outcome) -> dict[str, Any]:
    return {
        "account": outcome.account.pk, "answer": outcome.text, "closed": outcome.closed,
        "left": {str(number): units for number, units in outcome.left.items()},
    }  # fmt: skip


def _listed(value: Any) -> str:
    pairs = [f"{units} of question {number}" for number, units in value.items()] if isinstance(value, dict) else value
    return ", ".join(map(str, pairs))


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day; write it as 2026-10-19") from None
