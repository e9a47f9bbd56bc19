"""How one logs in to the simulated Groww, and how long that lasts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from simulators.groww import GrowwSimulator, groww_simulator
from simulators.groww_login import checksum, totp
from simulators.investor import Investor
from simulators.market import IST, Market
from tests.simulators.asking import Answer, ask
from tests.simulators.build import UCC

RFC_SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890", the secret of RFC 6238's vectors


@pytest.fixture
def sim() -> Iterator[GrowwSimulator]:
    with groww_simulator([Investor(Market(), UCC), Investor(Market(), "1000000002")]) as running:
        yield running


def log_in(sim: GrowwSimulator, key: str, body: Any) -> Answer:
    return ask(sim, "/token/api/access", token=key, method="POST", body=body)


def with_totp(sim: GrowwSimulator, step: int = 0) -> Answer:
    keys = sim.credentials(UCC)
    body = {"key_type": "totp", "totp": totp(keys["totp_seed"], sim.now, step)}
    return log_in(sim, keys["totp_token"], body)


def with_approval(sim: GrowwSimulator, *, seconds: int = 0, as_text: bool = True, secret: str = "") -> Answer:
    keys = sim.credentials(UCC)
    stamp = int(sim.now.timestamp()) + seconds
    told = checksum(secret or keys["api_secret"], str(stamp))
    timestamp = str(stamp) if as_text else stamp
    return log_in(sim, keys["api_key"], {"key_type": "approval", "checksum": told, "timestamp": timestamp})


def failure(answer: Answer) -> tuple[int, str]:
    assert answer.json["status"] == "FAILURE"
    return answer.status, answer.json["error"].get("displayMessage") or answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert totp(RFC_SEED, datetime.fromtimestamp(seconds, IST)) == code


def test_the_checksum_is_the_plain_hash_of_secret_and_timestamp() -> None:
    assert checksum("abc", "") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum("a", "bc") == checksum("abc", "")


def test_a_token_comes_without_an_envelope_and_opens_the_account(sim: GrowwSimulator) -> None:
    answer = with_totp(sim)
    assert answer.status == 200
    assert set(answer.json) == {"token", "tokenRefId", "sessionName", "expiry", "isActive"}
    assert (answer.json["expiry"], answer.json["isActive"]) == ("2026-10-06T06:00:00", True)
    assert ask(sim, "/user/detail", token=answer.json["token"]).payload["ucc"] == UCC


def test_the_code_before_and_the_code_after_are_taken_too_and_no_other(sim: GrowwSimulator) -> None:
    assert [with_totp(sim, step).status for step in (-2, -1, 0, 1, 2)] == [401, 200, 200, 200, 401]


def test_a_code_is_taken_once_when_the_broker_is_strict(sim: GrowwSimulator) -> None:
    sim.switch("totp_single_use", True)
    assert [with_totp(sim).status, with_totp(sim).status, with_totp(sim, 1).status] == [200, 400, 200]


@pytest.mark.parametrize("as_text", [True, False])
def test_approval_takes_the_timestamp_as_text_and_as_a_number(sim: GrowwSimulator, as_text: bool) -> None:
    assert with_approval(sim, as_text=as_text).status == 200


def test_a_checksum_is_good_for_ten_minutes_either_way(sim: GrowwSimulator) -> None:
    assert [with_approval(sim, seconds=s).status for s in (-601, -600, 600, 601)] == [400, 200, 200, 400]
    assert failure(with_approval(sim, seconds=-601)) == (400, "timestamp is outside the accepted window")


def test_a_wrong_secret_or_key_is_refused(sim: GrowwSimulator) -> None:
    assert failure(with_approval(sim, secret="other")) == (401, "Invalid checksum")
    assert failure(log_in(sim, "nobody's", {"key_type": "totp", "totp": "123456"})) == (401, "Invalid API key")


def test_a_key_of_one_kind_does_not_serve_for_the_other(sim: GrowwSimulator) -> None:
    keys = sim.credentials(UCC)
    body = {"key_type": "totp", "totp": totp(keys["totp_seed"], sim.now)}
    assert log_in(sim, keys["api_key"], body).status == 403


def test_a_key_that_was_not_approved_today_is_refused(sim: GrowwSimulator) -> None:
    sim.switch("approved_today", False, UCC)
    assert failure(with_approval(sim)) == (403, "API key has not been approved today")
    assert with_totp(sim).status == 200


@pytest.mark.parametrize("body", [None, {}, {"key_type": "password"}, {"key_type": "totp"}, ["totp"]])
def test_a_body_that_makes_no_sense_is_told_in_the_display_message(sim: GrowwSimulator, body: Any) -> None:
    answer = log_in(sim, sim.credentials(UCC)["totp_token"], body)
    assert answer.status == 400
    assert set(answer.json["error"]) == {"code", "displayMessage", "metadata"}


def test_all_tokens_end_at_six_in_the_morning(sim: GrowwSimulator) -> None:
    token = with_totp(sim).json["token"]
    sim.move_to("2026-10-06 05:59")
    assert ask(sim, "/user/detail", token=token).status == 200
    late = with_totp(sim).json
    assert late["expiry"] == "2026-10-06T06:00:00"
    sim.move_to("2026-10-06 06:00")
    assert [ask(sim, "/user/detail", token=each).status for each in (token, late["token"])] == [401, 401]
    assert ask(sim, "/user/detail", token=with_totp(sim).json["token"]).status == 200


def test_a_new_token_ends_the_old_one_only_when_switched_so(sim: GrowwSimulator) -> None:
    first = with_totp(sim).json["token"]
    second = with_totp(sim).json["token"]
    assert ask(sim, "/user/detail", token=first).status == 200
    sim.switch("new_token_ends_old", True)
    third = with_totp(sim).json["token"]
    assert [ask(sim, "/user/detail", token=each).status for each in (first, second, third)] == [401, 401, 200]


def test_without_a_token_or_with_somebody_elses_word_there_is_nothing(sim: GrowwSimulator) -> None:
    for token in ("nonsense", sim.credentials(UCC)["totp_token"]):
        answer = ask(sim, "/holdings/user", token=token)
        assert (answer.status, answer.json["status"]) == (401, "FAILURE")
        assert answer.json["error"] == {"code": "GA005", "message": "Token expired or invalid", "metadata": None}


def test_the_version_header_is_required_on_every_call(sim: GrowwSimulator) -> None:
    assert [ask(sim, "/user/detail", version=version).status for version in ("", "2.0", "1.0")] == [400, 400, 200]
    sim.switch("version_required", False)
    assert ask(sim, "/user/detail", version="").status == 200


def test_each_investor_sees_his_own_account(sim: GrowwSimulator) -> None:
    sim.investors["1000000002"].start_with("TCS", 3, "3000")
    token = sim.credentials("1000000002")["access_token"]
    assert len(ask(sim, "/holdings/user", token=token).payload["holdings"]) == 1
    assert ask(sim, "/holdings/user").payload["holdings"] == []


def test_without_a_subscription_every_call_is_forbidden(sim: GrowwSimulator) -> None:
    sim.switch("subscription", False, UCC)
    assert [ask(sim, "/holdings/user").status, with_totp(sim).status] == [403, 403]
    assert ask(sim, "/holdings/user", token=sim.credentials("1000000002")["access_token"]).status == 200


def test_the_clock_of_the_codes_is_the_simulated_one(sim: GrowwSimulator) -> None:
    before = sim.now
    sim.move_to(before + timedelta(hours=1))
    keys = sim.credentials(UCC)
    old = {"key_type": "totp", "totp": totp(keys["totp_seed"], before)}
    assert log_in(sim, keys["totp_token"], old).status == 401
