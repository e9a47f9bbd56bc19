"""Which days of which accounts are in the book, and what is missing: account by trading day. Reads; writes nothing."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from ledger.coverage import (
    HOLIDAY,
    NOT_OWED,
    PARTIAL,
    TO_COME,
    WAITING,
    WANTING,
    Capture,
    Look,
    of_captures,
    of_looks,
)
from ledger.normalise import ist_date

from ..models import BrokerAccount, BrokerType, Schedule, SyncBatch, SyncSlot
from ..sync.breakers import left_alone
from ..sync.capture import WHOLE
from . import calendar
from .owe import read_plans
from .plan import Plan, is_of_the_evening, last_whole_look

DAY_ONLY = ("orders", "trades")  # brokers have these for the day itself and no longer
ALL = ("holdings", "positions", "orders", "trades", "funds")
SHORT = ("orders_missing", "fills_missing")  # problems of a section that came, and not all of it


class Day(NamedTuple):
    """`missing`: sections, empty when nothing is. `fetch_until`: until then a sync still gets it; None: import it."""

    day: date
    result: str
    is_late: bool = False
    reason: str = ""
    missing: tuple[str, ...] = ()
    fetch_until: datetime | None = None


class Row(NamedTuple):
    account: BrokerAccount
    days: list[Day]


def cover(accounts: Sequence[BrokerAccount], first: date, last: date, now: datetime) -> list[Row]:
    """A row an account, with every day from `first` to `last`. The number of queries depends on nothing."""
    slots = _slots(accounts, first, last)
    bare = [account.pk for account in accounts if any((account.pk, day) not in slots for day in _days(first, last))]
    captures = _captures(bare, first, last) if bare else {}
    failing = {broker.pk: left_alone(broker) for broker in BrokerType.objects.exclude(failing_since=None)}
    plans = read_plans()
    rows = []
    for account in accounts:
        plan = plans[account.schedule_id or Schedule.DEFAULT]
        days = [
            _day(account, plan, day, slots.get((account.pk, day), ()), captures.get((account.pk, day), ()), now)
            for day in _days(first, last)
        ]
        if why := failing.get(account.broker_id):
            days = [day._replace(reason=why) if day.result == WAITING else day for day in days]
        rows.append(Row(account, days))
    return rows


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(n) for n in range((last - first).days + 1))


def _slots(accounts: Iterable[BrokerAccount], first: date, last: date) -> Mapping[tuple[UUID, date], list[SyncSlot]]:
    """Looks at the whole account, on the trading day itself; one during the session says nothing of its end."""
    found = defaultdict(list)
    wanted = SyncSlot.objects.filter(
        broker_account__among=[account.pk for account in accounts], trading_day__range=(first, last), kind__in=WHOLE
    )
    for slot in wanted.select_related("batch").order_by("due_at"):
        if is_of_the_evening(slot.due_at, slot.trading_day):
            found[slot.broker_account_id, slot.trading_day].append(slot)
    return found


def _captures(account_ids: Iterable[UUID], first: date, last: date) -> Mapping[tuple[UUID, date], list[Capture]]:
    found = defaultdict(list)
    batches = SyncBatch.objects.filter(
        broker_account__among=list(account_ids), trading_day__range=(first, last), sync_type__in=WHOLE,
        status__in=(SyncBatch.Status.COMPLETED, SyncBatch.Status.PARTIAL),
    )  # fmt: skip
    for account_id, day, started_at, status in batches.values_list(
        "broker_account", "trading_day", "started_at", "status"
    ):
        if ist_date(started_at) == day and calendar.is_after_close(started_at, day):
            found[account_id, day].append(Capture(started_at, status == SyncBatch.Status.COMPLETED))
    return found


def _day(
    account: BrokerAccount, plan: Plan, day: date, slots: Sequence[SyncSlot], captures: Sequence[Capture], now: datetime
) -> Day:
    if slots:
        return _of_slots(slots, now)
    if calendar.session(day) is None:
        return Day(day, HOLIDAY)
    today = ist_date(now)
    result = of_captures(captures, last_whole_look(plan, day), is_over=day < today)
    is_asked = account.is_active and account.portfolio.active
    if result == NOT_OWED and is_asked and day >= max(today, ist_date(account.created_at)):
        return Day(day, TO_COME)
    if result == PARTIAL:
        return Day(day, result, reason="not confirmed at the day's last look")
    return Day(day, result)


def _of_slots(slots: Sequence[SyncSlot], now: datetime) -> Day:
    result = of_looks([Look(slot.due_at, slot.result, slot.standing, slot.due_at <= now) for slot in slots])
    day, is_late = slots[0].trading_day, any(slot.is_late for slot in slots)
    if result not in WANTING:
        return Day(day, result, is_late)
    ends_at = max(slot.ends_at for slot in slots)
    reason = next((slot.reason for slot in reversed(slots) if slot.reason), "")
    return Day(day, result, is_late, reason, _missing(result, slots), ends_at if now < ends_at else None)


def _missing(result: str, slots: Sequence[SyncSlot]) -> tuple[str, ...]:
    """Of a day that was seen, what its best look did not get; of one that was not, everything."""
    if result != PARTIAL:
        return ALL
    batches = sorted((slot.batch for slot in slots if slot.batch), key=lambda batch: batch.started_at)
    seen = [(_ended(batch), _short(batch)) for batch in batches]
    return tuple(name for name in ALL if _is_lacking(name, seen))


def _ended(batch: SyncBatch) -> Mapping[str, str]:
    sections: Mapping[str, str] = json.loads(batch.metadata).get("sections", {})
    return sections


def _short(batch: SyncBatch) -> set[str]:
    """The sections of which more is known to be than came."""
    return {problem["section"] for problem in json.loads(batch.error_details) if problem["kind"] in SHORT}


def _is_lacking(name: str, seen: Iterable[tuple[Mapping[str, str], set[str]]]) -> bool:
    """What was there stays; but what is found short later was so before."""
    is_lacking = True
    for ended, short in seen:
        is_lacking = name in short or (is_lacking and ended.get(name) in ("failed", "suspect"))
    return is_lacking
