"""What a file of past fills adds to the book: one fill is one transaction, wherever it was told first. Pure.

A fill that the book has, from the broker or from another file, is not written again, and one that a person voided
stays void. What the file says otherwise of a fill than the book is named and not taken.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from . import fills
from .diff import HoldingKey
from .entries import BUY, SELL, ZERO, Trade
from .fills import FillMove, KnownFill
from .normalise import PRICE_SCALE, at_scale
from .pairs import paired
from .reconcile import Piece, is_delivery, lot_of

Named = Mapping[str, Trade]  # by source id
ShareOf = Callable[[Trade], str]  # the instrument that a fill of the file is of
GroupOf = Callable[[Trade, str], Hashable]  # of a fill and its instrument; an empty one: in no group
PAISA = Decimal("0.01")  # an average may be rounded to it


class Differing(NamedTuple):
    """A fill, or an order as a whole, of which the file says another quantity or price than the book, or than an
    earlier row of its own."""

    known: Trade
    told: Trade


class Plan(NamedTuple):
    """`known`: how many of the file's rows the book has already, rows that the file itself has twice included."""

    moves: list[FillMove]
    known: int
    differing: list[Differing]


def plan(told: Sequence[Trade], known: Iterable[KnownFill], share_of: ShareOf, same: Mapping[str, str]) -> Plan:
    """`known`: the latest revision of every fill that the account has on the days of the file, void ones too. `same`:
    what an instrument is by now, where another one came in its place and it is one share still."""
    named = fills.source_ids(told)
    again = _again(named)
    for name in again:
        del named[name]
    latest = {fill.source_id: fill for fill in known}
    pairing = _Pairing(named, latest, share_of, same) if latest else None
    pairs = pairing.pairs if pairing else {}
    moves, replaced = pairing.replacing() if pairing else ([], set())
    whole, differing = (pairing.whole, [*pairing.differing]) if pairing else (set(), [])
    differing += _contradicting(told, named, again) if len(named) < len(told) else []
    in_use = {*latest, *named} if latest else set()
    for name, trade in named.items():
        if name in replaced or name in whole:
            continue
        if name not in pairs:
            free = fills.free_name(trade, in_use) if name in latest else name
            in_use.add(free)
            moves.append(FillMove(free, None, trade))
        elif (found := latest[pairs[name]]).counts and _terms(found.trade) != _terms(trade):
            differing.append(Differing(found.trade, trade))
    moves = [move if move.trade.exchange else move._replace(trade=at_some_exchange(move.trade)) for move in moves]
    written = sum(1 for move in moves if move.before is None)
    return Plan(moves, len(told) - written - len(differing), differing)


def at_some_exchange(trade: Trade) -> Trade:
    """As it is kept, where the file does not say the exchange."""
    return trade if trade.exchange else trade._replace(exchange=fills.NSE)


def _again(named: Named) -> dict[str, str]:
    """Rows without an ISIN whose fill another row of the file has with one: by its number and what it is called."""
    lacking = {name: trade for name, trade in _without_isin(named).items() if trade.trade_id}
    if not lacking or len(lacking) == len(named):
        return {}
    by_symbol = {_called(trade): name for name, trade in named.items() if trade.isin and trade.trade_id}
    return {name: by_symbol[_called(trade)] for name, trade in lacking.items() if _called(trade) in by_symbol}


def _called(trade: Trade) -> Hashable:
    return trade.exchange, trade.trade_date, trade.trade_id, trade.symbol, trade.transaction_type


def _contradicting(told: Iterable[Trade], named: Named, again: Mapping[str, str]) -> Iterator[Differing]:
    """Rows of the file that have the name of an earlier one, and say another quantity or price."""
    for trade in told:
        if trade.trade_id and not trade.is_synthesised:
            (name,) = fills.source_ids([trade])
            stands = named[again.get(name, name)]
            if _terms(stands) != _terms(trade):
                yield Differing(stands, trade)


def names(told: Iterable[Trade]) -> list[str]:
    """The source ids of those of these fills that have a number of the exchange."""
    return [name for name, trade in fills.source_ids(told).items() if trade.trade_id]


def _terms(trade: Trade) -> tuple[Decimal, Decimal]:
    return trade.quantity, trade.price


def _anywhere(trades: Named) -> Named:
    """As if nobody had said at which exchange: an earlier file may not have."""
    return {name: trade._replace(exchange="") for name, trade in trades.items()}


def _numbered(trade: Trade, share: str) -> Hashable:
    return trade.trade_id and (trade.trade_id, trade.trade_date, share, trade.transaction_type, _terms(trade))


class _Pairing:
    """Which known fill each fill of the file is: one of the same side of the same share, whatever either is called.

    A symbol is one share on one day; it tells less than two ISINs, but for fills of one order.
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
        for one, other in ((known, _without_isin(told)), (_without_isin(known), told)):
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


def _without_isin(trades: Named) -> Named:
    return {name: trade for name, trade in trades.items() if not trade.isin}


def net_units(moves: Iterable[tuple[FillMove, str]], after: date) -> dict[HoldingKey, dict[date, Decimal]]:
    """By how much these moves, each with its instrument, change what was delivered on each day later than `after`.

    What counted before is taken out where it stood: on its own day, side and lot.
    """
    net: dict[HoldingKey, dict[date, Decimal]] = defaultdict(dict)
    for move, instrument in moves:
        if move.before and move.before.counts:
            _count(net, move.before.instrument, move.before.trade, -1)
        if not move.void_reason:
            _count(net, instrument, move.trade, 1)
    changed = {key: {day: units for day, units in days.items() if units and day > after} for key, days in net.items()}
    return {key: days for key, days in changed.items() if days}


def sales(moves: Iterable[tuple[FillMove, str]]) -> Iterator[tuple[FillMove, str]]:
    return ((move, instrument) for move, instrument in moves if move.trade.transaction_type == SELL)


def _count(net: dict[HoldingKey, dict[date, Decimal]], instrument: str, trade: Trade, sign: int) -> None:
    if is_delivery(trade.segment, trade.product):
        days = net[instrument, lot_of(trade.product)]
        signed = sign * trade.quantity if trade.transaction_type == BUY else -sign * trade.quantity
        days[trade.trade_date] = days.get(trade.trade_date, ZERO) + signed


class Asked(NamedTuple):
    """An open question about one holding, and on which day it was seen. `since`: the day of the look before; of what no
    look has raised, before the fills that it is about."""

    number: int
    as_of: date
    open: Decimal
    since: date | None = None


class Bridged(NamedTuple):
    """`answers`: what fills of which days explain, by the number of the question. `overdue`: fills that holdings
    ought to have shown by now and did not."""

    answers: dict[int, list[Piece]]
    overdue: list[Piece]


def bridge(days: Mapping[date, Decimal], asked: Sequence[Asked], judged: date | None, sold: Container[date]) -> Bridged:
    """Which open questions of one holding these fills answer, oldest first.

    `judged`: the last day of which holdings were taken; fills of earlier days ought to show in them. `sold`: the days
    with sales among them: only these may show on the day itself. What was bought and is void by now is none.
    """
    waiting = {day: units for day, units in sorted(days.items()) if units}
    answers: dict[int, list[Piece]] = {}
    for question in sorted(asked, key=lambda each: each.as_of):
        if used := _explaining(question, waiting, question.as_of in sold):
            answers[question.number] = [Piece(day, waiting.pop(day)) for day in used]
    overdue = [Piece(day, units) for day, units in waiting.items() if judged is not None and day < judged]
    return Bridged(answers, overdue)


def _explaining(question: Asked, waiting: Mapping[date, Decimal], is_sold_on_it: bool) -> list[date]:
    """The days whose fills the holding ought to show since the look before, perhaps with the day's own sales: what
    leaves less open. Those before it too where nothing is left: else the rest of what a company did fits no ratio."""
    earlier = [day for day in waiting if day < question.as_of]
    expected = [day for day in earlier if question.since and day >= question.since]
    sold_on_it = [question.as_of] if is_sold_on_it and waiting.get(question.as_of, ZERO) < ZERO else []

    def left(days: Iterable[date]) -> Decimal:
        return abs(question.open - sum((waiting[day] for day in days), ZERO))

    whole = [days for days in (earlier, earlier + sold_on_it) if not left(days)]
    return min(expected, expected + sold_on_it, *whole, key=left)
