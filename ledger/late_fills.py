"""Which open questions fills answer that were learnt after their day, and what of them holdings ought to show. Pure."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .diff import HoldingKey
from .entries import BUY, SELL, ZERO, Trade
from .fills import FillMove
from .reconcile import Piece, is_delivery, lot_of


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
