"""Which open questions fills answer that were learnt late."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import pytest

from ledger.late_fills import Asked, bridge

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 10, day) for day in (5, 6, 7))


def answered(days: Mapping[date, int], opened: int, *sold: date) -> list[tuple[date, int]]:
    """The pieces that answer a question of Tuesday evening."""
    units = {day: Decimal(moved) for day, moved in days.items()}
    asked = Asked(1, TUESDAY, Decimal(opened), MONDAY)
    return [(piece.dated, int(piece.quantity)) for piece in bridge(units, [asked], WEDNESDAY, sold).answers[1]]


@pytest.mark.parametrize(
    ("days", "opened", "pieces"),
    [
        ({MONDAY: 10, TUESDAY: -4}, 6, [(MONDAY, 10), (TUESDAY, -4)]),  # these holdings show the day's sales
        ({MONDAY: 10, TUESDAY: -4}, 10, [(MONDAY, 10)]),  # and these do not yet
        ({MONDAY: 10, TUESDAY: 4}, 14, [(MONDAY, 10)]),  # more was bought: that shows on the next day alone
        ({MONDAY: 10, TUESDAY: 0}, 10, [(MONDAY, 10)]),  # as much was bought as was sold
        ({MONDAY: 10}, 10, [(MONDAY, 10)]),
    ],
)
def test_of_the_day_itself_a_holding_may_show_what_was_sold_and_nothing_that_was_bought(
    days: dict[date, int], opened: int, pieces: list[tuple[date, int]]
) -> None:
    assert answered(days, opened, TUESDAY) == pieces


def test_of_the_day_itself_it_never_shows_what_was_bought_and_is_void_by_now() -> None:
    assert answered({MONDAY: 10, TUESDAY: -4}, 6) == [(MONDAY, 10)]
