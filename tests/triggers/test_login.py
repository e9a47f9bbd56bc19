"""TOTP codes, the end of a day's token, and one renewal for all sections however many ask."""

import asyncio
import base64
from datetime import UTC, datetime

import pytest

from portfolio.triggers.base import BrokerUnavailable, LoginRequired, Reply
from portfolio.triggers.login import DayToken, next_ist, totp

from .broker import NOW, Tokens, a_reply

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert (totp(RFC_SECRET, moment, digits=8), totp(RFC_SECRET, moment)) == (code, code[2:])


SPACED = "gezd gnbv gy3t qojq gezd gnbv gy3t qojq"


@pytest.mark.parametrize("secret", [SPACED, SPACED.replace(" ", "-").upper(), f"{RFC_SECRET}===="])
def test_a_secret_may_be_written_as_people_write_it(secret: str) -> None:
    assert totp(secret, NOW) == totp(RFC_SECRET, NOW)


@pytest.mark.parametrize(("length", "whole_bytes"), [(16, 10), (22, 13), (26, 16), (27, 16), (32, 20), (33, 20)])
def test_a_secret_of_any_length_is_read_as_far_as_its_bits_make_bytes(length: int, whole_bytes: int) -> None:
    secret = (RFC_SECRET * 2)[:length]
    whole = base64.b32encode((b"1234567890" * 4)[:whole_bytes]).decode()
    assert totp(secret, NOW) == totp(whole, NOW)


@pytest.mark.parametrize("secret", ["01890189", "no spaces, but commas", "ü"])
def test_what_is_no_secret_is_said_without_being_shown(secret: str) -> None:
    with pytest.raises(LoginRequired) as caught:
        totp(secret, NOW)
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-10-05T05:59:59+05:30", "2026-10-05T06:00:00+05:30"),
        ("2026-10-05T06:00:00+05:30", "2026-10-06T06:00:00+05:30"),
        ("2026-10-05T16:05:00+05:30", "2026-10-06T06:00:00+05:30"),
        ("2026-10-05T20:00:00+00:00", "2026-10-06T06:00:00+05:30"),
    ],
)
def test_a_day_ends_at_the_next_six_in_india(now: str, end: str) -> None:
    assert next_ist(datetime.fromisoformat(now), 6) == datetime.fromisoformat(end)


class Logins:
    """Counts logins; each gives the next token, or raises."""

    def __init__(self, *outcomes: str | Exception) -> None:
        self.outcomes = list(outcomes)
        self.count = 0

    async def __call__(self) -> tuple[str, datetime]:
        self.count += 1
        await asyncio.sleep(0.001)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome, NOW


def used_by(sections: int, token: DayToken, good: str, offers: list[str] | None = None) -> list[str]:
    """What each of so many sections, asking side by side of a broker that takes one token, ends with."""

    async def ask(offered: str) -> Reply:
        if offers is not None:
            offers.append(offered)
        await asyncio.sleep(0.001)
        if offered != good:
            raise LoginRequired("refused")
        return a_reply(offered)

    async def section() -> str:
        try:
            return (await token.use(ask)).body.decode()
        except LoginRequired as error:
            return str(error)

    async def go() -> list[str]:
        return await asyncio.gather(*(section() for _ in range(sections)))

    return asyncio.run(go())


def test_many_sections_without_a_token_log_in_once() -> None:
    logins, tokens = Logins("new"), Tokens()
    assert used_by(5, DayToken(tokens, logins, "advice"), "new") == ["new"] * 5
    assert (logins.count, tokens.puts) == (1, [("new", NOW)])


def test_a_stored_token_is_used_without_a_login() -> None:
    logins = Logins()
    assert used_by(5, DayToken(Tokens("stored"), logins, "advice"), "stored") == ["stored"] * 5
    assert logins.count == 0


def test_many_sections_with_a_dead_token_renew_it_once() -> None:
    logins, tokens = Logins("new"), Tokens("dead")
    assert used_by(8, DayToken(tokens, logins, "advice"), "new") == ["new"] * 8
    assert (logins.count, tokens.token) == (1, "new")


def test_a_new_token_that_is_refused_asks_for_a_person_and_not_for_a_third() -> None:
    logins = Logins("new", "newer")
    assert used_by(5, DayToken(Tokens("dead"), logins, "do this"), "none of these") == ["refused. do this"] * 5
    assert logins.count == 1


def test_a_token_that_was_renewed_and_dies_again_is_not_renewed_a_second_time() -> None:
    logins = Logins("new", "newer")
    token = DayToken(Tokens("dead"), logins, "do this")
    assert used_by(3, token, "new") == ["new"] * 3
    assert used_by(3, token, "newer") == ["refused. do this"] * 3
    assert logins.count == 1


def test_a_token_of_this_runs_own_login_may_be_renewed_once() -> None:
    logins = Logins("first", "second", "third")
    assert used_by(3, DayToken(None, logins, "do this"), "second") == ["second"] * 3
    assert logins.count == 2


def test_a_login_that_gives_the_refused_token_again_asks_for_a_person() -> None:
    logins, offers = Logins("pasted"), list[str]()
    token = DayToken(Tokens("pasted"), logins, "paste a new one")
    assert used_by(2, token, "other", offers) == ["refused. paste a new one"] * 2
    assert (logins.count, offers) == (1, ["pasted"] * 2)


def test_a_login_that_failed_is_not_tried_again_in_the_same_run() -> None:
    logins = Logins(LoginRequired("wrong code"), "new")
    token = DayToken(Tokens("dead"), logins, "advice")
    assert used_by(5, token, "new") == ["wrong code"] * 5
    offers: list[str] = []
    assert used_by(3, token, "new", offers) == ["wrong code"] * 3
    assert (logins.count, offers) == (1, [])


def test_a_login_that_the_broker_could_not_answer_stays_retryable() -> None:
    token = DayToken(None, Logins(BrokerUnavailable("down")), "advice")
    with pytest.raises(BrokerUnavailable, match="down"):
        used_by(1, token, "new")
