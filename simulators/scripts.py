"""Investors to look at and to measure with: two whose life is told day by day, and random ones of any size.

Everything follows from the seed. Nothing here knows of a broker.
"""

import random

from .investor import Investor
from .market import Market


def random_investor(
    market: Market, ucc: str, seed: int, *, holdings: int = 50, positions: int = 10, orders: int = 50
) -> Investor:
    """One who owns `holdings` shares and, on the first trading day, gives `orders` orders that leave `positions`."""
    investor = Investor(market, ucc)
    chance = random.Random(f"{market.seed} {ucc} {seed}")
    shares = market.shares(investor.book_day)
    for share in chance.sample(shares, min(holdings, len(shares))):
        paid = market.price(share.symbol, investor.now) * chance.randint(70, 110) / 100
        investor.start_with(share.symbol, chance.randint(1, 200), round(paid, 2))
    return investor


def demo_investors(market: Market) -> list[Investor]:
    return [random_investor(market, "8100000001", 1), random_investor(market, "8100000002", 2)]
