"""What commands that name accounts have in common: how accounts, days and persons are named, and what ends a command
before it began."""

import getpass
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from uuid import UUID

from django.core.management.base import CommandError

from .. import startup
from ..clock import ClockError, refresh
from ..keys import CannotDecrypt, KeyTrouble
from ..models import BrokerAccount
from ..sync.amend import Unsaid

REFUSALS: tuple[type[Exception], ...] = (startup.NotReady, ClockError, KeyTrouble, CannotDecrypt, Unsaid)


def an_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an id; the admin shows the ids") from None


def a_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day; write it as 2026-11-20") from None


def a_whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ArgumentTypeError("a whole number, 1 or more")
    return int(text)


def words(text: str) -> str:
    """What a person says: blanks alone are nothing."""
    return text.strip()


def some_words(text: str) -> str:
    if not words(text):
        raise ArgumentTypeError("it must not be blank: say it in your words")
    return words(text)


def add_accounts(parser: ArgumentParser) -> None:
    help = "this account; may be repeated (default: all)"
    parser.add_argument("--account", action="append", type=an_id, metavar="ID", help=help)


def accounts_named(ids: Sequence[UUID] | None) -> list[BrokerAccount]:
    """These accounts, disabled ones too; all without ids. CommandError where one is not known."""
    accounts = BrokerAccount.objects.select_related("broker", "portfolio", "key", "head").order_by("created_at", "pk")
    found = list(accounts.filter(pk__among=ids) if ids else accounts)
    if missing := {str(each) for each in ids or ()} - {str(account.pk) for account in found}:
        raise CommandError(f"no account has the id {', '.join(sorted(missing))}", returncode=2)
    return found


def login_name() -> str:
    """Who runs this, as far as the system knows a name: in a container a user may have a number alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@contextmanager
def refusing(*more: type[Exception]) -> Iterator[None]:
    """Before anything is written: what is missing or cannot be read ends the command with exit code 2."""
    try:
        startup.require_tables()
        startup.require_guards()
        refresh()
        yield
    except REFUSALS + more as error:
        raise CommandError(str(error), returncode=2) from None
