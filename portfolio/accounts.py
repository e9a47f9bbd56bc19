"""What people do to accounts: connect them, store and read their credentials, disable them."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from . import clock, keys
from .ids import new_uuid
from .installation import key_ring
from .models import AccountHead, AccountKey, BrokerAccount, BrokerAccountCredential, BrokerType, Portfolio


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
    of one that is there already."""
    with transaction.atomic():
        broker_type = _broker_type(broker)
        account, is_new = BrokerAccount.objects.get_or_create(
            user=portfolio.user,
            broker=broker_type,
            account_id=account_id,
            defaults={"portfolio": portfolio, "label": label, "state_since": clock.now(), "id": new_uuid()},
        )
        if is_new:
            AccountHead.objects.create(account=account)
            wrapped = keys.new_evidence_key(key_ring(), str(account.pk))
            AccountKey.objects.create(account=account, wrapped=wrapped)
        store_credentials(account, login_method, credentials)
    return account


def _broker_type(code: str) -> BrokerType:
    broker_type, _ = BrokerType.objects.get_or_create(code=code.upper(), defaults={"name": code.title()})
    return broker_type


def store_credentials(account: BrokerAccount, login_method: str, credentials: Mapping[str, str]) -> None:
    """Seals the credentials; the day's token of the old ones is thrown away. Whatever state the account was in, it is
    active again: its owner has just asked for that."""
    sealed = keys.seal(key_ring(), msgspec.json.encode(dict(credentials)), _context(account.pk, "credentials"))
    BrokerAccountCredential.objects.update_or_create(
        account=account, defaults={"login_method": login_method, "sealed": sealed, "sealed_token": None}
    )
    BrokerAccount.objects.filter(pk=account.pk).update(token_expires_at=None)
    BrokerAccount.objects.filter(pk=account.pk).exclude(state=BrokerAccount.State.ACTIVE).update(
        state=BrokerAccount.State.ACTIVE, state_since=clock.now(), state_reason=""
    )


def open_credentials(stored: BrokerAccountCredential) -> dict[str, Any]:
    """The plain credentials, with their `login_method`. CannotDecrypt when the key is gone or the row was changed."""
    plain = keys.unseal(key_ring(), bytes(stored.sealed), _context(stored.account_id, "credentials"))
    return {**msgspec.json.decode(plain), "login_method": stored.login_method}


def _context(account_id: object, what: str) -> str:
    return f"v1|{account_id}|{what}"


class StoredToken:
    """The day's access token of one account: sealed in the database, so that every worker shares it."""

    def __init__(
        self,
        stored: BrokerAccountCredential,
        expires_at: datetime | None,
        now: datetime,
        in_database: Callable[..., Awaitable[object]],
        hide: Callable[[list[str]], None],
    ) -> None:
        self._stored, self._expires_at, self._now, self._in_database = stored, expires_at, now, in_database
        self._hide = hide  # told of every token, so that none stands in an error's text

    def get(self) -> str | None:
        """The token that is still good, or None."""
        sealed = self._stored.sealed_token
        if sealed is None or self._expires_at is None or self._expires_at <= self._now:
            return None
        token = keys.unseal(key_ring(), bytes(sealed), _context(self._stored.account_id, "token")).decode()
        self._hide([token])
        return token

    async def put(self, token: str, expires_at: datetime) -> None:
        self._hide([token])
        await self._in_database(store_token, self._stored.account_id, token, expires_at)


def store_token(account_id: UUID, token: str, expires_at: datetime) -> None:
    sealed = keys.seal(key_ring(), token.encode(), _context(account_id, "token"))
    with transaction.atomic():
        BrokerAccountCredential.objects.filter(account=account_id).update(sealed_token=sealed)
        BrokerAccount.objects.filter(pk=account_id).update(token_expires_at=expires_at)


def disable(account: BrokerAccount, reason: str) -> None:
    """No sync touches it any more; its book stays."""
    BrokerAccount.objects.filter(pk=account.pk).update(
        state=BrokerAccount.State.DISABLED, state_since=clock.now(), state_reason=reason
    )
