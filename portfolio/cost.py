"""What the shares of an account cost, lot by lot: the book's fills and explanations, put in order for `ledger.lots`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import product
from typing import NamedTuple
from uuid import UUID

from ledger.answers import CORPORATE, DEMERGER, MOVED_BACK
from ledger.entries import BUY, SELL, ZERO
from ledger.lots import FILL, LINKED, OPENING, Key, Lot, Step, lots
from ledger.normalise import MONEY_SCALE, PRICE_SCALE, at_scale
from ledger.reconcile import FILLS, LATE, LOT_MOVED, lot_of

from . import book
from .models import AccountHead, BrokerAccount, ChangeExplanation, Instrument, InstrumentLink
from .schedule import calendar
from .sync.amend import ANSWER
from .sync.answer import WITHDRAWN
from .sync.links import onward, said_by

_OF_FILLS = (FILLS, LATE, WITHDRAWN)  # these say which fills a holding showed; the fills themselves are counted
_OF_ONE_INSTRUMENT = (LOT_MOVED, MOVED_BACK)
_ACTIONS = CORPORATE - {DEMERGER}

Names = dict[str, tuple[str, str]]  # symbol and ISIN, by instrument id


class Cost(NamedTuple):
    """What is owned of one share. `cost`: INR a unit on average, `total`: INR; None where a lot's is not known."""

    symbol: str
    isin: str
    lot: str
    quantity: Decimal
    cost: Decimal | None
    total: Decimal | None
    lots: list[Lot]


def costs(account: BrokerAccount, as_of: date | None = None) -> list[Cost]:
    """By symbol, at the end of a day in India (None: of the last that is known). What open questions are about is not
    in it: nobody has said yet what became of it."""
    names: Names = {}
    fills, explained = list(_fills(account, names)), list(_explained(account, names))
    before = _before_the_opening(account, fills, explained, names)
    steps = [step for step in (*fills, *explained, *before) if as_of is None or step.day <= as_of]
    held = lots(steps)
    isins = dict(Instrument.objects.filter(pk__among=[UUID(key[0]) for key in held]).values_list("pk", "isin"))
    found = []
    for (instrument, lot), each in held.items():
        symbol, isin = names[instrument]
        found.append(_cost(symbol, isin or isins[UUID(instrument)] or "", lot, each))
    return sorted(found, key=lambda each: (each.symbol, each.isin, each.lot))


def _cost(symbol: str, isin: str, lot: str, each: list[Lot]) -> Cost:
    quantity = sum((one.quantity for one in each), ZERO)
    known = [one.quantity * one.cost for one in each if one.cost is not None]
    if len(known) < len(each):
        return Cost(symbol, isin, lot, quantity, None, None, each)
    total = sum(known, ZERO)
    return Cost(
        symbol, isin, lot, quantity, at_scale(total / quantity, PRICE_SCALE), at_scale(total, MONEY_SCALE), each
    )


def _fills(account: BrokerAccount, names: Names) -> Iterator[Step]:
    told = book.transactions([account.pk])
    delivered = told.filter(is_delivery=True, transaction_type__in=(BUY, SELL))
    for fill in delivered.order_by("trade_date", "pk"):
        key = _named(names, fill.instrument_id, lot_of(fill.product), fill.symbol, fill.isin)
        units = fill.quantity if fill.transaction_type == BUY else -fill.quantity
        yield Step(fill.trade_date, FILL, key, units, fill.price)


def _before_the_opening(
    account: BrokerAccount, fills: Sequence[Step], explained: Sequence[Step], names: Names
) -> Iterator[Step]:
    """What is known of the time before the account was first seen: what companies did, and that nothing was there of
    what the opening does not name."""
    opened_on = AccountHead.objects.values_list("opened_on", flat=True).get(account=account)
    traded = {step.key for step in fills if opened_on and step.day <= opened_on}
    if not opened_on or not traded:
        return
    seen_on, own = calendar.next_session(opened_on), said_by(account)
    known = onward(account, {instrument for instrument, _ in traded})
    links = [link for link in known if link.effective_on <= seen_on and link not in own]
    lots_traded = {lot for _, lot in traded}
    for row in Instrument.objects.filter(pk__among=[UUID(link.successor) for link in links]):
        names.setdefault(str(row.pk), (row.symbol, row.isin or ""))
    for link, lot in product(links, lots_traded):
        yield Step(min(link.effective_on, opened_on), LINKED, (link.instrument, lot), ZERO, link=link)
    reached = traded | {(link.successor, lot) for link, lot in product(links, lots_traded)}
    for key in reached - {step.key for step in explained if step.kind == OPENING}:
        yield Step(opened_on, OPENING, key, ZERO)


def _explained(account: BrokerAccount, names: Names) -> Iterator[Step]:
    said = ChangeExplanation.objects.current().filter(broker_account=account).exclude(kind__in=_OF_FILLS)
    links = {
        (link.batch_id, link.successor_id): link
        for link in InstrumentLink.objects.filter(broker_account=account, kind=DEMERGER)
    }
    rows = list(said.select_related("batch").order_by("dated", "pk"))
    yield from _actions([row for row in rows if row.kind in _ACTIONS], names)
    for row in (row for row in rows if row.kind not in _ACTIONS):
        key = _named(names, row.instrument_id, row.lot, row.symbol, row.isin)
        link = links.get((row.batch_id, row.instrument_id)) if row.kind == DEMERGER else None
        parent = _named(names, link.instrument_id, row.lot, link.symbol, link.isin) if link else None
        percent = link.cost_percent if link else None
        yield Step(row.dated, row.kind, key, row.quantity, row.cost_price, _together(row), parent, percent)


def _actions(rows: Sequence[ChangeExplanation], names: Names) -> Iterator[Step]:
    """What companies did, each action once: an answer tells of it, and so do fills that were learnt or corrected later,
    each of its own part, or of what was too much."""
    concerned: dict[str, set[Key]] = defaultdict(set)
    for row in rows:
        concerned[_together(row)].add(_named(names, row.instrument_id, row.lot, row.symbol, row.isin))
    found: dict[tuple[str, Key], Step] = {}
    for row in rows:
        action = f"{row.kind} {row.dated} {sorted(concerned[_together(row)])}"
        key = str(row.instrument_id), row.lot
        units = found[action, key].quantity if (action, key) in found else ZERO
        found[action, key] = Step(row.dated, row.kind, key, units + row.quantity, row.cost_price, action)
    yield from (step for step in found.values() if step.quantity)


def _together(row: ChangeExplanation) -> str:
    """What went and what came in its place: both of one answer, or of one change of a batch that knows of many."""
    if row.kind in _OF_ONE_INSTRUMENT:
        return f"{row.batch_id} {row.kind} {row.instrument_id}"
    if row.batch.sync_type == ANSWER:
        return f"{row.batch_id} {row.kind}"
    return f"{row.change_id} {row.kind} {row.dated}"


def _named(names: Names, instrument: object, lot: str, symbol: str, isin: str) -> Key:
    """The key, and how a person knows it: as it was called last."""
    names[str(instrument)] = (symbol, isin)
    return str(instrument), lot
