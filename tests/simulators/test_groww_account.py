"""What a simulated Groww tells of an account, over HTTP."""

from datetime import datetime

from simulators.groww import groww_simulator
from simulators.investor import Investor
from simulators.market import IST, Market
from tests.simulators.asking import UCC, ask


def an_investor() -> Investor:
    investor = Investor(Market(), UCC)
    investor.start_with("TCS", 10, "3000.50")
    investor.play_until(datetime(2026, 10, 5, 11, 0, tzinfo=IST))
    return investor


def test_holdings_carry_every_documented_field_and_no_price() -> None:
    with groww_simulator([an_investor()]) as sim:
        assert ask(sim, "/holdings/user").payload == {
            "holdings": [
                {
                    "isin": "INE467B01029",
                    "trading_symbol": "TCS",
                    "quantity": 10,
                    "average_price": 3000.5,
                    "pledge_quantity": 0,
                    "demat_locked_quantity": 0,
                    "groww_locked_quantity": 0,
                    "repledge_quantity": 0,
                    "t1_quantity": 0,
                    "demat_free_quantity": 10,
                    "corporate_action_additional_quantity": 0,
                    "active_demat_transfer_quantity": 0,
                }
            ]
        }


def test_a_buy_of_today_is_an_order_with_trades_and_a_position_but_no_holding() -> None:
    investor = an_investor()
    investor.buy("SBIN", 4, "800.25")
    with groww_simulator([investor]) as sim:
        order = ask(sim, "/order/list?segment=CASH&page=0&page_size=100").payload["order_list"][0]
        trades = ask(sim, f"/order/trades/{order['groww_order_id']}?segment=CASH").payload["trade_list"]
        position = ask(sim, "/positions/user?segment=CASH").payload["positions"][0]
        holdings = ask(sim, "/holdings/user").payload["holdings"]
    assert (order["order_status"], order["filled_quantity"], order["average_fill_price"]) == (
        "DELIVERY_AWAITED",
        4,
        800.25,
    )
    assert [(trade["quantity"], trade["price"], trade["isin"]) for trade in trades] == [(4, 800.25, "INE062A01020")]
    assert (position["trading_symbol"], position["quantity"], position["credit_price"]) == ("SBIN", 4, 800.25)
    assert [holding["trading_symbol"] for holding in holdings] == ["TCS"]
