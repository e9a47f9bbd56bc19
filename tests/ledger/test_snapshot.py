"""The totals of a day, from values alone."""

from decimal import Decimal
from typing import Any

import pytest

from ledger import snapshot
from ledger.entries import Funds
from ledger.errors import BadValue
from ledger.snapshot import Day, Quote, Totals, owned_quantities, position_value, still_to_show, totals
from tests.build import a_position


def a_day(**values: Any) -> Day:
    day = Day({"tcs": Decimal(10)}, [], {"tcs": Quote(Decimal(3000))}, None, Decimal(0), 0, 0, None)
    return day._replace(**values)


def test_a_day_of_holdings_alone() -> None:
    assert totals(a_day()) == Totals(
        Decimal(30000), Decimal(0), Decimal(30000), None, None, None, None, None, Decimal(0), 1, 0, 0, 0, 0
    )


def test_a_day_with_everything() -> None:
    option = a_position("NIFTY26NOV25000CE", 65, segment="FNO", product="NRML")
    future = a_position("RELIANCEFUT", 500, segment="FNO", product="NRML", average_price=1400)
    intraday = a_position("INFY", 4, product="MIS")
    closed = a_position("ITC", 5, 5, product="MIS")
    delivery = a_position("SBIN", 5)
    made = totals(
        a_day(
            owned={"tcs": Decimal(10), "sbin": Decimal(5), "odd": Decimal(1)},
            positions=[("o", option), ("f", future), ("i", intraday), ("c", closed), ("sbin", delivery)],
            quotes={
                "tcs": Quote(Decimal(3000)), "sbin": Quote(Decimal(800), True), "o": Quote(Decimal(100)),
                "f": Quote(Decimal("1410.5")), "i": Quote(Decimal(1500), True),
            },
            funds=Funds(Decimal(7), Decimal(8), Decimal(9)),
            net_purchases=Decimal(4000),
            orders_count=5,
            trades_count=6,
            previous_total=Decimal(40000),
        )
    )  # fmt: skip
    positions_value = 6500 + 5250 + 6000
    assert made == Totals(
        Decimal(34000), Decimal(positions_value), Decimal(34000 + positions_value), Decimal(7), Decimal(8), Decimal(9),
        Decimal(34000 + positions_value - 40000 - 4000), Decimal("19.3750"), Decimal(4000), 3, 3, 5, 6, 3,
    )  # fmt: skip


def test_figures_stand_at_the_scale_of_their_columns() -> None:
    made = totals(a_day(owned={"tcs": Decimal("0.3333333333")}, previous_total=Decimal(3)))
    assert (str(made.total_holdings_value), str(made.day_change_percent)) == ("1000.000000", "33233.3333")


@pytest.mark.parametrize(
    ("previous", "change", "percent"), [(None, None, None), (0, 30000, None), (30000, 0, 0), (40000, -10000, -25)]
)
def test_a_days_change_needs_the_day_before(previous: int | None, change: int | None, percent: int | None) -> None:
    made = totals(a_day(previous_total=None if previous is None else Decimal(previous)))
    assert (made.day_change, made.day_change_percent) == (change, percent)


def test_a_missing_price_counts_as_stale_and_as_nothing() -> None:
    made = totals(a_day(quotes={}, positions=[("x", a_position("X", 3, product="MIS"))]))
    assert (made.total_portfolio_value, made.stale_prices, made.positions_count) == (0, 2, 1)


def test_a_position_is_worth_its_market_value_and_a_future_its_gain() -> None:
    quote = Quote(Decimal(110))
    future = a_position("XFUT", sold=10, segment="FNO", average_price=100)
    assert position_value(future, quote) == -100
    assert position_value(future._replace(average_price=None), quote) == 0
    assert position_value(a_position("XPE", 10, segment="FNO"), quote) == 1100
    assert position_value(a_position("XCE", 10, segment="FNO", multiplier=5), quote) == 5500
    assert position_value(a_position("X", 10, product="MIS"), quote) == 1100
    assert position_value(future, None) == 0
    assert position_value(a_position("X", 10, 10), quote) == 0


HELD = {"tcs": Decimal(100)}


@pytest.mark.parametrize(
    ("bought", "sold", "lowered", "owned"), [(10, 0, 0, 110), (0, 30, 0, 70), (0, 30, 30, 100), (50, 70, 20, 100)]
)
def test_what_is_owned_counts_todays_delivery_once(bought: int, sold: int, lowered: int, owned: int) -> None:
    positions = [("tcs", a_position("TCS", bought, sold))]
    assert owned_quantities(HELD, positions, {"tcs": Decimal(lowered)}, {}) == {"tcs": owned}


def test_what_holdings_show_already_is_added_back_once_for_two_exchanges() -> None:
    positions = [("tcs", a_position(sold=10)), ("tcs", a_position(sold=20, exchange="BSE"))]
    assert owned_quantities({"tcs": Decimal(70)}, positions, {"tcs": Decimal(30)}, {}) == {"tcs": 70}


def test_intraday_and_derivatives_are_not_owned_and_nothing_is_left_out_at_zero() -> None:
    positions = [("x", a_position(bought=5, product="MIS")), ("y", a_position(bought=5, segment="FNO"))]
    assert owned_quantities(HELD, positions, {}, {}) == HELD
    assert owned_quantities(HELD, [("tcs", a_position(sold=100)), ("new", a_position(bought=1))], {}, {}) == {"new": 1}


def test_fills_tell_what_is_owned_of_a_share_of_which_no_position_is_shown() -> None:
    positions = [("x", a_position(bought=5, product="MIS")), ("tcs", a_position(bought=10))]
    filled = {"tcs": Decimal(7), "x": Decimal(20), "new": Decimal(3)}
    assert owned_quantities(HELD, positions, {}, filled) == {"tcs": 110, "new": 3}
    assert owned_quantities(HELD, [], {}, {"tcs": Decimal(-40)}) == {"tcs": 60}
    assert owned_quantities(HELD, [], {"tcs": Decimal(40)}, {"tcs": Decimal(0)}) == HELD


@pytest.mark.parametrize(
    ("bought", "sold", "lowered", "still"),
    [
        (10, 0, 0, 10), (0, 30, 0, -30), (0, 30, 30, 0), (10, 30, 20, 0), (0, 20, 30, 0), (5, 0, 30, 5), (4, 0, -4, 0),
        (2, 0, -4, 0),
    ],
)  # fmt: skip
def test_holdings_lag_behind_fills_by_no_more_than_there_are(bought: int, sold: int, lowered: int, still: int) -> None:
    assert still_to_show(Decimal(bought), Decimal(sold), Decimal(lowered)) == still


def test_the_context_of_the_whole_process_is_left_alone() -> None:
    import decimal

    before = decimal.getcontext().copy()
    snapshot.totals(a_day())
    assert str(decimal.getcontext()) == str(before)


def test_a_total_beyond_its_column_is_refused_though_each_part_fits() -> None:
    most = Decimal(9_000_000_000_000)
    future = a_position("RELIANCEFUT", 1, segment="FNO", product="NRML")
    day = a_day(owned={"tcs": Decimal(1)}, positions=[("f", future._replace(average_price=Decimal(1)))])
    assert totals(day._replace(quotes={"tcs": Quote(most)})).total_portfolio_value == most
    with pytest.raises(BadValue, match="too large"):
        totals(day._replace(quotes={"tcs": Quote(most), "f": Quote(most)}))
