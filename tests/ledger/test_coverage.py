"""What a day's captures come to where it had no looks of its own."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.coverage import COMPLETE, NOT_OWED, PARTIAL, PROVISIONAL, Capture, of_captures

LAST_LOOK = datetime(2026, 10, 5, 13, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("captures", "last_look", "results"),
    [
        ([], LAST_LOOK, (NOT_OWED, NOT_OWED)),
        ([Capture(LAST_LOOK - MINUTE, True)], LAST_LOOK, (PROVISIONAL, PARTIAL)),
        ([Capture(LAST_LOOK, True)], LAST_LOOK, (COMPLETE, COMPLETE)),
        ([Capture(LAST_LOOK + MINUTE, True)], LAST_LOOK, (COMPLETE, COMPLETE)),
        ([Capture(LAST_LOOK + MINUTE, False)], LAST_LOOK, (PROVISIONAL, PARTIAL)),
        ([Capture(LAST_LOOK, True), Capture(LAST_LOOK + MINUTE, False)], LAST_LOOK, (COMPLETE, COMPLETE)),
        ([Capture(LAST_LOOK, True)], None, (COMPLETE, COMPLETE)),
        ([Capture(LAST_LOOK, False)], None, (PROVISIONAL, PARTIAL)),
    ],
)
def test_a_day_is_complete_by_a_whole_capture_at_the_last_look_or_after_it(
    captures: list[Capture], last_look: datetime | None, results: tuple[str, str]
) -> None:
    assert tuple(of_captures(captures, last_look, is_over) for is_over in (False, True)) == results
