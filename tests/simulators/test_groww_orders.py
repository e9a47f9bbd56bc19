"""Orders and trades as the simulated Groww tells them."""

from simulators.groww import groww_simulator
from simulators.orders import BUY, INTRADAY, SL
from tests.simulators.asking import orders_of, trades_of
from tests.simulators.build import UCC, an_investor


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
