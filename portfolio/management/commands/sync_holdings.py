"""manage.py sync_holdings: asks the brokers and writes what changed into the book."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from ... import clock, demo, report, startup
from ...clock import ClockError
from ...keys import KeyTrouble
from ...models import BrokerAccount
from ...proof import sealer
from ...sync import capture
from ...sync.claim import accounts_to_sync
from ...sync.pipeline import sync
from ...sync.record import Result
from ...values import as_json, as_values

TYPES = {"daily": capture.DAILY, "orders": capture.ORDERS_ONLY, "realtime": capture.REALTIME}


class Command(BaseCommand):
    help = "Sync accounts now. Exit code 0: all completed; 1: some did not; 2: bad input or not ready."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--account", action="append", type=_id, metavar="ID", help="this account; may be repeated")
        which.add_argument("--portfolio", action="append", type=_id, metavar="ID", help="all accounts of a portfolio")
        parser.add_argument("--type", choices=TYPES, default="daily", help="what to ask for (default: daily)")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            named = self._accounts(options["account"] or [], options["portfolio"] or [])
            results = sync(named, TYPES[options["type"]], self._teller(named, is_quiet=options["json"]))
            sealer.seal(clock.now())  # where a timetable runs this alone, nothing else would
        except (startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        done = {result.capture.account_id for result in results}
        held = [account_id for account_id in named if account_id not in done]
        if options["json"]:
            told = [as_values(result) for result in results]
            self.stdout.write(as_json({"results": told, "held": held}))
        for account_id in held:
            self.stderr.write(f"{named[account_id]}: another run holds this account; it is left to that run")
        if code := report.exit_code(results, len(named)):
            sys.exit(code)

    def _teller(self, named: Mapping[str, BrokerAccount], is_quiet: bool) -> Callable[[Result], None]:
        """What is told of each account when it is recorded."""

        def tell(result: Result) -> None:
            if not is_quiet:
                report.write_line(self.stdout, result, named[result.capture.account_id])
                self.stdout.flush()

        return tell

    def _accounts(self, account_ids: list[str], portfolio_ids: list[str]) -> dict[str, BrokerAccount]:
        named = {str(account.pk): account for account in accounts_to_sync(account_ids, portfolio_ids)}
        if missing := set(account_ids) - set(named):
            raise CommandError(
                f"no account to sync with the id {', '.join(sorted(missing))}: "
                f"unknown, disabled, or in an inactive portfolio{self._of_the_demo()}",
                returncode=2,
            )
        if missing := set(portfolio_ids) - {str(account.portfolio_id) for account in named.values()}:
            raise CommandError(
                f"no account to sync in the portfolio {', '.join(sorted(missing))}: "
                f"unknown, inactive or empty, or its accounts are disabled{self._of_the_demo()}",
                returncode=2,
            )
        if not named and BrokerAccount.objects.filter(portfolio__simulated=False).exists():
            raise CommandError("no account to sync: all are disabled, or in an inactive portfolio", returncode=2)
        if not named:
            raise CommandError(
                f"no account to sync yet; add one with: manage.py connect groww{self._of_the_demo()}", returncode=2
            )
        return named

    def _of_the_demo(self) -> str:
        return " (the demo's own accounts are synced by make demo alone)" if demo.is_here() else ""


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not an id; the admin shows the ids") from None
