"""When an attempt that failed is made again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.retries import IS_DOWN, NEEDS_A_PERSON, Evening, next_attempt

FOUR = datetime(2026, 10, 5, 10, 30, tzinfo=UTC)  # 16:00 in India
HALF_PAST_ELEVEN = FOUR + timedelta(hours=7.5)
MIDNIGHT = FOUR + timedelta(hours=8)
EVENING = Evening(HALF_PAST_ELEVEN, MIDNIGHT)
MINUTE = timedelta(minutes=1)


def minutes(kind: str, attempts: int, chance: float = 1, asked_pause: float | None = None) -> float | None:
    moment = next_attempt([kind], attempts, FOUR, chance, EVENING, asked_pause)
    return (moment - FOUR) / MINUTE if moment else None


@pytest.mark.parametrize(
    ("kind", "pauses"),
    [("broker_unavailable", [1, 2, 4, 8, 16, 30, 30]), ("unexpected_reply", [5, 10, 20, 40, 60, 60, 60])],
)
def test_pauses_double_up_to_the_longest_by_what_went_wrong(kind: str, pauses: list[float]) -> None:
    assert [minutes(kind, attempt) for attempt in range(1, 8)] == pauses


def test_chance_takes_up_to_half_of_a_pause_away() -> None:
    assert [minutes("rate_limited", 4, chance) for chance in (0, 0.5, 1)] == [4, 6, 8]


@pytest.mark.parametrize("kind", sorted(NEEDS_A_PERSON))
def test_what_only_a_person_can_mend_is_not_tried_again(kind: str) -> None:
    assert next_attempt(["broker_unavailable", kind], 1, FOUR, 0, EVENING, 5) is None


def test_a_pause_that_the_broker_asked_for_is_a_least_one() -> None:
    assert [minutes("rate_limited", 1, chance, 600) for chance in (0, 1)] == [10, 10.5]


@pytest.mark.parametrize(
    ("now", "asked", "expected"),
    [
        (HALF_PAST_ELEVEN - 5 * MINUTE, None, HALF_PAST_ELEVEN),
        (HALF_PAST_ELEVEN - MINUTE / 2, None, None),
        (HALF_PAST_ELEVEN, None, None),
        (HALF_PAST_ELEVEN - 5 * MINUTE, 240, HALF_PAST_ELEVEN),
        (HALF_PAST_ELEVEN - 5 * MINUTE, 900, HALF_PAST_ELEVEN + 10 * MINUTE),
        (HALF_PAST_ELEVEN - 5 * MINUTE, 34 * 60, MIDNIGHT - MINUTE),
        (HALF_PAST_ELEVEN - 5 * MINUTE, 34 * 60 + 1, None),
    ],
)
def test_the_last_attempt_is_made_at_the_end_of_the_evening(
    now: datetime, asked: float | None, expected: datetime | None
) -> None:
    assert next_attempt(["timed_out"], 9, now, 0.5, EVENING, asked) == expected


def test_a_look_that_may_be_made_up_to_midnight_is_made_a_minute_before() -> None:
    last_sweep = Evening(MIDNIGHT, MIDNIGHT)
    assert next_attempt(["timed_out"], 9, MIDNIGHT - 3 * MINUTE, 0.5, last_sweep) == MIDNIGHT - MINUTE


@given(
    st.sampled_from(sorted(IS_DOWN | {"unexpected_reply", "set_aside"})),
    st.integers(1, 10_000),
    st.timedeltas(timedelta(0), timedelta(hours=8)),
    st.floats(0, 1),
    st.none() | st.floats(0, 40_000),
)
def test_whatever_happens_it_is_tried_until_the_evening_ends(
    kind: str, attempts: int, since: timedelta, chance: float, asked: float | None
) -> None:
    now, pause = FOUR + since, timedelta(seconds=asked or 0)
    moment = next_attempt([kind], attempts, now, chance, EVENING, asked)
    if moment is None:
        assert now > HALF_PAST_ELEVEN - MINUTE or now + pause > MIDNIGHT - MINUTE
    else:
        assert now + pause <= moment < MIDNIGHT
        assert moment - now >= min(MINUTE / 2, pause or MINUTE)
        assert moment <= max(HALF_PAST_ELEVEN, now + pause)
