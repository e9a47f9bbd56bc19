"""What becomes of an investor's orders, positions and cash."""

from datetime import date, time
from decimal import Decimal

import pytest

from simulators.market import Market
from simulators.orders import BUY, CARRY, INTRADAY, SELL
from simulators.scripts import demo_investors
from tests.simulators.build import SBIN, TCS, an_investor, at, parts


def test_an_order_filled_in_two_parts_has_every_state_in_its_history() -> None:
    investor = an_investor()
    order = investor.place("SBIN", BUY, 10, price="801")
    investor.fill(order, 4, "800")
    investor.play_until(at("2026-10-05 14:10"))
    investor.fill(order, price="801")
    assert [(state.status, state.filled, state.average) for state in order.history] == [
        ("OPEN", 0, 0),
        ("OPEN", 4, 800),
        ("EXECUTED", 10, Decimal("800.6")),
    ]
    assert [(fill.quantity, fill.price, fill.at.hour) for fill in order.fills] == [
        (4, Decimal(800), 11),
        (6, Decimal(801), 14),
    ]


def test_an_order_may_be_modified_and_cancelled_with_a_part_filled() -> None:
    investor = an_investor()
    order = investor.place("TCS", SELL, 8, price="3900")
    investor.modify(order, quantity=6, price="3850")
    assert (order.quantity, order.price, parts(investor, TCS)) == (6, Decimal(3850), (4, 6, 0))
    investor.fill(order, 2)
    investor.cancel(order)
    assert (order.status, order.filled, order.remaining, parts(investor, TCS)) == ("CANCELLED", 2, 0, (8, 2, 0))


def test_more_than_is_owned_cannot_be_sold_and_more_than_there_is_cash_not_bought() -> None:
    investor = an_investor()
    assert investor.sell("TCS", 11).remark == "Insufficient holdings for the order"
    assert investor.buy("TCS", 100_000).remark == "Insufficient balance for the order"
    investor.place("TCS", SELL, 6, price="9999")
    assert investor.sell("TCS", 5).status == "REJECTED"
    assert investor.sell("TCS", 4).status == "EXECUTED"


def test_unsettled_shares_are_not_promised_twice() -> None:
    investor = an_investor()
    investor.buy("SBIN", 5)
    investor.play_until(at("2026-10-06 11:00"))
    investor.place("SBIN", SELL, 3, price="9999")
    assert investor.sell("SBIN", 3).status == "REJECTED"
    assert investor.sell("SBIN", 2).status == "EXECUTED"


def test_an_order_given_in_the_evening_is_in_two_days_books_and_filled_at_the_open() -> None:
    investor = an_investor()
    investor.play_until(at("2026-10-05 18:30"))
    order = investor.place("SBIN", BUY, 5)
    assert (order.status, order.after_market, investor.orders) == ("QUEUED", True, [order])
    investor.play_until(at("2026-10-06 09:00"))
    assert (order.status, investor.orders) == ("QUEUED", [order])
    investor.play_until(at("2026-10-06 09:15"))
    assert (order.status, order.fills[0].at) == ("EXECUTED", at("2026-10-06 09:15"))
    investor.play_until(at("2026-10-07 09:00"))
    assert investor.orders == []


def test_an_order_of_friday_night_waits_over_the_weekend() -> None:
    investor = an_investor()
    investor.play_until(at("2026-10-09 19:00"))
    order = investor.place("SBIN", BUY, 5)
    for when in ("2026-10-10 12:00", "2026-10-11 12:00", "2026-10-12 08:00"):
        investor.play_until(at(when))
        assert (investor.orders, order.status) == ([order], "QUEUED")
    investor.play_until(at("2026-10-12 16:00"))
    assert order.status == "EXECUTED"


def test_an_evening_order_may_sell_what_settles_in_the_night() -> None:
    investor = an_investor()
    investor.buy("SBIN", 5)
    investor.play_until(at("2026-10-06 18:00"))
    order = investor.place("SBIN", SELL, 5)
    investor.play_until(at("2026-10-07 16:00"))
    assert (order.status, parts(investor, SBIN), investor.owned) == ("EXECUTED", (0, 5, 0), {TCS: 10})
    investor.play_until(at("2026-10-08 09:00"))
    assert investor.owned == {TCS: 10}


def test_shares_set_aside_for_an_evening_order_are_those_that_it_sells() -> None:
    investor = an_investor()
    investor.play_until(at("2026-10-05 18:00"))
    investor.place("TCS", SELL, 7)
    assert parts(investor, TCS) == (3, 7, 0)
    investor.play_until(at("2026-10-06 16:00"))
    assert parts(investor, TCS) == (3, 7, 0)
    investor.play_until(at("2026-10-07 09:00"))
    assert parts(investor, TCS) == (3, 0, 0)


def test_an_order_given_on_a_saturday_morning_waits_for_monday() -> None:
    investor = an_investor()
    investor.play_until(at("2026-10-10 11:00"))
    assert investor.place("SBIN", BUY, 5).session_day == date(2026, 10, 12)


def test_open_orders_end_at_the_close_and_release_their_shares() -> None:
    investor = an_investor()
    order = investor.place("TCS", SELL, 5, price="9999")
    investor.play_until(at("2026-10-05 15:30"))
    assert (order.status, parts(investor, TCS)) == ("CANCELLED", (10, 0, 0))


def test_an_order_is_not_filled_beyond_its_quantity_or_outside_its_session() -> None:
    investor = an_investor()
    order = investor.place("SBIN", BUY, 5, price="800")
    with pytest.raises(ValueError, match="6 of 5"):
        investor.fill(order, 6)
    investor.play_until(at("2026-10-05 18:00"))
    waiting = investor.place("SBIN", BUY, 5)
    with pytest.raises(ValueError, match="session of 2026-10-06"):
        investor.fill(waiting)


def test_the_day_books_vanish_at_midnight_or_when_the_broker_says() -> None:
    for roll_at, still_there in ((time(0), 0), (time(6), 1)):
        investor = an_investor(roll_at=roll_at)
        investor.buy("SBIN", 5)
        investor.play_until(at("2026-10-05 23:59"))
        assert (len(investor.orders), len(investor.positions)) == (1, 1)
        investor.play_until(at("2026-10-06 05:59"))
        assert (len(investor.orders), len(investor.positions)) == (still_there, still_there)
        investor.play_until(at("2026-10-06 06:00"))
        assert (len(investor.orders), len(investor.positions)) == (0, 0)
        assert investor.owned == {TCS: 10, SBIN: 5}


def test_intraday_is_closed_by_the_broker_at_twenty_past_three() -> None:
    investor = an_investor()
    investor.buy("ITC", 7, product=INTRADAY)
    investor.play_until(at("2026-10-05 15:20"))
    (position,) = investor.positions.values()
    assert (position.net, position.bought, position.sold) == (0, 7, 7)
    assert [order.side for order in investor.orders] == ["BUY", "SELL"]
    assert investor.owned == {TCS: 10}


def test_a_derivative_is_carried_at_its_price_until_it_is_closed() -> None:
    investor = an_investor()
    investor.buy("NIFTY26NOV25000CE", 130, "300", product=CARRY)
    investor.play_until(at("2026-10-06 11:00"))
    investor.sell("NIFTY26NOV25000CE", 65, "310", product=CARRY)
    (position,) = investor.positions.values()
    assert (position.carried, position.carried_price, position.net, position.realised) == (
        130,
        Decimal(300),
        65,
        Decimal(650),
    )
    investor.play_until(at("2026-10-07 11:00"))
    (position,) = investor.positions.values()
    assert (position.carried, position.net, position.net_price, position.realised) == (65, 65, Decimal(300), Decimal(0))


def test_a_contract_that_expires_is_settled_in_cash_and_gone() -> None:
    investor = an_investor()
    investor.buy("NIFTY26OCT24500CE", 65, "500", product=CARRY)
    investor.play_until(at("2026-10-27 23:00"))
    before = investor.cash
    investor.play_until(at("2026-10-28 09:00"))
    assert investor.positions == {}
    assert investor.cash - before == 65 * investor.market.close("NIFTY26OCT24500CE", date(2026, 10, 27))


def test_a_future_pays_only_what_was_gained_on_it() -> None:
    investor = an_investor()
    before = investor.cash
    investor.sell("RELIANCE26NOVFUT", 500, "1500", product=CARRY)
    assert investor.cash == before
    investor.play_until(at("2026-10-06 11:00"))
    investor.buy("RELIANCE26NOVFUT", 500, "1490", product=CARRY)
    investor.play_until(at("2026-10-07 11:00"))
    assert [entry.amount for entry in investor.truth.cash if entry.kind == "derivatives"] == [5000]


def test_cash_is_what_it_was_and_every_entry_since() -> None:
    first, second = demo_investors(Market())
    for investor in (first, second):
        investor.play_until(at("2026-11-18 09:00"))
        assert investor.cash == 5_000_000 + sum(entry.amount for entry in investor.truth.cash)
