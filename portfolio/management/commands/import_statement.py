"""manage.py import_statement FILE --account ID: fills the past of an account from a file of its broker."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from ledger.entries import Trade

from ...models import BrokerAccount
from ...report import counted
from ...statements.formats import FORMATS
from ...statements.reading import NotReadable, Statement, read
from ...sync.amend import Deed
from ...sync.imports import CannotImport, Outcome, import_fills
from ...values import as_json
from ..arguments import a_day, accounts_named, an_id, login_name, refusing, words

SHOWN = 5  # differing fills that are named


class Command(BaseCommand):
    help = (
        "Import past fills from a file: " + " or ".join(each.title for each in FORMATS) + ". Shows what it would add, "
        "and asks. Exit code 0: written, or nothing is new; 1: not accepted, nothing is written; 2: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the file, in CSV")
        parser.add_argument("--account", required=True, type=an_id, metavar="ID", help="whose fills they are")
        parser.add_argument("--accept", action="store_true", help="write it without asking")
        parser.add_argument(
            "--from", dest="since", type=a_day, metavar="DATE",
            help="the first day that the file covers (default: without --until too only days with a fill are covered)",
        )  # fmt: skip
        parser.add_argument(
            "--until", type=a_day, metavar="DATE",
            help="the last day that the file covers; each day from the first one on counts as covered then",
        )  # fmt: skip
        parser.add_argument("--anyway", action="store_true", help="also when another account has these fills")
        parser.add_argument("--note", type=words, default="", help="why, in your words; encrypted")
        parser.add_argument(
            "--by", type=words, default="", metavar="NAME", help="who; encrypted (default: your login name)"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON document instead of text, and do not ask"
        )

    def handle(self, **options: Any) -> None:
        with refusing(NotReadable, CannotImport):
            (account,) = accounts_named([options["account"]])
            told = read(options["file"], FORMATS)
            outcome, is_written = self._import(account, told, options)
        if options["json"]:
            self.stdout.write(as_json({"account": account.pk, "format": told.format.name, "is_written": is_written}
                                      | _values(outcome)))  # fmt: skip
        if not is_written and _adds(outcome):
            sys.exit(1)

    def _import(self, account: BrokerAccount, told: Statement, options: dict[str, Any]) -> tuple[Outcome, bool]:
        def run(accept: bool) -> Outcome:
            return import_fills(
                account, told, deed, accept=accept, is_anyway=options["anyway"], since=options["since"],
                until=options["until"],
            )  # fmt: skip

        days = f"{min(t.trade_date for t in told.trades)} to {max(t.trade_date for t in told.trades)}"
        deed = Deed(
            f"{told.format.name}, {len(told.trades)} fills, {days}", options["by"] or login_name(), options["note"]
        )
        outcome = run(accept=options["accept"])
        if not options["json"]:
            self._tell(account, told, outcome, options["accept"])
        if options["accept"] or not _adds(outcome):
            return outcome, options["accept"] and _adds(outcome)
        if options["json"] or not (sys.stdin.isatty() and self.stdout.isatty()):
            self.stderr.write("nothing is written yet; run it again with --accept")
            return outcome, False
        if input("Write it? [y/N] ").strip().lower() != "y":
            self.stderr.write("nothing is written")
            return outcome, False
        return run(accept=True), True

    def _tell(self, account: BrokerAccount, told: Statement, outcome: Outcome, is_written: bool) -> None:
        out = self.stdout
        out.write(
            f"{told.format.title} for {account}: {counted(outcome.rows, 'fill')}, {outcome.first} to {outcome.last}"
        )
        out.write(
            f"  {'new, written' if is_written else 'new'}: {outcome.new:,}; in the book already: {outcome.known:,}"
        )
        if outcome.too_fresh:
            out.write(f"  left to the sync, since they are of today or later: {outcome.too_fresh:,}")
        if outcome.unknown:
            out.write(f"  no share is known by these symbols, which are kept as they are: {', '.join(outcome.unknown)}")
            out.write(
                "    if they are former symbols, say their ISIN, so that their fills are those of the share of today"
            )
        if outcome.differing:
            out.write(f"  told otherwise than in the book or an earlier line, which stands: {len(outcome.differing):,}")
            for known, other in outcome.differing[:SHOWN]:
                out.write(f"    {known.trade_date} {known.symbol}: {_terms(known)}, in the file {_terms(other)}")
        for what, found in (
            ("missed days that it fills in", outcome.days),
            ("questions that it answers", outcome.answered),
            ("new questions, since holdings never showed these fills", outcome.opened),
        ):
            if found:
                out.write(f"  {what}: {', '.join(map(str, found))}")


def _terms(trade: Trade) -> str:
    return f"{trade.quantity.normalize():f} at {trade.price.normalize():f}"


def _adds(outcome: Outcome) -> bool:
    return bool(outcome.new or outcome.days)


def _values(outcome: Outcome) -> dict[str, Any]:
    return {
        "rows": outcome.rows, "from": outcome.first, "until": outcome.last, "new": outcome.new, "known": outcome.known,
        "differing": len(outcome.differing), "unknown_symbols": outcome.unknown,
        "too_fresh": outcome.too_fresh, "back_filled": outcome.days,
        "answered": outcome.answered, "opened": outcome.opened,
    }  # fmt: skip
