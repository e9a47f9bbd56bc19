"""Holdings of one capture: which are believed, and what stands now; why they moved is the bridge's.

A row that is missing, or that cannot be read, erases nothing: see `ledger.diff.holdings`. A look in the morning of a
trading day takes what fills of the day before made holdings show, and nothing else.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial

from ledger import diff
from ledger.diff import HoldingKey, HoldingMove, PositionKey
from ledger.entries import DELIVERY, MTF, ZERO, Holding, Position
from ledger.reconcile import is_delivery
from ledger.snapshot import Quote

from . import rows
from .bridge import Moved, explain_moves, traded_before
from .capture import ACCEPTED, HOLDINGS, PRICES, SUSPECT
from .decision import Decision, NotStanding
from .state import HeldRow, PositionRow


def take_holdings(made: Decision, positions: Mapping[PositionKey, Position]) -> dict[HoldingKey, HeldRow]:
    """Takes the holdings that are believed, and returns what is held now. `positions` are today's."""
    capture, section = made.capture, made.section(HOLDINGS)
    held = {**made.book.holdings}
    if section.state != ACCEPTED:
        return held
    found = _diff(made, positions)
    if not capture.takes_state:
        capture.metadata["holdings_differ"] = str(len(found.moves))
        if capture.morning_of and not found.suspect:
            _take_expected(made, held, found.moves)
        return held
    if found.suspect:
        capture.blame(
            HOLDINGS, "suspect", found.suspect,
            "nothing was taken; what is missing stands, marked unconfirmed, and is asked again on the next trading day",
        )  # fmt: skip
        capture.sections[HOLDINGS] = section._replace(state=SUSPECT)
    else:
        made.holdings_day = capture.holdings_day
    moved = {move.key: _take(made, held, move) for move in found.moves}
    made.has_marks = any(each.unconfirmed_since for each in held.values())
    if not found.suspect:
        if made.has_marks:
            marked = (each.holding.symbol for each in held.values() if each.unconfirmed_since)
            capture.metadata["holdings_unconfirmed"] = ", ".join(sorted(marked))
        explain_moves(made, moved, {*_unread(made), *(key for key, each in held.items() if each.unconfirmed_since)})
    return held


def _take_expected(made: Decision, held: dict[HoldingKey, HeldRow], moves: Sequence[HoldingMove]) -> None:
    """The day's first holdings close what is expected of them: of shares that were traded before, each row that is not
    in doubt. Where not one has moved, the broker's books are yesterday's still, and all is expected as before."""
    book, day = made.book, made.capture.holdings_day
    expected = {key[0] for key in traded_before(book, day) if book.waiting(key, day).is_due()}
    doubted = {*_unread(made), *(key for key, row in book.holdings.items() if row.unconfirmed_since)}
    doubted |= {move.key for move in moves if move.unconfirmed_since or not (move.after or _is_sold(made, move))}
    wanted = [move for move in moves if move.key[0] in expected and move.key not in doubted]
    if wanted:
        made.holdings_day = day
        explain_moves(made, {move.key: _take(made, held, move) for move in wanted}, doubted)


def _is_sold(made: Decision, move: HoldingMove) -> bool:
    """Whether fills say that it is gone, and not only that there is another in its place."""
    waiting = made.book.waiting(move.key, made.capture.holdings_day)
    return move.before is not None and waiting.evidence().net_fills <= -move.before.owned


def _diff(made: Decision, positions: Mapping[PositionKey, Position]) -> diff.HoldingsDiff:
    seen = made.unique(HOLDINGS, partial(_key, made))
    book = _replaced(made, seen)
    _keep_unread(made, seen)
    missing = [key for key in book if key not in seen or not seen[key].owned]
    evidence = {key[0]: _evidence(made, key[0], positions) for key in missing}
    held = {key: _as_held(row) for key, row in book.items()}
    return diff.holdings(held, seen, evidence, made.capture.holdings_day)


def _key(made: Decision, row: Holding) -> HoldingKey:
    return made.instrument_of(row), row.lot


def _replaced(made: Decision, seen: Mapping[HoldingKey, Holding]) -> Mapping[HoldingKey, HeldRow]:
    """The rows of the book that the answer speaks of: all, unless it was read in part.

    Then the earlier answer has them in full. NotStanding where something vanished, or stands for another reason:
    that is to be judged with all rows in sight.
    """
    book, rows = made.book.holdings, made.section(HOLDINGS).gone
    if rows is None:
        return book
    gone = {_key(made, row): row for row in rows}
    stood = all(key in book and book[key].holding.owned == row.owned for key, row in gone.items())
    vanished = any(key not in seen or not seen[key].owned for key in gone)
    if not stood or vanished or any((key in book) != (key in gone) for key in seen):
        raise NotStanding(HOLDINGS)
    return {key: book[key]._replace(holding=row) for key, row in gone.items()}


def _evidence(made: Decision, instrument: str, positions: Mapping[PositionKey, Position]) -> diff.Evidence:
    """What fills and positions say of one instrument; the same purchase may stand in both."""
    waiting = [made.book.waiting((instrument, lot), made.capture.holdings_day).evidence() for lot in (DELIVERY, MTF)]
    fills = diff.Evidence(sum((one.net_fills for one in waiting), ZERO), sum((one.bought for one in waiting), ZERO))
    bought = (
        position.credit_quantity + position.carry_forward_credit_quantity
        for (of, segment, product), position in positions.items()
        if of == instrument and is_delivery(segment, product)
    )
    return fills._replace(bought=max(fills.bought, sum(bought, ZERO)))


def _keep_unread(made: Decision, seen: dict[HoldingKey, Holding]) -> None:
    """A row that could not be read is not gone: what the book has of it stands. Nameless, it may be any of them."""
    for key in _unread(made):
        seen.setdefault(key, made.book.holdings[key].holding)


def _unread(made: Decision) -> list[HoldingKey]:
    """Holdings whose row may be among those that could not be read."""
    unread = made.unread(HOLDINGS)
    if not unread:
        return []
    return [key for key, row in made.book.holdings.items() if row.holding.symbol in unread or "" in unread]


def _as_held(row: HeldRow) -> diff.Held:
    price = row.current_price or row.holding.average_price or ZERO
    return diff.Held(row.holding, row.unconfirmed_since, row.holding.owned * price)


def _take(made: Decision, held: dict[HoldingKey, HeldRow], move: HoldingMove) -> Moved:
    version_id = made.pen.holding_version(made.capture.holdings_day, made.capture.started_at, move)
    made.count("holdings_updated")
    made.outbox.holdings.append((move.after or move.before or rows.GONE).symbol)
    if move.after is None:
        made.pen.delete(rows.REAL_HOLDING, held.pop(move.key).row_id)
    else:
        held[move.key] = _write(made, move, move.after, version_id)
    return Moved(move, version_id)


def _write(made: Decision, move: HoldingMove, after: Holding, version_id: str) -> HeldRow:
    """The row of the present state."""
    pen, instrument, row = made.pen, move.key[0], made.book.holdings.get(move.key)
    price, price_day = price_now(made, instrument, row or _as_traded(made, instrument))
    if price is not None:
        made.quotes.setdefault(instrument, Quote(price, price_day != made.capture.trading_day))
    figures = rows.holding_figures(after, move.unconfirmed_since)
    state = (*figures, version_id, price, rows.priced(after.owned, price), price_day, pen.now)
    row_id = row.row_id if row else pen.new_id()
    if row:
        pen.update(rows.REAL_HOLDING_STATE, row_id, *state)
    else:
        pen.insert(rows.REAL_HOLDING, row_id, *state, made.capture.account_id, *move.key, pen.now)
    return HeldRow(row_id, after, move.unconfirmed_since, price, price_day)


def _as_traded(made: Decision, instrument: str) -> PositionRow | None:
    """What comes into holdings was a position before, and had a price."""
    return next((row for key, row in made.book.positions.items() if key[0] == instrument), None)


def price_now(made: Decision, instrument: str, row: HeldRow | PositionRow | None) -> tuple[Decimal | None, date | None]:
    """The fresh price if there is one, else the last known with its day."""
    quote = made.quotes.get(instrument)
    if quote and not quote.is_stale:
        return quote.price, made.capture.trading_day
    if row is None and quote is None and made.section(PRICES).gone is not None:
        raise NotStanding(PRICES)  # its price stands among those that were left unread
    return (row.current_price, row.price_day) if row else (None, None)
