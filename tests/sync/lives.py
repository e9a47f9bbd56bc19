"""Random lives of an account: what really happened to its shares, what a broker shows of it, and what there is to tell.

Each share is split, gets a bonus, or is transferred at most once. On such a day, and on the first day after some on
which nobody looked, none of it is sold: what was sold and what went could be told apart on the next day alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from ledger.answers import Answer
from portfolio.schedule import calendar
from tests import build

FIRST = date(2026, 10, 5)
LENGTH = 9
NEW_ISINS = {symbol: isin[:-2] + "99" for symbol, isin in build.ISINS.items()}
ACTIONS = {
    "SPLIT": Answer("SPLIT", 1, 5),
    "BONUS": Answer("BONUS", 2, 3),
    "TRANSFER_IN": Answer("TRANSFER_IN", cost=Decimal(100)),
    "TRANSFER_OUT": Answer("TRANSFER_OUT"),
}


class Traded(NamedTuple):
    """Units of a share that were bought and sold on a day, under the ISIN that it had then."""

    day: date
    symbol: str
    isin: str
    bought: int
    sold: int


class Action(NamedTuple):
    """What happened before a day's open: `units` more or fewer, or, where it was split, in all."""

    day: date
    symbol: str
    kind: str
    units: int


@dataclass
class Life:
    """`is_apart`: nothing happens to a share on a day that nobody sees, or on the next."""

    chance: Random
    is_apart: bool
    is_lowered_at_once: bool = False
    owned: dict[str, int] = field(default_factory=dict)
    isins: dict[str, str] = field(default_factory=lambda: dict(build.ISINS))
    seen: list[date] = field(default_factory=list)
    missed: list[date] = field(default_factory=list)
    traded: list[Traded] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    _bought_before: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def days(self) -> Iterator[tuple[date, dict[str, list[Any]] | None]]:
        """Each day with what the broker says in its evening; None where nobody looks."""
        self.is_lowered_at_once = self.chance.random() < 0.5
        self.owned = {symbol: self.chance.randrange(10, 60) for symbol in build.ISINS}
        day = FIRST
        for number in range(LENGTH):
            is_quiet = number in (0, LENGTH - 2, LENGTH - 1)
            was_missed = bool(self.missed) and self.missed[-1] == calendar.previous_session(day)
            is_missed = not is_quiet and self.chance.random() < 0.3
            today = [] if is_quiet else list(self._live(day, was_missed, is_missed))
            yield day, None if is_missed else self._shown(today)
            (self.missed if is_missed else self.seen).append(day)
            self._settle(today)
            day = calendar.next_session(day)

    def _live(self, day: date, was_missed: bool, is_missed: bool) -> Iterator[Traded]:
        for symbol in build.ISINS:
            may_act = not (self.is_apart and (was_missed or is_missed))
            has_acted = may_act and self._act(day, symbol)
            bought = self.chance.choice([0, 0, self.chance.randrange(1, 9)])
            sold = 0 if has_acted or was_missed else self.chance.choice([0, 0, self.chance.randrange(5)])
            traded = Traded(day, symbol, self.isins[symbol], bought, min(sold, self.owned[symbol]))
            if bought or traded.sold:
                self.traded.append(traded)
                yield traded

    def _act(self, day: date, symbol: str) -> bool:
        if self.chance.random() > 0.2 or symbol in {action.symbol for action in self.actions}:
            return False
        kind, before = self.chance.choice(list(ACTIONS)), self.owned[symbol]
        if kind == "SPLIT":
            self.owned[symbol], self.isins[symbol] = before * 5, NEW_ISINS[symbol]
            units = before
        elif kind == "BONUS":
            units = before * 3 // 2 - before
            self.owned[symbol] += units
        else:
            units = self.chance.randrange(1, 6) * (1 if kind == "TRANSFER_IN" else -1)
            self.owned[symbol] += units
        self.actions.append(Action(day, symbol, kind, units))
        return True

    def _shown(self, today: Sequence[Traded]) -> dict[str, list[Any]]:
        """Holdings with yesterday's purchases as T+1 and some of them pledged, and today's orders and positions."""
        sold = {traded.symbol: traded.sold for traded in today if self.is_lowered_at_once}
        holdings = []
        for symbol, owned in self.owned.items():
            units = owned - sold.get(symbol, 0)
            waiting = min(self._bought_before[symbol], units)
            pledged = self.chance.randrange(units - waiting + 1)
            holdings.append(build.a_holding(
                symbol, units, isin=self.isins[symbol], t1_quantity=waiting, pledge_quantity=pledged,
                free_quantity=units - waiting - pledged,
            ))  # fmt: skip
        orders = [order for traded in today for order in _orders(traded)]
        return {
            "holdings": holdings,
            "orders": orders,
            "trades": [build.a_trade(order, trade_id=f"T{order.order_id}", isin=order.isin) for order in orders],
            "positions": [build.a_position(t.symbol, t.bought, t.sold, isin=t.isin) for t in today],
        }

    def _settle(self, today: Sequence[Traded]) -> None:
        self._bought_before.clear()
        for traded in today:
            self.owned[traded.symbol] += traded.bought - traded.sold
            self._bought_before[traded.symbol] = traded.bought

    def lines(self, traded: Traded) -> list[str]:
        """What a statement says of it."""
        name = f"3000,{traded.symbol},{traded.isin}"
        both = (("BUY", traded.bought), ("SELL", traded.sold))
        return [f"{traded.day},{side},{units},{name}" for side, units in both if units]


def _orders(traded: Traded) -> list[Any]:
    given = build.MORNING.replace(day=traded.day.day)
    return [
        build.an_order(f"{side}{traded.symbol}{traded.day}", units, units, symbol=traded.symbol, isin=traded.isin,
                       transaction_type=side, created_at=given)
        for side, units in (("BUY", traded.bought), ("SELL", traded.sold)) if units
    ]  # fmt: skip
