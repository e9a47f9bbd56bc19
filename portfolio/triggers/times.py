"""What the times in a broker's answer mean: India's when they carry no zone, and a `Z` that may not be true.

A `Z` is true, or it stands on an Indian time. Each time is read so that it fits the trading day on which
it was fetched; where both readings fit alike, the rest of the same answer decides. So the same time may be read
otherwise at another hour: `ledger.diff` and `ledger.fills` take it for the time that the book has.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Final, NamedTuple

from ledger.errors import BadValue
from ledger.normalise import INDIA_IS_AHEAD, IST, as_ist, ist_date

from .base import Reply

MARKET_OPENS, MARKET_CLOSES = time(9), time(16)  # India's pre-open to its post-close session
CLOCKS_DIFFER, ONE_DAY = timedelta(minutes=5), timedelta(days=1)
WITH_Z: Final = re.compile(rb'"(\d{4}-\d\d-\d\dT\d\d:\d\d[\d:.]*Z)"')


class Times(NamedTuple):
    """How the times of one reply are read. `z_is_indian` where a time with a `Z` fits both ways."""

    fetched_at: datetime
    z_is_indian: bool = False

    def instant(self, value: str | None) -> datetime | None:
        """UTC; None when it is not given. BadValue for what is no time, or one after tomorrow's."""
        if not value:
            return None
        try:
            moment = self._with_z(value) if value[-1] == "Z" else _without_z(value)
        except ValueError:
            raise BadValue(f"not a time: {value[:40]!r}") from None
        except OverflowError:  # the year 1, with which some programs say "never"
            return None
        if moment > self.fetched_at and moment - self.fetched_at > ONE_DAY:
            raise BadValue(f"a time in the future: {value[:40]}")
        return moment

    def _with_z(self, value: str) -> datetime:
        as_given = datetime.fromisoformat(value)
        for_indian = indian_over_given(as_given, self.fetched_at) or self.z_is_indian
        return as_given - INDIA_IS_AHEAD if for_indian > 0 else as_given


def _without_z(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value + "Z") - INDIA_IS_AHEAD  # twice as fast as giving it a zone afterwards
    except ValueError:
        return as_ist(datetime.fromisoformat(value))


def doubt(replies: Sequence[Reply]) -> str:
    """Says where times with a `Z` are taken for India's, against what they say; "" where none is."""
    are_indian, read_otherwise = z_is_indian(replies), 0
    for reply in replies:
        for value in _with_z(reply):
            with suppress(ValueError, OverflowError):
                over_given = indian_over_given(datetime.fromisoformat(value), reply.fetched_at)
                read_otherwise += (over_given or are_indian) > 0
    return f"times with a Z that are read as India's: {read_otherwise}" if read_otherwise else ""


def _with_z(reply: Reply) -> Iterator[str]:
    if b'Z"' in reply.body:
        yield from map(bytes.decode, WITH_Z.findall(reply.body))


def z_is_indian(replies: Iterable[Reply]) -> bool:
    """Whether the times with a `Z` in these replies are, on the whole, India's."""
    evidence = 0
    for reply in replies:
        for value in _with_z(reply):
            with suppress(ValueError, OverflowError):
                evidence += indian_over_given(datetime.fromisoformat(value), reply.fetched_at)
    return evidence > 0


def indian_over_given(as_given: datetime, fetched_at: datetime) -> int:
    """Above 0 when a time with a `Z` fits the trading day better as India's, below 0 when as it is given."""
    return _likelihood(as_given - INDIA_IS_AHEAD, fetched_at) - _likelihood(as_given, fetched_at)


def _likelihood(moment: datetime, fetched_at: datetime) -> int:
    """0: another day, or later than we asked. 1: that day. 2: that day, while the exchanges were open."""
    local = moment.astimezone(IST)
    if local.date() != ist_date(fetched_at) or moment > fetched_at + CLOCKS_DIFFER:
        return 0
    return 2 if MARKET_OPENS <= local.time() <= MARKET_CLOSES else 1
