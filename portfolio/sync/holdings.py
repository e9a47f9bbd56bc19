"""Holdings of one capture: which are believed, why they moved, and the opening of a new account.

A row that is missing, or that cannot be read, erases nothing: see `ledger.diff.holdings`.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from ledger import diff, reconcile
from ledger.diff import HoldingKey, HoldingMove, PositionKey
from ledger.entries import DELIVERY, ZERO, Holding, Position
from ledger.reconcile import is_delivery
from ledger.snapshot import Quote

from ..schedule import calendar
from . import rows
from .capture import ABSENT, ACCEPTED, HOLDINGS, POSITIONS, PRICES, SUSPECT, TRADES, UNCHANGED
from .decision import Decision, NotStanding
from .state import HeldRow, PositionRow


class Held(NamedTuple):
    """A holding as it stands now; no row yet while it is new."""

    row_id: str | None
    holding: Holding
    unconfirmed_since: date | None


def take_holdings(made: Decision, positions: Mapping[PositionKey, Position]) -> dict[HoldingKey, Held]:
    """Takes the holdings that are believed, and returns what is held now. `positions` are today's."""
    capture, section = made.capture, made.section(HOLDINGS)
    held = {key: Held(row.row_id, row.holding, row.unconfirmed_since) for key, row in made.book.holdings.items()}
    if section.state != ACCEPTED:
        return held
    found = _diff(made, positions)
    if not capture.takes_state:
        capture.metadata["holdings_differ"] = str(len(found.moves))
        return held
    if found.suspect:
        capture.blame(
            HOLDINGS, "suspect", found.suspect, "nothing was taken; it is asked again on the next trading day"
        )
        capture.sections[HOLDINGS] = section._replace(state=SUSPECT)
    else:
        made.holdings_day = capture.trading_day
    for move in found.moves:
        _take(made, held, move)
    made.has_marks = any(each.unconfirmed_since for each in held.values())
    return held


def _diff(made: Decision, positions: Mapping[PositionKey, Position]) -> diff.HoldingsDiff:
    seen = made.unique(HOLDINGS, partial(_key, made))
    book = _replaced(made, seen)
    _keep_unread(made, seen)
    missing = [key for key in book if key not in seen or not seen[key].owned]
    evidence = {key[0]: _evidence(made, key[0], positions) for key in missing}
    held = {key: _as_held(row) for key, row in book.items()}
    return diff.holdings(held, seen, evidence, made.capture.trading_day)


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
    fills = made.book.waiting(instrument, made.capture.trading_day).evidence()
    bought = (
        position.credit_quantity + position.carry_forward_credit_quantity
        for (of, segment, product), position in positions.items()
        if of == instrument and is_delivery(segment, product)
    )
    return fills._replace(bought=max(fills.bought, sum(bought, ZERO)))


def _keep_unread(made: Decision, seen: dict[HoldingKey, Holding]) -> None:
    """A row that could not be read is not gone: what the book has of it stands. Nameless, it may be any of them."""
    unread = made.unread(HOLDINGS)
    for key, row in made.book.holdings.items():
        if key not in seen and (row.holding.symbol in unread or "" in unread):
            seen[key] = row.holding


def _as_held(row: HeldRow) -> diff.Held:
    price = row.current_price or row.holding.average_price or ZERO
    return diff.Held(row.holding, row.unconfirmed_since, row.holding.owned * price)


def _take(made: Decision, held: dict[HoldingKey, Held], move: HoldingMove) -> None:
    version_id = made.pen.holding_version(made.capture.trading_day, made.capture.started_at, move)
    made.count("holdings_updated")
    made.outbox.holdings.append((move.after or move.before or rows.GONE).symbol)
    _explain(made, move, version_id)
    if move.after is None:
        _close(made, held.pop(move.key))
    else:
        row_id = _write(made, move, move.after, version_id)
        held[move.key] = Held(row_id, move.after, move.unconfirmed_since)


def _close(made: Decision, held: Held) -> None:
    if held.row_id:
        made.pen.delete(rows.REAL_HOLDING, held.row_id)


def _write(made: Decision, move: HoldingMove, after: Holding, version_id: str) -> str:
    """The row of the present state; returns its id."""
    pen, instrument, row = made.pen, move.key[0], made.book.holdings.get(move.key)
    price, price_day = price_now(made, instrument, row)
    if price is not None:
        made.quotes.setdefault(instrument, Quote(price, price_day != made.capture.trading_day))
    figures = rows.holding_figures(after, move.unconfirmed_since)
    state = (*figures, version_id, price, rows.priced(after.owned, price), price_day, pen.now)
    if row:
        pen.update(rows.REAL_HOLDING_STATE, row.row_id, *state)
        return row.row_id
    row_id = pen.new_id()
    pen.insert(rows.REAL_HOLDING, row_id, *state, made.capture.account_id, *move.key, pen.now)
    return row_id


def price_now(made: Decision, instrument: str, row: HeldRow | PositionRow | None) -> tuple[Decimal | None, date | None]:
    """The fresh price if there is one, else the last known with its day."""
    quote = made.quotes.get(instrument)
    if quote and not quote.is_stale:
        return quote.price, made.capture.trading_day
    if row is None and quote is None and made.section(PRICES).gone is not None:
        raise NotStanding(PRICES)  # its price stands among those that were left unread
    return (row.current_price, row.price_day) if row else (None, None)


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
    question = _question(made) if explained.unexplained else None
    change_id = made.pen.holding_change(day, move, version_id, delta, explained.unexplained, question)
    used = made.book.used[instrument]
    for piece in explained.pieces:
        used[piece.dated] = used.get(piece.dated, ZERO) + piece.quantity
        named = move.after or move.before or rows.GONE
        made.pen.explanation(change_id, move.key, named, "FILLS", piece.dated, piece.quantity)


def _question(made: Decision) -> int:
    made.question_number += 1
    made.outbox.questions.append(made.question_number)
    return made.question_number


def write_opening(made: Decision, held: Mapping[HoldingKey, Held], positions: Mapping[PositionKey, Position]) -> None:
    """The first capture whose holdings, positions and trades are whole says what was owned the day before."""
    whole = all(made.section(name).state in (ACCEPTED, UNCHANGED, ABSENT) for name in (HOLDINGS, POSITIONS, TRADES))
    if made.opened_on is not None or not whole or made.section(HOLDINGS).state == ABSENT or made.holdings_day is None:
        return
    day = made.capture.trading_day
    made.opened_on = calendar.previous_session(day)
    named: dict[HoldingKey, Holding | Position] = {key: each.holding for key, each in held.items()}
    net: dict[HoldingKey, Decimal] = {}
    for (instrument, segment, product), position in positions.items():
        if is_delivery(segment, product):
            key = (instrument, DELIVERY)
            named.setdefault(key, position)
            net[key] = net.get(key, ZERO) + position.credit_quantity - position.debit_quantity
    for key, row in named.items():
        fills = made.book.fills.get(key[0], {}).get(day)
        net_fills = fills.bought - fills.sold if fills and key[1] == DELIVERY else ZERO
        quantity = row.owned if isinstance(row, Holding) else ZERO
        owned = reconcile.opening(quantity, net.get(key, ZERO), net_fills)
        if owned:
            cost = row.average_price if isinstance(row, Holding) else None
            made.pen.explanation(None, key, row, "OPENING", made.opened_on, owned, cost)
