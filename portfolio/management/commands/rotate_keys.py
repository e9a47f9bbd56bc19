"""manage.py rotate_keys: a new key for all that is sealed."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ... import startup
from ...report import counted
from ...rotation import rotate
from ...values import as_json
from ..arguments import refusing


class Command(BaseCommand):
    help = (
        "Make a new key and wrap everything sealed with it; it may be stopped and run again. Exit code 0: done; 1: "
        "some could not be read, and their keys stay; 2: not begun."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--resume", action="store_true", help="make no new key: only move what is left to move")
        parser.add_argument("--destroy-old", action="store_true", help="delete the keys that nothing needs any more")
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")

    def handle(self, **options: Any) -> None:
        with refusing():
            startup.require_keys()
            done = rotate(not options["resume"], options["destroy_old"])
        if options["json"]:
            values = {"newest": done.newest, "moved": done.moved, "failed": done.failed, "destroyed": done.destroyed}
            self.stdout.write(as_json(values))
        else:
            ended = f"; destroyed {', '.join(done.destroyed)}" if done.destroyed else ""
            self.stdout.write(
                f"{done.newest} is the newest key; {counted(done.moved, 'value')} moved under it{ended}\n"
            )
            for failure in done.failed:
                self.stderr.write(failure)
        if done.failed:
            sys.exit(1)
