"""The work that is measured: what Groww answers for one account with 50 holdings, 10 positions and 50 orders.

30 of the 50 orders are filled, each with a fill of its own; the rest are open, cancelled or rejected. Made
from (account, day, variant), so that every variant of a day differs from the first in a twentieth of its rows.
"""

import asyncio
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ledger.entries import ZERO, Order
from ledger.normalise import IST
from portfolio.sync.capture import DAILY, Capture, Memory
from portfolio.sync.fetch import Lacking, fetch
from portfolio.triggers.base import Account, Answer, Credential, Reply
from portfolio.triggers.registry import get_trigger_for_code

HOLDINGS, POSITIONS, ORDERS, FILLED = 50, 10, 50, 30
UNITS = 10  # of each fill: those of the first ten orders are what the positions show
SHARES = 200  # in the market; each account holds some of them


def isin(share: int) -> str:
    return f"INE{share:06d}01{share % 10}"


def symbol(share: int) -> str:
    return f"SHARE{share:04d}"


@dataclass(frozen=True)
class Day:
    """One account on one trading day. `changed` is the share of rows that differ from the day's first answer."""

    account: int
    day: date
    changed: float = 0.0

    def shares(self) -> list[int]:
        return random.Random(self.account).sample(range(SHARES), HOLDINGS)

    def moves(self, kind: str, row: int, weight: float = 1.0) -> bool:
        return random.Random(f"{kind} {self.account} {row} {self.day}").random() < self.changed * weight

    def price(self, share: int) -> Decimal:
        chance = random.Random(f"{share} {self.day}")
        price = Decimal(chance.randrange(2_000, 500_000)) / 20
        moved = random.Random(f"price {share} {self.day}").random() < self.changed
        return price + Decimal("0.05") if moved else price

    def holdings(self) -> list[dict[str, Any]]:
        return [self._holding(row, share) for row, share in enumerate(self.shares())]

    def _holding(self, row: int, share: int) -> dict[str, Any]:
        quantity = 100 + row
        pledged = 10 if self.moves("holding", row) else 0
        return {
            "isin": isin(share), "trading_symbol": symbol(share), "quantity": quantity,
            "average_price": 100.5 + share, "pledge_quantity": pledged, "demat_locked_quantity": 0,
            "groww_locked_quantity": 0, "repledge_quantity": 0, "t1_quantity": 0,
            "demat_free_quantity": quantity - pledged, "corporate_action_additional_quantity": 0,
            "active_demat_transfer_quantity": 0, "tradable_exchanges": ["NSE", "BSE"],
        }  # fmt: skip

    def positions(self) -> list[dict[str, Any]]:
        return [self._position(row, share) for row, share in enumerate(self.shares()[:POSITIONS])]

    def _position(self, row: int, share: int) -> dict[str, Any]:
        price = 250.25 + row + self.day.toordinal() % 7
        return {
            "trading_symbol": symbol(share), "segment": "CASH", "exchange": "NSE", "symbol_isin": isin(share),
            "product": "MIS", "quantity": UNITS, "credit_quantity": UNITS, "credit_price": price,
            "debit_quantity": 0, "debit_price": 0, "carry_forward_credit_quantity": 0,
            "carry_forward_credit_price": 0, "carry_forward_debit_quantity": 0, "carry_forward_debit_price": 0,
            "net_price": price, "net_carry_forward_quantity": 0, "net_carry_forward_price": 0,
            "realised_pnl": 12.5 if self.moves("position", row) else 0,
        }  # fmt: skip

    def order_id(self, row: int) -> str:
        return f"GMK{self.account:06d}{self.day:%y%m%d}{row:05d}"

    def orders(self) -> list[dict[str, Any]]:
        return [self._order(row) for row in range(ORDERS)]

    def _order(self, row: int) -> dict[str, Any]:
        share = self.shares()[row % HOLDINGS]
        status = "EXECUTED" if row < FILLED else ("OPEN", "CANCELLED", "REJECTED")[row % 3]
        filled = UNITS if row < FILLED else 0
        modified = row >= FILLED and self.moves("order", row, ORDERS / (ORDERS - FILLED))
        stamp = f"{self.day}T{9 + row % 6:02d}:{row:02d}:30"
        return {
            "groww_order_id": self.order_id(row), "trading_symbol": symbol(share), "order_status": status,
            "remark": "Order placed successfully", "quantity": UNITS + modified, "price": 250.5 + row,
            "trigger_price": 0, "filled_quantity": filled, "remaining_quantity": UNITS + modified - filled,
            "average_fill_price": 250.25 + row if filled else 0, "deliverable_quantity": UNITS, "amo_status": "NA",
            "validity": "DAY", "exchange": "NSE", "order_type": "LIMIT", "transaction_type": "BUY",
            "segment": "CASH", "product": "MIS", "created_at": stamp, "exchange_time": stamp, "trade_date": stamp,
            "order_reference_id": f"Ab-{self.account:06d}-{row}",
        }  # fmt: skip

    def fills(self, row: int) -> list[dict[str, Any]]:
        order = self._order(row)
        return [{
            "price": order["average_fill_price"], "isin": isin(self.shares()[row % HOLDINGS]), "quantity": UNITS,
            "groww_order_id": order["groww_order_id"], "groww_trade_id": "",
            "exchange_trade_id": f"{self.account}{row:05d}",
            "exchange_order_id": f"11{self.account:08d}{row:06d}", "trade_status": "EXECUTED",
            "trading_symbol": order["trading_symbol"], "remark": "", "exchange": "NSE", "segment": "CASH",
            "product": "MIS", "transaction_type": "BUY", "created_at": order["created_at"],
            "trade_date_time": order["created_at"], "settlement_number": "2026200",
        }]  # fmt: skip

    def margins(self) -> dict[str, Any]:
        return {
            "clear_cash": 250000.75, "net_margin_used": 35000, "brokerage_and_charges": 200, "collateral_used": 3000,
            "collateral_available": 7000, "adhoc_margin": 1500,
            "equity_margin_details": {"cnc_balance_available": 9000, "net_equity_margin_used": 10000},
        }  # fmt: skip

    def answer(self, path: str, query: Mapping[str, list[str]]) -> Any:
        """The payload of one request."""
        is_first_page = query.get("page", ["0"]) == ["0"] and query.get("segment", ["CASH"]) == ["CASH"]
        if path == "/user/detail":
            return {"ucc": str(self.account), "vendor_user_id": "x", "active_segments": ["CASH", "FNO"]}
        if path == "/holdings/user":
            return {"holdings": self.holdings()}
        if path == "/positions/user":
            return {"positions": self.positions() if is_first_page else []}
        if path == "/order/list":
            return {"order_list": self.orders() if is_first_page else []}
        if path.startswith("/order/trades/"):
            return {"trade_list": self.fills(int(path[-5:])) if is_first_page else []}
        if path == "/margins/detail/user":
            return self.margins()
        if path == "/live-data/ltp":
            wanted = ",".join(query["exchange_symbols"]).split(",")
            return {key: float(self.price(int(key[-4:]))) for key in wanted}
        raise LookupError(path)

    def body(self, request: str) -> bytes:
        parts = urlsplit(request.split(" ", 1)[1])
        payload = self.answer(parts.path, parse_qs(parts.query))
        return json.dumps({"status": "SUCCESS", "payload": payload}).encode()


class MemoryClient:
    """An `HttpClient` that answers from memory: the replies are made before the clock is started."""

    def __init__(self, day: Day, at: datetime) -> None:
        self.day, self.at = day, at
        self.replies: list[Reply] = []

    def clock(self) -> datetime:
        return self.at

    async def get(
        self, path: str, *, params: Iterable[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> Reply:
        query = "&".join(f"{name}={value}" for name, value in params)
        request = f"GET {path}?{query}" if query else f"GET {path}"
        reply = Reply(request, 200, self.day.body(request), self.at, 12)
        self.replies.append(reply)
        return reply

    async def post(self, path: str, **_: Any) -> Reply:
        raise LookupError(path)

    async def get_instruments(self) -> Reply:
        raise LookupError("instruments")


class _Token:
    def get(self) -> str:
        return "token"

    async def put(self, token: str, expires_at: datetime) -> None:
        raise LookupError("no login here")


@dataclass
class Fetched:
    """All replies of one account's day, and how each section is read."""

    replies: list[Reply]
    answers: dict[str, Answer]
    lacking: Sequence[Order]
    absent: set[str]  # the sections that the broker does not offer

    def answers_unread(self) -> dict[str, Answer]:
        """As they come from the wire: nothing parsed yet."""
        return {name: Answer(answer.replies, answer.parse, answer.rows_at) for name, answer in self.answers.items()}


def evening(day: date) -> datetime:
    return datetime.combine(day, time(16, 5), IST).astimezone(UTC)


def fetched(day: Day, at: datetime, known: Mapping[str, Decimal] | None = None) -> Fetched:
    """Runs the real Groww trigger against memory. `known` are the fills that the book has, by order."""
    client = MemoryClient(day, at)
    trigger_class = get_trigger_for_code("GROWW")
    assert trigger_class is not None
    credential = Credential({"login_method": "token", "access_token": "token"})
    trigger = trigger_class(Account("", str(day.account), credential, at), client, _Token())
    capture: Any = _Scratch(str(day.account))

    async def keep(_: Capture, reply: Reply) -> None: ...

    async def lacking(_: Capture, orders: Sequence[Order]) -> Sequence[Order]:
        units = known or {}
        return [order for order in orders if units.get(order.order_id, ZERO) != order.filled_quantity]

    async def lacking_fills(_: Capture, orders: Sequence[Order]) -> tuple[Sequence[Order], Sequence[Order]]:
        return await lacking(_, orders), ()

    asyncio.run(fetch(capture, trigger, keep, Lacking(lacking_fills, lacking)))
    if capture.problems:
        raise LookupError(capture.problems)
    made = Fetched(client.replies, capture.answers, capture.lacking, capture.absent)
    made.answers = made.answers_unread()  # to know what to ask next, orders were read once
    return made


class _Scratch:
    """As much of a capture as `fetch` fills."""

    def __init__(self, client_id: str) -> None:
        self.client_id, self.sync_type = client_id, DAILY
        self.answers: dict[str, Answer] = {}
        self.absent: set[str] = set()
        self.metadata: dict[str, str] = {}
        self.lacking: Sequence[Order] = ()
        self.memory = Memory()
        self.problems: list[Any] = []
        self.replies: list[Any] = []

    def blame(self, *problem: str) -> None:
        self.problems.append(problem)


def known_after(day: Day) -> dict[str, Decimal]:
    return {day.order_id(row): Decimal(UNITS) for row in range(FILLED)}


def next_day(day: date) -> date:
    return day + timedelta(days=1)
