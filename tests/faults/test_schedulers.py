"""Two loops, run_due and Celery's messages, all at once: one run a slot, and each question asked once."""

import os
import signal
from collections import Counter
from collections.abc import Callable

import pytest

from portfolio.models import SyncBatch, SyncSlot
from simulators.market import trading_days
from tests.faults import oracle
from tests.faults.process import Process, wait_until
from tests.faults.runs import by_hand, by_message, for_ever
from tests.faults.test_kills import LOOKS, is_done
from tests.faults.world import world

pytestmark = pytest.mark.database


def test_all_ways_to_tick_at_once_make_one_run_a_slot(is_full: bool, tell: Callable[[str], None]) -> None:
    with world(1) as here:
        loops = [Process(for_ever), Process(for_ever)]
        days = trading_days(here.stage.now.date(), 10 if is_full else 1)
        for day in days:
            here.move_to(day, "12:00")
            here.log_in()
            for look in LOOKS:
                here.move_to(day, look)
                others = [Process(way) for way in (by_hand, by_message) * 3]
                assert [other.end() for other in others] == [0] * len(others)
                wait_until(lambda: is_done(here))
        for loop in loops:
            os.kill(loop.pid, signal.SIGTERM)
        assert [loop.end() for loop in loops] == [0, 0]
        asked = Counter(
            (one.at, one.ucc, one.path, one.query) for one in here.stage.requests if "/instruments" not in one.path
        )
        for ucc, account in here.accounts.items():
            oracle.check_truth(account, here.stage.investors[ucc])
    wanted = len(here.accounts) * len(days) * len(LOOKS)
    assert [question for question, times in asked.items() if times > 1] == []
    assert Counter(SyncBatch.objects.filter(sync_type="DAILY_PORTFOLIO").values_list("status", flat=True)) == {
        "COMPLETED": wanted
    }
    slots = SyncSlot.objects.filter(kind="DAILY_PORTFOLIO")
    assert Counter(slots.values_list("result", "attempts")) == {("complete", 1): wanted}
    oracle.check_at_rest()
    tell(f"schedulers: {wanted} slots under 2 loops, 3 timers and 3 messages at once, {wanted} runs")
