"""Runs of Khata in processes of their own, which can be killed or put to sleep at a point of the pipeline.

A point is a function of ours, on its way in or out: the child watches its own calls (`sys.setprofile`) and sends itself
the signal there. The product knows nothing of it. Children are forked from a server that has loaded Django already.
"""

import importlib
import inspect
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["tests.faults.loaded"])
_started: list["Process"] = []
SETTLE_SECONDS = 0.3  # before a process goes to sleep: what other threads have begun in the database ends
RENEWALS = 3  # a lease is renewed so often before it runs out


class Point(NamedTuple):
    """On the way into `function` ("portfolio.sync.record._write"), or out of it; `within` counts only what happens once
    that function was entered. It is passed at least `times` times when three accounts are due."""

    function: str
    way: str = "call"
    times: int = 1
    within: str = ""


class Stop(NamedTuple):
    """At the `nth` time that the point is passed the process sends itself this signal."""

    point: Point
    nth: int = 1
    sends: signal.Signals = signal.SIGKILL


class Process:
    """`work(*arguments)` in a process of its own, on this process's database, clock and brokers."""

    def __init__(self, work: Callable[..., object], *arguments: Any, stop: Stop | None = None, lease: float = 90):
        urls = {name: value for name, value in os.environ.items() if name.endswith("_URL")}
        told = (work, arguments, urls, settings.KHATA_CLOCK, stop, lease, random.random())
        self._process = _forked.Process(target=_main, args=told, daemon=True)
        self._process.start()
        self.pid = self._process.pid or 0
        _started.append(self)

    def end(self, seconds: float = 120) -> int:
        """Waits for it: 0, or the number of the signal that killed it, negative."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise AssertionError(f"process {self.pid} was still there after {seconds} s")
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def is_asleep(self) -> bool:
        """Whether it was put to sleep by SIGSTOP."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


def kill_all() -> None:
    """Whatever a campaign that failed has left behind."""
    while _started:
        _started.pop().kill()


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def code_of(function: str) -> Any:
    """The code object of a function of ours by its dotted name. Fails when there is none: a point that was renamed."""
    names = function.split(".")
    depth = next(n for n in range(len(names), 0, -1) if _is_module(".".join(names[:n])))
    module = importlib.import_module(".".join(names[:depth]))
    found: Any = reduce(getattr, names[depth:], module)
    return inspect.unwrap(found).__code__


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def shorten_leases(seconds: float, renewals: int = RENEWALS) -> None:
    from portfolio.sync import claim, crew

    claim.LEASE, crew.RENEW_SECONDS = timedelta(seconds=seconds), seconds / renewals if renewals else 3600


def lift_limits() -> None:
    """The simulators' own are switched off as well."""
    from portfolio.triggers.groww import GrowwTrigger
    from portfolio.triggers.zerodha import ZerodhaTrigger

    GrowwTrigger.limits, ZerodhaTrigger.limits = {}, {}


def _main(
    work: Callable[..., object],
    arguments: tuple[Any, ...],
    urls: dict[str, str],
    clock: str,
    stop: Stop | None,
    lease: float,
    seed: float,
) -> None:
    os.environ.update(urls)
    settings.KHATA_CLOCK = clock
    random.seed(seed)
    lift_limits()
    goes_to_sleep = stop is not None and stop.sends is signal.SIGSTOP
    shorten_leases(lease, 0 if goes_to_sleep else RENEWALS)
    if stop:
        _watch_for(stop)
    work(*arguments)


def _watch_for(stop: Stop) -> None:
    code, way = code_of(stop.point.function), stop.point.way
    gate = code_of(stop.point.within) if stop.point.within else None
    is_within, left = [gate is None], [stop.nth]

    def watch(frame: Any, event: str, _: Any) -> None:
        if frame.f_code is gate and event == "call":
            is_within[0] = True
        if frame.f_code is code and event == way and is_within[0]:
            left[0] -= 1
            if left[0] == 0:
                if stop.sends is signal.SIGSTOP:
                    time.sleep(SETTLE_SECONDS)
                # To this thread: sent to the process, another may take it while this one goes on.
                signal.pthread_kill(threading.get_ident(), stop.sends)

    threading.setprofile(watch)
    sys.setprofile(watch)
