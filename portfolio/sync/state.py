"""Reads what the book says of a group of accounts: a fixed number of queries, however many there are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

from ledger.absence import DAY_PRODUCTS, Traded
from ledger.canonical import RAW_REPLY
from ledger.diff import HoldingKey, KnownOrder, PositionKey
from ledger.entries import CASH, ZERO, Holding, Listing, Position
from ledger.fills import KnownFill
from ledger.page import Entry
from ledger.reconcile import NOTHING_WAITS, Overdue, Waiting, lot_of, waiting_fills
from ledger.snapshot import Totals

from ..models import AccountHead, PortfolioSnapshot, Price, RawReply, RealHolding, RealPosition
from ..schedule import calendar
from .bulk import schema
from .capture import ACCEPTED, HOLDINGS, Capture
from .head import Head, read_heads
from .history import read_fills, read_listed, read_orders
from .reading import each, table_columns
from .waiting import NOTHING_FILLED, DayFills, read_waiting

HELD = schema(
    "real_holdings", 1,
    "broker_account_id:uuid instrument_id:uuid id:uuid unconfirmed_since:date current_price:price price_day:date doubt "
    "isin symbol exchange quantity:quantity owned_quantity:quantity average_price:price free_quantity:quantity "
    "t1_quantity:quantity pledge_quantity:quantity repledge_quantity:quantity demat_locked_quantity:quantity "
    "groww_locked_quantity:quantity lot",
)  # fmt: skip
OWNED = schema(
    "real_holdings", 1,
    "broker_account_id:uuid instrument_id:uuid id:uuid unconfirmed_since:date current_price:price price_day:date "
    "isin symbol exchange owned_quantity:quantity average_price:price lot",
)  # fmt: skip
OPEN_POSITION = schema(
    "real_positions", 1,
    "broker_account_id:uuid instrument_id:uuid id:uuid current_price:price price_day:date isin symbol exchange segment "
    "product quantity:quantity credit_quantity:quantity credit_price:price debit_quantity:quantity debit_price:price "
    "carry_forward_credit_quantity:quantity carry_forward_credit_price:price "
    "carry_forward_debit_quantity:quantity carry_forward_debit_price:price average_price:price realised_pnl:money "
    "multiplier:quantity",
)  # fmt: skip


listing_named = lru_cache(maxsize=65_536)(Listing)  # the same names stand in thousands of accounts

AccountIds = Set[Any]  # the text of a UUID is as good as the UUID that the stubs want; of a list each would be resolved


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


@dataclass(slots=True)
class Book:
    """What stands in the book of one account. Filled in full only when something may change."""

    head: Head
    leaves: list[Entry] = field(default_factory=list)
    holdings: dict[HoldingKey, HeldRow] = field(default_factory=dict)
    positions: dict[PositionKey, PositionRow] = field(default_factory=dict)
    listings: dict[Listing, str] = field(default_factory=dict)  # the instruments of both, by their names in the book
    orders: dict[str, list[KnownOrder]] = field(default_factory=lambda: defaultdict(list))
    listed: set[str] = field(default_factory=set)  # orders of the day; read where the list before is not at hand
    trades: dict[str, KnownFill] = field(default_factory=dict)  # by source id
    trades_of: dict[str, dict[str, KnownFill]] = field(default_factory=lambda: defaultdict(dict))  # by order id first
    fills: dict[date, dict[HoldingKey, DayFills]] = field(default_factory=lambda: defaultdict(dict))
    traded: dict[date, dict[PositionKey, Traded]] = field(default_factory=lambda: defaultdict(dict))
    fills_count: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    used: dict[HoldingKey, dict[date, Decimal]] = field(default_factory=lambda: defaultdict(dict))
    named: dict[str, Holding] = field(default_factory=dict)  # what has fills, by its name
    overdue: dict[HoldingKey, list[Overdue]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[int, str] = field(default_factory=dict)  # the changes of these, by the number of the question
    openings: dict[HoldingKey, tuple[str, Decimal, Decimal | None]] = field(default_factory=dict)  # id, units, cost
    snapshots: dict[date, tuple[int, Totals]] = field(default_factory=dict)
    prices: dict[str, tuple[Decimal, date]] = field(default_factory=dict)  # of what fills of the day alone tell of

    def keep_fill(self, fill: KnownFill) -> None:
        """A later revision of a fill than any that is known: it may be another order's by now."""
        before = self.trades.get(fill.source_id, fill)
        self.trades_of[before.trade.order_id].pop(fill.source_id, None)
        self.trades[fill.source_id] = self.trades_of[fill.trade.order_id][fill.source_id] = fill

    def waiting(self, key: HoldingKey, today: date) -> Waiting:
        """The delivery fills of a holding that it does not show yet; and where it has shown some that are void by now,
        the reverse of those."""
        opened_on, used = self.head.opened_on, self.used.get(key, {})
        by_day = dict.fromkeys(used, NOTHING_FILLED)
        by_day |= {day: filled[key] for day, filled in self.fills.items() if key in filled}
        if not by_day or opened_on is None:
            return NOTHING_WAITS
        days = {day: (fills.bought, fills.sold) for day, fills in by_day.items() if day > opened_on}
        return waiting_fills(days, used, today)

    def add_fills(self, key: PositionKey, day: date, is_delivery: bool, fills: DayFills, count: int) -> None:
        """Counts fills among those of their day: as what positions show, each product for itself. Only delivery moves
        units and money that holdings will show."""
        traded, filled, holding = self.traded[day], self.fills[day], (key[0], lot_of(key[2]))
        bought, sold, _ = fills
        traded[key] = traded[key].plus(bought, sold) if key in traded else Traded(bought, sold)
        if is_delivery and holding in filled:
            filled[holding] = filled[holding].plus(fills)
        else:
            filled.setdefault(holding, fills if is_delivery else NOTHING_FILLED)
        self.fills_count[day] += count

    def squared_off(self, day: date) -> set[str]:
        """Shares that were bought for delivery on a day whose fills, of all products together, leave nothing: they were
        converted and sold as intraday. Fills keep the product that they were made with. To be asked after the close,
        when whatever is intraday is squared off."""
        traded = [(key[0], key[2], dealt) for key, dealt in self.traded.get(day, {}).items() if key[1] == CASH]
        short = (name for name, product, dealt in traded if product in DAY_PRODUCTS and dealt.sold > dealt.bought)
        if not (left := dict.fromkeys(short, ZERO)):
            return set()
        for instrument, _, dealt in traded:
            if instrument in left:
                left[instrument] += dealt.bought - dealt.sold
        return {instrument for instrument, units in left.items() if not units}


def read(captures: Sequence[Capture]) -> dict[str, Book]:
    """The books of these captures, by account id."""
    books = {c.account_id: Book(c.head) for c in captures if c.head}
    books |= _heads([capture for capture in captures if not capture.head])
    _read_leaves(captures, books)
    busy = [capture for capture in captures if not (capture.is_quiet or capture.is_broken)]
    if busy:
        ids = {capture.account_id for capture in busy}
        _read_holdings({c.account_id for c in busy if _compares_holdings(c)}, books)
        _read_owned({c.account_id for c in busy if not _compares_holdings(c)}, books)
        _read_positions(ids, books)
        read_orders(busy, books)
        read_listed(busy, books)
        read_fills(busy, books)
        read_waiting(busy, books)
        _read_prices(busy, books)
        _read_snapshots(ids, books, busy[0].trading_day)
    return books


def _heads(captures: Sequence[Capture]) -> dict[str, Book]:
    """The heads that no claim has brought. Those that were claimed are not read again: the record compares the page."""
    ids: AccountIds = {capture.account_id for capture in captures}
    heads = read_heads(AccountHead.objects.filter(account__among=ids)) if ids else []
    return {head.account_id: Book(head) for head in heads}


def _read_leaves(captures: Iterable[Capture], books: dict[str, Book]) -> None:
    """The replies that the batch has stored already: its page covers them too."""
    unsure: Any = []
    for capture in captures:
        if capture.stored is None:
            unsure.append(capture.batch_id)
        else:
            books[capture.account_id].leaves += capture.stored
    kept = RawReply.objects.filter(batch__among=unsure) if unsure else RawReply.objects.none()
    for account, row_id, leaf in kept.values_list("broker_account_id", "pk", "leaf"):
        books[str(account)].leaves.append(Entry(RAW_REPLY.name, str(row_id), bytes(leaf)))


def _read_holdings(ids: AccountIds, books: dict[str, Book]) -> None:
    found = RealHolding.objects.filter(broker_account__among=ids)
    accounts, instruments, pks, since, prices, price_days, doubts, isins, *figures = table_columns(found, HELD)
    names, lots = ([isin or None for isin in isins], *figures[:2]), figures[-1]
    holdings = each(Holding, *names, *figures[2:], repeat(None), doubts)
    _put(books, accounts, instruments, lots, names, each(HeldRow, pks, holdings, since, prices, price_days))


def _put(
    books: dict[str, Book],
    accounts: Iterable[str],
    instruments: Iterable[str],
    lots: Iterable[str],
    names: Iterable[Iterable[Any]],
    held: Iterable[HeldRow],
) -> None:
    listings = map(listing_named, *names, repeat(CASH))
    for account, instrument, lot, listing, row in zip(accounts, instruments, lots, listings, held, strict=True):
        book = books[account]
        book.holdings[instrument, lot] = row
        book.listings[listing] = instrument


def _compares_holdings(capture: Capture) -> bool:
    """Whether each part of each holding counts. An answer that was read in part brings along what it replaces."""
    section = capture.sections.get(HOLDINGS)
    return section is not None and section.state == ACCEPTED and section.gone is None


def _read_owned(ids: AccountIds, books: dict[str, Book]) -> None:
    """Holdings without their parts: enough for prices, totals and an opening."""
    found = RealHolding.objects.filter(broker_account__among=ids)
    accounts, instruments, pks, since, prices, price_days, isins, symbols, exchanges, owned, averages, lots = (
        table_columns(found, OWNED)
    )
    names, parts = ([isin or None for isin in isins], symbols, exchanges), repeat(repeat(ZERO), 6)
    holdings = each(Holding, *names, owned, owned, averages, *parts, lots, repeat(None), repeat(""))
    _put(books, accounts, instruments, lots, names, each(HeldRow, pks, holdings, since, prices, price_days))


def _read_positions(ids: AccountIds, books: dict[str, Book]) -> None:
    found = RealPosition.objects.filter(broker_account__among=ids)
    accounts, instruments, pks, prices, price_days, *figures = table_columns(found, OPEN_POSITION)
    positions = each(Position, *figures, repeat(None))
    rows = each(PositionRow, pks, positions, prices, price_days)
    for account, instrument, row in zip(accounts, instruments, rows, strict=True):
        book, (isin, symbol, exchange, segment, product, *_) = books[account], row.position
        book.positions[instrument, segment, product] = row
        book.listings[listing_named(isin, symbol, exchange, segment)] = instrument


def _read_prices(busy: Sequence[Capture], books: Mapping[str, Book]) -> None:
    """Of the day or the one before, of shares of which the day's fills alone tell: no row has one."""
    alone = {capture.account_id: _bought_alone(books[capture.account_id], capture.trading_day) for capture in busy}
    names: AccountIds = {instrument for bought in alone.values() for instrument in bought}
    if not names:
        return
    day = busy[0].trading_day
    known = Price.objects.filter(instrument__among=names, price_date__in=[day, calendar.previous_session(day)])
    rows = known.order_by("price_date", "revision").values_list("instrument_id", "source", "price", "price_date")
    last = {(str(instrument), source): told for instrument, source, *told in rows}
    for account, bought in alone.items():
        book = books[account]
        for instrument in bought:
            named = book.named[instrument]
            book.listings.setdefault(listing_named(named.isin, named.symbol, named.exchange, CASH), instrument)
            if found := last.get((instrument, book.head.broker)):
                book.prices[instrument] = (found[0], found[1])


def _bought_alone(book: Book, day: date) -> list[str]:
    have_rows = {key[0] for key in (*book.holdings, *book.positions)}
    filled = book.fills[day].items() if day in book.fills else ()
    return [key[0] for key, fills in filled if fills.bought > fills.sold and key[0] not in have_rows]


def _read_snapshots(ids: AccountIds, books: dict[str, Book], day: date) -> None:
    """The current snapshot of the day and of the trading day before."""
    rows = PortfolioSnapshot.objects.filter(
        broker_account__among=ids, snapshot_date__in=[day, calendar.previous_session(day)]
    ).order_by("revision")
    for account, snapshot_date, revision, *figures in rows.values_list(
        "broker_account_id", "snapshot_date", "revision", *Totals._fields
    ):
        books[str(account)].snapshots[snapshot_date] = (revision, Totals._make(figures))
