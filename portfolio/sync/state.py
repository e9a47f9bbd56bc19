"""Reads what the book says of a group of accounts: a fixed number of queries, however many there are."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Sum

from ledger.canonical import RAW_REPLY
from ledger.diff import HoldingKey, PositionKey, source_ids
from ledger.entries import BUY, ZERO, Holding, Order, Position
from ledger.normalise import ist_date
from ledger.page import Entry
from ledger.reconcile import NOTHING_WAITS, Waiting, waiting_fills
from ledger.snapshot import Totals

from ..models import (
    AccountHead,
    ChangeExplanation,
    OrderVersion,
    PortfolioSnapshot,
    RawReply,
    RealHolding,
    RealPosition,
    Transaction,
)
from ..schedule import calendar
from .capture import ORDERS, TRADES, Capture

HOLDING_COLUMNS = (
    "quantity", "owned_quantity", "average_price", "free_quantity", "t1_quantity", "pledge_quantity",
    "repledge_quantity", "demat_locked_quantity", "groww_locked_quantity", "lot",
)  # fmt: skip
POSITION_COLUMNS = (
    "isin", "symbol", "exchange", "segment", "product", "quantity", "credit_quantity", "credit_price",
    "debit_quantity", "debit_price", "carry_forward_credit_quantity", "carry_forward_credit_price",
    "carry_forward_debit_quantity", "carry_forward_debit_price", "average_price", "realised_pnl", "multiplier",
)  # fmt: skip
ORDER_COLUMNS = (
    "groww_order_id", "order_reference_id", "isin", "symbol", "exchange", "segment", "product", "order_type",
    "transaction_type", "quantity", "price", "trigger_price", "validity", "order_status", "status_raw",
    "filled_quantity", "remaining_quantity", "average_fill_price", "deliverable_quantity", "amo_status", "created_at",
    "exchange_time", "trade_date", "remark",
)  # fmt: skip


AccountIds = Sequence[Any]  # the text of a UUID is as good as the UUID that the stubs want


class HeldRow(NamedTuple):
    """One row of `real_holdings`: its id, what it says, and the last known price."""

    row_id: str
    holding: Holding
    unconfirmed_since: date | None
    current_price: Decimal | None
    price_day: date | None


class PositionRow(NamedTuple):
    row_id: str
    position: Position
    current_price: Decimal | None
    price_day: date | None


class KnownOrder(NamedTuple):
    """The current version of one order."""

    order_date: date
    version: int
    order: Order


class KnownTrade(NamedTuple):
    """The current revision of one transaction."""

    row_id: str
    revision: int
    quantity: Decimal
    price: Decimal


class DayFills(NamedTuple):
    """The current fills of one instrument on one day: delivery units, money in INR (bought less sold), count of all."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    net_amount: Decimal = ZERO
    count: int = 0  # type: ignore[assignment]

    def plus(self, bought: Decimal, sold: Decimal, net_amount: Decimal, count: int) -> "DayFills":
        return DayFills(self.bought + bought, self.sold + sold, self.net_amount + net_amount, self.count + count)


@dataclass(slots=True)
class Book:
    """What stands in the book of one account. Filled in full only when something may change."""

    head: AccountHead
    account_state: str
    leaves: list[Entry] = field(default_factory=list)
    holdings: dict[HoldingKey, HeldRow] = field(default_factory=dict)
    positions: dict[PositionKey, PositionRow] = field(default_factory=dict)
    orders: dict[str, list[KnownOrder]] = field(default_factory=lambda: defaultdict(list))
    trades: dict[str, KnownTrade] = field(default_factory=dict)
    fills: dict[str, dict[date, DayFills]] = field(default_factory=lambda: defaultdict(dict))
    used: dict[str, dict[date, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    snapshots: dict[date, tuple[int, Totals]] = field(default_factory=dict)

    def waiting(self, instrument_id: str, today: date) -> Waiting:
        """The delivery fills of an instrument that holdings do not show yet."""
        opened_on = self.head.opened_on
        by_day = self.fills.get(instrument_id)
        if by_day is None or opened_on is None:
            return NOTHING_WAITS
        days = {day: (fills.bought, fills.sold) for day, fills in by_day.items() if day > opened_on}
        return waiting_fills(days, self.used.get(instrument_id, {}), today)

    def day_of(self, order_id: str, order_date: date | None) -> KnownOrder | None:
        """The current version of an order: of its own date, or of any while the broker gives no date."""
        known = [order for order in self.orders.get(order_id, ()) if order_date in (None, order.order_date)]
        return max(known, key=lambda order: (order.order_date, order.version), default=None)


def read(captures: Sequence[Capture]) -> dict[str, Book]:
    """The books of these captures, by account id."""
    books = {c.account_id: Book(c.head, c.head.account.state) for c in captures if c.head and c.head.account}
    books |= _heads([capture for capture in captures if capture.account_id not in books or not capture.is_quiet])
    _read_leaves(captures, books)
    busy = [capture for capture in captures if not capture.is_quiet]
    if busy:
        ids = [capture.account_id for capture in busy]
        _read_holdings(ids, books)
        _read_positions(ids, books)
        _read_orders(busy, books)
        _read_trades(busy, books)
        _read_fills(ids, books, busy[0].trading_day)
        _read_snapshots(ids, books, busy[0].trading_day)
    return books


def _heads(captures: Sequence[Capture]) -> dict[str, Book]:
    """A head that was claimed and whose account is as it was need not be read again: the record compares the page."""
    ids: AccountIds = [capture.account_id for capture in captures]
    heads = AccountHead.objects.filter(account__among=ids).select_related("account") if ids else ()
    return {str(head.account_id): Book(head, head.account.state) for head in heads if head.account}


def _read_leaves(captures: Iterable[Capture], books: dict[str, Book]) -> None:
    """The replies that the batch has stored already: its page covers them too."""
    kept = RawReply.objects.filter(batch__among=[capture.batch_id for capture in captures])
    for account, row_id, leaf in kept.values_list("broker_account_id", "pk", "leaf"):
        books[str(account)].leaves.append(Entry(RAW_REPLY.name, str(row_id), bytes(leaf)))


def _read_holdings(ids: AccountIds, books: dict[str, Book]) -> None:
    rows = RealHolding.objects.filter(broker_account__among=ids).values_list(
        "broker_account_id", "instrument_id", "pk", "unconfirmed_since", "current_price", "price_day", "isin", "symbol",
        "exchange", "doubt", *HOLDING_COLUMNS,
    )  # fmt: skip
    for account, instrument, pk, since, price, price_day, isin, symbol, exchange, doubt, *figures in rows:
        holding = Holding(isin or None, symbol, exchange, *figures, doubt=doubt)  # type: ignore[misc]
        key = (str(instrument), holding.lot)
        books[str(account)].holdings[key] = HeldRow(str(pk), holding, since, price, price_day)


def _read_positions(ids: AccountIds, books: dict[str, Book]) -> None:
    rows = RealPosition.objects.filter(broker_account__among=ids).values_list(
        "broker_account_id", "instrument_id", "pk", "current_price", "price_day", *POSITION_COLUMNS
    )
    for account, instrument, pk, price, price_day, *figures in rows:
        position = Position(*figures)
        key = (str(instrument), position.segment, position.product)
        books[str(account)].positions[key] = PositionRow(str(pk), position, price, price_day)


def _read_orders(busy: Iterable[Capture], books: dict[str, Book]) -> None:
    """Looked up by order id: however long the history is, only what was seen today is read."""
    order_ids = [row.order_id for capture in busy for row in _entries(capture, ORDERS)]
    if not order_ids:
        return
    accounts: AccountIds = [capture.account_id for capture in busy]
    versions = OrderVersion.objects.filter(
        groww_order_id__among=order_ids, broker_account__among=accounts, is_late=False
    )
    for account, order_date, version, *fields in versions.values_list(
        "broker_account_id", "order_date", "version", *ORDER_COLUMNS
    ):
        order = Order._make(fields)
        books[str(account)].orders[order.order_id].append(KnownOrder(order_date, version, order))


def _read_trades(busy: Iterable[Capture], books: dict[str, Book]) -> None:
    wanted = {name for capture in busy for name in source_ids(_entries(capture, TRADES))}
    if not wanted:
        return
    accounts: AccountIds = [capture.account_id for capture in busy]
    rows = Transaction.objects.filter(source_id__among=wanted, broker_account__among=accounts).order_by("revision")
    for account, source_id, *known in rows.values_list(
        "broker_account_id", "source_id", "pk", "revision", "quantity", "price"
    ):
        books[str(account)].trades[source_id] = KnownTrade(str(known[0]), *known[1:])


def _entries(capture: Capture, section: str) -> Sequence[Any]:
    found = capture.sections.get(section)
    return found.entries if found else ()


def _read_fills(ids: AccountIds, books: dict[str, Book], today: date) -> None:
    """Fills of the last sessions, and how much of them explanations have used: bounded, whatever the history."""
    since = calendar.previous_session(min(books[account].head.holdings_day or today for account in ids))
    rows = Transaction.objects.current().filter(broker_account__among=ids, trade_date__gte=since)
    grouped = rows.values_list("broker_account_id", "instrument_id", "trade_date", "transaction_type", "is_delivery")
    for account, instrument, day, kind, is_delivery, units, amount, count in grouped.annotate(
        Sum("quantity"), Sum("amount"), Count("pk")
    ):
        add_fill(books[str(account)], str(instrument), day, kind == BUY, is_delivery, units, amount, count)
    used = ChangeExplanation.objects.filter(broker_account__among=ids, dated__gte=since, kind="FILLS")
    for account, instrument, day, units in used.values_list("broker_account_id", "instrument_id", "dated").annotate(
        Sum("quantity")
    ):
        books[str(account)].used[str(instrument)][day] = units


def add_fill(
    book: Book,
    instrument: str,
    day: date,
    is_bought: bool,
    is_delivery: bool,
    units: Decimal,
    amount: Decimal,
    count: int,
) -> None:
    """Counts fills among those of their day; only delivery moves units and money that holdings will show."""
    before = book.fills[instrument].get(day, DayFills())
    if not is_delivery:
        units = amount = ZERO
    bought, sold, net = (units, ZERO, amount) if is_bought else (ZERO, units, -amount)
    book.fills[instrument][day] = before.plus(bought, sold, net, count)


def _read_snapshots(ids: AccountIds, books: dict[str, Book], day: date) -> None:
    """The current snapshot of the day and of the trading day before."""
    rows = PortfolioSnapshot.objects.filter(
        broker_account__among=ids, snapshot_date__in=[day, calendar.previous_session(day)]
    ).order_by("revision")
    for account, snapshot_date, revision, *figures in rows.values_list(
        "broker_account_id", "snapshot_date", "revision", *Totals._fields
    ):
        books[str(account)].snapshots[snapshot_date] = (revision, Totals._make(figures))


def known_fills(account_id: str, orders: Sequence[Order]) -> dict[str, Decimal]:
    """How many units of each of these orders the book has fills for, by order id. Fills of days before an order
    was made belong to an earlier order that had its id."""
    made_on = {order.order_id: ist_date(order.created_at) for order in orders if order.created_at}
    order_ids = [order.order_id for order in orders]
    rows = Transaction.objects.current().filter(groww_order_id__among=order_ids, broker_account=UUID(account_id))
    units: dict[str, Decimal] = {}
    for order_id, day, quantity in rows.values_list("groww_order_id", "trade_date").annotate(Sum("quantity")):
        if day >= made_on.get(order_id, day):
            units[order_id] = units.get(order_id, ZERO) + quantity
    return units
