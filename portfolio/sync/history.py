"""Reads what the book has of the orders and fills that captures name. By their ids, however long the history is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Sum

from ledger.diff import KnownOrder
from ledger.entries import ZERO, Order, Trade
from ledger.fills import KnownFill, number_of, source_ids
from ledger.normalise import ist_date

from ..models import OrderVersion, Transaction
from .capture import ORDERS, TRADES, Capture

if TYPE_CHECKING:
    from .state import Book

ORDER_COLUMNS = (
    "groww_order_id", "order_reference_id", "isin", "symbol", "exchange", "segment", "product", "order_type",
    "transaction_type", "quantity", "price", "trigger_price", "validity", "order_status", "status_raw",
    "filled_quantity", "remaining_quantity", "average_fill_price", "deliverable_quantity", "amo_status", "created_at",
    "exchange_time", "trade_date", "remark",
)  # fmt: skip
FILL_COLUMNS = (
    "groww_order_id", "isin", "symbol", "exchange", "segment", "product", "transaction_type", "quantity", "price",
    "executed_at", "trade_date", "settlement_number", "is_synthesised",
)  # fmt: skip


def read_orders(busy: Sequence[Capture], books: dict[str, Book]) -> None:
    order_ids = {row.order_id for capture in busy for row in (*capture.entries(ORDERS), *capture.lacking)}
    if not order_ids:
        return
    accounts: Sequence[Any] = [capture.account_id for capture in busy]
    versions = OrderVersion.objects.filter(
        groww_order_id__among=order_ids, broker_account__among=accounts, is_late=False
    )
    for account, order_date, version, *fields in versions.values_list(
        "broker_account_id", "order_date", "version", *ORDER_COLUMNS
    ):
        order = Order._make(fields)
        books[str(account)].orders[order.order_id].append(KnownOrder(order_date, version, order))


def read_fills(busy: Sequence[Capture], books: dict[str, Book]) -> None:
    """The fills of the orders in question, and those of the names in question, whatever their order."""
    told = [trade for capture in busy for trade in capture.entries(TRADES)]
    names = {name for capture in busy for name in source_ids(capture.entries(TRADES))}
    order_ids = {row.order_id for row in (*told, *(order for capture in busy for order in capture.lacking))} - {""}
    accounts: Sequence[Any] = [capture.account_id for capture in busy]
    for wanted in ({"source_id__among": names}, {"groww_order_id__among": order_ids}):
        if any(wanted.values()):
            _read(Transaction.objects.filter(broker_account__among=accounts, **wanted), books)


def _read(rows: Any, books: dict[str, Book]) -> None:
    """Of each source id the last revision stays."""
    for account, source_id, pk, revision, void_reason, instrument, order_id, isin, *fields in rows.order_by(
        "revision", "pk"
    ).values_list(
        "broker_account_id", "source_id", "pk", "revision", "void_reason", "instrument_id", *FILL_COLUMNS
    ):  # fmt: skip
        trade = Trade("", order_id, isin or None, *fields)
        trade = trade._replace(trade_id=number_of(source_id, trade))
        fill = KnownFill(source_id, str(pk), revision, void_reason, str(instrument), trade)
        books[str(account)].trades[source_id] = fill
        books[str(account)].trades_of[order_id][source_id] = fill


def lacking_fills(account_id: str, orders: Sequence[Order], day: date) -> list[Order]:
    """Those of these orders that filled more or less than the book has listed fills for; made-up ones do not do.

    Fills of days before an order was made, or before `day` where it does not say when it was, are those of an
    earlier order that had its id.
    """
    since = {order.order_id: ist_date(order.created_at) if order.created_at else day for order in orders}
    rows = Transaction.objects.current().filter(groww_order_id__among=list(since), broker_account=UUID(account_id))
    units: dict[str, Decimal] = {}
    made_up = set()
    for order_id, dated, is_made_up, quantity in rows.values_list(
        "groww_order_id", "trade_date", "is_synthesised"
    ).annotate(Sum("quantity")):  # fmt: skip
        if dated >= since[order_id]:
            units[order_id] = units.get(order_id, ZERO) + quantity
            made_up.update([order_id] if is_made_up else [])
    return [o for o in orders if o.order_id in made_up or units.get(o.order_id, ZERO) != o.filled_quantity]
