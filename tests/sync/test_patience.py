"""What a broker asked for outlasts a run: the next one in this process does not ask too early either. Nor does it wait
for years."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from portfolio import clock
from portfolio.models import AccountHead, SyncBatch
from portfolio.triggers.base import RateLimited
from simulators.market import Market
from simulators.scripts import random_investor
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database


@pytest.mark.parametrize("kind", ["429", "503_html"])
def test_a_run_leaves_the_broker_alone_for_as_long_as_it_asked_the_run_before(kind: str) -> None:
    person = random_investor(Market(), "1000000001", 1, holdings=2, positions=1, orders=2)
    with build.groww(person) as simulator:
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


@pytest.mark.parametrize("asked", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_pause_of_years_is_one_of_six_hours_and_the_batch_is_closed(asked: str) -> None:
    person = random_investor(Market(), "1000000001", 1, holdings=2, positions=1, orders=2)
    with build.groww(person) as simulator:
        account = build.a_groww_account(simulator, person.ucc)
        simulator.move_to("2026-10-05 16:05")
        simulator.fault("429", "/user/detail", retry_after=asked)
        (result,) = build.synced(account)
    assert (result.capture.retry_after, SyncBatch.objects.get().status) == (6 * 3600, "FAILED")
    assert AccountHead.objects.get(account=account).pause_until == clock.now() + timedelta(hours=6)


def test_so_is_one_that_a_trigger_tells_by_itself(broker: Broker, at: Callable[[str], None]) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-05 16:05")
    broker.says = {"holdings": RateLimited("come back in years", 1e12)}
    build.synced(account)
    assert AccountHead.objects.get(account=account).pause_until == clock.now() + timedelta(hours=6)
