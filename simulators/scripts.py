"""Investors to look at and to measure with: three whose life is told day by day, and random ones of any size.

Everything follows from the seed. Nothing here knows of a broker.
"""

import random
from datetime import date
from decimal import Decimal

from . import habits
from .investor import Investor
from .market import CorporateAction, Market, trading_days
from .orders import BUY, CARRY, INTRADAY

FIRST_DAY = date(2026, 10, 5)
DAYS = trading_days(FIRST_DAY, 30)  # Monday 5 October to Tuesday 17 November 2026
SPLIT_DAY, DIVIDEND_DAY, BONUS_DAY = DAYS[10], DAYS[11], DAYS[14]

ACTIONS = [
    CorporateAction("split", "MARUTI", SPLIT_DAY, old=1, new=5, new_isin="INE585B01028"),
    CorporateAction("dividend", "INFY", DIVIDEND_DAY, amount=Decimal("23.00")),
    CorporateAction("bonus", "ITC", BONUS_DAY, old=1, new=1),
]

STORY = [
    "SBIN",
    "TCS",
    "HDFCBANK",
    "WIPRO",
    "MARUTI",
    "INFY",
    "ITC",
    "AXISBANK",
    "CIPLA",
    "TITAN",
]
FIRST_REST = [
    "RELIANCE",
    "ICICIBANK",
    "LT",
    "SUNPHARMA",
    "NTPC",
    "POWERGRID",
    "BEL",
    "DABUR",
    "HCLTECH",
]
SECOND_REST = [
    "BHARTIARTL",
    "HINDUNILVR",
    "ASIANPAINT",
    "TATASTEEL",
    "COALINDIA",
    "ONGC",
    "VEDL",
    "LUPIN",
    "PIDILITIND",
    "MARICO",
    "DLF",
    "GAIL",
]
THIRD_REST = [
    "ITC",
    "SBIN",
    "KOTAKBANK",
    "HAVELLS",
    "BRITANNIA",
    "EICHERMOT",
    "JSWSTEEL",
    "CIPLA",
    "BPCL",
    "TECHM",
]


def random_investor(
    market: Market, ucc: str, seed: int, *, holdings: int = 50, positions: int = 10, orders: int = 50
) -> Investor:
    """One who owns `holdings` shares and on every trading day gives `orders` orders that leave `positions`.

    Positions are in shares that are held, as long as there are enough of them.
    """
    if not positions <= orders:
        raise ValueError("every position needs an order")
    investor = Investor(market, ucc, cash=Decimal(50_000_000))
    chance = random.Random(f"{market.seed} {ucc} {seed}")
    symbols = [share.symbol for share in market.shares(investor.book_day)]
    chance.shuffle(symbols)
    for symbol in symbols[:holdings]:
        _start_with(investor, chance, symbol)
    habits.every_trading_day(investor, habits.exactly(chance, symbols[:positions], orders), investor.book_day)
    return investor


def _start_with(investor: Investor, chance: random.Random, symbol: str) -> None:
    paid = investor.market.price(symbol, investor.now) * chance.randint(70, 110) / 100
    investor.start_with(symbol, chance.randint(20, 200), round(paid, 2))


def demo_investors(market: Market) -> list[Investor]:
    """Two, over the thirty trading days from Monday 5 October 2026; afterwards they go on at random."""
    for action in ACTIONS:
        market.announce(action)
    return [first_investor(market), second_investor(market)]


def first_investor(market: Market, ucc: str = "8100000001") -> Investor:
    """Delivery, a little intraday, and an option and a future carried over weeks."""
    investor = Investor(market, ucc)
    chance = random.Random(f"{market.seed} {ucc}")
    for symbol in STORY + FIRST_REST:
        _start_with(investor, chance, symbol)
    for tell in (_orders_of_all_kinds, _changes_in_the_demat, _unsettled_sale, _derivatives):
        tell(investor)
    _every_day(investor, chance, FIRST_REST)
    return investor


def second_investor(market: Market, ucc: str = "8100000002") -> Investor:
    """Shares only; one day with more orders than any page holds, and an order given on a Friday night."""
    investor = Investor(market, ucc, segments=("CASH",))
    chance = random.Random(f"{market.seed} {ucc}")
    for symbol in ["INFY", "ITC", "MARUTI", *SECOND_REST]:
        _start_with(investor, chance, symbol)
    busy = habits.exactly(chance, SECOND_REST, 130)
    investor.at(f"{DAYS[5]} 09:05", lambda investor: busy(investor, DAYS[5]))
    investor.at(f"{DAYS[4]} 18:20", lambda investor: investor.place("GAIL", BUY, 100))
    investor.at(f"{DAYS[17]} 10:30", lambda investor: investor.sell("LUPIN", habits.free_units(investor, "LUPIN")))
    _every_day(investor, chance, [symbol for symbol in SECOND_REST if symbol != "LUPIN"])
    return investor


def third_investor(market: Market, ucc: str = "8100000003") -> Investor:
    """Shares only, and of all that can become of an order and a holding a little."""
    investor = Investor(market, ucc, segments=("CASH",))
    chance = random.Random(f"{market.seed} {ucc}")
    for symbol in ["INFY", *THIRD_REST]:
        _start_with(investor, chance, symbol)
    investor.at(f"{DAYS[1]} 10:30", habits.corrects("SBIN"))
    investor.at(f"{DAYS[2]} 10:20", habits.buys_in_parts("CIPLA", chance))
    investor.at(f"{DAYS[4]} 11:05", habits.changes_mind("BPCL", filled_first=True))
    investor.at(f"{DAYS[6]} 18:10", lambda investor: investor.place("TECHM", BUY, 20))  # after-market
    investor.at(f"{DAYS[8]} 17:00", lambda investor: investor.pledge("KOTAKBANK", 10))
    investor.at(f"{DAYS[15]} 17:00", lambda investor: investor.unpledge("KOTAKBANK", 10))
    investor.at(f"{DAYS[20]} 10:30", lambda investor: investor.sell("BPCL", habits.free_units(investor, "BPCL")))
    _every_day(investor, chance, [symbol for symbol in THIRD_REST if symbol not in ("BPCL", "ITC")])
    return investor


def _every_day(investor: Investor, chance: random.Random, symbols: list[str]) -> None:
    habits.every_trading_day(investor, habits.a_few_orders(chance, symbols), FIRST_DAY)


def _orders_of_all_kinds(investor: Investor) -> None:
    investor.at(f"{DAYS[0]} 10:20", _partly_filled_then_complete)
    investor.at(f"{DAYS[1]} 10:45", habits.corrects("TCS"))
    investor.at(f"{DAYS[2]} 11:10", habits.changes_mind("CIPLA", filled_first=False))
    investor.at(f"{DAYS[2]} 12:30", habits.changes_mind("AXISBANK", filled_first=True))
    investor.at(f"{DAYS[3]} 10:05", habits.oversells("TITAN"))
    investor.at(f"{DAYS[3]} 11:00", habits.day_trades("AXISBANK", minutes=95))
    investor.at(f"{DAYS[13]} 14:40", habits.day_trades("CIPLA", minutes=600))  # the broker closes it at 15:20
    investor.at(f"{DAYS[5]} 18:30", lambda investor: investor.place("AXISBANK", BUY, 25))  # after-market
    investor.at(f"{DAYS[6]} 11:30", lambda investor: investor.sell("WIPRO", habits.free_units(investor, "WIPRO")))


def _partly_filled_then_complete(investor: Investor) -> None:
    """40 of 100 at 10:40, the rest at 14:10: a look at 11:00 and one at 16:05 see two states."""
    order = investor.place("SBIN", BUY, 100, price=habits.near(investor, "SBIN", "0.3"))
    investor.at(f"{DAYS[0]} 10:40", habits.fills(order, 40, order.price))
    investor.at(f"{DAYS[0]} 14:10", habits.fills(order, 60, order.price))


def _changes_in_the_demat(investor: Investor) -> None:
    investor.at(f"{DAYS[8]} 17:00", lambda investor: investor.pledge("HDFCBANK", 15))
    investor.at(f"{DAYS[9]} 17:00", lambda investor: investor.repledge("HDFCBANK", 5))
    investor.at(f"{DAYS[12]} 17:00", lambda investor: investor.unpledge("HDFCBANK", 8))
    investor.at(f"{DAYS[16]} 20:00", lambda investor: investor.transfer_in("KOTAKBANK", 30))
    investor.at(f"{DAYS[18]} 20:00", lambda investor: investor.transfer_out("TITAN", 5))
    investor.at(f"{DAYS[2]} 09:30", lambda investor: investor.add_funds("100000"))


def _unsettled_sale(investor: Investor) -> None:
    """Bought on one day, sold on the next, before it has settled."""
    investor.at(f"{DAYS[15]} 10:30", lambda investor: investor.buy("TATAPOWER", 50))
    investor.at(f"{DAYS[16]} 10:30", lambda investor: investor.sell("TATAPOWER", 50))


def _derivatives(investor: Investor) -> None:
    option, future, today = "NIFTY26NOV25000CE", "RELIANCE26NOVFUT", "NIFTY26OCT25000PE"
    investor.at(f"{DAYS[7]} 10:15", lambda investor: investor.buy(option, 130, product=CARRY))
    investor.at(f"{DAYS[9]} 13:15", lambda investor: investor.buy(option, 65, product=CARRY))
    investor.at(f"{DAYS[20]} 11:45", lambda investor: investor.sell(option, 195, product=CARRY))
    investor.at(f"{DAYS[12]} 10:15", lambda investor: investor.sell(future, 500, product=CARRY))
    investor.at(f"{DAYS[19]} 14:15", lambda investor: investor.buy(future, 500, product=CARRY))
    investor.at(f"{DAYS[11]} 10:15", lambda investor: investor.buy(today, 65, product=INTRADAY))
