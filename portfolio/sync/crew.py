"""Runs many accounts side by side in one process: who asks, who writes, and when a group is full.

Threads of their own do all that touches the database, so that a transaction never waits for the network and
the network never for a transaction. Leases are renewed while the fetch goes on.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connection, connections

from ledger.entries import Order
from portfolio_project.settings import broker_url

from .. import clock
from ..accounts import NewToken, StoredToken, open_credentials, store_tokens
from ..ids import new_uuid
from ..keys import CannotDecrypt
from ..secret import revealed
from ..triggers.base import Account, BaseTrigger, Credential, ForbiddenRequest, Reply
from ..triggers.client import Transport
from ..triggers.limits import OF_THIS_PROCESS
from ..triggers.registry import get_trigger_for_code, why_missing
from . import evidence
from .capture import Capture, failed
from .claim import Claim, release, renew
from .fetch import Lacking, fetch, made
from .head import Login
from .history import Asked, lacking_fills, lacking_states
from .record import Result
from .together import Together

logger = logging.getLogger(__name__)

RENEW_SECONDS = 30.0
# Groups at a time, each in a thread with a connection of its own. SQLite has one writer, and its driver lets the other
# thread in at every row: a second one costs more than it gives.
SETTLING = {"postgresql": 2, "sqlite": 1}
GROUP_WAIT_SECONDS = 0.5  # a finished account waits no longer for its group

Given = TypeVar("Given")


def room() -> int:
    """How many accounts a run holds at once: those that are asked, and as many again to go on with."""
    return 4 * settings.KHATA_CONCURRENCY


Settle = Callable[[Sequence[Capture]], list[Result]]


class Crew:
    """`async with Crew() as crew`: the connections, the database thread and the leases of one run."""

    def __init__(self) -> None:
        self.owner: UUID = new_uuid()
        self._settling = SETTLING[connection.vendor]
        self._threads = self._settling + 1
        self._database = ThreadPoolExecutor(self._threads, thread_name_prefix="database")
        self._stack = AsyncExitStack()
        self._transport = Transport(clock.now, concurrency=settings.KHATA_CONCURRENCY, shared=OF_THIS_PROCESS)
        self._shared: list[Together[Any, Any]] = []  # what many ask of the database together
        self._replies: Together[evidence.Kept, None] = self.together(_keep)
        self._tokens: Together[NewToken, None] = self.together(store_tokens)
        self._lacking = Lacking(self._ask_book(lacking_fills), self._ask_book(lacking_states))
        self._keeping: dict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._room = room()
        self._places = asyncio.Semaphore(self._room)

    async def __aenter__(self) -> "Crew":
        await self._stack.enter_async_context(self._transport)
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        await self._stack.aclose()
        for shared in self._shared:  # one that is asleep between two turns would open a session again
            await shared.end()
        if kind:
            await self._give_back()
        everyone = Barrier(self._threads)
        await asyncio.gather(*(self.in_database(_close, everyone) for _ in range(everyone.parties)))
        self._database.shutdown()

    async def _give_back(self) -> None:
        """The accounts of a run that was stopped. Where that fails their leases run out."""
        try:
            await self.in_database(release, self.owner)
        except Exception:
            logger.exception("the leases of this run could not be given back; they run out by themselves")

    async def in_database(self, work: Callable[..., Given], *arguments: Any) -> Given:
        return await asyncio.get_running_loop().run_in_executor(self._database, partial(work, *arguments))

    def together(self, work: Callable[[Sequence[Any]], Sequence[Any] | None]) -> Together[Any, Any]:
        """What many accounts ask of the database at once; it is done before this run leaves the database."""
        self._shared.append(Together(self.in_database, work))
        return self._shared[-1]

    async def settled(self, claim: Claim, settle: Settle) -> AsyncIterator[list[Result]]:
        """Fetches the accounts that `claim` gives, and settles them in groups as they finish. On PostgreSQL
        two groups are settled side by side: one is worked out while the database writes the other."""
        settling: set[asyncio.Task[list[Result]]] = set()
        async for group in self._fetched(claim):
            settling.add(asyncio.create_task(self.in_database(settle, group)))
            if len(settling) == self._settling:
                done, settling = await asyncio.wait(settling, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        for last in asyncio.as_completed(settling):
            yield await last

    async def _fetched(self, claim: Claim) -> AsyncIterator[list[Capture]]:
        """Fetches these accounts and yields them in groups, as they finish. When few are left it asks for more, so that
        nobody waits for the slowest: neither the broker nor the database is idle in between."""
        finished: asyncio.Queue[Capture] = asyncio.Queue()
        tasks: set[asyncio.Task[None]] = set()
        renewing = asyncio.create_task(self._renew())
        left = 0
        try:
            while True:
                if left < self._room:
                    for capture in await self.in_database(claim, self.owner, clock.now()):
                        task = asyncio.create_task(self._fetch(capture, finished))
                        tasks.add(task)
                        task.add_done_callback(tasks.discard)
                        left += 1
                if not left:
                    return
                group = await _gather_group(finished, left)
                left -= len(group)
                yield group
        finally:
            renewing.cancel()
            for task in tasks:
                task.cancel()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.in_database(renew, self.owner)
            except Exception:  # the next one may come in time, and the token is what keeps the book whole
                logger.exception("the leases of this run could not be renewed")

    async def _fetch(self, capture: Capture, finished: asyncio.Queue[Capture]) -> None:
        """One account. Whatever goes wrong is that account's own."""
        async with self._places:
            try:
                trigger = await self._trigger(capture)
                if trigger:
                    await fetch(capture, trigger, self._keep, self._lacking)
                await asyncio.gather(*self._keeping.pop(capture.batch_id, ()))
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if task and task.cancelling():  # the run itself is stopping
                    raise
                capture.answers.clear()
                failed(capture, error)
            finished.put_nowait(capture)

    async def _trigger(self, capture: Capture) -> BaseTrigger | None:
        """The trigger of this account, or None with the reason why there is none."""
        if capture.problems:
            return None
        trigger = get_trigger_for_code(capture.broker)
        if trigger is None:
            capture.blame("account", "unknown_broker", why_missing(capture.broker),
                          "install the package that has it, or correct the account's broker")  # fmt: skip
            return None
        if capture.head is None or capture.head.login is None:
            capture.blame("account", "no_credentials", "the account has no credentials",
                          f"enter them: manage.py connect {capture.broker.lower()}")  # fmt: skip
            return None
        try:
            make = self._ready(trigger, capture, capture.head.login, capture.head.token_expires_at)
        except CannotDecrypt as error:
            capture.blame("account", "credential_error", str(error), "put the key back, or enter the credentials again")
        except ForbiddenRequest as error:  # nothing is asked here: it is the address
            capture.blame("account", "wrong_address", str(error), "correct the setting, then run the sync again")
        else:
            return await made(capture, trigger, make)
        return None

    def _ready(
        self, trigger: type[BaseTrigger], capture: Capture, login: Login, token_expires_at: datetime | None
    ) -> Callable[[], BaseTrigger]:
        """The trigger with all that it is made of."""
        secrets = open_credentials(login)
        capture.hide(secrets.values())
        credential = Credential({**revealed(secrets), "login_method": login.login_method}, login.entered_at)
        account = Account(capture.account_id, capture.client_id, credential, capture.started_at)
        tokens = StoredToken(login, token_expires_at, capture.started_at, self._tokens.ask, capture.hide)
        if not trigger.base_url:
            return partial(trigger, account)
        client = self._transport.client(
            trigger, broker_url(trigger.code), capture.account_id, partial(self._keep, capture),
            broker_url(trigger.code, "INSTRUMENTS"),
        )  # fmt: skip
        return partial(trigger, account, client, tokens)

    async def _keep(self, capture: Capture, reply: Reply) -> None:
        """Goes on when whoever waits is stopped, such as the pages beside one that failed: what came is kept."""
        keeping = self._replies.ask(evidence.note(capture, reply))
        self._keeping[capture.batch_id].append(keeping)
        await asyncio.shield(keeping)

    def _ask_book(
        self, ask: Callable[[Sequence[Asked]], list[Given]]
    ) -> Callable[[Capture, Sequence[Order]], Awaitable[Given]]:
        book: Together[Asked, Given] = self.together(ask)

        async def asked(capture: Capture, orders: Sequence[Order]) -> Given:
            return await book.ask(Asked(capture.account_id, orders, capture.trading_day))

        return asked


def _keep(replies: Sequence[evidence.Kept]) -> None:
    evidence.keep(replies, clock.now())


def _close(everyone: Barrier) -> None:
    """Closes this thread's connection; waits for the others, so that no thread takes two turns."""
    everyone.wait()
    connections.close_all()


async def _gather_group(finished: asyncio.Queue[Capture], left: int) -> list[Capture]:
    """The next finished account, and those that finish within half a second of it, up to a full group."""
    group = [await finished.get()]
    deadline = asyncio.get_running_loop().time() + GROUP_WAIT_SECONDS
    while len(group) < min(left, settings.KHATA_SYNC_GROUP):
        try:
            async with asyncio.timeout_at(deadline):
                group.append(await finished.get())
        except TimeoutError:
            break
    return group
