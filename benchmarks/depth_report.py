"""What a long history costs: the same sync over an empty order history and over one of 1,000,000 versions.

Two databases of one kind, each with a process of its own (`depth`) that syncs when it is told to; they take turns.
"""

import statistics
import subprocess
import sys
from argparse import Namespace

from .sizes import sizes

VERSIONS, ROUNDS = 1_000_000, 7
HOLDERS, ACCOUNTS = 100, 50  # whose history it is, and who are synced
STAGES = ("first sync", "5 % changed", "next trading day")
LIMITS = {"postgresql": 1.10, "sqlite": 1.25}


class _Worker:
    def __init__(self, kind: str, versions: int, size: Namespace) -> None:
        command = [sys.executable, "-m", "benchmarks", "depth-worker", "--database", kind]
        command += [f"--versions={versions}", f"--holders={size.holders}", f"--accounts={size.accounts}"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("a worker of the history benchmark ended early")
        return line

    def sync(self) -> list[float]:
        assert self.process.stdin
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return [float(seconds) for seconds in self._line().split()]

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)


def main(kind: str) -> None:
    size = sizes(versions=VERSIONS, rounds=ROUNDS, holders=HOLDERS, accounts=ACCOUNTS)
    shallow, deep = _Worker(kind, 0, size), _Worker(kind, size.versions, size)
    rounds = [(shallow.sync(), deep.sync()) for _ in range(size.rounds + 1)][1:]
    shallow.end()
    deep.end()
    for index, stage in enumerate(STAGES):
        ratio = statistics.median(deep[index] / shallow[index] for shallow, deep in rounds)
        print(
            f"{kind}: {stage} with {size.versions:,} order versions in the book: {ratio:.2f}x (at most {LIMITS[kind]}x)"
        )
