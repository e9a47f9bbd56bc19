"""Reads the plain dicts of a simple trigger: {'symbol', 'quantity', 'avg_price', 'asset_type', ...}.

Keys: symbol (or tradingsymbol, trading_symbol), quantity, avg_price (or average_price), and where known
isin, exchange, last_price (or current_price). Numbers may be int, float, Decimal or text; a float is read
as its shortest decimal text, never through its binary digits.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ledger import normalise
from ledger.entries import Holding, SetAside
from ledger.errors import BadValue

from ..triggers.base import Rows, UnexpectedReply


def read(section: str, answer: Any) -> Rows:
    """A list of entries as it is, a list of dicts as holdings. UnexpectedReply for anything else."""
    if not isinstance(answer, Sequence) or isinstance(answer, str | bytes):
        raise UnexpectedReply(f"fetch_{section}() gave {type(answer).__name__} where a list is wanted")
    if not any(isinstance(row, Mapping) for row in answer):
        return list(answer), []
    if section != "holdings":
        raise UnexpectedReply(f"fetch_{section}() gave dicts; only holdings may be dicts, the rest are ledger.entries")
    entries: list[Holding] = []
    set_aside: list[SetAside] = []
    for row in answer:
        try:
            entries.append(_holding(row))
        except BadValue as error:
            set_aside.append(SetAside(section, str(row.get("symbol", ""))[:64], str(error)))
    return entries, set_aside


def _holding(row: Mapping[str, Any]) -> Holding:
    quantity = normalise.quantity(_number(row, "quantity"))
    holding = Holding(
        isin=normalise.text(row.get("isin")) or None,
        symbol=normalise.name(_first(row, "symbol", "tradingsymbol", "trading_symbol")),
        exchange=normalise.text(row.get("exchange")) or "NSE",
        quantity=quantity,
        owned=quantity,
        average_price=normalise.known_price(_number(row, "avg_price", "average_price", default=Decimal(0))),
        last_price=normalise.known_price(_number(row, "last_price", "current_price", default=Decimal(0))),
    )
    if reason := normalise.wrong_holding(holding):
        raise BadValue(reason)
    return holding


def _first(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _number(row: Mapping[str, Any], *names: str, default: Decimal | None = None) -> Decimal:
    value = _first(row, *names)
    if value is None:
        if default is not None:
            return default
        raise BadValue(f"{names[0]} is missing")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else str(value))
    except InvalidOperation:
        raise BadValue(f"{names[0]} is not a number: {str(value)[:40]!r}") from None
    if not number.is_finite():
        raise BadValue(f"{names[0]} is not a number: {value}")
    return number
