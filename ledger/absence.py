"""Open derivative positions that a broker shows no more: closed, expired, or not believed to be gone. Pure.

Shares are settled or squared off overnight, and stand in holdings then: theirs are a matter of one day.
"""

import re
from calendar import THURSDAY, TUESDAY, monthrange
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from .diff import PositionKey
from .entries import CASH, FNO, ZERO, Position

DAY_PRODUCTS: Final = frozenset({"MIS", "INTRADAY", "CO", "BO"})  # squared off by the broker before the day ends
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHLY: Final = re.compile(rf".+?(\d\d)({'|'.join(_MONTHS)})(?:FUT|\d+(?:\.\d+)?(?:CE|PE))")
_WEEKLY: Final = re.compile(r"[A-Z]+(\d\d)([1-9OND])(\d\d)\d+(?:\.\d+)?(?:CE|PE)")


class Traded(NamedTuple):
    """Units of one contract and product, by the fills of some days."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO

    def plus(self, bought: Decimal, sold: Decimal) -> "Traded":
        return Traded(self.bought + bought, self.sold + sold)


NOTHING_TRADED: Final = Traded()


class OpenPosition(NamedTuple):
    """A position as the book has it. `fills` by day, from the day on which it was last shown."""

    position: Position
    unconfirmed_since: date | None
    fills: Mapping[date, Traded]


def stays_open(position: Position) -> bool:
    """Whether it is there on the next day too, unless somebody closes it."""
    return position.segment != CASH and position.product not in DAY_PRODUCTS and position.quantity != ZERO


def doubted(missing: Mapping[PositionKey, OpenPosition], day: date, is_closed: bool) -> list[PositionKey]:
    """Those of the missing ones that stand as they were. `is_closed`: the session of `day` is over."""
    return [key for key, each in missing.items() if not _is_believed_gone(each, day, is_closed)]


def suspicion(open_count: int, doubted_count: int, is_empty: bool) -> str:
    """Why the whole answer is not believed, or nothing."""
    if doubted_count and is_empty:
        return f"an empty answer, while {doubted_count} open positions were not closed"
    if 2 * doubted_count > open_count:
        return f"{doubted_count} of {open_count} open positions are missing and were not closed"
    return ""


def is_as_traded(position: Position, fills: Traded | None) -> bool:
    """Whether the day's fills are what a position of shares showed of that day, and leave it open."""
    return position.quantity != ZERO and fills == (position.credit_quantity, position.debit_quantity)


def _is_believed_gone(each: OpenPosition, day: date, is_closed: bool) -> bool:
    expires_on = expiry(each.position)
    if expires_on and (expires_on < day or (expires_on == day and is_closed)):
        return True
    closed, added = _since_shown(each.position, each.fills.values())
    if closed and closed >= abs(each.position.quantity) + added:
        return True
    is_agreed = each.unconfirmed_since is not None and each.unconfirmed_since < day
    return is_agreed and not _since_shown(each.position, [each.fills.get(day, Traded())])[1]


def _since_shown(position: Position, fills: Collection[Traded]) -> tuple[Decimal, Decimal]:
    """Units that fills closed and added, beyond those that the position showed as its day's own."""
    bought = max(sum((one.bought for one in fills), ZERO) - position.credit_quantity, ZERO)
    sold = max(sum((one.sold for one in fills), ZERO) - position.debit_quantity, ZERO)
    return (sold, bought) if position.quantity > ZERO else (bought, sold)


def expiry(position: Position) -> date | None:
    """The last day of a contract by its name, or the latest that it may be; None where the name does not tell."""
    if weekly := _WEEKLY.fullmatch(position.symbol):
        year, month, day = weekly.groups()
        return _day(2000 + int(year), "123456789OND".index(month) + 1, int(day))
    if monthly := _MONTHLY.fullmatch(position.symbol):
        return _last_of_month(2000 + int(monthly[1]), _MONTHS.index(monthly[2]) + 1, position)
    return None


def _day(year: int, month: int, day: int) -> date | None:
    return date(year, month, day) if 1 <= day <= monthrange(year, month)[1] else None


def _last_of_month(year: int, month: int, position: Position) -> date:
    """The last Tuesday at NSE, the last Thursday at BSE, or the trading day before; elsewhere the month's end."""
    end = date(year, month, monthrange(year, month)[1])
    if position.segment != FNO or position.exchange not in ("NSE", "BSE"):
        return end
    weekday = TUESDAY if position.exchange == "NSE" else THURSDAY
    return end - timedelta(days=(end.weekday() - weekday) % 7)
