"""The account endpoints of Groww's Trading API: paths, parameters, paging, envelope, errors, limits.

As documented, bodies below /v1. Write endpoints do not exist here; asking for one is logged as an attempt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .groww_view import GrowwView, Row
from .market import settlement_number
from .orders import Order
from .stage import Refusal, Stage

SEGMENTS = ("CASH", "FNO", "COMMODITY")
FAMILIES = {"live": (10, 300), "non_trading": (20, 500)}
DEFAULT_PAGE, DEFAULT_TRADES_PAGE = 25, 50

# How the points that Groww does not settle are to be, and its hostile moods.
SWITCHES: dict[str, Any] = {
    "limits": True,
    "version_required": True,
    "subscription": True,
    "approved_today": True,
    "totp_single_use": False,
    "new_token_ends_old": False,
    "failures_with_200": False,
    "sales_lower_holdings_at_once": False,
    "t1_inside_quantity": False,
    "tradable_exchanges": False,
    "segment_in_positions": True,
    "realised_pnl": True,
    "positions_in_paise": False,
    "times": "naive",  # naive, z_literal, z_utc, offset
    "exchange_time": "given",  # given, null, absent
    "groww_trade_id": True,
    "numbers": "mixed",  # mixed, floats, strings
    "open_status": "OPEN",
    "ohlc": "string",  # string, object
    "page_size_limit": 100,
    "trades_page_size_limit": 50,
    "cash_only_without_segment": False,
    "empty_book_is_error": False,
    "fno_trades_404": False,
    "past_order_detail": False,
}


@dataclass(slots=True)
class Call:
    """One authorised request. `names` are the parts of the path; `repeat_page` is a fault: always the first page."""

    stage: Stage
    ucc: str
    view: GrowwView
    query: Mapping[str, str]
    lists: Callable[[str], list[str]]  # all values of a parameter that may be repeated
    names: Mapping[str, str]
    repeat_page: bool = False

    def switch(self, name: str) -> Any:
        return self.stage.switch(name, self.ucc)

    def segment(self, required: bool = False) -> str:
        segment = self.query.get("segment", "")
        if not segment and required:
            raise Refusal(400, "GA001", "segment is required")
        if segment and segment not in SEGMENTS:
            raise Refusal(400, "GA001", f"Invalid segment {segment}")
        return segment

    def page(self, default_size: int, limit: int) -> slice:
        """Zero-based; a size above the limit is clamped without a word."""
        try:
            number = int(self.query.get("page", 0))
            size = min(int(self.query.get("page_size", default_size)), limit)
        except ValueError:
            raise Refusal(400, "GA001", "page and page_size must be integers") from None
        if number < 0 or size < 1:
            raise Refusal(400, "GA001", "page must be 0 or more and page_size 1 or more")
        number = 0 if self.repeat_page else number
        return slice(number * size, (number + 1) * size)


def user_detail(call: Call) -> Row:
    return call.view.user()


def holdings(call: Call) -> Row:
    return {"holdings": call.view.holdings()}


def positions(call: Call) -> Row:
    rows = call.view.positions(call.segment())
    if not rows and call.switch("empty_book_is_error"):
        raise Refusal(404, "GA004", "No positions found for user")
    return {"positions": rows}


def positions_of_symbol(call: Call) -> Row:
    symbol = call.query.get("trading_symbol", "")
    if not symbol:
        raise Refusal(400, "GA001", "trading_symbol is required")
    return {"positions": call.view.positions(call.segment(), symbol)}


def order_list(call: Call) -> Row:
    segment = call.segment()
    if not segment and call.switch("cash_only_without_segment"):
        segment = "CASH"
    orders = call.view.orders(segment)
    if not orders and call.switch("empty_book_is_error"):
        raise Refusal(404, "GA004", "Data not found")
    limit = call.switch("page_size_limit")
    page = orders[call.page(DEFAULT_PAGE, limit)]
    return {"order_list": [call.view.order(order) for order in page]}


def _order(call: Call) -> Order:
    segment = call.segment(required=True)
    if "reference" in call.names:
        order = call.view.find_reference(call.names["reference"], segment)
    else:
        order = call.view.find_order(call.names["order_id"], segment)
    if order is None:
        raise Refusal(404, "GA004", "Order does not exist")
    return order


def order_detail(call: Call) -> Row:
    return call.view.order(_order(call))


def order_status(call: Call) -> Row:
    return call.view.order_state(_order(call))


def order_trades(call: Call) -> Row:
    order = _order(call)
    if order.instrument.segment == "FNO" and call.switch("fno_trades_404"):
        raise Refusal(404, "GA004", "Requested entity does not exist")
    page = order.fills[call.page(DEFAULT_TRADES_PAGE, call.switch("trades_page_size_limit"))]
    return {
        "trade_list": [call.view.trade(order, fill, settlement_number(fill.at.date())) for fill in page],
    }


def margins(call: Call) -> Row:
    return call.view.margins()


def smart_orders(call: Call) -> Row:
    return {"orders": []}


ACCOUNT_ENDPOINTS: dict[str, tuple[str, Callable[[Call], Row]]] = {
    "/user/detail": ("non_trading", user_detail),
    "/holdings/user": ("non_trading", holdings),
    "/positions/user": ("non_trading", positions),
    "/positions/trading-symbol": ("non_trading", positions_of_symbol),
    "/order/list": ("non_trading", order_list),
    "/order/detail/{order_id}": ("non_trading", order_detail),
    "/order/status/{order_id}": ("non_trading", order_status),
    "/order/status/reference/{reference}": ("non_trading", order_status),
    "/order/trades/{order_id}": ("non_trading", order_trades),
    "/margins/detail/user": ("non_trading", margins),
    "/order-advance/list": ("", smart_orders),
}
