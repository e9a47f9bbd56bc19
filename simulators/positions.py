"""What is open today: bought and sold today, and what was carried in from before."""

from dataclasses import dataclass
from decimal import Decimal

from .orders import BUY
from .shares import Instrument

ZERO = Decimal(0)


@dataclass(slots=True)
class Position:
    """Units and rupees of one instrument, exchange and product. `carried` is signed, at `carried_price` a unit."""

    instrument: Instrument
    exchange: str
    product: str
    bought: int = 0
    bought_value: Decimal = ZERO
    sold: int = 0
    sold_value: Decimal = ZERO
    carried: int = 0
    carried_price: Decimal = ZERO

    def add(self, side: str, quantity: int, price: Decimal) -> None:
        if side == BUY:
            self.bought += quantity
            self.bought_value += quantity * price
        else:
            self.sold += quantity
            self.sold_value += quantity * price

    @property
    def net(self) -> int:
        return self.carried + self.bought - self.sold

    @property
    def bought_price(self) -> Decimal:
        return self.bought_value / self.bought if self.bought else ZERO

    @property
    def sold_price(self) -> Decimal:
        return self.sold_value / self.sold if self.sold else ZERO

    @property
    def all_bought(self) -> tuple[int, Decimal]:
        """Units and their value, those carried in included."""
        carried = max(self.carried, 0)
        return self.bought + carried, self.bought_value + carried * self.carried_price

    @property
    def all_sold(self) -> tuple[int, Decimal]:
        carried = max(-self.carried, 0)
        return self.sold + carried, self.sold_value + carried * self.carried_price

    @property
    def net_price(self) -> Decimal:
        """Average price of the side that is open, 0 when nothing is."""
        if not self.net:
            return ZERO
        quantity, value = self.all_bought if self.net > 0 else self.all_sold
        return value / quantity

    @property
    def realised(self) -> Decimal:
        """Rupees gained on what was bought as well as sold."""
        bought, bought_value = self.all_bought
        sold, sold_value = self.all_sold
        if not bought or not sold:
            return ZERO
        return min(bought, sold) * (sold_value / sold - bought_value / bought)

    def carry(self) -> "Position":
        """The same position next morning."""
        return Position(self.instrument, self.exchange, self.product, carried=self.net, carried_price=self.net_price)
