"""What a batch means for the slots of its account: settled, tried again, or waiting for a person.

Part of the record transaction, so that a slot never says more than the book. A sync that nobody owed settles what is
due as well.
"""

import random
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from ledger import retries
from ledger.canonical import Rendered, render
from ledger.normalise import ist_date

from .. import clock
from ..models import SyncSlot
from . import bulk
from .bulk import schema
from .capture import COVERS, WHOLE, Capture

if TYPE_CHECKING:
    from .record import Result

SETTLED = schema(
    "sync_slots", 1, "id:uuid lost_runs:integer next_attempt_at:instant standing result reason batch_id:uuid"
)


def settle(results: Sequence["Result"]) -> None:
    """Two statements, whatever the number of accounts."""
    of_account = {result.capture.account_id: result for result in results}
    days = {result.capture.trading_day for result in results}
    slots = SyncSlot.objects.filter(broker_account__among=list(of_account), trading_day__in=days)
    owed = [(slot, of_account[str(slot.broker_account_id)]) for slot in slots]
    covered = [(slot, result) for slot, result in owed if _is_covered(slot, result.capture)]
    ahead = set(of_account) - {result.capture.account_id for _, result in covered}
    now = clock.now()
    rows = [_settled(slot, result, now) for slot, result in covered]
    rows += [
        _seen(slot, result) for slot, result in owed if result.capture.account_id in ahead and _tells(result, slot)
    ]
    bulk.update(SETTLED, rows)


def _is_covered(slot: SyncSlot, capture: Capture) -> bool:
    """Whether this capture did, or tried to do, what the slot asks for. One that was given up can still be done."""
    return (
        slot.trading_day == capture.trading_day
        and slot.kind in COVERS.get(capture.sync_type, ())
        and slot.due_at <= capture.started_at
        and ist_date(slot.due_at) == ist_date(capture.started_at)
        and slot.result in (None, SyncSlot.Result.MISSED, SyncSlot.Result.PARTIAL)
    )


def _tells(result: "Result", slot: SyncSlot) -> bool:
    """Whether this capture, for which nothing was due, has seen after the close what the slot is to confirm."""
    capture = result.capture
    return (
        result.status != "FAILED"
        and capture.is_closed
        and slot.trading_day == capture.trading_day == ist_date(capture.started_at) == ist_date(slot.due_at)
        and slot.kind in WHOLE
        and slot.kind in COVERS.get(capture.sync_type, ())
        and slot.due_at > capture.started_at
        and (slot.result, slot.standing) == (None, SyncSlot.Result.MISSED)
    )


def _seen(slot: SyncSlot, result: "Result") -> Rendered:
    """If nobody comes when it is due, its day is not missed, but not confirmed."""
    return _row(slot, result.capture, slot.next_attempt_at, SyncSlot.Result.PARTIAL, None, slot.reason)


def _settled(slot: SyncSlot, result: "Result", now: datetime) -> Rendered:
    """Only what is complete ends here. Until its time is over the rest may still be done by whoever comes."""
    capture = result.capture
    if result.status == "COMPLETED":
        complete = SyncSlot.Result.COMPLETE
        return _row(slot, capture, None, complete, complete, "")
    standing = SyncSlot.Result.PARTIAL if result.status == "PARTIAL" else SyncSlot.Result(slot.standing)
    if slot.result is not None:
        return _row(slot, capture, None, standing, standing, slot.reason)
    return _row(slot, capture, _next_attempt(slot, capture, now), standing, None, _reason(capture))


def _next_attempt(slot: SyncSlot, capture: Capture, now: datetime) -> datetime | None:
    kinds = {problem.kind for problem in capture.problems}
    if retries.INTERRUPTED in kinds:
        slot.lost_runs += slot.batch_id == UUID(capture.batch_id)
        return now if slot.lost_runs < retries.LOST_RUNS else None
    evening = retries.Evening(slot.retry_until, slot.ends_at)
    chance = random.random()  # noqa: S311
    return retries.next_attempt(kinds, max(slot.attempts, 1), now, chance, evening, capture.retry_after)


def _reason(capture: Capture) -> str:
    return "; ".join(f"{problem.section}: {problem.message}" for problem in capture.problems)[:500]


def _row(
    slot: SyncSlot, capture: Capture, next_attempt_at: datetime | None, standing: str, result: str | None, reason: str
) -> Rendered:
    return render(SETTLED, (
        str(slot.pk), slot.lost_runs, next_attempt_at, str(standing), result and str(result), reason, capture.batch_id,
    ))  # fmt: skip
