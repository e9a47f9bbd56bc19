"""manage.py run_due: one tick of the schedule. A timer may call it as often as it likes."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import report, startup
from ...clock import ClockError
from ...keys import KeyTrouble
from ...models import BrokerAccount
from ...schedule.tick import tick
from ...sync.record import Result


class Command(BaseCommand):
    help = (
        "Write down what is owed, end what is over, and run what is due now. Exit code 0: all that was run completed, "
        "or nothing was due; 1: some did not complete; 2: not ready."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        statuses: list[str] = []
        values: list[Any] = []

        def tell(result: Result) -> None:
            statuses.append(result.status)
            if options["json"]:
                values.append(report.as_values(result))
            else:
                self._write(result)

        try:
            startup.require_tables()
            tick(tell)
        except (startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            self.stdout.write(report.as_json({"results": values}))
        if any(status != "COMPLETED" for status in statuses):
            sys.exit(1)

    def _write(self, result: Result) -> None:
        report.write_line(self.stdout, result, BrokerAccount.objects.get(pk=result.capture.account_id))
        self.stdout.flush()
