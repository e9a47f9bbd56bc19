"""manage.py connect BROKER: adds a real account from the terminal."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import report
from ...connecting import Refused, try_login
from ...keys import KeyTrouble
from ...models import BrokerAccount, Portfolio, User
from ...startup import NotReady
from ...sync.capture import DAILY
from ...sync.pipeline import sync
from ...triggers.base import BaseTrigger, CredentialField, LoginMethod
from ...triggers.registry import REGISTRY, get_trigger_for_code


class Command(BaseCommand):
    help = "Add a broker account: asks for its credentials, tests the login, syncs once and shows the result."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("broker", help="the broker's code, such as groww")
        parser.add_argument("--user", default="me", help="whose account it is (default: me; made when new)")
        parser.add_argument("--portfolio", default="My portfolio", help="in which portfolio (made when new)")
        parser.add_argument("--method", help="the way to log in; asked for when there are several")
        parser.add_argument("--client-id", help="the client id at the broker, where the broker does not tell it")
        parser.add_argument("--label", default="", help="a name to tell it by")

    def handle(self, **options: Any) -> None:
        trigger = self._trigger(options["broker"])
        method = self._method(trigger, options["method"])
        try:
            credentials = {field.name: self._ask(field) for field in method.fields}
            self.stdout.write(f"Trying the login at {trigger.name or trigger.code} ...")
            account = try_login(
                trigger, method.name, credentials, self._portfolio(options), options["client_id"], options["label"]
            )
            results = sync([str(account.pk)], DAILY)
        except (Refused, NotReady, KeyTrouble) as error:
            raise CommandError(str(error), returncode=2) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("stopped; nothing was stored", returncode=2) from None
        self._show(account, results)
        if code := report.exit_code(results, 1):
            sys.exit(code)

    def _trigger(self, code: str) -> type[BaseTrigger]:
        trigger = get_trigger_for_code(code)
        if trigger is None:
            known = ", ".join(sorted(REGISTRY))
            raise CommandError(f"no broker {code!r} is known; there are: {known}", returncode=2)
        return trigger

    def _method(self, trigger: type[BaseTrigger], name: str | None) -> LoginMethod:
        methods = {method.name: method for method in trigger.login_methods}
        if not methods:
            raise CommandError(f"{trigger.code} offers no way to log in", returncode=2)
        if name is None and len(methods) > 1:
            for method in methods.values():
                self.stdout.write(f"  {method.name:10} {method.label}")
            name = input(f"Which way to log in? [{next(iter(methods))}] ").strip() or None
        name = name or next(iter(methods))
        if name not in methods:
            raise CommandError(f"no way {name!r} to log in; there are: {', '.join(methods)}", returncode=2)
        return methods[name]

    def _ask(self, field: CredentialField) -> str:
        """Secrets are never echoed, and never taken from the command line, where others could read them."""
        if not sys.stdin.isatty():
            value = sys.stdin.readline()
            if not value:
                raise EOFError
        else:
            value = (getpass.getpass if field.is_secret else input)(f"{field.label}: ")
        value = value.strip()
        if not value:
            raise CommandError(f"{field.label} is needed", returncode=2)
        return value

    def _portfolio(self, options: dict[str, Any]) -> Portfolio:
        user, is_new = User.objects.get_or_create(username=options["user"])
        if is_new:
            user.set_unusable_password()
            user.save()
        return Portfolio.objects.get_or_create(user=user, name=options["portfolio"])[0]

    def _show(self, account: BrokerAccount, results: list[Any]) -> None:
        for result in results:
            report.write_line(self.stdout, result, account)  # type: ignore[arg-type]
        if not results:
            self.stdout.write("Another run holds this account; it is left to that run.")
        report.write_account(self.stdout, account)  # type: ignore[arg-type]
        self.stdout.write(f"Account id: {account.pk}")
