"""What a simulated Groww tells of an account, over HTTP."""

from datetime import datetime
from typing import Any

import pytest

from simulators.groww import GrowwSimulator, groww_simulator
from simulators.investor import Investor
from simulators.limits import Limits
from simulators.market import IST, Market
from simulators.orders import BUY, CARRY, INTRADAY, SL
from simulators.scripts import DAYS, demo_investors
from tests.simulators.asking import UCC, ask, control


def an_investor() -> Investor:
    """Owns 10 TCS at 3000.50, and stands on Monday 5 October 2026 at 11:00."""
    investor = Investor(Market(), UCC)
    investor.start_with("TCS", 10, "3000.50")
    investor.play_until(datetime(2026, 10, 5, 11, 0, tzinfo=IST))
    return investor


def orders_of(sim: GrowwSimulator, query: str = "segment=CASH&page=0&page_size=100") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(sim, f"/order/list?{query}").payload["order_list"]
    return found


def trades_of(sim: GrowwSimulator, order: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    path = f"/order/trades/{order['groww_order_id']}?segment={order['segment']}{query}"
    found: list[dict[str, Any]] = ask(sim, path).payload["trade_list"]
    return found


# Holdings


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


# Positions


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


# Orders and trades


def test_an_order_carries_every_documented_field_and_no_isin() -> None:
    investor = an_investor()
    order = investor.place("SBIN", BUY, 10, price="801", reference="Ab-654321234-1628190")
    investor.fill(order, 4, "800.5")
    with groww_simulator([investor], investor.now) as sim:
        (row,) = orders_of(sim)
    order_id = row.pop("groww_order_id")
    assert order_id[:15] == "GMK261005110000" and len(order_id) == 22
    assert row == {
        "trading_symbol": "SBIN",
        "order_status": "OPEN",
        "remark": "Order placed successfully",
        "quantity": 10,
        "price": 801,
        "trigger_price": 0,
        "filled_quantity": 4,
        "remaining_quantity": 6,
        "average_fill_price": 800.5,
        "deliverable_quantity": 4,
        "amo_status": "NA",
        "validity": "DAY",
        "exchange": "NSE",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "segment": "CASH",
        "product": "CNC",
        "created_at": "2026-10-05T11:00:00",
        "exchange_time": "2026-10-05T11:00:00",
        "trade_date": "2026-10-05T11:00:00",
        "order_reference_id": "Ab-654321234-1628190",
    }


def test_a_trade_carries_every_documented_field() -> None:
    investor = an_investor()
    investor.buy("SBIN", 4, "800.25")
    with groww_simulator([investor], investor.now) as sim:
        (order,) = orders_of(sim)
        (trade,) = trades_of(sim, order)
    assert trade.pop("exchange_trade_id")[:8] == "20261005"
    assert trade.pop("exchange_order_id")[:2] == "11"
    assert trade.pop("groww_trade_id") != ""
    assert trade == {
        "price": 800.25,
        "isin": "INE062A01020",
        "quantity": 4,
        "groww_order_id": order["groww_order_id"],
        "trade_status": "DELIVERY_AWAITED",
        "trading_symbol": "SBIN",
        "remark": "",
        "exchange": "NSE",
        "segment": "CASH",
        "product": "CNC",
        "transaction_type": "BUY",
        "created_at": "2026-10-05T11:00:00",
        "trade_date_time": "2026-10-05T11:00:00",
        "settlement_number": "2026187",
    }


def test_each_state_has_groww_s_word() -> None:
    investor = an_investor()
    investor.buy("SBIN", 1)
    investor.buy("ITC", 1, product=INTRADAY)
    investor.sell("TCS", 1)
    investor.place("SBIN", BUY, 1, price="700")
    investor.place("SBIN", BUY, 1, price="900", trigger_price="890", order_type=SL)
    investor.cancel(investor.place("SBIN", BUY, 1, price="700"))
    investor.sell("TCS", 99)
    with groww_simulator([investor], investor.now) as sim:
        words = [order["order_status"] for order in orders_of(sim)]
        sim.switch("open_status", "ACKED")
        assert orders_of(sim)[3]["order_status"] == "ACKED"
    assert words == [
        "REJECTED", "CANCELLED", "TRIGGER_PENDING", "OPEN", "EXECUTED", "EXECUTED", "DELIVERY_AWAITED",
    ]  # fmt: skip


def test_a_rejected_order_never_reached_the_exchange_and_says_why() -> None:
    investor = an_investor()
    investor.sell("TCS", 99)
    with groww_simulator([investor]) as sim:
        (row,) = orders_of(sim)
    assert (row["exchange_time"], row["remark"]) == (None, "Insufficient holdings for the order")


def test_an_after_market_order_has_one_id_in_two_days_books() -> None:
    with groww_simulator([an_investor()]) as sim:
        sim.move_to("2026-10-05 18:00")
        sim.investors[UCC].place("SBIN", BUY, 5)
        (evening,) = orders_of(sim)
        sim.move_to("2026-10-06 16:05")
        (next_day,) = orders_of(sim)
        sim.move_to("2026-10-07 16:05")
        assert orders_of(sim) == []
    assert (evening["order_status"], evening["amo_status"], evening["exchange_time"]) == ("APPROVED", "PENDING", None)
    assert (next_day["order_status"], next_day["amo_status"]) == ("DELIVERY_AWAITED", "PLACED")
    assert next_day["exchange_time"] == "2026-10-06T09:15:00"
    assert next_day["groww_order_id"] == evening["groww_order_id"]


def test_two_looks_at_a_day_see_two_states_of_one_order() -> None:
    (first, _) = demo_investors(Market())
    with groww_simulator([first], datetime(2026, 10, 5, 11, 0, tzinfo=IST)) as sim:
        token = sim.credentials(first.ucc)["access_token"]

        def look() -> tuple[str, int, int]:
            rows = ask(sim, "/order/list?segment=CASH&page_size=100", token=token).payload["order_list"]
            (row,) = [row for row in rows if row["trading_symbol"] == "SBIN"]
            return row["order_status"], row["filled_quantity"], row["remaining_quantity"]

        assert look() == ("OPEN", 40, 60)
        sim.move_to("2026-10-05 16:05")
        assert look() == ("DELIVERY_AWAITED", 100, 0)


def test_orders_are_paged_from_zero_clamped_and_empty_beyond_the_end() -> None:
    (_, second) = demo_investors(Market())
    with groww_simulator([second], datetime.combine(DAYS[5], datetime.max.time(), IST)) as sim:
        token = sim.credentials(second.ucc)["access_token"]

        def page(number: int, size: int | None) -> list[str]:
            query = f"segment=CASH&page={number}" + (f"&page_size={size}" if size else "")
            rows = ask(sim, f"/order/list?{query}", token=token).payload["order_list"]
            return [row["groww_order_id"] for row in rows]

        every = [order_id for number in range(6) for order_id in page(number, None)]
        assert len(set(every)) == len(every) == 133
        assert [len(page(number, 500)) for number in range(3)] == [100, 33, 0]
        assert page(0, 100) + page(1, 100) == every
        sim.switch("page_size_limit", 25)
        assert [len(page(number, 100)) for number in range(7)] == [25, 25, 25, 25, 25, 8, 0]


@pytest.mark.parametrize("query", ["page=-1", "page=x", "page_size=0", "segment=SHARES"])
def test_a_parameter_that_makes_no_sense_is_refused(query: str) -> None:
    with groww_simulator([an_investor()]) as sim:
        answer = ask(sim, f"/order/list?{query}")
        assert (answer.status, answer.json["error"]["code"]) == (400, "GA001")


def test_without_a_segment_all_orders_come_or_those_in_shares_alone() -> None:
    investor = an_investor()
    investor.buy("SBIN", 1)
    investor.buy("NIFTY26NOV25000CE", 65, product=CARRY)
    with groww_simulator([investor]) as sim:
        assert [row["segment"] for row in orders_of(sim, "page=0")] == ["FNO", "CASH"]
        sim.switch("cash_only_without_segment", True)
        assert [row["segment"] for row in orders_of(sim, "page=0")] == ["CASH"]


def test_trades_are_paged_and_clamped_to_fifty() -> None:
    investor = an_investor()
    order = investor.place("ITC", BUY, 120, price="400")
    for _ in range(60):
        investor.fill(order, 2)
    with groww_simulator([investor]) as sim:
        (row,) = orders_of(sim)
        pages = [trades_of(sim, row, f"&page={number}&page_size=100") for number in range(3)]
    assert [len(page) for page in pages] == [50, 10, 0]
    assert len({trade["exchange_trade_id"] for page in pages for trade in page}) == 60


def test_detail_and_status_need_the_segment_and_know_only_today() -> None:
    investor = an_investor()
    investor.buy("SBIN", 1)
    with groww_simulator([investor]) as sim:
        (row,) = orders_of(sim)
        order_id, reference = row["groww_order_id"], row["order_reference_id"]
        state = {name: row[name] for name in ("groww_order_id", "order_status", "remark", "filled_quantity")}
        state["order_reference_id"] = reference
        assert ask(sim, f"/order/detail/{order_id}?segment=CASH").payload == row
        assert ask(sim, f"/order/status/{order_id}?segment=CASH").payload == state
        assert ask(sim, f"/order/status/reference/{reference}?segment=CASH").payload == state
        assert ask(sim, f"/order/detail/{order_id}").status == 400
        assert ask(sim, f"/order/detail/{order_id}?segment=FNO").status == 404
        sim.move_to("2026-10-06 10:00")
        assert ask(sim, f"/order/detail/{order_id}?segment=CASH").status == 404
        sim.switch("past_order_detail", True)
        assert ask(sim, f"/order/detail/{order_id}?segment=CASH").payload == row


def test_derivative_trades_may_be_missing_although_the_order_was_executed() -> None:
    investor = an_investor()
    investor.buy("NIFTY26NOV25000CE", 65, product=CARRY)
    with groww_simulator([investor], fno_trades_404=True) as sim:
        (row,) = orders_of(sim, "segment=FNO")
        assert (row["groww_order_id"][:5], row["filled_quantity"]) == ("GLTFO", 65)
        answer = ask(sim, f"/order/trades/{row['groww_order_id']}?segment=FNO")
        assert (answer.status, answer.json["error"]["code"]) == (404, "GA004")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("naive", "2026-10-05T11:00:00"),
        ("z_literal", "2026-10-05T11:00:00Z"),
        ("z_utc", "2026-10-05T05:30:00Z"),
        ("offset", "2026-10-05T11:00:00+05:30"),
    ],
)
def test_times_come_in_the_form_that_is_switched_on(form: str, text: str) -> None:
    investor = an_investor()
    investor.buy("SBIN", 1)
    with groww_simulator([investor], times=form) as sim:
        (row,) = orders_of(sim)
        (trade,) = trades_of(sim, row)
    assert {row["created_at"], row["exchange_time"], row["trade_date"], trade["trade_date_time"]} == {text}


def test_exchange_time_and_groww_s_own_trade_id_may_be_missing() -> None:
    investor = an_investor()
    investor.buy("SBIN", 1)
    with groww_simulator([investor], exchange_time="null", groww_trade_id=False) as sim:
        (row,) = orders_of(sim)
        assert row["exchange_time"] is None
        assert [trade["groww_trade_id"] for trade in trades_of(sim, row)] == [""]
        sim.switch("exchange_time", "absent")
        assert "exchange_time" not in orders_of(sim)[0]


def test_ids_are_unique_over_all_investors_and_days() -> None:
    investors = demo_investors(Market())
    with groww_simulator(investors, limits=False) as sim:
        seen: list[str] = []
        trades: list[str] = []
        for day in DAYS[4:8]:
            sim.move_to(f"{day} 16:05")
            for ucc in sim.investors:
                token = sim.credentials(ucc)["access_token"]
                for number in range(2):
                    path = f"/order/list?segment=CASH&page={number}&page_size=100"
                    for row in ask(sim, path, token=token).payload["order_list"]:
                        seen.append(row["groww_order_id"])
                        path = f"/order/trades/{row['groww_order_id']}?segment=CASH"
                        found = ask(sim, path, token=token).payload["trade_list"]
                        trades += [trade["exchange_trade_id"] for trade in found]
                        assert sum(trade["quantity"] for trade in found) == row["filled_quantity"]
        assert len(seen) == len(set(seen)) and len(trades) == len(set(trades)) > 100


# Cash, and what must not be there


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


def test_smart_orders_are_an_empty_list() -> None:
    with groww_simulator([an_investor()]) as sim:
        assert ask(sim, "/order-advance/list?segment=CASH").payload == {"orders": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/order/create"),
        ("POST", "/order/modify"),
        ("POST", "/order/cancel"),
        ("POST", "/order-advance/create"),
        ("PUT", "/order-advance/modify/1"),
        ("POST", "/holdings/user"),
        ("DELETE", "/order/list"),
    ],
)
def test_nothing_can_be_written_and_who_tries_is_in_the_log(method: str, path: str) -> None:
    with groww_simulator([an_investor()]) as sim:
        answer = ask(sim, path, method=method, body={"quantity": 1})
        assert (answer.status, answer.json["error"]["code"]) == (404, "GA004")
        assert [(served.method, served.path, served.ucc) for served in sim.requests if served.is_write] == [
            (method, path, UCC)
        ]


def test_a_login_and_a_read_are_no_writes() -> None:
    with groww_simulator([an_investor()]) as sim:
        ask(sim, "/token/api/access", token=sim.credentials(UCC)["totp_token"], method="POST", body={})
        ask(sim, "/holdings/user")
        assert [served.is_write for served in sim.requests] == [False, False]


def test_refusals_may_all_come_with_http_200() -> None:
    with groww_simulator([an_investor()], failures_with_200=True) as sim:
        answer = ask(sim, "/order/list?segment=SHARES")
        assert (answer.status, answer.json["status"]) == (200, "FAILURE")


# Limits


def test_the_twenty_first_call_of_a_second_is_one_too_many_for_that_client_alone() -> None:
    with groww_simulator([an_investor(), Investor(Market(), "2")]) as sim:
        token, other = sim.credentials(UCC)["access_token"], sim.credentials("2")["access_token"]
        statuses = [ask(sim, "/holdings/user", token=token).status for _ in range(25)]
        assert statuses == [200] * 20 + [429] * 5
        assert ask(sim, "/holdings/user", token=other).status == 200
        assert ask(sim, "/live-data/ltp?segment=CASH&exchange_symbols=NSE_TCS", token=token).status == 200
        assert "Retry-After" not in ask(sim, "/order/list", token=token).headers
        sim.switch("limits", False)
        assert ask(sim, "/holdings/user", token=token).status == 200


def test_a_minute_has_its_own_limit_and_lets_go_when_it_is_over() -> None:
    now = 0.0
    limits = Limits({"live": (10, 30)}, lambda: now)
    allowed = 0
    for second in range(61):
        now = float(second)
        allowed += sum(limits.allow("1", "live") for _ in range(4))
    assert allowed == 30 + 4  # those of the first second have left the minute by then
    assert limits.allow("2", "live") and limits.allow("1", "unlimited")


def test_control_answers_are_no_calls_to_the_broker() -> None:
    with groww_simulator([an_investor()]) as sim:
        assert control(sim, "/clock").json == {"now": "2026-10-05T16:05:00+05:30"}
        assert sim.requests == []


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
