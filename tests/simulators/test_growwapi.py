"""The official Groww client understands every answer of the simulated Groww."""

from datetime import datetime
from typing import Any

import pytest

from simulators.groww import groww_simulator
from simulators.groww_login import totp
from simulators.investor import Investor
from simulators.market import IST, Market
from simulators.orders import CARRY, INTRADAY
from tests.simulators import official
from tests.simulators.build import UCC


def an_investor() -> Investor:
    """Thirty cash orders, so that the client needs two pages, and one of each other kind."""
    investor = Investor(Market(), UCC)
    investor.start_with("TCS", 10, "3000.50")
    investor.play_until(datetime(2026, 10, 5, 11, 0, tzinfo=IST))
    for _ in range(28):
        investor.buy("SBIN", 2)
    investor.sell("TCS", 4)
    investor.buy("ITC", 5, product=INTRADAY)
    investor.buy("NIFTY26NOV25000CE", 65, product=CARRY)
    return investor


@pytest.fixture(scope="module")
def understood() -> dict[str, Any]:
    official.python_of("growwapi")
    with groww_simulator([an_investor()], limits=False) as sim:
        told = sim.credentials(UCC) | {"url": sim.url, "instruments_url": sim.instruments_url}
        told |= {"now": sim.now.timestamp(), "totp": totp(told["totp_seed"], sim.now)}
        found = official.session("growwapi", told)
    return found | {"cash": sim.investors[UCC].cash}


def test_both_ways_to_log_in_give_a_token_of_the_same_client(understood: dict[str, Any]) -> None:
    assert understood["user"]["ucc"] == UCC
    assert understood["user_by_approval"] == understood["user"]


def test_the_client_reads_holdings_and_positions(understood: dict[str, Any]) -> None:
    assert [(row["trading_symbol"], row["quantity"]) for row in understood["holdings"]["holdings"]] == [("TCS", 10)]
    net = {row["trading_symbol"]: row["quantity"] for row in understood["positions"]["positions"]}
    assert net == {"SBIN": 56, "TCS": -4, "ITC": 0, "NIFTY26NOV25000CE": 65}
    assert [row["segment"] for row in understood["fno_positions"]["positions"]] == ["FNO"]
    assert [row["quantity"] for row in understood["position_of_symbol"]["positions"]] == [56]


def test_the_client_reads_all_pages_of_orders_and_the_trades_of_each(understood: dict[str, Any]) -> None:
    assert len({order["groww_order_id"] for order in understood["orders"]}) == 31  # 30, and the broker's square off
    assert len(understood["fno_orders"]) == 1
    assert len(understood["orders_without_segment"]["order_list"]) == 25
    filled = [order["filled_quantity"] for order in understood["orders"] + understood["fno_orders"]]
    assert [sum(trade["quantity"] for trade in trades) for trades in understood["trades"]] == filled


def test_detail_and_status_agree_with_the_list(understood: dict[str, Any]) -> None:
    order = understood["orders"][0]
    assert understood["detail"] == order
    assert understood["status"] == {name: order[name] for name in understood["status"]}
    assert understood["status_by_reference"] == understood["status"]


def test_the_client_reads_cash_prices_and_instruments(understood: dict[str, Any]) -> None:
    market = Market()
    close = float(market.price("TCS", datetime(2026, 10, 5, 16, 5, tzinfo=IST)))
    assert understood["margins"]["clear_cash"] == float(understood["cash"])
    assert understood["ltp"]["NSE_TCS"] == understood["ltp_of_text"]["NSE_TCS"] == close
    assert set(understood["ohlc"]) == {"NSE_TCS", "NSE_SBIN"}
    assert understood["quote"]["last_price"] == close
    assert [row[0] for row in understood["candles"]["candles"]] == ["2026-10-01T00:00:00", "2026-10-05T00:00:00"]
    assert understood["candles"]["candles"][-1][4] == close
    assert understood["smart_orders"] == {"orders": []}
    assert understood["instrument"]["isin"] == "INE002A01018"
    assert understood["instrument_count"] > 140


def test_the_client_recognises_refusals(understood: dict[str, Any]) -> None:
    kinds = {name: told[0] for name, told in understood["refusals"].items()}
    assert kinds == {
        "bad totp": "GrowwAPIAuthenticationException",
        "short totp": "GrowwAPIException",
        "bad token": "GrowwAPIException",
        "bad symbol": "GrowwAPIException",
        "a trade": "GrowwAPIException",
    }
    assert "totp must be a text of six digits" in understood["refusals"]["short totp"][1]
