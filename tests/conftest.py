"""One fresh database a worker, emptied after each test that used it; the network off; the clock fixed.

Tests that touch the database carry the mark `database`; with `--database=postgresql` the same tests run there.
"""

import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

from tests import databases, spread

LOOPBACK = ("127.", "::1", "localhost")
NOW = "2026-10-05T16:05:00+05:30"  # a Monday, after the close

_folder = Path()
_server = ""
_until_the_end = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="where database tests run")
    parser.addoption("--size", choices=("small", "full"), default="small", help="how long the fault campaigns are")
    parser.addoption("--seed", type=int, default=1, help="what the fault campaigns' chances follow from")


def pytest_configure(config: pytest.Config) -> None:
    """Before anything imports Django: a folder, a database and keys of our own."""
    global _folder, _server
    hypothesis_settings.register_profile("khata", deadline=None)  # a busy machine is no fault
    hypothesis_settings.load_profile("khata")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts in the background
    _folder = databases.a_folder()
    _until_the_end.enter_context(databases.templates())
    if sys.dont_write_bytecode:  # then each worker, and each process that a test starts, would compile all of Django
        bytecode = str(Path(os.environ[databases.SHARED]) / "bytecode")
        os.environ.update(PYTHONDONTWRITEBYTECODE="", PYTHONPYCACHEPREFIX=bytecode)
        sys.dont_write_bytecode, sys.pycache_prefix = False, bytecode  # this one compiles it before they begin
    try:
        (_folder / "database").mkdir()  # keys beside the database are refused, see portfolio/checks.py
        url, _server = databases.make(config.getoption("--database"), _folder / "database")
    except databases.NoPostgres as error:
        pytest.exit(f"PostgreSQL tests cannot run: {error}", returncode=5)
    os.environ.update(
        DATABASE_URL=url,
        KHATA_VAR=str(_folder / "var"),
        KHATA_KEYS=str(_folder / "keys"),
        KHATA_CLOCK=NOW,
        DJANGO_SETTINGS_MODULE="portfolio_project.settings",
        SECRET_KEY="only for tests",
    )
    import django

    django.setup()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one process alone keeps the order that it was told
        items.sort(key=lambda item: spread.place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return spread.Spread(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault campaigns have to tell (`tell` in tests/faults/conftest.py)."""
    for report in terminalreporter.getreports("passed"):
        for text in (value for name, value in report.user_properties if name == "told" and report.when == "call"):
            terminalreporter.write_line(str(text))


def pytest_unconfigure(config: pytest.Config) -> None:
    from django.db import connections

    connections.close_all()
    databases.drop(os.environ.get("DATABASE_URL", ""), _server)
    _until_the_end.close()
    shutil.rmtree(_folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated() -> None:
    databases.migrate(os.environ["DATABASE_URL"], _server)
    from tests import emptying

    emptying.remember_seeds()


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[None]:
    """The project's own tables, guards and all; emptied afterwards. Only for tests with the mark."""
    if request.node.get_closest_marker("database") is None:
        yield
        return
    request.getfixturevalue("_migrated")
    yield
    from tests import emptying

    emptying.empty()


@pytest.fixture(autouse=True)
def network_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this machine can be reached: anything else fails as if the cable were out."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
            raise OSError(f"the network is off in tests: {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime | str], None]:
    """Sets Khata's clock: an instant, or the address of a simulator's clock."""
    from django.conf import settings

    def to(moment: datetime | str) -> None:
        monkeypatch.setattr(settings, "KHATA_CLOCK", moment if isinstance(moment, str) else moment.isoformat())

    return to


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A `tests.sync.scripted.Broker`; accounts of it are made with `build.an_account("SCRIPTED")`."""
    from portfolio.triggers.registry import REGISTRY
    from tests.sync.scripted import Broker

    scripted = Broker()
    monkeypatch.setitem(REGISTRY, "SCRIPTED", scripted.trigger())
    return scripted


@pytest.fixture
def at(set_clock: Callable[[datetime | str], None]) -> Callable[[str], None]:
    """Sets the clock to a time in India, such as "2026-10-05 16:05"."""
    from tests.sync.scripted import india

    return lambda text: set_clock(india(text))


@pytest.fixture
def press_ctrl_c() -> Iterator[Callable[[], None]]:
    """Presses it and waits until it is heard, as at a terminal: whatever loop of an earlier test listened for it."""

    def press() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield press
    signal.signal(signal.SIGINT, before)
