# mypy: ignore-errors
"""Runs the official Groww client against the simulator; a script of its own environment, not a test.

Reads where to go from standard input as JSON, writes what the client understood as the last line of standard output.
The client's code stays as it is: requests to Groww's hosts go to the simulator, and its clock is the simulated one.
"""

import itertools
import json
import sys
import types
from typing import Any

import requests
from growwapi import GrowwAPI
from growwapi.groww import client as client_module

GROWW = "https://api.groww.in/v1"


def send_to_simulator(url: str) -> None:
    really_send = requests.Session.request

    def request(self: Any, method: str, asked: str, **options: Any) -> Any:
        if asked.startswith(GROWW):
            asked = url + asked.removeprefix(GROWW)
        if not asked.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"the client asks for {asked}")
        return really_send(self, method, asked, **options)

    requests.Session.request = lambda self, method, url, **options: request(self, method, url, **options)


def all_orders(groww: Any, segment: str) -> list[Any]:
    """The official client sends no page size, and a page only together with a segment."""
    pages = (groww.get_order_list(page=page, segment=segment)["order_list"] for page in itertools.count())
    return [order for page in itertools.takewhile(bool, pages) for order in page]


def ask_everything(groww: Any) -> dict[str, Any]:
    cash, fno = all_orders(groww, groww.SEGMENT_CASH), all_orders(groww, groww.SEGMENT_FNO)
    first = cash[0]["groww_order_id"]
    reference = cash[0]["order_reference_id"]
    candles = {"start_time": "2026-10-01 00:00:00", "end_time": "2026-10-05 23:59:59", "candle_interval": "1day"}
    filled = [(order, "CASH") for order in cash] + [(order, "FNO") for order in fno]
    return {
        "user": groww.get_user_profile(),
        "holdings": groww.get_holdings_for_user(timeout=5),
        "positions": groww.get_positions_for_user(),
        "fno_positions": groww.get_positions_for_user(segment="FNO"),
        "position_of_symbol": groww.get_position_for_trading_symbol("SBIN", "CASH"),
        "orders": cash,
        "fno_orders": fno,
        "orders_without_segment": groww.get_order_list(),
        "detail": groww.get_order_detail("CASH", first),
        "status": groww.get_order_status("CASH", first),
        "status_by_reference": groww.get_order_status_by_reference("CASH", reference),
        "trades": [
            groww.get_trade_list_for_order(order["groww_order_id"], segment)["trade_list"] for order, segment in filled
        ],
        "margins": groww.get_available_margin_details(),
        "ltp": groww.get_ltp(("NSE_TCS", "NSE_SBIN"), "CASH"),
        "ltp_of_text": groww.get_ltp("NSE_TCS,BSE_SBIN", "CASH"),
        "ohlc": groww.get_ohlc(("NSE_TCS", "NSE_SBIN"), "CASH"),
        "quote": groww.get_quote("TCS", "NSE", "CASH"),
        "candles": groww.get_historical_candles("NSE", "CASH", "NSE-TCS", **candles),
        "smart_orders": groww.get_smart_order_list(segment="CASH"),
        "instrument": groww.get_instrument_by_exchange_and_trading_symbol("NSE", "RELIANCE"),
        "instrument_count": len(groww.get_all_instruments()),
    }


def refusal(action: Any, *arguments: Any, **options: Any) -> list[str]:
    """[type, text] of the exception that the client makes of it."""
    try:
        action(*arguments, **options)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return []


def main() -> None:
    told = json.load(sys.stdin)
    send_to_simulator(told["url"])
    client_module.time = types.SimpleNamespace(time=lambda: told["now"])
    GrowwAPI.INSTRUMENT_CSV_URL = told["instruments_url"]
    totp_token = GrowwAPI.get_access_token(told["totp_token"], totp=told["totp"])
    approval_token = GrowwAPI.get_access_token(told["api_key"], secret=told["api_secret"])
    result = ask_everything(GrowwAPI(totp_token))
    result["user_by_approval"] = GrowwAPI(approval_token).get_user_profile()
    result["refusals"] = {
        "bad totp": refusal(GrowwAPI.get_access_token, told["totp_token"], totp="000000"),
        "short totp": refusal(GrowwAPI.get_access_token, told["totp_token"], totp="1"),
        "bad token": refusal(GrowwAPI("nonsense").get_holdings_for_user),
        "bad symbol": refusal(GrowwAPI(totp_token).get_ltp, ("NSE_TCS", "NSE_NOTHING"), "CASH"),
        "a trade": refusal(GrowwAPI(totp_token).cancel_order, "GMK1", "CASH"),
    }
    print(json.dumps(result))


main()
