"""What companies do to holdings, and what moves between their parts."""

from datetime import date
from decimal import Decimal

import pytest

from simulators.market import CorporateAction, Market
from simulators.orders import SELL
from tests.simulators.build import MARUTI, TCS, an_investor, at, parts


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
    assert (holding.free, holding.pledged, holding.unsettled, holding.average) == (25, 20, 5, Decimal(3000))


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
    investor = an_investor(paid="3000", market=market)
    investor.play_until(at("2026-10-06 09:00"))
    assert (investor.owned, investor.demat.holdings[TCS].average) == ({TCS: 12}, Decimal(2500))


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
    assert (investor.cash - before, investor.owned) == (Decimal(115), {TCS: 10})


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
