"""When an attempt that failed is made again: typed by what went wrong, spread by chance, and not after the evening.

Knows no clock: `now` and `chance` are handed in.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple


class Patience(NamedTuple):
    """The pause after the first attempt; it doubles up to the longest."""

    first: timedelta
    longest: timedelta


class Evening(NamedTuple):
    """Until when it is tried again, and when the broker has the day no more."""

    retry_until: datetime
    ends_at: datetime

    @property
    def last(self) -> datetime:
        """When the last attempt is made at the latest: it takes a moment, and the end must not find it at work."""
        return min(self.retry_until, self.ends_at - MINUTE)


MINUTE: Final = timedelta(minutes=1)
DOWN: Final = Patience(MINUTE, 30 * MINUTE)  # it comes back, and nobody knows when
DOUBTFUL: Final = Patience(5 * MINUTE, 60 * MINUTE)  # perhaps the same again
LEFT_ALONE: Final = "left_alone"  # not asked: the broker wants a pause, or failed for account after account
NOT_ASKED: Final = "not_asked"  # since what it is asked with did not come
IS_DOWN: Final = frozenset({"rate_limited", "broker_unavailable", "timed_out", LEFT_ALONE})
NEEDS_A_PERSON: Final = frozenset(
    {"login_required", "wrong_account", "no_credentials", "credential_error", "unknown_broker", "forbidden_request"}
)
INTERRUPTED: Final = "interrupted"
LOST_RUNS: Final = 3  # a run that was killed is made again at once, and so often
_DOUBLINGS: Final = 16  # more make no pause longer


def next_attempt(
    kinds: Collection[str],
    attempts: int,
    now: datetime,
    chance: float,
    evening: Evening,
    asked_pause: float | None = None,
) -> datetime | None:
    """After `attempts` of which the last met these kinds of problems. None: not before a person has done something,
    or not at all. `chance` is from 0 to 1; `asked_pause` is what the broker asked for, in seconds.

    A pause that reaches beyond the last moment ends there instead, so that what comes back late is not missed; one
    that the broker asked for is never shortened, and may last until just before the end.
    """
    if NEEDS_A_PERSON & set(kinds):
        return None
    patience = DOWN if IS_DOWN & set(kinds) else DOUBTFUL
    pause: timedelta = min(patience.first * 2 ** min(attempts - 1, _DOUBLINGS), patience.longest)
    asked = timedelta(seconds=asked_pause or 0)
    moment = now + max(pause / 2, asked) + pause / 2 * chance
    if moment <= evening.last:
        return moment
    if now + asked > evening.last:
        return now + asked if asked and now + asked <= evening.ends_at - MINUTE else None
    return evening.last if evening.last - now >= MINUTE else None
