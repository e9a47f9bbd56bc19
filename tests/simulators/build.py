"""Investors to begin a test with, and how to read them."""

from datetime import datetime, time

from simulators.investor import Investor
from simulators.market import IST, Market

UCC = "1000000001"
TCS, SBIN, MARUTI = "INE467B01029", "INE062A01020", "INE585B01010"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def an_investor(
    *, paid: str = "3000.50", at_once: bool = False, roll_at: time = time(0), market: Market | None = None
) -> Investor:
    """Owns 10 TCS, and stands on Monday 5 October 2026 at 11:00."""
    investor = Investor(market or Market(), UCC, sales_lower_holdings_at_once=at_once, roll_at=roll_at)
    investor.start_with("TCS", 10, paid)
    investor.play_until(at("2026-10-05 11:00"))
    return investor


def parts(investor: Investor, isin: str) -> tuple[int, int, int]:
    """(free, locked by the broker, unsettled)"""
    holding = investor.demat.holdings[isin]
    return holding.free, holding.broker_locked, holding.unsettled
