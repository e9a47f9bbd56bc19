"""The suite itself: who gets which tests, and that processes that tests start are ready soon."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests import spread
from tests.spread import Spread

ROOT = Path(__file__).resolve().parent.parent
SHARING = [f"{spread.TOGETHER[0]}::test_{number}" for number in range(5)]
ALONE = [f"tests/test_accounts.py::test_{number}" for number in range(5)]


class Worker:
    """What pytest-xdist sees of one: the places in the list of tests that it was sent."""

    shutting_down = False

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.gateway = SimpleNamespace(id="worker")

    def send_runtest_some(self, places: list[int]) -> None:
        self.sent += places

    def shutdown(self) -> None:
        self.shutting_down = True


def handed_out(tests: list[str]) -> list[list[str]]:
    """What each of two workers is sent at first."""
    config: Any = SimpleNamespace(getvalue=lambda name: ["popen", "popen"], option=SimpleNamespace())
    scheduler, workers = Spread(config), [Worker(), Worker()]
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    return [[tests[place] for place in worker.sent] for worker in workers]


def test_one_worker_goes_through_what_shares_its_preparation() -> None:
    assert handed_out([*ALONE[:1], *SHARING, *ALONE[1:]]) == [[ALONE[0], ALONE[1]], SHARING]


def test_the_longest_begin_first() -> None:
    assert sorted([*ALONE, *SHARING], key=spread.place) == [*SHARING, *ALONE]


def test_every_file_that_is_named_is_there() -> None:
    assert [name for name in spread.FIRST if not (ROOT / name).is_file()] == []


def test_a_process_that_a_test_starts_finds_what_others_have_compiled() -> None:
    code = "import sys; print(sys.dont_write_bytecode)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
