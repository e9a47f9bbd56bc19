"""Coverage as a person reads it, a month at a time, and as a program does. Reads; decides nothing."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from ledger.coverage import (
    BACK_FILLED,
    COMPLETE,
    HOLIDAY,
    MISSED,
    NOT_OWED,
    PARTIAL,
    PROVISIONAL,
    TO_COME,
    WAITING,
    WANTING,
)
from ledger.normalise import IST

from .models import BrokerAccount
from .schedule.coverage import Day, Row

MARKS = {
    COMPLETE: "#", PROVISIONAL: "+", PARTIAL: "p", MISSED: "X", WAITING: "?", BACK_FILLED: "b", HOLIDAY: "-",
    TO_COME: " ", NOT_OWED: ".",
}  # fmt: skip
LEGEND = (
    "# complete   + provisional   p partial   X MISSED   ? waiting",
    "b back-filled   - no session   . not owed",
)
_HOW = re.compile(r"(: run|[;.]?[^;.:]*:) manage\.py connect( [\w-]*)?( --[a-z]*( [\w-]*)?)?")


def text(rows: Sequence[Row]) -> str:
    """The grid, and under it each day that something is missing of."""
    return "\n".join(_lines(rows)) + "\n"


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        yield "No accounts yet; add one with: manage.py connect groww"
        return
    days = [day.day for day in rows[0].days]
    width = max(len(str(row.account)) for row in rows)
    yield f"{days[0]:%B %Y}"
    for marks in zip(*(f"{day:%a}"[0] + f"{day.day:2}" for day in days), strict=True):
        yield f"{'':{width}}  {_by_week(days, marks)}".rstrip()
    for row in rows:
        yield f"{row.account!s:{width}}  {_by_week(days, [MARKS[day.result] for day in row.days])}".rstrip()
    yield from LEGEND
    yield from _troubles(rows)
    for row in rows:
        for day in row.days:
            if day.result in WANTING:
                yield from _wanting(row, day)


def _by_week(days: Sequence[date], marks: Iterable[str]) -> str:
    """One character a day, so that a month fits beside a name in 80 columns."""
    each = zip(days, marks, strict=True)
    return "".join(" " * (day.weekday() == 0 and day != days[0]) + mark for day, mark in each)


def _troubles(rows: Sequence[Row]) -> Iterator[str]:
    """Accounts that wait for their owner, or fail: that is now, whatever the month."""
    for account, days in rows:
        if account.state in (account.State.NEEDS_LOGIN, account.State.FAILING):
            since = f"{account.state_since.astimezone(IST):%d %b %H:%M}"
            is_said_below = any(day.fetch_until for day in days)
            why = without_login(account.state_reason) if is_said_below else account.state_reason
            yield f"\n{account}  {account.get_state_display().lower()} since {since}\n    {why}"


def _wanting(row: Row, day: Day) -> Iterator[str]:
    missing = f"; missing: {', '.join(day.missing)}" if day.missing else ""
    yield f"\n{day.day}  {row.account}  {day.result}{missing}"
    if day.reason:
        yield f"    {without_login(day.reason)}"
    yield f"    -> {remedy(row, day)}"


def without_login(reason: str) -> str:
    """The reason less its words of how to log in, which are said once. They end with the command; it may be cut off."""
    return _HOW.sub("", reason).strip()


def remedy(row: Row, day: Day) -> str:
    if day.fetch_until:
        until = f"can still be fetched until {day.fetch_until.astimezone(IST):%d %b %H:%M} in India"
        if not row.account.is_active or not row.account.portfolio.active:
            what = "portfolio is switched on" if row.account.is_active else "account is enabled"
            return f"{until}, once the {what} again in the admin"
        return f"{until}: {_command(row.account)}"
    if not day.missing:
        return "the broker has that day no more: its statement tells whether more came of it"
    return "the broker has that day no more: orders and fills must be imported from its statement"


def _command(account: BrokerAccount) -> str:
    """A login syncs at once; without one a sync is in vain."""
    if account.state == BrokerAccount.State.NEEDS_LOGIN:
        return account.login_command
    return f"manage.py sync_holdings --account {account.pk}"


def values(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "accounts": [
            {
                "account": row.account.pk,
                "broker": row.account.broker_id,
                "client_id": row.account.account_id,
                "label": row.account.label,
                "state": row.account.state,
                "state_since": row.account.state_since,
                "state_reason": row.account.state_reason,
                "days": [
                    {
                        **day._asdict(),
                        "must_be_imported": day.result in WANTING and bool(day.missing) and not day.fetch_until,
                    }
                    for day in row.days
                    if day.result not in (TO_COME, NOT_OWED)
                ],
            }
            for row in rows
        ]
    }
