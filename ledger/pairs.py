"""Which of the fills that are known those are that a broker lists: one fill is one fill, whatever it is called. Pure.

A broker may number a fill only later, or name its ISIN, or say its time; and one time may be read in two ways.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Mapping
from datetime import timedelta
from functools import partial

from .entries import Trade
from .normalise import INDIA_IS_AHEAD, ist_date

Fills = Mapping[str, Trade]  # by source id
Pairs = dict[str, str]  # from the source id of a listed fill to that of the known one
Likeness = tuple[Hashable, Hashable]  # what a fill is, and when it was; None where that is not known
Alike = Callable[[Trade, timedelta], Likeness]  # with its time read so much later
Key = Callable[[Trade], Hashable]  # None: this fill is none of those that are looked for

_AS_TOLD = timedelta(0)
_READINGS = (_AS_TOLD, INDIA_IS_AHEAD, -INDIA_IS_AHEAD)


def paired(known: Fills, told: Fills) -> Pairs:
    """Which known fill each listed one is. The surest likeness comes first, so that like fills are not mixed up.

    All are fills of one order. Two that have a number of the exchange are never the same for their terms alone.
    """
    pairs = {name: name for name, trade in told.items() if trade.trade_id and name in known}
    for pair_alike in (_pair_of_one_moment, _pair_without_time):
        for of_known, of_told in ((True, True), (False, False), (False, True), (True, False)):
            some, others = _numbered(known, of_known), _numbered(told, of_told)
            if some and others:
                pair_alike(pairs, some, others, _by_number if of_known and of_told else _by_terms)
    return pairs


def _numbered(fills: Fills, is_numbered: bool) -> Fills:
    return {name: trade for name, trade in fills.items() if bool(trade.trade_id) is is_numbered}


def _by_number(trade: Trade, shift: timedelta) -> Likeness:
    """The same number of the exchange on the same day."""
    return (trade.exchange, trade.trade_id), ist_date(trade.executed_at + shift) if trade.executed_at else None


def _by_terms(trade: Trade, shift: timedelta) -> Likeness:
    """So many at that price at the same moment."""
    terms = (trade.transaction_type, trade.quantity, trade.price)
    return terms, trade.executed_at + shift if trade.executed_at else None


def _pair_of_one_moment(pairs: Pairs, known: Fills, told: Fills, likeness: Alike) -> None:
    """Pairs those of the same moment, in that reading of the times in which most agree."""
    moments = Counter(likeness(trade, _AS_TOLD) for trade in known.values())

    def agreeing(shift: timedelta) -> int:
        return sum((moments & Counter(likeness(trade, shift) for trade in told.values())).values())

    for shift in sorted(_READINGS, key=agreeing, reverse=True):
        _pair(pairs, known, told, partial(_timed, likeness, _AS_TOLD), partial(_timed, likeness, shift))


def _pair_without_time(pairs: Pairs, known: Fills, told: Fills, likeness: Alike) -> None:
    """Pairs those of which one has no time."""
    _pair(pairs, known, told, partial(_untimed, likeness), partial(_any, likeness))
    _pair(pairs, known, told, partial(_any, likeness), partial(_untimed, likeness))


def _timed(likeness: Alike, shift: timedelta, trade: Trade) -> Hashable:
    return likeness(trade, shift) if trade.executed_at else None


def _untimed(likeness: Alike, trade: Trade) -> Hashable:
    return None if trade.executed_at else _any(likeness, trade)


def _any(likeness: Alike, trade: Trade) -> Hashable:
    return likeness(trade, _AS_TOLD)[0]


def _pair(pairs: Pairs, known: Fills, told: Fills, of_known: Key, of_told: Key) -> None:
    """Pairs those that are not paired yet and whose keys are equal, in their order."""
    taken = set(pairs.values())
    waiting: dict[Hashable, deque[str]] = defaultdict(deque)
    for name, trade in known.items():
        if name not in taken:
            waiting[of_known(trade)].append(name)
    for name, trade in told.items():
        key = of_told(trade)
        if name not in pairs and key is not None and waiting[key]:
            pairs[name] = waiting[key].popleft()
