"""Reads what holdings are still to show: recent fills, how much of them explanations used, and what is overdue.

Bounded, whatever the history: a fill is judged by the next trading day's first holdings, unless a holding was absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Count, Max, Q, QuerySet, Sum

from ledger.entries import BUY, ZERO, Holding
from ledger.reconcile import Overdue

from ..models import ChangeExplanation, HoldingChange, Transaction
from ..models.holding import explained_quantity
from ..schedule import calendar
from .reading import rows

if TYPE_CHECKING:
    from .capture import Capture
    from .state import AccountIds, Book

_GROUP = ("broker_account_id", "instrument_id", "trade_date", "is_delivery", "segment", "product")
_BOUGHT = Q(transaction_type=BUY)
_SUMS = {
    "bought": Sum("quantity", filter=_BOUGHT), "sold": Sum("quantity", filter=~_BOUGHT),
    "paid": Sum("amount", filter=_BOUGHT), "received": Sum("amount", filter=~_BOUGHT), "count": Count("pk"),
}  # fmt: skip
FILLS = (
    "uuid", "uuid", "date", "boolean", "text", "text", "quantity", "quantity", "money", "money", "integer",
)  # fmt: skip
NAMES = ("uuid", "uuid", "text", "text", "text")
USED = ("uuid", "uuid", "text", "date", "quantity")
OVERDUE = ("uuid", "uuid", "uuid", "text", "integer", "quantity")
OPENINGS = ("uuid", "uuid", "text", "uuid", "quantity", "price")
LATEST = timedelta(days=14)  # what is overdue for longer is no longer looked for; a person says what became of it


class DayFills(NamedTuple):
    """The current delivery fills of one holding on one day: units, and money in INR (bought less sold)."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    net_amount: Decimal = ZERO

    def plus(self, more: DayFills) -> DayFills:
        return DayFills(self.bought + more.bought, self.sold + more.sold, self.net_amount + more.net_amount)


NOTHING_FILLED = DayFills()


def read_waiting(busy: Sequence[Capture], books: Mapping[str, Book]) -> None:
    ids, today = {capture.account_id for capture in busy}, busy[0].trading_day
    since = {account: _since(books[account], today) for account in ids}
    first = min(since.values())  # of the whole group: who was seen later has no use for the days before
    _read_fills(ids, books, since, first)
    _read_used(ids, books, since, first)
    _read_overdue(ids, books, first - LATEST)
    young = {c.account_id for c in busy if _is_young(books[c.account_id], since[c.account_id], c.holdings_day)}
    if young:
        _read_openings(young, books)


def _since(book: Book, today: date) -> date:
    """The trading day before the last holdings, or before the first day on which a holding was absent."""
    absent = (row.unconfirmed_since for row in book.holdings.values())
    days = [day for day in (book.head.holdings_day, *absent) if day]
    return calendar.previous_session(min(days, default=today))


def _is_young(book: Book, since: date, holdings_day: date) -> bool:
    """Whether fills of the opening's own capture day may still be waiting; on that day itself nothing is due yet."""
    opened_on = book.head.opened_on
    if opened_on is None or opened_on >= calendar.previous_session(holdings_day):
        return False
    return opened_on >= calendar.previous_session(since)


def _read_fills(ids: AccountIds, books: Mapping[str, Book], since: Mapping[str, date], first: date) -> None:
    fills = Transaction.objects.current().filter(broker_account__among=ids, trade_date__gte=first)
    grouped = fills.values_list(*_GROUP).annotate(**_SUMS)
    for account, instrument, day, is_delivery, segment, product, *sums, count in rows(grouped, FILLS):
        if day >= since[account]:
            bought, sold, paid, received = (each or ZERO for each in sums)
            filled = DayFills(bought, sold, paid - received)
            books[account].add_fills((instrument, segment, product), day, is_delivery, filled, count)
    nameless = {instrument for account in ids for instrument in _not_held(books[account])}
    if nameless:
        _read_names(fills.filter(instrument__among=list(nameless)), books)


def _not_held(book: Book) -> set[str]:
    return {key[0] for filled in book.fills.values() for key in filled if key not in book.holdings}


def _read_names(rows_of: QuerySet[Any], books: Mapping[str, Book]) -> None:
    """What was traded and is not held, by its name."""
    named = rows_of.values_list("broker_account_id", "instrument_id").annotate(
        Max("isin"), Max("symbol"), Max("exchange")
    )
    for account, instrument, isin, symbol, exchange in rows(named, NAMES):
        books[account].named.setdefault(instrument, Holding(isin or None, symbol, exchange, ZERO, ZERO, None))


def _read_used(ids: AccountIds, books: Mapping[str, Book], since: Mapping[str, date], first: date) -> None:
    used = ChangeExplanation.objects.filter(broker_account__among=ids, dated__gte=first, kind="FILLS")
    grouped = used.values_list("broker_account_id", "instrument_id", "lot", "dated").annotate(Sum("quantity"))
    for account, instrument, lot, day, units in rows(grouped, USED):
        if day >= since[account]:
            books[account].used[instrument, lot][day] = units
    nameless = {instrument for account in ids for instrument in _void_and_not_held(books[account])}
    if nameless:
        _read_names(used.filter(instrument__among=list(nameless)), books)


def _void_and_not_held(book: Book) -> set[str]:
    return {key[0] for key in book.used if key not in book.holdings and key[0] not in book.named}


def _read_overdue(ids: AccountIds, books: Mapping[str, Book], first: date) -> None:
    """Questions of fills that holdings did not show. Their change has no version and moved nothing."""
    asked = HoldingChange.objects.filter(
        broker_account__among=ids, as_of__gte=first, new_version=None, question_number__isnull=False
    )
    columns = ("broker_account_id", "id", "instrument_id", "lot", "question_number")
    left = asked.values_list(*columns).annotate(explained=explained_quantity())
    for account, change_id, instrument, lot, number, explained in sorted(rows(left, OVERDUE), key=lambda row: row[4]):
        if explained:
            books[account].overdue[instrument, lot].append(Overdue(number, -explained))
            books[account].asked[number] = change_id


def _read_openings(ids: AccountIds, books: Mapping[str, Book]) -> None:
    openings = ChangeExplanation.objects.filter(broker_account__among=ids, kind="OPENING").current()
    columns = ("broker_account_id", "instrument_id", "lot", "id", "quantity", "cost_price")
    for account, instrument, lot, row_id, quantity, cost in rows(openings.values_list(*columns), OPENINGS):
        books[account].openings[instrument, lot] = (row_id, quantity, cost)
