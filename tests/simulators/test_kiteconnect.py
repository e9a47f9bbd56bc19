"""The official Zerodha client understands every answer of the simulated Zerodha."""

from datetime import datetime
from typing import Any

import pytest

from simulators.investor import Investor
from simulators.market import IST, Market
from simulators.orders import CARRY, INTRADAY
from simulators.zerodha import request_token_in, zerodha_simulator
from tests.simulators import official
from tests.simulators.build import UCC


def an_investor() -> Investor:
    investor = Investor(Market(), UCC)
    investor.start_with("TCS", 10, "3000.50")
    investor.start_with("ITC", 40, "401.25")
    investor.pledge("ITC", 40)
    investor.play_until(datetime(2026, 10, 5, 11, 0, tzinfo=IST))
    order = investor.place("SBIN", "BUY", 6, price="2000")
    investor.fill(order, 2)
    investor.fill(order)
    investor.sell("TCS", 4)
    investor.buy("ITC", 5, product=INTRADAY)
    investor.buy("NIFTY26NOV25000CE", 65, product=CARRY)
    return investor


@pytest.fixture(scope="module", params=[False, True], ids=["free plan", "paid plan"])
def understood(request: pytest.FixtureRequest) -> dict[str, Any]:
    official.python_of("kiteconnect")
    with zerodha_simulator([an_investor()], limits=False, paid_plan=request.param, exchange_flips=False) as sim:
        told = sim.credentials(UCC) | {"url": sim.url, "paid_plan": request.param}
        found = official.session("kiteconnect", told | {"request_token": request_token_in(sim.log_in(UCC))})
    return found | {"told": told, "cash": float(sim.investors[UCC].cash)}


def test_the_login_opens_a_session_of_that_client(understood: dict[str, Any]) -> None:
    session, told = understood["session"], understood["told"]
    assert understood["login_url"] == f"https://kite.zerodha.com/connect/login?api_key={told['api_key']}&v=3"
    assert (session["user_id"], session["login_time"]) == (told["user_id"], "2026-10-05 16:05:00")
    assert understood["profile"]["user_id"] == told["user_id"]


def test_the_client_reads_holdings_and_positions(understood: dict[str, Any]) -> None:
    rows = {row["tradingsymbol"]: row for row in understood["holdings"]}
    assert {
        symbol: (row["quantity"], row["collateral_quantity"], row["used_quantity"]) for symbol, row in rows.items()
    } == {
        "TCS": (10, 0, 4),
        "ITC": (0, 40, 0),
    }
    assert rows["TCS"]["instrument_token"] == 11536 * 256 + 1
    nets = {(row["exchange"], row["tradingsymbol"]): row["quantity"] for row in understood["positions"]["net"]}
    assert nets == {
        ("NSE", "SBIN"): 6,
        ("NSE", "TCS"): -4,
        ("NSE", "ITC"): 0,
        ("NFO", "NIFTY26NOV25000CE"): 65,
    }
    assert understood["auctions"] == []


def test_the_client_reads_orders_their_trail_and_trades(understood: dict[str, Any]) -> None:
    first = understood["orders"][0]
    assert (first["status"], first["filled_quantity"], first["order_timestamp"]) == (
        "COMPLETE",
        6,
        "2026-10-05 11:00:00",
    )
    trail = [(row["status"], row["filled_quantity"]) for row in understood["history"]]
    assert trail == [
        ("PUT ORDER REQ RECEIVED", 0),
        ("VALIDATION PENDING", 0),
        ("OPEN PENDING", 0),
        ("OPEN", 0),
        ("OPEN", 2),
        ("COMPLETE", 6),
    ]
    assert [trade["quantity"] for trade in understood["order_trades"]] == [2, 4]
    assert understood["trades"][:2] == understood["order_trades"]
    assert understood["trades"][0]["fill_timestamp"] == "2026-10-05 11:00:00"
    assert understood["trades"][0]["order_timestamp"] == "11:00:00"


def test_the_client_reads_margins_and_the_instruments(understood: dict[str, Any]) -> None:
    equity = understood["equity"]
    assert understood["margins"]["equity"] == equity
    assert equity["net"] == equity["available"]["cash"] - equity["utilised"]["debits"]
    by_symbol = {(row["exchange"], row["tradingsymbol"]): row for row in understood["instruments"]}
    assert by_symbol["NSE", "RELIANCE"]["instrument_token"] == 738561
    assert {row["segment"] for row in understood["nfo"]} == {"NFO-FUT", "NFO-OPT"}
    assert understood["mf"] == [[], [], []]


def test_prices_are_for_the_paid_plan_and_unknown_symbols_are_left_out(understood: dict[str, Any]) -> None:
    if not understood["told"]["paid_plan"]:
        assert understood["refusals"]["free plan"] == ["PermissionException", "Insufficient permission for that call."]
        return
    close = float(Market().price("TCS", datetime(2026, 10, 5, 16, 5, tzinfo=IST)))
    assert {key: row["last_price"] == close for key, row in understood["ltp"].items()} == {
        "NSE:TCS": True,
        "BSE:SBIN": False,
    }
    assert set(understood["ohlc"]["NSE:TCS"]["ohlc"]) == {"open", "high", "low", "close"}
    assert len(understood["quote"]["NFO:NIFTY26NOV25000CE"]["depth"]["buy"]) == 5


def test_the_client_recognises_refusals(understood: dict[str, Any]) -> None:
    kinds = {name: told[0] for name, told in understood["refusals"].items() if told}
    kinds.pop("free plan", None)
    assert kinds == {
        "used request token": "TokenException",
        "bad token": "TokenException",
        "another day's order": "GeneralException",
        "a trade": "GeneralException",
        "logged out": "TokenException",
    }
