"""manage.py checkpoint: sign the state of the book now, and hand the checkpoint out to be kept elsewhere."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import clock, startup
from ...clock import ClockError
from ...keys import KeyTrouble
from ...proof import sealer
from ...values import as_json

WEAKER = (
    "It shows no more than the database does: verify the book with a checkpoint that was kept elsewhere "
    "(manage.py verify_ledger --checkpoint FILE)."
)


class Command(BaseCommand):
    help = (
        "Place every page in the tree and sign a checkpoint of it, unless that is done already. Keep what it prints "
        "where whoever can write this database cannot. Exit code 0: signed; 1: refused, since the book contradicts an "
        "earlier checkpoint; 2: not ready."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, metavar="FILE", help="append it to this file as well")
        parser.add_argument(
            "--restore-file",
            action="store_true",
            help="first make the lost file of checkpoints again from the database",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of the note")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            now = clock.refresh()
            if options["restore_file"]:
                self.stderr.write(f"{sealer.restore_file(now)} checkpoints were put into a new file. {WEAKER}")
            note = sealer.checkpoint(now)
        except sealer.Refused as error:
            raise CommandError(str(error), returncode=1) from None
        except (startup.NotReady, ClockError, KeyTrouble, sealer.Busy) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["out"]:
            try:
                with options["out"].open("a", encoding="utf-8") as file:
                    file.write(f"{note}\n")
            except OSError as error:
                raise CommandError(f"{options['out']} cannot be written: {error.strerror}", returncode=2) from None
        size, root = note.checkpoint.size, note.checkpoint.root.hex()
        self.stdout.write(as_json({"size": size, "root": root, "note": str(note)}) if options["json"] else str(note))
