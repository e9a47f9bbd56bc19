"""Which looks a schedule owes between two instants, and until when each makes sense. Pure but for the calendar.

A look at the whole account that comes after the close waits for the close, however late a special session ends. Until
midnight in India the broker still has the day; a look before the pre-open must be over when that begins, since what is
seen afterwards belongs to the next trading day.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ledger.normalise import as_ist, ist_date

from ..sync.capture import COVERS, WHOLE
from . import calendar

_DAY, _INSTANT = timedelta(days=1), timedelta(microseconds=1)


class Look(NamedTuple):
    kind: str
    at: time
    sessions_only: bool = True
    weekdays: str = "1234567"
    unattended_only: bool = False


class Plan(NamedTuple):
    """One schedule, as a value. Times are of its own zone."""

    zone: str
    retries_until: time
    looks: tuple[Look, ...]


class Owed(NamedTuple):
    """One look on one day. Instants are in UTC."""

    trading_day: date
    kind: str
    due_at: datetime
    retry_until: datetime
    ends_at: datetime
    unattended_only: bool


def owed_between(plan: Plan, after: datetime, until: datetime) -> list[Owed]:
    """The looks that are due after the one instant and not after the other, in order."""
    zone = ZoneInfo(plan.zone)
    first, last = after.astimezone(zone).date(), until.astimezone(zone).date()
    days = (first + n * _DAY for n in range((last - first).days + 1))
    return [owed for day in days for owed in _owed_on(plan, zone, day) if after < owed.due_at <= until]


def last_whole_look(plan: Plan, day: date) -> datetime | None:
    """When the day's last look at the whole account is due; before that the day's result is provisional."""
    owed = [each.due_at for each in _owed_on(plan, ZoneInfo(plan.zone), day) if each.kind in WHOLE]
    return max((due_at for due_at in owed if is_of_the_evening(due_at, day)), default=None)


def is_of_the_evening(due_at: datetime, day: date) -> bool:
    """Whether a look that is due then sees this day after its close, in India. Where the market is closed, any does."""
    return ist_date(due_at) == day and (calendar.session(day) is None or calendar.is_after_close(due_at, day))


def owed_since(plan: Plan, born: datetime) -> datetime:
    """From when on an account that was connected then is owed its looks: what is to come, and of that day's looks at
    everything the last, if that is over already; it can still be made."""
    last = last_whole_look(plan, ist_date(born))
    return last - _INSTANT if last and last <= born else born


def _owed_on(plan: Plan, zone: ZoneInfo, day: date) -> list[Owed]:
    looks = {(_due(look, zone, day), look.kind): look for look in plan.looks if _is_on(look, day)}
    retry_until = as_ist(datetime.combine(day, plan.retries_until, zone))
    return [*_until_the_next([_owed(looks[key], key[0], retry_until) for key in sorted(looks)])]


def _is_on(look: Look, day: date) -> bool:
    if str(day.isoweekday()) not in look.weekdays:
        return False
    return not look.sessions_only or calendar.session(day) is not None


def _due(look: Look, zone: ZoneInfo, day: date) -> datetime:
    """Its own time; where the session closes later than others do, so much later, if that is still the same day."""
    due_at = as_ist(datetime.combine(day, look.at, zone))
    session = calendar.session(day)
    if look.kind not in WHOLE or session is None or due_at < calendar.regular_close(day):
        return due_at
    shifted = due_at + (session.closes - calendar.regular_close(day))
    return max(due_at, shifted if shifted < midnight_after(due_at) else session.closes)


def _owed(look: Look, due_at: datetime, retry_until: datetime) -> Owed:
    ends_at = midnight_after(due_at)
    session = calendar.session(ist_date(due_at))
    if session and due_at < session.pre_open:
        ends_at = session.pre_open
    retry_until = retry_until if due_at < retry_until <= ends_at else ends_at
    return Owed(calendar.trading_day(due_at), look.kind, due_at, retry_until, ends_at, look.unattended_only)


def _until_the_next(owed: list[Owed]) -> Iterator[Owed]:
    """A look at a part is not made up for once a later look sees that part."""
    for number, each in enumerate(owed):
        later = (next_.due_at for next_ in owed[number + 1 :] if each.kind in COVERS[next_.kind])
        ends_at = min([each.ends_at, *later]) if each.kind not in WHOLE else each.ends_at
        yield each._replace(ends_at=ends_at, retry_until=min(each.retry_until, ends_at))


def midnight_after(at: datetime) -> datetime:
    return calendar.midnight_of(ist_date(at) + _DAY)
