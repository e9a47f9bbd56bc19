"""Holdings in all their parts, and how a day of delivery trades moves them.

Buys of today are in positions only; next morning they are here, not settled; free the day after settlement. A sale
takes from the free shares (set aside while the order works), then from the unsettled, then from what was bought
today. Whether it lowers the holding at once or next morning is not told by every broker, so it is a switch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from .market import settlement_day

ZERO = Decimal(0)
PARTS = ("free", "demat_locked", "broker_locked", "pledged", "repledged")


@dataclass(slots=True)
class Unsettled:
    quantity: int
    settles_on: date


@dataclass(slots=True)
class Holding:
    """Units of one ISIN. `average` is rupees a unit; `bonus_due` has been declared but is not in the demat yet."""

    symbol: str
    isin: str
    average: Decimal = ZERO
    free: int = 0
    demat_locked: int = 0
    broker_locked: int = 0
    pledged: int = 0
    repledged: int = 0
    bonus_due: int = 0
    lots: list[Unsettled] = field(default_factory=list)

    @property
    def unsettled(self) -> int:
        return sum(lot.quantity for lot in self.lots)

    @property
    def settled(self) -> int:
        return self.free + self.demat_locked + self.broker_locked + self.pledged + self.repledged

    @property
    def total(self) -> int:
        return self.settled + self.unsettled

    def take_unsettled(self, quantity: int) -> None:
        """The oldest first."""
        for lot in self.lots:
            taken = min(quantity, lot.quantity)
            lot.quantity -= taken
            quantity -= taken
        self.lots = [lot for lot in self.lots if lot.quantity]

    def settle(self, day: date) -> None:
        """What settled before `day` is free on its morning."""
        self.free += sum(lot.quantity for lot in self.lots if lot.settles_on < day)
        self.lots = [lot for lot in self.lots if lot.settles_on >= day]

    def add_cost(self, quantity: int, price: Decimal) -> None:
        """Brings the average up to date before `quantity` units are added at `price`."""
        cost = self.average * self.total + price * quantity
        self.average = cost / (self.total + quantity)

    def multiply(self, new: int, old: int) -> None:
        """`old` shares become `new` ones, in every part. Fractions are paid out in cash and vanish."""
        for part in PARTS:
            setattr(self, part, getattr(self, part) * new // old)
        for lot in self.lots:
            lot.quantity = lot.quantity * new // old


@dataclass(slots=True)
class Delivery:
    """Today's delivery trades in one ISIN."""

    symbol: str
    bought: int = 0
    bought_value: Decimal = ZERO
    sold_again: int = 0  # out of what was bought today
    leaving_locked: int = 0  # sold, and still shown in the holding until the night
    leaving_unsettled: int = 0

    @property
    def kept(self) -> int:
        return self.bought - self.sold_again


class Demat:
    """The holdings of one investor and what today's trades will do to them."""

    def __init__(self, sales_lower_holdings_at_once: bool) -> None:
        self.sales_lower_holdings_at_once = sales_lower_holdings_at_once
        self.holdings: dict[str, Holding] = {}
        self.today: dict[str, Delivery] = {}

    def owned(self) -> dict[str, int]:
        """Units by ISIN: holdings in all their parts, and today's delivery trades that are not in them yet."""
        units = {isin: holding.total for isin, holding in self.holdings.items()}
        for isin, delivery in self.today.items():
            units[isin] = units.get(isin, 0) + delivery.kept - delivery.leaving_locked - delivery.leaving_unsettled
        return {isin: quantity for isin, quantity in units.items() if quantity}

    def shown(self) -> Iterator[Holding]:
        """What a broker lists."""
        return (holding for holding in self.holdings.values() if holding.total or holding.bonus_due)

    def holding(self, isin: str, symbol: str) -> Holding:
        return self.holdings.setdefault(isin, Holding(symbol, isin))

    def sellable(self, isin: str) -> int:
        """What could be sold now, without shares set aside; unsettled ones may be promised to other orders."""
        holding, delivery = self.holdings.get(isin), self.today.get(isin)
        units = holding.free + holding.unsettled if holding else 0
        return units + delivery.kept - delivery.leaving_unsettled if delivery else units

    def set_aside(self, isin: str, quantity: int) -> int:
        """Locks up to `quantity` free units for a sale; returns how many."""
        holding = self.holdings.get(isin)
        locked = min(quantity, holding.free) if holding else 0
        if holding and locked:
            holding.free -= locked
            holding.broker_locked += locked
        return locked

    def release(self, isin: str, quantity: int) -> None:
        if quantity:
            self.holdings[isin].free += quantity
            self.holdings[isin].broker_locked -= quantity

    def buy(self, isin: str, symbol: str, quantity: int, price: Decimal) -> None:
        delivery = self.today.setdefault(isin, Delivery(symbol))
        delivery.bought += quantity
        delivery.bought_value += quantity * price

    def sell(self, isin: str, symbol: str, quantity: int, locked: int) -> None:
        """Sells `quantity`, `locked` of them out of shares that were set aside."""
        delivery = self.today.setdefault(isin, Delivery(symbol))
        holding = self.holding(isin, symbol)
        unsettled = min(quantity - locked, holding.unsettled - delivery.leaving_unsettled)
        delivery.sold_again += quantity - locked - unsettled
        if self.sales_lower_holdings_at_once:
            holding.broker_locked -= locked
            holding.take_unsettled(unsettled)
        else:
            delivery.leaving_locked += locked
            delivery.leaving_unsettled += unsettled

    def close_day(self, day: date) -> None:
        """The night after `day`: what was sold is gone, what was bought is here but not settled."""
        for isin, delivery in self.today.items():
            holding = self.holding(isin, delivery.symbol)
            holding.broker_locked -= delivery.leaving_locked
            holding.take_unsettled(delivery.leaving_unsettled)
            if delivery.kept:
                holding.add_cost(delivery.kept, delivery.bought_value / delivery.bought)
                holding.lots.append(Unsettled(delivery.kept, settlement_day(day)))
        self.today = {}
        self._drop_empty()

    def open_day(self, day: date) -> None:
        for holding in self.holdings.values():
            holding.settle(day)

    def split(self, isin: str, old: int, new: int, new_isin: str = "") -> None:
        holding = self.holdings.pop(isin)
        holding.multiply(new, old)
        holding.average = holding.average * old / new
        holding.isin = new_isin or isin
        self.holdings[holding.isin] = holding

    def bonus(self, isin: str, old: int, new: int, credited: bool = True) -> int:
        """`new` shares for every `old`, at nil cost. Not credited: they are due, and in no part yet."""
        holding = self.holdings[isin]
        units = holding.total * new // old
        holding.bonus_due += units
        if credited:
            self.credit_bonus(isin)
        return units

    def credit_bonus(self, isin: str) -> int:
        holding = self.holdings[isin]
        units, holding.bonus_due = holding.bonus_due, 0
        if units:
            holding.add_cost(units, ZERO)
            holding.free += units
        return units

    def move(self, isin: str, quantity: int, source: str, target: str) -> None:
        """Between two parts of a holding: a pledge, a lock. ValueError when there is not as much."""
        holding = self.holdings[isin]
        if getattr(holding, source) < quantity:
            raise ValueError(f"{source} of {isin} is less than {quantity}")
        setattr(holding, source, getattr(holding, source) - quantity)
        setattr(holding, target, getattr(holding, target) + quantity)

    def transfer_in(self, isin: str, symbol: str, quantity: int, price: Decimal) -> None:
        holding = self.holding(isin, symbol)
        holding.add_cost(quantity, price)
        holding.free += quantity

    def transfer_out(self, isin: str, quantity: int) -> None:
        if self.holdings[isin].free < quantity:
            raise ValueError(f"only free shares of {isin} can be transferred")
        self.holdings[isin].free -= quantity
        self._drop_empty()

    def _drop_empty(self) -> None:
        self.holdings = {isin: holding for isin, holding in self.holdings.items() if holding.total or holding.bonus_due}
