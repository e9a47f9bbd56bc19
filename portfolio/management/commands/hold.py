"""manage.py hold: nothing of an account may be erased while it is held."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ... import retention
from ...retention import Kept
from ..arguments import accounts_named, an_id, login_name, refusing, some_words, words


class Command(BaseCommand):
    help = "Hold an account for a legal reason, or release it. Exit code 0: done; 2: refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", type=an_id, required=True, metavar="ID")
        parser.add_argument("--release", action="store_true", help="the reason is gone")
        parser.add_argument("--reason", type=some_words, required=True, help="why; kept encrypted")
        parser.add_argument(
            "--by", type=words, default="", metavar="NAME", help="who says so (default: your login name)"
        )

    def handle(self, **options: Any) -> None:
        with refusing(Kept):
            (account,) = accounts_named([options["account"]])
            act = retention.release if options["release"] else retention.hold
            act(account, options["by"] or login_name(), options["reason"])
        self.stdout.write(f"{account} is {'held no more' if options['release'] else 'held: it cannot be erased'}\n")
