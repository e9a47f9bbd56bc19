"""Empty and short answers never shrink a book in silence; what was really sold is held no longer than a day more."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import Holding
from portfolio.models import BrokerAccount, HoldingChange, RealHolding
from portfolio.sync import instruments
from simulators.shares import SHARES
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
GROUP = 250
MONDAY, TUESDAY, WEDNESDAY = "2026-10-05 16:05", "2026-10-06 16:05", "2026-10-07 16:05"


def groups(is_full: bool) -> range:
    """10,000 accounts in groups, or a few."""
    return range(10_000 // GROUP if is_full else 1)


def stocked(chance: random.Random, broker: Broker, number: int, is_full: bool) -> dict[str, BrokerAccount]:
    """Accounts with one to eight holdings each, taken on Monday; by their client ids."""
    clients = [f"{number}-{each}" for each in range(GROUP if is_full else 25)]
    portfolio = build.a_portfolio(f"Group {number}")
    accounts = {client: build.an_account("SCRIPTED", client, portfolio) for client in clients}
    for client in clients:
        rows = [
            build.a_holding(share.symbol, chance.randint(1, 500), chance.randint(1, 5000), isin=share.isin)
            for share in chance.sample(SHARES, chance.randint(1, 8))
        ]
        broker.others[client] = {"holdings": rows, "orders": [], "trades": []}
    build.synced(*accounts.values())
    return accounts


def owned(account: BrokerAccount) -> dict[str, Decimal]:
    return dict(account.holdings.values_list("isin", "owned_quantity"))


def fewer(chance: random.Random, rows: list[Holding]) -> list[Holding]:
    """Some rows, at least one less; perhaps none; perhaps some of them with nothing in them."""
    left = chance.sample(rows, chance.randint(0, len(rows) - 1))
    gone = [row for row in rows if row not in left]
    return [*left, *(row._replace(quantity=Decimal(0), owned=Decimal(0)) for row in gone if chance.random() < 0.3)]


def test_no_answer_that_is_empty_or_short_shrinks_a_book_in_silence(
    broker: Broker, at: At, seed: int, is_full: bool, tell: Callable[[str], None]
) -> None:
    chance, answers = random.Random(seed), 0
    for number in groups(is_full):
        at(MONDAY)
        accounts = stocked(chance, broker, number, is_full)
        before = {client: owned(account) for client, account in accounts.items()}
        at(TUESDAY)
        for client in accounts:
            broker.others[client]["holdings"] = fewer(chance, broker.others[client]["holdings"])
        build.synced(*accounts.values())
        for client, account in accounts.items():
            assert owned(account) == before[client]
            shown = {row.isin for row in broker.others[client]["holdings"] if row.owned}
            marked = set(account.holdings.exclude(unconfirmed_since=None).values_list("isin", flat=True))
            assert marked == before[client].keys() - shown
        assert HoldingChange.objects.count() == 0
        answers += len(accounts)
        broker.others.clear()
    tell(f"{answers:,} empty and short answers: 0 silent shrinks")


def sells(client: str, row: Holding, number: int) -> Any:
    given = build.MORNING.replace(day=6)
    return build.an_order(
        f"{client}-{number}", int(row.owned), int(row.owned), symbol=row.symbol, isin=row.isin, created_at=given,
        transaction_type="SELL",
    )  # fmt: skip


def test_no_true_exit_is_held_longer_than_the_next_trading_day(
    broker: Broker, at: At, seed: int, is_full: bool, tell: Callable[[str], None]
) -> None:
    """Sold on Tuesday, at the broker or elsewhere; gone from the answer at once, or on Wednesday."""
    chance, exits = random.Random(seed), 0
    for number in groups(is_full):
        at(MONDAY)
        accounts = stocked(chance, broker, number, is_full)
        left: dict[str, list[Holding]] = {}
        at(TUESDAY)
        for client in accounts:
            says = broker.others[client]
            rows: list[Holding] = says["holdings"]
            left[client] = chance.sample(rows, chance.randint(0, len(rows) - 1))
            gone = [row for row in rows if row not in left[client]]
            exits += len(gone)
            is_told = chance.random() < 0.7
            says["orders"] = [sells(client, row, place) for place, row in enumerate(gone)] if is_told else []
            says["trades"] = [build.a_trade(each, trade_id=each.order_id) for each in says["orders"]]
            if not is_told or chance.random() < 0.5:
                says["holdings"] = left[client]
        build.synced(*accounts.values())
        at(WEDNESDAY)
        for client in accounts:
            broker.others[client] |= {"holdings": left[client], "orders": [], "trades": []}
        build.synced(*accounts.values())
        for client, account in accounts.items():
            assert owned(account) == {row.isin: row.owned for row in left[client]}
        assert RealHolding.objects.exclude(unconfirmed_since=None).count() == 0
        broker.others.clear()
        instruments.forget()
    tell(f"{exits:,} true exits: 0 held longer than the next trading day")
