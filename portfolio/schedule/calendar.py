"""The market calendar of NSE and BSE: our own tables, since no published one has the special sessions.

Days are dates in India, instants are in UTC. The calendar says what to expect and never forbids: a year without
at least ten recorded closures is not known, and there every weekday counts as a session unless it is recorded as
closed, since a sync on a holiday harms nobody. `calendar.csv` has the days that differ, `hours.csv` the hours and
since when they are valid; `amend` puts an operator's own rows in their place. Knows no clock and no settings.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from ledger.normalise import IST, as_ist, ist_date

REGULAR, SPECIAL, MUHURAT = "regular", "special", "muhurat"
CLOSED, SETTLEMENT_HOLIDAY = "closed", "settlement_holiday"
SESSIONS = (REGULAR, SPECIAL, MUHURAT)
CLOSURES_OF_A_KNOWN_YEAR = 10

_DAY = timedelta(days=1)


class Session(NamedTuple):
    """One trading session. `closes` is the end of continuous trading, or of the closing auction where there is one."""

    day: date
    kind: str
    pre_open: datetime
    opens: datetime
    closes: datetime
    post_close_ends: datetime


class Hours(NamedTuple):
    """The hours of a regular session, in India's time."""

    valid_from: date
    pre_open: time
    opens: time
    closes: time
    post_close_ends: time


class Differing(NamedTuple):
    """A day that differs. Without its own times a session has the hours of a regular one."""

    day: date
    kind: str
    opens: time | None = None
    closes: time | None = None


class _Special(NamedTuple):
    kind: str
    opens: time
    closes: time


class _Days(NamedTuple):
    closed: frozenset[date]
    specials: dict[date, _Special]
    settlement_holidays: frozenset[date]


class _Amendments:
    """What an operator put in the place of the files' rows."""

    days: tuple[Differing, ...] = ()
    hours: tuple[Hours, ...] = ()


def amend(days: Iterable[Differing], hours: Iterable[Hours]) -> None:
    """From now on, in this process: all rows of a day in the file give way to these of that day, and hours to those
    that are valid from the same day. The whole of the amendments, not one more."""
    new = tuple(sorted(days)), tuple(sorted(hours))
    if new != (_Amendments.days, _Amendments.hours):
        _Amendments.days, _Amendments.hours = new
        for cached in (_all_hours, _days, _closures, session):  # what is made of others comes last
            cached.cache_clear()


@lru_cache(maxsize=4096)
def session(day: date) -> Session | None:
    """The session of this day, or None when the market is closed."""
    hours = _hours(day)
    if special := _days().specials.get(day):
        return _special_session(day, special, hours)
    if day.weekday() >= 5 or day in _days().closed:
        return None
    return Session(day, REGULAR, *(_at(day, moment) for moment in hours[1:]))


def is_known(day: date) -> bool:
    """Whether the closures of this day's year are recorded."""
    return _closures(day.year) >= CLOSURES_OF_A_KNOWN_YEAR


def known_until(day: date) -> date | None:
    """The last day of the last known year, from this day's on; None when not even that is known."""
    year = day.year
    while is_known(date(year, 12, 31)):
        year += 1
    return date(year - 1, 12, 31) if year > day.year else None


def is_settlement_holiday(day: date) -> bool:
    """A session, perhaps, whose trades settle a day later. Only what is recorded: bank holidays are not."""
    return day in _days().settlement_holidays


def trading_day(at: datetime) -> date:
    """The day in India once its pre-open has begun; before that and on a closed day, the last session's day."""
    day = ist_date(at)
    today = session(day)
    return day if today and at >= today.pre_open else previous_session(day)


def is_own_day(at: datetime, day: date) -> bool:
    """Whether this instant lies on `day` in India."""
    return ist_date(at) == day


def is_after_close(at: datetime, day: date) -> bool:
    """Whether trading of `day` had ended by then. Never, for a day without a session."""
    of_day = session(day)
    return of_day is not None and at >= of_day.closes


def midnight_of(day: date) -> datetime:
    """When this day begins in India."""
    return _at(day, time())


def regular_close(day: date) -> datetime:
    """When a regular session of this day ends, whether there is one or not."""
    return _at(day, _hours(day).closes)


def previous_session(day: date) -> date:
    """The last day with a session before `day`."""
    return next(each for each in _days_from(day, -_DAY) if session(each))


def next_session(day: date) -> date:
    """The first day with a session after `day`."""
    return next(each for each in _days_from(day, _DAY) if session(each))


def _days_from(day: date, step: timedelta) -> Iterator[date]:
    while True:
        day += step
        yield day


def _special_session(day: date, special: _Special, hours: Hours) -> Session:
    """Its pre-open and post-close last as long as those of a regular session."""
    opens, closes = _at(day, special.opens), _at(day, special.closes)
    before = _at(day, hours.opens) - _at(day, hours.pre_open)
    after = _at(day, hours.post_close_ends) - _at(day, hours.closes)
    return Session(day, special.kind, opens - before, opens, closes, closes + after)


def _at(day: date, moment: time) -> datetime:
    return as_ist(datetime.combine(day, moment, IST))


def _hours(day: date) -> Hours:
    """Those in force on this day; for days before all of them, the first."""
    table = _all_hours()
    return next((hours for hours in reversed(table) if hours.valid_from <= day), table[0])


@cache
def _closures(year: int) -> int:
    return sum(day.year == year for day in _days().closed)


@cache
def _all_hours() -> tuple[Hours, ...]:
    recorded = (
        Hours(date.fromisoformat(row["valid_from"]), *(_time(row[name]) for name in _HOUR_COLUMNS))
        for row in _rows("hours.csv")
    )
    by_day = {hours.valid_from: hours for hours in (*recorded, *_Amendments.hours)}
    return tuple(by_day[day] for day in sorted(by_day))


_HOUR_COLUMNS = ("pre_open", "open", "close", "post_close_end")


@cache
def _days() -> _Days:
    amended = {row.day for row in _Amendments.days}
    rows = [*_Amendments.days, *(row for row in recorded_days() if row.day not in amended)]
    return _Days(
        frozenset(row.day for row in rows if row.kind == CLOSED),
        {row.day: _special(row) for row in rows if row.kind in SESSIONS},
        frozenset(row.day for row in rows if row.kind == SETTLEMENT_HOLIDAY),
    )


def recorded_days() -> Iterator[Differing]:
    """The rows of the file."""
    for row in _rows("calendar.csv"):
        times = (_time(row["opens"]), _time(row["closes"])) if row["opens"] else ()
        yield Differing(date.fromisoformat(row["date"]), row["kind"], *times)


def _special(row: Differing) -> _Special:
    hours = _hours(row.day)
    return _Special(row.kind, row.opens or hours.opens, row.closes or hours.closes)


def _time(text: str) -> time:
    return time.fromisoformat(text)


def _rows(name: str) -> list[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
