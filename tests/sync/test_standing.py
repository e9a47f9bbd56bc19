"""Rows that stand as they were accepted last are left unread, and the book ends as if they had been read."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portfolio import clock, guards
from portfolio.ids import new_uuid
from portfolio.models import (
    BrokerAccount,
    HoldingVersion,
    OrderVersion,
    PortfolioSnapshot,
    PositionVersion,
    RealHolding,
    RealPosition,
    SyncBatch,
)
from portfolio.sync import evidence, standing
from portfolio.sync.capture import DAILY, Capture
from portfolio.sync.claim import claim
from portfolio.sync.normalise import normalise
from portfolio.sync.pipeline import settle
from portfolio.triggers import groww_replies as replies
from portfolio.triggers.base import Answer, Reply
from tests import build
from tests.sync import recomputed

pytestmark = pytest.mark.database

Rows = list[dict[str, Any]]
SETS: Sequence[tuple[str, str, Callable[..., Any]]] = (
    ("holdings", "holdings", replies.parse_holdings),
    ("positions", "positions", replies.parse_positions),
    ("orders", "order_list", replies.parse_orders),
)


@pytest.fixture(autouse=True)
def evening(set_clock: Callable[[str], None]) -> None:
    set_clock("2026-10-05T16:05:00+05:30")


def a_holding(share: int, pledged: int = 0) -> dict[str, Any]:
    return {
        "isin": f"INE{share:06d}01{share % 10}", "trading_symbol": f"S{share}", "quantity": 100,
        "average_price": 10 + share, "pledge_quantity": pledged, "demat_free_quantity": 100 - pledged,
    }  # fmt: skip


def a_position(share: int, bought: int = 5, exchange: str = "NSE") -> dict[str, Any]:
    return {
        "trading_symbol": f"S{share}", "segment": "CASH", "exchange": exchange, "symbol_isin": a_holding(share)["isin"],
        "product": "MIS", "quantity": bought, "credit_quantity": bought, "credit_price": 7.5,
    }  # fmt: skip


def an_order(number: int, quantity: int = 10, status: str = "OPEN") -> dict[str, Any]:
    return {
        "groww_order_id": f"G{number}", "trading_symbol": f"S{number}", "order_status": status, "quantity": quantity,
        "filled_quantity": 0, "exchange": "NSE", "order_type": "LIMIT", "transaction_type": "BUY", "segment": "CASH",
        "product": "CNC", "price": 12.5, "created_at": f"2026-10-05T10:{number:02d}:00",
    }  # fmt: skip


def asked(account: BrokerAccount, prices: dict[str, float], *lists: Rows, in_part: bool = True) -> Capture:
    """A capture whose replies are kept: prices, then holdings, positions and orders."""
    (capture,) = claim([str(account.pk)], DAILY, new_uuid(), clock.now())
    capture.absent.update({"trades", "funds"})
    for (name, key, parse), rows in zip(SETS, lists, strict=False):
        _answer(capture, name, {key: rows}, parse, ("payload", key) if in_part else ())
    _answer(capture, "prices", prices, replies.parse_prices, replies.PRICES_AT if in_part else ())
    return capture


def _answer(capture: Capture, name: str, payload: Any, parse: Any, rows_at: tuple[str, ...]) -> None:
    capture.answers[name] = Answer([_reply(capture, f"GET /{name}?segment=CASH", payload)], parse, rows_at)


def _reply(capture: Capture, request: str, payload: Any) -> Reply:
    body = json.dumps({"status": "SUCCESS", "payload": payload}).encode()
    reply = Reply(request, 200, body, capture.started_at)
    evidence.keep([evidence.note(capture, reply)], clock.now())
    return reply


def written(account: BrokerAccount) -> list[Any]:
    """All that the book says of the account, without ids and leaves; problems in no order."""
    left_out = {"id", "broker_account_id", "batch_id", "sync_batch_id", "version_id", "leaf", "metadata"}
    found = []
    for model in (
        RealHolding, RealPosition, HoldingVersion, PositionVersion, OrderVersion, PortfolioSnapshot, SyncBatch
    ):  # fmt: skip
        rows: Any = model._default_manager.filter(broker_account=account).values()
        for row in rows:
            if problems := row.get("error_details"):
                row["error_details"] = sorted(map(str, json.loads(problems)))
            found.append((model.__name__, sorted((k, str(v)) for k, v in row.items() if k not in left_out)))
    return sorted(found)


def test_only_the_rows_that_differ_are_read() -> None:
    account = build.an_account()
    settle([asked(account, {"NSE_S1": 5, "NSE_S2": 6}, [a_holding(1), a_holding(2)], [], [an_order(1), an_order(2)])])
    capture = asked(
        account, {"NSE_S1": 5, "NSE_S2": 7}, [a_holding(2, 3), a_holding(1)], [], [an_order(1), an_order(2, 11)]
    )
    (capture,) = normalise([capture])
    holdings, orders, prices = (capture.sections[name] for name in ("holdings", "orders", "prices"))
    assert ([row.symbol for row in holdings.entries], [row.symbol for row in holdings.gone or ()]) == (["S2"], ["S2"])
    assert [(row.order_id, row.quantity) for row in orders.entries + (orders.gone or ())] == [("G2", 11), ("G2", 10)]
    assert [(row.symbol, row.price) for row in prices.entries] == [("S2", 7)]
    (result,) = settle([capture])
    fetched = SyncBatch.objects.get(pk=result.capture.batch_id)
    assert (fetched.status, fetched.holdings_fetched, fetched.orders_fetched) == ("COMPLETED", 2, 2)
    assert (fetched.holdings_updated, fetched.quantity_changes_detected) == (1, 1)
    recomputed.check_all_pages()


@pytest.mark.parametrize("seed", range(6))
def test_the_book_ends_as_if_every_row_had_been_read(seed: int) -> None:
    """Rows change, come, go, come twice and change places; a share is shown at one exchange or at two."""
    chance = random.Random(seed)
    in_part, whole = build.an_account(), build.an_account()
    holdings, positions, orders = ([a_holding(n) for n in range(6)], [a_position(1)], [an_order(n) for n in range(4)])
    prices = {f"NSE_S{n}": 5.0 + n for n in range(9)}

    def a_new_position() -> dict[str, Any]:
        return a_position(chance.randrange(3), chance.randrange(1, 3), chance.choice(("NSE", "BSE")))

    for _ in range(9):
        for account in (in_part, whole):
            settle([asked(account, prices, holdings, positions, orders, in_part=account is in_part)])
        assert written(in_part) == written(whole)
        holdings = _changed(chance, holdings, lambda: a_holding(chance.randrange(9), chance.randrange(3)))
        positions = _changed(chance, positions, a_new_position)
        orders = _changed(chance, orders, lambda: an_order(chance.randrange(9), chance.randrange(10, 12)))
        prices[f"NSE_S{chance.randrange(9)}"] = chance.randrange(20)
    recomputed.check_all_pages()


def _changed(chance: random.Random, rows: Rows, new: Callable[[], dict[str, Any]]) -> Rows:
    rows = list(rows)
    for _ in range(chance.randrange(3)):
        place = chance.randrange(len(rows) + 1)
        match chance.randrange(4):
            case 0:
                rows.insert(place, new())
            case 1:
                rows[place : place + 1] = []
            case 2:
                chance.shuffle(rows)
            case _:
                rows[place : place + 1] = [new()]
    return rows


def test_a_row_that_comes_twice_is_told_apart_only_by_reading_all() -> None:
    account = build.an_account()
    settle([asked(account, {}, [a_holding(1), a_holding(2)])])
    (result,) = settle([asked(account, {}, [a_holding(1), a_holding(2), a_holding(1, pledged=4)])])
    assert [problem.kind for problem in result.capture.problems if problem.section == "holdings"] == ["set_aside"]
    assert RealHolding.objects.get(broker_account=account, symbol="S1").pledge_quantity == 0


def test_a_row_that_is_gone_from_one_page_and_stands_on_another_is_not_gone() -> None:
    account = build.an_account()
    first, more = [an_order(1), an_order(2)], [an_order(3)]
    settle([paged(account, first, first, more)])
    (capture,) = normalise([paged(account, first, more, [an_order(4)])])
    (result,) = settle([capture])
    fetched = SyncBatch.objects.get(pk=result.capture.batch_id)
    assert (capture.sections["orders"].gone, fetched.status, fetched.orders_fetched) == (None, "COMPLETED", 4)
    (capture,) = normalise([paged(account, [an_order(5), *first], [*more, an_order(4, 11)], [])])
    (result,) = settle([capture])
    assert SyncBatch.objects.get(pk=result.capture.batch_id).orders_fetched == 5


def paged(account: BrokerAccount, *pages: Rows) -> Capture:
    """Orders on so many pages, beside one holding."""
    capture = asked(account, {}, [a_holding(1)], [])
    capture.answers["orders"] = Answer(
        [_reply(capture, f"GET /orders?page={number}", {"order_list": rows}) for number, rows in enumerate(pages)],
        replies.parse_orders,
        ("payload", "order_list"),
    )
    return capture


def test_a_position_opened_in_a_share_that_is_held_finds_its_price_though_that_stood() -> None:
    account = build.an_account()
    settle([asked(account, {"NSE_S1": 5, "NSE_S2": 6}, [a_holding(1)], [])])
    settle([asked(account, {"NSE_S1": 5, "NSE_S2": 7}, [a_holding(1)], [a_position(1)])])
    assert RealPosition.objects.get(broker_account=account).current_price == 5


def drop_bodies() -> None:
    """As a retention would: past the guard, which is put back."""
    down = "ALTER TABLE raw_bodies DISABLE TRIGGER USER"
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'raw_bodies'")
            down = ";".join(f'DROP TRIGGER "{name}"' for (name,) in cursor.fetchall())
    with connection.cursor() as cursor:
        for statement in [*down.split(";"), "DELETE FROM raw_bodies"]:
            cursor.execute(statement)
    guards.install(connection)


def test_without_the_earlier_body_every_row_is_read() -> None:
    account = build.an_account()
    settle([asked(account, {}, [a_holding(1), a_holding(2)])])
    drop_bodies()
    capture = asked(account, {}, [a_holding(1), a_holding(2, 5)])
    (capture,) = normalise([capture])
    assert (len(capture.sections["holdings"].entries), capture.sections["holdings"].gone) == (2, None)
    settle([capture])
    assert RealHolding.objects.get(broker_account=account, symbol="S2").pledge_quantity == 5


def test_the_next_day_every_row_is_read(set_clock: Callable[[Any], None]) -> None:
    """What an answer means depends on the day: an absence is believed on a later one."""
    account = build.an_account()
    settle([asked(account, {}, [a_holding(1), a_holding(2)])])
    set_clock(clock.now() + timedelta(days=1))
    capture = asked(account, {}, [a_holding(1), a_holding(2, 5)])
    (capture,) = normalise([capture])
    assert (len(capture.sections["holdings"].entries), capture.sections["holdings"].gone) == (2, None)
    settle([capture])


def test_the_earlier_bodies_of_a_group_are_read_at_once() -> None:
    group = [build.an_account() for _ in range(3)]
    for account in group:
        settle([asked(account, {}, [a_holding(1)], [], [an_order(1)])])
    captures = [asked(account, {}, [a_holding(1, 2)], [], [an_order(1, 12)]) for account in group]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        bodies = standing.earlier_bodies(captures)
    assert (len(queries), [len(found) for found in bodies.values()]) == (1, [2, 2, 2])
    settle(captures)


@pytest.mark.parametrize(
    "body", [b'{"payload": {"order_list": null}}', b'{"payload": []}', b"[", b'{"a": [1], "b": [1]}']
)
def test_what_has_no_such_list_is_left_to_the_parser(body: bytes) -> None:
    with pytest.raises((ValueError, LookupError)):
        standing.Rows(body, ("b",) if b'"a"' in body else ("payload", "order_list"))


@pytest.mark.parametrize("count", [2, 30])
def test_a_row_stands_wherever_it_stands_and_however_often(count: int) -> None:
    rows = [{"a": number} for number in range(count)]
    before, now = rows_of([*rows, rows[0]]), rows_of([{"a": -1}, *rows])
    assert (now.without(before), before.without(now)) == ([b'{"a": -1}'], [])
    assert now.with_only(now.without(before)) == b'{"payload": [{"a": -1}]}'


def test_a_list_and_an_object_are_not_compared() -> None:
    with pytest.raises(LookupError):
        rows_of([1]).without(rows_of({"a": 1}))


def rows_of(payload: Any) -> standing.Rows:
    return standing.Rows(json.dumps({"payload": payload}).encode(), ("payload",))
