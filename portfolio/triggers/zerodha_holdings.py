"""How Zerodha's holdings read: pure. What is owned stands in several fields, and funded shares are a lot of their own.

`quantity` excludes the T+1 and the pledged shares. Whether it falls on the day of a sale is not settled, so both are
read, and a row whose parts do not fit what was carried over night says so.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ledger import normalise
from ledger.entries import MTF, ZERO, Holding
from ledger.normalise import known_price, quantity

from .base import Reply, Rows
from .decode import ListReader, Read, Section, isin
from .times import Times
from .zerodha_failures import SUCCESS
from .zerodha_words import place, some, word


class Funded(msgspec.Struct):
    """The part that the broker's margin paid for."""

    quantity: Decimal | None = None
    used_quantity: Decimal | None = None
    average_price: Decimal | None = None


class Row(msgspec.Struct):
    tradingsymbol: str
    quantity: Decimal
    isin: str | None = None
    exchange: str | None = None
    used_quantity: Decimal | None = None
    t1_quantity: Decimal | None = None
    realised_quantity: Decimal | None = None
    opening_quantity: Decimal | None = None
    collateral_quantity: Decimal | None = None
    average_price: Decimal | None = None
    last_price: Decimal | None = None
    discrepancy: bool | None = None
    mtf: Funded | None = None


class Lot(NamedTuple):
    """One lot of a row: the shares that are owned outright, or those that are funded."""

    row: Row
    funded: Funded | None

    @property
    def tradingsymbol(self) -> str:
        return self.row.tradingsymbol


class LotReader(ListReader[Any]):
    def read(self, body: bytes) -> Read[Any]:
        rows, aside = super().read(body)
        return [lot for row in rows for lot in lots(row)], aside


def lots(row: Row) -> Iterator[Lot]:
    yield Lot(row, None)
    if row.mtf and row.mtf.quantity:
        yield Lot(row, row.mtf)


def holding(lot: Lot, reply: Reply, times: Times) -> Holding:
    row, funded = lot
    names = (isin(row.isin), word(row.tradingsymbol), place(row.exchange) if row.exchange else "NSE")
    last_price = known_price(row.last_price)
    if funded:
        held, used = quantity(funded.quantity or ZERO), some(funded.used_quantity)
        average, free = known_price(funded.average_price), held - min(used, held)
        return Holding(*names, held, held, average, free, groww_locked_quantity=held - free, lot=MTF,
                       last_price=last_price)  # fmt: skip
    held, t1, pledged = quantity(row.quantity), some(row.t1_quantity), some(row.collateral_quantity)
    is_t1_inside = bool(t1) and row.realised_quantity is not None and held == some(row.realised_quantity) + t1
    settled = held - t1 if is_t1_inside else held
    owned = quantity(settled + t1 + pledged)
    locked, doubt = sold_and_shown(row, owned, pledged)
    locked = min(locked, settled) if settled > ZERO else quantity(ZERO)
    return Holding(
        *names,
        held,
        owned,
        None if row.discrepancy else known_price(row.average_price),
        settled - locked,
        t1,
        pledged,
        groww_locked_quantity=locked,
        last_price=last_price,
        doubt="quantity has the T+1 shares inside, as it once did" if is_t1_inside else doubt,
    )


def sold_and_shown(row: Row, owned: Decimal, pledged: Decimal) -> tuple[Decimal, str]:
    """How many of the shares that were sold today are still in the row, and why that may be read wrong."""
    used = some(row.used_quantity)
    if row.opening_quantity is None:
        return used, ""
    opening = quantity(row.opening_quantity)
    carried = (owned, owned - pledged)  # whether pledged ones count as carried over night is not settled
    if opening in carried:
        return used, ""
    if opening - used in carried:
        return quantity(ZERO), ""
    given = (owned, opening, opening - used)
    said, carried_over, less = (f"{value.normalize():f}" for value in given)
    sold = f" nor that less what was sold today ({less})" if used else ""
    return quantity(ZERO), f"its parts together ({said}) are not what was carried over night ({carried_over}){sold}"


HOLDINGS = Section(
    LotReader("holdings", ("data",), Row, "tradingsymbol", SUCCESS),
    holding, normalise.wrong_holding, lambda row, _: (row.isin or row.symbol, row.lot),
)  # fmt: skip


def parse_holdings(replies: Sequence[Reply]) -> Rows:
    return HOLDINGS.parse(replies)
