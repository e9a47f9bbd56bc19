"""Groww's price endpoints and its instrument master. Prices are rupees; nothing here depends on who asks."""

import csv
import io
from datetime import date, datetime, timedelta
from typing import Any

from .groww_api import Call
from .groww_view import Row
from .market import CLOSES, IST, TICK, Candle, Market, is_trading_day, previous_trading_day
from .shares import Instrument
from .stage import Refusal

MOST_SYMBOLS = 50
COLUMNS = (
    "exchange", "exchange_token", "trading_symbol", "groww_symbol", "name", "instrument_type", "segment", "series",
    "isin", "underlying_symbol", "underlying_exchange_token", "expiry_date", "strike_price", "lot_size", "tick_size",
    "freeze_quantity", "is_reserved", "buy_allowed", "sell_allowed",
)  # fmt: skip


def _symbols(call: Call) -> list[tuple[str, str]]:
    """(key, symbol) of each asked for. Joined by commas and repeated parameters both come; one bad one fails all."""
    segment = call.segment(required=True)
    joined = ",".join(call.lists("exchange_symbols"))
    keys = [key.strip() for key in joined.split(",") if key.strip()]
    if not 0 < len(keys) <= MOST_SYMBOLS:
        raise Refusal(400, "GA001", f"exchange_symbols must name 1 to {MOST_SYMBOLS} instruments")
    found = []
    for key in keys:
        exchange, _, symbol = key.partition("_")
        if not call.stage.market.has(symbol, exchange, segment):
            raise Refusal(400, "GA001", f"Invalid trading symbol {key}")
        found.append((key, symbol))
    return found


def last_prices(call: Call) -> Row:
    market, now = call.stage.market, call.stage.now
    return {key: call.view.number(market.price(symbol, now)) for key, symbol in _symbols(call)}


def day_candles(call: Call) -> Row:
    return {key: _ohlc(call, symbol) for key, symbol in _symbols(call)}


def _ohlc(call: Call, symbol: str) -> Any:
    """`close` is that of the day before while the session runs, and the day's own afterwards."""
    market, now = call.stage.market, call.stage.now
    candle = market.candle(symbol, now)
    is_running = is_trading_day(now.date()) and now.time() < CLOSES
    close = market.close(symbol, previous_trading_day(now.date())) if is_running else candle.close
    if call.switch("ohlc") == "object":
        number = call.view.number
        prices = {"open": candle.open, "high": candle.high, "low": candle.low, "close": close}
        return {name: number(price) for name, price in prices.items()}
    return f"{{open: {candle.open},high: {candle.high},low: {candle.low},close: {close}}}"


def _by_groww_symbol(call: Call, groww_symbol: str) -> Instrument:
    exchange, segment = call.query.get("exchange", ""), call.segment(required=True)
    for instrument in call.stage.market.instruments(call.stage.now.date()):
        is_listed = instrument.segment == segment and exchange in instrument.exchanges
        if is_listed and _groww_symbol(instrument, exchange) == groww_symbol:
            return instrument
    raise Refusal(400, "GA001", "Invalid groww symbol")


def _instrument(call: Call, symbol: str) -> Instrument:
    exchange, segment = call.query.get("exchange", ""), call.segment(required=True)
    if not call.stage.market.has(symbol, exchange, segment):
        raise Refusal(400, "GA001", "Invalid trading symbol")
    return call.stage.market.instrument(symbol, call.stage.now.date())


def quote(call: Call) -> Row:
    """One instrument in full; most fields of derivatives are null for shares."""
    symbol = _instrument(call, call.query.get("trading_symbol", "")).symbol
    market, now, number = call.stage.market, call.stage.now, call.view.number
    last, candle = market.price(symbol, now), market.candle(symbol, now)
    before = market.close(symbol, previous_trading_day(now.date()))
    return {
        "average_price": number((candle.high + candle.low) / 2),
        "bid_price": number(last - TICK),
        "bid_quantity": 10,
        "offer_price": number(last + TICK),
        "offer_quantity": 10,
        "day_change": number(last - before),
        "day_change_perc": number((last - before) * 100 / before),
        "upper_circuit_limit": number(before * 11 / 10 // TICK * TICK),
        "lower_circuit_limit": number(before * 9 / 10 // TICK * TICK),
        "ohlc": _ohlc(call, symbol),
        "depth": {
            "buy": [{"price": number(last - TICK * step), "quantity": 10 * step} for step in range(1, 6)],
            "sell": [{"price": number(last + TICK * step), "quantity": 10 * step} for step in range(1, 6)],
        },
        "high_trade_range": None,
        "low_trade_range": None,
        "implied_volatility": None,
        "last_price": number(last),
        "last_trade_quantity": 1,
        "last_trade_time": int(now.timestamp() * 1000),
        "market_cap": None,
        "open_interest": None,
        "previous_open_interest": None,
        "oi_day_change": None,
        "oi_day_change_percentage": None,
        "total_buy_quantity": 150,
        "total_sell_quantity": 150,
        "volume": candle.volume,
        "week_52_high": number(last * 5 / 4 // TICK * TICK),
        "week_52_low": number(last * 3 / 4 // TICK * TICK),
    }


def historical_candles(call: Call) -> Row:
    """Daily candles only; the running day's is as far as it has come."""
    if call.query.get("candle_interval") != "1day":
        raise Refusal(400, "GA001", "the simulator has daily candles only")
    instrument = _by_groww_symbol(call, call.query.get("groww_symbol", ""))
    first, last = _moment(call.query.get("start_time", "")), _moment(call.query.get("end_time", ""))
    day, rows = first.date(), []
    while day <= min(last, call.stage.now).date():
        if is_trading_day(day) and datetime.combine(day, datetime.min.time(), IST) < call.stage.now:
            rows.append(_candle_row(call, day, instrument))
        day += timedelta(days=1)
    return {"candles": rows, "closing_price": None, "start_time": f"{first:%Y-%m-%d %H:%M:%S}"}


def _candle_row(call: Call, day: date, instrument: Instrument) -> list[Any]:
    end = datetime.combine(day, CLOSES, IST)
    candle: Candle = call.stage.market.candle(instrument.symbol, min(end, call.stage.now))
    number = call.view.number
    prices = [number(price) for price in (candle.open, candle.high, candle.low, candle.close)]
    return [f"{day}T00:00:00", *prices, candle.volume, 0 if instrument.underlying else None]


def _moment(text: str) -> datetime:
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text), IST)
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=IST)
    except ValueError:
        raise Refusal(400, "GA001", "times must be yyyy-MM-dd HH:mm:ss or epoch seconds") from None


PRICE_ENDPOINTS = {
    "/live-data/ltp": ("live", last_prices),
    "/live-data/ohlc": ("live", day_candles),
    "/live-data/quote": ("live", quote),
    "/historical/candles": ("", historical_candles),
}


def instrument_master(market: Market, day: date) -> str:
    """The CSV of everything that trades on `day`, a line an exchange."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for instrument in market.instruments(day):
        if instrument.expiry and instrument.expiry < day:
            continue
        for exchange in instrument.exchanges:
            rows.writerow(_master_row(market, day, instrument, exchange))
    return out.getvalue()


def _master_row(market: Market, day: date, instrument: Instrument, exchange: str) -> list[Any]:
    underlying = market.instrument(instrument.underlying, day).token if instrument.underlying else ""
    tradable = 0 if instrument.kind == "IDX" else 1
    return [
        exchange,
        instrument.bse_code if exchange == "BSE" else instrument.token,
        instrument.symbol,
        _groww_symbol(instrument, exchange),
        instrument.name,
        instrument.kind,
        instrument.segment,
        ("EQ" if exchange == "NSE" else "A") if instrument.kind == "EQ" else "",
        instrument.isin,
        instrument.underlying,
        underlying,
        instrument.expiry or "",
        instrument.strike or "",
        instrument.lot_size,
        TICK,
        "",
        0,
        tradable,
        tradable,
    ]


def _groww_symbol(instrument: Instrument, exchange: str) -> str:
    if not instrument.expiry:
        return f"{exchange}-{instrument.symbol}"
    strike = f"-{instrument.strike}" if instrument.strike else ""
    return f"{exchange}-{instrument.underlying}-{instrument.expiry:%d%b%y}{strike}-{instrument.kind}"
