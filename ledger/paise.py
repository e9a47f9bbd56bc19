"""Whether prices of positions are a hundred times what the day's orders were filled at: in paise, not in rupees. Pure.

Rupees are what brokers document. So nothing is scaled: what does not fit is named, for a person to look at.
"""

from collections.abc import Hashable, Iterable
from decimal import Decimal

from .entries import BUY, SELL, ZERO, Order, Position

_NEAR_A_HUNDRED = Decimal(90), Decimal(110)  # an average over the day's fills need not be the exact one


def in_paise(positions: Iterable[Position], orders: Iterable[Order]) -> list[str]:
    """The symbols of those positions of which a side was dealt at a hundred times the price of its orders."""
    dealt = [
        (row.symbol, (*_where(row), side), price)
        for row in positions
        for side, units, price in (
            (BUY, row.credit_quantity, row.credit_price), (SELL, row.debit_quantity, row.debit_price),
        )
        if units
    ]  # fmt: skip
    filled = _average_prices(orders) if dealt else {}
    low, high = _NEAR_A_HUNDRED
    return sorted({symbol for symbol, key, price in dealt if key in filled and low <= price / filled[key] <= high})


def _where(row: Position | Order) -> tuple[str, str, str, str]:
    return row.symbol, row.exchange, row.segment, row.product


def _average_prices(orders: Iterable[Order]) -> dict[Hashable, Decimal]:
    """Over all that was filled of each, by side."""
    units: dict[Hashable, Decimal] = {}
    costs: dict[Hashable, Decimal] = {}
    for order in orders:
        if order.filled_quantity and order.average_fill_price:
            key = (*_where(order), order.transaction_type)
            units[key] = units.get(key, ZERO) + order.filled_quantity
            costs[key] = costs.get(key, ZERO) + order.filled_quantity * order.average_fill_price
    return {key: costs[key] / units[key] for key in units}
