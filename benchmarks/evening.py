"""A whole evening beside its parts: 1,000 accounts, 200 ms a request, one process. `python -m benchmarks evening`.

Fetching alone asks everything and keeps the replies; recording alone is given the same replies and goes from the claim
to the commit. The evening is one tick that does both, from what is owed to the events. As the two go on side by side it
is to take no longer than the slower of them. Rate limits are lifted; the broker is a process of its own.
"""

import asyncio
import os
import resource
import statistics
from collections.abc import Sequence
from datetime import timedelta
from itertools import repeat

from django.conf import settings
from django.db import connection

from portfolio import clock
from portfolio.models import AccountHead, BrokerAccount, BrokerType, SyncSlot
from portfolio.schedule.tick import tick

from .fetch import fetch_all, local_broker
from .sync import make_accounts, ours, stage_replies, timed

ACCOUNTS, ROUNDS, WANTED = 1000, 1, 1.15
LATENCY = 0.2
NOON, AFTER_THE_CLOSE = "2026-10-05T12:00:00+05:30", "2026-10-05T16:05:00+05:30"


def main() -> None:
    with local_broker(LATENCY):
        rounds = [one_round() for _ in range(ROUNDS)]
    fetching, recording, whole = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    ratio = statistics.median(evening / max(fetch, record) for fetch, record, evening in rounds)
    print(
        f"evening, {connection.vendor}: {ACCOUNTS} accounts, {LATENCY:g} s a request: fetching alone {fetching:.1f} s, "
        f"recording alone {recording:.1f} s, the whole evening {whole:.1f} s: {ratio:.2f}x the slower of the two "
        f"(at most {WANTED}x); peak {memory_mb():.0f} MB; load {load()}"
    )


def one_round() -> tuple[float, float, float]:
    """Seconds: fetching alone, recording alone, both as one evening. Accounts of their own for each."""
    ids = [str(account.pk) for account in without_slots(ACCOUNTS)]
    fetching, _ = asyncio.run(fetch_all(ids, settings.KHATA_CONCURRENCY))
    replies, now = stage_replies("first sync", 1)
    recording = timed(lambda: ours([(account, replies) for account in without_slots(ACCOUNTS)], now))
    due = with_slots(ACCOUNTS)
    whole = timed(tick)
    require_complete(due)
    return fetching, recording, whole


def without_slots(count: int) -> list[BrokerAccount]:
    """Accounts that no tick ever owes anything."""
    accounts = make_accounts(repeat(1, count))
    AccountHead.objects.filter(account__in=[account.pk for account in accounts]).update(
        owed_until=clock.now() + timedelta(days=1000)
    )
    return accounts


def with_slots(count: int) -> list[BrokerAccount]:
    """Accounts that are due; connected at noon, and now it is five past four."""
    settings.KHATA_CLOCK = NOON
    accounts = make_accounts(repeat(1, count))
    settings.KHATA_CLOCK = AFTER_THE_CLOSE
    BrokerType.objects.filter(code="GROWW").update(instruments_asked_at=clock.now(), instruments_taken_at=clock.now())
    return accounts


def require_complete(accounts: Sequence[BrokerAccount]) -> None:
    done = SyncSlot.objects.filter(result="complete", due_at__lte=clock.now()).count()
    left = SyncSlot.objects.filter(result=None, due_at__lte=clock.now()).count()
    if done < len(accounts) or left:
        raise RuntimeError(f"{left} slots were not complete, {done} were")


def memory_mb() -> float:
    """The most that this process ever took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def load() -> str:
    """How many processes wanted a core, of this machine and whoever shares it, in the last minute."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
