"""Reads what the book has of the orders and fills that captures name. By their ids, however long the history is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models import QuerySet, Sum

from ledger import trail
from ledger.diff import KnownOrder
from ledger.entries import Order, Trade
from ledger.fills import BY_HAND, KnownFill, number_of, source_ids
from ledger.normalise import ist_date

from ..models import OrderVersion, Transaction
from .bulk import schema
from .capture import ABSENT, ACCEPTED, ORDERS, TRADES, TRAILS, UNCHANGED, Capture
from .reading import table_rows

if TYPE_CHECKING:
    from .state import Book

KNOWN_ORDER = schema(
    "order_history", 1,
    "broker_account_id:uuid order_date:date version:integer is_late:boolean groww_order_id order_reference_id isin "
    "symbol exchange segment product order_type transaction_type quantity:quantity price:price trigger_price:price "
    "validity order_status status_raw filled_quantity:quantity remaining_quantity:quantity average_fill_price:price "
    "deliverable_quantity:quantity amo_status created_at:instant exchange_time:instant trade_date:instant remark "
    "changed_at:instant",
)  # fmt: skip
FILL = schema(
    "transactions", 1,
    "broker_account_id:uuid source_id id:uuid revision:integer void_reason source instrument_id:uuid groww_order_id "
    "isin symbol exchange segment product transaction_type quantity:quantity price:price executed_at:instant "
    "trade_date:date settlement_number is_synthesised:boolean",
)  # fmt: skip


def read_orders(busy: Sequence[Capture], books: dict[str, Book]) -> None:
    order_ids = {row.order_id for capture in busy for name in (ORDERS, TRAILS) for row in capture.entries(name)}
    order_ids.update(order.order_id for capture in busy for order in capture.lacking)
    order_ids.update(*(capture.orders_of_fills_alone() for capture in busy))
    if not order_ids:
        return
    versions = OrderVersion.objects.filter(groww_order_id__among=order_ids)
    for account, known in known_orders(versions):
        if account in books:  # asking for these alone would look up each id under each account
            books[account].orders[known.order.order_id].append(known)


def read_listed(busy: Sequence[Capture], books: dict[str, Book]) -> None:
    """The orders of the day that the book has, where what was listed before is not at hand."""
    ids: Any = [capture.account_id for capture in busy if not _stands_as_listed(capture)]
    if ids:
        versions = OrderVersion.objects.filter(broker_account__among=ids, order_date=busy[0].trading_day)
        for account, order_id in versions.values_list("broker_account_id", "groww_order_id").distinct():
            books[str(account)].listed.add(order_id)


def _stands_as_listed(capture: Capture) -> bool:
    """Whether the list is told by the one before, all of it or but for what changed; or there is none. The first one
    that comes has none before it."""
    section = capture.sections.get(ORDERS)
    if section is None or section.state in (UNCHANGED, ABSENT) or section.gone is not None:
        return True
    return capture.is_first and section.state == ACCEPTED


def known_orders(versions: QuerySet[OrderVersion]) -> Iterator[tuple[str, KnownOrder]]:
    """Each with the account that it is of."""
    for account, order_date, version, is_late, *fields in table_rows(versions, KNOWN_ORDER):
        yield account, KnownOrder(order_date, version, Order._make(fields), is_late)


class Asked(NamedTuple):
    """Orders that an account's broker listed, and the trading day. The book is asked for many accounts at once, by the
    ids of their orders: asking for each under its account would look up each id as often as there are accounts."""

    account_id: str
    orders: Sequence[Order]
    day: date

    def named(self) -> list[tuple[str, str]]:
        return [(self.account_id, order.order_id) for order in self.orders]


def lacking_states(asked: Sequence[Asked]) -> list[Sequence[Order]]:
    """Of each account those orders that the book does not have as they are, or not from their beginning."""
    known: dict[tuple[str, str], list[KnownOrder]] = {key: [] for one in asked for key in one.named()}
    for account, one in known_orders(OrderVersion.objects.filter(groww_order_id__among={key[1] for key in known})):
        if (key := (account, one.order.order_id)) in known:
            known[key].append(one)
    return [
        [order for key, order in zip(keys, orders, strict=True) if trail.lacks_states(known[key], order, day)]
        for keys, (_, orders, day) in ((one.named(), one) for one in asked)
    ]


def read_fills(busy: Sequence[Capture], books: dict[str, Book]) -> None:
    """The fills of the orders in question, and those of the names in question, whatever their order."""
    told = [trade for capture in busy for trade in capture.entries(TRADES)]
    names = {name for capture in busy for name in source_ids(capture.entries(TRADES))}
    orders = (order for capture in busy for order in (*capture.lacking, *capture.set_right))
    order_ids = {row.order_id for row in (*told, *orders)} - {""}
    if order_ids:
        _read(Transaction.objects.filter(groww_order_id__among=order_ids), books)
    names.update(name for book in books.values() for name in book.trades)  # a later revision may be another order's
    if names:
        _read(Transaction.objects.filter(source_id__among=names), books)


def known_fills(account_id: str, order_ids: Iterable[str], names: Iterable[str]) -> list[KnownFill]:
    """The last revision of each fill of these orders, or of these source ids."""
    mine = Transaction.objects.filter(broker_account=UUID(account_id))
    last: dict[str, KnownFill] = {}
    for found in (mine.filter(groww_order_id__among=list(order_ids)), mine.filter(source_id__among=list(names))):
        for _, fill in fill_revisions(found):
            if fill.source_id not in last or last[fill.source_id].revision < fill.revision:
                last[fill.source_id] = fill
    return list(last.values())


def _read(found: QuerySet[Transaction], books: dict[str, Book]) -> None:
    """Of each source id the last revision stays."""
    for account, fill in fill_revisions(found):
        if account in books:
            before = books[account].trades.get(fill.source_id)
            if before is None or before.revision < fill.revision:
                books[account].keep_fill(fill)


def fill_revisions(found: QuerySet[Transaction]) -> Iterator[tuple[str, KnownFill]]:
    """Each revision, with the account that it is of."""
    for account, source_id, pk, revision, void_reason, source, instrument, order_id, isin, *fields in table_rows(
        found, FILL
    ):
        trade = Trade("", order_id, isin or None, *fields)
        trade = trade._replace(trade_id=number_of(source_id, trade))
        yield account, KnownFill(source_id, pk, revision, void_reason, instrument, trade, source == BY_HAND)


def lacking_fills(asked: Sequence[Asked]) -> list[tuple[Sequence[Order], Sequence[Order]]]:
    """Of each account the orders that filled more or less than the book has listed fills of their side for; made-up
    ones do not do. After those that are to be asked stand those that lack nothing as their broker listed them: a person
    set a fill right since, and the list says no more.

    Fills of days before an order was made, or before the day where it does not say when it was, are those of an
    earlier order that had its id.
    """
    lacking = _lacking(Transaction.objects.current(), asked)
    listed = Transaction.objects.exclude(source=BY_HAND)
    short = [one._replace(orders=orders) for one, orders in zip(asked, lacking, strict=True)]
    still = _lacking(listed.highest(listed), short)
    return [(to_ask, _without(to_ask, orders)) for orders, to_ask in zip(lacking, still, strict=True)]


def _without(those: Iterable[Order], orders: Iterable[Order]) -> list[Order]:
    ids = {order.order_id for order in those}
    return [order for order in orders if order.order_id not in ids]


def _lacking(fills: QuerySet[Transaction], asked: Sequence[Asked]) -> list[list[Order]]:
    wanted = {key: (order, one.day) for one in asked for key, order in zip(one.named(), one.orders, strict=True)}
    units: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    made_up = set()
    rows = fills.filter(groww_order_id__among={key[1] for key in wanted}) if wanted else fills.none()
    for account, order_id, dated, is_made_up, dealt, quantity in rows.values_list(
        "broker_account_id", "groww_order_id", "trade_date", "is_synthesised", "transaction_type"
    ).annotate(Sum("quantity")):  # fmt: skip
        key = (str(account), order_id)
        if key in wanted and _is_of(*wanted[key], dated, dealt):
            units[key] += quantity
            made_up.update([key] if is_made_up else [])
    return [
        [
            order
            for key, order in zip(one.named(), one.orders, strict=True)
            if key in made_up or units[key] != order.filled_quantity
        ]
        for one in asked
    ]


def _is_of(order: Order, day: date, dated: date, dealt: str) -> bool:
    since = ist_date(order.created_at) if order.created_at else day
    return dated >= since and dealt == order.transaction_type
