"""What changed between the book and a statement. Pure; decides, and writes nothing.

A holding is known by (instrument id, lot), a position by (instrument id, segment, product), an order by
(broker's order id, order date): see `known_order`. The caller has resolved instruments.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from .entries import CANCELLED, FINAL_STATES, ZERO, Holding, Order, Position
from .normalise import is_other_reading, ist_date, known_price

HoldingKey = tuple[str, str]
PositionKey = tuple[str, str, str]


class Held(NamedTuple):
    """One holding as the book has it."""

    holding: Holding
    unconfirmed_since: date | None = None
    value: Decimal = ZERO  # INR, at the last known price or the average


class Evidence(NamedTuple):
    """What trades and positions say of one instrument since its holding was last taken (units)."""

    net_fills: Decimal = ZERO  # delivery fills that holdings do not show yet, today's sells included
    bought: Decimal = ZERO  # bought, by fills or by positions: it speaks against a holding being gone


class HoldingMove(NamedTuple):
    """One holding's new state. `after` is None when it is gone; `unconfirmed_since` marks a doubted absence."""

    key: HoldingKey
    before: Holding | None
    after: Holding | None
    unconfirmed_since: date | None = None


class HoldingsDiff(NamedTuple):
    """`moves` are to be recorded. When `suspect` says why, they are marks alone and nothing else is taken."""

    moves: list[HoldingMove]
    suspect: str = ""


NO_EVIDENCE = Evidence()


def same_figures(one: Holding, other: Holding) -> bool:
    """Equal in everything that a version keeps; the price has a table of its own, and the exchange shown flips."""
    return one[3:13] == other[3:13] and one.doubt == other.doubt and one.symbol == other.symbol


def holdings(
    book: Mapping[HoldingKey, Held],
    seen: Mapping[HoldingKey, Holding],
    evidence: Mapping[str, Evidence],
    day: date,
) -> HoldingsDiff:
    """What a holdings answer changes. Absence alone never erases: see `_absences`."""
    present = {key: row for key, row in seen.items() if row.owned}
    gone, doubted = _absences(book, present, evidence, day)
    marks = [
        HoldingMove(key, book[key].holding, book[key].holding, book[key].unconfirmed_since or day) for key in doubted
    ]
    if reason := _suspicion(book, present, doubted):
        return HoldingsDiff([mark for mark in marks if not book[mark.key].unconfirmed_since], reason)
    moves = [HoldingMove(key, book[key].holding, None) for key in gone]
    moves += [mark for mark in marks if not book[mark.key].unconfirmed_since]
    for key, row in present.items():
        held = book.get(key)
        if held is None:
            moves.append(HoldingMove(key, None, row))
        elif held.unconfirmed_since or not same_figures(held.holding, row):
            moves.append(HoldingMove(key, held.holding, row))
    return HoldingsDiff(moves)


def _absences(
    book: Mapping[HoldingKey, Held],
    present: Mapping[HoldingKey, Holding],
    evidence: Mapping[str, Evidence],
    day: date,
) -> tuple[list[HoldingKey], list[HoldingKey]]:
    """Holdings that vanished or show 0: those that are believed gone, and those that are not.

    A sale and a newcomer each account for one row: what one lot has used is not there for the next.
    """
    gone: list[HoldingKey] = []
    doubted: list[HoldingKey] = []
    unused = _unused_fills(book, present, evidence)
    newcomers = Counter(row.symbol for key, row in present.items() if key not in book)
    for key, held in sorted(book.items()):
        if key in present:
            continue
        owned, symbol = held.holding.owned, held.holding.symbol
        is_sold = owned + unused[key[0]] <= ZERO
        is_agreed = held.unconfirmed_since is not None and held.unconfirmed_since < day
        if is_sold:
            unused[key[0]] += owned
        elif newcomers[symbol]:
            newcomers[symbol] -= 1
        elif not is_agreed or evidence.get(key[0], NO_EVIDENCE).bought:
            doubted.append(key)
            continue
        gone.append(key)
    return gone, doubted


def _unused_fills(
    book: Mapping[HoldingKey, Held], present: Mapping[HoldingKey, Holding], evidence: Mapping[str, Evidence]
) -> dict[str, Decimal]:
    """Net fills by instrument, less the sales that a lot which is still there has shown already."""
    unused: dict[str, Decimal] = defaultdict(Decimal)
    unused |= {instrument: found.net_fills for instrument, found in evidence.items()}
    for key, held in book.items():
        if key in present:
            unused[key[0]] += max(held.holding.owned - present[key].owned, ZERO)
    return unused


def _suspicion(
    book: Mapping[HoldingKey, Held], present: Mapping[HoldingKey, Holding], doubted: list[HoldingKey]
) -> str:
    """Why the whole answer is not believed, or nothing."""
    if not doubted:
        return ""
    if not present:
        return f"an empty answer, while {len(doubted)} holdings were not sold"
    missing_value = sum((book[key].value for key in doubted), ZERO)
    value = sum((held.value for held in book.values()), ZERO)
    if 2 * len(doubted) > len(book) or 2 * missing_value > value:
        return f"{len(doubted)} of {len(book)} holdings are missing and were not sold"
    return ""


_UNITS = ("credit_quantity", "debit_quantity", "carry_forward_credit_quantity", "carry_forward_debit_quantity")
_AVERAGES = {"quantity": "average_price", **{units: units.replace("quantity", "price") for units in _UNITS}}


class PositionMove(NamedTuple):
    """One position's new state; `after` is None when it is gone."""

    key: PositionKey
    before: Position | None
    after: Position | None


def positions(book: Mapping[PositionKey, Position], seen: Mapping[PositionKey, Position]) -> list[PositionMove]:
    """What a positions answer changes. A position that vanished is closed: brokers drop them overnight."""
    moves = [PositionMove(key, row, None) for key, row in book.items() if key not in seen]
    for key, row in seen.items():
        before = book.get(key)
        if before is None or has_moved(before, row):
            moves.append(PositionMove(key, before, row))
    return moves


def has_moved(before: Position, after: Position) -> bool:
    return before[5:17] != after[5:17]


def added_up(one: Position, other: Position) -> Position:
    """What is shown of one share at two exchanges; each average is that of both. An average or a gain that
    is known of one alone is not known of both."""
    sums: dict[str, Any] = {}
    for units, cost in _AVERAGES.items():
        sums[units] = getattr(one, units) + getattr(other, units)
        sums[cost] = _average([(getattr(row, units), getattr(row, cost)) for row in (one, other)])
    sums |= {name: value or ZERO for name, value in sums.items() if name != "average_price"}
    gains = (one.realised_pnl, other.realised_pnl)
    return one._replace(**sums, realised_pnl=None if None in gains else sum(filter(None, gains), ZERO))


def _average(parts: Sequence[tuple[Decimal, Decimal | None]]) -> Decimal | None:
    """Of the units in all; where some are bought and others sold, of those that outweigh the others."""
    total = sum((units for units, _ in parts), ZERO)
    same = [(units, cost) for units, cost in parts if units * total > ZERO]
    costs = [units * cost for units, cost in same if cost]
    if not same or len(costs) < len(same):
        return None
    return known_price(sum(costs, ZERO) / sum((units for units, _ in same), ZERO))


class KnownOrder(NamedTuple):
    """One version of one order in the book."""

    order_date: date
    version: int
    order: Order
    is_late: bool = False  # learnt after a later state: never current


def known_order(versions: Iterable[KnownOrder], told: Order, day: date, has_new_fills: bool) -> KnownOrder | None:
    """The current version of the order that is told, seen on `day`; None for one that is new.

    `versions`: all that the book has under its id. `has_new_fills`: the broker lists fills, and none that is known.
    """
    in_order = sorted(versions, key=lambda known: known.version)
    current = {known.order_date: known for known in in_order if not known.is_late}
    if told.created_at:
        found = [known for known in current.values() if _is_made_then(known, told.created_at)]
    else:
        found = sorted(current.values())[-1:]
        if found and _is_used_again(found[0], told, day, has_new_fills):
            return None
    return max(found, key=lambda known: known.order_date, default=None)


def each_once(orders: Sequence[Order]) -> Sequence[Order]:
    """Without those that were given before, with the same content or another: the first one of a day stands."""
    if len({order.order_id for order in orders}) == len(orders):
        return orders
    first: dict[tuple[str, date | None], Order] = {}
    for order in orders:
        first.setdefault((order.order_id, order.created_at and ist_date(order.created_at)), order)
    return list(first.values())


def _is_made_then(known: KnownOrder, created_at: datetime) -> bool:
    """Whether this creation time may be the known order's: on its day, or on any before it was first seen."""
    if known.order.created_at is None:
        return ist_date(created_at) <= known.order_date
    if known.order.amo_status == "PENDING" and known.order.status not in FINAL_STATES:
        return ist_date(created_at) >= known.order_date  # once it is sent, its broker may tell that time
    days = (known.order_date, ist_date(known.order.created_at))
    return ist_date(created_at) in days or is_other_reading(known.order.created_at, created_at)


def _is_used_again(known: KnownOrder, told: Order, day: date, has_new_fills: bool) -> bool:
    """An id without a date that was an earlier order's: what was final neither comes back to life nor fills again."""
    if known.order_date >= day:
        return False
    if any(getattr(known.order, name) != getattr(told, name) for name in ("symbol", "segment", "transaction_type")):
        return True
    return known.order.status in FINAL_STATES and (told.status not in FINAL_STATES or has_new_fills)


def with_known_times(known: Order, told: Order) -> Order:
    """What is told, at the times that the book has where they are only read the other way. When an order was made
    is not unlearnt, nor does it move on: a broker may tell when it was changed last."""
    if known[20:23] == told[20:23]:
        return told
    pairs = zip(known[20:23], told[20:23], strict=True)
    created_at, exchange_time, trade_date = (was if is_other_reading(was, now) else now for was, now in pairs)
    made = min((when for when in (created_at, known.created_at) if when), default=None)
    return told._replace(created_at=made, exchange_time=exchange_time, trade_date=trade_date)


class OrderChange(NamedTuple):
    """One row of `order_quantity_changes`: quantities are filled units, `quantity_delta` their difference."""

    change_type: str
    previous_quantity: Decimal | None
    new_quantity: Decimal
    quantity_delta: Decimal
    price_at_change: Decimal | None
    change_reason: str


_INSTRUCTION = ("quantity", "price", "trigger_price", "order_type", "validity")


def is_same_order(one: Order, other: Order) -> bool:
    """Equal in every kept field. The ISIN is learnt from elsewhere, so it makes no version."""
    return one[:2] == other[:2] and one[3:] == other[3:]


def order_changes(before: Order | None, after: Order) -> list[OrderChange]:
    """What moved from one version to the next; `before` is None at first sight."""
    was_filled = before.filled_quantity if before else ZERO
    delta = after.filled_quantity - was_filled
    changes = []
    if before is None:
        changes.append(OrderChange("ORDER_PLACED", None, ZERO, ZERO, after.price, "ORDER_PLACED"))
    if delta:
        kind = "QUANTITY_ADDED" if delta > 0 else "QUANTITY_REMOVED"
        reason = "ORDER_EXECUTED" if delta > 0 else "FILL_REVISED"
        changes.append(OrderChange(kind, was_filled, after.filled_quantity, delta, after.average_fill_price, reason))
    changes += _without_quantity(before, after)
    return changes


def _without_quantity(before: Order | None, after: Order) -> Iterable[OrderChange]:
    """State and instruction: they move no quantity, and are seen beside a change of quantity too."""
    filled = after.filled_quantity
    was = before.status if before else None
    if after.status == CANCELLED and was != CANCELLED:
        yield OrderChange("ORDER_CANCELLED", filled, filled, ZERO, None, "ORDER_CANCELLED")
    elif was is not None and was != after.status:
        yield OrderChange("STATUS_CHANGED", filled, filled, ZERO, None, f"STATUS_CHANGED_{was}_TO_{after.status}")
    if before and any(getattr(before, name) != getattr(after, name) for name in _INSTRUCTION):
        yield OrderChange("ORDER_MODIFIED", filled, filled, ZERO, after.price, "ORDER_MODIFIED")
