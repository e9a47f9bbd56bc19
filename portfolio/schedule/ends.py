"""Ends slots whose time is over, each with its result and reason: a missed day is said the same evening, once.

A slot that a run is working on is left to that run.
"""

from collections import defaultdict
from collections.abc import Container, Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from ledger.normalise import IST

from ..models import AccountHead, BrokerType, SyncSlot
from ..sync.breakers import left_alone
from ..sync.capture import WHOLE
from ..sync.emit import Fact, tell
from .plan import is_of_the_evening

ACCOUNTS_AT_ONCE = 1000
MISSED, PARTIAL = "day.missed", "day.partial"
UNCONFIRMED = "it was captured after the close, and not at its last look"
NOBODY_CAME = "nobody came in time: Khata was not running, or did not get so far"


def end(now: datetime, simulated: bool = False) -> int:
    """Returns how many slots were ended. Costs one query when there is none."""
    count = 0
    while account_ids := _accounts(now, simulated):
        count += _end_those_of(account_ids, now)
    return count


def _is_over(now: datetime) -> Q:
    """Nobody tries any more: the broker has the day no longer, or only a person could help and none came in time."""
    return Q(result=None, retry_until__lte=now) & (Q(ends_at__lte=now) | Q(next_attempt_at=None))


def _accounts(now: datetime, simulated: bool) -> list[UUID]:
    over = SyncSlot.objects.filter(_is_over(now), broker_account__portfolio__simulated=simulated)
    slots = over.exclude(broker_account__head__lease_until__gte=Now())
    return list(slots.values_list("broker_account", flat=True).distinct()[:ACCOUNTS_AT_ONCE])


@transaction.atomic(durable=True)
def _end_those_of(account_ids: Sequence[UUID], now: datetime) -> int:
    free = AccountHead.objects.select_for_update().filter(AccountHead.lease_is_free(), account__among=account_ids)
    heads = list(free.order_by("pk"))
    over = SyncSlot.objects.filter(_is_over(now), broker_account__among=[head.account_id for head in heads])
    _say_why(over.filter(attempts=0, reason=""))
    slots = list(over.order_by("broker_account", "due_at"))
    SyncSlot.objects.filter(pk__among=[slot.pk for slot in slots]).update(
        result=F("standing"), next_attempt_at=None, told_at=now
    )
    facts = _facts([slot for slot in slots if slot.kind in WHOLE and slot.told_at is None])
    tell([head for head in heads if head.account_id in facts], facts, now)
    return len(slots)


def _say_why(untried: QuerySet[SyncSlot]) -> None:
    for broker in BrokerType.objects.exclude(failing_since=None):
        untried.filter(broker_account__broker=broker).update(reason=left_alone(broker))
    untried.update(reason=NOBODY_CAME)


def _facts(ended: Sequence[SyncSlot]) -> dict[object, Fact]:
    """What to tell of each account whose looks at everything have ended now."""
    looks = SyncSlot.objects.filter(
        broker_account__among={slot.broker_account_id for slot in ended},
        trading_day__in={slot.trading_day for slot in ended},
        kind__in=WHOLE,
        result__in=(SyncSlot.Result.COMPLETE, SyncSlot.Result.PARTIAL),
    ).values_list("broker_account", "trading_day", "due_at")
    seen = {(account_id, day) for account_id, day, due_at in looks if is_of_the_evening(due_at, day)}
    of_account = defaultdict(list)
    for slot in ended:
        of_account[slot.broker_account_id].append(slot)
    return {account_id: _fact(slots, seen) for account_id, slots in of_account.items()}


def _fact(slots: Sequence[SyncSlot], seen: Container[tuple[UUID, date]]) -> Fact:
    """Missed, when one of the days is; of a day that was seen something is in the book."""
    missed = [slot for slot in slots if (slot.broker_account_id, slot.trading_day) not in seen]
    told = missed or slots
    days = sorted({slot.trading_day.isoformat() for slot in told})
    looks = [f"{slot.due_at.astimezone(IST):%Y-%m-%d %H:%M}" for slot in told]
    reason = next((slot.reason for slot in reversed(told) if slot.reason), NOBODY_CAME if missed else UNCONFIRMED)
    return Fact(MISSED if missed else PARTIAL, {"days": days, "looks": looks, "reason": reason})
