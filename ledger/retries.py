"""When an attempt that failed is made again: typed by what went wrong, bounded, and spread by chance.

Knows no clock: `now` and `chance` are handed in.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, NamedTuple


class Patience(NamedTuple):
    """So many attempts in all; the pause doubles from `first` to `longest`."""

    attempts: int
    first: timedelta
    longest: timedelta


MINUTE: Final = timedelta(minutes=1)
DOWN: Final = Patience(20, MINUTE, 30 * MINUTE)  # it comes back, and nobody knows when
DOUBTFUL: Final = Patience(3, 5 * MINUTE, 15 * MINUTE)  # perhaps the same again
IS_DOWN: Final = frozenset({"rate_limited", "broker_unavailable", "timed_out"})
FOLLOWS: Final = frozenset({"not_asked", "fills_missing"})  # from what else went wrong
NEEDS_A_PERSON: Final = frozenset(
    {"login_required", "wrong_account", "no_credentials", "credential_error", "unknown_broker", "forbidden_request"}
)
INTERRUPTED: Final = "interrupted"
LOST_RUNS: Final = 3  # a run that was killed is made again at once, and so often


def next_attempt(
    kinds: Collection[str], attempts: int, now: datetime, chance: float, asked_pause: float | None = None
) -> datetime | None:
    """After `attempts` of which the last met these kinds of problems. None: not before a person has done something,
    or not at all. `chance` is from 0 to 1; `asked_pause` is what the broker asked for, in seconds."""
    if NEEDS_A_PERSON & set(kinds):
        return None
    patience = DOWN if IS_DOWN & set(kinds) else DOUBTFUL
    if attempts >= patience.attempts:
        return None
    pause: timedelta = min(patience.first * 2 ** (attempts - 1), patience.longest)
    least = max(pause / 2, timedelta(seconds=asked_pause or 0))
    return now + least + pause / 2 * chance
