"""How random investors trade: a few orders a day, or very many. Sensible: they sell what they have, buy what they can.

Plans each day on its morning, from a generator of its own, so that the same seed gives the same life.
"""

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from .investor import Action, Investor
from .market import IST, TICK, is_trading_day, next_trading_day
from .orders import BUY, INTRADAY, QUEUED, SELL, Order

PLANS_AT = time(9, 0)
ORDER_VALUE = 20_000  # rupees, about
DayPlan = Callable[[Investor, date], None]


def every_trading_day(investor: Investor, plan: DayPlan, first: date) -> None:
    """Calls `plan` on the morning of `first` and of every trading day after it."""

    def morning(investor: Investor) -> None:
        today = investor.now.date()
        plan(investor, today)
        every_trading_day(investor, plan, next_trading_day(today))

    day = first if is_trading_day(first) else next_trading_day(first)
    investor.at(datetime.combine(day, PLANS_AT, IST), morning)


def moment(chance: random.Random, day: date, first: str = "09:20", last: str = "15:05") -> datetime:
    """Some second between two times of `day`."""
    begin = datetime.combine(day, time.fromisoformat(first), IST)
    end = datetime.combine(day, time.fromisoformat(last), IST)
    return begin + timedelta(seconds=chance.randrange(int((end - begin).total_seconds())))


def a_quantity(investor: Investor, symbol: str) -> int:
    return max(1, int(ORDER_VALUE / investor.market.price(symbol, investor.now)))


def near(investor: Investor, symbol: str, percent: str) -> Decimal:
    """A limit price so many percent from the market's, on the tick."""
    price = investor.market.price(symbol, investor.now) * (100 + Decimal(percent)) / 100
    return price // TICK * TICK


def free_units(investor: Investor, symbol: str) -> int:
    holding = investor.demat.holdings.get(investor.market.instrument(symbol, investor.book_day).isin)
    return holding.free if holding else 0


# Single orders, each an action for some time of the day


def buys(symbol: str) -> Action:
    return lambda investor: investor.buy(symbol, a_quantity(investor, symbol))


def sells_some(symbol: str) -> Action:
    """A third of what is free; nothing when there is too little."""

    def act(investor: Investor) -> Order | None:
        units = free_units(investor, symbol) // 3
        return investor.sell(symbol, units) if units else None

    return act


def buys_in_parts(symbol: str, chance: random.Random) -> Action:
    """A limit order that is filled in two or three parts within the hour."""

    def act(investor: Investor) -> None:
        order = investor.place(symbol, BUY, 3 * a_quantity(investor, symbol), price=near(investor, symbol, "0.2"))
        first = order.quantity // 3
        for minutes, quantity in ((7, first), (chance.randint(15, 55), None)):
            investor.at(investor.now + timedelta(minutes=minutes), fills(order, quantity))

    return act


def changes_mind(symbol: str, filled_first: bool) -> Action:
    """A limit order far below the market, cancelled after twenty minutes, perhaps with a part of it filled."""

    def act(investor: Investor) -> None:
        order = investor.place(symbol, BUY, 4 * a_quantity(investor, symbol), price=near(investor, symbol, "-1.5"))
        if filled_first:
            investor.at(investor.now + timedelta(minutes=5), fills(order, order.quantity // 4, order.price))
        investor.at(investor.now + timedelta(minutes=20), cancels(order))

    return act


def corrects(symbol: str) -> Action:
    """A limit order whose price is raised to the market's, where it is filled."""

    def act(investor: Investor) -> None:
        order = investor.place(symbol, BUY, a_quantity(investor, symbol), price=near(investor, symbol, "-1"))

        def raise_price(investor: Investor) -> None:
            if order.is_working:
                investor.modify(order, price=near(investor, symbol, "0.1"))
                investor.fill(order)

        investor.at(investor.now + timedelta(minutes=11), raise_price)

    return act


def oversells(symbol: str) -> Action:
    """Rejected: more than there is."""
    return lambda investor: investor.place(symbol, SELL, free_units(investor, symbol) + 100_000)


def day_trades(symbol: str, minutes: int) -> Action:
    """Bought, and sold again after so many minutes (or by the broker at 15:20)."""

    def act(investor: Investor) -> None:
        order = investor.buy(symbol, a_quantity(investor, symbol), product=INTRADAY)
        squared_off = investor.now.replace(hour=15, minute=20)

        def back(investor: Investor) -> None:
            if investor.now < squared_off:
                investor.sell(symbol, order.filled, product=INTRADAY)

        if order.filled:
            investor.at(investor.now + timedelta(minutes=minutes), back)

    return act


def fills(order: Order, quantity: int | None = None, price: Decimal | None = None) -> Action:
    """Fills when the order still works; what an order no longer has is not filled."""

    def act(investor: Investor) -> None:
        if order.is_working and order.status != QUEUED:
            investor.fill(order, quantity, price)

    return act


def cancels(order: Order) -> Action:
    return lambda investor: investor.cancel(order) if order.is_working else None


# Whole days


def a_few_orders(chance: random.Random, symbols: list[str], most: int = 4) -> DayPlan:
    def plan(investor: Investor, day: date) -> None:
        for _ in range(chance.randint(1, most)):
            symbol = chance.choice(symbols)
            action = chance.choice(
                [
                    buys(symbol),
                    buys(symbol),
                    sells_some(symbol),
                    sells_some(symbol),
                    buys_in_parts(symbol, chance),
                    corrects(symbol),
                    changes_mind(symbol, filled_first=chance.random() < 0.3),
                    day_trades(symbol, minutes=chance.randint(20, 200)),
                ]
            )
            investor.at(moment(chance, day, last="14:00"), action)

    return plan


def exactly(chance: random.Random, symbols: list[str], orders: int) -> DayPlan:
    """`orders` orders in all, at least one of them filled in each of `symbols`; a tenth comes to nothing."""

    def plan(investor: Investor, day: date) -> None:
        for symbol in symbols:
            investor.at(moment(chance, day, last="10:00"), buys(symbol))
        for number in range(orders - len(symbols)):
            symbol = chance.choice(symbols)
            kinds = [oversells(symbol), changes_mind(symbol, filled_first=number % 2 == 0)]
            action = chance.choice(kinds) if number % 10 == 9 else buys(symbol)
            investor.at(moment(chance, day, "10:00", "14:30"), action)

    return plan
