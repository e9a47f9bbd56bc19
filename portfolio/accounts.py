"""What people do to accounts: connect them, store and read their credentials, disable and enable them.

Each such act writes its event in its own transaction. The head is locked first, as every writer of an account does.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from ledger.canonical import json_text, render_rows

from . import clock, evidence_keys, keys, startup
from .ids import new_uuid
from .installation import key_ring
from .models import (
    AccountHead,
    AccountKey,
    AccountMemory,
    BrokerAccount,
    BrokerAccountCredential,
    BrokerType,
    Event,
    Portfolio,
)  # fmt: skip
from .schedule.amendments import account_changed, logged_in
from .secret import Secret, hidden
from .sync import bulk
from .sync.head import Login

SEALED_TOKEN = bulk.schema("broker_account_credentials", 1, "account_id:uuid sealed_token:digest")
TOKEN_ENDS = bulk.schema("broker_accounts", 1, "id:uuid token_expires_at:instant updated_at:instant")
_TROUBLE = (BrokerAccount.State.NEEDS_LOGIN, BrokerAccount.State.FAILING)


def connect(
    *,
    portfolio: Portfolio,
    broker: str,
    account_id: str,
    login_method: str,
    credentials: Mapping[str, str],
    label: str = "",
) -> BrokerAccount:
    """Adds a broker account with its head, its evidence key and its sealed credentials, or renews the credentials
    of one that is there already, with the label where one is given."""
    startup.require_keys()
    with transaction.atomic():
        portfolio = Portfolio.objects.select_for_update(no_key=True).get(pk=portfolio.pk)  # no switch meanwhile
        account, is_new = _added(portfolio, broker, account_id, label)
        enable(account, "connected again")
        troubled = BrokerAccount.objects.filter(state__in=_TROUBLE)
        _turn(account, troubled, BrokerAccount.State.ACTIVE, "account.recovered", "logged in again")
        store_credentials(account, login_method, credentials)
        logged_in(account)
        _tell(_locked_head(account), "account.connected", login_method=login_method, is_new=is_new)
        if is_new and not portfolio.active:
            account_changed(account)
    return account


def _added(portfolio: Portfolio, broker: str, account_id: str, label: str) -> tuple[BrokerAccount, bool]:
    """With its head and its evidence key where it is new; and whether it is."""
    account, is_new = BrokerAccount.objects.get_or_create(
        user=portfolio.user,
        broker=_broker_type(broker),
        account_id=account_id,
        defaults={"portfolio": portfolio, "label": label, "state_since": clock.now(), "id": new_uuid()},
    )
    if is_new:
        head = AccountHead.objects.create(account=account, owed_until=account.created_at)
        AccountMemory.objects.create(head=head)
        wrapped = evidence_keys.new_evidence_key(key_ring(), str(account.pk))
        AccountKey.objects.create(account=account, wrapped=wrapped)
    elif label and label != account.label:
        account.label = label
        account.save(update_fields=["label", "updated_at"])
    return account, is_new


def _broker_type(code: str) -> BrokerType:
    broker_type, _ = BrokerType.objects.get_or_create(code=code.upper(), defaults={"name": code.title()})
    return broker_type


def store_credentials(account: BrokerAccount, login_method: str, credentials: Mapping[str, str]) -> None:
    """Seals the credentials; the day's token of the old ones is thrown away. Whatever state the account was in, it is
    active again: its owner has just asked for that."""
    sealed = keys.seal(key_ring(), msgspec.json.encode(dict(credentials)), context(account.pk, "credentials"))
    now = clock.now()
    BrokerAccountCredential.objects.update_or_create(
        account=account,
        defaults={"login_method": login_method, "sealed": sealed, "sealed_token": None, "entered_at": now},
    )
    BrokerAccount.objects.filter(pk=account.pk).update(token_expires_at=None, updated_at=now)
    BrokerAccount.objects.filter(pk=account.pk).exclude(state=BrokerAccount.State.ACTIVE).update(
        state=BrokerAccount.State.ACTIVE, state_since=now, state_reason=""
    )


def open_credentials(stored: BrokerAccountCredential | Login) -> dict[str, Secret]:
    """What its owner entered. CannotDecrypt when the key is gone or the row was changed."""
    plain = keys.unseal(key_ring(), bytes(stored.sealed), context(stored.account_id, "credentials"))
    return hidden(msgspec.json.decode(plain, type=dict[str, str]))


def context(account_id: object, what: str) -> str:
    return f"v1|{account_id}|{what}"


class StoredToken:
    """The day's access token of one account: sealed in the database, so that every worker shares it."""

    def __init__(
        self,
        stored: Login,
        expires_at: datetime | None,
        now: datetime,
        store: Callable[["NewToken"], Awaitable[object]],
        hide: Callable[[list[Secret]], None],
    ) -> None:
        self._stored, self._expires_at, self._now, self._store = stored, expires_at, now, store
        self._hide = hide  # told of every token, so that none stands in an error's text

    def get(self) -> str | None:
        """The token that is still good, or None."""
        sealed = self._stored.sealed_token
        if sealed is None or self._expires_at is None or self._expires_at <= self._now:
            return None
        token = keys.unseal(key_ring(), bytes(sealed), context(self._stored.account_id, "token")).decode()
        self._hide([Secret(token)])
        return token

    async def put(self, token: str, expires_at: datetime) -> None:
        new = NewToken(self._stored.account_id, Secret(token), expires_at)
        self._hide([new.token])
        await self._store(new)


class NewToken(NamedTuple):
    account_id: str
    token: Secret
    expires_at: datetime  # a trigger of somebody's own may say it in another zone, or in none: then it is India's


def store_tokens(new: Sequence[NewToken]) -> None:
    """Seals the tokens of these accounts for every worker. Of several of one account the last counts: with two rows for
    it a statement would leave open which."""
    ring, now = key_ring(), clock.now()
    last = {one.account_id: one for one in new}.values()
    sealed = [(pk, keys.seal(ring, token.reveal().encode(), context(pk, "token"))) for pk, token, _ in last]
    ends = [(pk, expires_at, now) for pk, _, expires_at in last]
    with transaction.atomic():
        bulk.update(SEALED_TOKEN, render_rows(SEALED_TOKEN, sealed))
        bulk.update(TOKEN_ENDS, render_rows(TOKEN_ENDS, ends))


def disable(account: BrokerAccount, reason: str) -> bool:
    """No sync touches it any more; its book stays. Returns whether it was enabled until now."""
    others = BrokerAccount.objects.exclude(state=BrokerAccount.State.DISABLED)
    return _turn(account, others, BrokerAccount.State.DISABLED, "account.disabled", reason)


def enable(account: BrokerAccount, reason: str) -> bool:
    """Syncs take it again, with the credentials that it has. Returns whether it was disabled until now; what was erased
    stays so."""
    disabled = BrokerAccount.objects.filter(state=BrokerAccount.State.DISABLED, key__destroyed_at=None)
    return _turn(account, disabled, BrokerAccount.State.ACTIVE, "account.enabled", reason)


@transaction.atomic
def _turn(account: BrokerAccount, those: QuerySet[BrokerAccount], state: str, kind: str, reason: str) -> bool:
    """Brings the account into another state, if it is one of `those`, and tells of it."""
    head, kept = _locked_head(account), reason if state == BrokerAccount.State.DISABLED else ""
    now = clock.now()
    turned = those.filter(pk=account.pk).update(state=state, state_since=now, state_reason=kept, updated_at=now)
    if turned:
        _tell(head, kind, reason=reason)
        account_changed(account, is_told=kind in ("account.enabled", "account.disabled"))
    return bool(turned)


def _locked_head(account: BrokerAccount) -> AccountHead:
    return AccountHead.objects.select_for_update().get(account=account)


def _tell(head: AccountHead, kind: str, **facts: object) -> None:
    """The account's next event. Under the head's lock, so that its number is nobody else's."""
    head.event_number += 1
    head.save(update_fields=["event_number"])
    payload = json_text({"account": str(head.account_id), **facts})
    Event.objects.create(
        broker_account_id=head.account_id, number=head.event_number, kind=kind, payload=payload, created_at=clock.now()
    )
