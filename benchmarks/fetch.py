"""How near fetching comes to the latency of the broker: 1,000 accounts, 150 ms a request, rate limits lifted.

The broker is a process of its own that answers every request after that time, each account with orders of its own.
Keeping the replies is included. As many processes ask as `serve` starts loops (`--loops 1`: one), each with its share
of the accounts and of what is asked at once. The limit is requests x 0.15 s / concurrency.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from urllib.parse import parse_qs

from django.conf import settings

from portfolio import clock
from portfolio.models import BrokerAccount
from portfolio.sync.capture import DAILY, Capture
from portfolio.sync.claim import claim, once
from portfolio.sync.crew import Crew
from portfolio.triggers.groww import GrowwTrigger

from . import database
from .loops import Loops
from .sizes import sizes
from .sync import an_account, fresh_numbers, timed
from .workload import Day

LATENCY_SECONDS, ACCOUNTS, ROUNDS = 0.15, 1000, 5
WANTED = {64: 1.05, 256: 1.10}
PATTERN = b"111111"  # the client whose replies are made once; another's have his number in its place


def accounts_at_broker(count: int) -> list[BrokerAccount]:
    """Accounts of clients that the broker did not know before; a client's token is his number."""
    names = [f"{number:06d}" for number in fresh_numbers(count)]
    return [an_account(name, token=name) for name in names]


async def serve(latency_seconds: float) -> None:
    """A broker that costs next to nothing: every reply is made once, and sent after so long."""
    day = Day(int(PATTERN), date(2026, 10, 5))
    made: dict[bytes, bytes] = {}
    loop = asyncio.get_running_loop()

    class Broker(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: asyncio.Transport = transport  # type: ignore[assignment]

        def data_received(self, data: bytes) -> None:
            client = data.split(b"Bearer ", 1)[1][: len(PATTERN)]
            target = data.split(b" ", 2)[1].replace(client, PATTERN, 1)
            loop.call_later(latency_seconds, self.answer, target, client)

        def answer(self, target: bytes, client: bytes) -> None:
            if target not in made:
                body = _body(day, target.decode())
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                made[target] = head.encode() + body
            if not self.transport.is_closing():
                self.transport.write(made[target].replace(PATTERN, client))

    server = await loop.create_server(Broker, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _body(day: Day, target: str) -> bytes:
    path, _, query = target.partition("?")
    if path.startswith("/order/trades/"):
        payload = {"trade_list": day.fills(int(path[-5:])) if "page=0" in query else []}
    else:
        payload = day.answer(path, parse_qs(query))
    return json.dumps({"status": "SUCCESS", "payload": payload}).encode()


def lift_limits() -> None:
    GrowwTrigger.limits = {}


@contextmanager
def local_broker(latency_seconds: float) -> Iterator[None]:
    """Such a broker in a process of its own, asked in Groww's place and without rate limits."""
    lift_limits()
    command = [sys.executable, "-m", "benchmarks", "fetch-broker", "--latency", str(latency_seconds)]
    broker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert broker.stdout
        os.environ["GROWW_API_URL"] = f"http://127.0.0.1:{broker.stdout.readline().strip()}"
        yield
    finally:
        broker.terminate()  # it takes its database with it
        broker.wait(30)


class Share:
    """The accounts of one process: claimed first, so that only what comes after is timed."""

    def __init__(self) -> None:
        lift_limits()
        self._crew: Crew
        self._captures: list[Capture] = []

    def claim(self, ids: Sequence[str], concurrency: int, made: Callable[[], Crew] = Crew) -> None:
        settings.KHATA_CONCURRENCY = concurrency
        self._crew = made()
        self._captures = list(claim(ids, DAILY, self._crew.owner, clock.now()))

    def fetch(self) -> int:
        """How many requests were made."""
        asyncio.run(self._fetch())
        problems = [problem for capture in self._captures for problem in capture.problems]
        if problems:
            raise RuntimeError(f"a fetch failed: {problems[0]}")
        return sum(len(capture.replies) for capture in self._captures)

    async def _fetch(self) -> None:
        async with self._crew as crew:
            async for _ in crew.settled(once(lambda owner, now: self._captures), lambda group: []):
                pass


def main() -> None:
    size = sizes(accounts=ACCOUNTS, rounds=ROUNDS, loops=settings.KHATA_LOOPS)
    with local_broker(LATENCY_SECONDS), Loops(size.loops, "benchmarks.fetch:Share") as loops:
        for concurrency, wanted in WANTED.items():
            ratios, requests = [], 0
            for _ in range(size.rounds):
                seconds, requests = _round(loops, size.accounts, concurrency // size.loops)
                ratios.append(seconds / (requests * LATENCY_SECONDS / concurrency))
            print(
                f"fetch: {size.accounts} accounts, {requests / size.accounts:.0f} requests an account, {concurrency} "
                f"at once in {size.loops} process(es): {statistics.median(ratios):.3f}x the latency limit "
                f"(at most {wanted}x)"
            )


def _round(loops: Loops, count: int, concurrency: int) -> tuple[float, int]:
    """Seconds, and how many requests were made, by accounts that asked nothing before."""
    ids = [str(account.pk) for account in accounts_at_broker(count)]
    loops.share("claim", ids, concurrency)
    database.vacuum()
    requests: list[int] = []
    seconds = timed(lambda: requests.extend(loops.all("fetch")))
    return seconds, sum(requests)
