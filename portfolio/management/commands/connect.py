"""manage.py connect BROKER: adds a real account from the terminal."""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from ... import demo, report, startup
from ...accounts import open_credentials
from ...clock import ClockError, refresh
from ...connecting import (
    FIRST_PORTFOLIO,
    FIRST_USER,
    Login,
    Refused,
    check_it_stays,
    login_address,
    renew,
    store,
    try_login,
)
from ...keys import CannotDecrypt, KeyTrouble
from ...models import BrokerAccount, BrokerAccountCredential, Portfolio, User
from ...secret import Secret
from ...sync.capture import DAILY
from ...sync.pipeline import sync
from ...sync.record import Result
from ...triggers.base import BaseTrigger, CredentialField, LoginMethod
from ...triggers.registry import get_trigger_for_code, known_codes, why_missing


class Command(BaseCommand):
    help = (
        "Add a broker account: asks for its credentials, tests the login, syncs once and shows the result. Exit code "
        "0: added and synced; 1: added, and the sync did not complete; 2: not added."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("broker", help="the broker's code, such as groww")
        parser.add_argument(
            "--user", help="whose account it is (default: me; made when new); one that is there stays theirs"
        )
        where = f"in which portfolio (default: {FIRST_PORTFOLIO}; made when new); one that is there stays in its own"
        parser.add_argument("--portfolio", help=where)
        parser.add_argument("--method", help="the way to log in; asked for when there are several")
        parser.add_argument("--client-id", help="the client id at the broker, where the broker does not tell it")
        parser.add_argument("--label", default="", help="a name to tell it by")
        again = "log in again: the id of an account that is there; what is kept of its credentials is not asked for"
        parser.add_argument("--account", help=again)

    def handle(self, **options: Any) -> None:
        trigger = self._trigger(options["broker"])
        self._check_names(options)
        try:
            startup.require_tables()
            startup.require_guards()
            startup.require_keys()
            refresh()
            known = self._known(trigger, options["account"])
            if known:
                check_it_stays(known, options["portfolio"], options["user"])
            login = self._log_in(trigger, options["method"], options["client_id"], known)
            place = options["user"] or FIRST_USER, options["portfolio"], options["label"]
            account = renew(known, login, options["label"]) if known else store(login, *place)
        except (Refused, startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(f"{error}\nNothing was stored.", returncode=2) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("stopped; nothing was stored", returncode=2) from None
        if demo.is_here():
            self.stderr.write(WARNING)
        self._sync(account)

    def _trigger(self, code: str) -> type[BaseTrigger]:
        trigger, known = get_trigger_for_code(code), known_codes()
        if trigger is None and code.upper() in known:
            raise CommandError(why_missing(code), returncode=2)
        if trigger is None:
            raise CommandError(f"no broker {code!r} is known; there are: {', '.join(known)}", returncode=2)
        return trigger

    def _check_names(self, options: Mapping[str, Any]) -> None:
        """Before anything is asked: whether they fit into their columns."""
        for name, (model, column) in NAMES.items():
            field: Any = model._meta.get_field(column)
            try:
                if options[name] is not None:
                    field.clean(options[name], None)
            except ValidationError as error:
                option = f"--{name.replace('_', '-')}"
                raise CommandError(f"{option}: {' '.join(error.messages)}", returncode=2) from None

    def _known(self, trigger: type[BaseTrigger], account_id: str | None) -> BrokerAccount | None:
        if account_id is None:
            return None
        try:
            return BrokerAccount.objects.get(pk=UUID(account_id), broker=trigger.code)
        except (ValueError, BrokerAccount.DoesNotExist):
            raise CommandError(f"no account at {trigger.name} has the id {account_id}", returncode=2) from None

    def _log_in(
        self, trigger: type[BaseTrigger], method_name: str | None, client_id: str | None, known: BrokerAccount | None
    ) -> Login:
        stored = BrokerAccountCredential.objects.filter(account=known).first() if known else None
        kept = self._kept(stored)
        method = self._method(trigger, method_name or (stored.login_method if kept and stored else None))
        if all(field.is_kept for field in method.fields):
            kept = {}  # nothing counts once, so what was refused may be any of it
        credentials: dict[str, Secret] = {}
        for field in method.fields:
            credentials[field.name] = kept.get(field.name) or self._ask_for(field, trigger, credentials)
        self.stdout.write(f"Trying the login at {trigger.name or trigger.code} ...")
        self.stdout.flush()  # in a file, too, it stands before what came of it
        return try_login(trigger, method.name, credentials, known.account_id if known else client_id)

    def _kept(self, stored: BrokerAccountCredential | None) -> dict[str, Secret]:
        """What is stored of an account's credentials; nothing when it cannot be read any more."""
        with suppress(CannotDecrypt):
            return open_credentials(stored) if stored else {}
        return {}

    def _ask_for(self, field: CredentialField, trigger: type[BaseTrigger], credentials: dict[str, Secret]) -> Secret:
        """What counts once comes from the broker's own login page."""
        if not field.is_kept and (address := login_address(trigger, credentials)):
            self.stdout.write(f"Log in here, in a browser:\n\n  {address}\n")
        return self._ask(field)

    def _method(self, trigger: type[BaseTrigger], name: str | None) -> LoginMethod:
        methods = {method.name: method for method in trigger.login_methods}
        if not methods and name in (None, UNSAID):
            return self._unsaid(trigger)
        if name is None and len(methods) > 1:
            for method in methods.values():
                self.stdout.write(f"  {method.name:10} {method.label}")
            name = _line(f"Which way to log in? [{next(iter(methods))}] ")
        name = name or next(iter(methods))
        if name not in methods:
            raise CommandError(f"no way {name!r} to log in; there are: {', '.join(methods) or UNSAID}", returncode=2)
        return methods[name]

    def _unsaid(self, trigger: type[BaseTrigger]) -> LoginMethod:
        self.stdout.write(f"The trigger of {trigger.code} does not say what it reads to log in.")
        names = _line("The names of its credentials, such as api_key access_token: ").replace(",", " ").split()
        return LoginMethod(UNSAID, "", tuple(CredentialField(name, name) for name in dict.fromkeys(names)))

    def _ask(self, field: CredentialField) -> Secret:
        """Secrets are never echoed, and never taken from the command line, where others could read them."""
        if sys.stdin and sys.stdin.isatty():
            value = (getpass.getpass if field.is_secret else input)(f"{field.label}: ")
        elif not sys.stdin or not (value := sys.stdin.readline()):
            raise EOFError
        if not value.strip():
            raise CommandError(f"{field.label} is needed", returncode=2)
        if not value.strip().isprintable():
            raise CommandError(
                f"{field.label}: there is a character in it that cannot be seen; paste it again", returncode=2
            )
        return Secret(value.strip())

    def _sync(self, account: BrokerAccount) -> None:
        self.stdout.write(f"{self._what_was_done(account)} ...")
        self.stdout.flush()
        results = self._synced(account)
        for result in results:
            report.write_line(self.stdout, result, account)
        if not results:
            self.stdout.write("Another run holds this account; it is left to that run.")
        report.write_account(self.stdout, account)
        if code := report.exit_code(results, 1):
            sys.exit(code)

    def _what_was_done(self, account: BrokerAccount) -> str:
        if account.batches.exists():
            return f"Renewed the login of {account} with the id {account.pk}. A sync"
        return f"Added {account} with the id {account.pk}. Its first sync"

    def _synced(self, account: BrokerAccount) -> list[Result]:
        try:
            return sync([str(account.pk)], DAILY)
        except KeyboardInterrupt:
            again = f"manage.py sync_holdings --account {account.pk}"
            raise CommandError(f"stopped; the account is stored. To sync it: {again}", returncode=1) from None


def _line(prompt: str) -> str:
    if not sys.stdin:
        raise EOFError
    return input(prompt).strip()


UNSAID = "credentials"  # the way to log in where a trigger names none: whoever connects names what it reads
NAMES: dict[str, tuple[type[Model], str]] = {
    "user": (User, "username"),
    "portfolio": (Portfolio, "name"),
    "label": (BrokerAccount, "label"),
    "client_id": (BrokerAccount, "account_id"),
}
WARNING = (
    "The demo has been in this database: its made-up prices and dates stand beside your account for good. For real use "
    "start with an empty one: set DATABASE_URL=sqlite:///var/mine.sqlite3, then manage.py migrate, then connect again."
)
