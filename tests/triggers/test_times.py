"""Times of which the zone is in doubt, read on a Monday at 16:05 in India."""

from datetime import UTC, datetime

import pytest

from ledger.errors import BadValue
from portfolio.triggers.times import Times, z_is_indian

from .broker import NOW, a_reply


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[arg-type, misc]


TIMES = [
    ("2026-10-05T10:15:30", utc(2026, 10, 5, 4, 45, 30), "no zone is India's"),
    ("2026-10-05 10:15:30.250", utc(2026, 10, 5, 4, 45, 30, 250_000), "with a space and a fraction"),
    ("2026-10-05T10:15:30+05:30", utc(2026, 10, 5, 4, 45, 30), "with India's offset"),
    ("2026-10-05T04:45:30+00:00", utc(2026, 10, 5, 4, 45, 30), "with another offset"),
    ("2026-10-05T04:45:30Z", utc(2026, 10, 5, 4, 45, 30), "a true Z: 10:15 in India"),
    ("2026-10-05T15:29:59Z", utc(2026, 10, 5, 9, 59, 59), "a Z on an Indian time: as given it is 20:59"),
    ("2026-10-05T11:00:00Z", utc(2026, 10, 5, 5, 30), "a Z on an Indian time: as given it is after we asked"),
    ("2026-10-05T20:00:00Z", utc(2026, 10, 5, 20), "neither fits: as given"),
    ("2023-10-01T10:15:30Z", utc(2023, 10, 1, 10, 15, 30), "another day: as given"),
    ("2026-10-05T00:00:00Z", utc(2026, 10, 5), "a date with a Z keeps its date in India"),
    ("2026-10-04T18:30:00Z", utc(2026, 10, 4, 18, 30), "India's midnight, truly in UTC"),
    ("2026-10-05", utc(2026, 10, 4, 18, 30), "a date alone begins in India"),
    (None, None, "not given"),
    ("", None, "not given"),
    ("0001-01-01T00:00:00", None, "the year 1 means never"),
    ("0001-01-01T00:00:00Z", None, "the year 1 means never"),
]


@pytest.mark.parametrize(("text", "moment"), [each[:2] for each in TIMES], ids=[each[2] for each in TIMES])
def test_a_time_is_read_as_it_fits_the_trading_day(text: str | None, moment: datetime | None) -> None:
    assert Times(NOW).instant(text) == moment


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "not a time: 'yesterday'"),
        ("2026-13-01T00:00:00", "not a time: '2026-13-01T00:00:00'"),
        ("2099-01-01T10:00:00", "a time in the future: 2099-01-01T10:00:00"),
    ],
)
def test_what_is_no_time_of_the_past_says_so(text: str, words: str) -> None:
    with pytest.raises(BadValue) as caught:
        Times(NOW).instant(text)
    assert str(caught.value) == words


FITS_BOTH_WAYS = "2026-10-05T10:00:00Z"  # 10:00 or 15:30 in India


@pytest.mark.parametrize(
    ("others", "read"),
    [
        ([], utc(2026, 10, 5, 10)),
        (["2026-10-05T14:00:00Z", "2026-10-05T11:30:00Z"], utc(2026, 10, 5, 4, 30)),
        (["2026-10-05T04:00:00Z"], utc(2026, 10, 5, 10)),
        (["2026-10-05T14:00:00Z", "2026-10-05T04:00:00Z", "2026-10-05T05:00:00Z"], utc(2026, 10, 5, 10)),
        (["2019-08-24T14:15:22Z", "2026-99-99T00:00:00Z", "0001-01-01T00:00:00Z", "nonsense Z"], utc(2026, 10, 5, 10)),
    ],
)
def test_a_time_that_fits_both_ways_is_read_like_the_others_of_the_answer(others: list[str], read: datetime) -> None:
    replies = [a_reply(f'{{"created_at": "{other}"}}') for other in others]
    assert Times(NOW, z_is_indian(replies)).instant(FITS_BOTH_WAYS) == read
