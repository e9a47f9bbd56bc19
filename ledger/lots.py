"""What the shares of one account cost and since when they are owned: lots, first in, first out, as in a demat account.

A split keeps dates and divides costs; bonus shares cost nothing and are of the day they came; what takes another's
place (a new ISIN, a merger) takes its dates and costs along, a demerger the share of them that was said. What was
there when the account was first seen is of a day before, at the broker's average, unless earlier fills tell more, also
those of what it was before: until then nobody saw what a company did, and what was said of that is applied to them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from .answers import BONUS, DEMERGER, ISIN_CHANGE, MERGER, MOVED_BACK, SPLIT, entitled
from .entries import ZERO
from .links import Link
from .normalise import PRICE_SCALE, QUANTITY_SCALE, at_scale
from .reconcile import LOT_MOVED

Key = tuple[str, str]  # instrument id and lot
FILL, OPENING, LINKED = "FILL", "OPENING", "LINKED"
_TAKEN_ALONG = (SPLIT, ISIN_CHANGE, MERGER, LOT_MOVED, MOVED_BACK)
HUNDRED = Decimal(100)


class Lot(NamedTuple):
    """Units that were acquired together. `since` None: before the account was first seen, nobody says when; `cost`
    None: nobody says how much. INR a unit."""

    since: date | None
    quantity: Decimal
    cost: Decimal | None


class Step(NamedTuple):
    """What moved the units of one key on a day: a fill at its price, or an explanation with its cost.

    `together` names those that belong together, such as what went and what came in its place. `parent` and
    `cost_percent` are of a demerger: from which key, and how much of its cost went along. `link`: what a company did to
    all that was there.
    """

    day: date
    kind: str
    key: Key
    quantity: Decimal
    cost: Decimal | None = None
    together: str = ""
    parent: Key | None = None
    cost_percent: Decimal | None = None
    link: Link | None = None


def lots(steps: Iterable[Step]) -> dict[Key, list[Lot]]:
    """The lots that are left after these steps, oldest first, by key; keys of which nothing is left are not there."""
    steps = sorted(steps, key=_place)
    depot = _Depot(Counter(step.together for step in steps if step.kind == SPLIT))
    for step in steps:
        depot.take(step)
    return {key: sorted(each, key=_age) for key, each in depot.held.items() if each}


class _Depot:
    """What is held after the steps so far, and what went and waits for what comes in its place."""

    def __init__(self, split: Mapping[str, int]) -> None:
        self.held: dict[Key, list[Lot]] = defaultdict(list)
        self._gone: dict[str, list[Lot]] = defaultdict(list)
        self._split = split  # how many steps each split has: with one, the instrument stayed what it was

    def take(self, step: Step) -> None:
        if step.kind == OPENING:
            self.held[step.key] = _opened(self.held[step.key], step)
        elif step.link:
            self._follow(step.key, step.link)
        elif step.parent and self.held[step.parent]:
            self._split_off(step, step.parent)
        else:
            self._move(step)

    def _move(self, step: Step) -> None:
        mine = self.held[step.key]
        if step.kind == SPLIT and mine and self._split[step.together] == 1:
            self.held[step.key] = _multiplied(mine, step.quantity)
        elif step.quantity < 0:
            self._take_out(step)
        else:
            mine += self._came(step)

    def _split_off(self, step: Step, parent: Key) -> None:
        self.held[parent], came = _divided(self.held[parent], step)
        self.held[step.key] += came

    def _came(self, step: Step) -> list[Lot]:
        if step.kind in _TAKEN_ALONG and self._gone[step.together]:
            return _scaled(self._gone.pop(step.together), step.quantity)
        return [_acquired(step)]

    def _follow(self, key: Key, link: Link) -> None:
        """What a company did to shares before anybody looked: to all of them, whatever came of it."""
        held, successor = self.held[key], (link.successor, key[1])
        became = entitled(_units(held), link.answer)
        if not held:
            return
        if link.kind == DEMERGER:
            split_off = Step(link.effective_on, DEMERGER, successor, became, cost_percent=link.cost_percent)
            self._split_off(split_off, key)
        elif link.kind == BONUS:
            held.append(Lot(link.effective_on, became - _units(held), ZERO))
        else:
            del self.held[key]
            self.held[successor] += _scaled(held, became)

    def _take_out(self, step: Step) -> None:
        self.held[step.key], taken = _first_out(self.held[step.key], -step.quantity)
        if step.kind in _TAKEN_ALONG:
            self._gone[step.together] += taken


def _place(step: Step) -> tuple[date, int, bool]:
    """What happens to shares happens before a day trades, what went before what came; the opening ends its day."""
    kinds = {FILL: 1, OPENING: 2}
    order = kinds.get(step.kind, 0)
    return step.day, order, step.quantity > 0 if order == 0 else step.quantity < 0


def _age(lot: Lot) -> date:
    return lot.since or date.min


def _acquired(step: Step) -> Lot:
    return Lot(step.day, step.quantity, ZERO if step.kind == BONUS else step.cost)


def _opened(known: Sequence[Lot], step: Step) -> list[Lot]:
    """The latest of the lots that earlier fills left, up to what was there; the rest at what is left of the cost."""
    kept, _ = _first_out(known, _units(known) - step.quantity)
    units = step.quantity - _units(kept)
    rest = _rest_of_cost(step, kept, units)
    told = [lot._replace(cost=rest) if lot.cost is None else lot for lot in kept]
    return [Lot(None, units, rest), *told] if units > 0 else told


def _rest_of_cost(step: Step, kept: Sequence[Lot], units: Decimal) -> Decimal | None:
    """A unit's, of so many more than were kept, and of those that were kept without a cost."""
    without = units + _units(lot for lot in kept if lot.cost is None)
    if step.cost is None or without <= 0:
        return step.cost
    rest = step.quantity * step.cost - sum((lot.quantity * (lot.cost or ZERO) for lot in kept), ZERO)
    return at_scale(rest / without, PRICE_SCALE) if rest >= 0 else step.cost


def _first_out(held: Sequence[Lot], units: Decimal) -> tuple[list[Lot], list[Lot]]:
    """What is left when so many units go, the oldest first, and what went. More than there are: all of them."""
    left: list[Lot] = []
    went: list[Lot] = []
    for lot in sorted(held, key=_age):
        part = min(max(units, ZERO), lot.quantity)
        units -= part
        if part:
            went.append(lot._replace(quantity=part))
        if lot.quantity - part:
            left.append(lot._replace(quantity=lot.quantity - part))
    return left, went


def _multiplied(held: Sequence[Lot], more: Decimal) -> list[Lot]:
    return _scaled(held, _units(held) + more)


def _units(held: Iterable[Lot]) -> Decimal:
    return sum((lot.quantity for lot in held), ZERO)


def _scaled(held: Sequence[Lot], units: Decimal) -> list[Lot]:
    """The same lots as so many units in all, of the same days and money; the last one takes the rounding."""
    before = _units(held)
    scaled = [_as(lot, _times(lot.quantity, units, before)) for lot in held[:-1]]
    return [lot for lot in (*scaled, _as(held[-1], units - _units(scaled))) if lot.quantity]


def _times(value: Decimal, numerator: Decimal, denominator: Decimal) -> Decimal:
    ratio = Fraction(value) * Fraction(numerator) / Fraction(denominator)
    return at_scale(Decimal(ratio.numerator) / Decimal(ratio.denominator), QUANTITY_SCALE)


def _as(lot: Lot, units: Decimal) -> Lot:
    if lot.cost is None or not units:
        return lot._replace(quantity=units)
    return Lot(lot.since, units, at_scale(lot.quantity * lot.cost / units, PRICE_SCALE))


def _divided(parents: Sequence[Lot], step: Step) -> tuple[list[Lot], list[Lot]]:
    """What the parent's lots cost from now on, and the lots of what was split off, of the same days. Where nobody said
    how much of the cost went along, the parent keeps it and the new ones have none that is known."""
    if step.cost_percent is None:
        return [*parents], [lot._replace(cost=step.cost) for lot in _scaled(parents, step.quantity)]
    part = step.cost_percent / HUNDRED
    stays = [lot._replace(cost=_share(lot.cost, 1 - part)) for lot in parents]
    goes = [lot._replace(cost=_share(lot.cost, part)) for lot in parents]
    return stays, _scaled(goes, step.quantity)


def _share(cost: Decimal | None, part: Decimal) -> Decimal | None:
    return None if cost is None else at_scale(cost * part, PRICE_SCALE)
