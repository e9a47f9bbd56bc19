"""manage.py fetch_instruments [BROKER]: takes a broker's instrument file now; a sync does it once a day by itself."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import startup
from ...clock import ClockError, refresh
from ...sync import master
from ...triggers.base import TriggerError
from ...triggers.registry import known_codes
from ...values import as_json


class Command(BaseCommand):
    help = (
        "Take the instrument files of brokers: what each exchange calls what. A sync does so once a day. "
        "Exit code 0: all were taken; 1: some were not; 2: bad input or not ready."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("broker", nargs="*", help="a broker's code, such as groww (default: all that have a file)")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            refresh()
            outcomes = [self._outcome(code) for code in self._codes(options["broker"])]
        except (startup.NotReady, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        if options["json"]:
            self.stdout.write(as_json({"brokers": outcomes}))
        for outcome in () if options["json"] else outcomes:
            self._tell(outcome)
        if any("problem" in outcome for outcome in outcomes):
            sys.exit(1)

    def _codes(self, named: list[str]) -> list[str]:
        known = [code for code in known_codes() if master.offers(code)]
        codes = [code.upper() for code in named] or known
        if missing := [code for code in codes if not master.offers(code)]:
            raise CommandError(
                f"no instrument file is known of {', '.join(missing)}; there are those of: {', '.join(known)}",
                returncode=2,
            )
        return codes

    def _outcome(self, code: str) -> dict[str, Any]:
        try:
            return master.fetch(code)._asdict()
        except TriggerError as error:
            return {"broker": code, "problem": str(error)}

    def _tell(self, outcome: dict[str, Any]) -> None:
        if "problem" in outcome:
            self.stderr.write(f"{outcome['broker']}: not taken: {outcome['problem']}")
            return
        left_out = outcome["set_aside"]
        self.stdout.write(
            f"{outcome['broker']}: {outcome['listings']:,} names, {outcome['new_names']:,} of them new; "
            f"{outcome['new_instruments']:,} new instruments" + (f"; {left_out:,} lines left out" if left_out else "")
        )
