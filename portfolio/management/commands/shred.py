"""manage.py shred: erases a person, and leaves a book that still holds."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ...retention import Kept, Receipt, shred
from ...values import as_json
from ..arguments import accounts_named, an_id, login_name, refusing, some_words, words


class Command(BaseCommand):
    help = (
        "Destroy an account's evidence key and credentials, and overwrite what names its owner. It cannot be undone. "
        "Exit code 0: erased, with a receipt; 2: refused, nothing was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=an_id, required=True, metavar="ID")
        parser.add_argument(
            "--reason", type=some_words, required=True, help="on what ground; stands in clear, so name nobody"
        )
        parser.add_argument(
            "--override", type=words, default="", metavar="REASON", help="why a hold or the years do not count"
        )
        parser.add_argument(
            "--by", type=words, default="", metavar="NAME", help="who does it; in clear (default: your login name)"
        )
        parser.add_argument("--json", action="store_true", help="print the receipt as one JSON document")

    def handle(self, **options: Any) -> None:
        with refusing(Kept):
            (account,) = accounts_named([options["account"]])
            receipt = shred(account, options["by"] or login_name(), options["reason"], options["override"])
        self.stdout.write(as_json(receipt._asdict()) if options["json"] else _text(receipt))


def _text(receipt: Receipt) -> str:
    passed = "".join(f"  although: {each}\n" for each in receipt.overridden)
    return (
        f"The account {receipt.account} was erased at {receipt.erased_at:%Y-%m-%d %H:%M} UTC by {receipt.by}.\n"
        f"{passed}"
        "  destroyed: the evidence key, the credentials; overwritten: client id, label, names in the admin's log\n"
        "  left: the book itself, which names nobody and still verifies; its owner's own login\n"
        f"  recorded: page {receipt.page}, {receipt.page_hash}\n"
        f"{'' if receipt.is_forgotten else UNFORGOTTEN}"
        f"Backups made until now can be read until the last of them is gone: {receipt.backups_until}, if they are kept "
        "as KHATA_BACKUP_DAYS says.\n"
        "Sooner: manage.py rotate_keys --destroy-old, and destroy your copies of the old keys.\n"
        "Start Khata anew: its processes may remember the key while they run.\n"
    )


UNFORGOTTEN = (
    "Old bytes may still stand in the database's files, since somebody was using them: run VACUUM later "
    "(on PostgreSQL VACUUM FULL).\n"
)
