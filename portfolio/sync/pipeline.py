"""START HERE: what happens to an account, from top to bottom.

    claim      one writer an account, anywhere: a lease and a token on its head (recover.py, claim.py)
      open     a batch, committed before the first request: a crash leaves a trace
      fetch    ask the broker, all sections side by side; every reply is kept before it is read (crew.py, fetch.py)
    normalise  strict parse; what cannot be right is set aside (normalise.py)
    decide     diff with the book, explain each change, work out the day's totals (decide.py)
    record     ONE transaction for a group of accounts (record.py)

The network is never touched inside a transaction; one account's failure never reaches another's.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from .. import clock, startup
from ..models import BrokerAccount
from ..schedule import amendments, owe
from . import breakers, instruments, master, prices
from .apart import apart
from .capture import Capture
from .claim import Claim, once
from .crew import Crew
from .decide import decide_each, wanted_listings
from .normalise import normalise
from .record import Report, Result, record, seal
from .recover import claim_anew
from .rows import finish
from .state import read


def sync(account_ids: Iterable[str], sync_type: str, report: Report = lambda result: None) -> list[Result]:
    """Syncs these accounts side by side; those that another run holds are left out. `report` hears of each result."""
    startup.require_guards()
    amendments.refresh()
    ids = list(account_ids)
    owe.owe_to(ids, clock.refresh())
    master.refresh(BrokerAccount.objects.filter(pk__among=ids))
    results: list[Result] = []
    asyncio.run(_sync(once(partial(claim_anew, ids, sync_type)), results.append, report))
    return results


def sync_due(claim_due: Claim, report: Report, simulated: bool = False) -> int:
    """The same for accounts whose slots are due. Returns how many were synced."""
    master.refresh(BrokerAccount.objects.to_sync(simulated))
    return asyncio.run(_sync(claim_due, report))


async def _sync(claim: Claim, *reports: Report) -> int:
    count = 0
    async with Crew() as crew:
        async for group in crew.settled(claim, settle):
            count += len(group)
            for result in group:
                for report in reports:
                    report(result)
    return count


def settle(group: Sequence[Capture]) -> list[Result]:
    """From answers to the book, for a group of accounts. Returns what was written. An account whose book got a page
    meanwhile is decided again from its kept statement; one that the database refuses is closed as FAILED."""
    written: list[Result] = []
    waiting = apart(normalise, group)
    while waiting:
        recorded = record(apart(_decided, waiting))
        written += recorded.written
        waiting = recorded.to_decide_again()
    breakers.note(written)
    return written


def _decided(captures: Sequence[Capture]) -> list[Result]:
    """Reads the book, decides each account for itself, and writes the shared prices first."""
    books, now = read(captures), clock.now()
    known = instruments.resolve(wanted_listings(*captures), captures[0].trading_day)
    made, unsure = decide_each(captures, books, known, now)
    prices.write(made, now)
    finish([one.pen for one in made])
    return [seal(one, now) for one in made] + (_decided(unsure) if unsure else [])
