"""Fills that Groww lists oddly: numbers beyond all bounds, other orders' rows, texts that no column can keep."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ledger.entries import CASH, FNO, SetAside
from portfolio.triggers import groww_fills, groww_replies
from portfolio.triggers.base import BrokerUnavailable, NotPermitted, UnexpectedReply

from .broker import a_reply
from .test_groww import NOT_LISTED, POSITION, Groww, an_order, failed, fills, order_row, paged, success, trade_row


def trade_list(*rows: str) -> str:
    return f'{{"status": "SUCCESS", "payload": {{"trade_list": [{", ".join(rows)}]}}}}'


@pytest.mark.parametrize("number", ["9e999999999", "-5", "1e30", "NaN", '"sNaN"'])
def test_a_quantity_that_cannot_be_right_neither_ends_nor_breaks_the_pages(number: str) -> None:
    odd = json.dumps(trade_row("odd")).replace('"quantity": 1', f'"quantity": {number}')
    pages = [trade_list(odd, odd.replace("odd", "odd2")), trade_list(json.dumps(trade_row("1", 10))), trade_list()]
    groww = Groww({"/order/trades/GMK1": lambda request: pages[int(request.query["page"])]})
    entries, aside = fills(groww, an_order())
    assert ([each.trade_id for each in entries], [each.subject for each in aside]) == (["1"], ["GMK1", "GMK1"])
    assert len(groww.asked) == 2


def test_a_fill_that_was_cancelled_does_not_end_the_pages() -> None:
    rows = [trade_row("1", 10, trade_status="CANCELLED"), trade_row("2", 10)]
    groww = Groww({"/order/trades/GMK1": paged(rows, 1, "trade_list")})
    entries, aside = fills(groww, an_order())
    assert [each.trade_id for each in entries] == ["2"]
    assert aside == [SetAside("trades", "GMK1", "a fill that was cancelled")]


def test_a_row_of_another_order_than_the_one_asked_for_is_set_aside_and_does_not_end_the_pages() -> None:
    rows = [trade_row("1", 10, groww_order_id="GMK2"), trade_row("2", 10)]
    groww = Groww({"/order/trades/GMK1": paged(rows, 1, "trade_list")})
    entries, aside = fills(groww, an_order())
    assert [each.trade_id for each in entries] == ["2"]
    assert aside == [SetAside("trades", "GMK2", "a fill of another order than GMK1, whose fills were asked for")]


LOST: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: failed(500, "GA000", "down"),
        BrokerUnavailable,
        "the broker answered 500, it is down or under maintenance",
    ),
    (lambda: failed(200, "GA000", "Internal error"), BrokerUnavailable, "Internal error"),
    (lambda: failed(400, "GA001", "Bad request"), UnexpectedReply, "Bad request"),
    (lambda: failed(403, "GA005", "Not allowed"), NotPermitted, "Not allowed"),
    (lambda: '{"status": "SUCCESS", "payload": {"trade_', UnexpectedReply, "the broker's answer is not JSON"),
]


@pytest.mark.parametrize(("answer", "kind", "words"), LOST)
@pytest.mark.parametrize("segment", [CASH, FNO])
def test_one_order_whose_fills_cannot_be_had_costs_the_others_nothing(
    answer: Callable[[], Any], kind: type[Exception], words: str, segment: str
) -> None:
    rows = {f"/order/trades/GMK{n}": success(trade_list=[trade_row("1", 10, groww_order_id=f"GMK{n}")]) for n in (1, 3)}
    groww = Groww(rows | {"/order/trades/GMK2": lambda _: answer()})
    lost = an_order("GMK2", segment=segment)
    entries, aside = fills(groww, an_order("GMK1"), lost, an_order("GMK3"))
    assert [each.order_id for each in entries] == ["GMK1", "GMK3"]
    assert [(row.section, row.subject, words in row.reason) for row in aside] == [("trades", "GMK2", True)]
    with pytest.raises(kind):
        fills(groww, lost)


def test_a_derivatives_order_is_made_up_for_when_only_rows_of_another_come() -> None:
    other = success(trade_list=[trade_row("1", 10, groww_order_id="GMK2", segment="FNO")])
    groww = Groww({"/order/trades/GMKFO1": other, "/order/trades/GMKFO2": failed(*NOT_LISTED)})
    entries, _ = fills(groww, an_order("GMKFO1", segment=FNO), an_order("GMKFO2", segment=FNO))
    assert [(each.order_id, each.is_synthesised) for each in entries] == [("GMKFO1", True), ("GMKFO2", True)]


TOO_LONG = [
    (name, rows, field, limit)
    for name, rows, fields in (
        ("holdings", {"trading_symbol": "WIPRO", "quantity": 5, "isin": "INE075A01022"}, {"trading_symbol": 64}),
        ("positions", POSITION, {"trading_symbol": 64, "exchange": 20, "segment": 20, "product": 64}),
        (
            "order_list",
            order_row(1),
            {
                **dict.fromkeys(("groww_order_id", "order_reference_id", "trading_symbol", "product"), 64),
                **dict.fromkeys(("order_type", "order_status", "validity", "amo_status"), 64),
                **dict.fromkeys(("exchange", "segment"), 20),
            },
        ),
        (
            "trade_list",
            trade_row("1"),
            {
                **dict.fromkeys(("trading_symbol", "product", "exchange_trade_id", "settlement_number"), 64),
                **dict.fromkeys(("exchange", "segment"), 20),
            },
        ),
    )
    for field, limit in fields.items()
]
PARSERS: dict[str, Any] = {
    "holdings": groww_replies.parse_holdings,
    "positions": groww_replies.parse_positions,
    "order_list": groww_replies.parse_orders,
    "trade_list": groww_fills.parse_trades,
}


@pytest.mark.parametrize(("name", "row", "field", "limit"), TOO_LONG, ids=[f"{e[0]}.{e[2]}" for e in TOO_LONG])
def test_a_text_that_its_column_cannot_keep_sets_the_row_aside(
    name: str, row: dict[str, Any], field: str, limit: int
) -> None:
    request = "GET /order/trades/GMK1?segment=CASH"
    for length, kept in ((limit, 1), (limit + 1, 0)):
        rows = [row | {field: "X" * length}]
        entries, aside = PARSERS[name]([a_reply(json.dumps(success(**{name: rows})), request)])
        reasons = [each.reason for each in aside]
        expected = [f"text of {limit + 1} characters where {limit} are allowed: {'X' * 20!r}..."]
        assert (len(entries), reasons) == (kept, [] if kept else expected)


def test_an_exchange_of_a_holding_that_cannot_be_kept_sets_it_aside() -> None:
    held = {"trading_symbol": "WIPRO", "quantity": 5, "tradable_exchanges": ["X" * 21]}
    entries, aside = groww_replies.parse_holdings([a_reply(json.dumps(success(holdings=[held])))])
    assert (entries, [each.subject for each in aside]) == ([], ["WIPRO"])
