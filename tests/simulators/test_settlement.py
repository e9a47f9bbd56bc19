"""When shares that were bought or sold arrive, leave and become free."""

import pytest

from tests.simulators.build import SBIN, TCS, an_investor, at, parts


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
