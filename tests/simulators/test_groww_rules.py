"""What the simulated Groww does not let one do: write, and ask too often."""

import pytest

from simulators.groww import groww_simulator
from simulators.investor import Investor
from simulators.limits import Limits
from simulators.market import Market
from tests.simulators.asking import ask, control
from tests.simulators.build import UCC, an_investor


def test_smart_orders_are_an_empty_list() -> None:
    with groww_simulator([an_investor()]) as sim:
        assert ask(sim, "/order-advance/list?segment=CASH").payload == {"orders": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/order/create"),
        ("POST", "/order/modify"),
        ("POST", "/order/cancel"),
        ("POST", "/order-advance/create"),
        ("PUT", "/order-advance/modify/1"),
        ("POST", "/holdings/user"),
        ("DELETE", "/order/list"),
    ],
)
def test_nothing_can_be_written_and_who_tries_is_in_the_log(method: str, path: str) -> None:
    with groww_simulator([an_investor()]) as sim:
        answer = ask(sim, path, method=method, body={"quantity": 1})
        assert (answer.status, answer.json["error"]["code"]) == (404, "GA004")
        assert [(served.method, served.path, served.ucc) for served in sim.requests if served.is_write] == [
            (method, path, UCC)
        ]


def test_a_login_and_a_read_are_no_writes() -> None:
    with groww_simulator([an_investor()]) as sim:
        ask(sim, "/token/api/access", token=sim.credentials(UCC)["totp_token"], method="POST", body={})
        ask(sim, "/holdings/user")
        assert [served.is_write for served in sim.requests] == [False, False]


def test_refusals_may_all_come_with_http_200() -> None:
    with groww_simulator([an_investor()], failures_with_200=True) as sim:
        answer = ask(sim, "/order/list?segment=SHARES")
        assert (answer.status, answer.json["status"]) == (200, "FAILURE")


def test_the_twenty_first_call_of_a_second_is_one_too_many_for_that_client_alone() -> None:
    with groww_simulator([an_investor(), Investor(Market(), "2")]) as sim:
        token, other = sim.credentials(UCC)["access_token"], sim.credentials("2")["access_token"]
        statuses = [ask(sim, "/holdings/user", token=token).status for _ in range(25)]
        assert statuses == [200] * 20 + [429] * 5
        assert ask(sim, "/holdings/user", token=other).status == 200
        assert ask(sim, "/live-data/ltp?segment=CASH&exchange_symbols=NSE_TCS", token=token).status == 200
        assert "Retry-After" not in ask(sim, "/order/list", token=token).headers
        sim.switch("limits", False)
        assert ask(sim, "/holdings/user", token=token).status == 200


def test_a_minute_has_its_own_limit_and_lets_go_when_it_is_over() -> None:
    now = 0.0
    limits = Limits({"live": (10, 30)}, lambda: now)
    allowed = 0
    for second in range(61):
        now = float(second)
        allowed += sum(limits.allow("1", "live") for _ in range(4))
    assert allowed == 30 + 4  # those of the first second have left the minute by then
    assert limits.allow("2", "live") and limits.allow("1", "unlimited")


def test_control_answers_are_no_calls_to_the_broker() -> None:
    with groww_simulator([an_investor()]) as sim:
        assert control(sim, "/clock").json == {"now": "2026-10-05T16:05:00+05:30"}
        assert sim.requests == []
