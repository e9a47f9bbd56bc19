"""Keeps the processes of the embedded way running: `python -m portfolio.supervisor NAME MODULE ARGUMENT... [-- ...]`.
With `--welcome HOST PORT WORDS` before them it says these words once that address takes connections.

Starts what died again, sooner or later by how often it died. Ends with all of its children: asked politely, they get
some seconds; killed itself, they end by themselves, see `orphan`. Loads nothing of Django, so that it costs nothing.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

STOP_SECONDS = 20  # the loop finishes what it has begun
FIRST_PAUSE, LONGEST_PAUSE = 1, 60  # seconds before a child that died is started again
STEADY_SECONDS = 60  # who ran so long has not failed in a row
LOOK_SECONDS = 0.25
WELCOME = "--welcome"


class Welcome(NamedTuple):
    """What is said when the pages can be reached: whoever follows it at once is not refused."""

    host: str
    port: str
    words: str

    def is_due(self) -> bool:
        try:
            socket.create_connection((self.host, int(self.port)), timeout=LOOK_SECONDS).close()
        except OSError:
            return False
        return True


class Job(NamedTuple):
    """A Python module to run, with its arguments."""

    name: str
    module: str
    arguments: tuple[str, ...]


@dataclass
class Child:
    job: Job
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0
    pause: float = FIRST_PAUSE
    not_before: float = 0


@dataclass
class Supervisor:
    """`run` returns when a signal has asked for the end and all children have ended."""

    jobs: Sequence[Job]
    welcome: Welcome | None = None
    children: list[Child] = field(default_factory=list)
    is_stopping: bool = False

    def run(self) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        reading, self._writing = os.pipe()  # held open as long as we live, and inherited by nobody
        self.children = [Child(job) for job in self.jobs]
        while not self.is_stopping:
            for child in self.children:
                self._see_to(child, reading)
            self._greet()
            time.sleep(LOOK_SECONDS)
        self._end()

    def _stop(self, *_: object) -> None:
        self.is_stopping = True

    def _greet(self) -> None:
        if self.welcome and self.welcome.is_due():
            print(self.welcome.words, flush=True)
            self.welcome = None

    def _see_to(self, child: Child, fd: int) -> None:
        now = time.monotonic()
        if child.process and child.process.poll() is not None:
            _kill_group(child.process)  # what it started must not go on without it
            self._note(child, child.process.returncode, now)
        if child.process is None and now >= child.not_before:
            command = [sys.executable, "-m", "portfolio.orphan", str(fd), child.job.module, *child.job.arguments]
            child.process = subprocess.Popen(command, pass_fds=[fd], start_new_session=True)  # noqa: S603
            child.started_at = now

    def _note(self, child: Child, code: int, now: float) -> None:
        if now - child.started_at >= STEADY_SECONDS:
            child.pause = FIRST_PAUSE
        child.process, child.not_before = None, now + child.pause
        print(f"{child.job.name} ended with {code}; it is started again in {child.pause:g} s", file=sys.stderr)
        child.pause = min(2 * child.pause, LONGEST_PAUSE)

    def _end(self) -> None:
        running = [child.process for child in self.children if child.process]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0, deadline - time.monotonic()))
            _kill_group(process)
            process.wait()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def jobs_of(words: Iterable[str]) -> Iterator[Job]:
    """Each job as its name, its module and its arguments, with `--` between two of them."""
    job: list[str] = []
    for word in [*words, "--"]:
        if word != "--":
            job.append(word)
        elif job:
            yield Job(job[0], job[1], tuple(job[2:]))
            job = []


def words_of(jobs: Iterable[Job]) -> list[str]:
    words: list[str] = []
    for job in jobs:
        words += [job.name, job.module, *job.arguments, "--"]
    return words[:-1]


def main(words: Sequence[str]) -> None:
    welcome = Welcome(*words[1:4]) if words[0] == WELCOME else None
    Supervisor(list(jobs_of(words[4:] if welcome else words)), welcome).run()


if __name__ == "__main__":
    main(sys.argv[1:])
