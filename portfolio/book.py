"""What the book says, of any day and as it was known at any instant: the one place where faces read it.

`as_of` is a day in India: what a row describes, up to and with that day. `known_at` is an instant: only what was
recorded by then counts, however it was corrected later. Without a moment it is the present, from the tables of the
present. Reads; writes nothing, judges nothing, and never asks what time it is.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Exists, Field, Model, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from ledger.entries import ZERO
from ledger.normalise import ist_date

from .models import (
    BrokerAccount,
    HoldingVersion,
    LedgerTree,
    OrderVersion,
    PortfolioSnapshot,
    PositionVersion,
    Price,
    RealHolding,
    RealPosition,
    Transaction,
)
from .models.holding import HoldingFigures
from .models.position import PositionFigures
from .sync.rows import priced

Row = TypeVar("Row", bound=Model)
AccountIds = Iterable[UUID | str]

HOLDING_KEY, POSITION_KEY = ("instrument_id", "lot"), ("instrument_id", "segment", "product")
_NAMED = ("broker_account_id", "instrument_id", "isin", "symbol", "exchange")
_HOLDING = (*_NAMED, *(field.name for field in HoldingFigures._meta.fields))
_POSITION = (*_NAMED, *(field.name for field in PositionFigures._meta.fields))


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
        return [_holding(*row) for row in _of_versions(HoldingVersion, HOLDING_KEY, _HOLDING, accounts, at)]
    return list(RealHolding.objects.filter(broker_account__among=list(accounts)).order_by(*_by(HOLDING_KEY)))


def positions(accounts: AccountIds, at: Moment | None = None) -> list[RealPosition]:
    """What is open, likewise. A position of shares is of the day when it was last seen."""
    if at is not None:
        return [_position(*row) for row in _of_versions(PositionVersion, POSITION_KEY, _POSITION, accounts, at)]
    return list(RealPosition.objects.filter(broker_account__among=list(accounts)).order_by(*_by(POSITION_KEY)))


def orders(accounts: AccountIds, at: Moment = NOW) -> QuerySet[OrderVersion]:
    """The current version of each order: the highest that was not learnt late. Of a day: as it was seen then."""
    known = _known(OrderVersion.objects.filter(is_late=False), at)
    if at.as_of:
        known = known.filter(batch__trading_day__lte=at.as_of)
    return _highest(known, "version", "broker_account", "groww_order_id", "order_date").filter(
        broker_account__among=list(accounts)
    )


def transactions(accounts: AccountIds, at: Moment = NOW) -> QuerySet[Transaction]:
    """The current revision of each transaction, void ones left out; dated up to `as_of`."""
    current = _highest(_known(Transaction.objects.all(), at), "revision", "broker_account", "source_id")
    return _until(current.filter(broker_account__among=list(accounts), void_reason=""), "trade_date", at)


def snapshots(accounts: AccountIds, at: Moment = NOW) -> QuerySet[PortfolioSnapshot]:
    """The current revision of each day's snapshot, up to `as_of`."""
    current = _highest(_known(PortfolioSnapshot.objects.all(), at), "revision", "broker_account", "snapshot_date")
    return _until(current.filter(broker_account__among=list(accounts)), "snapshot_date", at)


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


def _holding(version: UUID, seen_at: datetime, price: Decimal | None, day: date | None, *row: Any) -> RealHolding:
    values = dict(zip(_HOLDING, row, strict=True))
    return RealHolding(
        **values, version_id=version, current_price=price, price_day=day, last_updated_at=seen_at, created_at=seen_at,
        current_value=priced(values["owned_quantity"], price),
    )  # fmt: skip


def _position(version: UUID, seen_at: datetime, price: Decimal | None, day: date | None, *row: Any) -> RealPosition:
    values = dict(zip(_POSITION, row, strict=True))
    made = RealPosition(**values, current_price=price, price_day=day, last_updated_at=seen_at, created_at=seen_at)
    bought, sold = made.credit_quantity, made.debit_quantity
    made.net_quantity = bought - sold  # what the database works out where the row stands in the table
    made.net_price = made.credit_price if bought > sold else made.debit_price if bought < sold else ZERO
    return made


def _of_versions(
    model: type[Any], key: Sequence[str], columns: Sequence[str], accounts: AccountIds, at: Moment
) -> QuerySet[Any, tuple[Any, ...]]:
    """The last version of each, but for those that are gone, with the last known price of its instrument."""
    last = model.objects.filter(pk__in=_last(model, key, accounts, at), is_gone=False)
    price = _last_price(at)
    found: QuerySet[Any, tuple[Any, ...]] = last.order_by(*_by(key)).values_list(
        "pk", "detected_at", Subquery(price.values("price")[:1]), Subquery(price.values("price_date")[:1]), *columns
    )
    return found


def _by(key: Sequence[str]) -> tuple[str, ...]:
    return ("broker_account_id", "symbol", *key)


def _last_price(at: Moment) -> QuerySet[Price]:
    """Of the version's instrument at its account's broker, the latest first."""
    prices = Price.objects.filter(instrument=OuterRef("instrument"), source=OuterRef("broker_account__broker"))
    if at.day:
        prices = prices.filter(price_date__lte=at.day)
    return _known(prices, at).order_by("-price_date", "-revision")


def _last(model: type[Model], key: Sequence[str], accounts: AccountIds, at: Moment) -> RawSQL:
    """The ids of the last version of each key: found by going from key to key in the index, so that a long history
    costs no more than a short one. A later day counts before a later recording: an old day may be read anew."""
    names = {"table": _quoted(model._meta.db_table), "accounts": "", "known": ""}
    chosen, parameters = BrokerAccount.objects.filter(pk__among=list(accounts)).values("id").query.sql_with_params()
    limits: list[Any] = []
    for column, condition, limit in (
        ("as_of", " AND last.as_of <= %s", at.day),
        ("detected_at", " AND last.detected_at <= %s", at.known_at),
        ("detected_at", _NOT_PLACED_LATER, at.known_at),
    ):
        if limit is not None:
            field: Field[Any, Any] = model._meta.get_field(column)  # type: ignore[assignment]
            names["known"] += condition
            limits.append(field.get_db_prep_value(limit, connection))
    names["accounts"] = chosen
    for name, alias in (("of_next", "next"), ("of_this", "this"), ("of_last", "last")):
        names[name] = ", ".join(f"{alias}.{_quoted(column)}" for column in key)
    return RawSQL(_LAST.format(**names), (*parameters, *limits))  # noqa: S611  names of ours; values are parameters


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


_NOT_PLACED_LATER = """
         AND NOT EXISTS (SELECT 1 FROM ledger_pages page JOIN ledger_tree place ON place.page_id = page.id
                          WHERE page.sync_batch_id = last.sync_batch_id AND place.placed_at > %s)"""
_LAST = """
WITH RECURSIVE seen(id) AS (
  SELECT (SELECT next.id FROM {table} next WHERE next.broker_account_id = account.id ORDER BY {of_next} LIMIT 1)
    FROM ({accounts}) account
  UNION ALL
  SELECT (SELECT next.id FROM {table} next
           WHERE next.broker_account_id = this.broker_account_id AND ({of_next}) > ({of_this})
           ORDER BY {of_next} LIMIT 1)
    FROM seen JOIN {table} this ON this.id = seen.id
)
SELECT (SELECT last.id FROM {table} last
         WHERE last.broker_account_id = this.broker_account_id AND ({of_last}) = ({of_this}){known}
         ORDER BY last.as_of DESC, last.detected_at DESC, last.id DESC LIMIT 1)
  FROM seen JOIN {table} this ON this.id = seen.id
"""
