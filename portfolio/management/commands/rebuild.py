"""manage.py rebuild: makes the tables of the present again from the book, or says where they differ."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand

from ...models import BrokerAccount
from ...rebuild import Difference, rebuild
from ...report import counted
from ...values import as_json
from ..arguments import accounts_named, add_accounts, refusing


class Command(BaseCommand):
    help = (
        "Compare holdings, positions and heads with the book, name each difference and mend it. Exit code 0: they are "
        "as the book says now; 1: with --check, they differ; 2: bad input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_accounts(parser)
        parser.add_argument("--check", action="store_true", help="mend nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        with refusing():
            accounts = accounts_named(options["account"])
        is_text, repair = not options["json"], not options["check"]
        found: list[Difference] = []
        for account, differences in rebuild(accounts, repair):
            found += differences
            if is_text:
                self._tell(account, differences)
        if is_text:
            end = "" if not found else "; all are mended" if repair else "; run it without --check to mend them"
            self.stdout.write(f"{counted(len(accounts), 'account')}, {counted(len(found), 'difference')}{end}\n")
        else:
            values = [difference._asdict() for difference in found]
            self.stdout.write(as_json({"accounts": len(accounts), "mended": repair, "differences": values}))
        if found and not repair:
            sys.exit(1)

    def _tell(self, account: BrokerAccount, differences: Sequence[Difference]) -> None:
        if differences:
            self.stdout.write(f"{account}\n")
        for one in differences:
            column = f" {one.column}" if one.column else ""
            self.stdout.write(f"  {one.table} {one.subject}:{column} {one.found}; the book says {one.expected}\n")
