"""The head of an account as a run sees it, with what the run needs of the account: plain values from one query.

A model each of head, account, key and login would cost a quiet account more than all else that is done for it.
"""

from datetime import date, datetime
from itertools import starmap
from operator import attrgetter
from typing import Any, NamedTuple

from django.db.models import QuerySet

from ledger.canonical import schema

from ..models import AccountHead
from .reading import rows, table_rows


class Login(NamedTuple):
    """The columns of stored credentials, still sealed."""

    account_id: str
    login_method: str
    sealed: bytes
    sealed_token: bytes | None
    entered_at: datetime


class Head(NamedTuple):
    """The columns of `account_heads`, what the account remembers, then the columns of account, key and login. Ids are
    the text of UUIDs."""

    id: str
    account_id: str
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
    wrapped: bytes  # the evidence key; empty: there is none any more
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
# Of what a head is read, and the kind of each column (`reading`): head, memory, account with key, and login.
_HEAD = (
    "id:uuid account_id:uuid token:integer page_number:integer page_hash:blob event_number:integer "
    "question_number:integer opened_on:date holdings_day:date sells_lower_holdings:boolean pause_until:instant"
)
_MEMORY = "memory__head_id:key memory__content:words"
_ACCOUNT = "account_id:words broker_id:words label:words state token_expires_at:instant key__wrapped:blob"
_LOGIN = "login_method:words sealed:blob sealed_token:blob entered_at:instant"


def _columns() -> list[tuple[str, str]]:
    of_account = [f"account__{column}" for column in _ACCOUNT.split()]
    of_login = [f"account__credential__{column}" for column in _LOGIN.split()]
    pairs = (column.partition(":") for column in (*_HEAD.split(), *_MEMORY.split(), *of_account, *of_login))
    return [(column, kind) for column, _, kind in pairs]


_COLUMNS, _KINDS = zip(*_columns(), strict=True)


def read_heads(heads: QuerySet[AccountHead]) -> list[Head]:
    """These heads of accounts, in the order of their accounts."""
    found = rows(heads.order_by().values_list(*_COLUMNS), _KINDS)
    return sorted(starmap(_head, found), key=attrgetter("account_id"))


def _head(*row: Any) -> Head:
    of_head, (memory, content), of_account, login = row[:11], row[11:13], row[13:19], row[19:]
    return Head._make((*of_head, content if memory else None, *of_account, _login(row[1], *login)))


def _login(
    account_id: str, method: str, sealed: bytes, sealed_token: bytes, entered_at: datetime | None
) -> Login | None:
    return Login(account_id, method, sealed, sealed_token or None, entered_at) if entered_at else None


def lock(heads: QuerySet[AccountHead], skip_locked: bool = False) -> dict[str, Stands]:
    """Locks these heads in id order, as everybody locks them. How they stand under the lock, by id."""
    locked = heads.select_for_update(skip_locked=skip_locked).order_by("pk")
    return {pk: Stands(*numbers) for pk, *numbers in table_rows(locked, _STANDS)}
