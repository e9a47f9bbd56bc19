"""The quantity bridge of fills that are learnt, or learnt otherwise, after their day: imported, corrected, read anew.

They answer the questions that they explain, also of what came in the place of the share that was traded. What holdings
ought to have shown of them by now, and did not, is used up and is an open question; the fills of later days are left to
the next look at the holdings. Asks no broker.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from ledger import late_fills, links
from ledger.diff import HoldingKey, HoldingMove
from ledger.entries import ZERO, Holding, Trade
from ledger.fills import FillMove
from ledger.late_fills import Asked
from ledger.links import Late, Link

from ..models import BrokerAccount, Instrument
from .amend import Amendment
from .links import onward
from .questions import OpenQuestion, read_open

Placed = tuple[FillMove, str]  # with the instrument that it is of
LateDays = dict[date, Late]


class Learnt(NamedTuple):
    """The numbers of the questions that were closed, and of those that were opened."""

    answered: list[int]
    opened: list[int]


def bridge(amendment: Amendment, placed: Sequence[Placed]) -> Learnt:
    """What these moves explain, and what holdings ought to have shown of them. Before the opening: nothing."""
    head = amendment.head
    net = late_fills.net_units(placed, head.opened_on) if head.opened_on else {}
    if not net:
        return Learnt([], [])
    sold = late_fills.net_units(late_fills.sales(placed), head.opened_on) if head.opened_on else {}
    writing = _Writing(amendment, {instrument: _named(move.trade) for move, instrument in placed}, sold)
    overdue = {key: writing.answer(key, links.told(key[0], days)) for key, days in sorted(net.items())}
    if head.holdings_day:
        overdue = _carried(writing, overdue, head.holdings_day)
    for key, days in overdue.items():
        writing.ask(key, days)
    learnt = Learnt(sorted(writing.answered), writing.opened)
    if learnt.answered:
        amendment.tell("question.closed", subjects=learnt.answered)
    if learnt.opened:
        amendment.tell("question.opened", subjects=learnt.opened)
    return learnt


def _named(trade: Trade) -> Holding:
    return Holding(trade.isin, trade.symbol, trade.exchange, ZERO, ZERO, None)


def _carried(writing: "_Writing", overdue: Mapping[HoldingKey, LateDays], until: date) -> dict[HoldingKey, LateDays]:
    """Fills of shares in whose place others came answer the questions about those; returns what stays overdue."""
    account, traded = writing.amendment.account, {key[0] for key, days in overdue.items() if days}
    known = onward(account, traded)
    by_end: dict[HoldingKey, LateDays] = defaultdict(dict)
    for (instrument, lot), days in overdue.items():
        beside = {link: _went(account, (instrument, lot), link) for link in known if link.instrument == instrument}
        for end, day, late in links.carried(known, instrument, days, until, beside):
            before = by_end[end, lot].get(day, Late(ZERO, ()))
            by_end[end, lot][day] = Late(before.units + late.units, before.legs + late.legs)
    writing.name({link.successor for link in known})
    moved = {key for key, days in by_end.items() if days != overdue.get(key, {})}
    return {key: writing.answer(key, days) if key in moved else days for key, days in by_end.items()}


def _went(account: BrokerAccount, key: HoldingKey, link: Link) -> Decimal:
    """How much of a holding went by this link, as its account saw it."""
    gone = account.holding_changes.filter(
        instrument=UUID(key[0]), lot=key[1], new_quantity=0, as_of__gte=link.effective_on
    )
    return gone.order_by("as_of", "pk").values_list("previous_quantity", flat=True).first() or ZERO


class _Writing:
    """Writes explanations of late fills, and knows what is left of each question meanwhile."""

    def __init__(
        self, amendment: Amendment, named: dict[str, Holding], sold: Mapping[HoldingKey, Mapping[date, Decimal]]
    ) -> None:
        self.amendment, self._named, self._sold = amendment, named, sold
        self.answered: list[int] = []
        self.opened: list[int] = []
        self._open: dict[HoldingKey, dict[int, OpenQuestion]] = defaultdict(dict)
        for each in read_open(amendment.account):
            self._open[each.question.instrument, each.question.lot][each.question.number] = each

    def name(self, instruments: Iterable[str]) -> None:
        """What was traded is called as it was told; what came in its place as it is known."""
        for row in Instrument.objects.filter(pk__among=[UUID(each) for each in instruments]):
            self._named.setdefault(str(row.pk), Holding(row.isin, row.symbol, "NSE", ZERO, ZERO, None))

    def answer(self, key: HoldingKey, days: LateDays) -> LateDays:
        """Writes what these fills explain of the questions about a holding; returns those that it ought to have shown
        by now and did not."""
        opened = self._open[key]
        asked = [Asked(q.number, q.as_of, q.open, q.looked) for q in (each.question for each in opened.values())]
        units = {day: late.units for day, late in days.items()}
        found = late_fills.bridge(units, asked, self.amendment.head.holdings_day, self._sold.get(key, ()))
        for number, pieces in found.answers.items():
            self._explain(opened, number, [days[piece.dated] for piece in pieces])
        return {piece.dated: days[piece.dated] for piece in found.overdue}

    def _explain(self, opened: dict[int, OpenQuestion], number: int, used: Sequence[Late]) -> None:
        each = opened.pop(number)
        self._write(each.change_id, each.question.lot, used)
        left = each.question.open - sum((late.units for late in used), ZERO)
        if left:
            opened[number] = each._replace(question=each.question._replace(open=left))
        else:
            self.answered.append(number)

    def ask(self, key: HoldingKey, overdue: LateDays) -> None:
        """Fills that a holding did not show are used up, and what they come to is an open question."""
        if not overdue:
            return
        amendment, (instrument, lot) = self.amendment, key
        missing = -sum((late.units for late in overdue.values()), ZERO)
        question = amendment.next_question() if missing else None
        if question:
            self.opened.append(question)
        held = amendment.account.holdings.filter(instrument=UUID(instrument), lot=lot).first()
        stands = self._named[instrument]._replace(owned=held.owned_quantity if held else ZERO)
        move = HoldingMove(key, stands, stands)
        change_id = amendment.pen.holding_change(amendment.trading_day, move, None, ZERO, missing, question)
        self._write(change_id, lot, overdue.values())

    def _write(self, change_id: str, lot: str, used: Iterable[Late]) -> None:
        for leg in (leg for late in used for leg in late.legs):
            named = self._named[leg.instrument]
            self.amendment.pen.explanation(change_id, (leg.instrument, lot), named, leg.kind, leg.dated, leg.quantity)
