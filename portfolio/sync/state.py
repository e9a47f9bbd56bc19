"""Reads what the book says of a group of accounts: a fixed number of queries, however many there are."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Count, Sum

from ledger.canonical import RAW_REPLY
from ledger.diff import HoldingKey, KnownOrder, PositionKey
from ledger.entries import BUY, ZERO, Holding, Position
from ledger.fills import KnownFill
from ledger.page import Entry
from ledger.reconcile import NOTHING_WAITS, Waiting, waiting_fills
from ledger.snapshot import Totals

from ..models import (
    AccountHead,
    ChangeExplanation,
    PortfolioSnapshot,
    RawReply,
    RealHolding,
    RealPosition,
    Transaction,
)
from ..schedule import calendar
from .capture import Capture
from .history import read_fills, read_orders

HOLDING_COLUMNS = (
    "quantity", "owned_quantity", "average_price", "free_quantity", "t1_quantity", "pledge_quantity",
    "repledge_quantity", "demat_locked_quantity", "groww_locked_quantity", "lot",
)  # fmt: skip
POSITION_COLUMNS = (
    "isin", "symbol", "exchange", "segment", "product", "quantity", "credit_quantity", "credit_price",
    "debit_quantity", "debit_price", "carry_forward_credit_quantity", "carry_forward_credit_price",
    "carry_forward_debit_quantity", "carry_forward_debit_price", "average_price", "realised_pnl", "multiplier",
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
    trades: dict[str, KnownFill] = field(default_factory=dict)  # by source id
    trades_of: dict[str, dict[str, KnownFill]] = field(default_factory=lambda: defaultdict(dict))  # by order id first
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
        read_orders(busy, books)
        read_fills(busy, books)
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
