"""What a capture tells that the calendar does not: fills of a day on which there was no session.

They are taken as all others. But a calendar that calls a session a holiday also owes nobody a sync that day.
"""

from ledger.canonical import TRANSACTION

from ..schedule import calendar
from .decision import Decision

DOUBTED = "calendar.doubted"
_SHARES = ("CASH", "FNO")  # the calendar is that of NSE and BSE; commodities have their own
_DAY, _SEGMENT = (TRANSACTION.columns.index(name) for name in ("trade_date", "segment"))


def doubt_the_calendar(made: Decision) -> None:
    """One event a batch, for fills that it writes."""
    written = made.pen.written.get(TRANSACTION, ())
    days = {row[_DAY] for row in written if row[_SEGMENT] in _SHARES}
    doubted = sorted(day.isoformat() for day in days if calendar.session(day) is None)
    if doubted:
        made.capture.metadata["calendar"] = f"fills on {', '.join(doubted)}, when the calendar has no session"
        made.outbox.account.append((DOUBTED, {"account": made.capture.account_id, "days": doubted}))
