"""Makes the tables of the present again from the book, and says where they differed.

Holdings, positions and the account head are projections; orders, transactions and snapshots have no table of the
present, they are read from the book itself. Each account is done under its head's lock, so that syncs may go on.
Changes no row of the book.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import models, transaction
from django.db.models import Max

from . import book, clock, remembered
from .models import (
    AccountHead,
    BrokerAccount,
    ChangeExplanation,
    Event,
    HoldingChange,
    Price,
    RealHolding,
    RealPosition,
)
from .sync.capture import Memory
from .sync.emit import Fact, tell
from .sync.rows import priced

_NEVER_COMPARED = {"id", "created_at", "last_updated_at"}
Projection = RealHolding | RealPosition


class Difference(NamedTuple):
    """One thing in a table that is not as the book says. `column` is empty where a whole row is missing or too many."""

    account: UUID
    table: str
    subject: str
    column: str
    found: str
    expected: str


class _Table(NamedTuple):
    """One projection: its model, the columns that name a row, and what it must hold."""

    model: type[Any]
    key: Sequence[str]
    read: Callable[..., Sequence[Any]]


_TABLES = (
    _Table(RealHolding, book.HOLDING_KEY, book.holdings),
    _Table(RealPosition, book.POSITION_KEY, book.positions),
)


def rebuild(accounts: Iterable[BrokerAccount], repair: bool) -> Iterator[tuple[BrokerAccount, list[Difference]]]:
    """Each account with what differed; by then it is mended, where `repair` says so."""
    for account in accounts:
        with transaction.atomic():
            found = rebuild_one(account, repair)
        yield account, found


def rebuild_one(account: BrokerAccount, repair: bool) -> list[Difference]:
    """Within a transaction of the caller's."""
    head = AccountHead.objects.select_for_update().get(account=account)
    found = [*mend(account, repair), *_compare_head(account, head)]
    if found and repair:
        Memory.of(head).without_answers().keep(head)
        head.save()
        tell([head], {account.pk: Fact("account.rebuilt", {"differences": len(found)})}, clock.now())
    return found


def mend(account: BrokerAccount, repair: bool = True) -> list[Difference]:
    """The tables alone; the caller holds the head."""
    return [difference for table in _TABLES for difference in _compare(table, account, repair)]


def _compare(table: _Table, account: BrokerAccount, repair: bool) -> list[Difference]:
    """What differs in one table of one account; then it is mended."""
    stored = {_key(table, row): row for row in table.read([account.pk])}
    wanted = {_key(table, row): row for row in table.read([account.pk], book.NOW)}
    _let_prices_stand(account, stored, wanted)
    differences: list[Difference] = []
    for key in {**stored, **wanted}:
        found = list(_differences(account, table, stored.get(key), wanted.get(key)))
        differences += found
        if found and repair:
            _mend(stored.get(key), wanted.get(key))
    return differences


def _key(table: _Table, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in table.key)


def _let_prices_stand(account: BrokerAccount, stored: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
    """Any price that the book has of its day may stand: another account may have seen a later one. None may, too."""
    pairs = [(stored[key], wanted[key]) for key in stored.keys() & wanted.keys()]
    others = [(was, must) for was, must in pairs if _price(was) != _price(must)]
    known = _prices_of(account, [was for was, _ in others])
    for was, must in others:
        if was.current_price is None or (was.instrument_id, *_price(was)) in known:
            must.current_price, must.price_day = _price(was)
            if isinstance(must, RealHolding):
                must.current_value = priced(must.owned_quantity, must.current_price)


def _price(row: Projection) -> tuple[Decimal | None, date | None]:
    return row.current_price, row.price_day if row.current_price is not None else None


def _prices_of(account: BrokerAccount, rows: Sequence[Projection]) -> set[tuple[Any, ...]]:
    if not rows:
        return set()
    found = Price.objects.filter(
        instrument__among=[row.instrument_id for row in rows], price_date__in={row.price_day for row in rows}
    ).filter(source=account.broker_id)
    return set(found.values_list("instrument_id", "price", "price_date"))


def _differences(account: BrokerAccount, table: _Table, was: Any, must: Any) -> Iterator[Difference]:
    row = must or was
    subject = " ".join([row.symbol, *(str(getattr(row, name)) for name in table.key if name != "instrument_id")])
    where = (account.pk, table.model._meta.db_table, subject)
    if was is None or must is None:
        yield Difference(*where, "", *("no row", "a row") if must else ("a row", "no row"))
        return
    for column in _columns(table.model):
        found, expected = getattr(was, column), getattr(must, column)
        if found != expected:
            yield Difference(*where, column, _text(found), _text(expected))


def _columns(model: type[models.Model]) -> list[str]:
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    return [field.attname for field in fields if field.attname not in _NEVER_COMPARED]


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def _mend(was: Any, must: Any) -> None:
    """The row as it must be, in the place of the one that is there."""
    if must is None:
        was.delete()
        return
    if was is not None:
        must.pk, must.created_at, must._state.adding = was.pk, was.created_at, False
    must.last_updated_at = clock.now()
    must.save()


def _compare_head(account: BrokerAccount, head: AccountHead) -> list[Difference]:
    """Where the head stands, against all that it remembers, see `_head_columns`; it is set right in memory."""
    found = []
    for column, expected in _head_columns(head).items():
        stands = getattr(head, column)
        if _text(stands) != _text(expected):
            found.append(Difference(account.pk, "account_heads", "head", column, _text(stands), _text(expected)))
            setattr(head, column, expected)
    return found


def _head_columns(head: AccountHead) -> dict[str, Any]:
    mine: dict[str, Any] = {"broker_account": head.account_id}
    last = head.pages.order_by("-number").first()
    placed = head.pages.filter(place__isnull=False).order_by("-number").first()
    events = Event.objects.filter(**mine).aggregate(last=Max("number"))["last"] or 0
    questions = HoldingChange.objects.filter(**mine).aggregate(last=Max("question_number"))["last"] or 0
    opening = ChangeExplanation.objects.filter(kind=ChangeExplanation.Kind.OPENING, **mine).order_by("pk").first()
    columns: dict[str, Any] = {
        "page_number": last.number if last else 0,
        "page_hash": bytes(last.hash) if last else bytes(32),
        "placed_number": placed.number if placed else 0,
        "event_number": events,
        "question_number": max(questions, head.question_number),  # a number may have been given and not used
        "holdings_day": remembered.holdings_day(head),
        "sells_lower_holdings": remembered.sells_lower_holdings(head),
    }
    return columns | ({"opened_on": opening.dated} if opening else {})
