"""manage.py prove: a small file that shows that an order stood in the book, and nothing else of the account."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from ledger.checkpoint import Note

from ... import clock, startup
from ...clock import ClockError
from ...keys import KeyTrouble
from ...models import OrderVersion
from ...proof import kinds, leaving, sealer, tree
from ...report import counted
from ..arguments import a_day
from ..reading import kept_in, written


class Command(BaseCommand):
    help = (
        "Write the proof of one order to FILE, for `python -m ledger verify FILE`: that these versions of it were "
        "recorded, not that none followed. Exit code 0: written; 2: no such order, or it cannot be proved."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("order", metavar="ORDER", help="the broker's id of the order")
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--account", type=UUID, metavar="ID", help="where several accounts have that id")
        parser.add_argument("--date", type=a_day, metavar="YYYY-MM-DD", help="where several days have that id")
        parser.add_argument(
            "--checkpoint", action="append", default=[], type=Path, metavar="FILE", help="those that the reader kept"
        )

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            kept = [one.note for path in options["checkpoint"] for one in kept_in(path)]
            with kinds.named():
                versions = self._prove(kept, options)
        except (
            startup.NotReady, KeyTrouble, ClockError, leaving.CannotProve, sealer.Refused, sealer.Busy, tree.Gap,
            kinds.ForeignValue,
        ) as error:  # fmt: skip
            raise CommandError(str(error), returncode=2) from None
        told = f"{counted(len(versions), 'version')} of the order {options['order']} of {versions[0].order_date}"
        self.stdout.write(f"{options['file']}: {told}. Check it: python -m ledger verify FILE")

    def _prove(self, kept: list[Note], options: dict[str, Any]) -> list[OrderVersion]:
        versions = leaving.find_order(options["order"], options["account"], options["date"])
        highest, last = leaving.highest_position(versions), sealer.last_signed()
        if highest is None or last is None or last.size < highest:
            note = sealer.checkpoint(clock.refresh())
            versions = leaving.find_order(options["order"], options["account"], options["date"])
        else:
            note = leaving.notes_of(last)[-1]
        written(options["file"], leaving.prove(versions, note, kept))
        return versions
