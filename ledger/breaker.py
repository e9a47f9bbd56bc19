"""When a broker that fails for one account after the other is left alone, and when it is tried again: with one account.

What an account's attempt says of its broker is read here as well. Knows no clock: `now` is handed in.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

OPENS_AFTER: Final = 5  # accounts in a row, each for itself: one that always fails says nothing of the broker
PAUSE: Final = timedelta(minutes=1)  # no longer, since a look may have but minutes left

_IS_DOWN: Final = frozenset({"broker_unavailable", "timed_out"})
_IS_UP: Final = frozenset({"login_required", "wrong_account", "not_permitted", "unexpected_reply", "set_aside"})


class Outcome(NamedTuple):
    """What an attempt says of its broker. `asked_pause`: what the broker asked for, in seconds."""

    account_id: str
    is_up: bool
    reason: str = ""
    asked_pause: float | None = None


class Breaker(NamedTuple):
    """Of one broker. Open, and then no account of it is asked before `probe_at`, while `failing_since` is set."""

    failed: tuple[str, ...] = ()  # the accounts that failed one after the other, each once
    failing_since: datetime | None = None
    probe_at: datetime | None = None
    reason: str = ""

    @property
    def is_open(self) -> bool:
        return self.failing_since is not None


CLOSED: Final = Breaker()


def is_up(status: str, kinds: Collection[str], *, has_reply: bool) -> bool | None:
    """Whether the broker answered this account. None: that was not put to the test, or it only asked for patience.

    Without a reply nothing was answered: that nobody has logged in is known before anything is asked."""
    if status in ("COMPLETED", "PARTIAL"):
        return True
    if _IS_DOWN & set(kinds):
        return False
    return True if has_reply and _IS_UP & set(kinds) else None


def after(breaker: Breaker, outcomes: Iterable[Outcome], now: datetime) -> Breaker:
    """The breaker once these attempts have ended, in this order. Any answer closes it."""
    for outcome in outcomes:
        breaker = CLOSED if outcome.is_up else _failed(breaker, outcome, now)
    return breaker


def _failed(breaker: Breaker, outcome: Outcome, now: datetime) -> Breaker:
    pause = max(PAUSE, timedelta(seconds=outcome.asked_pause or 0))
    if breaker.is_open:
        asked = now + timedelta(seconds=outcome.asked_pause or 0)
        return breaker._replace(probe_at=max(breaker.probe_at or asked, asked), reason=outcome.reason)
    failed = tuple(dict.fromkeys((*breaker.failed, outcome.account_id)))
    if len(failed) < OPENS_AFTER:
        return breaker._replace(failed=failed, reason=outcome.reason)
    return Breaker(failed, now, now + pause, outcome.reason)
