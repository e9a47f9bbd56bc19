"""Why holdings moved: pieces that add up, and what is left over. Pure.

Holdings lag behind trades: a purchase of day D reaches them on the next trading day, and a broker may lower them on
the day of a sale or the day after. So the fills of D are expected until the next trading day's first holdings; then
each of them explains a part of the change, and what does not fit is left over, whether holdings moved or not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .answers import ratios
from .diff import Evidence, HoldingKey
from .entries import CASH, DELIVERY, MTF, ZERO

DELIVERY_PRODUCTS = frozenset({"CNC", "DELIVERY", "D", "MTF"})
FILLS, LATE, LOT_MOVED = "FILLS", "LATE", "LOT_MOVED"


def is_delivery(segment: str, product: str) -> bool:
    return segment == CASH and product in DELIVERY_PRODUCTS


def lot_of(product: str) -> str:
    """The lot of a holding that fills of this product reach."""
    return MTF if product == MTF else DELIVERY


class Waiting(NamedTuple):
    """The delivery fills of one holding that no explanation has used yet, in units, signed.

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

    def is_due(self) -> bool:
        """Whether holdings ought to show fills of earlier days by now."""
        return any(quantity for _, quantity in self.settled)


NOTHING_WAITS = Waiting()


class Piece(NamedTuple):
    """Part of an explanation: so many units, because of the fills of that day, or of what `question` was missing."""

    dated: date
    quantity: Decimal
    kind: str = FILLS
    question: int | None = None


class Explained(NamedTuple):
    """`pieces` and `unexplained` add up to the change. `sells_lower_holdings` is None when it told nothing."""

    pieces: list[Piece]
    unexplained: Decimal
    sells_lower_holdings: bool | None = None


class Overdue(NamedTuple):
    """An open question about fills that holdings did not show in time; `open` has the opposite sign of those."""

    question: int
    open: Decimal


class Change(NamedTuple):
    """By how much a holding moved, perhaps not at all, what it was expected to show, and what is owned of it by now."""

    delta: Decimal
    waiting: Waiting = NOTHING_WAITS
    overdue: Sequence[Overdue] = ()
    owned: Decimal = ZERO


def explain(delta: Decimal, waiting: Waiting, today: date, habit: bool | None = None) -> Explained:
    """All that waits from earlier days, and of today's sells what leaves least unexplained.

    `habit`: whether this broker lowered holdings on the day of a sale before; it decides where both readings fit alike.
    """
    pieces = [Piece(dated, quantity) for dated, quantity in waiting.settled if quantity]
    expected = _total(pieces)
    shown = _sold_and_shown(expected - delta, waiting, habit)
    if shown:
        pieces.append(Piece(today, -shown))
    unexplained = delta - expected + shown
    return Explained(pieces, unexplained, reading(shown, waiting.sold_today, not unexplained))


def reading(shown: Decimal, sold_today: Decimal, is_whole: bool) -> bool | None:
    """Whether a change says that holdings show sells of their own day; None where nothing was sold, or all is not
    explained by fills alone."""
    return bool(shown) if sold_today and is_whole else None


def habit_of(readings: Iterable[bool | None]) -> bool | None:
    """What all changes of one capture say. Where they disagree some holdings were lowered: what was bought and sold
    again on that day moves none, in either reading."""
    told = {each for each in readings if each is not None}
    return True in told if told else None


def _sold_and_shown(wanted: Decimal, waiting: Waiting, habit: bool | None) -> Decimal:
    """How much of today's sells holdings show: nothing, all, or less by what was bought today and sold again."""
    least = max(waiting.sold_today - waiting.bought_today, ZERO)
    shown = min(max(wanted, least), waiting.sold_today)
    without, with_it = abs(wanted), abs(wanted - shown)
    return shown if with_it < without or (with_it == without and habit) else ZERO


def explain_all(
    changes: Mapping[HoldingKey, Change], today: date, habit: bool | None = None
) -> dict[HoldingKey, Explained]:
    """One account's changes of a day: each by its own fills, by what was late, then lot against lot."""
    found = {key: _late(explain(c.delta, c.waiting, today, habit), c, today) for key, c in changes.items()}
    lots: dict[str, list[HoldingKey]] = defaultdict(list)
    for key, one in found.items():
        if one.unexplained:
            lots[key[0]].append(key)
    for first, *others in lots.values():
        for other in others:
            _move_between(found, first, other, today)
    return found


def _late(one: Explained, change: Change, today: date) -> Explained:
    """What holdings ought to have shown before, and show now. Where more moved than that, and all of it is what a
    company may have done, it is left alone: the rest would fit no ratio."""
    pieces, left = list(one.pieces), one.unexplained
    came = sum((-each.open for each in change.overdue if _common(left, -each.open)), ZERO)
    if abs(left) > abs(came) and _is_of_a_company(change.owned - left, change.owned):
        return one
    for question, missing in change.overdue:
        units = _common(left, -missing)
        if units:
            pieces.append(Piece(today, units, LATE, question))
            left -= units
    return one._replace(pieces=pieces, unexplained=left)


def _is_of_a_company(before: Decimal, after: Decimal) -> bool:
    return not after or bool(ratios(before, after))


def _move_between(found: dict[HoldingKey, Explained], one: HoldingKey, other: HoldingKey, today: date) -> None:
    """What left one lot of an instrument and came into the other is no change of what is owned."""
    units = _common(found[one].unexplained, -found[other].unexplained)
    if not units:
        return
    for key, moved in ((one, units), (other, -units)):
        before = found[key]
        pieces = [*before.pieces, Piece(today, moved, LOT_MOVED)]
        found[key] = before._replace(pieces=pieces, unexplained=before.unexplained - moved)


def _common(one: Decimal, other: Decimal) -> Decimal:
    """The smaller of two quantities of one sign, else 0."""
    if (one > 0) is not (other > 0):
        return ZERO
    return min(one, other, key=abs)


def _total(pieces: Iterable[Piece]) -> Decimal:
    return sum((piece.quantity for piece in pieces), ZERO)


def misread_opening(unexplained: Decimal, bought: Decimal, sold: Decimal) -> Decimal:
    """By how much an opening must be corrected, seen on the next trading day; 0 when that explains nothing.

    The first holdings may have shown that day's sells already, all or less what was bought that day, or all its fills.
    """
    readings = {sold, max(sold - bought, ZERO), sold - bought}
    return unexplained if unexplained in readings else ZERO


def waiting_fills(fills: Mapping[date, tuple[Decimal, Decimal]], used: Mapping[date, Decimal], today: date) -> Waiting:
    """From (bought, sold) units a day and the units that explanations have used of each day."""
    bought, sold = fills.get(today, (ZERO, ZERO))
    settled = [
        (day, day_bought - day_sold - used.get(day, ZERO))
        for day, (day_bought, day_sold) in sorted(fills.items())
        if day < today
    ]
    return Waiting(settled, bought, sold + used.get(today, ZERO))
