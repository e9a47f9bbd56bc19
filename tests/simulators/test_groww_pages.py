"""Books of a day: their pages, what is found in them, and the forms in which times come."""

from datetime import datetime

import pytest

from simulators.groww import groww_simulator
from simulators.market import IST, Market
from simulators.orders import BUY, CARRY
from simulators.scripts import DAYS, demo_investors
from tests.simulators.asking import ask, orders_of, trades_of
from tests.simulators.build import an_investor


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
