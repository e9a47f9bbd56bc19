"""What an investor owns, day by day, against what was done."""

from collections import Counter
from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.investor import Investor
from simulators.market import IST, CorporateAction, Market
from simulators.orders import BUY, CARRY, INTRADAY, SELL
from simulators.scripts import BONUS_DAY, DAYS, SPLIT_DAY, demo_investors, random_investor

TCS, SBIN, MARUTI = "INE467B01029", "INE062A01020", "INE585B01010"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def an_investor(*, at_once: bool = False, roll_at: time = time(0), market: Market | None = None) -> Investor:
    """Owns 10 TCS, and stands on Monday 5 October 2026 at 11:00."""
    investor = Investor(market or Market(), "1", sales_lower_holdings_at_once=at_once, roll_at=roll_at)
    investor.start_with("TCS", 10, "3000")
    investor.play_until(at("2026-10-05 11:00"))
    return investor


def parts(investor: Investor, isin: str) -> tuple[int, int, int]:
    """(free, locked by the broker, unsettled)"""
    holding = investor.demat.holdings[isin]
    return holding.free, holding.broker_locked, holding.unsettled


# Settlement


def test_a_buy_is_unsettled_next_morning_and_free_the_day_after_settlement() -> None:
    investor = an_investor()
    investor.buy("SBIN", 5, "800")
    assert [holding.symbol for holding in investor.holdings] == ["TCS"]
    assert investor.owned == {TCS: 10, SBIN: 5}
    investor.play_until(at("2026-10-06 09:00"))
    assert parts(investor, SBIN) == (0, 0, 5)
    investor.play_until(at("2026-10-07 09:00"))
    assert parts(investor, SBIN) == (5, 0, 0)


def test_a_buy_of_friday_is_free_on_tuesday() -> None:
    investor = an_investor()
    investor.play_until(at("2026-10-09 11:00"))
    investor.buy("SBIN", 5)
    seen = []
    for day in ("10", "11", "12", "13"):
        investor.play_until(at(f"2026-10-{day} 12:00"))
        seen.append(parts(investor, SBIN))
    assert seen == [(0, 0, 5), (0, 0, 5), (0, 0, 5), (5, 0, 0)]


def test_a_sale_lowers_the_holding_next_morning() -> None:
    investor = an_investor()
    investor.sell("TCS", 4)
    assert parts(investor, TCS) == (6, 4, 0)
    assert investor.owned == {TCS: 6}
    investor.play_until(at("2026-10-06 09:00"))
    assert parts(investor, TCS) == (6, 0, 0)
    assert investor.owned == {TCS: 6}


def test_a_sale_lowers_the_holding_at_once_when_the_broker_does_so() -> None:
    investor = an_investor(at_once=True)
    investor.sell("TCS", 4)
    assert parts(investor, TCS) == (6, 0, 0)
    assert investor.owned == {TCS: 6}
    investor.play_until(at("2026-10-06 09:00"))
    assert parts(investor, TCS) == (6, 0, 0)


def test_the_switch_may_be_turned_in_the_middle_of_a_day() -> None:
    investor = an_investor()
    investor.sell("TCS", 4)
    investor.demat.sales_lower_holdings_at_once = True
    investor.sell("TCS", 3)
    assert (parts(investor, TCS), investor.owned) == ((3, 4, 0), {TCS: 3})
    investor.play_until(at("2026-10-06 09:00"))
    assert (parts(investor, TCS), investor.owned) == ((3, 0, 0), {TCS: 3})


def test_a_holding_that_is_sold_out_is_gone_next_morning() -> None:
    investor = an_investor()
    investor.sell("TCS", 10)
    investor.play_until(at("2026-10-06 09:00"))
    assert investor.holdings == []


@pytest.mark.parametrize("at_once", [False, True])
def test_unsettled_shares_and_those_of_today_can_be_sold(at_once: bool) -> None:
    investor = an_investor(at_once=at_once)
    investor.buy("SBIN", 5)
    investor.play_until(at("2026-10-06 11:00"))
    investor.buy("SBIN", 3)
    assert investor.sell("SBIN", 7).filled == 7
    assert investor.owned == {TCS: 10, SBIN: 1}
    investor.play_until(at("2026-10-07 09:00"))
    assert investor.owned == {TCS: 10, SBIN: 1}
    assert parts(investor, SBIN) == (0, 0, 1)


# Orders


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
    assert [(fill.quantity, fill.price, fill.at.hour) for fill in order.fills] == [(4, 800, 11), (6, 801, 14)]


def test_an_order_may_be_modified_and_cancelled_with_a_part_filled() -> None:
    investor = an_investor()
    order = investor.place("TCS", SELL, 8, price="3900")
    investor.modify(order, quantity=6, price="3850")
    assert (order.quantity, order.price, parts(investor, TCS)) == (6, 3850, (4, 6, 0))
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


# Positions and cash


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
    assert (position.carried, position.carried_price, position.net, position.realised) == (130, 300, 65, 650)
    investor.play_until(at("2026-10-07 11:00"))
    (position,) = investor.positions.values()
    assert (position.carried, position.net, position.net_price, position.realised) == (65, 65, 300, 0)


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


# What companies do


def test_a_split_multiplies_every_part_and_divides_the_average() -> None:
    market = Market()
    market.announce(CorporateAction("split", "MARUTI", date(2026, 10, 7), old=1, new=5))
    investor = an_investor(market=market)
    investor.start_with("MARUTI", 9, "15000")
    investor.pledge("MARUTI", 4)
    investor.play_until(at("2026-10-06 11:00"))
    investor.buy("MARUTI", 1, "15000")
    investor.play_until(at("2026-10-07 09:00"))
    holding = investor.demat.holdings[MARUTI]
    assert (holding.free, holding.pledged, holding.unsettled, holding.average) == (25, 20, 5, 3000)


def test_a_split_with_a_new_isin_leaves_nothing_under_the_old_one() -> None:
    market = Market()
    market.announce(CorporateAction("split", "MARUTI", date(2026, 10, 6), old=1, new=5, new_isin="INE585B01028"))
    investor = an_investor(market=market)
    investor.start_with("MARUTI", 2, "15000")
    investor.play_until(at("2026-10-06 09:00"))
    assert investor.owned == {TCS: 10, "INE585B01028": 10}
    assert [(move.isin, move.quantity) for move in investor.truth.movements] == [(MARUTI, -2), ("INE585B01028", 10)]


def test_orders_that_wait_over_a_split_are_cancelled() -> None:
    market = Market()
    market.announce(CorporateAction("split", "TCS", date(2026, 10, 6), old=1, new=5))
    investor = an_investor(market=market)
    investor.play_until(at("2026-10-05 18:00"))
    order = investor.place("TCS", SELL, 4)
    investor.play_until(at("2026-10-06 16:00"))
    assert (order.status, order.filled, parts(investor, TCS)) == ("CANCELLED", 0, (50, 0, 0))


def test_a_bonus_costs_nothing_and_an_odd_share_has_no_part_in_it() -> None:
    market = Market()
    market.announce(CorporateAction("bonus", "TCS", date(2026, 10, 6), old=4, new=1))
    investor = an_investor(market=market)
    investor.play_until(at("2026-10-06 09:00"))
    assert (investor.owned, investor.demat.holdings[TCS].average) == ({TCS: 12}, 2500)


def test_a_bonus_that_is_not_credited_yet_is_due_and_not_owned() -> None:
    investor = an_investor()
    investor.demat.bonus(TCS, 1, 1, credited=False)
    assert (investor.demat.holdings[TCS].bonus_due, investor.owned) == (10, {TCS: 10})
    investor.demat.credit_bonus(TCS)
    assert (investor.demat.holdings[TCS].bonus_due, investor.owned) == (0, {TCS: 20})


def test_a_dividend_is_paid_on_all_that_is_owned() -> None:
    market = Market()
    market.announce(CorporateAction("dividend", "TCS", date(2026, 10, 6), amount=Decimal("11.5")))
    investor = an_investor(market=market)
    investor.pledge("TCS", 3)
    before = investor.cash
    investor.play_until(at("2026-10-06 09:00"))
    assert (investor.cash - before, investor.owned) == (115, {TCS: 10})


def test_pledge_repledge_and_lock_move_shares_between_parts_and_change_nothing_owned() -> None:
    investor = an_investor()
    investor.pledge("TCS", 6)
    investor.repledge("TCS", 2)
    investor.unpledge("TCS", 1)
    investor.lock("TCS", 3)
    investor.unlock("TCS", 1)
    holding = investor.demat.holdings[TCS]
    assert (holding.free, holding.pledged, holding.repledged, holding.demat_locked) == (3, 3, 2, 2)
    assert investor.owned == {TCS: 10}
    with pytest.raises(ValueError, match="less than 4"):
        investor.pledge("TCS", 4)


# The bridge, over whole lives


def assert_that_movements_explain_every_day(investor: Investor) -> None:
    days = sorted(investor.truth.days)
    for before, day in pairwise(days):
        expected = Counter(investor.truth.days[before].owned)
        for move in investor.truth.movements_on(day):
            expected[move.isin] += move.quantity
        assert {isin: units for isin, units in expected.items() if units} == investor.truth.days[day].owned


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), at_once=st.booleans())
def test_owned_changes_only_by_fills_company_actions_and_transfers(seed: int, at_once: bool) -> None:
    for investor in demo_investors(Market(seed)):
        investor.demat.sales_lower_holdings_at_once = at_once
        investor.play_until(at("2026-11-18 09:00"))
        assert len(investor.truth.days) == 44
        assert_that_movements_explain_every_day(investor)
        for holding in investor.holdings:
            assert min(getattr(holding, part) for part in PARTS) >= 0
            assert holding.broker_locked == 0


PARTS = ("free", "demat_locked", "broker_locked", "pledged", "repledged", "unsettled")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_delivery_movements_are_exactly_the_delivery_fills(seed: int) -> None:
    for investor in demo_investors(Market(seed)):
        investor.play_until(at("2026-11-18 09:00"))
        fills: Counter[tuple[date, str]] = Counter()
        for order in investor.truth.orders:
            if order.product == "DELIVERY":
                for fill in order.fills:
                    sign = 1 if order.side == BUY else -1
                    fills[fill.at.date(), order.instrument.isin] += sign * fill.quantity
        moved: Counter[tuple[date, str]] = Counter()
        for move in investor.truth.movements:
            if move.kind in ("buy", "sell"):
                moved[move.day, move.isin] += move.quantity
        assert moved == fills


def test_time_may_pass_in_steps_or_at_once() -> None:
    (one, _), (other, _) = demo_investors(Market(3)), demo_investors(Market(3))
    one.play_until(at("2026-11-18 09:00"))
    for day in range(5, 32):
        for hour in (3, 11, 13, 16):
            other.play_until(at(f"2026-10-{day:02d} {hour:02d}:07"))
    other.play_until(at("2026-11-18 09:00"))
    assert one.truth == other.truth


# Those who are scripted


def test_the_two_of_the_demo_live_through_all_that_is_promised() -> None:
    first, second = demo_investors(Market())
    first.play_until(at("2026-10-05 11:00"))
    (order,) = [each for each in first.orders if each.instrument.symbol == "SBIN"]
    assert (order.filled, order.status) == (40, "OPEN")
    first.play_until(at("2026-10-05 16:05"))
    assert (order.filled, order.status) == (100, "EXECUTED")
    for investor in (first, second):
        investor.play_until(at("2026-11-18 09:00"))
    assert len(second.truth.orders_on(DAYS[5])) > 100
    assert {order.status for order in first.truth.orders} == {"EXECUTED", "CANCELLED", "REJECTED"}
    assert any(order.status == "CANCELLED" and order.filled for order in first.truth.orders)
    assert [order.session_day for order in first.truth.orders if order.after_market] == [DAYS[6]]
    assert [len(each.truth.days[SPLIT_DAY].owned) > 0 for each in (first, second)] == [True, True]
    kinds = {move.kind for move in first.truth.movements}
    assert kinds == {"buy", "sell", "split", "bonus", "transfer_in", "transfer_out"}
    assert {move.day for move in first.truth.movements if move.kind == "bonus"} == {BONUS_DAY}
    assert "dividend" in {entry.kind for entry in first.truth.cash}
    assert sum(1 for day in first.truth.days.values() if day.carried) > 10
    assert all(15 <= len(day.owned) <= 25 for day in first.truth.days.values())


@pytest.mark.parametrize(("holdings", "positions", "orders"), [(50, 10, 50), (5, 5, 5), (0, 3, 120), (70, 70, 70)])
def test_a_random_investor_has_as_much_as_was_asked_for(holdings: int, positions: int, orders: int) -> None:
    investor = random_investor(Market(), "2", 5, holdings=holdings, positions=positions, orders=orders)
    investor.play_until(at("2026-10-05 16:05"))
    assert (len(investor.holdings), len(investor.positions), len(investor.orders)) == (holdings, positions, orders)


def test_random_investors_differ_by_seed_and_are_the_same_by_the_same() -> None:
    lives = [random_investor(Market(), "2", seed) for seed in (5, 5, 6)]
    for investor in lives:
        investor.play_until(at("2026-10-05 16:05"))
    assert lives[0].truth == lives[1].truth
    assert lives[0].truth != lives[2].truth
