"""Cash, margin and the day's totals of one capture."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import chain

from ledger import canonical, snapshot
from ledger.diff import HoldingKey, PositionKey
from ledger.entries import ZERO, Funds, Position
from ledger.errors import BadValue
from ledger.reconcile import is_delivery
from ledger.snapshot import Quote, Totals

from ..schedule import calendar
from .capture import ABSENT, ACCEPTED, FAILED, FUNDS, HOLDINGS, ORDERS, POSITIONS, UNCHANGED
from .decision import Decision
from .state import HeldRow, PositionRow


def take_funds(made: Decision) -> None:
    for funds in made.section(FUNDS).entries[:1]:
        known = [None if value is None else str(value) for value in funds]
        if known != made.memory.funds:
            made.pen.write(canonical.FUNDS_VERSION, made.capture.trading_day, *funds, made.capture.started_at)
            made.memory.funds = known


def write_snapshot(
    made: Decision, held: Mapping[HoldingKey, HeldRow], positions: Mapping[PositionKey, Position]
) -> None:
    """A revision when the totals differ from the one that stands; only of holdings and positions that are believed."""
    capture, day = made.capture, made.capture.trading_day
    if not capture.writes_snapshot or not _is_whole(made):
        return
    try:
        totals = _totals(made, held, positions)
    except BadValue as error:
        capture.blame(
            "snapshot", "too_large", f"the day's totals cannot be right: {error}",
            "all else is recorded; look at the quantities and prices of that day for one that is far too large",
        )  # fmt: skip
        return
    revision, current = made.book.snapshots.get(day, (0, None))
    if totals != current:
        made.pen.write(canonical.SNAPSHOT, day, revision + 1, *totals, capture.started_at)
    made.memory.snapshot_day = day
    made.outbox.totals = totals


def _is_whole(made: Decision) -> bool:
    """Holdings and positions are believed. One of them may be absent, but not holdings that were there once: without
    them it would be the total of something else."""
    states = [made.section(name).state for name in (HOLDINGS, POSITIONS)]
    if states[0] == ABSENT and (made.holdings_day or states[1] == ABSENT):
        return False
    return all(state in (ACCEPTED, UNCHANGED, ABSENT) for state in states)


def _totals(made: Decision, held: Mapping[HoldingKey, HeldRow], positions: Mapping[PositionKey, Position]) -> Totals:
    book, day = made.book, made.capture.trading_day
    quantities = _of_both_lots({key: each.holding.owned for key, each in held.items()})
    located = [(key[0], position) for key, position in positions.items()]
    lowered = {key: -days[day] for key, days in book.used.items() if day in days}
    delivered = {key[0] for key in positions if is_delivery(*key[1:])}
    squared = book.squared_off(day) - delivered
    today = {key: fills for key, fills in book.fills.get(day, {}).items() if key[0] not in squared}
    still = {
        key: snapshot.still_to_show(fills.bought, fills.sold, lowered.get(key, ZERO)) for key, fills in today.items()
    }
    before = book.snapshots.get(calendar.previous_session(day))
    return snapshot.totals(
        snapshot.Day(
            snapshot.owned_quantities(
                quantities, located, _of_both_lots(lowered), _of_both_lots(still), _arrived(made, held)
            ),
            located,
            _quotes(made),
            _last_funds(made),
            sum((fills.net_amount for fills in today.values()), ZERO),
            _orders_count(made),
            book.fills_count.get(day, 0),
            before[1].total_portfolio_value if before else None,
        )
    )


def _arrived(made: Decision, held: Mapping[HoldingKey, HeldRow]) -> dict[str, Decimal]:
    """The T+1 shares of a first capture that is made after its day: overnight what was bought on it came into holdings.
    On the day itself they are those of the day before."""
    if calendar.is_own_day(made.capture.started_at, made.capture.trading_day):
        return {}
    return _of_both_lots({key: each.holding.t1_quantity for key, each in held.items()})


def _of_both_lots(units: Mapping[HoldingKey, Decimal]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for (instrument, _), each in units.items():
        found[instrument] = found.get(instrument, ZERO) + each
    return found


def _quotes(made: Decision) -> dict[str, Quote]:
    """Fresh quotes, and the last known price of whatever has none."""
    day = made.capture.trading_day
    quotes = dict(made.quotes)
    known: chain[tuple[tuple[str, ...], HeldRow | PositionRow]] = chain(
        made.book.holdings.items(), made.book.positions.items()
    )
    for key, row in known:
        if row.current_price is not None:
            quotes.setdefault(key[0], Quote(row.current_price, row.price_day != day))
    for instrument, (price, price_day) in made.book.prices.items():
        quotes.setdefault(instrument, Quote(price, price_day != day))
    return quotes


def _last_funds(made: Decision) -> Funds | None:
    known = made.memory.funds
    if known is None:
        return None
    cash, used, free, collateral = (None if value is None else Decimal(value) for value in known[:4])
    return Funds(cash, used, free, collateral, known[4] or "INR")


def _orders_count(made: Decision) -> int:
    """Of this day alone: what another counted says nothing. Those that are known, where the list did not come."""
    if made.section(ORDERS).state != FAILED:
        return made.size(ORDERS)
    _, current = made.book.snapshots.get(made.capture.trading_day, (0, None))
    return max(current.orders_count if current else 0, len(made.book.listed))
