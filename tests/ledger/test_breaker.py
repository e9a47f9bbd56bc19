"""When a broker is left alone, and when it is tried again."""

from datetime import UTC, datetime, timedelta

import pytest

from ledger.breaker import CLOSED, PAUSE, Breaker, Outcome, after, is_up

NOW = datetime(2026, 10, 5, 10, 30, tzinfo=UTC)
FAILED = [Outcome(f"account {number}", False, "503") for number in range(5)]
UP = Outcome("another", True)
OPEN = after(CLOSED, FAILED, NOW)


def test_five_accounts_that_fail_in_a_row_open_it_and_fewer_do_not() -> None:
    assert (OPEN.is_open, OPEN.failing_since, OPEN.probe_at, OPEN.reason) == (True, NOW, NOW + PAUSE, "503")
    assert after(CLOSED, FAILED[:4], NOW).is_open is False


def test_an_account_that_fails_again_and_again_says_nothing_of_the_broker() -> None:
    assert after(CLOSED, FAILED[:1] * 50, NOW) == Breaker(("account 0",), None, None, "503")


@pytest.mark.parametrize("before", [after(CLOSED, FAILED[:4], NOW), OPEN])
def test_any_answer_closes_it(before: Breaker) -> None:
    assert after(before, [UP], NOW) == CLOSED


def test_failures_are_counted_from_the_last_answer_on() -> None:
    assert after(CLOSED, [*FAILED[:4], UP, *FAILED[3:]], NOW).failed == ("account 3", "account 4")


def test_it_stays_open_since_when_it_opened_until_the_probe_that_was_agreed_on() -> None:
    later = NOW + 10 * PAUSE
    assert after(OPEN, [Outcome("probe", False, "502")], later) == OPEN._replace(reason="502", probe_at=later)


@pytest.mark.parametrize(("asked", "pause"), [(None, 60), (5, 60), (600, 600)])
def test_a_broker_that_asks_for_a_longer_pause_gets_it(asked: float | None, pause: float) -> None:
    opened = after(CLOSED, [*FAILED[:4], FAILED[4]._replace(asked_pause=asked)], NOW)
    assert opened.probe_at == NOW + timedelta(seconds=pause)
    assert after(OPEN, [Outcome("probe", False, "", 600)], NOW).probe_at == NOW + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("status", "kinds", "expected"),  # where the broker replied
    [
        ("COMPLETED", [], True),
        ("PARTIAL", ["broker_unavailable"], True),
        ("FAILED", ["broker_unavailable", "not_asked"], False),
        ("FAILED", ["timed_out"], False),
        ("FAILED", ["login_required"], True),
        ("FAILED", ["unexpected_reply"], True),
        ("FAILED", ["rate_limited"], None),
        ("FAILED", ["left_alone"], None),
        ("FAILED", ["credential_error"], None),
        ("FAILED", ["interrupted"], None),
    ],
)
def test_what_an_attempt_says_of_the_broker(status: str, kinds: list[str], expected: bool | None) -> None:
    assert is_up(status, kinds, has_reply=True) is expected


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [(["login_required"], None), (["unexpected_reply"], None), (["broker_unavailable"], False), (["timed_out"], False)],
)
def test_without_a_reply_it_is_never_up(kinds: list[str], expected: bool | None) -> None:
    assert is_up("FAILED", kinds, has_reply=False) is expected
