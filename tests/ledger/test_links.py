"""What became of shares: each action once, and what units became on the way from one instrument to the next."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger import links
from ledger.entries import ZERO
from ledger.links import Leg, Link, distinct, legs, route

BOUGHT, NOW = date(2026, 10, 5), date(2026, 10, 30)


def link(day: int, kind: str, old: str, new: str, before: int = 1, after: int = 1) -> Link:
    return Link(kind, old, new, date(2026, 10, day), before, after)


SPLIT = link(10, "SPLIT", "OLD", "MID", 1, 5)
BONUS = link(12, "BONUS", "MID", "MID", 2, 3)
RENAMED = link(14, "ISIN_CHANGE", "MID", "NEW")


def as_text(found: Sequence[Leg]) -> list[str]:
    return [f"{leg.kind} {leg.quantity.normalize():+f} {leg.instrument} {leg.dated:%d}" for leg in found]


def test_an_action_that_two_accounts_tell_of_counts_once_and_the_first_given_stands() -> None:
    later = SPLIT._replace(effective_on=date(2026, 10, 13), units_after=4)
    assert distinct([later, SPLIT]) == [later]
    assert distinct([RENAMED, SPLIT, later]) == [SPLIT, RENAMED]


def test_a_second_bonus_years_later_is_another_one() -> None:
    again = BONUS._replace(effective_on=date(2027, 10, 12))
    assert distinct([again, BONUS]) == [BONUS, again]


def test_units_go_from_instrument_to_instrument_in_order_of_days() -> None:
    through = route([SPLIT, BONUS, RENAMED], "OLD", BOUGHT, NOW)
    assert as_text(list(legs(through, Decimal(10)))) == [
        "SPLIT -10 OLD 10", "SPLIT +50 MID 10", "BONUS +25 MID 12", "ISIN_CHANGE -75 MID 14", "ISIN_CHANGE +75 NEW 14",
    ]  # fmt: skip


def test_what_was_before_the_purchase_or_is_after_the_look_is_no_part_of_the_way() -> None:
    known = [SPLIT, BONUS, RENAMED]
    assert route(known, "MID", date(2026, 10, 12), NOW) == [RENAMED]
    assert route(known, "OLD", BOUGHT, date(2026, 10, 13)) == [SPLIT]
    assert route(known, "OLD", date(2026, 10, 10), NOW) == []
    assert (route(known, "OLD", BOUGHT, date(2026, 10, 10)), route(known, "OLD", BOUGHT, date(2026, 10, 9))) == (
        [SPLIT],
        [],
    )


def test_an_action_after_which_a_share_is_still_the_same_leads_nowhere() -> None:
    assert route([BONUS], "MID", BOUGHT, NOW) == []
    assert [each.replaces for each in (SPLIT, BONUS, link(9, "DEMERGER", "OLD", "CHILD"))] == [True, False, False]
    assert route([link(9, "DEMERGER", "OLD", "CHILD", 10, 1)], "OLD", BOUGHT, NOW) == []


def test_fractions_are_paid_out_of_all_that_went_together() -> None:
    consolidated = link(10, "SPLIT", "OLD", "NEW", 10, 1)
    assert as_text(list(legs([consolidated], Decimal(7), Decimal(103)))) == ["SPLIT -7 OLD 10", "SPLIT +1 NEW 10"]
    days = {day: links.Late(Decimal(units), ()) for day, units in ((BOUGHT, 7), (date(2026, 10, 6), 9))}
    found = links.carried([consolidated], "OLD", days, NOW, {consolidated: Decimal(103)})
    assert [(end, int(late.units)) for end, _, late in found] == [("NEW", 1), ("NEW", 0)]


@given(st.integers(1, 500), st.integers(0, 500), st.integers(1, 9), st.integers(1, 9))
def test_what_comes_with_some_beside_is_what_comes_of_both_less_what_comes_of_those(
    units: int, beside: int, before: int, after: int
) -> None:
    through = [link(10, "MERGER", "OLD", "NEW", before, after)]
    went, came = legs(through, Decimal(units), Decimal(beside))
    assert went.quantity == -units
    assert came.quantity == (units + beside) * after // before - beside * after // before


def test_legs_of_one_instrument_cancel_out_up_to_the_end() -> None:
    (end, _, late), = links.carried(
        [SPLIT, BONUS, RENAMED], "OLD", links.told("OLD", {BOUGHT: Decimal(10)}), NOW, {}
    )  # fmt: skip
    sums: dict[str, Decimal] = {}
    for leg in late.legs:
        sums[leg.instrument] = sums.get(leg.instrument, ZERO) + leg.quantity
    assert (end, sums, late.units) == ("NEW", {"OLD": 0, "MID": 0, "NEW": 75}, 75)
