"""Zerodha's published samples, served by a small local server, by the whole pipeline into the book.

They are not part of this repository: they are looked for in the folder that ZERODHA_MOCKS names, else beside the clone
in `shared/brokers/zerodha-mocks`. Without them these tests are skipped. What is expected is read from the samples.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from django.conf import settings

from ledger.entries import Price
from ledger.normalise import IST
from portfolio import accounts, clock
from portfolio.models import BrokerAccount, FundsVersion, OrderVersion, RealHolding, RealPosition, Transaction
from portfolio.secret import Secret
from portfolio.sync.record import Result
from portfolio.triggers.base import Reply
from portfolio.triggers.limits import OF_THIS_PROCESS
from portfolio.triggers.zerodha import ZerodhaTrigger
from simulators.server import HOST, ServerThread
from tests import build

BESIDE = [parent / "shared/brokers/zerodha-mocks" for parent in Path(settings.BASE_DIR).parents]
FOUND = [Path(os.environ["ZERODHA_MOCKS"])] if "ZERODHA_MOCKS" in os.environ else [p for p in BESIDE if p.is_dir()]
pytestmark = [
    pytest.mark.database,
    pytest.mark.skipif(not FOUND, reason="Zerodha's samples are not here: set ZERODHA_MOCKS to their folder"),
]
PATHS = {"/user/profile": "profile", "/user/margins": "margins", "/portfolio/holdings": "holdings",
         "/portfolio/positions": "positions", "/orders": "orders", "/trades": "trades"}  # fmt: skip
SEGMENTS = {"NSE": ("NSE", "CASH"), "BSE": ("BSE", "CASH"), "NFO": ("NSE", "FNO"), "CDS": ("NSE", "CURRENCY"),
            "MCX": ("MCX", "COMMODITY")}  # fmt: skip
STATUSES = {"COMPLETE": "EXECUTED", "CANCELLED": "CANCELLED", "REJECTED": "REJECTED"}


def sample(name: str) -> Any:
    """What stands under `data`, every number as it is written."""
    return json.loads((FOUND[0] / f"{name}.json").read_text("utf-8"), parse_float=Decimal)["data"]


def refusal(kind: str, status: int) -> web.Response:
    return web.json_response({"status": "error", "message": "No.", "error_type": kind, "data": None}, status=status)


@contextmanager
def served(bodies: dict[str, bytes]) -> Iterator[str]:
    """The bodies by path; no other order has a trail, and quotes are not in the plan."""

    async def answer(request: web.Request) -> web.Response:
        if request.path in bodies:
            return web.Response(body=bodies[request.path], content_type="application/json")
        is_trail = request.path.startswith("/orders/")
        return refusal("GeneralException", 400) if is_trail else refusal("PermissionException", 403)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    thread = ServerThread(application)
    try:
        with OF_THIS_PROCESS.lifted():
            yield f"http://{HOST}:{thread.port}"
    finally:
        thread.stop()


def taken(more: dict[str, bytes] | None = None) -> tuple[BrokerAccount, Result]:
    """The account of the samples' client, after one evening."""
    bodies = {path: (FOUND[0] / f"{name}.json").read_bytes() for path, name in PATHS.items()} | (more or {})
    account = accounts.connect(
        portfolio=build.a_portfolio(), broker="ZERODHA", account_id=sample("profile")["user_id"],
        login_method="browser", credentials={"api_key": "a key", "api_secret": "a secret"},
    )  # fmt: skip
    next_year = clock.now().replace(year=clock.now().year + 1)
    accounts.store_tokens([accounts.NewToken(str(account.pk), Secret("a token"), next_year)])
    with served(bodies) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZERODHA_API_URL", url)
        account.refresh_from_db()
        (result,) = build.synced(account)
    return account, result


def number(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def known(value: Any) -> Decimal | None:
    """A price; 0 is how Zerodha says that there is none."""
    return number(value) or None


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).replace(tzinfo=IST) if text else None


def columns(rows: Any, *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(getattr(row, name) for name in names) for row in rows), key=repr)


def wanted(rows: Any) -> list[tuple[Any, ...]]:
    return sorted(rows, key=repr)


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Compared by value: 1 and 1.0000 are the same number."""
    return wanted(
        tuple(f"{value.normalize():f}" if isinstance(value, Decimal) else
              value.astimezone(IST) if isinstance(value, datetime) else value for value in row)
        for row in rows
    )  # fmt: skip


def test_every_holding_is_kept_as_it_is_published() -> None:
    account, _ = taken()
    lots: list[tuple[Any, ...]] = []
    for row in sample("holdings"):
        names = (row["tradingsymbol"], row["isin"])
        owned = number(row["quantity"]) + number(row["t1_quantity"]) + number(row["collateral_quantity"])
        quantity, used, none = number(row["quantity"]), number(row["used_quantity"]), number(0)
        lots.append((*names, "DELIVERY", row["exchange"], quantity, owned, quantity - used, used,
                     number(row["t1_quantity"]), number(row["collateral_quantity"]), none, none, "",
                     known(row["average_price"]), known(row["last_price"])))  # fmt: skip
        if row["mtf"]["quantity"]:
            funded, used = number(row["mtf"]["quantity"]), number(row["mtf"]["used_quantity"])
            lots.append((*names, "MTF", row["exchange"], funded, funded, funded - used, used, *[none] * 4, "",
                         known(row["mtf"]["average_price"]), known(row["last_price"])))  # fmt: skip
    kept = columns(
        RealHolding.objects.filter(broker_account=account), "symbol", "isin", "lot", "exchange", "quantity",
        "owned_quantity", "free_quantity", "groww_locked_quantity", "t1_quantity", "pledge_quantity",
        "repledge_quantity", "demat_locked_quantity", "doubt", "average_price", "current_price",
    )  # fmt: skip
    assert plain(kept) == plain(lots)


def test_every_net_position_is_kept_as_it_is_published_and_the_days_are_not_added() -> None:
    """A share has one price a day: where one is held too, the one that its holding tells. These samples are of years
    that lie apart."""
    account, _ = taken()
    held = {row["tradingsymbol"]: known(row["last_price"]) for row in sample("holdings")}
    rows = [
        (row["tradingsymbol"], *SEGMENTS[row["exchange"]], row["product"], number(row["quantity"]),
         number(row["day_buy_quantity"]), number(row["day_buy_price"]), number(row["day_sell_quantity"]),
         number(row["day_sell_price"]), *carried(row), None, "", number(row["multiplier"]), known(row["average_price"]),
         held.get(row["tradingsymbol"], known(row["last_price"])))
        for row in sample("positions")["net"]
    ]  # fmt: skip
    kept = columns(
        RealPosition.objects.filter(broker_account=account), "symbol", "exchange", "segment", "product", "quantity",
        "credit_quantity", "credit_price", "debit_quantity", "debit_price", "carry_forward_credit_quantity",
        "carry_forward_credit_price", "carry_forward_debit_quantity", "carry_forward_debit_price", "realised_pnl",
        "isin", "multiplier", "average_price", "current_price",
    )  # fmt: skip
    assert plain(kept) == plain(rows)


def carried(row: dict[str, Any]) -> tuple[Decimal, ...]:
    """Units and price of what was open overnight, bought and sold: the part of the whole that is not the day's."""
    nothing = number(0), number(0)
    units = number(row["overnight_quantity"])
    side = "buy" if units > 0 else "sell"
    value = number(row[f"{side}_value"]) - number(row[f"day_{side}_value"])
    pair = (abs(units), value / abs(units) / number(row["multiplier"])) if units else nothing
    return (*pair, *nothing) if units >= 0 else (*nothing, *pair)


def order_row(row: dict[str, Any]) -> tuple[Any, ...]:
    changed = [instant(row[name]) for name in ("order_timestamp", "exchange_update_timestamp") if row.get(name)]
    return (
        row["order_id"], row["tradingsymbol"], *SEGMENTS[row["exchange"]], row["product"],
        row["order_type"].replace("-", "_"), row["transaction_type"], number(row["quantity"]),
        number(row["filled_quantity"]), number(row["quantity"]) - number(row["filled_quantity"]), known(row["price"]),
        known(row["trigger_price"]), row["validity"], row["status"], known(row["average_price"]),
        instant(row["exchange_timestamp"]), max(each for each in changed if each),
        row.get("tag") or ",".join(row.get("tags") or ()), "PLACED" if row["variety"] == "amo" else "NA",
        "", None, None, (instant(row["order_timestamp"]) or clock.now()).date(),
    )  # fmt: skip


ORDER_COLUMNS = (
    "groww_order_id", "symbol", "exchange", "segment", "product", "order_type", "transaction_type", "quantity",
    "filled_quantity", "remaining_quantity", "price", "trigger_price", "validity", "status_raw", "average_fill_price",
    "exchange_time", "changed_at", "order_reference_id", "amo_status", "isin", "deliverable_quantity", "trade_date",
    "order_date",
)  # fmt: skip


def test_every_order_is_kept_as_it_is_published() -> None:
    account, _ = taken()
    kept = OrderVersion.objects.filter(broker_account=account)
    assert plain(columns(kept, *ORDER_COLUMNS)) == plain([order_row(row) for row in sample("orders")])
    assert {row.groww_order_id: row.order_status for row in kept} == {
        row["order_id"]: STATUSES[row["status"]] for row in sample("orders")
    }
    assert {row.groww_order_id: row.created_at for row in kept} == {
        row["order_id"]: instant(row["order_timestamp"]) for row in sample("orders")
    }
    told = {row["order_id"]: row["status_message"] for row in sample("orders") if row["status_message"]}
    assert {row.groww_order_id: row.remark for row in kept if row.remark} == told


def test_every_fill_is_kept_as_it_is_published() -> None:
    """Orders and trades are samples of two accounts, and one made-up number stands in both: that order is left out."""
    orders = json.loads((FOUND[0] / "orders.json").read_bytes())
    filled = {row["order_id"] for row in sample("trades")}
    orders["data"] = [row for row in orders["data"] if row["order_id"] not in filled]
    account, _ = taken({"/orders": json.dumps(orders).encode()})
    rows = [
        (row["order_id"], f"{SEGMENTS[row['exchange']][0]}:{row['fill_timestamp'][:10]}:{row['trade_id']}",
         row["tradingsymbol"], *SEGMENTS[row["exchange"]], row["product"], row["transaction_type"],
         number(row["quantity"]), number(row["average_price"]), instant(row["fill_timestamp"]),
         row["fill_timestamp"][:10], row["exchange"] in ("NSE", "BSE") and row["product"] == "CNC", "", "")
        for row in sample("trades")
    ]  # fmt: skip
    kept = [
        (fill.groww_order_id, fill.source_id.rsplit(":", 2)[0], fill.symbol, fill.exchange, fill.segment, fill.product,
         fill.transaction_type, fill.quantity, fill.price, fill.executed_at, f"{fill.trade_date}", fill.is_delivery,
         fill.settlement_number, fill.isin)
        for fill in Transaction.objects.current().filter(broker_account=account)
    ]  # fmt: skip
    assert plain(kept) == plain(rows)


def test_a_fill_of_the_other_side_than_its_order_is_set_aside_and_told() -> None:
    """What the made-up number that two samples share amounts to."""
    account, result = taken()
    told = [each.message for each in result.capture.problems if each.kind == "set_aside"]
    assert told == ["USDINR21JUNFUT: a fill to BUY of an order to SELL"]
    assert (result.status, Transaction.objects.filter(broker_account=account).count()) == ("PARTIAL", 3)


@pytest.mark.parametrize("name", ["margins", "margins_noturnover"])
def test_the_funds_of_shares_are_kept_as_they_are_published(name: str) -> None:
    account, _ = taken({"/user/margins": (FOUND[0] / f"{name}.json").read_bytes()})
    equity = sample(name)["equity"]
    kept = FundsVersion.objects.get(broker_account=account)
    figures = (kept.cash_balance, kept.margin_used, kept.margin_available, kept.collateral)
    available = equity["available"]
    assert figures == (
        available["cash"], equity["utilised"]["debits"], round(equity["net"], 6), available["collateral"],
    )  # fmt: skip
    assert (kept.currency, kept.is_derived) == ("INR", False)


def test_a_price_is_read_as_it_is_published() -> None:
    """Nothing that the samples hold is quoted in one, so it is read outside of the pipeline."""
    reply = Reply("GET /quote/ltp?i=NSE:INFY", 200, (FOUND[0] / "ltp.json").read_bytes(), clock.now())
    told = sample("ltp")["NSE:INFY"]["last_price"]
    assert ZerodhaTrigger.parse_prices([reply]) == ([Price("INFY", "NSE", "CASH", round(Decimal(told), 8))], [])


def test_every_state_of_the_published_trail_is_a_version_at_its_own_time() -> None:
    """The list shows an order as its trail ends."""
    trail = sample("order_info")
    listed = json.loads((FOUND[0] / "order_info.json").read_bytes())
    listed["data"] = listed["data"][-1:]
    account, _ = taken({
        "/orders": json.dumps(listed).encode(), "/trades": b'{"status": "success", "data": []}',
        f"/orders/{trail[0]['order_id']}": (FOUND[0] / "order_info.json").read_bytes(),
    })  # fmt: skip
    kept = OrderVersion.objects.filter(broker_account=account).order_by("version")
    assert [(row.status_raw, row.changed_at, row.price) for row in kept] == [
        (row["status"], instant(row["order_timestamp"]), known(row["price"])) for row in trail
    ]
    assert {row.created_at for row in kept} == {instant(trail[0]["order_timestamp"])}
