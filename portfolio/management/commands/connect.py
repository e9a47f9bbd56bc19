"""manage.py connect BROKER: adds a real account from the terminal."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import demo, report, startup
from ...clock import ClockError, refresh
from ...connecting import Login, Refused, store, try_login
from ...keys import KeyTrouble
from ...models import BrokerAccount
from ...sync.capture import DAILY
from ...sync.pipeline import sync
from ...triggers.base import BaseTrigger, CredentialField, LoginMethod
from ...triggers.registry import REGISTRY, get_trigger_for_code


class Command(BaseCommand):
    help = (
        "Add a broker account: asks for its credentials, tests the login, syncs once and shows the result. Exit code "
        "0: added and synced; 1: added, and the sync did not complete; 2: not added."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("broker", help="the broker's code, such as groww")
        parser.add_argument("--user", default="me", help="whose account it is (default: me; made when new)")
        parser.add_argument("--portfolio", default="My portfolio", help="in which portfolio (made when new)")
        parser.add_argument("--method", help="the way to log in; asked for when there are several")
        parser.add_argument("--client-id", help="the client id at the broker, where the broker does not tell it")
        parser.add_argument("--label", default="", help="a name to tell it by")

    def handle(self, **options: Any) -> None:
        trigger = self._trigger(options["broker"])
        try:
            startup.require_tables()
            startup.require_guards()
            startup.require_keys()
            refresh()
            login = self._log_in(trigger, options["method"], options["client_id"])
            account = store(login, options["user"], options["portfolio"], options["label"])
        except (Refused, startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(f"{error}\nNothing was stored.", returncode=2) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("stopped; nothing was stored", returncode=2) from None
        if demo.is_here():
            self.stderr.write(WARNING)
        self._sync(account)

    def _trigger(self, code: str) -> type[BaseTrigger]:
        trigger = get_trigger_for_code(code)
        if trigger is None:
            known = ", ".join(sorted(REGISTRY))
            raise CommandError(f"no broker {code!r} is known; there are: {known}", returncode=2)
        return trigger

    def _log_in(self, trigger: type[BaseTrigger], method_name: str | None, client_id: str | None) -> Login:
        method = self._method(trigger, method_name)
        credentials = {field.name: self._ask(field) for field in method.fields}
        self.stdout.write(f"Trying the login at {trigger.name or trigger.code} ...")
        return try_login(trigger, method.name, credentials, client_id)

    def _method(self, trigger: type[BaseTrigger], name: str | None) -> LoginMethod:
        methods = {method.name: method for method in trigger.login_methods}
        if not methods:
            raise CommandError(f"{trigger.code} offers no way to log in", returncode=2)
        if name is None and len(methods) > 1:
            for method in methods.values():
                self.stdout.write(f"  {method.name:10} {method.label}")
            name = input(f"Which way to log in? [{next(iter(methods))}] ").strip()
        name = name or next(iter(methods))
        if name not in methods:
            raise CommandError(f"no way {name!r} to log in; there are: {', '.join(methods)}", returncode=2)
        return methods[name]

    def _ask(self, field: CredentialField) -> str:
        """Secrets are never echoed, and never taken from the command line, where others could read them."""
        if sys.stdin.isatty():
            value = (getpass.getpass if field.is_secret else input)(f"{field.label}: ")
        elif not (value := sys.stdin.readline()):
            raise EOFError
        if not value.strip():
            raise CommandError(f"{field.label} is needed", returncode=2)
        return value.strip()

    def _sync(self, account: BrokerAccount) -> None:
        self.stdout.write(f"Added {account} with the id {account.pk}. Its first sync ...")
        results = sync([str(account.pk)], DAILY)
        for result in results:
            report.write_line(self.stdout, result, account)
        if not results:
            self.stdout.write("Another run holds this account; it is left to that run.")
        report.write_account(self.stdout, account)
        if code := report.exit_code(results, 1):
            sys.exit(code)


WARNING = (
    "The demo has been in this database: its made-up prices and dates stand beside your account for good. For real use "
    "start with an empty one: set DATABASE_URL=sqlite:///var/mine.sqlite3, then manage.py migrate, then connect again."
)
