"""manage.py doctor: what is wrong with this installation, or will be, and what to do about it."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import clock, doctor, startup
from ...clock import ClockError
from ...schedule import amendments
from ...values import as_json


class Command(BaseCommand):
    help = (
        "Check this installation. Exit code 0: all is well; 1: something wants your attention; 2: it cannot be checked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            now = clock.refresh()
        except (startup.NotReady, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        amendments.refresh()
        found = doctor.examine(now)
        if options["json"]:
            self.stdout.write(as_json({"findings": [finding._asdict() for finding in found]}))
        else:
            self.stdout.write("\n".join(line for finding in found for line in _lines(finding)))
        if any(finding.level != doctor.OK for finding in found):
            sys.exit(1)


def _lines(finding: doctor.Finding) -> list[str]:
    remedy = [f"           -> {finding.remedy}"] if finding.remedy else []
    return [f"{finding.level:8}   {finding.check}: {finding.says}", *remedy]
