"""Revises snapshots of days of which the book says something else now: a fill was corrected, a reply was read anew.

A day's totals are of the moment of its capture, with the prices and the open positions of that moment. They are not
worked out afresh: what the book says of the day is worked out before and after the change, and what differs is added to
what stands. A change of the total moves the day's change of the next trading day too. Asks no broker.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from ledger import canonical, snapshot
from ledger.entries import BUY, SELL, ZERO, Funds, Position
from ledger.reconcile import FILLS
from ledger.snapshot import Quote, Totals

from . import book
from .book import Moment
from .models import BrokerAccount, FundsVersion, PortfolioSnapshot
from .schedule import calendar
from .sync.amend import Amendment

_ADDED = (
    "total_holdings_value", "total_positions_value", "total_portfolio_value", "net_purchases", "holdings_count",
    "positions_count", "trades_count", "stale_prices",
)  # fmt: skip
_FUNDS = ("cash_balance", "margin_used", "margin_available")


def told(account: BrokerAccount, days: Iterable[date]) -> dict[date, Totals]:
    """What the book says of those of these days that have a snapshot. BadValue for what is beyond a column."""
    rows = PortfolioSnapshot.objects.filter(broker_account=account, snapshot_date__in=set(days))
    return {day: _told(account, day) for day in set(rows.values_list("snapshot_date", flat=True))}


def _told(account: BrokerAccount, day: date) -> Totals:
    """Alike before and after a change: only the difference counts."""
    ids, at = [account.pk], Moment(as_of=day)
    held, opened = book.holdings(ids, at), book.positions(ids, at)
    owned: dict[str, Decimal] = defaultdict(Decimal)
    for row in held:
        owned[str(row.instrument_id)] += row.owned_quantity
    rows: list[Any] = [*held, *opened]
    priced = [row for row in rows if row.current_price is not None]
    quotes = {str(row.instrument_id): Quote(row.current_price, row.price_day != day) for row in priced}
    positions = [(str(row.instrument_id), _position(row)) for row in opened]
    fills = book.transactions(ids).filter(trade_date=day, transaction_type__in=(BUY, SELL))
    delivered = [fill for fill in fills if fill.is_delivery]
    amounts = [fill.amount if fill.transaction_type == BUY else -fill.amount for fill in delivered]
    lowered = _lowered(account, day)
    filled = _still_to_show(delivered, lowered)
    return snapshot.totals(
        snapshot.Day(
            snapshot.owned_quantities(owned, positions, lowered, filled), positions, quotes, _funds(account, day),
            sum(amounts, ZERO), 0, len(fills), None,
        )
    )  # fmt: skip


def _lowered(account: BrokerAccount, day: date) -> dict[str, Decimal]:
    """By how much holdings of that day showed its own sells."""
    shown = account.explanations.current().filter(kind=FILLS, dated=day, change__as_of=day)
    units = shown.values_list("instrument_id").annotate(Sum("quantity"))
    return {str(instrument): -quantity for instrument, quantity in units}


def _still_to_show(fills: Iterable[Any], lowered: Mapping[str, Decimal]) -> dict[str, Decimal]:
    traded: dict[str, dict[str, Decimal]] = defaultdict(lambda: {BUY: ZERO, SELL: ZERO})
    for fill in fills:
        traded[str(fill.instrument_id)][fill.transaction_type] += fill.quantity
    return {key: snapshot.still_to_show(of[BUY], of[SELL], lowered.get(key, ZERO)) for key, of in traded.items()}


def _position(row: Any) -> Position:
    return Position(**{name: getattr(row, name) for name in Position._fields if hasattr(row, name)})


def _funds(account: BrokerAccount, day: date) -> Funds | None:
    found = FundsVersion.objects.filter(broker_account=account, as_of__lte=day)
    last = found.order_by("as_of", "detected_at", "pk").last()
    return Funds(*(getattr(last, name) for name in Funds._fields)) if last else None


def revise(amendment: Amendment, before: Mapping[date, Totals]) -> None:
    """A new revision of each snapshot that the change moved. `before`: `told`, before the amendment was flushed."""
    if not before:
        return
    account = amendment.account
    stands = {row.snapshot_date: row for row in book.snapshots([account.pk])}
    after = told(account, before)
    totals: dict[date, Decimal] = {}
    for day in sorted({*before, *map(calendar.next_session, before)} & stands.keys()):
        row, previous = stands[day], calendar.previous_session(day)
        last = totals.get(previous, stands[previous].total_portfolio_value if previous in stands else None)
        now = Totals(*(getattr(row, name) for name in Totals._fields))
        moved = _moved(now, before[day], after[day]) if day in before else now
        change = snapshot.day_change(moved.total_portfolio_value, last, moved.net_purchases)
        moved = moved._replace(day_change=change[0], day_change_percent=change[1])
        totals[day] = moved.total_portfolio_value
        if moved != now:
            amendment.pen.write(canonical.SNAPSHOT, day, row.revision + 1, *moved, row.created_at)


def _moved(stands: Totals, before: Totals, after: Totals) -> Totals:
    was, is_, kept = before._asdict(), after._asdict(), stands._asdict()
    added = {name: kept[name] + is_[name] - was[name] for name in _ADDED}
    funds = {name: is_[name] for name in _FUNDS if is_[name] != was[name]}
    return stands._replace(**added, **funds)
