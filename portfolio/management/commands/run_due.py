"""manage.py run_due: one tick of the schedule, or one after the other. A timer may call it as often as it likes."""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import report, startup
from ...clock import ClockError
from ...keys import KeyTrouble
from ...schedule.loop import Loop
from ...schedule.tick import tick
from ...sync.record import Result
from ...values import as_json, as_values
from ..arguments import a_whole_number


class Command(BaseCommand):
    help = (
        "Write down what is owed, end what is over, and run what is due now. Exit code 0: all that was run completed, "
        "or nothing was due; 1: some did not complete; 2: not ready."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true", help="print one JSON document instead of text")
        how.add_argument(
            "--every", type=a_whole_number, metavar="SECONDS", help="go on, with a tick so often, until Ctrl-C"
        )

        parser.add_argument("--within", type=a_whole_number, metavar="SECONDS", help="begin nothing more after so long")

    def handle(self, **options: Any) -> None:
        self._statuses: Counter[str] = Counter()
        self._values: list[Any] = []
        try:
            startup.require_tables()
            if options["every"]:
                Loop(options["every"], self._tell_trouble, self._tell_tick).run()
                return
            tick(self._keep if options["json"] else self._tell, _after(options["within"]))
        except (startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            self.stdout.write(as_json({"results": self._values}))
        if self._statuses.keys() - {"COMPLETED"}:
            sys.exit(1)

    def _keep(self, result: Result) -> None:
        self._statuses[result.status] += 1
        self._values.append(as_values(result))

    def _tell(self, result: Result) -> None:
        self._statuses[result.status] += 1
        report.write_line(self.stdout, result, result.made.book.head.title)
        self.stdout.flush()

    def _tell_trouble(self, result: Result) -> None:
        """Of thousands of accounts only those that want somebody's attention."""
        if result.status == "COMPLETED":
            self._statuses[result.status] += 1
        else:
            self._tell(result)

    def _tell_tick(self, count: int) -> None:
        ended = ", ".join(f"{number} {report.MARKS[status]}" for status, number in self._statuses.items())
        self.stdout.write(f"{report.counted(count, 'capture')}: {ended}")
        self.stdout.flush()
        self._statuses.clear()


def _after(seconds: int | None) -> Callable[[], bool]:
    """Says whether so much time has passed since now."""
    end = time.monotonic() + seconds if seconds else None
    return lambda: end is not None and time.monotonic() > end
