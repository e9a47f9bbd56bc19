"""Why holdings moved: pieces that add up, and what is left over. Pure.

Holdings lag behind trades: a purchase of day D reaches them on the next trading day, and a broker may
lower them on the day of a sale or the day after. So a change is matched with the delivery fills that
holdings do not show yet, day by day, without and with today's sells.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .diff import Evidence
from .entries import CASH, ZERO

DELIVERY_PRODUCTS = frozenset({"CNC", "DELIVERY", "D", "MTF"})


def is_delivery(segment: str, product: str) -> bool:
    return segment == CASH and product in DELIVERY_PRODUCTS


class Waiting(NamedTuple):
    """The delivery fills of one instrument that no explanation has used yet, in units, signed.

    `settled` are those of earlier days, oldest first; today's are kept apart, since purchases of today
    are never in holdings and sales of today may be.
    """

    settled: Sequence[tuple[date, Decimal]] = ()
    bought_today: Decimal = ZERO
    sold_today: Decimal = ZERO  # above 0

    def evidence(self) -> Evidence:
        earlier = [quantity for _, quantity in self.settled]
        bought = sum((quantity for quantity in earlier if quantity > 0), self.bought_today)
        return Evidence(sum(earlier, -self.sold_today), bought)


NOTHING_WAITS = Waiting()


class Piece(NamedTuple):
    """Part of an explanation: so many units, because of the fills of that day."""

    dated: date
    quantity: Decimal


class Explained(NamedTuple):
    """`pieces` and `unexplained` add up to the change. `sells_lower_holdings` is None when it told nothing."""

    pieces: list[Piece]
    unexplained: Decimal
    sells_lower_holdings: bool | None = None


def explain(delta: Decimal, waiting: Waiting, today: date) -> Explained:
    """The reading of the waiting fills that leaves least unexplained; of equals, the one that uses most.

    A reading is a run of days. Older ones may have cancelled each other out before holdings showed them.
    """
    settled = [Piece(dated, quantity) for dated, quantity in waiting.settled if quantity]
    best: list[Piece] = []
    for reading in _readings(delta, settled, waiting, today):
        left, least = abs(delta - _total(reading)), abs(delta - _total(best))
        if left < least or (left == least and len(reading) > len(best)):
            best = reading
    unexplained = delta - _total(best)
    told = any(piece.dated == today for piece in best) if not unexplained and waiting.sold_today else None
    return Explained(best, unexplained, told)


def _readings(delta: Decimal, settled: list[Piece], waiting: Waiting, today: date) -> Iterator[list[Piece]]:
    """Runs of earlier days, and those that reach up to today with today's sells."""
    for first in range(len(settled) + 1):
        yield from (settled[first:last] for last in range(first + 1, len(settled) + 1))
        rest = settled[first:]
        if shown := _sold_and_shown(_total(rest) - delta, waiting):
            yield [*rest, Piece(today, -shown)]


def _sold_and_shown(wanted: Decimal, waiting: Waiting) -> Decimal:
    """How much of today's sells holdings may show: all, or less by what was bought today and sold again."""
    least = max(waiting.sold_today - waiting.bought_today, ZERO)
    return min(max(wanted, least), waiting.sold_today)


def _total(pieces: Sequence[Piece]) -> Decimal:
    return sum((piece.quantity for piece in pieces), ZERO)


def opening(held: Decimal, net_positions: Decimal, net_fills: Decimal) -> Decimal:
    """What was owned before the first capture's day: held and in today's delivery positions, less today's fills.

    Holdings are read as not yet lowered by today's sells, for which positions and fills cancel out.
    """
    return held + net_positions - net_fills


def waiting_fills(fills: Mapping[date, tuple[Decimal, Decimal]], used: Mapping[date, Decimal], today: date) -> Waiting:
    """From (bought, sold) units a day and the units that explanations have used of each day."""
    bought, sold = fills.get(today, (ZERO, ZERO))
    settled = [
        (day, day_bought - day_sold - used.get(day, ZERO))
        for day, (day_bought, day_sold) in sorted(fills.items())
        if day < today
    ]
    return Waiting(settled, bought, sold + used.get(today, ZERO))
