"""What became of shares, as somebody said it: splits, bonuses, new ISINs, mergers, demergers. Pure.

Each account in which an action of a company was seen says it for itself: the action counts once all the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import takewhile
from typing import NamedTuple

from .answers import DEMERGER, SEEN_WITHIN, Answer, entitled
from .entries import ZERO
from .reconcile import FILLS


class Link(NamedTuple):
    """So many units of an instrument became so many of its successor; of a bonus or a split it may be the same one.

    `cost_percent`: how much of the cost a demerger took along, where that was said.
    """

    kind: str
    instrument: str
    successor: str
    effective_on: date
    units_before: int
    units_after: int
    cost_percent: Decimal | None = None

    @property
    def answer(self) -> Answer:
        return Answer(
            self.kind, self.units_before, self.units_after, cost_percent=self.cost_percent, on=self.effective_on
        )

    @property
    def replaces(self) -> bool:
        """Whether the old one is no more."""
        return self.successor != self.instrument and self.kind != DEMERGER


class Leg(NamedTuple):
    """So many units that a link took out of an instrument, or brought into one, on its day."""

    kind: str
    instrument: str
    dated: date
    quantity: Decimal


def distinct(links: Iterable[Link]) -> list[Link]:
    """Each action once, by day. Of those that tell of the same within some weeks the first one given stands."""
    found: list[Link] = []
    for link in links:
        if not any(_is_same(link, known) for known in found):
            found.append(link)
    return sorted(found, key=lambda each: each.effective_on)


def _is_same(one: Link, other: Link) -> bool:
    is_near = abs(one.effective_on - other.effective_on) <= SEEN_WITHIN
    return is_near and (one.instrument, one.successor, one.kind) == (other.instrument, other.successor, other.kind)


def route(links: Sequence[Link], instrument: str, since: date, until: date) -> list[Link]:
    """What units went through that were there on the day `since`, up to the last that put another in their place; in
    order of days."""
    taken: list[Link] = []
    last = 0
    for link in takewhile(lambda each: each.effective_on <= until, links):
        if link.effective_on > since and link.instrument == instrument and link.kind != DEMERGER:
            taken.append(link)
            instrument = link.successor
            last = len(taken) if link.replaces else last
    return taken[:last]


def legs(through: Sequence[Link], units: Decimal, beside: Decimal = ZERO) -> Iterator[Leg]:
    """What these units became, step by step. `beside`: what went the same way; fractions are paid out of all of it."""
    for link in through:
        total = entitled(beside + units, link.answer)
        beside = entitled(beside, link.answer)
        became = total - beside
        if link.replaces:
            yield Leg(link.kind, link.instrument, link.effective_on, -units)
            yield Leg(link.kind, link.successor, link.effective_on, became)
        else:
            yield Leg(link.kind, link.instrument, link.effective_on, became - units)
        units = became


class Late(NamedTuple):
    """Fills of one day by which a holding ought to have moved: by so many units, and the legs that make these up."""

    units: Decimal
    legs: tuple[Leg, ...]


def told(instrument: str, days: Mapping[date, Decimal]) -> dict[date, Late]:
    """Fills as they were told, of the instrument itself."""
    return {day: Late(units, (Leg(FILLS, instrument, day, units),)) for day, units in days.items()}


def carried(
    links: Sequence[Link], instrument: str, days: Mapping[date, Late], until: date, beside: Mapping[Link, Decimal]
) -> Iterator[tuple[str, date, Late]]:
    """The same fills by the instrument that ought to show them on the day `until`: what came in the place of theirs.

    `beside`: what else of an instrument went by a link.
    """
    went: dict[Link, Decimal] = dict(beside)
    for day, late in sorted(days.items()):
        through = route(links, instrument, day, until)
        if not through:
            yield instrument, day, late
            continue
        made = list(legs(through, late.units, went.get(through[0], ZERO)))
        went[through[0]] = went.get(through[0], ZERO) + late.units
        yield through[-1].successor, day, Late(made[-1].quantity, (*late.legs, *made))
