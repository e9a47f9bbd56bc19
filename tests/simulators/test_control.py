"""The control side of a simulator, and the simulator as a program."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.groww import GrowwSimulator, groww_simulator
from simulators.investor import Investor
from simulators.market import Market
from simulators.orders import BUY
from simulators.scripts import demo_investors
from tests.simulators.asking import ask, control
from tests.simulators.build import UCC

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sim() -> Iterator[GrowwSimulator]:
    investor = Investor(Market(), UCC)
    investor.start_with("TCS", 10, "3000")
    investor.at("2026-10-06 10:00", lambda investor: investor.buy("SBIN", 4, "800"))
    investor.at("2026-10-06 11:00", lambda investor: investor.place("ITC", BUY, 5, price="390"))
    with groww_simulator([investor]) as running:
        yield running


def test_moving_the_clock_plays_what_the_investors_do_until_then(sim: GrowwSimulator) -> None:
    assert control(sim, "/clock").json == {"now": "2026-10-05T16:05:00+05:30"}
    moved = control(sim, "/clock", method="POST", body={"now": "2026-10-06T05:00:00+00:00"})
    assert moved.json == {"now": "2026-10-06T10:30:00+05:30"}
    assert [order["trading_symbol"] for order in ask(sim, "/order/list").payload["order_list"]] == ["SBIN"]


@pytest.mark.parametrize("now", ["2026-10-05T10:00:00+05:30", "2026-10-06T10:00:00", "tomorrow", None])
def test_the_clock_takes_only_a_later_time_with_its_offset(sim: GrowwSimulator, now: str | None) -> None:
    assert control(sim, "/clock", method="POST", body={"now": now}).status == 400
    assert control(sim, "/clock").json == {"now": "2026-10-05T16:05:00+05:30"}


def test_faults_are_injected_and_cleared(sim: GrowwSimulator) -> None:
    fault = {"kind": "429", "endpoint": "/holdings/*", "times": 2, "ucc": UCC, "retry_after": 3}
    assert control(sim, "/fault", method="POST", body=fault).json == {"faults": 1}
    assert ask(sim, "/holdings/user").headers["Retry-After"] == "3"
    assert control(sim, "/faults", method="DELETE").json == {"faults": 0}
    assert ask(sim, "/holdings/user").status == 200
    for wrong in ({"kind": "gremlins"}, {}, ["429"]):
        assert control(sim, "/fault", method="POST", body=wrong).status == 400


def test_switches_are_turned_for_all_or_for_one(sim: GrowwSimulator) -> None:
    assert control(sim, "/switch", method="POST", body={"tradable_exchanges": True}).json == {
        "tradable_exchanges": True
    }
    assert "tradable_exchanges" in ask(sim, "/holdings/user").payload["holdings"][0]
    control(sim, "/switch", method="POST", body={"ucc": UCC, "tradable_exchanges": False})
    assert "tradable_exchanges" not in ask(sim, "/holdings/user").payload["holdings"][0]
    assert control(sim, "/switch", method="POST", body={"warp": 9}).status == 400
    assert control(sim, "/switch", method="POST", body={"ucc": "nobody", "numbers": "floats"}).status == 400


def test_everyone_s_keys_are_told(sim: GrowwSimulator) -> None:
    (keys,) = control(sim, "/investors").json["investors"]
    assert set(keys) == {"ucc", "totp_token", "totp_seed", "api_key", "api_secret", "access_token"}
    assert ask(sim, "/user/detail", token=keys["access_token"]).payload["ucc"] == UCC


def test_the_log_tells_what_was_asked_and_answered(sim: GrowwSimulator) -> None:
    ask(sim, "/order/list?segment=CASH&page=0")
    ask(sim, "/order/create", method="POST", body={})
    assert control(sim, "/log").json["requests"] == [
        {
            "method": "GET",
            "path": "/order/list",
            "query": [["segment", "CASH"], ["page", "0"]],
            "ucc": UCC,
            "status": 200,
            "at": "2026-10-05T16:05:00+05:30",
            "fault": "",
            "is_write": False,
            "broker": "GROWW",
        },
        {
            "method": "POST",
            "path": "/order/create",
            "query": [],
            "ucc": UCC,
            "status": 404,
            "at": "2026-10-05T16:05:00+05:30",
            "fault": "",
            "is_write": True,
            "broker": "GROWW",
        },
    ]


def test_the_truth_of_a_day_is_told_while_it_runs_and_ever_after(sim: GrowwSimulator) -> None:
    sim.move_to("2026-10-06 12:00")
    during = control(sim, f"/truth/{UCC}").json
    sim.move_to("2026-10-07 12:00")
    after = control(sim, f"/truth/{UCC}?day=2026-10-06").json
    assert during["owned"] == after["owned"] == {"INE467B01029": 10, "INE062A01020": 4}
    assert during["movements"] == [{"isin": "INE062A01020", "kind": "buy", "quantity": 4}]
    assert [(fill["symbol"], fill["quantity"], fill["price"]) for fill in after["fills"]] == [("SBIN", 4, "800")]
    states = {order["symbol"]: [state["status"] for state in order["states"]] for order in after["orders"]}
    assert states == {"SBIN": ["OPEN", "EXECUTED"], "ITC": ["OPEN", "CANCELLED"]}
    assert [entry["kind"] for entry in after["cash_entries"]] == ["buy"]
    assert control(sim, f"/truth/{UCC}").json["orders"] == []


def test_there_is_no_truth_of_a_day_to_come_or_of_a_stranger(sim: GrowwSimulator) -> None:
    for path in (f"/truth/{UCC}?day=2026-12-01", f"/truth/{UCC}?day=someday", "/truth/stranger"):
        assert control(sim, path).status == 400


def test_a_simulator_starts_in_a_fifth_of_a_second_with_the_demo() -> None:
    assert min(seconds_to_start() for _ in range(3)) < 0.2  # the machine may be busy with something else


def seconds_to_start() -> float:
    began = time.monotonic()
    with groww_simulator(demo_investors(Market())) as sim:
        assert len(sim.investors) == 2
        return time.monotonic() - began


def test_a_start_may_be_told_as_text_and_is_read_as_indian_time() -> None:
    with groww_simulator(start="2026-10-06 12:00") as sim:
        assert sim.now.isoformat() == "2026-10-06T12:00:00+05:30"
    with pytest.raises(ValueError, match="only moves forward"), groww_simulator(start="2026-10-01 12:00"):
        pass


def test_many_simulators_run_side_by_side() -> None:
    with groww_simulator() as one, groww_simulator() as other:
        one.move_to("2026-10-08 16:05")
        assert control(one, "/clock").json != control(other, "/clock").json
        assert ask(other, "/user/detail").payload["ucc"] == UCC


def test_latency_applies_to_every_answer() -> None:
    with groww_simulator(latency_seconds=0.1) as sim:
        token = sim.credentials(UCC)["access_token"]
        began = time.monotonic()
        ask(sim, "/user/detail", token=token)
        assert time.monotonic() - began > 0.1


def run_program(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "simulators.groww", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": ""})


def test_the_program_says_where_it_listens_and_ends_when_told() -> None:
    with run_program("--start", "2026-10-07T16:05", "--latency-ms", "1", "--no-limits") as program:
        assert program.stdout
        said = json.loads(program.stdout.readline())
        with urllib.request.urlopen(f"{said['control']}/clock", timeout=5) as reply:
            assert json.load(reply) == {"now": "2026-10-07T16:05:00+05:30"}
        with urllib.request.urlopen(f"{said['control']}/investors", timeout=5) as reply:
            assert [each["ucc"] for each in json.load(reply)["investors"]] == ["8100000001", "8100000002"]
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=5) == 0


def test_the_program_takes_a_number_of_random_investors() -> None:
    with run_program("--investors", "3", "--seed", "5") as program:
        assert program.stdout
        said = json.loads(program.stdout.readline())
        with urllib.request.urlopen(f"{said['control']}/investors", timeout=5) as reply:
            assert len(json.load(reply)["investors"]) == 3
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=5) == 0
