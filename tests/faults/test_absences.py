"""Empty and short answers never shrink a book in silence; what was really sold is held no longer than a day more."""

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from ledger.entries import Holding
from portfolio.models import BrokerAccount, HoldingChange, RealHolding
from portfolio.sync import instruments
from simulators.market import trading_days
from simulators.shares import SHARES
from tests import build
from tests.faults.conftest import Part
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
ANSWERS = EXITS = 10_000
PARTS = 4
MONDAY = date(2026, 10, 5)


def stocked(chance: random.Random, broker: Broker, number: int, is_full: bool) -> dict[str, BrokerAccount]:
    """Accounts with one to eight holdings each, taken on Monday; by their client ids."""
    clients = [f"{number}-{each}" for each in range(250 if is_full else 25)]
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


def owned(accounts: Iterable[BrokerAccount]) -> dict[str, dict[str, Decimal]]:
    """Units by ISIN, by client id."""
    held: dict[str, dict[str, Decimal]] = {account.account_id: {} for account in accounts}
    rows = RealHolding.objects.filter(broker_account__in=list(accounts))
    for client, isin, units in rows.values_list("broker_account__account_id", "isin", "owned_quantity"):
        held[client][isin] = units
    return held


def unconfirmed(accounts: Iterable[BrokerAccount]) -> dict[str, set[str]]:
    """What is marked so: ISINs by client id."""
    marked: dict[str, set[str]] = {account.account_id: set() for account in accounts}
    rows = RealHolding.objects.filter(broker_account__in=list(accounts)).exclude(unconfirmed_since=None)
    for client, isin in rows.values_list("broker_account__account_id", "isin"):
        marked[client].add(isin)
    return marked


def fewer(chance: random.Random, rows: list[Holding]) -> list[Holding]:
    """Some rows, at least one less; perhaps none; perhaps some of them with nothing in them."""
    left = chance.sample(rows, chance.randint(0, len(rows) - 1))
    gone = [row for row in rows if row not in left]
    return [*left, *(row._replace(quantity=Decimal(0), owned=Decimal(0)) for row in gone if chance.random() < 0.3)]


def evenings(number: int) -> Iterator[str]:
    """Of the trading days from Monday on."""
    return (f"{day} 16:05" for day in trading_days(MONDAY, number))


@pytest.mark.parts(PARTS)
def test_no_answer_that_is_empty_or_short_shrinks_a_book_in_silence(
    broker: Broker, at: At, seed: int, part: Part, is_full: bool, tell: Callable[[str], None]
) -> None:
    """Each account gets one every second trading day, and on the days between everything again."""
    chance, answers = random.Random(f"{seed} {part.number}"), 0
    at(next(evenings(1)))
    accounts = stocked(chance, broker, 0, is_full)
    before = owned(accounts.values())
    whole = {client: broker.others[client]["holdings"] for client in accounts}
    rounds = ANSWERS // part.of // len(accounts) if is_full else 1
    for number, evening in enumerate(list(evenings(2 * rounds + 1))[1:]):
        at(evening)
        for client, rows in whole.items():
            broker.others[client]["holdings"] = rows if number % 2 else fewer(chance, rows)
        build.synced(*accounts.values())
        shown = {client: {row.isin for row in broker.others[client]["holdings"] if row.owned} for client in accounts}
        assert owned(accounts.values()) == before
        assert unconfirmed(accounts.values()) == {client: before[client].keys() - shown[client] for client in accounts}
        answers += len(accounts) if number % 2 == 0 else 0
    assert HoldingChange.objects.count() == 0
    tell(f"{answers:,} empty and short answers: 0 silent shrinks")


def sells(client: str, row: Holding, number: int) -> Any:
    given = build.MORNING.replace(day=6)
    return build.an_order(
        f"{client}-{number}", int(row.owned), int(row.owned), symbol=row.symbol, isin=row.isin, created_at=given,
        transaction_type="SELL",
    )  # fmt: skip


@pytest.mark.parts(PARTS)
def test_no_true_exit_is_held_longer_than_the_next_trading_day(
    broker: Broker, at: At, seed: int, part: Part, is_full: bool, tell: Callable[[str], None]
) -> None:
    """Sold on Tuesday, at the broker or elsewhere; gone from the answer at once, or on Wednesday."""
    chance, exits = random.Random(f"{seed} {part.number}"), 0
    wanted = EXITS // part.of if is_full else 1
    monday, tuesday, wednesday = evenings(3)
    for number in count():
        at(monday)
        accounts = stocked(chance, broker, number, is_full)
        left: dict[str, list[Holding]] = {}
        at(tuesday)
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
        at(wednesday)
        for client in accounts:
            broker.others[client] |= {"holdings": left[client], "orders": [], "trades": []}
        build.synced(*accounts.values())
        assert owned(accounts.values()) == {client: {row.isin: row.owned for row in left[client]} for client in left}
        assert RealHolding.objects.exclude(unconfirmed_since=None).count() == 0
        broker.others.clear()
        instruments.forget()
        if exits >= wanted:
            break
    tell(f"{exits:,} true exits: 0 held longer than the next trading day")
