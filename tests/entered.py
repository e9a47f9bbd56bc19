"""Which tests enter which functions of ledger/ and portfolio/sync/: a plugin of pytest, `-p tests.entered`.

Each worker writes a file of JSON into the folder that ENTERED names: test -> seconds, and functions as "path:line".
What a test starts as a process of its own is not seen.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "ENTERED"
FOLDERS = tuple(f"{ROOT / name}{os.sep}" for name in ("ledger", "portfolio/sync"))

_functions: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
_seconds: defaultdict[str, float] = defaultdict(float)
_current: set[tuple[str, int]] = set()


def _enter(frame: FrameType, event: str, argument: Any) -> None:
    if frame.f_code.co_filename.startswith(FOLDERS):
        _current.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))


def pytest_configure() -> None:
    sys.settrace(_enter)
    threading.settrace(_enter)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    with _entering(item.nodeid.partition("[")[0]):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """What a fixture of the module prepares is looked at by every test of the file: it is entered by the file."""
    if fixturedef.scope == "function":
        return (yield)
    with _entering(request.node.nodeid.partition("::")[0]):
        return (yield)


@contextmanager
def _entering(test: str) -> Iterator[None]:
    global _current
    before, _current, started = _current, _functions[test], time.monotonic()
    yield
    _current = before
    _seconds[test] += time.monotonic() - started


def pytest_sessionfinish() -> None:
    sys.settrace(None)
    told = {
        test: {
            "seconds": _seconds[test],
            "functions": [f"{Path(path).relative_to(ROOT)}:{line}" for path, line in found],
        }
        for test, found in _functions.items()
        if test and found
    }
    Path(os.environ[FOLDER], f"{os.getpid()}.json").write_text(json.dumps(told))
