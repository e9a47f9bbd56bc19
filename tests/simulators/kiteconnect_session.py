# mypy: ignore-errors
"""Runs the official Zerodha client against the simulator; a script of its own environment, not a test.

Reads where to go from standard input as JSON, writes what the client understood as the last line of standard output.
The client takes the address of its server itself, so its code stays as it is.
"""

import json
import sys
from typing import Any

from kiteconnect import KiteConnect


def ask_everything(kite: Any) -> dict[str, Any]:
    orders = kite.orders()
    first = orders[0]["order_id"]
    return {
        "profile": kite.profile(),
        "margins": kite.margins(),
        "equity": kite.margins("equity"),
        "holdings": kite.holdings(),
        "auctions": kite.get_auction_instruments(),
        "positions": kite.positions(),
        "orders": orders,
        "history": kite.order_history(first),
        "trades": kite.trades(),
        "order_trades": kite.order_trades(first),
        "instruments": kite.instruments(),
        "nfo": kite.instruments("NFO"),
        "mf": [kite.mf_holdings(), kite.mf_orders(), kite.mf_sips()],
    }


def ask_prices(kite: Any) -> dict[str, Any]:
    return {
        "ltp": kite.ltp("NSE:TCS", "BSE:SBIN", "NSE:NOTHING"),
        "ohlc": kite.ohlc(["NSE:TCS"]),
        "quote": kite.quote("NFO:NIFTY26NOV25000CE"),
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
    kite = KiteConnect(told["api_key"], root=told["url"])
    result = {
        "login_url": kite.login_url(),
        "session": kite.generate_session(told["request_token"], told["api_secret"]),
    }
    result |= ask_everything(kite)
    if told["paid_plan"]:
        result |= ask_prices(kite)
    stranger = KiteConnect(told["api_key"], access_token="nonsense", root=told["url"])
    result["refusals"] = {
        "used request token": refusal(kite.generate_session, told["request_token"], told["api_secret"]),
        "bad token": refusal(stranger.holdings),
        "another day's order": refusal(kite.order_history, "171229000724687"),
        "free plan": [] if told["paid_plan"] else refusal(kite.ltp, "NSE:TCS"),
        "a trade": refusal(kite.cancel_order, "regular", "1"),
    }
    result["logout"] = kite.invalidate_access_token()
    result["refusals"]["logged out"] = refusal(kite.holdings)
    print(json.dumps(result, default=str))


main()
