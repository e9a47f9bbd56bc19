"""Which states of a trail are new to the book, which were learnt late, and when a trail is asked for at all."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ledger.diff import KnownOrder
from ledger.entries import Order
from ledger.trail import lacks_states, news
from tests import build

DAY = date(2026, 10, 5)
PLACED, PENDING, LIVE, HALF, DONE = "PUT ORDER REQ RECEIVED", "OPEN PENDING", "OPEN", "OPEN HALF", "COMPLETE"
FILLED = {HALF: 4, DONE: 10}
COMMON = {PLACED: "NEW", PENDING: "NEW", LIVE: "OPEN", HALF: "PARTIALLY_FILLED", DONE: "EXECUTED"}


def a_state(word: str, minute: int | None = None, **values: Any) -> Order:
    at = None if minute is None else build.MORNING + timedelta(minutes=minute)
    words = {"status": COMMON[word], "status_raw": word.removesuffix(" HALF")}
    return build.an_order("O1", 10, FILLED.get(word, 0), changed_at=at, **words, **values)


def known(*states: Order, late: tuple[Order, ...] = ()) -> list[KnownOrder]:
    every = [(state, False) for state in states] + [(state, True) for state in late]
    return [KnownOrder(DAY, number, state, is_late) for number, (state, is_late) in enumerate(every, 1)]


TRAIL = [a_state(PLACED, 0), a_state(PENDING, 0), a_state(LIVE, 0), a_state(HALF, 5), a_state(DONE, 9)]


def test_a_trail_seen_whole_at_first_sight_is_new_in_its_order() -> None:
    assert news([], TRAIL, TRAIL[-1]) == ([], TRAIL)


def test_the_order_as_it_is_listed_stands_in_the_place_of_its_row_of_the_trail() -> None:
    listed = TRAIL[-1]._replace(remark="more than the trail says")
    assert news([], TRAIL, listed) == ([], [*TRAIL[:-1], listed])


def test_a_trail_that_was_asked_later_may_go_on() -> None:
    listed = TRAIL[2]._replace(remark="as listed")
    assert news([], TRAIL, listed) == ([], [*TRAIL[:2], listed, *TRAIL[3:]])


def test_what_the_trail_does_not_show_comes_last() -> None:
    assert news([], TRAIL[:3], TRAIL[-1]) == ([], [*TRAIL[:3], TRAIL[-1]])


def test_states_after_the_known_one_are_new_and_states_before_it_are_late() -> None:
    assert news(known(TRAIL[2]), TRAIL, TRAIL[-1]) == (TRAIL[:2], TRAIL[3:])


def test_a_state_between_known_ones_is_late() -> None:
    assert news(known(TRAIL[2], TRAIL[4]), TRAIL, TRAIL[4]) == ([TRAIL[0], TRAIL[1], TRAIL[3]], [])


def test_what_was_learnt_late_once_is_not_learnt_again() -> None:
    assert news(known(TRAIL[4], late=tuple(TRAIL[:4])), TRAIL, TRAIL[4]) == ([], [])
    assert news(known(*TRAIL), TRAIL, TRAIL[4]) == ([], [])


def test_late_states_are_learnt_when_the_listed_order_stands_as_it_did() -> None:
    assert news(known(TRAIL[4]), TRAIL, None) == (TRAIL[:4], [])


def test_a_known_state_that_is_told_with_more_makes_a_version() -> None:
    listed = TRAIL[4]._replace(remark="settled")
    assert news(known(*TRAIL), TRAIL, listed) == ([], [listed])


@pytest.mark.parametrize(("minute", "late", "new"), [(6, 4, 1), (0, 3, 2), (-1, 0, 5), (None, 4, 1)])
def test_a_known_state_that_the_trail_does_not_show_has_its_place_by_its_time(
    minute: int | None, late: int, new: int
) -> None:
    odd = a_state(LIVE, minute, price=Decimal(7))
    assert news(known(odd), TRAIL, TRAIL[-1]) == (TRAIL[:late], TRAIL[-new:])


def test_what_the_trail_shows_at_the_moment_of_its_first_state_comes_after_it() -> None:
    assert news(known(TRAIL[0]), TRAIL, TRAIL[-1]) == ([], TRAIL[1:])


def test_a_known_state_is_never_sought_before_the_one_that_the_book_had_earlier() -> None:
    twice = [a_state(LIVE, 0), a_state(PENDING, 3), a_state(LIVE, 3), a_state(DONE, 9)]
    assert news(known(a_state(LIVE, 3), a_state(LIVE, 5)), twice, twice[-1]) == (twice[:2], twice[3:])


def test_of_like_states_the_one_of_the_same_time_is_the_known_one() -> None:
    twice = [a_state(PLACED, 0), a_state(LIVE, 0), a_state(PENDING, 3), a_state(LIVE, 3)]
    assert news(known(a_state(LIVE, 3)), twice, twice[-1]) == (twice[:3], [])
    assert news(known(a_state(LIVE, 0)), twice, twice[-1]) == (twice[:1], twice[2:])


@pytest.mark.parametrize(
    ("versions", "told", "expected"),
    [
        ([], DONE, True),
        ([PLACED, DONE], DONE, False),
        ([PLACED, LIVE], DONE, True),
        ([DONE], DONE, True),
    ],
    ids=["unknown", "as it is", "moved on", "without its beginning"],
)
def test_a_trail_is_asked_for_where_the_book_lacks_states(versions: list[str], told: str, expected: bool) -> None:
    assert lacks_states(known(*map(a_state, versions)), a_state(told), DAY) is expected


def test_a_beginning_that_was_learnt_late_is_a_beginning() -> None:
    assert lacks_states(known(a_state(DONE), late=(a_state(PLACED),)), a_state(DONE), DAY) is False


def test_the_time_of_the_last_change_is_no_other_time_of_creation() -> None:
    moved = a_state(DONE)._replace(created_at=build.MORNING + timedelta(hours=3))
    assert lacks_states(known(a_state(PLACED), a_state(DONE)), moved, DAY) is False
