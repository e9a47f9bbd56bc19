"""The book at any moment: known at each page it is what stood then, and of a day what that day was."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portfolio import book
from portfolio.book import Moment
from portfolio.ids import new_uuid
from portfolio.models import BrokerAccount, HoldingVersion, LedgerPage, PositionVersion
from portfolio.proof import tree
from tests import build
from tests.randombook import captures, tables
from tests.sync.scripted import Broker, india

pytestmark = pytest.mark.database

At = Callable[[str], None]


def quantities(account: BrokerAccount, at: Moment | None = None) -> dict[str, int]:
    return {row.symbol: int(row.owned_quantity) for row in book.holdings([account.pk], at)}


@pytest.mark.parametrize("seed", range(3))
def test_known_at_each_page_the_book_is_what_stood_then(broker: Broker, at: At, seed: int) -> None:
    account = build.an_account("SCRIPTED")
    stood = [(recorded, tables(account)) for recorded in captures(Random(seed), broker, at, account)]
    for recorded, then in stood:
        assert tables(account, Moment(known_at=recorded)) == then
        assert tables(account, Moment(known_at=recorded + timedelta(minutes=9))) == then


@pytest.mark.parametrize("seed", range(3, 5))
def test_known_at_each_page_the_versions_are_those_of_the_pages_up_to_there(broker: Broker, at: At, seed: int) -> None:
    account = build.an_account("SCRIPTED")
    recorded = list(captures(Random(seed), broker, at, account))
    for number, moment in enumerate(recorded, 1):
        assert book_ids(account, Moment(known_at=moment)) == replayed(account, number)


def book_ids(account: BrokerAccount, at: Moment) -> set[Any]:
    return {row.version_id for row in book.holdings([account.pk], at)}


def replayed(account: BrokerAccount, number: int) -> set[Any]:
    """The last holding version of each instrument, page after page up to this one."""
    batches = LedgerPage.objects.filter(head__account=account, number__lte=number).order_by("number")
    last: dict[Any, HoldingVersion] = {}
    for batch in batches.values_list("batch", flat=True):
        for row in HoldingVersion.objects.filter(batch=batch):
            last[row.instrument_id, row.lot] = row
    return {row.pk for row in last.values() if not row.is_gone}


def test_of_a_day_the_book_is_as_the_day_ended(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=4)
    broker.prices = {"TCS": Decimal(3000)}
    for day, units, told in ((5, 10, [order]), (6, 14, [build.an_order(filled=10)])):
        at(f"2026-10-{day:02} 16:05")
        broker.says.update(holdings=[build.a_holding(quantity=units)], orders=told)
        broker.says["trades"] = [build.a_trade(told[0], quantity=4)]
        build.synced(account)
    monday = Moment(as_of=date(2026, 10, 5))
    assert (quantities(account), quantities(account, monday)) == ({"TCS": 14}, {"TCS": 10})
    assert [int(row.filled_quantity) for row in book.orders([account.pk], monday)] == [4]
    assert [int(row.filled_quantity) for row in book.orders([account.pk])] == [10]
    assert [row.snapshot_date.day for row in book.snapshots([account.pk], monday)] == [5]
    (held,) = book.holdings([account.pk], monday)
    assert (held.current_price, held.current_value, held.price_day) == (3000, 30_000, date(2026, 10, 5))


def test_before_anything_was_known_there_is_nothing(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    empty: dict[str, list[Any]] = {name: [] for name in tables(account)}
    assert tables(account, Moment(known_at=datetime(2026, 10, 1, tzinfo=UTC))) == empty
    assert tables(account, Moment(as_of=date(2026, 10, 1))) == empty


def test_what_had_its_place_in_the_tree_only_later_was_not_known_yet(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=10)
    broker.says.update(holdings=[build.a_holding()], orders=[order], trades=[build.a_trade(order)])
    build.synced(account)
    early, late = (Moment(known_at=india(f"2026-10-05 16:{minute}")) for minute in (10, 20))
    recorded = tables(account, early)
    assert len(recorded["holdings"]) == len(recorded["orders"]) == len(recorded["transactions"]) == 1
    tree.place(india("2026-10-05 16:20").astimezone(UTC))
    assert tables(account, early) == {name: [] for name in recorded}
    assert tables(account, late) == recorded


def test_what_is_sold_is_gone_from_then_on(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding(), build.a_holding("ITC")]
    build.synced(account)
    sale = build.an_order("S", 10, 10, transaction_type="SELL", created_at=build.MORNING.replace(day=6))
    at("2026-10-06 16:05")
    broker.says.update(holdings=[build.a_holding("ITC")], orders=[sale], trades=[build.a_trade(sale)])
    build.synced(account)
    assert quantities(account, book.NOW) == quantities(account) == {"ITC": 10}
    assert quantities(account, Moment(known_at=india("2026-10-06 16:00"))) == {"TCS": 10, "ITC": 10}


def test_accounts_are_read_together_and_each_sees_its_own(broker: Broker, at: At) -> None:
    accounts = [build.an_account("SCRIPTED", client_id) for client_id in ("A", "B", "C")]
    broker.others = {c: {"holdings": [build.a_holding(quantity=n)]} for n, c in enumerate("ABC", 1)}
    build.synced(*accounts)
    ids = [account.pk for account in accounts]
    with CaptureQueriesContext(connection) as asked:
        found = book.holdings(ids[:2], book.NOW)
    assert {row.broker_account_id: int(row.owned_quantity) for row in found} == {ids[0]: 1, ids[1]: 2}
    assert len(asked) == 1
    assert book.holdings([], book.NOW) == []


def test_of_two_recordings_of_one_day_the_later_counts_and_a_later_day_counts_more(broker: Broker, at: At) -> None:
    """A day that is read anew afterwards changes that day, and not what stands by now."""
    account = build.an_account("SCRIPTED")
    for day, units in ((5, 10), (7, 12)):
        at(f"2026-10-{day:02} 16:05")
        broker.says["holdings"] = [build.a_holding(quantity=units)]
        build.synced(account)
    first = HoldingVersion.objects.earliest("detected_at")
    first.pk, first.owned_quantity, first.detected_at = new_uuid(), Decimal(11), india("2026-10-08 12:00")
    first.save(force_insert=True)
    assert quantities(account, book.NOW) == {"TCS": 12}
    assert quantities(account, Moment(as_of=date(2026, 10, 6))) == {"TCS": 11}
    assert quantities(account, Moment(date(2026, 10, 6), india("2026-10-08 11:00"))) == {"TCS": 10}


def test_positions_of_a_moment_have_their_net_figures(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [build.a_position(bought=5, sold=2), build.a_position("ITC", 0, 4)]
    build.synced(account)
    now, then = (book.positions([account.pk], moment) for moment in (None, book.NOW))
    assert [(row.net_quantity, row.net_price) for row in then] == [(row.net_quantity, row.net_price) for row in now]
    assert PositionVersion.objects.count() == len(then) == 2


def test_every_lot_and_every_product_of_one_share_is_read(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    products = [("CASH", "CNC"), ("CASH", "MIS"), ("FNO", "NRML")]
    for day in (5, 6):
        at(f"2026-10-{day:02} 16:05")
        broker.says["holdings"] = [
            build.a_holding(symbol, day, lot=lot) for symbol in ("ITC", "TCS") for lot in ("DELIVERY", "MTF")
        ]
        broker.says["positions"] = [
            build.a_position(symbol, day, segment=segment, product=product)
            for symbol in ("ITC", "TCS") for segment, product in products
        ]  # fmt: skip
        build.synced(account)
    then = Moment(known_at=india("2026-10-05 18:00"))
    held = [(row.symbol, row.lot, int(row.owned_quantity)) for row in book.holdings([account.pk], then)]
    open_ = [(row.symbol, (row.segment, row.product), int(row.quantity)) for row in book.positions([account.pk], then)]
    assert held == [(symbol, lot, 5) for symbol in ("ITC", "TCS") for lot in ("DELIVERY", "MTF")]
    assert open_ == [(symbol, product, 5) for symbol in ("ITC", "TCS") for product in products]
