"""Khata's own CSV of fills, for whatever no other format covers: see docs/statements.md.

Needed: trade_date, side, quantity, price, symbol. Where they are known: isin, trade_time, exchange (NSE), segment
(CASH), product (CNC), trade_id, order_id. Without a trade_id two equal lines of one file are two fills.
"""

from collections.abc import Callable, Sequence

from ledger.entries import CASH, COMMODITY, CURRENCY, FNO, Trade
from ledger.errors import BadValue

from .reading import Columns, Format, day_of, isin_of, moment_of, price_of, quantity_of, side_of, text_of

_SEGMENTS = (CASH, FNO, COMMODITY, CURRENCY)


def _reader(columns: Columns) -> Callable[[Sequence[str]], Trade]:
    names = (
        "trade_date",
        "side",
        "quantity",
        "price",
        "symbol",
        "isin",
        "trade_time",
        "exchange",
        "segment",
        "product",
    )
    day_, side, quantity, price, symbol, isin, time, exchange, segment, product = (columns.of(name) for name in names)
    trade_id, order_id = columns.of("trade_id"), columns.of("order_id")

    def fill(row: Sequence[str]) -> Trade:
        day, where = day_of(day_(row)), (segment(row) or CASH).upper()
        if where not in _SEGMENTS:
            raise BadValue(f"segment: {where[:20]!r} is none of {', '.join(_SEGMENTS)}")
        if not symbol(row):
            raise BadValue("symbol must not be empty")
        moment = time(row)
        return Trade(
            text_of("trade_id", trade_id(row)), text_of("order_id", order_id(row)), isin_of(isin(row)),
            text_of("symbol", symbol(row)), text_of("exchange", exchange(row), 20) or "NSE", where,
            text_of("product", product(row), 20).upper() or ("CNC" if where == CASH else "NRML"), side_of(side(row)),
            quantity_of(quantity(row)), price_of(price(row)),
            moment_of(f"{day}T{moment}" if len(moment) < 9 else moment, day) if moment else None, day,
        )  # fmt: skip

    return fill


FORMAT = Format(
    "khata-csv",
    "Khata's own CSV",
    None,
    frozenset({"trade_date", "side", "quantity", "price", "symbol"}),
    _reader,
)
