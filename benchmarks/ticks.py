"""What a long past costs a tick: 1,000,000 ended slots and closed batches, and none. `python -m benchmarks ticks`.

The same ticks of the same accounts, before the past is filled in and afterwards: one that finds nothing due, and one
that runs fifty accounts of the sample broker, which needs no network. The fastest of each is compared: whatever else
runs on the machine only makes them slower.
"""

import time
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

from ledger import canonical
from ledger.canonical import render
from portfolio.ids import new_ids
from portfolio.models import BrokerAccount
from portfolio.schedule import calendar, owe
from portfolio.schedule.tick import tick
from portfolio.sync import bulk
from tests import build

from .evening import load
from .sizes import sizes

PAST, WANTED = 1_000_000, 1.2
ACCOUNTS, ROUNDS, IDLE_TICKS, PART = 50, 7, 40, 50_000
# A slot as it is written down, and then how it ended.
ENDED = bulk.schema(
    owe.SLOT.name, 1, " ".join([*map(":".join, owe.SLOT.fields), "result", "batch_id:uuid"])
)  # fmt: skip
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> None:
    size = sizes(past=PAST, accounts=ACCOUNTS, rounds=ROUNDS)
    past, count = size.past, size.accounts
    settings.KHATA_CLOCK = "2026-10-05T09:00:00+05:30"
    accounts = [build.an_account(client_id=f"C{number}") for number in range(count)]
    days = (datetime(2026, 10, 5, 10, 30, tzinfo=UTC) + timedelta(days=n) for n in range(1000))
    sessions = (day for day in days if calendar.session(day.date()))
    before = [measured(next(sessions), count) for _ in range(size.rounds + 1)][1:]  # the first one warms up
    fill(accounts, past)
    after = [measured(next(sessions), count) for _ in range(size.rounds + 1)][1:]
    for index, what in enumerate(("finds nothing due", f"runs {count} accounts")):
        empty, full = (min(each[index] for each in rounds) for rounds in (before, after))
        print(
            f"ticks, {connection.vendor}: one that {what}: {1000 * empty:.1f} ms with no past, {1000 * full:.1f} ms "
            f"with {past:,} slots and batches: {full / empty:.2f}x (at most {WANTED}x); load {load()}"
        )


def measured(due_at: datetime, accounts: int) -> tuple[float, float]:
    """Seconds of a tick with nothing to do, and of one at 16:00 of a trading day."""
    settings.KHATA_CLOCK = (due_at - timedelta(hours=1)).isoformat()
    tick()
    idle = min(seconds_of_a_tick(0) for _ in range(IDLE_TICKS))
    settings.KHATA_CLOCK = due_at.isoformat()
    return idle, seconds_of_a_tick(accounts)


def seconds_of_a_tick(wanted: int) -> float:
    """Of one that runs so many accounts."""
    started = time.perf_counter()
    ran = tick()
    if ran != wanted:
        raise RuntimeError(f"a tick ran {ran} accounts where {wanted} were due")
    return time.perf_counter() - started


def fill(accounts: list[BrokerAccount], past: int) -> None:
    """Ended slots, each with its closed batch, a minute apart."""
    for start in range(0, past, PART):
        batches, slots = [], []
        numbers = range(start, min(start + PART, past))
        for number, batch_id, slot_id in zip(numbers, new_ids(PART), new_ids(PART), strict=False):
            account_id, at = str(accounts[number % len(accounts)].pk), LONG_AGO + timedelta(minutes=number)
            batches.append(render(canonical.SYNC_BATCH, (
                batch_id, account_id, "DAILY_PORTFOLIO", at.date(), "COMPLETED", at, at, *(0,) * 8, "[]", "{}",
            )))  # fmt: skip
            slots.append(render(ENDED, (
                slot_id, account_id, at.date(), "DAILY_PORTFOLIO", at, at, at, 1, 0, None, False, "complete", "",
                "complete", batch_id,
            )))  # fmt: skip
        bulk.insert(canonical.SYNC_BATCH, batches)
        bulk.insert(ENDED, slots)
    if connection.vendor == "postgresql":  # as autovacuum does by itself
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
