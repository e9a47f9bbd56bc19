"""Writes down what is owed: a slot for each look of each account, up to the end of today in India.

An account's head remembers until when that was done, so that an account that was connected today, or a week in which
nobody came, needs nothing special. Whoever comes first does it; the others wait for the heads and find nothing left.
One that nobody is to ask for, since it is disabled or its portfolio is switched off, is owed nothing: no date there.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Least

from ledger.canonical import Rendered, render

from ..ids import new_ids
from ..models import AccountHead, BrokerAccount, BrokerType, Event, Schedule, ScheduledLook, SyncSlot
from ..sync import bulk
from ..sync.bulk import schema
from ..sync.capture import WHOLE
from ..triggers.registry import needs_person
from . import calendar
from .plan import Look, Owed, Plan, midnight_after, owed_between, owed_since

logger = logging.getLogger(__name__)

ACCOUNTS_AT_ONCE = 1000
NO_SESSION = "the calendar had no session on that day"
SWITCHED_OFF, SWITCHED_ON = "account.switched_off", "account.switched_on"  # with its portfolio
_OFF, _ON = ("account.disabled", SWITCHED_OFF), ("account.enabled", SWITCHED_ON)
CLOCKS_DIFFER: Final = timedelta(minutes=10)  # by no more, where several machines tick
SLOT = schema(
    "sync_slots",
    1,
    "id:uuid broker_account_id:uuid trading_day:date kind due_at:instant retry_until:instant ends_at:instant "
    "attempts:integer lost_runs:integer next_attempt_at:instant is_late:boolean standing reason",
)


class Follower(NamedTuple):
    """An account whose looks are not written down yet. `born`: when it was connected, or switched on the last time;
    `is_synced` is False for one that no sync may touch, `is_attended` is True where its owner has to log in every
    day."""

    head_id: UUID
    account_id: UUID
    owed_until: datetime
    schedule: str
    connected: datetime
    born: datetime
    is_synced: bool
    is_attended: bool


def owe(now: datetime, simulated: bool = False) -> int:
    """Returns how many slots were written. Costs one query when all are there."""
    return _owe(now, Q(account__portfolio__simulated=simulated))


def owe_to(account_ids: Iterable[str], now: datetime) -> int:
    """The same for these alone: a sync that nobody owed settles what is due as well, if that is written down."""
    return _owe(now, Q(account__among=list(account_ids)))


def _owe(now: datetime, whom: Q) -> int:
    until, count = midnight_after(now), 0
    behind, ahead = Q(owed_until__lt=until), Q(owed_until__gt=midnight_after(now + CLOCKS_DIFFER))
    if not AccountHead.objects.filter(whom, behind | ahead).exists():
        return 0
    _take_back(AccountHead.objects.filter(whom, ahead), now)
    while _behind(until, whom).exists():
        count += _owe_some(until, whom)
    return count


def _behind(until: datetime, whom: Q) -> QuerySet[AccountHead]:
    return AccountHead.objects.filter(whom, owed_until__lt=until)


@transaction.atomic(durable=True)
def _take_back(ahead: QuerySet[AccountHead], now: datetime) -> None:
    """After the clock was put back by a day or more: days that were ended before they came are owed when they come. A
    clock that was hours ahead on the same day is not noticed: what was ended or put off by it stays so."""
    heads = dict(ahead.select_for_update(of=("self",)).order_by("pk").values_list("pk", "account"))
    if not heads:
        return
    logger.warning("the clock was ahead: what was written down for after %s is owed anew", now)
    slots = SyncSlot.objects.filter(broker_account__among=list(heads.values()))
    slots.filter(due_at__gt=now).delete()
    reopen(slots, now)
    AccountHead.objects.filter(pk__among=list(heads)).update(owed_until=now, pause_until=None)
    since = Least("failing_since", Value(now, output_field=DateTimeField()))
    BrokerType.objects.exclude(failing_since=None).update(failing_since=since, probe_at=now)


def reopen(slots: QuerySet[SyncSlot], now: datetime) -> None:
    """Those that were ended while the broker still has their day are tried again."""
    early = slots.filter(result__in=(SyncSlot.Result.MISSED, SyncSlot.Result.PARTIAL), ends_at__gt=now)
    early.filter(due_at__lte=now).update(result=None, next_attempt_at=now)


def owe_of(day: date) -> None:
    """The looks of a day that is over and turns out to have had a session: to accounts that were to be asked when it
    ended, and have none of it. Those of other days stay as they were owed, whatever the schedule is by now. Which
    schedule an account had on that day is not known: what it has now counts. Of who was erased nothing is written."""
    begin, end = calendar.midnight_of(day), calendar.midnight_of(day + timedelta(1))
    looked = SyncSlot.objects.filter(
        broker_account=OuterRef("account"), kind__in=WHOLE, trading_day=day, due_at__gte=begin, due_at__lt=end
    )
    heads = AccountHead.objects.filter(~Exists(looked), account__created_at__lt=end, account__key__destroyed_at=None)
    ids = list(heads.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), ACCOUNTS_AT_ONCE):
        followers = _followers(AccountHead.objects.filter(pk__among=ids[first : first + ACCOUNTS_AT_ONCE]))
        asked = [follower._replace(owed_until=max(begin, follower.born)) for follower in _asked(followers, end)]
        _write(asked, end, NO_SESSION)


def _asked(followers: Sequence[Follower], end: datetime) -> Iterator[Follower]:
    """Those that were to be asked at that time, as their events tell, each born when it was switched on before."""
    of_account = defaultdict(list)
    events = Event.objects.filter(broker_account__among=[each.account_id for each in followers], kind__in=_OFF + _ON)
    for account_id, kind, at in events.order_by("number").values_list("broker_account", "kind", "created_at"):
        of_account[account_id].append((at, kind in _ON))
    for follower in followers:
        if since := _on_since(follower, of_account[follower.account_id], end):
            yield follower._replace(born=since, is_synced=True)


def _on_since(follower: Follower, switches: Sequence[tuple[datetime, bool]], end: datetime) -> datetime | None:
    """None for one that was off, and for one of which nothing tells since when it is off, or was."""
    before = [switch for switch in switches if switch[0] < end]
    if before:
        since, is_on = before[-1]
        return since if is_on else None
    was_on = not switches[0][1] if switches else follower.is_synced
    return follower.connected if was_on else None


def owe_so_far(account_ids: Sequence[UUID], now: datetime) -> None:
    """What these are owed up to now, before nobody asks for them any more. Within a transaction."""
    behind = Q(account__among=list(account_ids))
    while followers := _followers(_behind(now, behind)):
        _write([follower._replace(is_synced=True) for follower in followers], now)
        AccountHead.objects.filter(pk__among=[follower.head_id for follower in followers]).update(owed_until=now)


def read_plans() -> dict[str, Plan]:
    """Every schedule as a value, by its code."""
    looks = [
        (
            look.schedule_id,
            Look(look.kind, look.at, look.days == look.Days.SESSIONS, look.weekdays, look.unattended_only),
        )
        for look in ScheduledLook.objects.all()
    ]
    return {
        one.code: Plan(one.zone, one.retries_until, tuple(look for code, look in looks if code == one.code))
        for one in Schedule.objects.all()
    }


@transaction.atomic(durable=True)
def _owe_some(until: datetime, whom: Q) -> int:
    followers = _followers(_behind(until, whom))
    count = _write(followers, until)
    AccountHead.objects.filter(pk__among=[follower.head_id for follower in followers]).update(owed_until=until)
    return count


def _write(followers: Sequence[Follower], until: datetime, reason: str = "") -> int:
    owed = list(_owed(followers, until))
    known = _known(owed)
    new = [(account_id, each) for account_id, each in owed if (account_id, *each[:3]) not in known]
    bulk.insert(SLOT, [_row(slot_id, *each, reason) for slot_id, each in zip(new_ids(len(new)), new, strict=True)])
    return len(new)


def _followers(those: QuerySet[AccountHead]) -> list[Follower]:
    """Locks their heads, in id order as everybody does."""
    heads = those.select_for_update(of=("self",)).order_by("pk")
    synced = BrokerAccount.objects.askable().filter(pk=OuterRef("account"))
    rows = heads.values_list(
        "pk", "account", "owed_until", "account__schedule", "account__created_at",
        Coalesce("asked_since", "account__created_at"), Exists(synced),
        "account__broker", "account__credential__login_method",
    )  # fmt: skip
    found = list(rows[:ACCOUNTS_AT_ONCE])
    attended = {login for login in {row[-2:] for row in found} if needs_person(*login)}
    return [
        Follower(pk, account, since, code or Schedule.DEFAULT, connected, born, is_synced, (broker, method) in attended)
        for pk, account, since, code, connected, born, is_synced, broker, method in found
    ]


def _owed(followers: Sequence[Follower], until: datetime) -> Iterator[tuple[UUID, Owed]]:
    plans = read_plans()
    made: dict[tuple[str, datetime], list[Owed]] = {}  # most accounts were last seen to together
    for follower in followers:
        plan, since = plans[follower.schedule], follower.owed_until
        if since == follower.born:
            since = owed_since(plan, since)
        key = (follower.schedule, since)
        if key not in made:
            made[key] = owed_between(plan, since, until)
        if follower.is_synced:
            owed = (each for each in made[key] if not (each.unattended_only and follower.is_attended))
            yield from ((follower.account_id, each) for each in owed)


def _known(owed: Iterable[tuple[UUID, Owed]]) -> set[tuple[UUID, date, str, datetime]]:
    """Those that are there already, after the schedule was changed."""
    owed = list(owed)
    there = SyncSlot.objects.filter(
        broker_account__among={account_id for account_id, _ in owed},
        trading_day__in={each.trading_day for _, each in owed},
    )
    return set(there.values_list("broker_account_id", "trading_day", "kind", "due_at"))


def _row(slot_id: str, account_id: UUID, owed: Owed, reason: str) -> Rendered:
    return render(SLOT, (
        slot_id, str(account_id), owed.trading_day, owed.kind, owed.due_at, owed.retry_until, owed.ends_at, 0, 0,
        owed.due_at, False, SyncSlot.Result.MISSED.value, reason,
    ))  # fmt: skip
