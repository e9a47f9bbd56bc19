"""The simulated brokers of the demo, as a child process: where they answer, their clock, and their clients' logins.

They are started here and asked over HTTP, as everybody asks them; nothing of them runs in this process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from .triggers.limits import OF_THIS_PROCESS

TIMEOUT_SECONDS = 60


class CannotRun(Exception):
    """The demo cannot go on; the message says what to do."""


class Brokers(NamedTuple):
    """Where each answers. They share one market and one clock."""

    groww: dict[str, Any]
    zerodha: dict[str, Any]

    def now(self) -> datetime:
        return datetime.fromisoformat(_told("GET", f"{self.groww['control']}/clock")["now"])

    def move_to(self, at: datetime) -> None:
        _told("POST", f"{self.groww['control']}/clock", {"now": at.isoformat()})

    def clients(self, broker: dict[str, Any]) -> list[dict[str, str]]:
        """The clients of one broker, with all that is needed to log in at this moment."""
        known = _told("GET", f"{broker['control']}/investors")["investors"]
        return [each for each in known if each["ucc"] in broker["clients"]]

    def log_in_at_zerodha(self, client: dict[str, str]) -> str:
        """What its owner does in a browser; the address that the browser is sent to afterwards."""
        form = {name: client[name] for name in ("api_key", "user_id", "password", "totp")}
        status, location, _ = _asked(
            "POST", self.zerodha["login"], urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        if status != 302:
            raise CannotRun(f"the simulated Zerodha refused the login of {client['user_id']}")
        return location

    def addresses(self) -> dict[str, str]:
        """The settings that lead to them."""
        return {
            "GROWW_API_URL": self.groww["url"],
            "GROWW_INSTRUMENTS_URL": self.groww["instruments"],
            "ZERODHA_API_URL": self.zerodha["url"],
            "ZERODHA_LOGIN_URL": self.zerodha["login"],
        }


def _told(method: str, address: str, body: object = None) -> Any:
    status, _, answer = _asked(method, address, json.dumps(body), {})
    said = json.loads(answer)
    if status != 200:
        raise CannotRun(f"the simulated brokers refused {urlsplit(address).path}: {said}")
    return said


def _asked(method: str, address: str, body: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
    """Status, where it leads, body."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, parts.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", ""), answer.read()
    finally:
        connection.close()


@contextmanager
def started(start: datetime | None) -> Iterator[Brokers]:
    """They hold our end of a pipe, so that they end when we do, even when we are killed. Without limits, since a
    simulated day passes in a second."""
    command = [sys.executable, "-m", "simulators", "--no-limits", "--ends-with-input"]
    if start:
        command.append(f"--start={start.isoformat()}")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=settings.BASE_DIR) as child:  # noqa: S603
        assert child.stdout
        try:
            said = child.stdout.readline()
            if not said:
                raise CannotRun("the simulated brokers did not start; the reason stands above")
            yield Brokers(**json.loads(said))
        finally:
            child.terminate()


@contextmanager
def asked_instead(brokers: Brokers) -> Iterator[None]:
    """Whoever asks Groww or Zerodha asks these: in this process alone, and until the end."""
    ours = brokers.addresses()
    names = [*ours, *(f"{name}_FILE" for name in ours)]
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    clock = settings.KHATA_CLOCK
    os.environ.update(ours)
    settings.KHATA_CLOCK = f"{brokers.groww['control']}/clock"
    try:
        with OF_THIS_PROCESS.lifted():
            yield
    finally:
        settings.KHATA_CLOCK = clock
        for name in ours:
            del os.environ[name]
        os.environ.update(before)
