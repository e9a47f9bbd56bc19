"""What the shares of an account cost, lot by lot: the book's fills and explanations, put in order for `ledger.lots`."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from ledger.answers import DEMERGER, MOVED_BACK
from ledger.entries import BUY, SELL, ZERO
from ledger.lots import FILL, Key, Lot, Step, lots
from ledger.normalise import MONEY_SCALE, PRICE_SCALE, at_scale
from ledger.reconcile import FILLS, LATE, LOT_MOVED, lot_of

from . import book
from .models import BrokerAccount, ChangeExplanation, InstrumentLink
from .sync.answer import WITHDRAWN

_OF_FILLS = (FILLS, LATE, WITHDRAWN)  # these say which fills a holding showed; the fills themselves are counted
_OF_ONE_INSTRUMENT = (LOT_MOVED, MOVED_BACK)


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
    names: dict[str, tuple[str, str]] = {}
    steps = [*_fills(account, as_of, names), *_explained(account, as_of, names)]
    found = [_cost(*names[key[0]], key[1], each) for key, each in lots(steps).items()]
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


def _fills(account: BrokerAccount, as_of: date | None, names: dict[str, tuple[str, str]]) -> Iterator[Step]:
    told = book.transactions([account.pk], book.Moment(as_of))
    delivered = told.filter(is_delivery=True, transaction_type__in=(BUY, SELL))
    for fill in delivered.order_by("trade_date", "pk"):
        key = _named(names, fill.instrument_id, lot_of(fill.product), fill.symbol, fill.isin)
        units = fill.quantity if fill.transaction_type == BUY else -fill.quantity
        yield Step(fill.trade_date, FILL, key, units, fill.price)


def _explained(account: BrokerAccount, as_of: date | None, names: dict[str, tuple[str, str]]) -> Iterator[Step]:
    said = ChangeExplanation.objects.current().filter(broker_account=account).exclude(kind__in=_OF_FILLS)
    if as_of:
        said = said.filter(dated__lte=as_of)
    links = {
        (link.batch_id, link.successor_id): link
        for link in InstrumentLink.objects.filter(broker_account=account, kind=DEMERGER)
    }
    for row in said.order_by("dated", "pk"):
        key = _named(names, row.instrument_id, row.lot, row.symbol, row.isin)
        instrument = row.instrument_id if row.kind in _OF_ONE_INSTRUMENT else ""
        link = links.get((row.batch_id, row.instrument_id)) if row.kind == DEMERGER else None
        parent = _named(names, link.instrument_id, row.lot, link.symbol, link.isin) if link else None
        together = f"{row.batch_id} {row.kind} {instrument}"
        percent = link.cost_percent if link else None
        yield Step(row.dated, row.kind, key, row.quantity, row.cost_price, together, parent, percent)


def _named(names: dict[str, tuple[str, str]], instrument: object, lot: str, symbol: str, isin: str) -> Key:
    """The key, and how a person knows it: as it was called last."""
    names[str(instrument)] = (symbol, isin)
    return str(instrument), lot
