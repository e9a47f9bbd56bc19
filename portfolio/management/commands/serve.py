"""manage.py serve: the pages and the schedule, in one command, without a queue. Ends with Ctrl-C."""

import os
import socket
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ... import startup, supervisor
from ...keys import KeyTrouble
from ...supervisor import Job, words_of
from ..arguments import a_whole_number

TICK_SECONDS = 15
LAST_PORT = 65_535
GRANIAN = ("--interface", "wsgi", "--blocking-threads", "4", "--backpressure", "32", "--workers-kill-timeout", "5",
           "--log-level", "warning")  # fmt: skip


class Command(BaseCommand):
    help = (
        "Serve the pages and run the schedule until Ctrl-C; what dies is started again. Exit code 0: stopped; 2: it "
        "could not begin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=_port, default=8000, help="the port to listen on (default: 8000)")
        parser.add_argument(
            "--every", type=a_whole_number, default=TICK_SECONDS, metavar="SECONDS", help="a tick so often"
        )

    def handle(self, **options: Any) -> None:
        try:
            startup.require_tables()
            startup.require_guards()
            startup.require_keys()
        except (startup.NotReady, KeyTrouble) as error:
            raise CommandError(str(error), returncode=2) from None
        where = free_address(options["host"], options["port"])
        self.stdout.write("Starting Khata ...")
        self.stdout.flush()
        words = [*_welcome(options["host"], where, options["port"])]
        words += words_of(jobs(where, options["port"], options["every"]))
        os.chdir(settings.BASE_DIR)
        os.execv(sys.executable, [sys.executable, "-m", "portfolio.supervisor", *words])  # noqa: S606


def _welcome(host: str, where: str, port: int) -> tuple[str, ...]:
    shown = f"[{host}]" if ":" in host else host
    return (supervisor.WELCOME, where, str(port), WORDS.format(address=f"http://{shown}:{port}/admin/"))


def jobs(host: str, port: int, every: int) -> list[Job]:
    """What the supervisor keeps running."""
    return [_web(host, port), *_schedule(every)]


def _web(host: str, port: int) -> Job:
    where = ("--host", host, "--port", str(port))
    return Job("web", "granian", (*GRANIAN, *where, "portfolio_project.wsgi:application"))


def _schedule(every: int) -> list[Job]:
    """As many loops as the settings say: each claims accounts of its own."""
    return [Job("schedule", "django", ("run_due", "--every", str(every)))] * settings.KHATA_LOOPS


def free_address(host: str, port: int) -> str:
    """The host in numbers, since what serves the pages knows no names. What cannot be listened on is told now, and not
    every minute by a process that cannot begin."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, where = min(found, key=lambda each: each[0] != socket.AF_INET)
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "that is no name of a host"
        raise CommandError(f"cannot listen on {host} port {port}: {why}", returncode=2) from None
    return str(where[0])


def _port(text: str) -> int:
    if (port := a_whole_number(text)) > LAST_PORT:
        raise ArgumentTypeError(f"a port is a number from 1 to {LAST_PORT}")
    return port


WORDS = """Khata is at {address} until you press Ctrl-C. Accounts are looked at when that is due.
In another terminal, first:
  manage.py createsuperuser    your own login for these pages
  manage.py connect groww      add an account, and sync it once
  manage.py coverage           what became of every day"""
