"""What really happened at one investor: written by the investor alone, read by tests and by the control endpoint."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from .orders import Fill, Order


@dataclass(frozen=True, slots=True)
class Movement:
    """A change of what is owned: buy, sell, split, bonus, transfer_in, transfer_out. `quantity` is signed."""

    day: date
    isin: str
    kind: str
    quantity: int


@dataclass(frozen=True, slots=True)
class CashEntry:
    at: datetime
    amount: Decimal  # rupees, signed
    kind: str


@dataclass(frozen=True, slots=True)
class DayEnd:
    """As the day ended: units by ISIN, open derivative units by symbol, rupees."""

    owned: dict[str, int]
    carried: dict[str, int]
    cash: Decimal


@dataclass(slots=True)
class Truth:
    days: dict[date, DayEnd] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    cash: list[CashEntry] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    def movements_on(self, day: date) -> list[Movement]:
        return [movement for movement in self.movements if movement.day == day]

    def orders_on(self, day: date) -> list[Order]:
        return [order for order in self.orders if order.is_in_book_of(day)]

    def fills_on(self, day: date) -> list[tuple[Order, Fill]]:
        return [(order, fill) for order in self.orders for fill in order.fills if fill.at.date() == day]
