"""Settings from the environment: what cannot be read is said in words and ends the process, with nothing half made."""

import logging.config
import stat
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from portfolio_project import environment


def refused(capsys: pytest.CaptureFixture[str], read: Callable[[], object]) -> str:
    """What is said when the process ends."""
    with pytest.raises(SystemExit) as ended:
        read()
    assert ended.value.code == 2
    return capsys.readouterr().err.strip()


# The key of the web process


def test_the_key_is_made_once_and_its_owner_alone_can_read_it(tmp_path: Path) -> None:
    first = environment.kept_key(tmp_path / "secret_key")

    assert (len(first), environment.kept_key(tmp_path / "secret_key")) == (64, first)
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_many_processes_at_once_agree_on_the_key(tmp_path: Path) -> None:
    paths = [tmp_path / str(number) / "secret_key" for number in range(20) for _ in range(4)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)

    with ProcessPoolExecutor(4) as pool:
        keys = list(pool.map(environment.kept_key, paths))

    assert {len(key) for key in keys} == {64}
    assert len(set(zip(paths, keys, strict=True))) == 20


def test_what_a_killed_process_left_of_a_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / ".secret_key.draft").write_text("half a k")

    assert len(environment.kept_key(tmp_path / "secret_key")) == 64


def test_an_empty_key_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "secret_key"
    path.touch()

    assert refused(capsys, lambda: environment.kept_key(path)) == (
        f"{path} is empty. Remove it: a new one is made, and everybody logs in again."
    )


# Folders and files


def test_a_folder_that_cannot_be_made_is_named_with_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "var"

    assert refused(capsys, lambda: environment.own_folder(folder)) == (
        f"The folder {folder} cannot be made or written (Not a directory). Set KHATA_VAR to a folder that this user "
        "may write."
    )


def test_a_key_that_cannot_be_written_is_named_with_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gone" / "secret_key"

    said = refused(capsys, lambda: environment.kept_key(path))

    assert said == (
        f"{path} cannot be written (No such file or directory). Set KHATA_VAR to a folder that this user may write."
    )


def test_a_file_that_a_setting_names_and_nobody_finds_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere/key")

    assert refused(capsys, lambda: environment.env("SECRET_KEY")) == (
        "SECRET_KEY_FILE is /nowhere/key, which cannot be read: No such file or directory"
    )


def test_a_dotenv_that_is_no_text_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_bytes(b"DEBUG=\xff\xfe")

    assert refused(capsys, lambda: environment.load_dotenv(tmp_path / ".env")) == (
        f"{tmp_path / '.env'} is there, but cannot be read: it is no text in UTF-8"
    )


# Values


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_that_would_stop_everything_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    monkeypatch.setenv("KHATA_CONCURRENCY", value)

    assert refused(capsys, lambda: environment.env_int("KHATA_CONCURRENCY", 64)) == (
        f"KHATA_CONCURRENCY must be a whole number, 1 or more, not {value!r}"
    )


def test_a_log_level_is_taken_in_any_case_and_an_unknown_one_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert environment.log_level("debug") == "DEBUG"
    assert refused(capsys, lambda: environment.log_level("loud")) == (
        "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://me@host/khata", "DATABASE_URL must begin with sqlite:/// or postgresql://, not 'mysql'"),
        ("sqlite:///", "DATABASE_URL names no database"),
        ("postgresql://me@host", "DATABASE_URL names no database"),
        ("postgresql://me:a/secret@host/khata", "DATABASE_URL cannot be read"),
        ("postgresql://me@host:port/khata", "DATABASE_URL cannot be read"),
    ],
)
def test_a_database_address_that_cannot_be_one_is_refused_without_its_password(
    capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    told = refused(capsys, lambda: environment.database(url))

    assert (told.partition(":")[0] if ":" not in said else told, "secret" in told) == (said, False)


def test_the_address_of_a_postgresql_is_taken_apart() -> None:
    made = environment.database("postgresql://me:p%40ss@db.example.org:6432/khata?sslmode=verify-full")

    assert [made[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "khata", "me", "p@ss", "db.example.org", "6432",
    ]  # fmt: skip
    assert made["OPTIONS"] == {
        "options": "-c random_page_cost=1.1", "sslmode": "verify-full", "server_side_binding": True,
    }  # fmt: skip


def test_a_server_that_takes_no_settings_at_the_start_of_a_connection_is_sent_none() -> None:
    made = environment.database("postgresql://me@db.example.org/khata?options=")

    assert made["OPTIONS"] == {"options": "", "server_side_binding": True}


# The log


def test_a_request_under_a_name_that_is_not_ours_is_logged_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    logging.config.dictConfig(settings.LOGGING)

    assert Client().get("/admin/login/", HTTP_HOST="elsewhere.example").status_code == 400
    (line,) = capfd.readouterr().err.splitlines()
    assert line.partition("ERROR ")[2] == (
        "django.security.DisallowedHost: Invalid HTTP_HOST header: 'elsewhere.example'. "
        "You may need to add 'elsewhere.example' to ALLOWED_HOSTS."
    )
