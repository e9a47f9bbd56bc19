"""A run is killed at each point of the pipeline: all or nothing, and done again before the lease and half a minute."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from portfolio.models import SyncBatch, SyncSlot
from portfolio.schedule.tick import tick
from simulators.market import trading_days
from tests.faults import oracle
from tests.faults.process import Point, Process, Stop, code_of
from tests.faults.runs import one_tick
from tests.faults.world import World, world

pytestmark = pytest.mark.database

SYNC, RECORD = "portfolio.sync", "portfolio.sync.record"
POINTS = {
    "before what is owed is written down": Point("portfolio.schedule.owe._row", times=6),
    "before the lease": Point("portfolio.schedule.due.claim_due"),
    "leased, no batch open yet": Point(f"{SYNC}.claim.open_batches"),
    "leased, batch opened": Point("portfolio.schedule.due.claim_due", "return"),
    "a reply has come": Point(f"{SYNC}.capture.Capture.note", times=12),
    "replies are written, not committed": Point(f"{SYNC}.evidence._write", "return"),
    "replies are kept": Point(f"{SYNC}.evidence._keep", "return"),
    "all is fetched": Point(f"{SYNC}.normalise.normalise"),
    "parsed": Point(f"{SYNC}.normalise.normalise", "return"),
    "new instruments are written, not committed": Point(f"{SYNC}.instruments._write", "return"),
    "shared prices are written": Point(f"{SYNC}.prices.write", "return"),
    "an account is decided": Point(f"{SYNC}.record.seal", "return", times=3),
    "before the record": Point(f"{RECORD}.record"),
    "the heads are locked": Point(f"{RECORD}._sorted_out"),
    "a table of the record is written": Point(f"{SYNC}.bulk.send", times=8, within=f"{RECORD}._write"),
    "a table of the record is changed": Point(f"{SYNC}.bulk._change", times=4, within=f"{RECORD}._write"),
    "slots are settled, not committed": Point(f"{SYNC}.slots.settle", "return"),
    "rows and pages are made ready": Point(f"{RECORD}._writes", "return"),
    "written, not committed": Point(f"{RECORD}._write", "return"),
    "committed": Point(f"{RECORD}._record_group", "return"),
    "settled, not reported": Point(f"{SYNC}.pipeline.settle", "return"),
}
FIRST = "new instruments are written, not committed"  # on the first day alone
DAILY = "before what is owed is written down"  # at a day's first tick
WITH_REAL_LEASE, REAL_LEASE = "leased, batch opened", 90.0
LOOKS = ("16:00", "19:00")


def test_every_point_is_a_function_that_there_is() -> None:
    assert [name for name, point in POINTS.items() if not code_of(point.function)] == []


@pytest.mark.seeds(5)
def test_a_run_that_is_killed_wrote_all_or_nothing_and_is_made_again(
    seed: int, is_full: bool, short_leases: float, tell: Callable[[str], None], pytestconfig: pytest.Config
) -> None:
    """One life: a kill at each look, twice a day, at one point after the other. One has the lease that runs really
    have."""
    chance = random.Random(seed)
    names = _shuffled(chance)[: None if is_full else 6]
    longest = 0.0
    with world(seed) as here:
        days = trading_days(here.stage.now.date(), len(names))
        for number, name in enumerate(names):
            day, look = days[number // 2], LOOKS[number % 2]
            here.move_to(day, look)
            here.log_in()
            point = POINTS[name]
            nth = chance.randint(1, point.times) if look == "16:00" else 1
            is_real = is_full and name == WITH_REAL_LEASE and seed == pytestconfig.getoption("seed")
            longest = max(longest, kill_and_recover(here, Stop(point, nth), REAL_LEASE if is_real else short_leases))
    tell(f"kills, seed {seed}: {len(names)} kills at as many points, nothing lost, nothing doubled; all done again "
         f"at most {longest:.1f} s after the lease had run out")  # fmt: skip


def _shuffled(chance: random.Random) -> list[str]:
    rest = [name for name in POINTS if name not in (FIRST, DAILY)]
    chance.shuffle(rest)
    return [FIRST, rest[0], DAILY, *rest[1:]]


def kill_and_recover(here: World, stop: Stop, lease: float) -> float:
    """Returns how many seconds all was done after the lease had run out."""
    assert Process(one_tick, stop=stop, lease=lease).end() == -signal.SIGKILL, f"{stop} was not reached"
    killed = time.monotonic()
    oracle.check_anywhere()
    while not is_done(here):
        assert time.monotonic() < killed + lease + 30, f"not recovered after {stop}"
        tick()
        time.sleep(0.1)
    took = time.monotonic() - killed
    oracle.check_at_rest()
    for ucc, account in here.accounts.items():
        oracle.check_truth(account, here.stage.investors[ucc])
    assert not SyncBatch.objects.filter(status="PARTIAL").exists()
    return took - lease


def is_done(here: World) -> bool:
    """Every account's last look that is due is complete."""
    due = SyncSlot.objects.filter(kind="DAILY_PORTFOLIO", due_at=here.stage.now, result="complete")
    return due.count() == len(here.accounts)
