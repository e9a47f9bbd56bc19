"""An order and its fills, as the exchange knows them: the same at every broker.

Each broker's simulator renders these in its own words and gives its own ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from .shares import Instrument

BUY, SELL = "BUY", "SELL"
DELIVERY, INTRADAY, CARRY = "DELIVERY", "INTRADAY", "CARRY"
MARKET, LIMIT, SL, SL_M = "MARKET", "LIMIT", "SL", "SL_M"
# QUEUED: an after-market order that waits for the next session.
QUEUED, OPEN, TRIGGER_PENDING = "QUEUED", "OPEN", "TRIGGER_PENDING"
EXECUTED, CANCELLED, REJECTED = "EXECUTED", "CANCELLED", "REJECTED"
WORKING = {QUEUED, OPEN, TRIGGER_PENDING}

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fill:
    number: str  # the exchange's trade number
    at: datetime
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class OrderState:
    """How an order stood from `at` on."""

    at: datetime
    status: str
    quantity: int
    filled: int
    price: Decimal
    trigger_price: Decimal
    average: Decimal
    remark: str


@dataclass(slots=True)
class Order:
    number: int  # counts the investor's orders; brokers make their ids from it
    instrument: Instrument
    exchange: str
    side: str
    product: str
    order_type: str
    quantity: int
    price: Decimal
    trigger_price: Decimal
    reference: str
    exchange_number: str
    created_at: datetime
    book_day: date  # the day in whose book it was entered
    session_day: date  # the trading day on which it may execute
    after_market: bool = False
    status: str = OPEN
    remark: str = "Order placed successfully"
    exchange_at: datetime | None = None
    fills: list[Fill] = field(default_factory=list)
    history: list[OrderState] = field(default_factory=list)
    locked: int = 0  # shares of the holding that are set aside for this sale

    @property
    def filled(self) -> int:
        return sum(fill.quantity for fill in self.fills)

    @property
    def remaining(self) -> int:
        """What could still be filled; nothing once the order has ended."""
        return self.quantity - self.filled if self.is_working else 0

    @property
    def average(self) -> Decimal:
        """Rupees a unit, 0 before the first fill."""
        if not self.fills:
            return ZERO
        return sum((fill.quantity * fill.price for fill in self.fills), ZERO) / self.filled

    @property
    def is_working(self) -> bool:
        return self.status in WORKING

    def is_in_book_of(self, day: date) -> bool:
        """An after-market order stands in the book of the evening and of every day until its session."""
        return self.book_day <= day <= max(self.book_day, self.session_day)

    def note(self, at: datetime) -> None:
        self.history.append(
            OrderState(
                at,
                self.status,
                self.quantity,
                self.filled,
                self.price,
                self.trigger_price,
                self.average,
                self.remark,
            )
        )


def fills_of(orders: list[Order]) -> Iterator[tuple[Order, Fill]]:
    return ((order, fill) for order in orders for fill in order.fills)
