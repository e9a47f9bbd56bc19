"""One fill, one transaction: what a broker's list of an order's fills changes in the book.

Pure; decides, and writes nothing. A broker may list a fill under another name than before (`pairs` finds out), or
not list it at all, so that it is made up from its order: it counts once. Quantities are units, prices per unit.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from decimal import Decimal
from itertools import count
from typing import NamedTuple

from .entries import ZERO, Trade
from .errors import BadValue
from .normalise import is_other_reading, price
from .pairs import Fills, Pairs, paired

NUMBERED = "it has a number of the exchange by now"
NOT_LISTED = "the fills that are listed add up to its order without it"
ALL_LISTED = "all fills of its order are listed by now"
FIRST_DAY = date(1990, 1, 1)  # of an earlier one no fill is believed: NSE began to trade in 1994
NSE = "NSE"  # where nobody said at which exchange
BY_HAND = "MANUAL_ADJUSTMENT"  # the source of a revision, and the reason of a change, that a person made


class KnownFill(NamedTuple):
    """The latest revision of one fill in the book; a void one counts as nothing."""

    source_id: str
    row_id: str
    revision: int
    void_reason: str
    instrument: str
    trade: Trade  # with its `trade_id`, see `number_of`
    is_by_hand: bool = False  # a person set it right: no list changes it back
    as_told: Trade | None = None  # what was told of it before that

    @property
    def counts(self) -> bool:
        return not self.void_reason


class FillMove(NamedTuple):
    """One revision to be written: the fill as it counts from now on or, with a `void_reason`, as it counted."""

    source_id: str
    before: KnownFill | None  # void ones too: it is the next revision of this
    trade: Trade
    void_reason: str = ""


def source_ids(trades: Iterable[Trade]) -> dict[str, Trade]:
    """A name for each fill; identical rows count once, and of different rows of one name the first stands.

    The exchange's trade number, with day, instrument and side, since how far it is unique is not settled. Without a
    number: the order, time, price, quantity and a running number, so that two real equal fills stay two. Where no
    exchange is said, it is NSE.
    """
    named: dict[str, Trade] = {}
    for trade in trades:
        if trade.is_synthesised:
            named.setdefault(f"order:{trade.trade_date}:{trade.order_id}", trade)
        elif trade.trade_id:
            instrument = trade.isin or trade.symbol
            side = trade.transaction_type[:1]
            named.setdefault(f"{trade.exchange or NSE}:{trade.trade_date}:{trade.trade_id}:{instrument}:{side}", trade)
        else:
            named[free_name(trade, named)] = trade
    return named


def free_name(trade: Trade, in_use: Container[str]) -> str:
    """For a fill without a number. It says neither share nor side: fills of two shares may come to one name."""
    moment = trade.executed_at.isoformat() if trade.executed_at else trade.trade_date.isoformat()
    names = (f"fill:{trade.order_id}:{moment}:{trade.price:f}:{trade.quantity:f}:{number}" for number in count(1))
    return next(name for name in names if name not in in_use)


def number_of(source_id: str, trade: Trade) -> str:
    """The exchange's trade number in a source id; "" when it has none. The ISIN may have been learnt later."""
    if trade.is_synthesised or source_id.startswith(f"fill:{trade.order_id}:"):
        return ""
    ends = (f":{instrument}:{trade.transaction_type[:1]}" for instrument in (trade.isin, trade.symbol))
    end = next((end for end in ends if source_id.endswith(end)), ":".join(["", *source_id.rsplit(":", 2)[1:]]))
    return source_id.removesuffix(end).split(":", 2)[-1]


def moves(known: Sequence[KnownFill], told: Fills, filled: Decimal | None) -> list[FillMove]:
    """What the list of one order's fills changes in the book.

    `known`: all that the book has of this order; `told`: by source id; `filled`: what the order says that it
    filled, None where it is not known. A fill that is made up in `told` has the whole filled quantity of its order.
    """
    listed = {name: trade for name, trade in told.items() if not trade.is_synthesised}
    latest = {fill.source_id: fill for fill in known}
    pairs = paired(counting(known), listed)
    found = list(_of_listed(latest, listed, pairs))
    if listed and filled == _units(listed.values()):
        missing = counting(known).keys() - pairs.values()
        found += [_void(fill, NOT_LISTED) for name, fill in latest.items() if name in missing]
    found = _without_those_by_hand(found)
    return found + _without_those_by_hand(_made_up(known, told, listed, standing(known, found), filled))


def _without_those_by_hand(moved: Iterable[FillMove]) -> list[FillMove]:
    return [move for move in moved if not (move.before and move.before.is_by_hand)]


def counting(known: Iterable[KnownFill]) -> dict[str, Trade]:
    """The fills that count and were listed, by source id."""
    return {fill.source_id: fill.trade for fill in known if fill.counts and not fill.trade.is_synthesised}


def standing(known: Iterable[KnownFill], moved: Iterable[FillMove]) -> dict[str, Trade]:
    """The fills that count once these moves are written, by source id."""
    fills = {fill.source_id: fill.trade for fill in known if fill.counts}
    for move in moved:
        if move.void_reason:
            fills.pop(move.source_id, None)
        else:
            fills[move.source_id] = move.trade
    return fills


def _void(fill: KnownFill, reason: str) -> FillMove:
    return FillMove(fill.source_id, fill, fill.trade, reason)


def _of_listed(latest: Mapping[str, KnownFill], listed: Fills, pairs: Pairs) -> Iterator[FillMove]:
    """Revisions of fills that the book has, and fills that are new to it."""
    in_use = {name for name, fill in latest.items() if fill.counts}
    for name, trade in listed.items():
        fill = latest[pairs[name]] if name in pairs else None
        told = _as_known(fill.trade, trade) if fill else trade
        if fill and (fill.trade.trade_id or not trade.trade_id):
            if _is_revised(fill.trade, told):
                yield FillMove(fill.source_id, fill, told)
            continue
        if fill:
            yield _void(fill, NUMBERED)
        free = name if trade.trade_id else free_name(trade, in_use)
        in_use.add(free)
        yield FillMove(free, latest.get(free), told)


def _is_revised(known: Trade, told: Trade) -> bool:
    is_dated = known.executed_at is None and told.executed_at is not None
    return is_dated or (known.quantity, known.price) != (told.quantity, told.price)


def _as_known(known: Trade, told: Trade) -> Trade:
    """What is told, at the known time where it says none, or the same one read the other way. The ISIN stays."""
    told = told._replace(isin=told.isin or known.isin)
    if told.executed_at is None or is_other_reading(known.executed_at, told.executed_at):
        return told._replace(executed_at=known.executed_at, trade_date=known.trade_date)
    return told


def _made_up(
    known: Sequence[KnownFill], told: Fills, listed: Fills, fills: Fills, filled: Decimal | None
) -> list[FillMove]:
    """The made-up fill of an order is what the order filled beyond all its fills that were ever listed."""
    before = max((fill for fill in known if fill.trade.is_synthesised), key=lambda fill: fill.counts, default=None)
    current = before.trade if before and before.counts else None
    name, new = next(((name, trade) for name, trade in told.items() if trade.is_synthesised), ("", None))
    others = [trade for trade in fills.values() if not trade.is_synthesised]
    if new:
        rest = _rest_of(new, others)
    elif current and listed and filled is not None:
        rest = current._replace(quantity=min(current.quantity, filled - _units(others)))
    else:
        return []
    if before is None:
        return [FillMove(name, None, rest)] if rest.quantity > ZERO else []
    if rest.quantity <= ZERO:
        return [_void(before, ALL_LISTED)] if current else []
    rest = _as_known(before.trade, rest)
    return [FillMove(before.source_id, before, rest)] if current is None or _is_revised(current, rest) else []


def _rest_of(whole: Trade, others: Sequence[Trade]) -> Trade:
    """The part of an order that is not listed, at the price at which all its fills cost what the order says."""
    rest = whole.quantity - _units(others)
    if not others or rest <= ZERO:
        return whole._replace(quantity=rest)
    cost = whole.quantity * whole.price - sum((trade.quantity * trade.price for trade in others), ZERO)
    return whole._replace(quantity=rest, price=_price_each(cost / rest) or whole.price)


def _price_each(value: Decimal) -> Decimal | None:
    """None for what is no price."""
    with suppress(BadValue):
        return price(value) if value > ZERO else None
    return None


def _units(trades: Iterable[Trade]) -> Decimal:
    return sum((trade.quantity for trade in trades), ZERO)
