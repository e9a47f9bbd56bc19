"""manage.py export_ledger: the book, or one account's part of it, as a file that can be checked without us."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ... import clock, startup
from ...clock import ClockError
from ...keys import KeyTrouble
from ...proof import kinds, leaving, sealer, tree
from ...report import counted
from ..reading import head_of, kept_in, written


class Command(BaseCommand):
    help = (
        "Write the book to FILE, for `python -m ledger verify FILE`. Exit code 0: written; 2: bad input, or the file "
        "cannot be written. It holds every figure of the account, and no name and no client id."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--account", type=UUID, metavar="ID", help="the pages of this account alone")
        parser.add_argument(
            "--checkpoint", action="append", default=[], type=Path, metavar="FILE",
            help="checkpoints that the reader kept; with --account, so that the file is joined to them",
        )  # fmt: skip

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            kept = [one.note for path in options["checkpoint"] for one in kept_in(path)]
            with kinds.named():
                account = head_of(options["account"]) if options["account"] else None
                is_signed = self._is_signed()
                size = written(options["file"], leaving.export(account, kept, is_all=not is_signed))
        except (startup.NotReady, KeyTrouble, leaving.CannotProve, tree.Gap, kinds.ForeignValue) as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"{options['file']}: {counted(size, 'byte')}. Check it: python -m ledger verify FILE")

    def _is_signed(self) -> bool:
        """Signs what is new, so that the file shows that all in it is as it was sealed. Where nothing can be signed,
        the book must be had all the same."""
        try:
            if not sealer.is_all_signed():
                sealer.checkpoint(clock.refresh())
        except (ClockError, KeyTrouble, sealer.Refused, sealer.Busy, DatabaseError) as error:
            self.stderr.write(f"No checkpoint was signed first, so a check will name what lies above the last: {error}")
            return False
        return True
