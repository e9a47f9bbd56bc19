"""Holdings, positions and cash as the simulated Groww tells them."""

from datetime import datetime
from typing import Any

import pytest

from simulators.groww import GrowwSimulator, groww_simulator
from simulators.market import IST, Market
from simulators.orders import CARRY
from simulators.scripts import DAYS, demo_investors
from tests.simulators.asking import ask
from tests.simulators.build import an_investor


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


@pytest.mark.parametrize(("inside", "quantity"), [(False, 10), (True, 14)])
def test_unsettled_shares_stand_beside_the_quantity_or_inside_it(inside: bool, quantity: int) -> None:
    investor = an_investor()
    investor.pledge("TCS", 3)
    investor.repledge("TCS", 1)
    investor.lock("TCS", 2)
    investor.buy("TCS", 4)
    investor.play_until(datetime(2026, 10, 6, 10, 0, tzinfo=IST))
    with groww_simulator([investor], t1_inside_quantity=inside) as sim:
        (row,) = ask(sim, "/holdings/user").payload["holdings"]
    assert (row["quantity"], row["t1_quantity"]) == (quantity, 4)
    assert (row["demat_free_quantity"], row["demat_locked_quantity"]) == (5, 2)
    assert (row["pledge_quantity"], row["repledge_quantity"], row["groww_locked_quantity"]) == (2, 1, 0)


def test_a_sale_shows_as_locked_until_next_morning_or_is_gone_at_once() -> None:
    for at_once, quantity, locked in ((False, 10, 4), (True, 6, 0)):
        investor = an_investor()
        with groww_simulator([investor], investor.now, sales_lower_holdings_at_once=at_once) as sim:
            investor.sell("TCS", 4)
            (row,) = ask(sim, "/holdings/user").payload["holdings"]
            (position,) = ask(sim, "/positions/user").payload["positions"]
        assert (row["quantity"], row["groww_locked_quantity"]) == (quantity, locked)
        assert (position["quantity"], position["debit_quantity"]) == (-4, 4)


def test_the_exchanges_of_a_holding_are_told_only_when_switched_on() -> None:
    with groww_simulator([an_investor()], tradable_exchanges=True) as sim:
        assert ask(sim, "/holdings/user").payload["holdings"][0]["tradable_exchanges"] == ["NSE", "BSE"]


@pytest.mark.parametrize(
    ("form", "quantity", "average"), [("mixed", 10, 3000.5), ("floats", 10.0, 3000.5), ("strings", "10", "3000.5")]
)
def test_numbers_come_in_the_form_that_is_switched_on(form: str, quantity: Any, average: Any) -> None:
    with groww_simulator([an_investor()], numbers=form) as sim:
        text = ask(sim, "/holdings/user").text
    assert f'"quantity": {str(quantity) if form != "strings" else chr(34) + quantity + chr(34)},' in text
    assert f'"average_price": {average if form != "strings" else chr(34) + average + chr(34)},' in text


def test_a_position_carries_every_documented_field_and_no_last_price() -> None:
    investor = an_investor()
    investor.buy("SBIN", 4, "800.25")
    investor.sell("SBIN", 1, "801")
    with groww_simulator([investor]) as sim:
        assert ask(sim, "/positions/user?segment=CASH").payload["positions"] == [
            {
                "trading_symbol": "SBIN",
                "segment": "CASH",
                "credit_quantity": 4,
                "credit_price": 800.25,
                "debit_quantity": 1,
                "debit_price": 801,
                "carry_forward_credit_quantity": 0,
                "carry_forward_credit_price": 0,
                "carry_forward_debit_quantity": 0,
                "carry_forward_debit_price": 0,
                "exchange": "NSE",
                "symbol_isin": "INE062A01020",
                "quantity": 3,
                "product": "CNC",
                "net_carry_forward_quantity": 0,
                "net_price": 800.25,
                "net_carry_forward_price": 0,
                "realised_pnl": 0.75,
            }
        ]


def test_a_carried_contract_stands_in_its_segment_with_its_symbol_for_an_isin() -> None:
    investor = an_investor()
    investor.sell("RELIANCE26NOVFUT", 500, "1500", product=CARRY)
    investor.play_until(datetime(2026, 10, 6, 10, 0, tzinfo=IST))
    with groww_simulator([investor]) as sim:
        (row,) = ask(sim, "/positions/user?segment=FNO").payload["positions"]
        assert ask(sim, "/positions/user?segment=CASH").payload == {"positions": []}
        assert ask(sim, "/positions/user").payload["positions"] == [row]
        by_symbol = ask(sim, "/positions/trading-symbol?trading_symbol=RELIANCE26NOVFUT&segment=FNO").payload
    assert by_symbol == {"positions": [row]}
    assert (row["symbol_isin"], row["product"], row["quantity"]) == ("RELIANCE26NOVFUT", "NRML", -500)
    assert (row["carry_forward_debit_quantity"], row["carry_forward_debit_price"]) == (500, 1500)
    assert (row["carry_forward_credit_quantity"], row["net_carry_forward_quantity"]) == (0, -500)


def test_segment_and_gain_may_be_missing_from_positions() -> None:
    investor = an_investor()
    investor.buy("SBIN", 4)
    with groww_simulator([investor], segment_in_positions=False, realised_pnl=False) as sim:
        (row,) = ask(sim, "/positions/user").payload["positions"]
    assert "segment" not in row and "realised_pnl" not in row


def test_an_empty_book_is_an_empty_list_or_an_error() -> None:
    with groww_simulator([an_investor()]) as sim:
        assert ask(sim, "/positions/user").payload == {"positions": []}
        assert ask(sim, "/order/list").payload == {"order_list": []}
        sim.switch("empty_book_is_error", True)
        for path, message in (("/positions/user", "No positions found for user"), ("/order/list", "Data not found")):
            answer = ask(sim, path)
            assert (answer.status, answer.json["error"]["code"], answer.json["error"]["message"]) == (
                404,
                "GA004",
                message,
            )


def test_margins_have_every_documented_group() -> None:
    with groww_simulator([an_investor()]) as sim:
        payload = ask(sim, "/margins/detail/user").payload
    assert payload["clear_cash"] == 5_000_000
    assert {name: len(value) if isinstance(value, dict) else 1 for name, value in payload.items()} == {
        "clear_cash": 1,
        "net_margin_used": 1,
        "brokerage_and_charges": 1,
        "collateral_used": 1,
        "collateral_available": 1,
        "adhoc_margin": 1,
        "fno_margin_details": 6,
        "equity_margin_details": 5,
        "commodity_margin_details": 7,
    }


@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_told_each_evening_adds_up_to_what_is_owned(at_once: bool) -> None:
    """Holdings and unsettled, plus today's delivery positions, less sales that have left the holding already."""
    with groww_simulator(demo_investors(Market()), limits=False, sales_lower_holdings_at_once=at_once) as sim:
        for day in DAYS:
            sim.move_to(f"{day} 16:05")
            for ucc, investor in sim.investors.items():
                assert told_units(sim, ucc, at_once) == investor.owned, day


def told_units(sim: GrowwSimulator, ucc: str, at_once: bool) -> dict[str, int]:
    token = sim.credentials(ucc)["access_token"]
    holdings = ask(sim, "/holdings/user", token=token).payload["holdings"]
    positions = ask(sim, "/positions/user?segment=CASH", token=token).payload["positions"]
    units = {row["isin"]: row["quantity"] + row["t1_quantity"] for row in holdings}
    for row in positions:
        if row["product"] == "CNC":
            moved = row["credit_quantity"] if at_once else row["quantity"]
            units[row["symbol_isin"]] = units.get(row["symbol_isin"], 0) + moved
    return {isin: quantity for isin, quantity in units.items() if quantity}
