"""The demo: a simulated Groww as a child process, and two accounts that the real pipeline takes through its days.

Never speaks to a real broker. Never shares a database with real accounts, since made-up prices would stand in the
book for good. Its portfolio is inactive, so that no other sync sends these credentials to the real Groww.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from http.client import HTTPConnection
from itertools import islice, takewhile
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Max, Min, Q

from ledger.normalise import IST

from . import accounts
from .models import BrokerAccount, Portfolio, SyncBatch, User
from .schedule import calendar
from .sync.capture import DAILY, ORDERS_ONLY
from .sync.pipeline import sync
from .sync.record import Result
from .triggers.limits import OF_THIS_PROCESS

USERNAME, PORTFOLIO = "demo", "Demo"
LABELS = ("Trading", "Savings")
STORY_DAYS = 30  # the investors' lives are told for so long; afterwards they go on at random
# The looks of a day: two while orders change, one after the close, one for what is ordered in the evening.
LOOKS = ((time(10, 50), ORDERS_ONLY), (time(11, 15), ORDERS_ONLY), (time(16, 5), DAILY), (time(19, 30), ORDERS_ONLY))
TIMEOUT_SECONDS = 60


class CannotRun(Exception):
    """The demo cannot go on; the message says what to do."""


class Day(NamedTuple):
    """One simulated trading day, `number` counted from the demo's first, and what its looks wrote."""

    number: int
    day: date
    results: list[Result]


class Demo:
    """A demo that is open: its accounts, and days to take one after the other."""

    def __init__(self, simulator: "Simulator", connected: Sequence[BrokerAccount]) -> None:
        self._simulator = simulator
        self.accounts = connected
        batches = SyncBatch.objects.filter(broker_account__in=connected)
        self._first = batches.aggregate(first=Min("trading_day"))["first"] or self.now.date()

    @property
    def now(self) -> datetime:
        """The simulated instant. All until then was looked at."""
        return self._simulator.now()

    @property
    def days_left(self) -> int:
        """How many days the story still has; one more, when it is over."""
        now = self.now
        finished = [day for day in self._days_until(now.date()) if _looks(day)[-1][0] <= now]
        return max(1, STORY_DAYS - len(finished))

    def days(self, count: int) -> Iterator[Day]:
        """Takes the next `count` trading days; one that an earlier run left half done is the first of them."""
        now = self.now
        to_come = (day for day in _trading_days(now.date()) if _looks(day)[-1][0] > now)
        for day in islice(to_come, count):
            looks = [look for look in _looks(day) if look[0] > now]
            results = [result for at, sync_type in looks for result in self._look(at, sync_type)]
            yield Day(len(self._days_until(day)), day, results)

    def _look(self, at: datetime, sync_type: str) -> list[Result]:
        self._simulator.move_to(at)
        results = sync([str(account.pk) for account in self.accounts], sync_type)
        if len(results) < len(self.accounts):
            raise CannotRun("Another run holds the demo's accounts, or one was just killed. Try again in two minutes.")
        return results

    def _days_until(self, last: date) -> list[date]:
        """From the demo's first day."""
        return list(takewhile(lambda day: day <= last, _trading_days(self._first)))


def _looks(day: date) -> list[tuple[datetime, str]]:
    return [(datetime.combine(day, at, IST), sync_type) for at, sync_type in LOOKS]


def _trading_days(day: date) -> Iterator[date]:
    """From `day` on. The simulated market has no evening sessions."""
    while True:
        session = calendar.session(day)
        if session and session.kind == calendar.REGULAR:
            yield day
        day += timedelta(days=1)


class Simulator(NamedTuple):
    """Where the simulated Groww answers."""

    url: str
    control: str
    instruments: str

    def now(self) -> datetime:
        return datetime.fromisoformat(self._ask("GET", "/clock")["now"])

    def move_to(self, at: datetime) -> None:
        self._ask("POST", "/clock", {"now": at.isoformat()})

    def investors(self) -> list[dict[str, str]]:
        """Client ids, with all that is needed to log in."""
        found: list[dict[str, str]] = self._ask("GET", "/investors")["investors"]
        return found

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        parts = urlsplit(self.control)
        connection = HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, parts.path + path, json.dumps(body))
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise CannotRun(f"the simulated Groww refused {path}: {said}")
        return said


@contextmanager
def opened() -> Iterator[Demo]:
    """Starts the simulator where the demo's last run ended, and connects the accounts. CannotRun when it may not."""
    if BrokerAccount.objects.exclude(_IS_DEMO).exists():
        raise CannotRun(
            "This database holds accounts that are not the demo's, and the demo's made-up prices do not belong beside "
            "them. Give it a database of its own: DATABASE_URL=sqlite:///var/demo.sqlite3 make demo"
        )
    with _simulator(_reached()) as simulator, _asked_instead_of_groww(simulator):
        yield Demo(simulator, _connected(simulator))


_IS_DEMO = Q(portfolio__user__username=USERNAME, portfolio__name=PORTFOLIO, portfolio__active=False)


def is_here() -> bool:
    """Whether the demo has written into this database."""
    return BrokerAccount.objects.filter(_IS_DEMO).exists()


def _reached() -> datetime | None:
    """The last instant that every account was seen at; None before there is one. A look that failed is repeated."""
    saw = Q(batches__status__in=(SyncBatch.Status.COMPLETED, SyncBatch.Status.PARTIAL))
    looked_at = BrokerAccount.objects.filter(_IS_DEMO).annotate(last=Max("batches__started_at", filter=saw))
    instants = list(looked_at.values_list("last", flat=True))
    return min(instants) if instants and all(instants) else None


@contextmanager
def _simulator(start: datetime | None) -> Iterator[Simulator]:
    """It holds our end of a pipe, so that it ends when we do, even when we are killed. Without limits, since a
    simulated day passes in a second."""
    command = [sys.executable, "-m", "simulators.groww", "--investors", "demo", "--no-limits", "--ends-with-input"]
    if start:
        command.append(f"--start={start.isoformat()}")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=settings.BASE_DIR) as child:  # noqa: S603
        assert child.stdout
        try:
            said = child.stdout.readline()
            if not said:
                raise CannotRun("the simulated Groww did not start; the reason stands above")
            yield Simulator(**json.loads(said))
        finally:
            child.terminate()


@contextmanager
def _asked_instead_of_groww(simulator: Simulator) -> Iterator[None]:
    """In this process alone, and until the end of the demo."""
    ours = {"GROWW_API_URL": simulator.url, "GROWW_INSTRUMENTS_URL": simulator.instruments}
    names = [*ours, *(f"{name}_FILE" for name in ours)]
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    clock = settings.KHATA_CLOCK
    os.environ.update(ours)
    settings.KHATA_CLOCK = f"{simulator.control}/clock"
    try:
        with OF_THIS_PROCESS.lifted():
            yield
    finally:
        settings.KHATA_CLOCK = clock
        for name in ours:
            del os.environ[name]
        os.environ.update(before)


def _connected(simulator: Simulator) -> list[BrokerAccount]:
    portfolio = _portfolio()
    return [
        accounts.connect(
            portfolio=portfolio,
            broker="GROWW",
            account_id=investor["ucc"],
            login_method="totp",
            credentials={"totp_token": investor["totp_token"], "totp_secret": investor["totp_seed"]},
            label=label,
        )
        for investor, label in zip(simulator.investors(), LABELS, strict=True)
    ]


def _portfolio() -> Portfolio:
    user, is_new = User.objects.get_or_create(username=USERNAME)
    if is_new:
        user.set_unusable_password()
        user.save()
    return Portfolio.objects.get_or_create(user=user, name=PORTFOLIO, defaults={"active": False})[0]
