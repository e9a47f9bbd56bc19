"""manage.py drop_replies: lets the bodies of old replies go, and records it."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ... import dropping
from ...dropping import Found
from ...keys import CannotDecrypt, KeyTrouble
from ...models import BrokerAccount
from ...report import counted
from ...retention import Kept
from ...sync.amend import Deed
from ...values import as_json
from ..arguments import a_day, accounts_named, add_accounts, login_name, refusing, some_words, words


class Command(BaseCommand):
    help = (
        "Drop the bodies of replies that nothing of this day or later came of; the replies and the book stay. Exit "
        "code 0: done; 1: some accounts, or some bodies, were left as they are; 2: refused, nothing was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--before", type=a_day, required=True, metavar="DAY", help="what was last needed before it")
        add_accounts(parser)
        parser.add_argument("--reason", type=some_words, required=True, help="why; kept encrypted")
        parser.add_argument(
            "--override", type=words, default="", metavar="REASON", help="why the years of retention do not count"
        )
        parser.add_argument("--dry-run", action="store_true", help="only show how many would go")
        parser.add_argument(
            "--by", type=words, default="", metavar="NAME", help="who does it (default: your login name)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        with refusing(Kept):
            overridden = dropping.passed_by(options["before"], options["override"])
            if not options["dry_run"]:
                dropping.require_right()
            named = accounts_named(options["account"])
        accounts = [each for each in named if options["account"] or not each.key.destroyed_at]
        done: dict[BrokerAccount, Found] = {}
        left: dict[BrokerAccount, str] = {}
        for account in accounts:
            try:
                done[account] = self._drop(account, options, overridden)
            except (Kept, CannotDecrypt, KeyTrouble) as error:
                left[account] = f"{error}; nothing of it was dropped"
        left |= {account: _told_of_forged(found.forged) for account, found in done.items() if found.forged}
        self.stdout.write(_json(done, left, options) if options["json"] else _text(done, options["dry_run"]))
        for account, why in left.items():
            self.stderr.write(f"{account}: {why}")
        if left:
            sys.exit(1)

    def _drop(self, account: BrokerAccount, options: dict[str, Any], overridden: list[str]) -> Found:
        if options["dry_run"]:
            return dropping.find(account, options["before"])
        why = "; although kept: ".join(filter(None, (options["reason"], options["override"] if overridden else "")))
        subject = "bodies of replies dropped" + (", although they were to be kept" if overridden else "")
        deed = Deed(subject, options["by"] or login_name(), why)
        return dropping.drop(account, options["before"], deed, overridden)


def _text(done: dict[BrokerAccount, Found], is_dry: bool) -> str:
    lines = [f"{account}: {_told(found)}\n" for account, found in done.items() if found.goes]
    end = "nothing was dropped" if is_dry else "dropped, and recorded" if lines else "nothing to drop"
    return "".join(lines) + f"{counted(len(lines), 'account')}; {end}\n"


def _told_of_forged(count: int) -> str:
    return f"bodies that are recorded as dropped, by no act: {count}; they stay: run manage.py verify_ledger"


def _told(found: Found) -> str:
    bodies = f"{len(found.fresh):,} {'body' if len(found.fresh) == 1 else 'bodies'}"
    return bodies + (f", and {len(found.unfinished):,} that were recorded earlier" if found.unfinished else "")


def _json(done: dict[BrokerAccount, Found], left: dict[BrokerAccount, str], options: dict[str, Any]) -> str:
    accounts = [
        {"account": account.pk, "dropped": len(found.fresh), "finished": len(found.unfinished)}
        for account, found in done.items()
    ]
    return as_json({
        "before": options["before"], "written": not options["dry_run"], "accounts": accounts,
        "left": [{"account": account.pk, "why": why} for account, why in left.items()],
    })  # fmt: skip
