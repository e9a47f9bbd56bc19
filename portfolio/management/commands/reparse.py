"""manage.py reparse: reads kept replies with today's parsers, and writes what differs beside what was read."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...models import BrokerAccount, SyncBatch
from ...reparse import Rereading, reparse
from ...replies import of_batch
from ...report import counted
from ...values import as_json
from ..arguments import a_day, accounts_named, add_accounts, an_id, login_name, refusing, words

_READABLE = {"broker_account__key__destroyed_at": None}  # of an account that was erased nobody reads anything


class Command(BaseCommand):
    help = (
        "Read kept replies again with today's parsers. What they make of them that the book does not say is shown and "
        "written as new versions and revisions; so are orders, fills and cash that could not be read then. Exit code "
        "0: done; 1: some could not be read, and nothing of these was written; 2: bad input."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--batch", type=an_id, metavar="ID", help="the replies of this batch")
        which.add_argument("--since", type=a_day, metavar="DAY", help="of all batches of this trading day and later")
        add_accounts(parser)
        parser.add_argument("--dry-run", action="store_true", help="only show what differs")
        parser.add_argument(
            "--by", type=words, default="", metavar="NAME", help="who says so (default: your login name)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        done: list[Rereading] = []
        self._locked: set[BrokerAccount | None] = set()
        with refusing():
            for one in reparse(self._batches(options), options["dry_run"], options["by"] or login_name()):
                done.append(one)
                if not options["json"]:
                    self._tell(one)
        found = sum(len(one.differences) for one in done)
        if options["json"]:
            self.stdout.write(as_json({"written": not options["dry_run"], "batches": [_values(one) for one in done]}))
        else:
            end = "" if not found else "; nothing was written" if options["dry_run"] else "; all are written"
            batches = f"{len(done)} {'batch' if len(done) == 1 else 'batches'}"
            self.stdout.write(f"{batches}, {counted(found, 'difference')}{end}\n")
        if any(one.trouble or one.unread for one in done):
            sys.exit(1)

    def _batches(self, options: dict[str, Any]) -> list[SyncBatch]:
        if options["since"]:
            named = {"broker_account__in": accounts_named(options["account"])} if options["account"] else _READABLE
            return of_batch(trading_day__gte=options["since"], **named)
        found = of_batch(pk=options["batch"])
        if not found:
            raise CommandError(f"no batch that was answered has the id {options['batch']}", returncode=2)
        return found

    def _tell(self, one: Rereading) -> None:
        if one.is_locked:
            self._tell_locked(one)
            return
        if one.trouble or one.unread or one.differences:
            parsers = f" by {one.parsers[1]}, then by {one.parsers[0]}" if one.parsers[1] else ""
            self.stdout.write(f"{one.batch.broker_account}  {one.batch}  {one.batch.pk}{parsers}\n")
        if one.trouble:
            self.stdout.write(f"  {one.trouble}; nothing was written\n")
        for unread in one.unread:
            self.stdout.write(f"  {unread}; nothing of it was written\n")
        for each in one.differences:
            stands, read = each.stands or "nothing", each.read or "nothing"
            self.stdout.write(f"  {each.section} {each.subject}: {each.column} {stands}, read as {read}\n")

    def _tell_locked(self, one: Rereading) -> None:
        """Once an account: what is wrong with its key is so for every batch."""
        account = one.batch.broker_account
        if account not in self._locked:
            self._locked.add(account)
            self.stdout.write(f"{account}\n  {one.trouble} Nothing of its batches was written\n")


def _values(one: Rereading) -> dict[str, Any]:
    differences = [each._asdict() for each in one.differences]
    told = {"trouble": one.trouble, "unread": one.unread, "differences": differences}
    return {"batch": one.batch.pk, "parsers": one.parsers} | told
