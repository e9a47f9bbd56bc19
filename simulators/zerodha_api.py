"""The endpoints of Kite Connect 3 that read an account, and its prices: parameters, errors, limits.

Write endpoints do not exist here; asking for one is logged as an attempt.
"""

import csv
import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from .market import TICK, Market, previous_trading_day
from .orders import Order
from .shares import Instrument
from .stage import Refusal, Stage
from .zerodha_forms import instrument_token, kite_exchange, moment, number
from .zerodha_money import margins, profile
from .zerodha_view import ZerodhaView

FAMILIES = {"quotes": (1, 60), "others": (10, 600)}
MOST_QUOTES, MOST_PRICES = 500, 1000
COLUMNS = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry", "strike", "tick_size",
    "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip

# How the points that Zerodha does not settle are to be, and its hostile moods.
SWITCHES: dict[str, Any] = {
    "limits": True,
    "paid_plan": False,
    "sales_lower_holdings_at_once": False,
    "opening_includes_pledged": True,
    "t1_inside_quantity": False,  # the meaning that an older edition of the documentation gave
    "sold_rows_stay": False,
    "exchange_flips": True,
    "order_id_digits": 19,
    "trail_starts_at": "PUT ORDER REQ RECEIVED",
    "amo_time": "entered",  # entered, sent
    "past_order_status": 400,
    "second_login": "new",  # new, same
    "request_token_minutes": 5,
    "refusals_without_kind": False,
    "cash": "opening",  # opening, live, zero
    "mtf": {},  # symbol: (units, rupees a unit)
    "series": {},  # symbol: series, such as BE
}


@dataclass(slots=True)
class Call:
    """One authorised request. `names` are the parts of the path; `keys` the values of `i`."""

    stage: Stage
    ucc: str
    view: ZerodhaView
    keys: list[str]
    names: Mapping[str, str]

    def switch(self, name: str) -> Any:
        return self.stage.switch(name, self.ucc)


def _order(call: Call) -> Order:
    order = call.view.find_order(call.names["order_id"])
    if order is None:
        raise Refusal(call.switch("past_order_status"), "GeneralException", "Couldn't find that `order_id`.")
    return order


def _listed(call: Call, most: int) -> list[tuple[str, Instrument]]:
    """(key, instrument) of each asked for. What is not known is left out, without a word."""
    if not call.switch("paid_plan"):
        raise Refusal(403, "PermissionException", "Insufficient permission for that call.")
    if not 0 < len(call.keys) <= most:
        raise Refusal(400, "InputException", f"`i` must name 1 to {most} instruments")
    day = call.stage.now.date()
    every = {
        f"{kite_exchange(each, exchange)}:{each.symbol}": each
        for each in call.stage.market.instruments(day)
        for exchange in each.exchanges
    }
    return [(key, every[key]) for key in call.keys if key in every]


def _price(call: Call, key: str, found: Instrument) -> dict[str, Any]:
    exchange = {"NFO": "NSE", "BFO": "BSE"}.get(key.partition(":")[0], key.partition(":")[0])
    price = number(call.stage.market.price(found.symbol, call.stage.now))
    return {"instrument_token": instrument_token(found, exchange), "last_price": price}


def _day(call: Call, found: Instrument) -> dict[str, Any]:
    """`close` is that of the trading day before."""
    market, now = call.stage.market, call.stage.now
    candle = market.candle(found.symbol, now)
    before = market.close(found.symbol, previous_trading_day(now.date()))
    prices = {"open": candle.open, "high": candle.high, "low": candle.low, "close": before}
    return {"ohlc": {name: number(price) for name, price in prices.items()}}


def last_prices(call: Call) -> Any:
    return {key: _price(call, key, found) for key, found in _listed(call, MOST_PRICES)}


def days(call: Call) -> Any:
    return {key: _price(call, key, found) | _day(call, found) for key, found in _listed(call, MOST_PRICES)}


def quotes(call: Call) -> Any:
    step = {"price": number(TICK), "quantity": 10, "orders": 1}
    return {
        key: _price(call, key, found)
        | _day(call, found)
        | {
            "timestamp": moment(call.stage.now),
            "last_trade_time": moment(call.stage.now),
            "last_quantity": 1,
            "buy_quantity": 50,
            "sell_quantity": 50,
            "volume": call.stage.market.candle(found.symbol, call.stage.now).volume,
            "average_price": 0,
            "oi": 0,
            "oi_day_high": 0,
            "oi_day_low": 0,
            "net_change": 0,
            "lower_circuit_limit": 0,
            "upper_circuit_limit": 0,
            "depth": {"buy": [step] * 5, "sell": [step] * 5},
        }
        for key, found in _listed(call, MOST_QUOTES)
    }


ENDPOINTS: dict[str, tuple[str, Callable[[Call], Any]]] = {
    "/user/profile": ("others", lambda call: profile(call.view.investor)),
    "/user/margins": ("others", lambda call: margins(call.view.investor, call.switch("cash"))),
    "/user/margins/{segment}": (
        "others",
        lambda call: margins(call.view.investor, call.switch("cash"))[call.names["segment"]],
    ),
    "/portfolio/holdings": ("others", lambda call: call.view.holdings()),
    "/portfolio/holdings/auctions": ("others", lambda call: []),
    "/portfolio/positions": ("others", lambda call: call.view.positions()),
    "/orders": ("others", lambda call: call.view.orders()),
    "/orders/{order_id}": ("others", lambda call: call.view.history(_order(call))),
    "/orders/{order_id}/trades": ("others", lambda call: call.view.trades([_order(call)])),
    "/trades": ("others", lambda call: call.view.trades()),
    "/mf/holdings": ("others", lambda call: []),
    "/mf/orders": ("others", lambda call: []),
    "/mf/sips": ("others", lambda call: []),
    "/quote/ltp": ("quotes", last_prices),
    "/quote/ohlc": ("quotes", days),
    "/quote": ("quotes", quotes),
}


def instrument_dump(market: Market, day: date, exchange: str = "") -> bytes:
    """The gzipped CSV of everything that trades on `day`, a line an exchange. It has no ISIN."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for instrument in market.instruments(day):
        for listed in instrument.exchanges:
            code = kite_exchange(instrument, listed)
            if exchange in ("", code) and not (instrument.expiry and instrument.expiry < day):
                rows.writerow(_dump_row(instrument, listed, code))
    return gzip.compress(out.getvalue().encode(), compresslevel=1)


def _dump_row(instrument: Instrument, listed: str, code: str) -> list[Any]:
    token = instrument_token(instrument, listed)
    kind = "EQ" if instrument.kind == "IDX" else instrument.kind
    segment = "INDICES" if instrument.kind == "IDX" else code
    if instrument.expiry:
        segment = f"{code}-{'FUT' if instrument.kind == 'FUT' else 'OPT'}"
    return [
        token, token >> 8, instrument.symbol, instrument.name, 0.0, instrument.expiry or "", float(instrument.strike),
        float(TICK), instrument.lot_size, kind, segment, code,
    ]  # fmt: skip
