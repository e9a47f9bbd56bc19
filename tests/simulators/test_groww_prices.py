"""Prices, candles and the instrument master of the simulated Groww."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest

from simulators.groww import GrowwSimulator, groww_simulator
from simulators.investor import Investor
from simulators.market import IST, CorporateAction, Market, previous_trading_day
from tests.simulators.asking import ask
from tests.simulators.build import UCC

NOON = datetime(2026, 10, 6, 12, 0, tzinfo=IST)


@pytest.fixture
def sim() -> Iterator[GrowwSimulator]:
    with groww_simulator([Investor(Market(), UCC)], NOON) as running:
        yield running


def test_symbols_may_be_joined_by_commas_or_repeated(sim: GrowwSimulator) -> None:
    joined = ask(sim, "/live-data/ltp?segment=CASH&exchange_symbols=NSE_TCS,BSE_SBIN").payload
    repeated = ask(sim, "/live-data/ltp?segment=CASH&exchange_symbols=NSE_TCS&exchange_symbols=BSE_SBIN").payload
    assert joined == repeated
    assert joined == {
        "NSE_TCS": float(sim.market.price("TCS", NOON)),
        "BSE_SBIN": float(sim.market.price("SBIN", NOON)),
    }


def test_one_bad_symbol_fails_them_all(sim: GrowwSimulator) -> None:
    answer = ask(sim, "/live-data/ltp?segment=CASH&exchange_symbols=NSE_TCS,NSE_NOTHING,BSE_SBIN")
    assert (answer.status, answer.json["error"]["code"]) == (400, "GA001")
    assert ask(sim, "/live-data/ltp?segment=FNO&exchange_symbols=NSE_TCS").status == 400
    assert ask(sim, "/live-data/ltp?segment=FNO&exchange_symbols=NSE_NIFTY26NOV25000CE").status == 200


def test_at_most_fifty_symbols_are_taken(sim: GrowwSimulator) -> None:
    keys = [f"NSE_{share.symbol.replace('&', '%26')}" for share in sim.market.shares(NOON.date())]
    assert len(ask(sim, f"/live-data/ltp?segment=CASH&exchange_symbols={','.join(keys[:50])}").payload) == 50
    for wrong in (keys[:51], []):
        assert ask(sim, f"/live-data/ltp?segment=CASH&exchange_symbols={','.join(wrong)}").status == 400


def test_ohlc_is_a_text_that_is_not_json_or_an_object(sim: GrowwSimulator) -> None:
    path = "/live-data/ohlc?segment=CASH&exchange_symbols=NSE_TCS"
    candle, close = sim.market.candle("TCS", NOON), sim.market.close("TCS", previous_trading_day(NOON.date()))
    assert ask(sim, path).payload == {
        "NSE_TCS": f"{{open: {candle.open},high: {candle.high},low: {candle.low},close: {close}}}"
    }
    sim.switch("ohlc", "object")
    assert ask(sim, path).payload["NSE_TCS"] == {
        "open": float(candle.open),
        "high": float(candle.high),
        "low": float(candle.low),
        "close": float(close),
    }


def test_after_the_close_ohlc_ends_at_the_close_of_the_day(sim: GrowwSimulator) -> None:
    sim.switch("ohlc", "object")
    sim.move_to("2026-10-06 16:05")
    close = ask(sim, "/live-data/ohlc?segment=CASH&exchange_symbols=NSE_TCS").payload["NSE_TCS"]["close"]
    assert close == float(sim.market.close("TCS", NOON.date()))


def test_a_quote_has_every_documented_field_and_its_time_in_milliseconds(sim: GrowwSimulator) -> None:
    payload = ask(sim, "/live-data/quote?segment=CASH&exchange=NSE&trading_symbol=TCS").payload
    assert len(payload) == 27
    assert payload["last_price"] == float(sim.market.price("TCS", NOON))
    assert payload["last_trade_time"] == NOON.timestamp() * 1000
    assert ask(sim, "/live-data/quote?segment=CASH&exchange=MCX&trading_symbol=TCS").status == 400


def test_daily_candles_run_to_the_present_and_not_beyond(sim: GrowwSimulator) -> None:
    span = "start_time=2026-10-01%2000:00:00&end_time=2026-10-30%2000:00:00&candle_interval=1day"
    rows = ask(sim, f"/historical/candles?exchange=NSE&segment=CASH&groww_symbol=NSE-TCS&{span}").payload["candles"]
    assert [row[0][:10] for row in rows] == ["2026-10-01", "2026-10-05", "2026-10-06"]
    day = sim.market.candle("TCS", datetime(2026, 10, 5, 15, 30, tzinfo=IST))
    assert rows[1][1:] == [float(day.open), float(day.high), float(day.low), float(day.close), day.volume, None]
    assert rows[2][4] == float(sim.market.price("TCS", NOON))


@pytest.mark.parametrize(
    "query",
    [
        "exchange=NSE&segment=CASH&groww_symbol=NSE-TCS&start_time=1&end_time=2&candle_interval=1minute",
        "exchange=NSE&segment=CASH&groww_symbol=NSE-NOTHING&start_time=1&end_time=2&candle_interval=1day",
        "exchange=NSE&segment=CASH&groww_symbol=NSE-TCS&start_time=1&end_time=soon&candle_interval=1day",
    ],
)
def test_candles_that_there_are_not_are_refused(sim: GrowwSimulator, query: str) -> None:
    assert ask(sim, f"/historical/candles?{query}").status == 400


def test_the_master_names_every_instrument_once_an_exchange_and_needs_no_login(sim: GrowwSimulator) -> None:
    text = ask(sim, "/instruments/instrument.csv", token="none", version="").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len({(row["exchange"], row["trading_symbol"]) for row in rows}) == len(rows)
    assert [row for row in rows if row["trading_symbol"] == "RELIANCE"] == [
        {
            "exchange": exchange,
            "exchange_token": token,
            "trading_symbol": "RELIANCE",
            "groww_symbol": f"{exchange}-RELIANCE",
            "name": "Reliance Industries",
            "instrument_type": "EQ",
            "segment": "CASH",
            "series": series,
            "isin": "INE002A01018",
            "underlying_symbol": "",
            "underlying_exchange_token": "",
            "expiry_date": "",
            "strike_price": "",
            "lot_size": "1",
            "tick_size": "0.05",
            "freeze_quantity": "",
            "is_reserved": "0",
            "buy_allowed": "1",
            "sell_allowed": "1",
        }
        for exchange, token, series in (("NSE", "2885", "EQ"), ("BSE", "500325", "A"))
    ]
    (option,) = [row for row in rows if row["trading_symbol"] == "NIFTY26NOV25000CE"]
    assert (option["segment"], option["underlying_symbol"], option["expiry_date"], option["strike_price"]) == (
        "FNO",
        "NIFTY",
        "2026-11-23",
        "25000",
    )


def test_the_master_of_a_day_knows_neither_expired_contracts_nor_old_isins(sim: GrowwSimulator) -> None:
    sim.market.announce(
        CorporateAction("split", "MARUTI", NOON.date().replace(day=7), old=1, new=5, new_isin="INE585B01028")
    )
    assert "INE585B01010" in ask(sim, "/instruments/instrument.csv").text
    sim.move_to("2026-10-28 09:00")
    text = ask(sim, "/instruments/instrument.csv").text
    assert "INE585B01028" in text and "INE585B01010" not in text and "26OCT" not in text


def test_prices_are_written_as_they_stand_on_the_tick(sim: GrowwSimulator) -> None:
    text = ask(sim, "/live-data/ltp?segment=CASH&exchange_symbols=NSE_YESBANK").text
    price = Decimal(text.rpartition(": ")[2].rstrip("}"))
    assert price == sim.market.price("YESBANK", NOON)
