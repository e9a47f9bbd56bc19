"""Lots: first in, first out; what happens to a share happens to what it cost, and to nothing else."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ledger.links import Link
from ledger.lots import FILL, LINKED, Key, Lot, Step, lots

OLD, NEW = ("old", "DELIVERY"), ("new", "DELIVERY")


def day(number: int) -> date:
    return date(2026, 10, number)


def step(number: int, kind: str, quantity: str, cost: str | None = None, key: Key = OLD, together: str = "") -> Step:
    return Step(day(number), kind, key, Decimal(quantity), None if cost is None else Decimal(cost), together)


def bought(number: int, quantity: str, price: str) -> Step:
    return step(number, FILL, quantity, price)


def lot(number: int | None, quantity: str, cost: str | None) -> Lot:
    return Lot(number and day(number), Decimal(quantity), None if cost is None else Decimal(cost))  # type: ignore[arg-type]


def test_the_oldest_are_sold_first() -> None:
    found = lots([bought(1, "10", "100"), bought(2, "10", "110"), step(3, FILL, "-15", "120")])

    assert found == {OLD: [lot(2, "5", "110")]}


def test_on_one_day_what_was_bought_can_be_sold_whatever_the_order_of_the_fills() -> None:
    assert lots([step(1, FILL, "-10", "101"), bought(1, "10", "100")]) == {}


def test_the_opening_is_of_a_day_before_at_the_brokers_average() -> None:
    assert lots([step(1, "OPENING", "8", "90"), bought(2, "2", "100")]) == {
        OLD: [lot(None, "8", "90"), lot(2, "2", "100")]
    }


def test_fills_from_before_the_opening_tell_days_and_costs_of_what_was_there() -> None:
    found = lots([bought(1, "10", "100"), step(2, FILL, "-4", "120"), step(3, "OPENING", "10", "94")])

    # 10 at 94 are 940; 6 of them are known to have cost 600.
    assert found == {OLD: [lot(None, "4", "85"), lot(1, "6", "100")]}


def test_more_fills_than_were_there_leave_the_latest() -> None:
    found = lots([bought(1, "10", "100"), bought(2, "10", "110"), step(3, "OPENING", "12", "105")])

    assert found == {OLD: [lot(1, "2", "100"), lot(2, "10", "110")]}


def linked(number: int, kind: str, before: int, after: int, new: str = "new", percent: int | None = None) -> Step:
    said = Link(kind, "old", new, day(number), before, after, None if percent is None else Decimal(percent))
    return step(number, LINKED, "0")._replace(link=said)


def test_fills_of_an_old_isin_tell_days_and_costs_of_what_was_there_in_its_place() -> None:
    steps = [bought(1, "10", "100"), linked(2, "SPLIT", 1, 5), step(3, "OPENING", "50", "20", NEW)]

    assert lots(steps) == {NEW: [lot(1, "50", "20")]}


def test_more_in_the_place_of_an_old_isin_than_its_fills_tell_is_at_the_rest_of_the_cost() -> None:
    steps = [bought(1, "10", "100"), linked(2, "SPLIT", 1, 5), step(3, "OPENING", "60", "25", NEW)]

    assert lots(steps) == {NEW: [lot(None, "10", "50"), lot(1, "50", "20")]}


def test_a_bonus_before_the_opening_costs_nothing() -> None:
    steps = [bought(1, "10", "100"), linked(2, "BONUS", 1, 2, "old"), step(3, "OPENING", "20", "50")]

    assert lots(steps) == {OLD: [lot(1, "10", "100"), lot(2, "10", "0")]}


def test_a_split_of_the_same_isin_before_the_opening_divides_the_costs() -> None:
    steps = [bought(1, "10", "100"), linked(2, "SPLIT", 1, 5, "old"), step(3, "OPENING", "50", "20")]

    assert lots(steps) == {OLD: [lot(1, "50", "20")]}


def test_a_demerger_before_the_opening_divides_the_cost_as_it_was_said() -> None:
    opened = [step(3, "OPENING", "10", "90"), step(3, "OPENING", "1", "100", NEW)]
    steps = [bought(1, "10", "100"), linked(2, "DEMERGER", 10, 1, percent=10), *opened]

    assert lots(steps) == {OLD: [lot(1, "10", "90")], NEW: [lot(1, "1", "100")]}


def test_what_was_split_off_at_a_cost_that_nobody_said_stands_at_the_brokers_average() -> None:
    opened = [step(3, "OPENING", "10", "90"), step(3, "OPENING", "2", "100", NEW)]
    steps = [bought(1, "10", "90"), linked(2, "DEMERGER", 10, 1), *opened]

    assert lots(steps) == {OLD: [lot(1, "10", "90")], NEW: [lot(None, "1", "100"), lot(1, "1", "100")]}


def test_an_opening_of_nothing_leaves_nothing_of_earlier_fills() -> None:
    assert lots([bought(1, "10", "100"), step(3, "OPENING", "0"), bought(4, "1", "110")]) == {OLD: [lot(4, "1", "110")]}


def test_where_all_the_cost_is_told_the_rest_cost_nothing() -> None:
    assert lots([bought(1, "10", "100"), step(3, "OPENING", "20", "50")]) == {
        OLD: [lot(None, "10", "0"), lot(1, "10", "100")]
    }


def test_a_split_keeps_the_days_and_divides_the_costs() -> None:
    found = lots([bought(1, "10", "100"), bought(2, "5", "120"), step(3, "SPLIT", "60", together="a")])

    assert found == {OLD: [lot(1, "50", "20"), lot(2, "25", "24")]}


def test_a_consolidation_is_a_split_the_other_way() -> None:
    assert lots([bought(1, "100", "2"), step(3, "SPLIT", "-90")]) == {OLD: [lot(1, "10", "20")]}


def test_bonus_shares_cost_nothing_and_are_of_their_day() -> None:
    assert lots([bought(1, "10", "100"), step(3, "BONUS", "5", "0")]) == {OLD: [lot(1, "10", "100"), lot(3, "5", "0")]}


def test_what_takes_the_place_of_a_share_takes_its_days_and_costs_along() -> None:
    steps = [
        bought(1, "10", "100"), bought(2, "10", "120"),
        step(3, "MERGER", "-20", together="m"), step(3, "MERGER", "5", key=NEW, together="m"),
    ]  # fmt: skip

    assert lots(steps) == {NEW: [lot(1, "2.5", "400"), lot(2, "2.5", "480")]}


def test_what_takes_the_place_of_a_share_that_nobody_knew_is_of_its_day_at_what_was_said() -> None:
    came = step(3, "MERGER", "5", "400", key=NEW, together="m")

    assert lots([came]) == lots([step(3, "MERGER", "-20", together="m"), came]) == {NEW: [lot(3, "5", "400")]}


def test_a_split_under_another_isin_is_one_too() -> None:
    steps = [
        bought(1, "10", "100"),
        step(3, "SPLIT", "-10", together="s"),
        step(3, "SPLIT", "50", key=NEW, together="s"),
    ]

    assert lots(steps) == {NEW: [lot(1, "50", "20")]}


def test_what_was_bought_and_not_split_yet_stays_beside_a_split_under_another_isin() -> None:
    steps = [
        bought(1, "10", "100"), bought(2, "3", "120"),
        step(3, "SPLIT", "-10", together="s"), step(3, "SPLIT", "50", key=NEW, together="s"),
    ]  # fmt: skip

    assert lots(steps) == {OLD: [lot(2, "3", "120")], NEW: [lot(1, "50", "20")]}


def test_a_demerger_divides_the_cost_and_keeps_the_day() -> None:
    demerger = step(3, "DEMERGER", "10", key=NEW)._replace(parent=OLD, cost_percent=Decimal(30))

    assert lots([bought(1, "10", "100"), demerger]) == {OLD: [lot(1, "10", "70")], NEW: [lot(1, "10", "30")]}


def test_a_demerger_of_which_nobody_said_how_much_of_the_cost_went_leaves_the_new_cost_open() -> None:
    demerger = step(3, "DEMERGER", "10", key=NEW)._replace(parent=OLD)

    assert lots([bought(1, "10", "100"), demerger]) == {OLD: [lot(1, "10", "100")], NEW: [lot(1, "10", None)]}


def test_what_came_in_costs_what_was_said() -> None:
    assert lots([step(2, "TRANSFER_IN", "7", "33.5"), step(3, "TRANSFER_OUT", "-3")]) == {OLD: [lot(2, "4", "33.5")]}


def test_what_moved_back_is_what_it_was() -> None:
    steps = [
        bought(1, "10", "100"),
        step(2, "MOVED_BACK", "-4", together="b"),
        step(4, "MOVED_BACK", "4", together="b"),
    ]

    assert lots(steps) == {OLD: [lot(1, "6", "100"), lot(1, "4", "100")]}


HAPPENED = st.lists(
    st.tuples(st.sampled_from((FILL, "TRANSFER_IN", "BONUS")), st.integers(1, 28), st.integers(1, 500)), max_size=12
)


@given(HAPPENED, st.integers(2, 7), st.integers(1, 28))
def test_a_split_neither_makes_nor_loses_a_rupee(happened: list[tuple[str, int, int]], ratio: int, on: int) -> None:
    before = [step(number, kind, str(units), "10.25") for kind, number, units in happened if number < on]
    units = sum((each.quantity for each in before), Decimal(0))
    split = [step(on, "SPLIT", str(units * (ratio - 1)))] if units else []

    def worth(steps: list[Step]) -> Decimal:
        return sum((each.quantity * (each.cost or 0) for each in lots(steps).get(OLD, [])), Decimal(0))

    assert abs(worth([*before, *split]) - worth(before)) <= Decimal("0.0001")
    assert sum((each.quantity for each in lots([*before, *split]).get(OLD, [])), Decimal(0)) == units * ratio
