"""Processes that work side by side, as many as `serve` starts loops: each with a share of the accounts.

They are told stage by stage what to do, such as to make ready first and then to record. Whoever asks holds the clock.
"""

from collections.abc import Iterable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pkgutil import resolve_name
from typing import Any


class Loops:
    """`with Loops(2, "benchmarks.sync:Share") as loops`: each has one of what is named. They end with it."""

    def __init__(self, count: int, worker: str) -> None:
        started = [_started(worker) for _ in range(count)]
        self._ends = [end for end, _ in started]
        self._processes = [process for _, process in started]

    def __enter__(self) -> "Loops":
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join()

    def share(self, task: str, whole: Sequence[Any], *rest: Any) -> list[Any]:
        """Each is given its part of the whole."""
        count = len(self._ends)
        return self._ask(self._ends, task, [(whole[place::count], *rest) for place in range(count)])

    def all(self, task: str) -> list[Any]:
        """At the same time; returns when the last one is done."""
        return self._ask(self._ends, task, [()] * len(self._ends))

    def in_turn(self, task: str) -> list[Any]:
        """One after the other."""
        return [answer for end in self._ends for answer in self._ask([end], task, [()])]

    def _ask(self, ends: Sequence[Connection], task: str, arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        for end, given in zip(ends, arguments, strict=True):
            end.send((task, given))
        return [end.recv() for end in ends]


def _started(worker: str) -> tuple[Connection, Any]:
    ours, theirs = get_context("spawn").Pipe()
    process = get_context("spawn").Process(target=_serve, args=(theirs, worker), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _serve(asked: Connection, worker: str) -> None:
    """Runs in the process, until the other end is closed."""
    import django

    django.setup()
    one = resolve_name(worker)()
    while True:
        try:
            task, arguments = asked.recv()
        except EOFError:
            return
        asked.send(getattr(one, task)(*arguments))
