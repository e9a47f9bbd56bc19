"""From values to rows: the one place where `ledger.entries` become columns.

A pen writes for one batch: every row of the book gets its id, the account, the time and the batch, is
rendered once, and leaves its leaf for the page. Projections are collected beside it, without a leaf.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from ledger import canonical
from ledger.canonical import Rendered, Schema
from ledger.diff import HoldingMove, OrderChange, PositionMove
from ledger.entries import ZERO, Holding, Order, Position, Trade
from ledger.errors import BadValue
from ledger.normalise import MONEY_SCALE, at_scale
from ledger.page import Entry
from ledger.reconcile import is_delivery

from ..ids import new_ids
from .bulk import schema

_HOLDING_FIGURES = (
    "isin symbol exchange quantity:quantity owned_quantity:quantity free_quantity:quantity t1_quantity:quantity "
    "pledge_quantity:quantity repledge_quantity:quantity demat_locked_quantity:quantity groww_locked_quantity:quantity "
    "average_price:price doubt unconfirmed_since:date"
)
_PRICED = "current_price:price current_value:money price_day:date last_updated_at:instant"
REAL_HOLDING = schema(
    "real_holdings",
    1,
    f"id:uuid {_HOLDING_FIGURES} version_id:uuid {_PRICED} broker_account_id:uuid instrument_id:uuid lot "
    "created_at:instant",
)
REAL_HOLDING_STATE = schema("real_holdings", 1, f"id:uuid {_HOLDING_FIGURES} version_id:uuid {_PRICED}")
REAL_HOLDING_PRICE = schema("real_holdings", 1, f"id:uuid {_PRICED}")

_POSITION_FIGURES = (
    "isin symbol exchange quantity:quantity credit_quantity:quantity credit_price:price debit_quantity:quantity "
    "debit_price:price carry_forward_credit_quantity:quantity carry_forward_credit_price:price "
    "carry_forward_debit_quantity:quantity carry_forward_debit_price:price average_price:price realised_pnl:money "
    "multiplier:quantity"
)
_POSITION_PRICED = "current_price:price price_day:date last_updated_at:instant"
REAL_POSITION = schema(
    "real_positions",
    1,
    f"id:uuid {_POSITION_FIGURES} {_POSITION_PRICED} broker_account_id:uuid instrument_id:uuid segment product "
    "created_at:instant",
)
REAL_POSITION_STATE = schema("real_positions", 1, f"id:uuid {_POSITION_FIGURES} {_POSITION_PRICED}")
REAL_POSITION_PRICE = schema("real_positions", 1, f"id:uuid {_POSITION_PRICED}")

GONE = Holding(None, "", "", ZERO, ZERO, None)
CLOSED = Position(None, "", "", "", "", ZERO)


class Pen:
    """Writes the rows of one batch into memory; `finish` makes them ready to be sent."""

    def __init__(self, account_id: str, batch_id: str, now: datetime) -> None:
        self.account_id, self.batch_id, self.now = account_id, batch_id, now
        self.written: dict[Schema, list[tuple[Any, ...]]] = defaultdict(list)  # values, until `finish`
        self.rows: dict[Schema, list[Rendered]] = defaultdict(list)
        self.inserts: dict[Schema, list[Rendered]] = defaultdict(list)
        self.updates: dict[Schema, list[Rendered]] = defaultdict(list)
        self.deletes: dict[Schema, list[str]] = defaultdict(list)
        self.entries: list[Entry] = []
        self._ids: list[str] = []

    def new_id(self) -> str:
        if not self._ids:
            self._ids = new_ids(64 if self.written else 16)  # most syncs of a day write few rows
        return self._ids.pop()

    def write(self, table: Schema, *values: Any) -> str:
        """One row of the book; `values` are the columns between the account and `detected_at`. Returns its id."""
        row_id = self.new_id()
        self.written[table].append((row_id, self.account_id, *values, self.now, self.batch_id))
        return row_id

    def insert(self, table: Schema, *values: Any) -> None:
        self.inserts[table].append(canonical.render(table, values))

    def update(self, table: Schema, *values: Any) -> None:
        self.updates[table].append(canonical.render(table, values))

    def delete(self, table: Schema, row_id: str) -> None:
        self.deletes[table].append(row_id)

    # Orders and fills

    def order(self, instrument: str, order_date: date, version: int, row: Order, is_late: bool = False) -> str:
        return self.write(
            canonical.ORDER, row.order_id, order_date, version, is_late, instrument, row.isin or "", row.symbol,
            row.exchange, row.order_reference_id, row.segment, row.product, row.order_type, row.transaction_type,
            row.quantity, row.price, row.trigger_price, row.validity, row.status, row.status_raw, row.filled_quantity,
            row.remaining_quantity, row.average_fill_price, row.deliverable_quantity, row.amo_status, row.created_at,
            row.exchange_time, row.trade_date, row.remark, row.changed_at,
        )  # fmt: skip

    def order_change(self, version_id: str, order: Order, change: OrderChange) -> None:
        self.write(canonical.QUANTITY_CHANGE, version_id, order.isin or "", order.symbol, order.exchange, *change)

    def transaction(
        self, source_id: str, revision: int, supersedes: str | None, void_reason: str, instrument: str, trade: Trade,
        source: str = "API",
    ) -> str:  # fmt: skip
        """BadValue when the amount is too large to be kept."""
        amount = at_scale(trade.quantity * trade.price, MONEY_SCALE)
        return self.write(
            canonical.TRANSACTION, source, source_id, revision, supersedes, void_reason, trade.transaction_type,
            instrument, trade.isin or "", trade.symbol, trade.exchange, trade.segment, trade.product, trade.order_id,
            trade.trade_date, trade.executed_at, trade.quantity, trade.price, amount, "INR",
            is_delivery(trade.segment, trade.product), trade.is_synthesised, trade.settlement_number,
        )  # fmt: skip

    # Holdings

    def holding_version(self, day: date, fetched_at: datetime, move: HoldingMove) -> str:
        named = move.after or move.before or GONE
        row = move.after or GONE
        instrument, lot = move.key
        return self.write(
            canonical.HOLDING_VERSION, day, instrument, named.isin or "", named.symbol, named.exchange, lot,
            move.after is None, *_parts(row), row.average_price, row.doubt, move.unconfirmed_since, fetched_at,
        )  # fmt: skip

    def holding_change(
        self, day: date, move: HoldingMove, version_id: str | None, delta: Decimal, unexplained: Decimal,
        question: int | None,
    ) -> str:  # fmt: skip
        named = move.after or move.before or GONE
        before = move.before.owned if move.before else ZERO
        return self.write(
            canonical.HOLDING_CHANGE, day, move.key[0], named.isin or "", named.symbol, named.exchange, move.key[1],
            version_id, before, before + delta, delta, unexplained, question,
        )  # fmt: skip

    def explanation(
        self, change_id: str | None, key: tuple[str, str], named: Holding | Position, kind: str, dated: date,
        quantity: Decimal, cost: Decimal | None = None, supersedes: str | None = None,
    ) -> None:  # fmt: skip
        self.write(
            canonical.EXPLANATION, change_id, supersedes, key[0], named.isin or "", named.symbol, named.exchange,
            key[1], kind, dated, quantity, cost,
        )  # fmt: skip

    def position_version(self, day: date, fetched_at: datetime, move: PositionMove) -> None:
        named = move.after or move.before or CLOSED
        instrument, segment, product = move.key
        self.write(
            canonical.POSITION_VERSION, day, instrument, named.isin or "", named.symbol, named.exchange, segment,
            product, move.after is None, *(move.after or CLOSED)[5:17], fetched_at,
        )  # fmt: skip


def finish(pens: Sequence[Pen]) -> None:
    """Renders what these wrote since the last time, a column of a table at a time, and takes the leaves."""
    for table in {table: None for pen in pens for table in pen.written}:
        writers = [(pen, pen.written.pop(table, ())) for pen in pens]
        values = [each for _, written in writers for each in written]
        rows = canonical.render_rows(table, values)
        made = zip(values, rows, canonical.leaves(table, rows), strict=True)
        for pen, written in writers:
            for (row_id, *_), row, leaf in islice(made, len(written)):
                pen.rows[table].append((*row, leaf.hex()))
                pen.entries.append(Entry(table.name, row_id, leaf))


def _parts(row: Holding) -> tuple[Decimal, ...]:
    return (row.quantity, row.owned, *row[6:12])


def holding_figures(row: Holding, unconfirmed_since: date | None) -> tuple[Any, ...]:
    """The columns of `_HOLDING_FIGURES`."""
    return (
        row.isin or "", row.symbol, row.exchange, *_parts(row), row.average_price, row.doubt, unconfirmed_since
    )  # fmt: skip


def position_figures(row: Position) -> tuple[Any, ...]:
    """The columns of `_POSITION_FIGURES`."""
    return (row.isin or "", row.symbol, row.exchange, *row[5:17])


def priced(owned: Decimal, price: Decimal | None) -> Decimal | None:
    """What the holding is worth, INR; None without a price or beyond what the column can hold."""
    try:
        return None if price is None else at_scale(owned * price, MONEY_SCALE)
    except BadValue:
        return None
