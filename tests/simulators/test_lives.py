"""Whole lives: what is owned changes only by what was done, whatever the seed."""

from collections import Counter
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.investor import Investor
from simulators.market import Market
from simulators.orders import BUY
from simulators.scripts import BONUS_DAY, DAYS, SPLIT_DAY, demo_investors, random_investor
from tests.simulators.build import at


def assert_that_movements_explain_every_day(investor: Investor) -> None:
    days = sorted(investor.truth.days)
    for before, day in pairwise(days):
        expected = Counter(investor.truth.days[before].owned)
        for move in investor.truth.movements_on(day):
            expected[move.isin] += move.quantity
        assert {isin: units for isin, units in expected.items() if units} == investor.truth.days[day].owned


@settings(max_examples=25)
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


@settings(max_examples=20)
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
