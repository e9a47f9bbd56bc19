"""Sixteen processes want the same slots: one holder at a time, and as many runs as slots."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from ledger.normalise import IST
from portfolio.models import BrokerType, SyncBatch, SyncSlot
from simulators.market import trading_days
from tests import build
from tests.faults import oracle
from tests.faults.process import Process
from tests.faults.runs import RACED, race

pytestmark = pytest.mark.database
PROCESSES = 16
LOOKS = ("16:00", "19:00")


def test_sixteen_processes_run_each_slot_once(
    is_full: bool, set_clock: Callable[[datetime], None], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    accounts, days, wave = (1000, 5, 20) if is_full else (60, 1, 4)
    set_clock(datetime(2026, 10, 5, 12, tzinfo=IST))
    BrokerType.objects.create(code=RACED, name="Raced broker")
    portfolio = build.a_portfolio()
    for number in range(accounts):
        build.an_account(RACED, f"R{number}", portfolio)
    began = time.monotonic()
    for day in trading_days(datetime(2026, 10, 5, tzinfo=IST).date(), days):
        for look in LOOKS:
            set_clock(datetime.fromisoformat(f"{day} {look}").replace(tzinfo=IST))
            racing = [Process(race, str(tmp_path), wave) for _ in range(PROCESSES)]
            assert [process.end(600) for process in racing] == [0] * PROCESSES
    slots = SyncSlot.objects.filter(kind="DAILY_PORTFOLIO")
    wanted = accounts * days * len(LOOKS)
    assert not (tmp_path / "met").exists()
    assert Counter((tmp_path / "runs").read_text().split()) == {f"R{n}": days * len(LOOKS) for n in range(accounts)}
    assert Counter(slots.values_list("result", "attempts")) == {("complete", 1): wanted}
    assert Counter(SyncBatch.objects.values_list("status", flat=True)) == {"COMPLETED": wanted}
    oracle.check_at_rest()
    tell(f"claims: {PROCESSES} processes, {wanted} slots, {wanted} runs, never two at one account; "
         f"{wanted / (time.monotonic() - began):.0f} slots a second")  # fmt: skip
