"""What a capture tells and Khata does not know: fills of a day without a session, words for the state of an order, and
prices that are in paise as it seems.

They are taken as all others. But a calendar that calls a session a holiday also owes nobody a sync that day, and an
order of an unknown state counts as open until somebody says what the word means.
"""

from ledger.canonical import ORDER, TRANSACTION
from ledger.entries import UNKNOWN
from ledger.paise import in_paise

from ..schedule import calendar
from .capture import ORDERS, POSITIONS
from .decision import Decision

DOUBTED, UNKNOWN_STATUS = "calendar.doubted", "orders.unknown_status"
_SHARES = ("CASH", "FNO")  # the calendar is that of NSE and BSE; commodities have their own
_DAY, _SEGMENT = (TRANSACTION.columns.index(name) for name in ("trade_date", "segment"))
_STATUS, _WORD = (ORDER.columns.index(name) for name in ("order_status", "status_raw"))


def doubt_the_calendar(made: Decision) -> None:
    """One event a batch, for fills that it writes."""
    written = made.pen.written.get(TRANSACTION, ())
    days = {row[_DAY] for row in written if row[_SEGMENT] in _SHARES}
    doubted = sorted(day.isoformat() for day in days if calendar.session(day) is None)
    if doubted:
        made.capture.metadata["calendar"] = f"fills on {', '.join(doubted)}, when the calendar has no session"
        made.outbox.account.append((DOUBTED, {"account": made.capture.account_id, "days": doubted}))


def doubt_the_prices(made: Decision) -> None:
    """Of positions, by the orders that came with them."""
    capture = made.capture
    if symbols := in_paise(capture.entries(POSITIONS), capture.entries(ORDERS)):
        says = "prices a hundred times those of the day's orders, kept as they came"
        capture.metadata["positions_prices"] = f"{says}: {', '.join(symbols)}"


def tell_unknown_words(made: Decision) -> None:
    """One event a batch, for the versions of orders that it writes."""
    words = sorted({row[_WORD] for row in made.pen.written.get(ORDER, ()) if row[_STATUS] == UNKNOWN})
    if words:
        made.capture.metadata["unknown_status"] = f"orders in a state that is not known: {', '.join(words)}"
        made.outbox.account.append((UNKNOWN_STATUS, {"account": made.capture.account_id, "words": words}))
