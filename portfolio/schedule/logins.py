"""Logins that a person makes every day: an account says that it needs one as soon as the last one has ended, and its
owner is reminded once a day, before the evening's look. On days on which the account is owed such a look alone.

A login that is refused shows when the broker is asked: see `sync.record`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from ledger.normalise import IST, ist_date

from ..models import AccountHead, BrokerAccount, SyncSlot
from ..sync.capture import WHOLE
from ..sync.emit import Fact, tell
from ..triggers.registry import needs_person
from . import calendar

REQUIRED, REMINDER = "account.login_required", "account.login_reminder"
BEFORE_THE_CLOSE: Final = timedelta(hours=1)
_State = BrokerAccount.State


def see_to_logins(now: datetime, simulated: bool = False) -> None:
    """Costs one query where nobody has to log in, and one more in the hours before the evening's look."""
    _for_each(_ended(now, simulated), _require, now)
    session = calendar.session(ist_date(now))
    if session and now >= session.closes - BEFORE_THE_CLOSE:
        _for_each(_waiting(now, simulated), _remind, now)


def _for_each(
    accounts: QuerySet[BrokerAccount], act: Callable[[Sequence[BrokerAccount], datetime], dict[object, Fact]],
    now: datetime,
) -> None:  # fmt: skip
    """Under the locks of their heads, with one event each. Whoever comes second finds none left."""
    if not (ids := list(accounts.values_list("pk", flat=True))):
        return
    with transaction.atomic(durable=True):
        heads = list(AccountHead.objects.select_for_update().filter(account__among=ids).order_by("pk"))
        facts = act(list(accounts.filter(pk__among=ids)), now)
        tell([head for head in heads if head.account_id in facts], facts, now)


def _owed(now: datetime, simulated: bool) -> QuerySet[BrokerAccount]:
    """Accounts that are owed a look at everything today, which can still be made."""
    today = SyncSlot.objects.filter(
        broker_account=OuterRef("pk"), result=None, kind__in=WHOLE, trading_day=ist_date(now), ends_at__gt=now
    )
    return BrokerAccount.objects.to_sync(simulated).filter(Exists(today))


def _ended(now: datetime, simulated: bool) -> QuerySet[BrokerAccount]:
    """Those whose login has ended by what the broker said of it, and that do not say so yet."""
    over = BrokerAccount.objects.filter(token_expires_at__lte=now, state__in=(_State.ACTIVE, _State.FAILING))
    logins = over.values_list("broker", "credential__login_method").distinct()
    by_hand = [Q(broker=code, credential__login_method=method) for code, method in logins if needs_person(code, method)]
    if not by_hand:
        return BrokerAccount.objects.none()
    return _owed(now, simulated).filter(Q(*by_hand, _connector=Q.OR), pk__in=over)


def _require(accounts: Sequence[BrokerAccount], now: datetime) -> dict[object, Fact]:
    facts: dict[object, Fact] = {}
    for account in accounts:
        ended = account.token_expires_at or now
        reason = f"the login ended on {ended.astimezone(IST):%d %b at %H:%M}; {_advice(account)}"
        BrokerAccount.objects.filter(pk=account.pk).update(
            state=_State.NEEDS_LOGIN, state_since=ended, state_reason=reason, updated_at=now
        )
        facts[account.pk] = Fact(REQUIRED, {"reason": reason})
    return facts


def _waiting(now: datetime, simulated: bool) -> QuerySet[BrokerAccount]:
    """Those that need a login for today's look, and were not reminded of it today."""
    today = ist_date(now)
    unreminded = Q(head__reminded_on=None) | ~Q(head__reminded_on=today)
    return _owed(now, simulated).filter(unreminded, state=_State.NEEDS_LOGIN)


def _remind(accounts: Sequence[BrokerAccount], now: datetime) -> dict[object, Fact]:
    AccountHead.objects.filter(account__among=[account.pk for account in accounts]).update(reminded_on=ist_date(now))
    return {
        account.pk: Fact(REMINDER, {"since": account.state_since, "reason": account.state_reason or _advice(account)})
        for account in accounts
    }


def _advice(account: BrokerAccount) -> str:
    return f"log in again: {account.login_command}"
