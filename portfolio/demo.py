"""The demo: simulated brokers, and three accounts that the real schedule takes through their days, slot by slot.

Never speaks to a real broker. Never shares a database with real accounts, since made-up prices would stand in the
book for good. Its portfolio is marked as simulated, so that no other tick, whose time is another, touches it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any, NamedTuple

from django.db.models import Max, Min, Q

from ledger.checkpoint import Note
from ledger.normalise import IST

from . import accounts, clock
from .connecting import renew, try_login
from .models import (
    AccountHead,
    BrokerAccount,
    CalendarDay,
    Portfolio,
    Schedule,
    ScheduledLook,
    SyncBatch,
    SyncSlot,
    User,
)
from .proof import sealer
from .proof.verification import verify
from .proof.verified import Verified
from .schedule import amendments, calendar
from .schedule.tick import tick
from .secret import hidden
from .seeds import EVENING
from .simulated import Brokers, CannotRun, asked_instead, started
from .sync.capture import ORDERS_ONLY
from .sync.record import Result
from .triggers.registry import REGISTRY

USERNAME, PORTFOLIO, SCHEDULE = "demo", "Demo", "demo"
LABELS = ("Trading", "Savings")
AT_ZERODHA = "Family"
STORY_DAYS = 30  # the investors' lives are told for so long; afterwards they go on at random
FORGOTTEN = 12  # the day, counted from the demo's first, on which nobody logs in at Zerodha
LOGIN_AT = time(9)
# What every account is owed, and two looks while orders change. The last tick is for what ends at the end of the day.
ORDER_LOOKS = (time(10, 50), time(11, 15))
LAST_TICK = time(23, 59)
TICKS = (time(8, 30), LOGIN_AT, *ORDER_LOOKS, time(16), time(19), LAST_TICK)


class Day(NamedTuple):
    """One simulated trading day, `number` counted from the demo's first, and what its looks wrote."""

    number: int
    day: date
    results: list[Result]

    @property
    def is_as_told(self) -> bool:
        """Whether all went as the story has it: only what wants the login that was forgotten may fail."""
        return all(result.status == "COMPLETED" or self._is_forgotten(result) for result in self.results)

    def _is_forgotten(self, result: Result) -> bool:
        kinds = {problem.kind for problem in result.capture.problems}
        return self.number == FORGOTTEN and result.capture.broker == "ZERODHA" and kinds == {"login_required"}


class Demo:
    """A demo that is open: its accounts, and days to take one after the other."""

    def __init__(self, brokers: Brokers, connected: Sequence[BrokerAccount]) -> None:
        self._brokers = brokers
        self.accounts = connected
        batches = SyncBatch.objects.filter(broker_account__in=connected)
        self._first = batches.aggregate(first=Min("trading_day"))["first"] or self.now.date()
        self._logged_in_on: date | None = None

    @property
    def now(self) -> datetime:
        """The simulated instant."""
        return self._brokers.now()

    @property
    def days_left(self) -> int:
        """How many days the story still has; one more, when it is over."""
        today = self.now.date()
        return max(1, STORY_DAYS - len(self._days_until(today)) + (not self._is_over(today)))

    def days(self, count: int) -> Iterator[Day]:
        """Takes the next `count` trading days; one that an earlier run left half done is the first of them."""
        today = self.now.date()
        to_come = (day for day in _trading_days(today) if day > today or not self._is_over(day))
        for day in islice(to_come, count):
            number = len(self._days_until(day))
            yield Day(number, day, self._take(day, number))

    def verified(self) -> tuple[Note, Verified]:
        """The checkpoint of all that is there by now, and what working the whole book out again found."""
        return sealer.checkpoint(self.now), verify()

    def _take(self, day: date, number: int) -> list[Result]:
        now = self.now
        moments = [datetime.combine(day, at, IST) for at in TICKS]
        results: list[Result] = []
        for at in sorted({max(at, now) for at in moments}):
            self._brokers.move_to(at)
            if at.time() >= LOGIN_AT and number != FORGOTTEN:
                self._log_in(day)
            tick(results.append, simulated=True)
            self._require_no_other_run()
        return results

    def _log_in(self, day: date) -> None:
        """What the owners of accounts at Zerodha do every morning."""
        if self._logged_in_on == day:
            return
        clock.refresh()
        of_client = {account.account_id: account for account in self.accounts}
        for client in self._brokers.clients(self._brokers.zerodha):
            came_back = {"request_token": self._brokers.log_in_at_zerodha(client)}
            login = try_login(REGISTRY["ZERODHA"], "browser", hidden(_app(client) | came_back))
            renew(of_client[client["user_id"]], login)
        self._logged_in_on = day

    def _require_no_other_run(self) -> None:
        held = AccountHead.objects.filter(account__in=self.accounts).exclude(AccountHead.lease_is_free())
        if held.exists():
            raise CannotRun("Another run holds the demo's accounts, or one was just killed. Try again in two minutes.")

    def _is_over(self, day: date) -> bool:
        """Whether all that was owed on this day has ended."""
        owed = SyncSlot.objects.filter(broker_account__in=self.accounts, trading_day=day)
        return owed.exists() and not owed.filter(result=None).exists()

    def _days_until(self, last: date) -> list[date]:
        """From the demo's first day."""
        return list(takewhile(lambda day: day <= last, _trading_days(self._first)))


def _trading_days(day: date) -> Iterator[date]:
    """From `day` on."""
    while True:
        if calendar.session(day):
            yield day
        day += timedelta(days=1)


@contextmanager
def opened() -> Iterator[Demo]:
    """Starts the simulators where the demo's last run ended, and connects the accounts. CannotRun when it may not."""
    if BrokerAccount.objects.exclude(_IS_DEMO).exists():
        raise CannotRun(
            "This database holds accounts that are not the demo's, and the demo's made-up prices do not belong beside "
            "them. Give it a database of its own: DATABASE_URL=sqlite:///var/demo.sqlite3 make demo"
        )
    amendments.refresh()
    with started(_reached()) as brokers, asked_instead(brokers):
        yield Demo(brokers, _connected(brokers))


_IS_DEMO = Q(portfolio__simulated=True)


def is_here() -> bool:
    """Whether the demo has written into this database."""
    return BrokerAccount.objects.filter(_IS_DEMO).exists()


def _reached() -> datetime | None:
    """The last instant at which an account was looked at; None before there is one."""
    reached: datetime | None = SyncBatch.objects.filter(broker_account__isnull=False).aggregate(last=Max("started_at"))[
        "last"
    ]
    return reached


def _connected(brokers: Brokers) -> list[BrokerAccount]:
    if there := list(BrokerAccount.objects.filter(_IS_DEMO).order_by("created_at", "pk")):
        return there
    morning = datetime.combine(brokers.now().date(), LOGIN_AT, IST)
    brokers.move_to(max(morning, brokers.now()))
    clock.refresh()
    _close_evening_sessions(morning.date())
    portfolio, schedule = _portfolio(), _schedule()
    made = [
        accounts.connect(portfolio=portfolio, broker="GROWW", account_id=client["ucc"], label=label,
                         login_method="totp", credentials=_totp(client))
        for client, label in zip(brokers.clients(brokers.groww), LABELS, strict=True)
    ] + [
        accounts.connect(portfolio=portfolio, broker="ZERODHA", account_id=client["user_id"], label=AT_ZERODHA,
                         login_method="browser", credentials=_app(client))
        for client in brokers.clients(brokers.zerodha)
    ]  # fmt: skip
    BrokerAccount.objects.filter(pk__in=[account.pk for account in made]).update(schedule=schedule)
    return made


def _totp(client: dict[str, str]) -> dict[str, str]:
    return {"totp_token": client["totp_token"], "totp_secret": client["totp_seed"]}


def _app(client: dict[str, str]) -> dict[str, str]:
    return {name: client[name] for name in ("api_key", "api_secret")}


def _close_evening_sessions(first: date) -> None:
    """The simulated market has none: in the demo's calendar those days are closed."""
    for day in (first + timedelta(days=n) for n in range(366)):
        session = calendar.session(day)
        if session and session.kind == calendar.MUHURAT:
            why: dict[str, Any] = {"name": "No evening sessions", "source": "the demo's simulated market"}
            CalendarDay.objects.get_or_create(date=day, kind=CalendarDay.Kind.CLOSED, defaults=why)
    amendments.refresh()


def _portfolio() -> Portfolio:
    user, is_new = User.objects.get_or_create(username=USERNAME)
    if is_new:
        user.set_unusable_password()
        user.save()
    return Portfolio.objects.get_or_create(user=user, name=PORTFOLIO, defaults={"simulated": True})[0]


def _schedule() -> Schedule:
    schedule, is_new = Schedule.objects.get_or_create(code=SCHEDULE, defaults={"name": "The demo's days"})
    if is_new:
        looks = [*EVENING, *({"at": at, "kind": ORDERS_ONLY} for at in ORDER_LOOKS)]
        ScheduledLook.objects.bulk_create(ScheduledLook(schedule=schedule, **look) for look in looks)
    return schedule
