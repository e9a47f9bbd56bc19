"""Khata's own CSV of fills, for whatever no other format covers: see docs/statements.md.

Needed: trade_date, side, quantity, price, symbol. Where they are known: isin, trade_time, exchange, segment (CASH),
product (CNC), trade_id, order_id. Without a trade_id two equal lines of one file are two fills.
"""

from collections.abc import Callable, Sequence

from ledger.entries import CASH, COMMODITY, CURRENCY, FNO, Trade
from ledger.errors import BadValue

from .reading import Columns, Format, day_of, isin_of, moment_of, name_of, number_of, price_of, quantity_of, side_of

_SEGMENTS = (CASH, FNO, COMMODITY, CURRENCY)


def _reader(columns: Columns) -> Callable[[Sequence[str]], Trade]:
    cells = columns.of(
        "trade_date", "side", "quantity", "price", "symbol", "isin", "trade_time", "exchange", "segment", "product",
        "trade_id", "order_id",
    )  # fmt: skip

    def fill(row: Sequence[str]) -> Trade:
        date, side, quantity, price, symbol, isin, time, exchange, segment, product, trade_id, order_id = cells(row)
        day, where = day_of(date), (segment or CASH).upper()
        if where not in _SEGMENTS:
            raise BadValue(f"segment: {where[:20]!r} is none of {', '.join(_SEGMENTS)}")
        if not symbol:
            raise BadValue("symbol must not be empty")
        return Trade(
            number_of("trade_id", trade_id), number_of("order_id", order_id), isin_of(isin), name_of("symbol", symbol),
            name_of("exchange", exchange, 20), where,
            name_of("product", product, 20).upper() or ("CNC" if where == CASH else "NRML"), side_of(side),
            quantity_of(quantity), price_of(price),
            moment_of(f"{day}T{time}" if len(time) < 9 else time, day) if time else None, day,
        )  # fmt: skip

    return fill


FORMAT = Format(
    "khata-csv",
    "Khata's own CSV",
    None,
    frozenset({"trade_date", "side", "quantity", "price", "symbol"}),
    _reader,
)
