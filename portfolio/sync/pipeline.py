"""START HERE: what happens to an account, from top to bottom.

    claim      one writer an account, anywhere: a lease and a token on its head
      open     a batch, committed before the first request: a crash leaves a trace
      fetch    ask the broker, all sections side by side; every reply is kept before it is read
    normalise  strict parse; what cannot be right is set aside
    decide     diff with the book, explain each change, work out the day's totals
    record     ONE transaction for a group of accounts

The network is never touched inside a transaction; one account's failure never reaches another's.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from .. import clock, startup
from ..models import BrokerAccount
from ..schedule import amendments
from . import instruments, master, prices
from .capture import Capture, failed
from .claim import claim
from .crew import Crew
from .decide import NotStanding, decide, wanted_listings
from .normalise import normalise, read_whole
from .record import Result, record, seal
from .recover import close_interrupted
from .state import read

Report = Callable[[Result], None]
Claim = Callable[[UUID, datetime], list[Capture]]


def sync(account_ids: Iterable[str], sync_type: str, report: Report = lambda result: None) -> list[Result]:
    """Syncs these accounts side by side; those that another run holds are left out. `report` hears of each result."""
    startup.require_guards()
    clock.refresh()
    amendments.refresh()
    ids = list(account_ids)
    master.refresh(BrokerAccount.objects.filter(pk__among=ids))
    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        report(result)

    asyncio.run(_sync(partial(_claimed, ids, sync_type), tell))
    return results


def sync_due(claim_due: Claim, report: Report) -> int:
    """The same for accounts whose slots are due. Returns how many were synced."""
    master.refresh(BrokerAccount.objects.to_sync())
    return asyncio.run(_sync(claim_due, report))


def _claimed(ids: Sequence[str], sync_type: str, owner: UUID, now: datetime) -> list[Capture]:
    close_interrupted(ids, now)
    return claim(ids, sync_type, owner, now)


async def _sync(claim: Claim, report: Report) -> int:
    count = 0
    async with Crew() as crew:
        captures = await crew.in_database(claim, crew.owner, clock.now())
        async for group in crew.settled(captures, settle):
            count += len(group)
            for result in group:
                report(result)
    return count


def settle(group: Sequence[Capture]) -> list[Result]:
    """From answers to the book, for a group of accounts. Returns what was written.

    An account whose book got a page meanwhile is decided again from the statement that was kept; one that
    the database refuses, or that a fault of ours breaks, is closed as FAILED, and the others go on.
    """
    written: list[Result] = []
    waiting = normalise(group)
    while waiting:
        recorded = record(_decided(waiting))
        written += recorded.written
        waiting = [result.made.to_decide_again() for result in recorded.moved]
        waiting += [failed(result.capture, error) for result, error in recorded.refused if not result.capture.is_broken]
    return written


def _decided(captures: Sequence[Capture]) -> list[Result]:
    """Reads the book, decides each account for itself, and writes the shared prices first."""
    books = read(captures)
    wanted = {capture.account_id: wanted_listings(capture) for capture in captures}
    known = instruments.resolve((one for listings in wanted.values() for one in listings), captures[0].trading_day)
    now = clock.now()
    made, unsure = [], []
    for capture in captures:
        try:
            mine = {listing: known[listing] for listing in wanted[capture.account_id]}
            made.append(decide(capture, books[capture.account_id], mine, now))
        except NotStanding:
            unsure.append(read_whole(capture))
        except Exception as error:
            made.append(decide(failed(capture, error), books[capture.account_id], {}, now))
    prices.write(made, now)
    return [seal(one, now) for one in made] + (_decided(unsure) if unsure else [])
