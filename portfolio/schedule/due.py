"""Takes accounts whose slots are due, many at once. Any number of processes may do so side by side.

What is due stands in the slots; who works on an account stands on its head. Under the lease the slots are read again:
one that another run has just settled is not run a second time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from ledger.canonical import render

from ..models import AccountHead, BrokerAccount, BrokerType, SyncSlot
from ..sync import breakers, bulk
from ..sync.bulk import schema
from ..sync.capture import DAILY, Capture
from ..sync.claim import Moment, captured, free_heads, lease, open_batches
from ..sync.head import Head
from ..sync.recover import close_interrupted
from . import calendar

COMPANY = (10, 1)  # accounts at a time after one run that was killed, and after two
LATE_AFTER = timedelta(minutes=2)
ATTEMPT = schema("sync_slots", 1, "id:uuid attempts:integer is_late:boolean batch_id:uuid")


class Due:
    """Gives one run what is due, `room` accounts at a time, until nothing is left. Accounts whose run was killed before
    are a run of their own: they never join one that goes on, and nobody joins them."""

    def __init__(self, room: int, is_stopping: Callable[[], bool], simulated: bool = False) -> None:
        self._room, self._is_stopping, self._simulated = room, is_stopping, simulated
        self._has_begun = self._is_over = False

    def __call__(self, owner: UUID, now: datetime) -> list[Capture]:
        if self._is_over or self._is_stopping():
            return []
        captures = claim_due([self._room], owner, now, self._simulated)
        if not captures:
            self._is_over = True
            captures = [] if self._has_begun else claim_due([0, *COMPANY], owner, now, self._simulated)
        self._has_begun = True
        return captures


def claim_due(company: Sequence[int], owner: UUID, now: datetime, simulated: bool = False) -> list[Capture]:
    """At most so many accounts, by how many runs they have lost, each with an open batch. Empty when nothing is due
    that nobody works on."""
    wanted = _due_accounts(company, now, simulated)
    wanted += [account_id for code, account_id in _probes(now, simulated) if breakers.take_probe(code, now)]
    if not wanted:
        return []
    close_interrupted(wanted, now)
    seen = free_heads(wanted)
    with transaction.atomic(durable=True):
        heads = lease(seen, owner, skip_locked=True)
        due = _due_slots([head.account_id for head in heads], now)
        _let_go(head for head in heads if head.account_id not in due)
        moment = Moment.of(now)
        captures = [_captured(head, due[head.account_id], moment) for head in heads if head.account_id in due]
        open_batches(captures)
        _begin(captures, due)
    return captures


def is_any_due(now: datetime, simulated: bool = False) -> bool:
    """Whether there is one that nobody works on."""
    return bool(_due_accounts([1, 1, 1], now, simulated) or _probes(now, simulated))


def _is_due(now: datetime) -> Q:
    """A look whose trading day is not that of a capture made now, since the calendar was changed, is not for now."""
    return Q(result=None, next_attempt_at__lte=now, ends_at__gt=now, trading_day=calendar.trading_day(now))


def _due_accounts(company: Sequence[int], now: datetime, simulated: bool) -> list[UUID]:
    """Those that have waited longest. Accounts whose run was killed go later and in small company, then alone, so that
    one that kills every run takes no other with it."""
    free = _free(now, simulated).filter(broker_account__broker__failing_since=None)
    for lost_runs, most in enumerate(company):
        ids = free.filter(lost_runs=lost_runs).order_by("next_attempt_at").values_list("broker_account_id", flat=True)
        # An account may have several slots that are due.
        if found := list(dict.fromkeys(ids[: 3 * most]))[:most]:
            return found
    return []


def _probes(now: datetime, simulated: bool) -> list[tuple[str, UUID]]:
    """Of each broker that is left alone and may be tried again: the account that has waited longest. One that nobody
    has logged in for asks nothing, and finds nothing out."""
    failing = BrokerType.objects.filter(failing_since__isnull=False, probe_at__lte=now).values_list("pk", flat=True)
    able = _free(now, simulated).exclude(broker_account__state=BrokerAccount.State.NEEDS_LOGIN)
    longest = {
        code: able.filter(broker_account__broker=code).order_by("lost_runs", "next_attempt_at").first()
        for code in failing
    }
    return [(code, slot.broker_account_id) for code, slot in longest.items() if slot]


def _free(now: datetime, simulated: bool) -> QuerySet[SyncSlot]:
    """What is due to accounts that nobody works on and that may be asked."""
    of = {"broker_account__portfolio__active": True, "broker_account__portfolio__simulated": simulated}
    slots = SyncSlot.objects.filter(_is_due(now), **of)
    enabled = slots.exclude(broker_account__state=BrokerAccount.State.DISABLED)
    unhurried = enabled.exclude(broker_account__head__pause_until__gt=now)
    return unhurried.exclude(broker_account__head__lease_until__gte=Now())


def _due_slots(account_ids: Iterable[str], now: datetime) -> Mapping[str, list[SyncSlot]]:
    due: dict[str, list[SyncSlot]] = defaultdict(list)
    for slot in SyncSlot.objects.filter(_is_due(now), broker_account__among=list(account_ids)):
        due[str(slot.broker_account_id)].append(slot)
    return dict(due)


def _let_go(heads: Iterable[Head]) -> None:
    if ids := [head.id for head in heads]:
        AccountHead.objects.filter(pk__among=ids).update(lease_owner=None, lease_until=None)


def _captured(head: Head, slots: Sequence[SyncSlot], moment: Moment) -> Capture:
    """One run for all that is due to this account. Its batch says for when it was due."""
    kinds = {slot.kind for slot in slots}
    capture = captured(head, kinds.pop() if len(kinds) == 1 else DAILY, moment)
    first = min(slot.due_at for slot in slots)
    capture.metadata["due_at"] = first.isoformat()
    if moment.now > first + LATE_AFTER:
        capture.metadata["late"] = str(moment.now - first)
    return capture


def _begin(captures: Sequence[Capture], due: Mapping[str, Sequence[SyncSlot]]) -> None:
    """Counts the attempt before it is made: a run that dies every time must not be tried for ever."""
    rows = [
        (
            str(slot.pk),
            slot.attempts + 1,
            slot.is_late or capture.started_at > slot.due_at + LATE_AFTER,
            capture.batch_id,
        )
        for capture in captures
        for slot in due[capture.account_id]
    ]
    bulk.update(ATTEMPT, [render(ATTEMPT, row) for row in rows])
