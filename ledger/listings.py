"""Which instrument a name means, from what is known and from what a broker says. Pure.

Identity is the ISIN where there is one. An instrument that was known by its name alone is given the ISIN when a
broker tells it. What one share alone goes by at an exchange means that share at the other one too, until something else
is told. A name that means another ISIN now is listed anew from that day on, once a day at most and never back: where
two ISINs go by one name, the brokers would take it to and fro for ever. What points at an instrument goes on pointing
at it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .entries import CASH, Listing


class Name(NamedTuple):
    """What an exchange calls something."""

    symbol: str
    exchange: str
    segment: str


def name_of(listing: Listing) -> Name:
    return Name(listing.symbol, listing.exchange, listing.segment)


@dataclass(slots=True)
class Known:
    """Instrument ids by ISIN and by what they are called today, and those of which no ISIN is known."""

    by_isin: dict[str, str] = field(default_factory=dict)
    by_name: dict[Name, str] = field(default_factory=dict)
    without_isin: set[str] = field(default_factory=set)
    begun: set[Name] = field(default_factory=set)  # what these mean began on this day, or later
    former: set[tuple[Name, str]] = field(default_factory=set)  # these instruments are called so no more

    def of(self, listing: Listing) -> str | None:
        """The id, once both the ISIN and the name lead to it."""
        by_name = self.by_name.get(name_of(listing))
        if listing.isin is None:
            return by_name
        by_isin = self.by_isin.get(listing.isin)
        return by_isin if by_isin == by_name else None

    def id_of(self, listing: Listing) -> str:
        return self.by_isin[listing.isin] if listing.isin else self.by_name[name_of(listing)]

    def clear(self) -> None:
        self.by_isin.clear()
        self.by_name.clear()
        self.without_isin.clear()
        self.begun.clear()
        self.former.clear()


@dataclass(slots=True)
class Plan:
    """What has to be written so that every listing leads to its instrument."""

    made: dict[str, Listing] = field(default_factory=dict)  # new instruments by id, with what first named them
    identified: dict[str, str] = field(default_factory=dict)  # the ISIN to fill in, by instrument
    listed: dict[Name, str] = field(default_factory=dict)  # what these names mean from today on


def plan(missing: Iterable[Listing], known: Known, new_id: Callable[[], str], is_whole: bool = False) -> Plan:
    """Works out what is missing, and enters it into `known`. Those with an ISIN come first, so that a name without
    one finds them. `is_whole`: they are a file that has every name, so that none is taken for another exchange's."""
    planned, shares = Plan(), _shares({} if is_whole else known.by_name)
    for listing in sorted(missing, key=lambda listing: (listing.isin is None, listing)):
        name = name_of(listing)
        target = known.by_isin.get(listing.isin) if listing.isin else known.by_name.get(name)
        if target is None:
            called = known.by_name.get(name) or _elsewhere(name, shares)
            target = _adopted(listing, called, known, planned) or _made(listing, planned, new_id)
        if listing.isin:
            known.by_isin[listing.isin] = target
        if known.by_name.get(name) != target and _may_be_listed(name, target, known, planned):
            known.by_name[name] = planned.listed[name] = target
            if name.segment == CASH and not is_whole:
                shares[name.symbol].add(target)
    return planned


def _shares(names: Mapping[Name, str]) -> dict[str, set[str]]:
    """What each symbol means at all exchanges together. Of shares: what a derivative is called says no more."""
    shares: dict[str, set[str]] = defaultdict(set)
    for name, instrument in names.items():
        if name.segment == CASH:
            shares[name.symbol].add(instrument)
    return shares


def _elsewhere(name: Name, shares: Mapping[str, set[str]]) -> str | None:
    """The one share that another exchange calls so."""
    found = shares.get(name.symbol, ()) if name.segment == CASH else ()
    return next(iter(found)) if len(found) == 1 else None


def _may_be_listed(name: Name, target: str, known: Known, planned: Plan) -> bool:
    return name not in known.begun and name not in planned.listed and (name, target) not in known.former


def _adopted(listing: Listing, called: str | None, known: Known, planned: Plan) -> str | None:
    """What is `called` so, where that may be meant: by a name alone, or as what was known by its name alone."""
    if called is None or not listing.isin:
        return called
    if called not in known.without_isin:
        return None
    known.without_isin.remove(called)
    planned.identified[called] = listing.isin
    return called


def _made(listing: Listing, planned: Plan, new_id: Callable[[], str]) -> str:
    target = new_id()
    planned.made[target] = listing
    return target
