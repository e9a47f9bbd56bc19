"""What the book says, of any day and as it was known at any instant: the one place where faces read it.

`as_of` is a day in India: what a row describes, up to and with that day. `known_at` is an instant: only what was
recorded by then counts, however it was corrected later. Without a moment it is the present, from the tables of the
present. Reads; writes nothing, judges nothing, and never asks what time it is.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from ledger.canonical import HOLDING_VERSION, POSITION_VERSION
from ledger.entries import ZERO
from ledger.normalise import ist_date

from . import versions
from .ids import new_ids
from .models import LedgerTree, OrderVersion, PortfolioSnapshot, RealHolding, RealPosition, SyncBatch, Transaction
from .models.holding import HoldingFigures
from .models.position import PositionFigures
from .sync.rows import priced

Row = TypeVar("Row", bound=Model)
AccountIds = Iterable[UUID | str]

HOLDING_KEY, POSITION_KEY = ("instrument_id", "lot"), ("instrument_id", "segment", "product")
ORDER_KEY = ("broker_account", "groww_order_id", "order_date")
_BY = ("broker_account_id", "symbol")
_NAMED = ("broker_account_id", "instrument_id", "isin", "symbol", "exchange")
_HOLDING = (*_NAMED, *(field.name for field in HoldingFigures._meta.fields))
_POSITION = (*_NAMED, *(field.name for field in PositionFigures._meta.fields))
_TRADED = ("credit_quantity", "credit_price", "debit_quantity", "debit_price")


class Moment(NamedTuple):
    """Which book is read: of which day (None: the latest), and as it was known when (None: now)."""

    as_of: date | None = None
    known_at: datetime | None = None

    @property
    def day(self) -> date | None:
        """The last day that can be described: nothing is known of a day before it begins."""
        days = [self.as_of, self.known_at and ist_date(self.known_at)]
        return min((day for day in days if day), default=None)


NOW = Moment()


def holdings(accounts: AccountIds, at: Moment | None = None) -> list[RealHolding]:
    """What these accounts hold, by account and symbol. At a moment the rows are made from the versions, with the price
    that was known: what the table must have held then. They stand nowhere."""
    if at is not None:
        found = versions.last(HOLDING_VERSION, HOLDING_KEY, _HOLDING, accounts, at.day, at.known_at)
        return _holdings(found) if found else []
    return list(RealHolding.objects.filter(broker_account__among=list(accounts)).order_by(*_BY, *HOLDING_KEY))


def positions(accounts: AccountIds, at: Moment | None = None) -> list[RealPosition]:
    """What is open, likewise. A position of shares is of the day when it was last seen."""
    if at is not None:
        found = versions.last(POSITION_VERSION, POSITION_KEY, _POSITION, accounts, at.day, at.known_at)
        return _positions(found) if found else []
    return list(RealPosition.objects.filter(broker_account__among=list(accounts)).order_by(*_BY, *POSITION_KEY))


def orders(accounts: AccountIds, at: Moment = NOW) -> QuerySet[OrderVersion]:
    """The current version of each order: the highest that was not learnt late. Of a day: as it was seen then, or as
    was set right since of what was seen by then."""
    known = _known(_of_accounts(OrderVersion, accounts).filter(is_late=False), at)
    if at.as_of:
        known = known.filter(Q(batch__trading_day__lte=at.as_of) | _set_right(known, at.as_of))
    return _highest(known, "version", *ORDER_KEY)


def _set_right(known: QuerySet[OrderVersion], day: date) -> Q:
    """A version that no broker told describes the day of the one that it stands on, whenever it was written."""
    order: dict[str, Any] = {name: OuterRef(name) for name in ORDER_KEY}
    told = Q(batch__sync_type__in=SyncBatch.ASKED)
    later = known.filter(told, **order, version__lt=OuterRef("version"), batch__trading_day__gt=day)
    return ~told & ~Exists(later) & Q(order_date__lte=day)


def transactions(accounts: AccountIds, at: Moment = NOW) -> QuerySet[Transaction]:
    """The current revision of each transaction, void ones left out; dated up to `as_of`."""
    current = _highest(_known(_of_accounts(Transaction, accounts), at), "revision", "broker_account", "source_id")
    return _until(current.filter(void_reason=""), "trade_date", at)


def snapshots(accounts: AccountIds, at: Moment = NOW) -> QuerySet[PortfolioSnapshot]:
    """The current revision of each day's snapshot, up to `as_of`."""
    known = _known(_of_accounts(PortfolioSnapshot, accounts), at)
    return _until(_highest(known, "revision", "broker_account", "snapshot_date"), "snapshot_date", at)


def last_snapshot(account: UUID | str) -> PortfolioSnapshot | None:
    """The latest day's, of the account with this id."""
    return snapshots([account]).order_by("-snapshot_date").first()


def _of_accounts(model: type[Row], accounts: AccountIds) -> QuerySet[Row]:
    """Before anything else: among the rows of these alone later ones are looked for, and not among all."""
    return model._default_manager.filter(broker_account__among=list(accounts))


def _known(rows: QuerySet[Row], at: Moment) -> QuerySet[Row]:
    """What was recorded by then, less what got its place in the tree only afterwards: nobody could vouch for it yet."""
    if not at.known_at:
        return rows
    placed_later = LedgerTree.objects.filter(page__batch=OuterRef("batch"), placed_at__gt=at.known_at)
    return rows.filter(~Exists(placed_later), detected_at__lte=at.known_at)


def _until(rows: QuerySet[Row], column: str, at: Moment) -> QuerySet[Row]:
    return rows.filter(**{f"{column}__lte": at.as_of}) if at.as_of else rows


def _highest(rows: QuerySet[Row], number: str, *key: str) -> QuerySet[Row]:
    """Of the rows with one key the one with the highest number, among these alone."""
    same: dict[str, Any] = {name: OuterRef(name) for name in key}
    return rows.filter(~Exists(rows.filter(**same, **{f"{number}__gt": OuterRef(number)})))


def _holdings(columns: dict[str, list[Any]]) -> list[RealHolding]:
    values = list(map(priced, columns["owned_quantity"], columns["current_price"]))
    return _made(RealHolding, {**columns, "current_value": values})


def _positions(columns: dict[str, list[Any]]) -> list[RealPosition]:
    """With what the database works out where the row stands in the table."""
    net = [_net(*row) for row in zip(*(columns[name] for name in _TRADED), strict=True)]
    quantities, prices = map(list, zip(*net, strict=True))
    return _made(RealPosition, {**columns, "net_quantity": quantities, "net_price": prices})


def _net(bought: Decimal, bought_at: Decimal, sold: Decimal, sold_at: Decimal) -> tuple[Decimal, Decimal]:
    return bought - sold, bought_at if bought > sold else sold_at if bought < sold else ZERO


def _made(model: type[Row], columns: dict[str, list[Any]]) -> list[Row]:
    """Rows that stand in no table. By place: a model that is given names looks at each of them."""
    seen_at = columns["last_updated_at"]
    columns |= {"created_at": seen_at, "id": list(map(UUID, new_ids(len(seen_at))))}
    names = [field.attname for field in model._meta.concrete_fields]
    return [model(*row) for row in zip(*(columns[name] for name in names), strict=True)]
