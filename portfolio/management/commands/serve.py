"""manage.py serve: the pages and the schedule, in one command, without a queue. Ends with Ctrl-C."""

import os
import socket
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ... import startup, supervisor
from ...keys import KeyTrouble
from ...supervisor import Job, words_of

TICK_SECONDS = 15
GRANIAN = ("--interface", "wsgi", "--blocking-threads", "4", "--backpressure", "32", "--workers-kill-timeout", "5",
           "--log-level", "warning")  # fmt: skip


class Command(BaseCommand):
    help = (
        "Serve the pages and run the schedule until Ctrl-C; what dies is started again. Exit code 0: stopped; 2: it "
        "could not begin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=int, default=8000, help="the port to listen on (default: 8000)")
        parser.add_argument("--every", type=int, default=TICK_SECONDS, metavar="SECONDS", help="a tick so often")

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            startup.require_guards()
            startup.require_keys()
        except (startup.NotReady, KeyTrouble) as error:
            raise CommandError(str(error), returncode=2) from None
        _require_free(options["host"], options["port"])
        self.stdout.write("Starting Khata ...")
        self.stdout.flush()
        words = [*_welcome(options["host"], options["port"])]
        words += words_of(jobs(options["host"], options["port"], options["every"]))
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "portfolio.supervisor", *words])  # noqa: S606


def _welcome(host: str, port: int) -> tuple[str, ...]:
    shown = f"[{host}]" if ":" in host else host
    return (supervisor.WELCOME, host, str(port), WORDS.format(address=f"http://{shown}:{port}/admin/"))


def jobs(host: str, port: int, every: int) -> list[Job]:
    """What the supervisor keeps running."""
    return [_web(host, port), *_schedule(every)]


def _web(host: str, port: int) -> Job:
    where = ("--host", host, "--port", str(port))
    return Job("web", "granian", (*GRANIAN, *where, "portfolio_project.wsgi:application"))


def _schedule(every: int) -> list[Job]:
    """As many loops as the settings say: each claims accounts of its own."""
    return [Job("schedule", "django", ("run_due", "--every", str(every)))] * settings.KHATA_LOOPS


def _require_free(host: str, port: int) -> None:
    """Told now, and not every minute by a process that cannot begin."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"cannot listen on {host} port {port}: {error.strerror}", returncode=2) from None


WORDS = """Khata is at {address} until you press Ctrl-C. Accounts are looked at when that is due.
In another terminal, first:
  manage.py createsuperuser    your own login for these pages
  manage.py connect groww      add an account, and sync it once
  manage.py coverage           what became of every day"""
