"""manage.py coverage: which days of which accounts are in the book, and what is missing."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from ledger.coverage import WANTING

from ... import clock, grid, startup
from ...clock import ClockError
from ...models import BrokerAccount
from ...schedule import amendments
from ...schedule.coverage import cover
from ...values import as_json
from ..arguments import accounts_named, an_id

NONE_BUT_THE_DEMOS = (
    "No accounts but the demo's, whose days manage.py demo shows; add one of your own with: manage.py connect groww\n"
)


class Command(BaseCommand):
    help = (
        "Show for each account what became of every day of a month. Exit code 0: nothing is missing; 1: something is; "
        "2: bad input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--month", type=_month, metavar="YYYY-MM", help="which month (default: this one)")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--account", action="append", type=an_id, metavar="ID", help="this account; may be repeated")
        which.add_argument("--portfolio", action="append", type=an_id, metavar="ID", help="all accounts of a portfolio")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            now = clock.refresh()
            amendments.refresh()
        except (startup.NotReady, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        first = options["month"] or clock.today().replace(day=1)
        last = (first + timedelta(31)).replace(day=1) - timedelta(1)
        rows = cover(_accounts(options["account"], options["portfolio"]), first, last, now)
        text = grid.text(rows) if rows or not BrokerAccount.objects.exists() else NONE_BUT_THE_DEMOS
        self.stdout.write(as_json(grid.values(rows)) if options["json"] else text)
        if any(day.result in WANTING for row in rows for day in row.days):
            sys.exit(1)


def _accounts(ids: list[UUID] | None, portfolio_ids: list[UUID] | None) -> list[BrokerAccount]:
    """Those named, or all but the demo's. Also those that are asked no more: what became of their days stays told."""
    named = accounts_named(ids)
    if portfolio_ids:
        named = [account for account in named if account.portfolio_id in portfolio_ids]
    asked, found = {*(ids or ()), *(portfolio_ids or ())}, _ids(named)
    if missing := sorted(map(str, asked - found)):
        raise CommandError(f"no account is, or is in, {', '.join(missing)}; see the ids in the admin", returncode=2)
    accounts = [account for account in named if not account.portfolio.simulated]
    if simulated := sorted(map(str, asked - _ids(accounts))):
        raise CommandError(f"of the demo, whose days it alone shows: {', '.join(simulated)}", returncode=2)
    return accounts


def _ids(accounts: list[BrokerAccount]) -> set[UUID]:
    return {id for account in accounts for id in (account.pk, account.portfolio_id)}


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a month; write it as 2026-11") from None
