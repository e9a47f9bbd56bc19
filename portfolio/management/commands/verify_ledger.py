"""manage.py verify_ledger: is everything in the book as it was sealed?"""

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from ... import clock, startup
from ...clock import ClockError
from ...proof.verification import verify
from ...report import verified_text
from ...sync import emit
from ...values import as_json, verified_values
from ..arguments import a_day
from ..reading import head_of, kept_in

TOLD = 100  # findings in the event; all of them are printed
PROGRESS_SECONDS = 2


class Command(BaseCommand):
    help = (
        "Work out every row's leaf, every page, the tree and its checkpoints again. Exit code 0: all is as it was "
        "sealed; 1: something is not, each by name; 2: bad input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=UUID, metavar="ID", help="the pages of this account alone")
        parser.add_argument(
            "--since", type=a_day, metavar="YYYY-MM-DD", help="pages from the first one begun since that day"
        )
        parser.add_argument(
            "--checkpoint", action="append", default=[], type=Path, metavar="FILE", help="checkpoints that you kept"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            now = clock.refresh()
        except (startup.NotReady, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        kept = [one for path in options["checkpoint"] for one in kept_in(path)]
        account = head_of(options["account"]) if options["account"] else None
        self._told_at = time.monotonic()
        found = verify(kept, account, options["since"], self._progress)
        values = verified_values(found)
        findings = values["findings"]
        with transaction.atomic(durable=True):
            told = {**values, "findings": findings[:TOLD], "found": len(findings)}
            emit.tell_installation("ledger.verified" if not findings else "ledger.tampered", told, now)
        self.stdout.write(as_json(values) if options["json"] else verified_text(found))
        if findings:
            sys.exit(1)

    def _progress(self, done: int, total: int) -> None:
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self.stderr.write(f"{done:,} of {total:,} rows")
