"""Reads what a simple trigger returns: plain dicts, {'symbol', 'quantity', 'avg_price', 'asset_type', ...}, or entries.

Keys: symbol (or tradingsymbol, trading_symbol), quantity, avg_price (or average_price), and where known
isin, exchange, last_price (or current_price). Numbers may be int, float, Decimal or text; a float is read
as its shortest decimal text, never through its binary digits.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from ledger import entries, normalise
from ledger.entries import Holding, SetAside
from ledger.errors import BadValue

from ..triggers.base import Rows, UnexpectedReply

KINDS: dict[str, type] = {
    "holdings": entries.Holding,
    "positions": entries.Position,
    "orders": entries.Order,
    "trails": entries.Order,
    "trades": entries.Trade,
    "funds": entries.Funds,
    "prices": entries.Price,
}
_SYMBOL = ("symbol", "tradingsymbol", "trading_symbol")


def read(section: str, answer: Any) -> Rows:
    """A list of entries, or of dicts for holdings. UnexpectedReply for anything else; a row that cannot be kept
    is set aside."""
    if not isinstance(answer, list | tuple) or isinstance(answer, tuple(KINDS.values())):
        raise UnexpectedReply(f"fetch_{section}() gave {type(answer).__name__} where a list is wanted")
    read_row = _reader(section, answer)
    kept: list[Any] = []
    set_aside: list[SetAside] = []
    for row in answer:
        try:
            kept.append(read_row(row))
        except BadValue as error:
            set_aside.append(SetAside(section, _subject(row), str(error)))
    return kept, set_aside


def _reader(section: str, rows: Sequence[Any]) -> Callable[[Any], Any]:
    if all(isinstance(row, KINDS[section]) for row in rows):
        return normalise.fitted
    if section == "holdings" and all(isinstance(row, Mapping) for row in rows):
        return _holding
    given = ", ".join(sorted({type(row).__name__ for row in rows}))
    wanted = f"{'dicts or ' if section == 'holdings' else ''}ledger.entries.{KINDS[section].__name__}"
    raise UnexpectedReply(f"fetch_{section}() gave rows of {given}; {wanted} are wanted")


def _subject(row: Any) -> str:
    """What names the row, as far as that can be read."""
    name = _first(row, *_SYMBOL) if isinstance(row, Mapping) else getattr(row, "symbol", "")
    return str(name or "")[:64]


def _holding(row: Mapping[str, Any]) -> Holding:
    quantity = _number(row, "quantity")
    holding = Holding(
        isin=normalise.text(row.get("isin")) or None,
        symbol=normalise.name(_first(row, *_SYMBOL)),
        exchange=normalise.text(row.get("exchange")) or "NSE",
        quantity=quantity,
        owned=quantity,
        average_price=_number(row, "avg_price", "average_price", default=Decimal(0)),
        last_price=_number(row, "last_price", "current_price", default=Decimal(0)),
    )
    fitted: Holding = normalise.fitted(holding)
    return fitted


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
