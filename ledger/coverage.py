"""What became of one account's trading day, from the looks that it was owed and the captures that were made.

A day that is captured at or after its last look is complete; captured after the close alone, it is provisional while
the last look is to come, and partial when that is over. Knows no clock: `is_over` is handed in.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

COMPLETE, PARTIAL, MISSED, HOLIDAY, BACK_FILLED = "complete", "partial", "missed", "holiday", "back_filled"
PROVISIONAL, WAITING, TO_COME, NOT_OWED = "provisional", "waiting", "to_come", "not_owed"
FINAL: Final = (COMPLETE, PARTIAL, MISSED, HOLIDAY, BACK_FILLED)  # the others change by themselves
WANTING: Final = (PARTIAL, MISSED, WAITING)


class Look(NamedTuple):
    """A look at the whole account that was owed on the day. `result` is None while it is open."""

    due_at: datetime
    result: str | None
    standing: str
    is_due: bool


class Capture(NamedTuple):
    """A batch of the whole account that began after the close, on the day itself."""

    started_at: datetime
    is_complete: bool


def of_looks(looks: Sequence[Look]) -> str:
    """The result of a day that has looks. Of those that were none, since the market was closed, nothing is wanted."""
    looks = [look for look in looks if look.result != HOLIDAY]
    if not looks:
        return HOLIDAY
    last = max(looks, key=lambda look: look.due_at)
    results = {look.result for look in looks}
    if last.result in (COMPLETE, BACK_FILLED):
        return last.result
    is_seen = bool(results & {COMPLETE, PARTIAL}) or any(look.standing == PARTIAL for look in looks)
    if None in results:
        if is_seen:
            return PROVISIONAL
        return WAITING if any(look.is_due and look.result is None for look in looks) else TO_COME
    return PARTIAL if is_seen else BACK_FILLED if BACK_FILLED in results else MISSED


def of_captures(captures: Sequence[Capture], last_look: datetime | None, is_over: bool) -> str:
    """The result of a day without looks of its own, such as the one on which the account was connected at night."""
    if any(each.is_complete and (last_look is None or each.started_at >= last_look) for each in captures):
        return COMPLETE
    if not captures:
        return NOT_OWED
    return PARTIAL if is_over else PROVISIONAL
