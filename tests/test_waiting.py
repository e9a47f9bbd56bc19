"""Two transactions on one SQLite file: the second one waits for the first, as long as the settings say."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.utils import OperationalError

from portfolio.sqlite3.base import DatabaseWrapper
from portfolio_project import environment
from portfolio_project.environment import SQLITE_OPTIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sqlite3.connect(tmp_path / "book.sqlite3").execute("CREATE TABLE one (value)").connection.close()
    return tmp_path / "book.sqlite3"


@pytest.fixture
def opened(path: Path) -> Iterator[list[DatabaseWrapper]]:
    found: list[DatabaseWrapper] = []
    yield found
    for each in found:
        each.close()


def a_connection(path: Path, opened: list[DatabaseWrapper], seconds: float) -> DatabaseWrapper:
    options = {**SQLITE_OPTIONS, "timeout": seconds, "check_same_thread": False}
    made = DatabaseWrapper({**connection.settings_dict, "NAME": path, "OPTIONS": options}, "waiting")
    made.inc_thread_sharing()
    made.ensure_connection()
    opened.append(made)
    return made


def begin(one: DatabaseWrapper) -> None:
    one.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def test_it_begins_when_the_first_one_has_ended(path: Path, opened: list[DatabaseWrapper]) -> None:
    first, second = a_connection(path, opened, 30), a_connection(path, opened, 30)
    told: list[str] = []
    begin(first)

    def wait() -> None:
        begin(second)
        told.append("second")

    tried: list[str] = []
    second.connection.set_trace_callback(tried.append)
    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.2)

    told.append("first")
    first.commit()
    waiting.join(10)

    assert told == ["first", "second"]
    assert tried.count("BEGIN IMMEDIATE") > 10  # SQLite's own wait begins once, and sleeps


def test_it_gives_up_when_its_time_is_over(path: Path, opened: list[DatabaseWrapper]) -> None:
    first, second = a_connection(path, opened, 30), a_connection(path, opened, 0.05)
    begin(first)

    with pytest.raises(OperationalError, match="database is locked"):
        begin(second)
    assert second.connection.execute("PRAGMA busy_timeout").fetchone() == (50,)


def test_what_is_no_transaction_waits_as_long(path: Path, opened: list[DatabaseWrapper]) -> None:
    one = a_connection(path, opened, 30)
    begin(one)
    one.commit()

    assert one.connection.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_another_error_is_not_waited_for(path: Path, opened: list[DatabaseWrapper]) -> None:
    one = a_connection(path, opened, 30)
    begin(one)

    with pytest.raises(OperationalError, match="cannot start a transaction within a transaction"):
        one._start_transaction_under_autocommit()


def test_a_database_of_this_kind_is_opened_so() -> None:
    assert environment.database("sqlite:////var/khata.sqlite3")["ENGINE"] == "portfolio.sqlite3"
