"""A database that cannot be used ends every command in words: what is wrong, what to do, and no traceback."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.db import connection
from django.db.utils import Error, IntegrityError, OperationalError

from portfolio import outage

ROOT = Path(__file__).resolve().parent.parent
WANTED = {"connect": ["sample"]}  # what a command cannot do without
UNKNOWN = "00000000-0000-7000-8000-000000000000"


def manage(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and errors of a process of its own."""
    settings = {**os.environ, "PGCONNECT_TIMEOUT": "5", **environment}
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    ended = subprocess.run(command, env=settings, capture_output=True, text=True, input="", check=False)
    return ended.returncode, ended.stderr.strip()


def our_commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app == "portfolio")


@pytest.mark.parametrize("command", [*our_commands(), "migrate", "createsuperuser"])
def test_no_command_ends_in_a_traceback_when_the_database_is_not_there(command: str, tmp_path: Path) -> None:
    code, said = manage(command, *WANTED.get(command, ()), DATABASE_URL=f"sqlite:///{tmp_path / 'gone' / 'x'}")

    assert (code > 0, said != "", "Traceback" in said) == (True, True, False)


@pytest.mark.database
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["coverage", "--account", UNKNOWN], (2, f"no account has the id {UNKNOWN}")),
        (["export_ledger", "x", "--account", UNKNOWN], (2, f"there is no account with the id {UNKNOWN}")),
        (["migrate", "nothing"], (1, "No installed app with label 'nothing'.")),
        (["migrate", "portfolio", "9999"], (1, "Cannot find a migration matching '9999' from app 'portfolio'.")),
    ],
)
def test_what_a_command_refuses_is_said_in_its_own_words(arguments: list[str], expected: tuple[int, str]) -> None:
    assert manage(*arguments) == expected


@pytest.mark.database
def test_whoever_asks_for_a_traceback_gets_it() -> None:
    code, said = manage("coverage", "--account", UNKNOWN, "--traceback")
    assert (code, said.startswith("Traceback"), said.endswith(f"CommandError: no account has the id {UNKNOWN}")) == (
        1, True, True,
    )  # fmt: skip


def test_a_database_that_is_not_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "khata.sqlite3"

    assert manage("sync_holdings", DATABASE_URL=f"sqlite:///{path}") == (
        2,
        f"The database {path} cannot be used: unable to open database file. There is no folder {path.parent}. "
        "Make it, or correct DATABASE_URL.",
    )


def test_a_server_that_does_not_answer_is_said_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    code, said = manage("sync_holdings", DATABASE_URL=f"postgresql://me:secret@127.0.0.1:{port}/khata")

    assert (code, said.startswith("The database khata at 127.0.0.1 cannot be used: connection failed")) == (2, True)
    assert said.endswith("Is it running, and are host, port, name, user and password in DATABASE_URL right?")
    assert "secret" not in said


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)

    assert manage("migrate", DATABASE_URL=f"sqlite:///{path}") == (
        2,
        f"The database {path} cannot be used: file is not a database. The file is damaged, or no database. "
        "Put it back from your copy, or correct DATABASE_URL.",
    )


def test_an_option_that_is_none_is_said() -> None:
    assert manage("sync_holdings", DATABASE_URL="postgresql://127.0.0.1/khata?speed=1") == (
        2,
        'The database khata at 127.0.0.1 cannot be used: invalid connection option "speed". Correct what stands behind '
        "the question mark in DATABASE_URL.",
    )


@pytest.mark.parametrize("command", ["sync_holdings", "connect", "run_due", "migrate"])
def test_a_clock_that_gives_no_time_is_said(command: str) -> None:
    code, said = manage(command, *WANTED.get(command, ()), KHATA_CLOCK="yesterday")

    assert (code, said.partition(". ")[0]) == (2, "KHATA_CLOCK is 'yesterday'")


def test_a_reader_that_goes_away_ends_a_command_without_a_traceback() -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read()

    assert (process.returncode, said) == (141, "")


def test_ctrl_c_ends_a_command_without_a_traceback(tmp_path: Path) -> None:
    """While it waits for a server that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/khata"
        command = [sys.executable, str(ROOT / "manage.py"), "sync_holdings"]
        settings = {**os.environ, "DATABASE_URL": url}
        with subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, text=True) as running:
            taken, _ = silent.accept()
            with taken:  # dropped, it would be closed, and the command would end with that
                running.send_signal(signal.SIGINT)
                _, said = running.communicate(timeout=30)

    assert (running.returncode, said.strip()) == (130, "stopped; what was recorded stays")


def test_an_empty_database_is_set_up_first(tmp_path: Path) -> None:
    arguments = ("createsuperuser", "--noinput", "--username", "me", "--email", "me@example.org")

    code, said = manage(*arguments, DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    assert (code, said.splitlines()[-1].partition("cannot be used: ")[2]) == (
        2, "no such table: users. The database is not set up, or is of an older version. Run: manage.py migrate",
    )  # fmt: skip


def test_a_folder_of_ours_that_cannot_be_made_ends_the_command_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    code, said = manage("sync_holdings", KHATA_VAR=str(tmp_path / "file" / "var"))

    assert (code, len(said.splitlines()), said.split(". ")[1][:13]) == (2, 1, "Set KHATA_VAR")


def test_whoever_asks_for_the_traceback_gets_it(tmp_path: Path) -> None:
    code, said = manage("sync_holdings", "--traceback", DATABASE_URL=f"sqlite:///{tmp_path / 'gone' / 'x.sqlite3'}")

    assert (code, said.splitlines()[0]) == (1, "Traceback (most recent call last):")


@pytest.mark.database
def test_a_table_that_is_not_there_is_told_alike_on_both_databases() -> None:
    with pytest.raises(Error) as raised, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_thing")

    assert str(outage.in_words(raised.value)).endswith(outage.NOT_SET_UP)


@pytest.mark.parametrize(("name", "remedy"), [
    ("SQLITE_READONLY_DIRECTORY", "This user must be able to write the file and its folder."),
    ("SQLITE_BUSY", "Another program keeps it busy."),
    ("SQLITE_FULL", "Make room on its disk, then run this again."),
])  # fmt: skip
def test_each_kind_of_trouble_has_its_own_remedy(name: str, remedy: str) -> None:
    cause = Exception()
    cause.sqlite_errorname = name  # type: ignore[attr-defined]
    error = OperationalError("something")
    error.__cause__ = cause

    assert remedy in str(outage.in_words(error))


def test_a_trigger_that_cannot_run_is_not_called_another_program() -> None:
    said = "error in trigger khata_guard_raw_bodies_delete: no such table: main.dropped_bodies"
    assert str(outage.in_words(OperationalError(said))).endswith(
        f"{said}. Run: manage.py migrate. If it still says so, find out who made this trigger, and take it away."
    )


def test_a_fault_of_ours_is_not_called_an_outage() -> None:
    assert outage.in_words(IntegrityError("UNIQUE constraint failed")) is None


@pytest.mark.parametrize("command", ["sync_holdings", "doctor", "migrate", "check"])
def test_keys_beside_the_database_end_every_command_with_2_and_what_to_do(command: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'khata.sqlite3'}"

    code, said = manage(command, DATABASE_URL=url, KHATA_KEYS=str(tmp_path / "keys"))

    assert (code, "khata.E002" in said, "Move the keys and set KHATA_KEYS" in said) == (2, True, True)
    assert not (tmp_path / "keys").exists()


def test_a_letter_that_a_terminal_does_not_have_stops_no_command() -> None:
    code, said = manage("shell", "--no-imports", "-c", "print('\u2014 khata')", PYTHONIOENCODING="ascii")
    assert (code, said) == (0, "")
