"""What operators changed: their rows of the calendar, and what that means for slots that are written down already."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from .. import clock
from ..models import AccountHead, BrokerAccount, CalendarDay, Portfolio, Schedule, SessionHours, SyncSlot
from ..sync.emit import Fact, tell
from . import calendar
from .calendar import Differing, Hours
from .owe import NO_SESSION, SWITCHED_OFF, SWITCHED_ON, owe_of, owe_so_far, read_plans, reopen
from .plan import midnight_after, owed_since

_Result = SyncSlot.Result
_ALL = Q()
CLOSED = "the market was closed, as the calendar says now"


def refresh() -> None:
    """Reads the operators' rows anew: once a tick, sync or page, as the clock is asked. Two small queries."""
    days = CalendarDay.objects.values_list("date", "kind", "opens", "closes")
    hours = SessionHours.objects.values_list("valid_from", "pre_open", "opens", "closes", "post_close_ends")
    calendar.amend([Differing(*row) for row in days], [Hours(*row) for row in hours])


@transaction.atomic
def calendar_changed(days: Collection[date] = ()) -> None:
    """After an operator changed something of these days, or of hours. What is to come is written down anew; a missed
    day that turns out to have been closed was none, and one that turns out to have been a session is owed after all."""
    refresh()
    now, today = clock.now(), clock.today()
    sessions = [day for day in days if calendar.session(day)]
    list(_locked(_ALL).values_list("pk"))
    _close(set(days) - set(sessions))
    _open(sessions, now)
    write_anew(now, calendar.midnight_of(today) if today in sessions else now)
    for day in sessions:
        if day < today:
            owe_of(day)


def _close(days: Collection[date]) -> None:
    """Looks that are to come stay as well: the day may turn out to have had a session after all. Those that have ended
    keep their reason, by which `_open` knows that it was told."""
    closed = SyncSlot.objects.filter(trading_day__in=days)
    closed.filter(result=None).update(result=_Result.HOLIDAY, next_attempt_at=None, reason=CLOSED)
    closed.filter(result__in=(_Result.MISSED, _Result.PARTIAL)).update(result=_Result.HOLIDAY)


def _open(days: Collection[date], now: datetime) -> None:
    """What had ended before the day was closed is tried again while that can be, or is what it was; the rest is owed
    after all."""
    closed = SyncSlot.objects.filter(trading_day__in=days, result=_Result.HOLIDAY)
    can_be_tried = Q(ends_at__gt=now, broker_account__in=BrokerAccount.objects.askable())
    closed.filter(Q(reason=CLOSED) | can_be_tried).update(
        result=None, next_attempt_at=Greatest(_value(now), "due_at"), reason=NO_SESSION
    )
    closed.update(result=F("standing"))


def schedule_changed(code: str) -> None:
    """After an operator changed a schedule or its looks."""
    write_anew(clock.now(), accounts=_followers(code))


def _followers(code: str) -> Q:
    followers = Q(account__schedule=code)
    return followers | Q(account__schedule=None) if code == Schedule.DEFAULT else followers


def portfolio_changed(portfolio: Portfolio) -> None:
    """After a portfolio was switched on or off."""
    _switch(Q(account__portfolio=portfolio))


def account_changed(account: BrokerAccount, is_told: bool = False) -> None:
    """After an account got another schedule or portfolio, or was enabled or disabled, of which an event told."""
    _switch(Q(account=account), is_told)


@transaction.atomic
def _switch(accounts: Q, is_told: bool = False) -> None:
    """Which of them may be asked is read under the locks of all their heads: it may have changed meanwhile. An account
    that was just said to be enabled is said to be off where its portfolio is."""
    heads = list(_locked(accounts))
    found = BrokerAccount.objects.askable().filter(pk__among=_accounts(heads))
    askable = set(found.values_list("pk", flat=True))
    _take_up([head for head in heads if head.account_id in askable], is_told)
    _owe_nothing([head for head in heads if head.account_id not in askable], is_told)


def _take_up(heads: Sequence[AccountHead], is_told: bool) -> None:
    """These are owed what is to come, and of today the last look, if that is over already; it can still be made. Of
    days on which nobody was to ask for them, nothing."""
    now, ids = clock.now(), _accounts(heads)
    idle = [head for head in heads if head.owed_until is None]
    AccountHead.objects.filter(pk__among=[head.pk for head in idle]).update(
        asked_since=now, owed_until=midnight_after(now)
    )
    if not is_told:
        _tell(idle, SWITCHED_ON, "its portfolio is switched on", now)
    for code, plan in read_plans().items():
        write_anew(now, owed_since(plan, now), Q(account__among=ids) & _followers(code))
    reopen(SyncSlot.objects.filter(broker_account__among=ids), now)


def _owe_nothing(heads: Sequence[AccountHead], is_told: bool) -> None:
    """From now on: what could still be tried goes, if it was not, or ends as it stands. A day that was over before is
    missed, also where nobody wrote down until now that it was owed."""
    now, ids = clock.now(), _accounts(heads)
    owe_so_far(ids, now)
    let_go(ids, now)
    disabled = BrokerAccount.objects.filter(pk__among=ids, state=BrokerAccount.State.DISABLED)
    apart = set(disabled.values_list("pk", flat=True))
    off = [head for head in heads if head.account_id not in apart and (is_told or head.owed_until is not None)]
    _tell(off, SWITCHED_OFF, "its portfolio is switched off", now)


def let_go(account_ids: Sequence[UUID], now: datetime) -> None:
    """Nobody asks for these any more. Under the locks of their heads."""
    slots = SyncSlot.objects.filter(broker_account__among=list(account_ids), ends_at__gt=now)
    slots.filter(Q(result=None, attempts=0) | Q(result=_Result.HOLIDAY), told_at=None).delete()
    slots.filter(result=None).update(result=F("standing"), next_attempt_at=None)
    AccountHead.objects.filter(account__among=list(account_ids)).update(owed_until=None)


def _accounts(heads: Sequence[AccountHead]) -> list[UUID]:
    return [head.account_id for head in heads if head.account_id]


def _tell(heads: Sequence[AccountHead], kind: str, reason: str, now: datetime) -> None:
    if heads:
        tell(heads, {head.account_id: Fact(kind, {"reason": reason}) for head in heads}, now)


def logged_in(account: BrokerAccount) -> None:
    """After its owner logged in: what waits, for that or for another attempt, is due at once. Holds its head's lock."""
    now = clock.now()
    waiting = SyncSlot.objects.filter(broker_account=account, result=None, due_at__lte=now, ends_at__gt=now)
    waiting.update(next_attempt_at=now)


@transaction.atomic
def write_anew(now: datetime, since: datetime | None = None, accounts: Q = _ALL) -> None:
    """Slots that are not due yet go, and the next tick writes down what is owed since then, as the schedule and the
    calendar are by that time. `accounts`: which, as a condition on their heads; all without it."""
    ids = list(_locked(accounts).filter(owed_until__gt=since or now).values_list("account_id", flat=True))
    SyncSlot.objects.filter(broker_account__among=ids, result=None, attempts=0, due_at__gt=now).delete()
    connected = BrokerAccount.objects.filter(pk=OuterRef("account")).values("created_at")
    born = Coalesce("asked_since", Subquery(connected))
    AccountHead.objects.filter(account__among=ids).update(owed_until=Greatest(_value(since or now), born))


def _value(moment: datetime) -> Value:
    return Value(moment, output_field=DateTimeField())


def _locked(accounts: Q) -> QuerySet[AccountHead]:
    """In id order, as everybody locks them; the installation's own head is nobody's account."""
    heads = AccountHead.objects.select_for_update(of=("self",)).exclude(account=None)
    return heads.filter(accounts).order_by("pk").only("account", "event_number", "owed_until")
