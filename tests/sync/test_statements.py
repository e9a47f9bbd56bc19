"""The number of SQL statements for recording a group depends on nothing: not on accounts, not on rows."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from ledger.entries import Funds
from portfolio.models import BrokerAccount
from portfolio.sync.capture import Capture
from portfolio.sync.pipeline import settle
from tests import build
from tests.sync.scripted import Broker
from tests.sync.test_writers import claimed

pytestmark = pytest.mark.database


def capture(account: BrokerAccount, rows: int) -> Capture:
    """A capture with something in every section, its amount told by `rows`."""
    symbols = [f"SHARE{number}" for number in range(rows)]
    orders = [build.an_order(f"O{name}", filled=10, symbol=name) for name in symbols]
    return claimed(
        account,
        holdings=[build.a_holding(name, last_price=Decimal(10 + rows)) for name in symbols],
        positions=[build.a_position(name, 10, last_price=Decimal(10 + rows)) for name in symbols],
        orders=orders,
        trades=[build.a_trade(each, trade_id=each.order_id) for each in orders],
        funds=[Funds(Decimal(rows))],
    )


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Statements by their beginning. On SQLite one `executemany` counts as one, as it does on the wire elsewhere."""
    seen: Counter[str] = Counter()

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen[" ".join(str(sql).split()[:3])] += 1
        return execute(sql, params, many, context)

    if connection.vendor == "postgresql":
        with connection.execute_wrapper(count), copies_counted(seen):
            yield seen
        return
    distinct: set[str] = set()
    with connection.execute_wrapper(count):
        connection.connection.set_trace_callback(lambda sql: distinct.add(kind_of(sql)))
        try:
            yield seen
        finally:
            connection.connection.set_trace_callback(None)
            seen.update(distinct)


def kind_of(sql: str) -> str:
    """The statement without its values: how the trace of SQLite shows one that was run for many rows."""
    words = sql.split()
    return " ".join(words[:3]) if words[:1] in (["INSERT"], ["DELETE"]) else " ".join(words[:2])


@contextmanager
def copies_counted(seen: Counter[str]) -> Iterator[None]:
    """COPY goes past Django's wrapper: the server's own count of statements would need rights, so the driver's."""
    import psycopg

    copy = psycopg.Cursor.copy

    def counting(self: Any, statement: Any, *rest: Any, **more: Any) -> Any:
        seen[" ".join(str(statement).split()[:2])] += 1
        return copy(self, statement, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "copy", counting)
        yield


def statements(broker: Broker, accounts: int, rows: int) -> Counter[str]:
    """A second evening of so many accounts with so many rows each, all of them changed."""
    known = [build.an_account("SCRIPTED", f"C{number}") for number in range(accounts)]
    assert len(settle([capture(account, rows) for account in known])) == accounts
    group = [changed(account, rows) for account in known]
    with counted() as seen:
        assert {result.status for result in settle(group)} == {"COMPLETED"}
    return seen


def changed(account: BrokerAccount, rows: int) -> Capture:
    """Every holding, position and order moved, one of each gone, one new fill each."""
    symbols = [f"SHARE{number}" for number in range(rows)]
    orders = [build.an_order(f"O{name}", quantity=12, filled=12, symbol=name) for name in symbols]
    sold = build.an_order("SOLD", filled=10, symbol="SHARE0", transaction_type="SELL")
    return claimed(
        account,
        holdings=[build.a_holding(name, 11, last_price=Decimal(20 + rows)) for name in symbols[1:]],
        positions=[build.a_position(name, 12, last_price=Decimal(20 + rows)) for name in symbols[1:]],
        orders=[*orders, sold],
        trades=[build.a_trade(each, trade_id=f"2{each.order_id}") for each in (*orders, sold)],
        funds=[Funds(Decimal(1000 + rows))],
    )


def test_recording_takes_as_many_statements_for_thirty_accounts_as_for_one(broker: Broker) -> None:
    one, three, thirty = (statements(broker, accounts, 3) for accounts in (1, 3, 30))
    assert one == three == thirty
    assert sum(one.values()) < 60


def test_recording_takes_as_many_statements_for_many_rows_as_for_few(broker: Broker) -> None:
    few, many = (statements(broker, 2, rows) for rows in (2, 29))
    assert few == many
