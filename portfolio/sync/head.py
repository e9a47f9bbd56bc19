"""The head of an account as a run sees it, with what the run needs of the account: plain values from one query.

A model each of head, account, key and login would cost a quiet account more than all else that is done for it.
"""

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from ledger.canonical import schema

from ..models import AccountHead
from .reading import table_rows


class Login(NamedTuple):
    """The columns of stored credentials, still sealed."""

    account_id: UUID
    login_method: str
    sealed: bytes
    sealed_token: bytes | None
    entered_at: datetime


class Head(NamedTuple):
    """The columns of `account_heads`, what the account remembers, then the columns of account, key and login."""

    id: UUID
    account_id: UUID
    token: int
    page_number: int
    page_hash: bytes
    event_number: int
    question_number: int
    opened_on: date | None
    holdings_day: date | None
    sells_lower_holdings: bool | None
    pause_until: datetime | None  # its broker asked to be left alone for so long
    remembered: str | None
    client_id: str  # the broker's id of the account
    broker: str
    label: str
    state: str
    token_expires_at: datetime | None
    wrapped: bytes | None  # the evidence key
    login: Login | None

    @property
    def title(self) -> str:
        """How a person knows the account."""
        return f"{self.broker} {self.label or self.client_id}"


class Stands(NamedTuple):
    """What moves on with everything that is written of an account."""

    token: int
    page_number: int
    event_number: int


_STANDS = schema("account_heads", 1, "id:uuid token:integer page_number:integer event_number:integer")
_OF_ACCOUNT = "account_id broker_id label state token_expires_at key__wrapped"
_OF_LOGIN = tuple(f"account__credential__{name}" for name in Login._fields[1:])
_COLUMNS = (*Head._fields[:11], "memory__content", *(f"account__{name}" for name in _OF_ACCOUNT.split()), *_OF_LOGIN)


def read_heads(heads: QuerySet[AccountHead]) -> list[Head]:
    """These heads of accounts, in the order of their accounts."""
    rows = heads.order_by("account_id").values_list(*_COLUMNS)
    return [Head._make((*row[:18], _login(row[1], *row[18:]))) for row in rows]


def _login(
    account_id: UUID, method: str, sealed: bytes | None, sealed_token: bytes | None, entered_at: datetime
) -> Login | None:
    return None if sealed is None else Login(account_id, method, sealed, sealed_token, entered_at)


def lock(heads: QuerySet[AccountHead], skip_locked: bool = False) -> dict[str, Stands]:
    """Locks these heads in id order, as everybody locks them. How they stand under the lock, by id."""
    locked = heads.select_for_update(skip_locked=skip_locked).order_by("pk")
    return {pk: Stands(*numbers) for pk, *numbers in table_rows(locked, _STANDS)}
