"""The market calendar: known days exactly, unknown days as sessions."""

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.normalise import IST
from portfolio.schedule import calendar
from portfolio.schedule.calendar import (
    Session,
    is_after_close,
    is_known,
    is_own_day,
    is_settlement_holiday,
    next_session,
    previous_session,
    session,
    trading_day,
)

KNOWN_DAYS = st.dates(date(2024, 1, 1), date(2026, 12, 31))


def ist(day: str, moment: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{moment}").replace(tzinfo=IST)


def sessions_of(year: int) -> list[Session]:
    days = (date(year, 1, 1) + timedelta(n) for n in range(366))
    return [found for day in days if day.year == year and (found := session(day))]


def table(name: str) -> list[dict[str, str]]:
    with (Path(calendar.__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_regular_day_has_the_hours_that_were_in_force() -> None:
    assert session(date(2026, 7, 31)) == Session(
        date(2026, 7, 31),
        "regular",
        datetime(2026, 7, 31, 3, 30, tzinfo=UTC),
        datetime(2026, 7, 31, 3, 45, tzinfo=UTC),
        datetime(2026, 7, 31, 10, 0, tzinfo=UTC),
        datetime(2026, 7, 31, 10, 30, tzinfo=UTC),
    )


def test_since_august_2026_the_closing_auction_ends_the_session() -> None:
    before, after = session(date(2026, 7, 31)), session(date(2026, 8, 3))

    assert before and before.closes == ist("2026-07-31", "15:30")
    assert after and after.closes == ist("2026-08-03", "15:35")
    assert after.post_close_ends == ist("2026-08-03", "16:00")


def test_days_before_the_first_recorded_hours_have_the_first_hours() -> None:
    found = session(date(2008, 1, 2))

    assert found and (found.opens, found.closes) == (ist("2008-01-02", "09:15"), ist("2008-01-02", "15:30"))


@pytest.mark.parametrize(("year", "count"), [(2024, 249), (2025, 249), (2026, 247)])
def test_a_year_has_as_many_sessions_as_the_market_had(year: int, count: int) -> None:
    assert len(sessions_of(year)) == count


@pytest.mark.parametrize(
    ("day", "kind", "pre_open", "opens", "closes"),
    [
        ("2024-01-20", "special", "09:00", "09:15", "15:30"),
        ("2024-03-02", "special", "09:00", "09:15", "12:30"),
        ("2024-05-18", "special", "09:00", "09:15", "12:40"),
        ("2024-11-01", "muhurat", "17:45", "18:00", "19:00"),
        ("2025-02-01", "special", "09:00", "09:15", "15:30"),
        ("2025-10-21", "muhurat", "13:30", "13:45", "14:45"),
        ("2026-02-01", "special", "09:00", "09:15", "15:30"),
        ("2026-11-08", "muhurat", "17:45", "18:00", "19:15"),
    ],
)
def test_special_sessions_are_sessions_even_on_weekends_and_holidays(
    day: str, kind: str, pre_open: str, opens: str, closes: str
) -> None:
    found = session(date.fromisoformat(day))

    assert found is not None
    assert found[1:5] == (kind, ist(day, pre_open), ist(day, opens), ist(day, closes))


@pytest.mark.parametrize(
    "day",
    ["2024-01-22", "2024-05-20", "2024-11-20", "2025-10-22", "2026-01-15", "2026-11-10", "2026-11-21", "2026-11-22"],
)
def test_closures_and_weekends_have_no_session(day: str) -> None:
    assert session(date.fromisoformat(day)) is None


def test_only_recorded_years_are_known() -> None:
    assert [is_known(date(year, 6, 1)) for year in (2023, 2024, 2025, 2026, 2027)] == [False, True, True, True, False]


def test_every_weekday_of_an_unknown_year_counts_as_a_session() -> None:
    found = sessions_of(2028)

    assert len(found) == 260
    assert {each.day.weekday() for each in found} == {0, 1, 2, 3, 4}


def test_of_a_year_without_a_list_only_what_is_certain_is_closed() -> None:
    assert len(sessions_of(2027)) == 261 - 3
    assert [session(date(2027, month, day)) for month, day in ((1, 26), (3, 26), (4, 14))] == [None] * 3


def test_the_calendar_says_how_far_it_knows() -> None:
    assert calendar.known_until(date(2024, 5, 1)) == calendar.known_until(date(2026, 12, 31)) == date(2026, 12, 31)
    assert calendar.known_until(date(2027, 1, 1)) is None


# Days that the published calendar packages have wrong: True where there was, or will be, a session.
WRONG_ELSEWHERE = {
    "2024-01-20": True, "2024-03-02": True, "2024-05-18": True, "2024-11-01": True, "2025-02-01": True,
    "2025-10-21": True, "2026-02-01": True, "2026-11-08": True, "2026-01-15": False, "2024-11-20": False,
    "2027-01-26": False,
}  # fmt: skip


@pytest.mark.parametrize(("day", "is_session"), WRONG_ELSEWHERE.items())
def test_the_days_that_others_have_wrong_are_right(day: str, is_session: bool) -> None:
    assert (session(date.fromisoformat(day)) is not None) is is_session


def test_a_settlement_holiday_may_be_a_session() -> None:
    assert is_settlement_holiday(date(2026, 2, 1))
    assert session(date(2026, 2, 1)) is not None
    assert not is_settlement_holiday(date(2026, 2, 2))


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (ist("2026-11-20", "08:59:59"), date(2026, 11, 19)),
        (ist("2026-11-20", "09:00"), date(2026, 11, 20)),
        (ist("2026-11-20", "23:59:59"), date(2026, 11, 20)),
        (ist("2026-11-21", "00:00"), date(2026, 11, 20)),
        (ist("2026-11-22", "16:00"), date(2026, 11, 20)),
        (ist("2026-11-23", "05:29"), date(2026, 11, 20)),
        (ist("2026-11-23", "05:31"), date(2026, 11, 20)),
        (ist("2026-11-24", "16:00"), date(2026, 11, 23)),
        (ist("2026-11-08", "17:44"), date(2026, 11, 6)),
        (ist("2026-11-08", "17:45"), date(2026, 11, 8)),
        (ist("2026-11-10", "12:00"), date(2026, 11, 9)),
        (ist("2026-02-01", "12:00"), date(2026, 2, 1)),
        (ist("2027-01-27", "12:00"), date(2027, 1, 27)),
    ],
)
def test_the_trading_day_is_the_indian_date_once_its_pre_open_has_begun(at: datetime, day: date) -> None:
    assert trading_day(at) == day
    assert trading_day(at.astimezone(UTC)) == day


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (ist("2026-11-19", "23:59:59"), False),
        (ist("2026-11-20", "00:00"), True),
        (ist("2026-11-20", "23:59:59"), True),
        (ist("2026-11-21", "00:00"), False),
        (datetime(2026, 11, 19, 18, 30, tzinfo=UTC), True),
        (datetime(2026, 11, 20, 18, 30, tzinfo=UTC), False),
    ],
)
def test_a_days_own_hours_are_those_of_its_date_in_india(at: datetime, expected: bool) -> None:
    assert is_own_day(at, date(2026, 11, 20)) is expected


@pytest.mark.parametrize(
    ("at", "day", "expected"),
    [
        (ist("2026-11-20", "15:34:59"), date(2026, 11, 20), False),
        (ist("2026-11-20", "15:35"), date(2026, 11, 20), True),
        (ist("2026-11-21", "00:01"), date(2026, 11, 20), True),
        (ist("2026-07-31", "15:30"), date(2026, 7, 31), True),
        (ist("2025-10-21", "14:44"), date(2025, 10, 21), False),
        (ist("2025-10-21", "14:45"), date(2025, 10, 21), True),
        (ist("2026-11-21", "23:00"), date(2026, 11, 21), False),
    ],
)
def test_a_day_is_over_when_its_own_session_has_closed(at: datetime, day: date, expected: bool) -> None:
    assert is_after_close(at, day) is expected


def test_neighbouring_sessions_skip_what_is_closed() -> None:
    assert previous_session(date(2026, 11, 10)) == date(2026, 11, 9)
    assert previous_session(date(2026, 11, 9)) == date(2026, 11, 8)
    assert previous_session(date(2026, 11, 8)) == date(2026, 11, 6)
    assert next_session(date(2026, 11, 9)) == date(2026, 11, 11)
    assert next_session(date(2026, 1, 30)) == date(2026, 2, 1)
    assert next_session(date(2026, 12, 31)) == date(2027, 1, 1)


@given(KNOWN_DAYS)
def test_going_back_and_forth_comes_back(day: date) -> None:
    if session(day):
        assert next_session(previous_session(day)) == day
        assert previous_session(next_session(day)) == day
    assert previous_session(day) < day < next_session(day)


@given(KNOWN_DAYS)
def test_a_sessions_hours_are_in_order_and_within_its_own_date(day: date) -> None:
    found = session(day)
    if found is not None:
        hours = found[2:]
        assert list(hours) == sorted(set(hours))
        assert {is_own_day(each, day) for each in hours} == {True}
        assert {each.tzinfo for each in hours} == {UTC}


@given(st.integers(0, 4 * 365 * 24 * 60).map(lambda minutes: ist("2024-01-10", "00:00") + timedelta(minutes=minutes)))
def test_the_trading_day_is_a_session_that_has_begun_and_is_never_ahead(at: datetime) -> None:
    found = session(trading_day(at))

    assert found is not None
    assert found.pre_open <= at
    following = session(next_session(found.day))
    assert following is not None
    assert at < following.pre_open


def test_the_tables_hold_each_day_and_kind_once_in_order_with_a_source() -> None:
    days = [(row["date"], row["kind"]) for row in table("calendar.csv")]
    hours = [row["valid_from"] for row in table("hours.csv")]

    assert days == sorted(set(days))
    assert hours == sorted(set(hours))
    assert [row for row in (*table("calendar.csv"), *table("hours.csv")) if not row["source"]] == []
    assert {row["kind"] for row in table("calendar.csv")} == {"closed", "special", "muhurat", "settlement_holiday"}


def test_no_recorded_closure_falls_on_a_weekend_or_on_a_session() -> None:
    closed = [date.fromisoformat(row["date"]) for row in table("calendar.csv") if row["kind"] == "closed"]

    assert [day for day in closed if day.weekday() >= 5 or session(day)] == []
