"""manage.py demo: takes two simulated Groww accounts through trading days, and tells what the book has of them."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import demo, report, startup, story
from ...clock import ClockError
from ...demo import Day, Demo
from ...keys import KeyTrouble


class Command(BaseCommand):
    help = (
        "Try Khata with a simulated Groww: thirty trading days on the first run, the next one on each run after that. "
        "Exit code 0: every batch completed; 1: some did not; 2: it cannot run here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=_days, metavar="N", help="how many trading days to take")
        parser.add_argument("--once", action="store_true", help="end without asking for another day, on a terminal too")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text, and end")

    def handle(self, **options: Any) -> None:
        asks = not (options["once"] or options["json"]) and sys.stdin.isatty() and self.stdout.isatty()
        try:
            startup.require_tables()
            with demo.opened() as opened:
                days = self._take(opened, options["days"] or opened.days_left, options["json"])
                while asks and input("\nEnter: the next trading day. q: the end. ").strip().lower() != "q":
                    days += self._take(opened, 1, False)
        except (demo.CannotRun, startup.NotReady, KeyTrouble, ClockError) as error:
            raise CommandError(str(error), returncode=2) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("stopped; run it again to go on from here", returncode=1) from None
        results = [result for day in days for result in day.results]
        if code := report.exit_code(results, len(results)):
            sys.exit(code)

    def _take(self, opened: Demo, count: int, is_json: bool) -> list[Day]:
        """So many days, then what the book has of them."""
        since, days = opened.now, []
        if not is_json:
            self._write_heading(opened)
        for day in opened.days(count):
            days.append(day)
            if not is_json:
                self._write_day(day, opened)
        stories = [(account, story.of(account, since)) for account in opened.accounts]
        if is_json:
            told = [report.account_values(account, its_story) for account, its_story in stories]
            self.stdout.write(report.as_json({"days": [_values(day) for day in days], "accounts": told}))
            return days
        for account, its_story in stories:
            self.stdout.write(f"\n{account}, client {account.account_id}\n")
            report.write_story(self.stdout, its_story)
            report.write_account(self.stdout, account)
        return days

    def _write_heading(self, opened: Demo) -> None:
        labels = "".join(f"{account.label + ', INR':>18}" for account in opened.accounts)
        self.stdout.write(f"day             captures   orders   changes   holdings{labels}\n")

    def _write_day(self, day: Day, opened: Demo) -> None:
        """One line: what its captures found new, and each account's total; then the problems, if any."""
        values = [report.as_values(result) for result in day.results]
        marks = [report.MARKS[each["status"]] for each in values]
        ended = ", ".join(f"{marks.count(mark)} {mark}" for mark in report.MARKS.values() if mark in marks)
        sums = [sum(each[name] for each in values) for name in COUNTERS]
        totals = {each["account"]: each["totals"] for each in values if each["totals"]}
        worth = "".join(_total(totals.get(str(account.pk))) for account in opened.accounts)
        self.stdout.write(f"{day.number:3} {day.day:%a %d %b}   {ended:>8}{sums[0]:9}{sums[1]:10}{sums[2]:11}{worth}\n")
        report.write_problems(self.stdout, day.results)
        self.stdout.flush()


COUNTERS = ("orders_created", "quantity_changes_detected", "holdings_updated")


def _total(totals: dict[str, Any] | None) -> str:
    return f"{totals['total_portfolio_value']:18,.2f}" if totals else f"{'-':>18}"


def _values(day: Day) -> dict[str, Any]:
    return {"number": day.number, "day": day.day, "batches": [report.as_values(result) for result in day.results]}


def _days(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError("a whole number, 1 or more")
    return int(text)
