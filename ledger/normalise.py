"""What may stand in the book: scales, ranges and the checks that a broker's row must pass.

Pure. A row that fails is set aside with the reason; it is never repaired and never dropped in silence.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Any

from .entries import (
    EXECUTED,
    FINAL_STATES,
    OPEN,
    PARTIALLY_FILLED,
    ZERO,
    Holding,
    Order,
    Position,
    Trade,
)
from .errors import BadValue

INDIA_IS_AHEAD = timedelta(hours=5, minutes=30)
IST = timezone(INDIA_IS_AHEAD, "IST")

QUANTITY_SCALE, PRICE_SCALE, MONEY_SCALE, PERCENT_SCALE = 10, 8, 6, 4
LARGEST_INTEGER = 2**63 - 1  # SQLite keeps a decimal as a scaled 64-bit integer; its range binds both databases
TEXT_LIMIT, SHORT_LIMIT, REMARK_LIMIT = 64, 20, 500

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN)  # our own: the global context is never touched
_STEPS = {scale: Decimal(1).scaleb(-scale) for scale in range(13)}
_LIMITS = {scale: Decimal(LARGEST_INTEGER).scaleb(-scale) for scale in range(13)}
_ZEROS = {scale: Decimal(0).scaleb(-scale) for scale in range(13)}


def at_scale(value: Decimal, scale: int) -> Decimal:
    """`value` rounded half to even to `scale` decimals, never minus zero. BadValue when it cannot be kept."""
    limit = _LIMITS[scale]
    try:
        scaled = value.quantize(_STEPS[scale], context=_CONTEXT)
        fits = -limit <= scaled <= limit  # comparing raises for what is not a number
    except InvalidOperation:
        raise BadValue("not a number" if value.is_qnan() else f"{value} is not a number that fits") from None
    if not fits:
        raise BadValue(f"{value} is too large (limit {limit:.0f})")
    return scaled if scaled else _ZEROS[scale]


def quantity(value: Decimal) -> Decimal:
    return at_scale(value, QUANTITY_SCALE)


def price(value: Decimal) -> Decimal:
    return at_scale(value, PRICE_SCALE)


def known_price(value: Decimal | None) -> Decimal | None:
    """A price where 0 makes no sense: 0 and nothing both mean that it is not known."""
    return at_scale(value, PRICE_SCALE) if value else None


def money(value: Decimal | None) -> Decimal | None:
    return None if value is None else at_scale(value, MONEY_SCALE)


_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, and halves of a pair


def text(value: str | None, limit: int = TEXT_LIMIT) -> str:
    """Trimmed text of at most `limit` characters that both databases can keep. BadValue otherwise."""
    if not value:
        return ""
    value = value.strip()
    if len(value) > limit:
        raise BadValue(f"text of {len(value)} characters where {limit} are allowed: {value[:20]!r}...")
    if not value.isprintable() and _UNFIT.search(value):
        raise BadValue("text with characters that cannot be kept")
    return value


def name(value: str | None, limit: int = TEXT_LIMIT) -> str:
    """Like `text`, and it must be there: a symbol, an order id."""
    kept = text(value, limit)
    if not kept:
        raise BadValue("a name that must be there is empty")
    return kept


_PERSONAL = re.compile(
    r"\b[A-Z]{5}\d{4}[A-Z]\b"  # PAN
    r"|\b[\w.+-]+@[\w-]+\.[\w.]+\b"  # e-mail address
    r"|(?:\+?\b91[- ]?|\b)[6-9]\d{9}\b"  # Indian mobile number
    r"|\beyJ[\w-]{10,}[\w.-]*"  # a token in JWT form
    r"|\b\d{16}\b"  # demat number
)


def scrubbed(value: str | None, identifiers: tuple[str, ...] = (), limit: int = REMARK_LIMIT) -> str:
    """A broker's free text without what names a person: kept in clear, so cleaned first. Cut at `limit`."""
    if not value:
        return ""
    cleaned = _PERSONAL.sub("***", value if value.isprintable() else _UNFIT.sub(" ", value)).strip()
    for identifier in identifiers:
        if identifier:
            cleaned = cleaned.replace(identifier, "***")
    return cleaned[:limit]


_MONEY = frozenset({"realised_pnl", "cash_balance", "margin_used", "margin_available", "collateral"})
_NEVER_ZERO = frozenset({"average_price", "last_price"})
_TEXT_LIMITS = {
    **dict.fromkeys(("isin", "exchange", "segment", "lot", "status"), SHORT_LIMIT), "currency": 3, "doubt": 200
}  # fmt: skip


def fitted(entry: Any) -> Any:
    """An entry that somebody else made, as it may stand in the book: numbers at their scale, instants in UTC.

    BadValue with the reason when it cannot be kept, or cannot be right.
    """
    made = entry._make(_fitted(name, value) for name, value in zip(entry._fields, entry, strict=True))
    if reason := wrong(made):
        raise BadValue(reason)
    return made


def _fitted(field: str, value: Any) -> Any:
    if isinstance(value, float):
        raise BadValue(f"{field} is a float; a Decimal is wanted")
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        number = at_scale(Decimal(value), _scale(field))
        return None if field in _NEVER_ZERO and not number else number
    if isinstance(value, datetime):
        return as_ist(value)
    if isinstance(value, str):
        return scrubbed(value) if field == "remark" else text(value, _TEXT_LIMITS.get(field, TEXT_LIMIT))
    return value


def _scale(field: str) -> int:
    if field.endswith("price"):
        return PRICE_SCALE
    return MONEY_SCALE if field in _MONEY else QUANTITY_SCALE


def as_ist(moment: datetime) -> datetime:
    """An instant in UTC; without a zone it is read as India's."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=IST)).astimezone(UTC)


def ist_date(moment: datetime) -> date:
    return moment.astimezone(IST).date()


def is_other_reading(known: datetime | None, told: datetime | None) -> bool:
    """Whether this is the known moment, taken for India's time in place of UTC or the other way round.

    What a broker's `Z` means is judged by what else is known when it is read, so one time may be read in both ways.
    """
    return known is not None and told is not None and abs(told - known) == INDIA_IS_AHEAD


def common_status(mapped: str | None, ordered: Decimal, filled: Decimal) -> str:
    """The common state of an order: quantities outweigh a broker's word that is not final."""
    if mapped is None:
        return "UNKNOWN"
    if mapped in FINAL_STATES:
        return mapped
    if ordered and filled == ordered:
        return EXECUTED
    return PARTIALLY_FILLED if mapped == OPEN and filled else mapped


def wrong(row: Any) -> str | None:
    """Why this entry cannot be right, or None."""
    check = _CHECKS.get(type(row))
    return check(row) if check else None


def wrong_holding(row: Holding) -> str | None:
    """Why this holding cannot be right, or None."""
    if row.quantity < ZERO or row.owned < ZERO:
        return "a holding cannot be negative"
    if min(row[6:12]) < ZERO:
        return "a part of a holding cannot be negative"
    if row.average_price is not None and row.average_price < ZERO:
        return "an average price cannot be negative"
    return None


def wrong_position(row: Position) -> str | None:
    if min(row[6], row[8], row[10], row[12]) < ZERO:
        return "a bought or sold quantity cannot be negative"
    return None


def wrong_order(row: Order) -> str | None:
    if row.quantity < ZERO or row.filled_quantity < ZERO:
        return "an order's quantity cannot be negative"
    if row.filled_quantity > row.quantity:
        return f"filled {row.filled_quantity.normalize():f} of {row.quantity.normalize():f} ordered"
    if row.transaction_type not in ("BUY", "SELL"):
        return f"neither BUY nor SELL: {row.transaction_type!r}"
    return None


def wrong_trade(row: Trade) -> str | None:
    if row.quantity <= ZERO:
        return "a fill must have a quantity above 0"
    if row.price < ZERO:
        return "a fill's price cannot be negative"
    if row.transaction_type not in ("BUY", "SELL"):
        return f"neither BUY nor SELL: {row.transaction_type!r}"
    return None


_CHECKS: dict[type, Callable[[Any], str | None]] = {
    Holding: wrong_holding,
    Position: wrong_position,
    Order: wrong_order,
    Trade: wrong_trade,
}
