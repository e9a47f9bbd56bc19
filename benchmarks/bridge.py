"""How fast holdings are explained: 1,000 accounts of 50 holdings, pure, on one core. 1,000 a second are wanted.

In each account ten holdings moved: by fills of the day before, by a sale of today, and one by a bonus that is proposed.
"""

import statistics
import time
from datetime import date
from decimal import Decimal

from ledger.answers import Question
from ledger.diff import HoldingKey
from ledger.proposals import propose
from ledger.reconcile import NOTHING_WAITS, Change, explain_all, waiting_fills

from .sizes import sizes

ACCOUNTS, HOLDINGS, MOVED, ROUNDS = 1_000, 50, 10, 7
YESTERDAY, TODAY = date(2026, 10, 5), date(2026, 10, 6)
_ZERO = Decimal(0)


def _account(number: int) -> tuple[dict[HoldingKey, Decimal], dict[HoldingKey, dict[date, tuple[Decimal, Decimal]]]]:
    """By how much each holding moved, and its fills by day (bought, sold)."""
    deltas: dict[HoldingKey, Decimal] = {}
    fills: dict[HoldingKey, dict[date, tuple[Decimal, Decimal]]] = {}
    for place in range(HOLDINGS):
        key = (f"{number}-{place}", "DELIVERY")
        units = Decimal(place + 1)
        if place == 0:
            deltas[key] = units
        elif place < MOVED:
            fills[key] = {YESTERDAY: (units, _ZERO), TODAY: (_ZERO, units)}
            deltas[key] = units if place % 2 else _ZERO
        else:
            deltas[key] = _ZERO
    return deltas, fills


def _explained(account: tuple[dict[HoldingKey, Decimal], dict[HoldingKey, dict[date, tuple[Decimal, Decimal]]]]) -> int:
    deltas, fills = account
    changes = {
        key: Change(delta, waiting_fills(fills[key], {}, TODAY) if key in fills else NOTHING_WAITS)
        for key, delta in deltas.items()
        if delta or key in fills
    }
    found = explain_all(changes, TODAY)
    asked = [
        Question(
            number, TODAY, key[0], key[1], "INE467B01029", key[0], "NSE", 2 * one.unexplained, one.unexplained,
            Decimal(300), Decimal(150),
        )
        for number, (key, one) in enumerate(found.items(), 1)
        if one.unexplained
    ]  # fmt: skip
    return len(propose(asked))


def main() -> None:
    size = sizes(accounts=ACCOUNTS, rounds=ROUNDS)
    accounts = [_account(number) for number in range(size.accounts)]
    seconds = []
    for _ in range(size.rounds + 1):
        start = time.perf_counter()
        asked = sum(map(_explained, accounts))
        seconds.append(time.perf_counter() - start)
    assert asked == size.accounts
    took = statistics.median(seconds[1:])
    print(
        f"bridge: {size.accounts / took:,.0f} accounts of {HOLDINGS} holdings a second on one core (at least 1,000), "
        f"{MOVED} of them to be explained and {asked / size.accounts:.0f} proposed for in each"
    )
