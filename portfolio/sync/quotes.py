"""Prices of one capture: the fresh ones, and what they make of the rows that did not move otherwise."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from ledger.diff import HoldingKey, PositionKey
from ledger.entries import Position
from ledger.snapshot import Quote

from . import rows
from .capture import HOLDINGS, POSITIONS, PRICES
from .decision import Decision
from .state import HeldRow


def take_quotes(made: Decision) -> None:
    """Fresh prices by instrument: from the price section, else from the rows themselves."""
    if not made.capture.takes_state:
        return
    entries = made.section(PRICES).entries
    symbols = {row.symbol for row in entries}
    priced = [(listing, instrument) for listing, instrument in made.instruments.items() if listing.symbol in symbols]
    by_symbol = {(listing.symbol, listing.segment): instrument for listing, instrument in priced}
    by_name = {(listing.symbol, listing.exchange, listing.segment): instrument for listing, instrument in priced}
    for row in entries:
        # Another exchange than the one in the book does: the broker shows now this one, now that.
        instrument = by_name.get((row.symbol, row.exchange, row.segment)) or by_symbol.get((row.symbol, row.segment))
        if instrument:
            made.quotes[instrument] = Quote(row.price)
    for row in (*made.section(HOLDINGS).entries, *made.section(POSITIONS).entries):
        if row.last_price is not None:
            made.quotes.setdefault(made.instrument_of(row), Quote(row.last_price))


def update_prices(
    made: Decision, held: Mapping[HoldingKey, HeldRow], positions: Mapping[PositionKey, Position]
) -> None:
    day, pen = made.capture.trading_day, made.pen
    done = {values[0] for table in (rows.REAL_HOLDING_STATE, rows.REAL_POSITION_STATE) for values in pen.updates[table]}
    for key, row in made.book.holdings.items():
        if key in held and row.row_id not in done:
            price = _news(made, key[0], row.current_price, row.price_day)
            if price is not None:
                value = rows.priced(held[key].holding.owned, price)
                pen.update(rows.REAL_HOLDING_PRICE, row.row_id, price, value, day, pen.now)
    for position_key, position in made.book.positions.items():
        if position_key in positions and position.row_id not in done:
            price = _news(made, position_key[0], position.current_price, position.price_day)
            if price is not None:
                pen.update(rows.REAL_POSITION_PRICE, position.row_id, price, day, pen.now)


def _news(made: Decision, instrument: str, price: Decimal | None, price_day: date | None) -> Decimal | None:
    """The fresh price, where it says more than what the row has."""
    quote = made.quotes.get(instrument)
    if quote is None or quote.is_stale or (quote.price, made.capture.trading_day) == (price, price_day):
        return None
    return quote.price
