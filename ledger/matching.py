"""Which fill of the book each fill of a file is, whatever either is called, and where the two do not agree. Pure."""

from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from . import fills
from .entries import ZERO, Trade
from .fills import FillMove, KnownFill
from .normalise import PRICE_SCALE, at_scale
from .pairs import paired

Named = Mapping[str, Trade]  # by source id
ShareOf = Callable[[Trade], str]  # the instrument that a fill of the file is of
GroupOf = Callable[[Trade, str], Hashable]  # of a fill and its instrument; an empty one: in no group
PAISA = Decimal("0.01")  # an average may be rounded to it


class Differing(NamedTuple):
    """A fill, or an order as a whole, of which the file says another quantity or price than the book, or than an
    earlier row of its own."""

    known: Trade
    told: Trade


class Matching:
    """Which known fill each fill of the file is: one of the same side of the same share, whatever either is called.

    A symbol is one share on one day; it tells less than two ISINs, but for fills of one order. `pairs`: from a name in
    the file to that in the book. `whole`: names of the rows of orders that the book has in other parts.
    """

    def __init__(self, named: Named, latest: Mapping[str, KnownFill], share_of: ShareOf, same: Mapping[str, str]):
        self._shares = {name: same.get(share, share) for name, share in ((n, share_of(t)) for n, t in named.items())}
        self._known_shares = {name: same.get(fill.instrument, fill.instrument) for name, fill in latest.items()}
        self._named, self._latest = named, latest
        known = {
            name: fill.trade for name, fill in latest.items()
            if not fill.trade.is_synthesised and fill.void_reason != fills.NUMBERED
        }  # fmt: skip
        self.pairs = {name: name for name, trade in named.items() if name in known and self._is_named_so(name, trade)}
        self.whole, self._whole_known, self.differing = set[str](), set[str](), list[Differing]()
        self._pair_all(list(self._surest_first(known)))

    def _surest_first(self, known: Named) -> Iterator[Named]:
        """Fills that nobody touched; those that a person set right as they were told before; and as they are now."""
        as_told = {name: fill.as_told for name, fill in self._latest.items() if fill.as_told}
        yield {name: trade for name, trade in known.items() if name not in as_told} if as_told else known
        if as_told:
            yield as_told
            yield {name: known[name] for name in as_told if name in known}

    def _pair_all(self, stands: Sequence[Named]) -> None:
        told = {name: trade for name, trade in self._named.items() if name not in self.pairs}
        anywhere = {name: trade for name, trade in told.items() if trade.trade_id and not trade.exchange}
        somewhere = {name: trade for name, trade in told.items() if name not in anywhere}
        compared = [(_anywhere(each), anywhere) for each in stands if anywhere] + [(each, somewhere) for each in stands]
        for one, other in compared:
            self._pair_of_orders(one, other)
        self._find_whole_orders()  # before fills of another order of that day can be taken for them
        for one, other in compared:
            self._pair_of_days(one, other)
        wherever = _anywhere({name: trade for name, trade in somewhere.items() if name not in self.pairs})
        for each in stands if wherever else ():
            perhaps = {name: trade for name, trade in each.items() if trade.exchange == fills.NSE}  # or nobody said it
            self._pair(_anywhere(perhaps), wherever, _numbered)

    def _pair_of_orders(self, known: Named, told: Named) -> None:
        self._pair(known, told, lambda trade, share: trade.order_id and (trade.order_id, share, trade.transaction_type))
        self._pair(
            known, told, lambda trade, _: trade.order_id and (trade.order_id, trade.symbol, trade.transaction_type)
        )

    def _pair_of_days(self, known: Named, told: Named) -> None:
        self._pair(known, told, lambda trade, share: (trade.trade_date, share, trade.transaction_type))
        for one, other in ((known, without_isin(told)), (without_isin(known), told)):
            self._pair(one, other, lambda trade, _: (trade.trade_date, trade.symbol, trade.transaction_type))

    def _is_named_so(self, name: str, trade: Trade) -> bool:
        """A name without the exchange's number says neither share nor side."""
        known = self._latest[name].trade
        is_same = self._shares[name] == self._known_shares[name] and trade.transaction_type == known.transaction_type
        return bool(trade.trade_id) or is_same

    def _pair(self, known: Named, told: Named, group_of: GroupOf) -> None:
        """Pairs what is not paired yet, within groups."""
        taken, done = self._whole_known.union(self.pairs.values()), self.whole.union(self.pairs)
        of_told: dict[Hashable, dict[str, Trade]] = defaultdict(dict)
        for name, trade in told.items():
            if name not in done and (group := group_of(trade, self._shares[name])):
                of_told[group][name] = trade
        of_known: dict[Hashable, dict[str, Trade]] = defaultdict(dict)
        for name, trade in known.items() if of_told else ():
            if name not in taken and (group := group_of(trade, self._known_shares[name])) in of_told:
                of_known[group][name] = trade
        for group, trades in of_known.items():
            self.pairs.update(paired(trades, of_told[group]))

    def replacing(self) -> tuple[list[FillMove], set[str]]:
        """Fills that were made up from their order, since the broker would not list them: by now they are listed.
        Returns what changes, and the names of the listed ones."""
        moves: list[FillMove] = []
        listed: set[str] = set()
        made_up = [fill for fill in self._latest.values() if fill.counts and fill.trade.is_synthesised]
        if not made_up:
            return moves, listed
        told_of = _by_order(self._named, self._shares)
        known_of = _by_order({name: fill.trade for name, fill in self._latest.items()}, self._known_shares)
        for fill in sorted(made_up, key=lambda fill: fill.source_id):
            order, share = _order_of(fill.trade), self._known_shares[fill.source_id]
            where = fill.trade.exchange
            told = {
                name: trade._replace(exchange=trade.exchange or where)
                for name, trade in _of_share(told_of[order], share, fill.trade.symbol)
            }
            if told:
                known = [self._latest[name] for name, _ in _of_share(known_of[order], share, fill.trade.symbol)]
                filled = sum((each.trade.quantity for each in known if each.counts), ZERO)
                moves += fills.moves(known, told, filled)
                listed.update(told)
        return moves, listed

    def _find_whole_orders(self) -> None:
        """Rows of an order that the book has in other parts: told as a whole by the one, fill by fill by the other.
        What a person set right is as it was told before. What costs something else there is named."""
        taken = {*self.pairs, *self.pairs.values()}
        told_of = _by_order({name: trade for name, trade in self._named.items() if name not in taken}, self._shares)
        known = self._as_first_told(taken) if told_of else {}
        known_of = _by_order(known, self._known_shares)
        for order, rows in told_of.items():
            _, first, share = rows[0]
            mine = list(_of_share(rows, share, first.symbol))
            theirs = list(_of_share(known_of[order], share, first.symbol))
            if (_is_whole(mine) or _is_whole(theirs)) and _units(mine) == _units(theirs):
                self.whole.update(name for name, _ in mine)
                self._whole_known.update(name for name, _ in theirs)
                one = Differing(_as_one(theirs), _as_one(mine))
                self.differing += [one] if abs(one.known.price - one.told.price) >= PAISA else []

    def _as_first_told(self, taken: Container[str]) -> Named:
        """The fills that were listed and count, or did before a person set them right."""
        listed = (fill for fill in self._latest.values() if fill.source_id not in taken)
        return {
            fill.source_id: fill.as_told or fill.trade for fill in listed
            if (fill.counts or fill.as_told) and not fill.trade.is_synthesised
        }  # fmt: skip


OfOrder = list[tuple[str, Trade, str]]  # each fill with its name and its share


def _order_of(trade: Trade) -> Hashable:
    """A broker may use the id of an order again, on another day or for another share."""
    return trade.order_id, trade.trade_date, trade.transaction_type


def _by_order(named: Named, shares: Mapping[str, str]) -> Mapping[Hashable, OfOrder]:
    by_order: dict[Hashable, OfOrder] = defaultdict(list)
    for name, trade in named.items():
        if trade.order_id:
            by_order[_order_of(trade)].append((name, trade, shares[name]))
    return by_order


def _of_share(found: OfOrder, share: str, symbol: str) -> Iterator[tuple[str, Trade]]:
    return ((name, trade) for name, trade, of in found if of == share or trade.symbol == symbol)


def _is_whole(parts: Sequence[tuple[str, Trade]]) -> bool:
    return len(parts) == 1 and not parts[0][1].trade_id


def _as_one(parts: Sequence[tuple[str, Trade]]) -> Trade:
    """At the average price."""
    units, cost = _units(parts), sum((trade.quantity * trade.price for _, trade in parts), ZERO)
    return parts[0][1]._replace(quantity=units, price=at_scale(cost / units, PRICE_SCALE))


def _units(parts: Iterable[tuple[str, Trade]]) -> Decimal:
    return sum((trade.quantity for _, trade in parts), ZERO)


def without_isin(trades: Named) -> Named:
    return {name: trade for name, trade in trades.items() if not trade.isin}


def terms(trade: Trade) -> tuple[Decimal, Decimal]:
    return trade.quantity, trade.price


def _anywhere(trades: Named) -> Named:
    """As if nobody had said at which exchange: an earlier file may not have."""
    return {name: trade._replace(exchange="") for name, trade in trades.items()}


def _numbered(trade: Trade, share: str) -> Hashable:
    return trade.trade_id and (trade.trade_id, trade.trade_date, share, trade.transaction_type, terms(trade))
