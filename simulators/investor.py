"""An investor at one broker: holdings, cash, the day's orders and positions, and what is done to them.

Time only moves through `play_until`, which runs what was planned (`at`) and what the exchange and the broker do by
themselves: after-market orders go out at the open, intraday positions are closed at 15:20, open orders end at the
close, and at the roll the day's books vanish. Broker-neutral: ids, words and rounding belong to each broker's view.
"""

import heapq
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from . import market as calendar
from .demat import Demat, Holding
from .market import IST, CorporateAction, Market
from .orders import CARRY, Order
from .trader import Trader
from .truth import DayEnd

ZERO = Decimal(0)
SQUARE_OFF = time(15, 20)
CHARGES = Decimal("0.0012")  # of the day's turnover, taken in the night
FIRST_MORNING = datetime(2026, 10, 5, tzinfo=IST)

Action = Callable[["Investor"], object]


class Investor(Trader):
    """`ucc` is the client code at the broker. The books of a day vanish at `roll_at` of the next calendar day."""

    def __init__(
        self,
        market: Market,
        ucc: str,
        *,
        opened: datetime = FIRST_MORNING,
        cash: Decimal = Decimal("5000000"),
        sales_lower_holdings_at_once: bool = False,
        roll_at: time = time(0),
        segments: tuple[str, ...] = ("CASH", "FNO"),
    ) -> None:
        self.roll_at = roll_at
        self.segments = segments
        book_day = self._day_of(opened.astimezone(IST))
        super().__init__(market, ucc, opened, book_day, cash, Demat(sales_lower_holdings_at_once))
        self._planned: list[tuple[datetime, int, Action]] = []
        self._plans = 0
        self._plan_day(self.book_day)

    # What is there

    @property
    def holdings(self) -> list[Holding]:
        return list(self.demat.shown())

    @property
    def orders(self) -> list[Order]:
        """Today's book, oldest first."""
        return self.truth.orders_on(self.book_day)

    @property
    def owned(self) -> dict[str, int]:
        """Units by ISIN, right now."""
        return self.demat.owned()

    def owned_on(self, day: date) -> dict[str, int]:
        """Units by ISIN at the end of `day`, or right now for the day that is running."""
        return self.owned if day == self.book_day else self.truth.days[day].owned

    @property
    def turnover(self) -> Decimal:
        return sum((fill.quantity * fill.price for _, fill in self.truth.fills_on(self.book_day)), ZERO)

    # Time

    def at(self, when: datetime | str, action: Action) -> None:
        """Plans `action` for a time; text is read as IST, such as "2026-10-07 10:40"."""
        if isinstance(when, str):
            when = datetime.fromisoformat(when).replace(tzinfo=IST)
        self._plans += 1
        heapq.heappush(self._planned, (when, self._plans, action))

    def play_until(self, now: datetime) -> None:
        now = now.astimezone(IST)
        while self._planned and self._planned[0][0] <= now:
            when, _, action = heapq.heappop(self._planned)
            self.now = max(self.now, when)
            action(self)
        self.now = max(self.now, now)

    def _day_of(self, at: datetime) -> date:
        return (at - timedelta(hours=self.roll_at.hour, minutes=self.roll_at.minute)).date()

    def _plan_day(self, day: date) -> None:
        def moment(clock: time, on: date = day) -> datetime:
            return datetime.combine(on, clock, IST)

        if calendar.is_trading_day(day):
            for clock, action in (
                (calendar.OPENS, Investor._send_queued),
                (SQUARE_OFF, Investor._square_off),
                (calendar.CLOSES, Investor._end_orders),
            ):
                if self.now <= moment(clock):
                    self.at(moment(clock), action)
        self.at(moment(self.roll_at, day + timedelta(days=1)), Investor._roll)

    def _roll(self) -> None:
        """The day ends: its books vanish, delivery trades reach the demat, derivatives are carried."""
        self._end_of_day()
        self.book_day += timedelta(days=1)
        self.demat.open_day(self.book_day)
        for action in self.market.actions_on(self.book_day):
            self.apply(action)
        self._plan_day(self.book_day)

    def _end_of_day(self) -> None:
        day = self.book_day
        if charges := (self.turnover * CHARGES).quantize(Decimal("0.01")):
            self._pay(-charges, "charges")
        self._settle_derivatives(day)
        kept = {key: each for key, each in self.positions.items() if each.product == CARRY and each.net}
        carried = {each.instrument.symbol: each.net for each in kept.values()}
        self.truth.days[day] = DayEnd(self.owned, carried, self.cash)
        self.demat.close_day(day)
        self.positions = {key: each.carry() for key, each in kept.items()}

    def _settle_derivatives(self, day: date) -> None:
        """Futures pay what was gained; a contract that ends today is settled in cash, and no order tells of it."""
        for key, position in list(self.positions.items()):
            is_future = position.instrument.kind == "FUT"
            gained = position.realised if is_future else ZERO
            if position.instrument.expiry == day and position.net:
                paid_before = position.net_price if is_future else ZERO
                gained += position.net * (self.market.close(position.instrument.symbol, day) - paid_before)
                del self.positions[key]
            if gained:
                self._pay(gained, "derivatives")

    # What happens to shares and cash outside the exchange

    def start_with(self, symbol: str, quantity: int, average: Decimal | str) -> None:
        """Owned before the story begins, settled; no movement tells of it."""
        share = self.market.instrument(symbol, self.book_day)
        self.demat.transfer_in(share.isin, symbol, quantity, Decimal(average))

    def pledge(self, symbol: str, quantity: int) -> None:
        self.demat.move(self._isin(symbol), quantity, "free", "pledged")

    def unpledge(self, symbol: str, quantity: int) -> None:
        self.demat.move(self._isin(symbol), quantity, "pledged", "free")

    def repledge(self, symbol: str, quantity: int) -> None:
        """The broker pledges on to its clearing member."""
        self.demat.move(self._isin(symbol), quantity, "pledged", "repledged")

    def lock(self, symbol: str, quantity: int) -> None:
        """Frozen at the depository."""
        self.demat.move(self._isin(symbol), quantity, "free", "demat_locked")

    def unlock(self, symbol: str, quantity: int) -> None:
        self.demat.move(self._isin(symbol), quantity, "demat_locked", "free")

    def transfer_in(self, symbol: str, quantity: int, price: Decimal | str = ZERO) -> None:
        isin = self._isin(symbol)
        self.demat.transfer_in(isin, symbol, quantity, Decimal(price))
        self._moved(isin, "transfer_in", quantity)

    def transfer_out(self, symbol: str, quantity: int) -> None:
        isin = self._isin(symbol)
        self.demat.transfer_out(isin, quantity)
        self._moved(isin, "transfer_out", -quantity)

    def add_funds(self, amount: Decimal | str) -> None:
        """Paid in, or out when negative."""
        self._pay(Decimal(amount), "funds")

    def apply(self, action: CorporateAction) -> None:
        """What a company does, on the morning of the ex-date."""
        isin = self._isin_before(action)
        holding = self.demat.holdings.get(isin)
        if holding is None or not holding.total:
            return
        if action.kind == "dividend":
            self._pay(holding.total * action.amount, "dividend")
            return
        self._cancel_orders_in(action.symbol)
        if action.kind == "bonus":
            self._moved(isin, "bonus", self.demat.bonus(isin, action.old, action.new))
        else:
            self._split(isin, action)

    def _split(self, isin: str, action: CorporateAction) -> None:
        before = self.demat.holdings[isin].total
        self.demat.split(isin, action.old, action.new, action.new_isin)
        after_isin = action.new_isin or isin
        self._moved(isin, "split", -before)
        self._moved(after_isin, "split", self.demat.holdings[after_isin].total)

    def _cancel_orders_in(self, symbol: str) -> None:
        for order in self.truth.orders:
            if order.is_working and order.instrument.symbol == symbol:
                self.cancel(order, "Order cancelled because of a corporate action")

    def _isin(self, symbol: str) -> str:
        return self.market.instrument(symbol, self.book_day).isin

    def _isin_before(self, action: CorporateAction) -> str:
        return self.market.instrument(action.symbol, action.ex_day - timedelta(days=1)).isin
