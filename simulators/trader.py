"""Orders and their fills: what they lock, what they move, what they cost.

The exchange and the broker's order desk in one; everything but the passing of nights. Broker-neutral: ids, words and
rounding belong to each broker's view.
"""

import hashlib
from datetime import date, datetime
from decimal import Decimal

from . import market as calendar
from .demat import Demat
from .market import IST, Market, is_share
from .orders import (
    BUY,
    CANCELLED,
    DELIVERY,
    EXECUTED,
    INTRADAY,
    LIMIT,
    MARKET,
    OPEN,
    QUEUED,
    REJECTED,
    SELL,
    SL,
    SL_M,
    TRIGGER_PENDING,
    Fill,
    Order,
)
from .positions import Position
from .truth import CashEntry, Movement, Truth

ZERO = Decimal(0)


class Trader:
    """Places and fills orders at `now`, which only its investor moves."""

    def __init__(self, market: Market, ucc: str, now: datetime, book_day: date, cash: Decimal, demat: Demat) -> None:
        self.market = market
        self.ucc = ucc
        self.now = now.astimezone(IST)
        self.book_day = book_day
        self.cash = cash
        self.demat = demat
        self.positions: dict[tuple[str, str, str], Position] = {}
        self.truth = Truth()

    def place(
        self,
        symbol: str,
        side: str,
        quantity: int,
        *,
        product: str = DELIVERY,
        exchange: str = "NSE",
        order_type: str = "",
        price: Decimal | str | int = 0,
        trigger_price: Decimal | str | int = 0,
        reference: str = "",
    ) -> Order:
        """A new order; outside the session it waits as an after-market order. Rejected when shares or cash lack."""
        number = len(self.truth.orders) + 1
        after_market = not calendar.is_open(self.now)
        order = Order(
            number=number,
            instrument=self.market.instrument(symbol, self.now.date()),
            exchange=exchange,
            side=side,
            product=product,
            order_type=order_type or (LIMIT if price else MARKET),
            quantity=quantity,
            price=Decimal(price),
            trigger_price=Decimal(trigger_price),
            reference=reference,
            exchange_number=f"11{self._digits('exchange', number, 14)}",
            created_at=self.now,
            book_day=self.book_day,
            session_day=self._session_day(),
            after_market=after_market,
        )
        order.status = QUEUED if after_market else self._live_status(order)
        order.exchange_at = None if after_market else self.now
        self.truth.orders.append(order)
        if reason := self._refusal(order):
            order.status, order.remark, order.exchange_at = REJECTED, reason, None
        else:
            self._set_aside(order)
        order.note(self.now)
        return order

    def modify(
        self,
        order: Order,
        *,
        quantity: int | None = None,
        price: Decimal | str | None = None,
        trigger_price: Decimal | str | None = None,
    ) -> None:
        self._release(order)
        order.quantity = quantity if quantity is not None else order.quantity
        order.price = Decimal(price) if price is not None else order.price
        order.trigger_price = Decimal(trigger_price) if trigger_price is not None else order.trigger_price
        order.remark = "Order modified successfully"
        self._set_aside(order)
        self._finish(order, EXECUTED if order.filled == order.quantity else order.status)

    def cancel(self, order: Order, remark: str = "Order cancelled by user") -> None:
        order.remark = remark
        self._finish(order, CANCELLED)

    def reject(self, order: Order, reason: str) -> None:
        order.remark = reason
        self._finish(order, REJECTED)

    def fill(self, order: Order, quantity: int | None = None, price: Decimal | str | None = None) -> Fill:
        """Fills `quantity` (all that is open when not said) at `price` (the market's when not said)."""
        quantity = order.remaining if quantity is None else quantity
        if not 0 < quantity <= order.remaining:
            raise ValueError(f"order {order.number}: {quantity} of {order.remaining} cannot be filled")
        if order.session_day != self.now.date():
            raise ValueError(f"order {order.number} belongs to the session of {order.session_day}")
        paid = Decimal(price) if price is not None else self.market.price(order.instrument.symbol, self.now)
        serial = order.number * 1000 + len(order.fills)
        fill = Fill(f"{self.now:%Y%m%d}{self._digits('trade', serial, 10)}", self.now, quantity, paid)
        order.fills.append(fill)
        self._book(order, fill)
        self._finish(order, EXECUTED if order.filled == order.quantity else OPEN)
        return fill

    def buy(self, symbol: str, quantity: int, price: Decimal | str | None = None, **terms: str) -> Order:
        """A market order that is filled at once."""
        return self._trade(symbol, BUY, quantity, price, terms)

    def sell(self, symbol: str, quantity: int, price: Decimal | str | None = None, **terms: str) -> Order:
        return self._trade(symbol, SELL, quantity, price, terms)

    def _trade(
        self, symbol: str, side: str, quantity: int, price: Decimal | str | None, terms: dict[str, str]
    ) -> Order:
        order = self.place(symbol, side, quantity, **terms)
        if order.status == OPEN:
            self.fill(order, price=price)
        return order

    # What an order does to the rest

    def _finish(self, order: Order, status: str) -> None:
        order.status = status
        if not order.is_working:
            self._release(order)
        order.note(self.now)

    def _set_aside(self, order: Order) -> None:
        if order.side == SELL and order.product == DELIVERY and order.is_working:
            order.locked = self.demat.set_aside(order.instrument.isin, order.remaining)

    def _release(self, order: Order) -> None:
        self.demat.release(order.instrument.isin, order.locked)
        order.locked = 0

    def _refusal(self, order: Order) -> str:
        """Why the broker will not take it, or nothing."""
        if order.exchange not in order.instrument.exchanges:
            return f"{order.instrument.symbol} is not traded on {order.exchange}"
        if order.side == SELL and order.product == DELIVERY and order.quantity > self._sellable(order):
            return "Insufficient holdings for the order"
        price = order.price or self.market.price(order.instrument.symbol, self.now)
        if order.side == BUY and order.instrument.kind != "FUT" and order.quantity * price > self.cash:
            return "Insufficient balance for the order"
        return ""

    def _sellable(self, order: Order) -> int:
        """Shares nobody has laid a hand on: other open sales may count on unsettled ones."""
        isin = order.instrument.isin
        promised = sum(
            other.remaining - other.locked
            for other in self.truth.orders
            if other is not order and other.side == SELL and other.product == DELIVERY and other.instrument.isin == isin
        )
        return self.demat.sellable(isin) - promised

    def _book(self, order: Order, fill: Fill) -> None:
        """A fill moves a position, cash, and for delivery what is owned."""
        instrument = order.instrument
        key = (instrument.symbol, order.exchange, order.product)
        position = self.positions.setdefault(key, Position(instrument, order.exchange, order.product))
        position.add(order.side, fill.quantity, fill.price)
        if instrument.kind != "FUT":
            value = fill.quantity * fill.price
            self._pay(-value if order.side == BUY else value, order.side.lower())
        if order.product == DELIVERY and is_share(instrument):
            self._deliver(order, fill)

    def _deliver(self, order: Order, fill: Fill) -> None:
        isin, symbol = order.instrument.isin, order.instrument.symbol
        if order.side == BUY:
            self.demat.buy(isin, symbol, fill.quantity, fill.price)
        else:
            locked = min(fill.quantity, order.locked)
            order.locked -= locked
            self.demat.sell(isin, symbol, fill.quantity, locked)
        self._moved(isin, order.side.lower(), fill.quantity if order.side == BUY else -fill.quantity)

    def _pay(self, amount: Decimal, kind: str) -> None:
        self.cash += amount
        self.truth.cash.append(CashEntry(self.now, amount, kind))

    def _moved(self, isin: str, kind: str, quantity: int) -> None:
        self.truth.movements.append(Movement(self.book_day, isin, kind, quantity))

    # What the exchange and the broker do by themselves

    def _send_queued(self) -> None:
        """The open: after-market orders go to the exchange, and those at the market's price are filled there."""
        for order in self._working(self.now.date()):
            if order.status != QUEUED:
                continue
            self._release(order)
            order.status, order.exchange_at = self._live_status(order), self.now
            self._set_aside(order)
            order.note(self.now)
            if order.order_type == MARKET:
                self.fill(order)

    def _square_off(self) -> None:
        for order in self._working(self.now.date()):
            if order.product == INTRADAY:
                self.cancel(order, "Order cancelled at intraday square off")
        for position in list(self.positions.values()):
            if position.product == INTRADAY and position.net:
                order = self.place(
                    position.instrument.symbol,
                    SELL if position.net > 0 else BUY,
                    abs(position.net),
                    product=INTRADAY,
                    exchange=position.exchange,
                )
                if order.status == OPEN:
                    self.fill(order)

    def _end_orders(self) -> None:
        """The close: orders are good for the day."""
        for order in self._working(self.now.date()):
            self.cancel(order, "Order cancelled by exchange at the end of the day")

    def _working(self, session_day: date) -> list[Order]:
        return [order for order in self.truth.orders if order.is_working and order.session_day == session_day]

    # Small facts

    def _session_day(self) -> date:
        today = self.now.date()
        if calendar.is_trading_day(today) and self.now.time() < calendar.CLOSES:
            return today
        return calendar.next_trading_day(today)

    def _live_status(self, order: Order) -> str:
        return TRIGGER_PENDING if order.order_type in (SL, SL_M) else OPEN

    def _digits(self, kind: str, number: int, count: int) -> str:
        """`count` digits that look random and follow from who, what and which."""
        digest = hashlib.sha256(f"{self.ucc} {kind} {number}".encode()).hexdigest()
        return str(int(digest, 16))[:count]
