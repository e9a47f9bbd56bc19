"""A whole evening beside its parts: 1,000 accounts, 200 ms a request, one process. `python -m benchmarks evening`.

Fetching alone asks everything and keeps nothing: it leaves out the claim, and all else that the database does.
Recording alone is given the same replies in memory and goes from the claim to the commit: it leaves out the network,
and what is owed. The evening is one tick that leaves out nothing, from what is owed to the events. As the two go on
side by side it is to take no longer than the slower one. Rate limits are lifted; the broker is a process of its own.
"""

import os
import resource
import statistics
from collections.abc import Callable, Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection

from ledger.entries import Order
from portfolio import clock
from portfolio.models import AccountHead, BrokerAccount, BrokerType, SyncSlot
from portfolio.schedule.tick import tick
from portfolio.sync.capture import Capture, ReplyNote
from portfolio.sync.crew import Crew
from portfolio.sync.fetch import Lacking
from portfolio.triggers.base import Reply

from .fetch import Share, accounts_at_broker, local_broker
from .sizes import sizes
from .sync import ours, stage_replies, timed

ACCOUNTS, ROUNDS, WANTED = 1000, 3, 1.15
LATENCY = 0.2
NOON, AFTER_THE_CLOSE = "2026-10-05T12:00:00+05:30", "2026-10-05T16:05:00+05:30"


def main() -> None:
    options = sizes(accounts=ACCOUNTS, rounds=ROUNDS)
    count, rounds = options.accounts, []
    with local_broker(LATENCY):
        for number in range(options.rounds):
            rounds.append(one_round(count))
            fetch, record, whole, requests = rounds[-1]
            print(
                f"evening, {connection.vendor}, round {number + 1}: fetching {fetch:.1f} s, recording {record:.1f} s, "
                f"the whole {whole:.1f} s; load {load()}", flush=True,
            )  # fmt: skip
    fetching, recording, evening, _ = (statistics.median(each) for each in zip(*rounds, strict=True))
    ratio = statistics.median(whole / max(fetch, record) for fetch, record, whole, _ in rounds)
    at_once = settings.KHATA_CONCURRENCY
    print(
        f"evening, {connection.vendor}: {count} accounts, {requests / count:.0f} requests each of {LATENCY:g} s, "
        f"{at_once} at once: no faster than {requests * LATENCY / at_once:.1f} s; medians of {len(rounds)} rounds\n"
        f"  fetching alone  {fetching:7.1f} s  without the claim; nothing kept, no database\n"
        f"  recording alone {recording:7.1f} s  from the claim to the commit, replies kept; no network, no slots\n"
        f"  the evening     {evening:7.1f} s  one tick: what is owed, claim, fetch, replies, record, events\n"
        f"  {ratio:.2f}x the slower of the two (at most {WANTED}x); peak {memory_mb():.0f} MB; load {load()}"
    )


def one_round(count: int) -> tuple[float, float, float, int]:
    """Seconds: fetching alone, recording alone, both as one evening, with accounts of their own for each; requests."""
    ids = [str(account.pk) for account in without_slots(count)]
    share = Share()
    share.claim(ids, settings.KHATA_CONCURRENCY, CountingCrew)
    requests: list[int] = []
    fetching = timed(lambda: requests.append(share.fetch()))
    recording = timed(recorder(without_slots(count)))
    due = with_slots(count)
    whole = timed(tick)
    require_complete(due)
    return fetching, recording, whole, requests[0]


def recorder(accounts: Sequence[BrokerAccount]) -> Callable[[], None]:
    """Records these, each with its own replies, which are there already."""
    prepared = [stage_replies("first sync", int(account.account_id)) for account in accounts]
    each = [(account, replies) for account, (replies, _) in zip(accounts, prepared, strict=True)]
    return lambda: ours(each, prepared[0][1])


class CountingCrew(Crew):
    """Asks, and counts what comes: nothing is kept, and the database is asked nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._lacking = Lacking(_lacking_fills, _those_with_fills)

    async def _keep(self, capture: Capture, reply: Reply) -> None:
        capture.replies.append(ReplyNote(reply.request, reply.status, reply.fetched_at, reply.took_ms, b""))


async def _those_with_fills(capture: Capture, orders: Sequence[Order]) -> Sequence[Order]:
    return [order for order in orders if order.filled_quantity]


async def _lacking_fills(capture: Capture, orders: Sequence[Order]) -> tuple[Sequence[Order], Sequence[Order]]:
    return await _those_with_fills(capture, orders), ()


def without_slots(count: int) -> list[BrokerAccount]:
    """Accounts that no tick ever owes anything."""
    accounts = accounts_at_broker(count)
    AccountHead.objects.filter(account__in=[account.pk for account in accounts]).update(
        owed_until=clock.now() + timedelta(days=1000)
    )
    return accounts


def with_slots(count: int) -> list[BrokerAccount]:
    """Accounts that are due; connected at noon, and now it is five past four."""
    settings.KHATA_CLOCK = NOON
    accounts = accounts_at_broker(count)
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
