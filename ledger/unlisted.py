"""What positions show of a day's trading and no order or fill tells: then the list that came of these was short. Pure.

Brokers list orders and fills for the day only, so what is not noticed on the day is lost. More fills than positions
show is no matter of this: a fill may be told after the positions were. Quantities are units.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from .absence import Traded
from .entries import ZERO


class Dealt(NamedTuple):
    """What was bought and sold of one instrument on one day as one product. `carried`: signed, held from before."""

    instrument: str
    symbol: str
    segment: str
    product: str
    traded: Traded
    carried: Decimal = ZERO


class Missing(NamedTuple):
    """Units of one instrument that positions show beyond what is told."""

    symbol: str
    bought: Decimal
    sold: Decimal


Places = Mapping[tuple[str, str], Sequence[Dealt]]  # by instrument and segment


def missing(shown: Iterable[Dealt], told: Sequence[Dealt]) -> list[Missing]:
    """What `shown` (positions) has beyond `told` (fills, and what orders filled beside them).

    All products of an instrument are one, since what is converted moves from one to another and its fills do not.
    """
    known, found = _places(told), []
    for place, rows in _places(shown).items():
        if any(_beyond(rows, known.get(place, ()))) and any(beyond := _beyond(rows, _named_alike(rows, told))):
            found.append(Missing(rows[0].symbol, *beyond))
    return found


def _places(dealt: Iterable[Dealt]) -> Places:
    places: dict[tuple[str, str], list[Dealt]] = defaultdict(list)
    for each in dealt:
        places[each.instrument, each.segment].append(each)
    return places


def _named_alike(rows: Sequence[Dealt], told: Iterable[Dealt]) -> list[Dealt]:
    """What is told of this instrument, or of its name: on the day on which an ISIN is learnt, a name that was told
    without one may have led to another."""
    instrument, segment, symbols = rows[0].instrument, rows[0].segment, {row.symbol for row in rows}
    return [t for t in told if t.segment == segment and (t.instrument == instrument or t.symbol in symbols)]


def _beyond(rows: Sequence[Dealt], told: Sequence[Dealt]) -> Traded:
    shown, known = _total(rows), _total(told)
    bought, sold = max(shown.bought - known.bought, ZERO), max(shown.sold - known.sold, ZERO)
    moved = min(bought, sold, _converted(rows, told)) if bought and sold else ZERO
    return Traded(bought - moved, sold - moved)


def _total(dealt: Iterable[Dealt]) -> Traded:
    total = Traded()
    for each in dealt:
        total = Traded(total.bought + each.traded.bought, total.sold + each.traded.sold)
    return total


def _converted(rows: Sequence[Dealt], told: Sequence[Dealt]) -> Decimal:
    """Units that left one product for another, where a broker shows that as a sale of the one and a purchase of the
    other. No more than there was to convert: dealt in by fills of that product, or carried in."""
    gained = lost = long = short = ZERO
    for product in {each.product for each in rows}:
        mine = [each for each in rows if each.product == product]
        shown, known = _total(mine), _total(each for each in told if each.product == product)
        carried = sum((each.carried for each in mine), ZERO)
        more = shown.bought - shown.sold - known.bought + known.sold
        gained, lost = gained + max(more, ZERO), lost + max(-more, ZERO)
        long += min(max(-more, ZERO), known.bought + max(carried, ZERO))
        short += min(max(more, ZERO), known.sold + max(-carried, ZERO))
    return min(gained, lost, max(long, short))
