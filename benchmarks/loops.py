"""Processes that record side by side, as many as `serve` starts loops: each with a share of the accounts.

They are told stage by stage what to do: make ready, record, and then write the same rows at the raw limit. Whoever
asks holds the clock.
"""

import gc
from collections.abc import Sequence
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

Task = tuple[str, tuple[Any, ...]]


class Wrote(NamedTuple):
    """What the raw limit took in one process: rows, and seconds."""

    rows: int
    seconds: float


class Loops:
    """`with Loops(2) as loops`: they end with it."""

    def __init__(self, count: int) -> None:
        started = [_started() for _ in range(count)]
        self._ends = [end for end, _ in started]
        self._processes = [process for _, process in started]

    def __enter__(self) -> "Loops":
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join()

    def prepare(self, stage: str, accounts: Sequence[tuple[str, int]]) -> None:
        """Each makes the replies of its share: accounts by id, with the broker's number of the client."""
        count = len(self._ends)
        self._ask([("prepare", (stage, accounts[place::count])) for place in range(count)])

    def record(self) -> None:
        """All at once; returns when the last one is done."""
        self._ask([("record", ())] * len(self._ends))

    def write_limit(self) -> list[Wrote]:
        """One after the other, the raw way: what each recorded, into the second database."""
        return [self._ask([("write_limit", ())], [end])[0] for end in self._ends]

    def _ask(self, tasks: Sequence[Task], ends: Sequence[Connection] = ()) -> list[Any]:
        asked = ends or self._ends
        for end, task in zip(asked, tasks, strict=True):
            end.send(task)
        return [end.recv() for end in asked]


def _started() -> tuple[Connection, Any]:
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _serve(asked: Connection) -> None:
    """Runs in the process, until the other end is closed."""
    import django

    django.setup()
    share = _Share()
    while True:
        try:
            task, arguments = asked.recv()
        except EOFError:
            return
        asked.send(getattr(share, task)(*arguments))


class _Share:
    """The accounts of one process. Its imports wait for Django."""

    def __init__(self) -> None:
        from . import second

        self._limit = second.attached()
        self._mine: list[Any] = []
        self._now: datetime
        self._calls: list[Any] = []

    def prepare(self, stage: str, accounts: Sequence[tuple[str, int]]) -> None:
        from portfolio.models import BrokerAccount

        from .sync import stage_replies

        found = BrokerAccount.objects.in_bulk([pk for pk, _ in accounts])
        by_text = {str(pk): account for pk, account in found.items()}
        made = [(by_text[pk], *stage_replies(stage, number)) for pk, number in accounts]
        self._mine = [(account, replies) for account, replies, _ in made]
        self._now = made[0][2]
        self._calls.clear()  # hundreds of thousands of rows, which would be given back while the clock runs
        gc.collect()

    def record(self) -> None:
        from .sync import Watched, ours

        with Watched() as watched:
            ours(self._mine, self._now)
        self._calls = watched.calls

    def write_limit(self) -> Wrote:
        from .sync import timed

        rows = sum(len(rows) for kind, _, rows, _ in self._calls if kind != "delete")
        return Wrote(rows, timed(self._limit.prepared(self._calls)))
