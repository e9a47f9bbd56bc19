"""manage.py demo: takes three simulated accounts through trading days, and tells what the book has of them."""

import sys
from argparse import ArgumentParser
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import demo, grid, report, startup, story
from ...clock import ClockError
from ...demo import Day, Demo
from ...keys import KeyTrouble
from ...proof import sealer
from ...schedule.coverage import Row, cover
from ...simulated import CannotRun
from ...values import account_values, as_json, book_values, day_values
from ..arguments import a_whole_number


class Command(BaseCommand):
    help = (
        "Try Khata with a simulated Groww and Zerodha: thirty trading days on the first run, the next one on each run "
        "after that; then all of the book is verified. Exit code 0: all went as the story has it, with the one login "
        "that its owner forgets; 1: something else did not complete, or is not as it was sealed; 2: it cannot run here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=a_whole_number, metavar="N", help="how many trading days to take")
        parser.add_argument("--once", action="store_true", help="end without asking for another day, on a terminal too")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text, and end")

    def handle(self, **options: Any) -> None:
        asks = not (options["once"] or options["json"]) and sys.stdin.isatty() and self.stdout.isatty()
        try:
            startup.require_tables()
            with demo.opened() as opened:
                if not options["json"]:
                    self.stdout.write(INTRODUCTION)
                is_well = self._take(opened, options["days"] or opened.days_left, options["json"])
                while asks and input("\nEnter: the next trading day. q: the end. ").strip().lower() != "q":
                    is_well = self._take(opened, 1, False) and is_well
        except sealer.Refused as error:
            raise CommandError(str(error), returncode=1) from None
        except (CannotRun, startup.NotReady, KeyTrouble, ClockError, sealer.Busy) as error:
            raise CommandError(str(error), returncode=2) from None
        except (EOFError, KeyboardInterrupt):
            raise CommandError("stopped; run it again to go on from here", returncode=1) from None
        if not is_well:
            sys.exit(1)

    def _take(self, opened: Demo, count: int, is_json: bool) -> bool:
        """So many days, then what the book has of them. Whether all went as told, and is as it was sealed."""
        since = opened.now
        days = list(opened.days(count)) if is_json else self._shown(opened, count)
        stories = [(account, story.of(account, since)) for account in opened.accounts]
        note, found = opened.verified()
        is_well = all(day.is_as_told for day in days) and not found.findings
        if is_json:
            told = [account_values(account, its_story) for account, its_story in stories]
            covered = grid.values(_covered(opened, days[0].day, days[-1].day))
            values = [day_values(*day) for day in days]
            sealed = book_values(found, note)
            self.stdout.write(as_json({"days": values, "accounts": told, "book": sealed, "coverage": covered}))
            return is_well
        for account, its_story in stories:
            self.stdout.write(f"\n{account}, client {account.account_id}\n")
            report.write_story(self.stdout, its_story)
            report.write_account(self.stdout, account)
        report.write_book(self.stdout, found, note)
        for month, _ in groupby(days, lambda day: day.day.replace(day=1)):
            self.stdout.write("\n" + grid.text(_covered(opened, month, _last_of(month))))
        return is_well

    def _shown(self, opened: Demo, count: int) -> list[Day]:
        """Takes the days, with a line for each as soon as it is recorded."""
        report.write_days_heading(self.stdout, opened.accounts)
        days = []
        for day in opened.days(count):
            report.write_day(self.stdout, *day, opened.accounts)
            self.stdout.flush()
            days.append(day)
        return days


def _covered(opened: Demo, first: date, last: date) -> list[Row]:
    return cover(opened.accounts, first, last, opened.now)


def _last_of(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


INTRODUCTION = """A simulated Groww and Zerodha on this machine, and three accounts in the portfolio Demo:
Trading and Savings at Groww; Family at Zerodha, where its owner logs in every morning, and once forgets to.
Owed on each trading day: orders at 10:50 and 11:15, everything at 16:00 and again at 19:00; at Groww holdings at 08:30.
Run it again for the next trading day. "make run" shows the book in the admin.

"""
