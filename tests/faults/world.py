"""A few investors at both brokers, and the accounts that Khata keeps of them: the world that campaigns disturb."""

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import pytest
from django.conf import settings

from ledger.normalise import IST
from portfolio import clock
from portfolio.models import BrokerAccount
from simulators import groww, groww_api, habits, zerodha, zerodha_api
from simulators.groww import GrowwSimulator
from simulators.investor import FIRST_MORNING, Investor
from simulators.market import Market
from simulators.serving import a_stage
from simulators.stage import Served, Stage
from simulators.zerodha import ZerodhaSimulator
from tests import build

SWITCHES = {**zerodha_api.SWITCHES, **groww_api.SWITCHES, "limits": False}


@dataclass(slots=True)
class World:
    """`accounts` by the investor's ucc. One stage: one clock for both brokers, and one log."""

    stage: Stage
    groww: GrowwSimulator
    zerodha: ZerodhaSimulator
    accounts: dict[str, BrokerAccount]

    @property
    def served(self) -> dict[date, list[Served]]:
        """The log of both brokers, by day in India."""
        days: dict[date, list[Served]] = defaultdict(list)
        for one in self.stage.requests:
            days[one.at.date()].append(one)
        return days

    @property
    def by_login(self) -> dict[str, BrokerAccount]:
        """Those whose owner has to log in each day."""
        return {ucc: account for ucc, account in self.accounts.items() if account.broker_id == "ZERODHA"}

    def move_to(self, day: date, clock_time: str) -> datetime:
        now = datetime.fromisoformat(f"{day} {clock_time}").replace(tzinfo=IST)
        self.stage.move_to(now)
        return clock.refresh()

    def log_in(self) -> None:
        for ucc, account in self.by_login.items():
            build.log_in(self.zerodha, ucc, account)


@contextmanager
def world(seed: int, at_groww: int = 2, at_zerodha: int = 1, opened: datetime = FIRST_MORNING) -> Iterator[World]:
    """At 09:00 of its first day, all accounts connected and logged in."""
    market = Market(seed)
    uccs = [str(1_000_000_001 + number) for number in range(at_groww + at_zerodha)]
    investors = [an_investor(market, ucc, opened) for ucc in uccs]
    stage = a_stage(investors, opened.replace(hour=9), SWITCHES)
    with groww.serving(stage) as at_one, zerodha.serving(stage) as at_other, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROWW_API_URL", at_one.url)
        patch.setenv("GROWW_INSTRUMENTS_URL", at_one.instruments_url)
        patch.setenv("ZERODHA_API_URL", at_other.url)
        patch.setenv("ZERODHA_LOGIN_URL", at_other.login_url)
        patch.setattr(settings, "KHATA_CLOCK", f"{at_one.control_url}/clock")
        clock.refresh()
        portfolio = build.a_portfolio()
        accounts = {ucc: build.a_groww_account(at_one, ucc, portfolio) for ucc in uccs[:at_groww]}
        for ucc in uccs[at_groww:]:
            accounts[ucc] = build.a_zerodha_account(at_other, ucc, portfolio)
        yield World(stage, at_one, at_other, accounts)


def an_investor(market: Market, ucc: str, opened: datetime) -> Investor:
    """One with some shares, who gives a few orders every trading day."""
    investor = Investor(market, ucc, opened=opened, cash=Decimal(50_000_000), segments=("CASH",))
    chance = random.Random(f"{market.seed} {ucc}")
    symbols = [share.symbol for share in market.shares(investor.book_day)]
    chance.shuffle(symbols)
    for symbol in symbols[:6]:
        investor.start_with(symbol, chance.randint(20, 200), market.price(symbol, opened))
    habits.every_trading_day(investor, habits.exactly(chance, symbols[:4], 6), investor.book_day)
    habits.every_trading_day(investor, _pays_in_after_the_close, investor.book_day)
    return investor


def _pays_in_after_the_close(investor: Investor, day: date) -> None:
    """So that the confirming look has something new to see."""
    investor.at(f"{day} 17:00", lambda investor: investor.add_funds("1000"))
