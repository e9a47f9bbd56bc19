"""manage.py sync_holdings: asks the brokers and writes what changed into the book."""

import json
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from ... import report
from ...clock import ClockError
from ...keys import KeyTrouble
from ...models import BrokerAccount
from ...startup import NotReady
from ...sync import capture
from ...sync.claim import accounts_to_sync
from ...sync.pipeline import sync
from ...sync.record import Result

TYPES = {"daily": capture.DAILY, "orders": capture.ORDERS_ONLY, "realtime": capture.REALTIME}


class Command(BaseCommand):
    help = "Sync accounts now. Exit code 0: all completed; 1: some did not; 2: bad input or not ready."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--account", action="append", default=[], metavar="ID", help="this account; may be repeated"
        )
        parser.add_argument(
            "--portfolio", action="append", default=[], metavar="ID", help="all accounts of a portfolio"
        )
        parser.add_argument("--type", choices=TYPES, default="daily", help="what to ask for (default: daily)")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        accounts = self._accounts(options["account"], options["portfolio"])
        named = {str(account.pk): account for account in accounts}
        shows = not options["json"]

        def tell(result: Result) -> None:
            if shows:
                report.write_line(self.stdout, result, named[result.capture.account_id])  # type: ignore[arg-type]

        try:
            results = sync(named, TYPES[options["type"]], tell)
        except (NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps({"results": [report.as_values(result) for result in results]}, indent=1))
        self._summary(results, named)
        if code := report.exit_code(results, len(named)):
            sys.exit(code)

    def _accounts(self, account_ids: list[str], portfolio_ids: list[str]) -> list[BrokerAccount]:
        for given in (*account_ids, *portfolio_ids):
            try:
                UUID(given)
            except ValueError:
                raise CommandError(f"{given!r} is not an id; the admin shows the ids", returncode=2) from None
        accounts = accounts_to_sync(account_ids, portfolio_ids)
        missing = set(account_ids) - {str(account.pk) for account in accounts}
        if missing:
            raise CommandError(
                f"no account to sync with the id {', '.join(sorted(missing))}: "
                "unknown, disabled, or in an inactive portfolio",
                returncode=2,
            )
        if not accounts:
            raise CommandError("no account to sync yet; add one with: manage.py connect groww", returncode=2)
        return accounts

    def _summary(self, results: list[Result], named: dict[str, BrokerAccount]) -> None:
        done = {result.capture.account_id for result in results}
        for account_id, account in named.items():
            if account_id not in done:
                self.stderr.write(f"{account}: another run holds this account; it is left to that run")
