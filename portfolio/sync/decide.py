"""What one capture changes: diff, reconcile and the day's totals, turned into rows. Writes nothing.

Order matters: fills first, because they explain what happened to holdings; the snapshot last, because it
is made from all of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ledger import canonical, diff, reconcile, snapshot
from ledger.diff import Held, HoldingKey, HoldingMove, PositionKey, PositionMove
from ledger.entries import BUY, DELIVERY, ZERO, Funds, Holding, Listing, Order, Position, Price
from ledger.errors import BadValue
from ledger.normalise import ist_date
from ledger.reconcile import is_delivery
from ledger.snapshot import Quote, Totals

from ..schedule import calendar
from . import rows
from .capture import (
    ABSENT,
    ACCEPTED,
    FUNDS,
    HOLDINGS,
    ORDERS,
    POSITIONS,
    PRICES,
    SUSPECT,
    TRADES,
    UNCHANGED,
    Capture,
    Memory,
    Section,
)
from .emit import Outbox
from .rows import Pen
from .state import Book, add_fill

OpenHolding = tuple[str | None, Holding, date | None]  # row id, None while new; unconfirmed since


@dataclass(slots=True)
class Decision:
    """What a capture leaves behind: rows in the pen, the head's next state, counts and facts for the batch."""

    capture: Capture
    book: Book
    pen: Pen
    outbox: Outbox
    memory: Memory
    instruments: Mapping[Listing, str]
    quotes: dict[str, Quote] = field(default_factory=dict)  # fresh ones, by instrument
    counts: dict[str, int] = field(default_factory=dict)
    question_number: int = 0
    opened_on: date | None = None
    holdings_day: date | None = None
    sells_lower_holdings: bool | None = None
    has_marks: bool = False  # a holding stands unconfirmed: the same answer must be looked at again

    def section(self, name: str) -> Section:
        return self.capture.sections.get(name) or Section(ABSENT)

    def instrument_of(self, row: Any) -> str:
        return self.instruments[listing_of(row)]

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by


def listing_of(row: Any) -> Listing:
    """How an entry names its instrument."""
    return Listing(getattr(row, "isin", None), row.symbol, row.exchange, getattr(row, "segment", "CASH"))


def decide(capture: Capture, book: Book, instruments: Mapping[Listing, str], now: datetime) -> Decision:
    """The whole of one account's change. Pure but for what it is handed."""
    head = book.head
    made = Decision(
        capture,
        book,
        Pen(capture.account_id, capture.batch_id, now),
        Outbox(capture, head.event_number, now),
        Memory(
            dict(capture.memory.digests), dict(capture.memory.counts), capture.memory.funds, capture.memory.snapshot_day
        ),
        instruments,
        question_number=head.question_number,
        opened_on=head.opened_on,
        holdings_day=head.holdings_day,
        sells_lower_holdings=head.sells_lower_holdings,
    )
    if not capture.is_quiet:
        _orders(made)
        _trades(made)
        _missing_fills(made)
        _quotes(made)
        holdings = _holdings(made)
        positions = _positions(made)
        _opening(made, holdings, positions)
        _funds(made)
        _prices(made, holdings, positions)
        _snapshot(made, holdings, positions)
    _remember(made)
    return made


def _orders(made: Decision) -> None:
    day = made.capture.trading_day
    for order in made.section(ORDERS).entries:
        dated = ist_date(order.created_at) if order.created_at else None
        known = made.book.day_of(order.order_id, dated)
        if known is None:
            _write_order(made, dated or day, 1, None, order)
            made.count("orders_created")
        elif not diff.is_same_order(known.order, order):
            _write_order(made, known.order_date, known.version + 1, known.order, order)


def _write_order(made: Decision, order_date: date, version: int, before: Order | None, order: Order) -> None:
    row_id = made.pen.order(made.instrument_of(order), order_date, version, order)
    changes = diff.order_changes(before, order)
    for change in changes:
        made.pen.order_change(row_id, order, change)
    made.count("quantity_changes_detected", len(changes))
    made.outbox.orders.append(order.order_id)


def _trades(made: Decision) -> None:
    for source_id, trade in diff.source_ids(made.section(TRADES).entries).items():
        known = made.book.trades.get(source_id)
        if known and (known.quantity, known.price) == (trade.quantity, trade.price):
            continue
        instrument = made.instrument_of(trade)
        revision, supersedes = (known.revision + 1, known.row_id) if known else (1, None)
        try:
            amount = made.pen.transaction(source_id, revision, supersedes, instrument, trade)
        except BadValue as error:
            made.capture.blame(TRADES, "set_aside", f"{trade.symbol}: {error}", "the fill is kept in the raw reply")
            continue
        if known:  # a correction: only the difference is new
            amount -= known.quantity * known.price
        units = trade.quantity - (known.quantity if known else ZERO)
        delivered = is_delivery(trade.segment, trade.product)
        add_fill(
            made.book, instrument, trade.trade_date, trade.transaction_type == BUY, delivered, units, amount,
            0 if known else 1,
        )  # fmt: skip


def _missing_fills(made: Decision) -> None:
    """An order that says it filled more than its fills add up to: they are asked again the next time."""
    if made.section(TRADES).state not in (ACCEPTED, UNCHANGED):
        return
    listed: dict[str, Decimal] = dict(made.capture.known_fills)
    asked: dict[str, Decimal] = {}
    for trade in diff.source_ids(made.section(TRADES).entries).values():
        asked[trade.order_id] = asked.get(trade.order_id, ZERO) + trade.quantity
    listed.update(asked)
    for order in made.section(ORDERS).entries:
        if listed.get(order.order_id, ZERO) < order.filled_quantity:
            made.capture.blame(
                TRADES, "fills_missing",
                f"{order.symbol}: order {order.order_id} filled {order.filled_quantity.normalize():f}, "
                f"its fills add up to {listed.get(order.order_id, ZERO).normalize():f}",
                "nothing to do: they are asked again the next time",
            )  # fmt: skip


def _quotes(made: Decision) -> None:
    """Fresh prices by instrument: from the price section, else from the holdings themselves."""
    if not made.capture.takes_state:
        return
    by_name = {(listing.symbol, listing.exchange, listing.segment): i for listing, i in made.instruments.items()}
    for row in made.section(PRICES).entries:
        instrument = by_name.get((row.symbol, row.exchange, row.segment))
        if instrument:
            made.quotes[instrument] = Quote(row.price)
    for row in (*made.section(HOLDINGS).entries, *made.section(POSITIONS).entries):
        if row.last_price is not None:
            made.quotes.setdefault(made.instrument_of(row), Quote(row.last_price))


def _holdings(made: Decision) -> dict[HoldingKey, OpenHolding]:
    """Takes the holdings that are believed, and returns what is held now."""
    capture, book = made.capture, made.book
    held: dict[HoldingKey, OpenHolding] = {
        key: (row.row_id, row.holding, row.unconfirmed_since) for key, row in book.holdings.items()
    }
    section = made.section(HOLDINGS)
    if section.state != ACCEPTED:
        return held
    seen = _unique(made, HOLDINGS, {}, lambda row: (made.instrument_of(row), row.lot))
    day = capture.trading_day
    evidence = {
        key[0]: book.waiting(key[0], day).evidence() for key in book.holdings if key not in seen or not seen[key].owned
    }
    found = diff.holdings({key: _held(made, key) for key in book.holdings}, seen, evidence, day)
    if not capture.takes_state:
        capture.metadata["holdings_differ"] = str(len(found.moves))
        return held
    if found.suspect:
        capture.blame(
            HOLDINGS, "suspect", found.suspect, "nothing was taken; it is asked again on the next trading day"
        )
        capture.sections[HOLDINGS] = section._replace(state=SUSPECT)
    else:
        made.holdings_day = day
    for move in found.moves:
        _take_holding(made, held, move)
    made.has_marks = any(since for _, _, since in held.values())
    return held


def _held(made: Decision, key: HoldingKey) -> Held:
    row = made.book.holdings[key]
    price = row.current_price or row.holding.average_price or ZERO
    return Held(row.holding, row.unconfirmed_since, row.holding.owned * price)


def _unique(made: Decision, section: str, seen: dict[Any, Any], key_of: Any) -> dict[Any, Any]:
    """Rows by key. A second row for one key cannot be right: it is set aside."""
    for row in made.section(section).entries:
        key = key_of(row)
        if key in seen and seen[key] != row:
            made.capture.blame(
                section,
                "set_aside",
                f"{row.symbol}: a second row for one instrument",
                "the row is kept in the raw reply",
            )
        else:
            seen[key] = row
    return seen


def _take_holding(made: Decision, held: dict[HoldingKey, OpenHolding], move: HoldingMove) -> None:
    day, pen = made.capture.trading_day, made.pen
    version_id = pen.holding_version(day, made.capture.started_at, move)
    made.count("holdings_updated")
    _explain(made, move, version_id)
    row_id = held[move.key][0] if move.key in held else None
    if move.after is None:
        if row_id:
            pen.delete(rows.REAL_HOLDING, row_id)
        del held[move.key]
        return
    book_row = made.book.holdings.get(move.key)
    price, price_day = _price_now(
        made, move.key[0], book_row.current_price if book_row else None, book_row.price_day if book_row else None
    )
    figures = rows.holding_figures(move.after, move.unconfirmed_since)
    state = (*figures, version_id, price, rows.priced(move.after.owned, price), price_day, pen.now)
    if row_id:
        pen.update(rows.REAL_HOLDING_STATE, row_id, *state)
    else:
        row_id = pen.new_id()
        pen.insert(rows.REAL_HOLDING, row_id, *state, made.capture.account_id, *move.key, pen.now)
    held[move.key] = (row_id, move.after, move.unconfirmed_since)
    made.quotes.setdefault(move.key[0], Quote(price, price_day != day)) if price is not None else None


def _price_now(
    made: Decision, instrument: str, known: Decimal | None, known_day: date | None
) -> tuple[Decimal | None, date | None]:
    """The fresh price if there is one, else the last known with its day."""
    quote = made.quotes.get(instrument)
    return (quote.price, made.capture.trading_day) if quote and not quote.is_stale else (known, known_day)


def _explain(made: Decision, move: HoldingMove, version_id: str) -> None:
    """Why the quantity moved. Before the opening there is nothing to move from."""
    delta = (move.after.owned if move.after else ZERO) - (move.before.owned if move.before else ZERO)
    if not delta or made.book.head.opened_on is None:
        return
    day, instrument = made.capture.trading_day, move.key[0]
    waiting = made.book.waiting(instrument, day) if move.key[1] == DELIVERY else reconcile.NOTHING_WAITS
    explained = reconcile.explain(delta, waiting, day)
    if explained.sells_lower_holdings is not None:
        made.sells_lower_holdings = explained.sells_lower_holdings
    question = None
    if explained.unexplained:
        made.question_number += 1
        question = made.question_number
        made.outbox.questions.append(question)
    change_id = made.pen.holding_change(day, move, version_id, delta, explained.unexplained, question)
    named = move.after or move.before or rows.GONE
    for piece in explained.pieces:
        made.pen.explanation(change_id, move.key, named, "FILLS", piece.dated, piece.quantity)


def _positions(made: Decision) -> dict[PositionKey, Position]:
    capture = made.capture
    known = {key: row.position for key, row in made.book.positions.items()}
    if made.section(POSITIONS).state != ACCEPTED or not capture.takes_state:
        return known
    seen = _unique(made, POSITIONS, {}, lambda row: (made.instrument_of(row), row.segment, row.product))
    for move in diff.positions(known, seen):
        _take_position(made, move)
    made.count("positions_updated", 0)
    return seen


def _take_position(made: Decision, move: PositionMove) -> None:
    pen, capture = made.pen, made.capture
    pen.position_version(capture.trading_day, capture.started_at, move)
    made.count("positions_updated")
    row = made.book.positions.get(move.key)
    if move.after is None:
        if row:
            pen.delete(rows.REAL_POSITION, row.row_id)
        return
    price, price_day = _price_now(made, move.key[0], row.current_price if row else None, row.price_day if row else None)
    state = (*rows.position_figures(move.after), price, price_day, pen.now)
    if row:
        pen.update(rows.REAL_POSITION_STATE, row.row_id, *state)
    else:
        pen.insert(rows.REAL_POSITION, pen.new_id(), *state, capture.account_id, *move.key, pen.now)


def _opening(made: Decision, held: Mapping[HoldingKey, OpenHolding], positions: Mapping[PositionKey, Position]) -> None:
    """The first capture whose holdings, positions and trades are whole says what was owned the day before."""
    whole = all(made.section(name).state in (ACCEPTED, UNCHANGED, ABSENT) for name in (HOLDINGS, POSITIONS, TRADES))
    if made.opened_on is not None or not whole or made.section(HOLDINGS).state == ABSENT or made.holdings_day is None:
        return
    day = made.capture.trading_day
    made.opened_on = calendar.previous_session(day)
    named: dict[HoldingKey, tuple[Decimal, Holding | Position]] = {
        key: (holding.owned, holding) for key, (_, holding, _) in held.items()
    }
    net = dict.fromkeys(named, ZERO)
    for (instrument, segment, product), position in positions.items():
        if is_delivery(segment, product):
            key = (instrument, DELIVERY)
            named.setdefault(key, (ZERO, position))
            net[key] = net.get(key, ZERO) + position.credit_quantity - position.debit_quantity
    for key, (quantity, row) in named.items():
        fills = made.book.fills.get(key[0], {}).get(day)
        net_fills = fills.bought - fills.sold if fills and key[1] == DELIVERY else ZERO
        owned = reconcile.opening(quantity, net.get(key, ZERO), net_fills)
        if owned:
            cost = row.average_price if isinstance(row, Holding) else None
            made.pen.explanation(None, key, row, "OPENING", made.opened_on, owned, cost)


def _funds(made: Decision) -> None:
    for funds in made.section(FUNDS).entries[:1]:
        known = [None if value is None else str(value) for value in funds]
        if known != made.memory.funds:
            made.pen.write(canonical.FUNDS_VERSION, made.capture.trading_day, *funds, made.capture.started_at)
            made.memory.funds = known


def _prices(made: Decision, held: Mapping[HoldingKey, OpenHolding], positions: Mapping[PositionKey, Position]) -> None:
    """Brings the last price of rows up to date that did not move otherwise."""
    day, pen = made.capture.trading_day, made.pen
    done = {
        values[0]
        for table in (rows.REAL_HOLDING_STATE, rows.REAL_HOLDING, rows.REAL_POSITION_STATE)
        for values in (*pen.updates[table], *pen.inserts[table])
    }
    for key, row in made.book.holdings.items():
        quote = made.quotes.get(key[0])
        if (
            quote
            and key in held
            and row.row_id not in done
            and (quote.price, day) != (row.current_price, row.price_day)
        ):
            value = rows.priced(held[key][1].owned, quote.price)
            pen.update(rows.REAL_HOLDING_PRICE, row.row_id, quote.price, value, day, pen.now)
    for position_key, position in made.book.positions.items():
        quote = made.quotes.get(position_key[0])
        if (
            quote
            and position_key in positions
            and position.row_id not in done
            and (quote.price, day) != (position.current_price, position.price_day)
        ):
            pen.update(rows.REAL_POSITION_PRICE, position.row_id, quote.price, day, pen.now)


def _snapshot(
    made: Decision, held: Mapping[HoldingKey, OpenHolding], positions: Mapping[PositionKey, Position]
) -> None:
    capture, day = made.capture, made.capture.trading_day
    taken = (ACCEPTED, UNCHANGED, ABSENT)
    if not capture.writes_snapshot or any(made.section(name).state not in taken for name in (HOLDINGS, POSITIONS)):
        return
    totals = _totals(made, held, positions)
    revision, current = made.book.snapshots.get(day, (0, None))
    if totals != current:
        made.pen.write(canonical.SNAPSHOT, day, revision + 1, *totals, capture.started_at)
    made.memory.snapshot_day = day
    made.outbox.totals = totals


def _totals(
    made: Decision, held: Mapping[HoldingKey, OpenHolding], positions: Mapping[PositionKey, Position]
) -> Totals:
    book, day = made.book, made.capture.trading_day
    quantities: dict[str, Decimal] = {}
    for (instrument, _), (_, holding, _) in held.items():
        quantities[instrument] = quantities.get(instrument, ZERO) + holding.owned
    located = [(key[0], position) for key, position in positions.items()]
    owned = snapshot.owned_quantities(quantities, located, bool(made.sells_lower_holdings))
    today = [by_day[day] for by_day in book.fills.values() if day in by_day]
    before = book.snapshots.get(calendar.previous_session(day))
    return snapshot.totals(
        snapshot.Day(
            owned,
            located,
            _quotes_of(made),
            _last_funds(made),
            sum((fills.net_amount for fills in today), ZERO),
            _orders_count(made),
            sum(fills.count for fills in today),
            before[1].total_portfolio_value if before else None,
        )
    )


def _quotes_of(made: Decision) -> dict[str, Quote]:
    """Fresh quotes, and the last known price of whatever has none."""
    day = made.capture.trading_day
    quotes = dict(made.quotes)
    for key, row in (*made.book.holdings.items(), *made.book.positions.items()):
        if row.current_price is not None:
            quotes.setdefault(key[0], Quote(row.current_price, row.price_day != day))
    return quotes


def _last_funds(made: Decision) -> Funds | None:
    known = made.memory.funds
    if known is None:
        return None
    *figures, currency = known
    return Funds(*(None if value is None else Decimal(value) for value in figures), currency=currency or "INR")  # type: ignore[arg-type]


def _orders_count(made: Decision) -> int:
    section = made.section(ORDERS)
    return len(section.entries) if section.state == ACCEPTED else made.memory.counts.get(ORDERS, 0)


def _remember(made: Decision) -> None:
    """Keeps what each believed section looked like; anything in doubt is compared afresh the next time."""
    doubted = {problem.section for problem in made.capture.problems}
    if made.has_marks:
        doubted.add(HOLDINGS)
    for name, section in made.capture.sections.items():
        if section.state == ACCEPTED:
            made.memory.counts[name] = len(section.entries)
            made.memory.digests.pop(name, None)
            if section.digest and name not in doubted:
                made.memory.digests[name] = section.digest


def wanted_listings(capture: Capture) -> list[Listing]:
    """Every instrument that the accepted sections name."""
    names = (HOLDINGS, POSITIONS, ORDERS, TRADES)
    return [
        listing_of(row)
        for name in names
        if (section := capture.sections.get(name))
        for row in section.entries
        if not isinstance(row, Price)
    ]
