"""What a file of past fills adds to the book: one fill is one transaction, wherever it was told first. Pure.

A fill that the book has, from the broker or from another file, is not written again, and one that a person voided
stays void. What the file says otherwise of a fill than the book is named and not taken.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from . import fills
from .entries import Trade
from .fills import FillMove, KnownFill
from .matching import Differing, Matching, Named, ShareOf, terms, without_isin


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
    matching = Matching(named, latest, share_of, same) if latest else None
    pairs = matching.pairs if matching else {}
    moves, replaced = matching.replacing() if matching else ([], set())
    whole, differing = (matching.whole, [*matching.differing]) if matching else (set(), [])
    differing += _contradicting(told, named, again) if len(named) < len(told) else []
    in_use = {*latest, *named} if latest else set()
    for name, trade in named.items():
        if name in replaced or name in whole:
            continue
        if name not in pairs:
            free = fills.free_name(trade, in_use) if name in latest else name
            in_use.add(free)
            moves.append(FillMove(free, None, trade))
        elif (found := latest[pairs[name]]).counts and terms(found.trade) != terms(trade):
            differing.append(Differing(found.trade, trade))
    moves = [move if move.trade.exchange else move._replace(trade=at_some_exchange(move.trade)) for move in moves]
    written = sum(1 for move in moves if move.before is None)
    return Plan(moves, len(told) - written - len(differing), differing)


def at_some_exchange(trade: Trade) -> Trade:
    """As it is kept, where the file does not say the exchange."""
    return trade if trade.exchange else trade._replace(exchange=fills.NSE)


def _again(named: Named) -> dict[str, str]:
    """Rows without an ISIN whose fill another row of the file has with one: by its number and what it is called."""
    lacking = {name: trade for name, trade in without_isin(named).items() if trade.trade_id}
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
            if terms(stands) != terms(trade):
                yield Differing(stands, trade)


def names(told: Iterable[Trade]) -> list[str]:
    """The source ids of those of these fills that have a number of the exchange."""
    return [name for name, trade in fills.source_ids(told).items() if trade.trade_id]
