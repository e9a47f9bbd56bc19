"""What a broker asked for outlasts a run: the next one in this process does not ask too early either."""

import pytest

from simulators.market import Market
from simulators.scripts import random_investor
from tests import build

pytestmark = pytest.mark.database


@pytest.mark.parametrize("kind", ["429", "503_html"])
def test_a_run_leaves_the_broker_alone_for_as_long_as_it_asked_the_run_before(kind: str) -> None:
    person = random_investor(Market(), "1000000001", 1, holdings=2, positions=1, orders=2)
    with build.groww(person, limits=False) as simulator:
        account = build.a_groww_account(simulator, person.ucc)
        simulator.move_to("2026-10-05 16:05")
        simulator.fault(kind, "/user/detail", retry_after=600)
        (first,) = build.synced(account)
        simulator.clear_faults()
        asked = len(simulator.requests)
        (second,) = build.synced(account)
        assert [result.status for result in (first, second)] == ["FAILED", "FAILED"]
        assert [problem.kind for problem in second.capture.problems] == ["left_alone"]
        assert first.capture.retry_after == 600
        assert 500 < (second.capture.retry_after or 0) < 601  # what is left, and up to a second of chance
        assert len(simulator.requests) == asked
