"""A random book: captures of one account of the scripted broker over some days, and what its tables hold."""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from portfolio import book
from portfolio.models import BrokerAccount
from tests import build
from tests.sync.scripted import Broker

DAYS = (5, 6, 7)  # of October 2026, each with a session
SYMBOLS = tuple(build.ISINS)
_NOT_COMPARED = ("id", "created_at", "last_updated_at", "_state", "_prefetched_objects_cache")


def captures(random: Random, broker: Broker, at: Callable[[str], None], account: BrokerAccount) -> Iterator[datetime]:
    """Captures twice a day; yields when each was recorded."""
    for day in DAYS[: random.randint(2, 3)]:
        for time in ("11:00", "16:05"):
            at(f"2026-10-{day:02} {time}")
            _tell(random, broker, day, time)
            (result,) = build.synced(account)
            yield result.made.pen.now


def _tell(random: Random, broker: Broker, day: int, time: str) -> None:
    some = [symbol for symbol in SYMBOLS if random.random() < 0.7] or [SYMBOLS[0]]
    broker.says["holdings"] = [build.a_holding(s, random.randint(1, 9), random.randint(90, 99)) for s in some]
    broker.says["positions"] = [build.a_position(s, random.randint(1, 5)) for s in SYMBOLS if random.random() < 0.3]
    orders = [_order(random, day, number) for number in range(random.randint(0, 3))]
    broker.says["orders"] = orders
    broker.says["trades"] = [build.a_trade(o, trade_id=f"T{o.order_id}") for o in orders if o.filled_quantity]
    broker.prices = {symbol: Decimal(random.randint(100, 999)) for symbol in SYMBOLS}


def _order(random: Random, day: int, number: int) -> Any:
    made = build.MORNING.replace(day=day)
    return build.an_order(f"O{day}-{number}", 10, random.choice([0, 4, 10]), created_at=made)


def tables(account: BrokerAccount, at: book.Moment | None = None) -> dict[str, list[Any]]:
    """What is read of one account, as plain values; the present without a moment."""
    ids, moment = [account.pk], at or book.NOW
    return {
        "holdings": [plain(row) for row in book.holdings(ids, at)],
        "positions": [plain(row) for row in book.positions(ids, at)],
        "orders": [(row.groww_order_id, row.order_date, row.version) for row in sorted_rows(book.orders(ids, moment))],
        "transactions": [(t.source_id, t.revision, t.quantity) for t in sorted_rows(book.transactions(ids, moment))],
        "snapshots": [
            (row.snapshot_date, row.revision, row.total_portfolio_value)
            for row in sorted_rows(book.snapshots(ids, moment))
        ],
    }


def sorted_rows(rows: Any) -> list[Any]:
    return list(rows.order_by("pk"))


def plain(row: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name not in _NOT_COMPARED}
