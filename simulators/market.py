"""One seeded market: which days it trades, what everything costs at any time, what companies do to their shares.

Everything follows from the seed, so that two runs, and two brokers over the same market, agree on each price.
Never knows who owns what.
"""

import random
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import lru_cache

from .shares import CASH, CONTRACTS, INDEXES, SHARES, Instrument

IST = timezone(timedelta(hours=5, minutes=30), "IST")
OPENS, CLOSES = time(9, 15), time(15, 30)
TICK = Decimal("0.05")
TICKS_PER_RUPEE = 20
SESSION_MINUTES = 375
NOISE = 30  # basis points that a price of the day may stray from the line between its open and its close
FIRST_DAY = date(2026, 1, 1)

# NSE trading holidays on weekdays. A year that is not listed trades on every weekday.
HOLIDAYS = {
    date(2026, month, day)
    for month, day in (
        (1, 15), (1, 26), (3, 3), (3, 26), (3, 31), (4, 3), (4, 14), (5, 1),
        (5, 28), (6, 26), (9, 14), (10, 2), (10, 20), (11, 10), (11, 24), (12, 25),
    )
}  # fmt: skip
BUDGET_SUNDAY = date(2026, 2, 1)  # a full session that is a settlement holiday
SPECIAL_SESSIONS = {BUDGET_SUNDAY}
SETTLEMENT_HOLIDAYS = {BUDGET_SUNDAY}


def is_trading_day(day: date) -> bool:
    return day in SPECIAL_SESSIONS or (day.weekday() < 5 and day not in HOLIDAYS)


def next_trading_day(day: date) -> date:
    """The first trading day after `day`."""
    day += timedelta(days=1)
    while not is_trading_day(day):
        day += timedelta(days=1)
    return day


def previous_trading_day(day: date) -> date:
    day -= timedelta(days=1)
    while not is_trading_day(day):
        day -= timedelta(days=1)
    return day


def trading_days(first: date, count: int) -> list[date]:
    """`count` trading days, from `first` on (itself included when it trades)."""
    days = [first] if is_trading_day(first) else [next_trading_day(first)]
    while len(days) < count:
        days.append(next_trading_day(days[-1]))
    return days


def settlement_day(trade_day: date) -> date:
    """The day on which a trade of `trade_day` settles: T+1, counted in settlement days."""
    day = next_trading_day(trade_day)
    while day in SETTLEMENT_HOLIDAYS:
        day = next_trading_day(day)
    return day


def settlement_number(day: date) -> str:
    """Year and number of the settlement in it, such as 2026187."""
    number, current = 0, date(day.year, 1, 1) - timedelta(days=1)
    while (current := next_trading_day(current)) <= day:
        number += 1
    return f"{day.year}{number:03d}"


def is_open(at: datetime) -> bool:
    return is_trading_day(at.date()) and OPENS <= at.timetz().replace(tzinfo=None) < CLOSES


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """Done by a company on `ex_day`. split, bonus: `old` shares become (or bring) `new`; dividend: rupees a share."""

    kind: str  # split, bonus, dividend
    symbol: str
    ex_day: date
    old: int = 1
    new: int = 1
    amount: Decimal = Decimal(0)
    new_isin: str = ""

    @property
    def shares_after(self) -> tuple[int, int]:
        """(n, d): one share before is worth d/n of a share's price after."""
        if self.kind == "split":
            return self.new, self.old
        return (self.old + self.new, self.old) if self.kind == "bonus" else (1, 1)


@dataclass(frozen=True, slots=True)
class Candle:
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


class Market:
    """Prices in rupees, always on the tick of 0.05, by symbol and time."""

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.actions: list[CorporateAction] = []
        self._instruments = {each.symbol: each for each in (*SHARES, *INDEXES, *CONTRACTS)}
        self._paths: dict[str, list[tuple[int, int]]] = {}
        self._days: list[date] = []
        self._numbers: dict[date, int] = {}

    def announce(self, action: CorporateAction) -> None:
        self.actions.append(action)
        self._paths.pop(action.symbol, None)

    def actions_on(self, day: date) -> list[CorporateAction]:
        return [action for action in self.actions if action.ex_day == day]

    def instrument(self, symbol: str, day: date) -> Instrument:
        """As it stands on `day`: a split may have given it another ISIN. KeyError when there is no such symbol."""
        found = self._instruments[symbol]
        for action in self.actions:
            if action.symbol == symbol and action.new_isin and action.ex_day <= day:
                found = replace(found, isin=action.new_isin)
        return found

    def instruments(self, day: date) -> list[Instrument]:
        return [self.instrument(symbol, day) for symbol in self._instruments]

    def shares(self, day: date) -> list[Instrument]:
        return [self.instrument(each.symbol, day) for each in SHARES]

    def has(self, symbol: str, exchange: str, segment: str) -> bool:
        found = self._instruments.get(symbol)
        return found is not None and found.segment == segment and exchange in found.exchanges

    def price(self, symbol: str, at: datetime) -> Decimal:
        """The last traded price: the day's close from 15:30 on, the close before until 9:15."""
        at = at.astimezone(IST)
        if not is_trading_day(at.date()) or at.time() < OPENS:
            return self.close(symbol, previous_trading_day(at.date()))
        return self._rupees(self._ticks(symbol, at))

    def close(self, symbol: str, day: date) -> Decimal:
        return self.price(symbol, datetime.combine(day, CLOSES, IST))

    def candle(self, symbol: str, at: datetime) -> Candle:
        """Open, high, low and last of the session of `at`, or of the session before when none has begun."""
        at = at.astimezone(IST)
        if not is_trading_day(at.date()) or at.time() < OPENS:
            at = datetime.combine(previous_trading_day(at.date()), CLOSES, IST)
        opening = self._rupees(self._ticks(symbol, at.replace(hour=9, minute=15, second=0, microsecond=0)))
        last = self.price(symbol, at)
        stray = max(opening, last) * NOISE / 10_000
        spread = (stray // TICK + 1) * TICK
        low = max(TICK, min(opening, last) - spread)
        volume = random.Random(f"{self.seed} {symbol} {at.date()} volume").randrange(10_000, 9_000_000)
        return Candle(opening, max(opening, last) + spread, low, last, volume)

    def _ticks(self, symbol: str, at: datetime) -> int:
        instrument = self._instruments[symbol]
        if instrument.underlying:
            return self._contract_ticks(instrument, at)
        opening, closing = self._session(symbol, at.date())
        minute = min(SESSION_MINUTES, (at.hour - 9) * 60 + at.minute - 15)
        if minute == SESSION_MINUTES:
            return closing
        line = opening + (closing - opening) * minute // SESSION_MINUTES
        noise = random.Random(f"{self.seed} {symbol} {at.date()} {minute}").randint(-NOISE, NOISE) if minute else 0
        return max(1, line + line * noise // 10_000)

    def _contract_ticks(self, contract: Instrument, at: datetime) -> int:
        """A future stands a little above its underlying; an option at what it is worth now, and time."""
        assert contract.expiry
        spot = self._ticks(contract.underlying, at)
        days_left = max(0, (contract.expiry - at.date()).days)
        if contract.kind == "FUT":
            return spot + spot * days_left * 2 // 10_000
        strike = int(contract.strike * TICKS_PER_RUPEE)
        worth = max(0, spot - strike if contract.kind == "CE" else strike - spot)
        return max(1, worth + max(0, spot * days_left * 5 // 10_000 - abs(spot - strike) // 8))

    def _session(self, symbol: str, day: date) -> tuple[int, int]:
        """Open and close of a trading day in ticks: a random walk from the first day of the calendar."""
        base = self._instruments[symbol].base_price * TICKS_PER_RUPEE
        if day < FIRST_DAY:
            return base, base
        number = self._day_number(day)
        path = self._paths.get(symbol)
        if path is None or len(path) <= number:
            actions = tuple(action for action in self.actions if action.symbol == symbol)
            path = self._paths[symbol] = _walk(f"{self.seed} {symbol}", base, actions, max(number + 1, 250))
        return path[number]

    def _day_number(self, day: date) -> int:
        while day not in self._numbers:
            last = self._days[-1] if self._days else FIRST_DAY - timedelta(days=1)
            self._days.append(next_trading_day(last))
            self._numbers[self._days[-1]] = len(self._days) - 1
        return self._numbers[day]

    def _rupees(self, ticks: int) -> Decimal:
        return ticks * TICK


@lru_cache(maxsize=10_000)
def _walk(seed: str, base: int, actions: tuple[CorporateAction, ...], count: int) -> list[tuple[int, int]]:
    """The sessions of the first `count` trading days, in ticks. Kept: many markets have the same walks."""
    steps, last, path = random.Random(seed), base, []
    for day in _first_days(count):
        for after, before in (action.shares_after for action in actions if action.ex_day == day):
            last = last * before // after
        opening = max(1, last + last * steps.randint(-60, 60) // 10_000)
        last = max(1, opening + opening * steps.randint(-190, 200) // 10_000)
        path.append((opening, last))
    return path


@lru_cache(maxsize=8)
def _first_days(count: int) -> list[date]:
    return trading_days(FIRST_DAY, count)


def is_share(instrument: Instrument) -> bool:
    return instrument.segment == CASH and instrument.kind == "EQ"
