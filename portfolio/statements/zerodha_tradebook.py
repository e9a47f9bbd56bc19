"""Zerodha Console's tradebook: Reports, Tradebook, a segment and up to 365 days a file, as CSV.

Columns: symbol, isin (empty for derivatives), trade_date, exchange, segment (EQ, FO, ...; sometimes empty), series,
trade_type (buy, sell), auction, quantity and price with six decimals, trade_id, order_id, order_execution_time (India's
time without a zone), expiry_date in files of derivatives. It tells no product: what was bought and sold on one day
cancels out, so all shares are taken as delivery. It has no charges, and nothing that did not happen on an exchange.
"""

from collections.abc import Callable, Sequence

from ledger.entries import CASH, COMMODITY, CURRENCY, FNO, Trade
from ledger.errors import BadValue

from .reading import Columns, Format, day_of, isin_of, moment_of, name_of, number_of, price_of, quantity_of, side_of

_SEGMENTS = {"EQ": CASH, "BE": CASH, "FO": FNO, "CDS": CURRENCY, "CD": CURRENCY, "COM": COMMODITY, "MCX": COMMODITY}


def _reader(columns: Columns) -> Callable[[Sequence[str]], Trade]:
    cells = columns.of(
        "symbol", "isin", "trade_date", "exchange", "segment", "trade_type", "quantity", "price", "trade_id",
        "order_id", "order_execution_time",
    )  # fmt: skip

    def fill(row: Sequence[str]) -> Trade:
        symbol, isin, date, exchange, segment, side, quantity, price, trade_id, order_id, moment = cells(row)
        day, known = day_of(date), isin_of(isin)
        where = _segment(segment, known)
        number = number_of("trade_id", trade_id)
        if not number or not symbol:
            raise BadValue("symbol and trade_id must not be empty")
        return Trade(
            number, number_of("order_id", order_id), known, name_of("symbol", symbol),
            name_of("exchange", exchange, 20), where, "CNC" if where == CASH else "NRML", side_of(side),
            quantity_of(quantity), price_of(price), moment_of(moment, day) if moment else None, day,
        )  # fmt: skip

    return fill


def _segment(text: str, isin: str | None) -> str:
    if not text:
        return CASH if isin else FNO
    if text not in _SEGMENTS:
        raise BadValue(f"segment: {text[:20]!r} is not one that is kept here; known are {', '.join(_SEGMENTS)}")
    return _SEGMENTS[text]


FORMAT = Format(
    "zerodha-tradebook",
    "Zerodha Console's tradebook",
    "ZERODHA",
    frozenset({
        "symbol", "isin", "trade_date", "exchange", "segment", "trade_type", "quantity", "price", "trade_id",
        "order_id", "order_execution_time",
    }),
    _reader,
)  # fmt: skip
