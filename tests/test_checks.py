"""What is configured wrongly is said at start-up, by number, with what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.db import connection

from portfolio import checks, guards, startup
from portfolio_project.environment import database


def told(**options: bool) -> list[str | None]:
    """The numbers of what our checks have to say, one a message."""
    return [
        message.id
        for message in run_checks(include_deployment_checks=options.get("deploy", False))
        if is_ours(message.id)
    ]


def is_ours(number: str | None) -> bool:
    return str(number).startswith("khata.")


@pytest.fixture(autouse=True)
def rightly_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As an installation is by default: the tests' own clock and keys would be found fault with."""
    monkeypatch.setattr(settings, "KHATA_CLOCK", "")
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(settings, "DATABASES", {"default": database(f"sqlite:///{tmp_path / 'var' / 'khata.sqlite3'}")})


def with_database(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setattr(settings, "DATABASES", {"default": settings.DATABASES["default"] | changes})


def test_nothing_is_wrong_with_the_defaults() -> None:
    assert (told(), told(deploy=True)) == ([], [])


@pytest.mark.parametrize(("zone", "expected"), [("UTC", []), ("Asia/Kolkata", []), ("Europe/Berlin", ["khata.E001"])])
def test_the_time_zone_is_indias_or_utc(monkeypatch: pytest.MonkeyPatch, zone: str, expected: list[str]) -> None:
    monkeypatch.setattr(settings, "TIME_ZONE", zone)

    assert told() == expected


def test_times_without_a_zone_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "USE_TZ", False)

    assert told() == ["khata.E001"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("var", ["khata.E002"]),
        ("var/keys", ["khata.E002"]),
        (".", ["khata.E002"]),
        ("var/../var/keys", ["khata.E002"]),
        ("keys", []),
        ("various", []),
    ],
)
def test_keys_do_not_share_the_folder_of_the_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: str, expected: list[str]
) -> None:
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / keys))

    assert told() == expected


def test_keys_beside_the_database_are_found_through_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "var")
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / "elsewhere"))

    assert told() == ["khata.E002"]


def test_the_default_folder_of_the_keys_is_judged_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "KHATA_KEYS", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "var"))

    assert told() == ["khata.E002"]


def test_where_postgresql_keeps_its_files_is_not_guessed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "DATABASES", {"default": database("postgresql://me@localhost/khata")})
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / "var"))

    assert told() == []


def test_sqlite_without_immediate_transactions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    options = settings.DATABASES["default"]["OPTIONS"]
    with_database(monkeypatch, OPTIONS={**options, "transaction_mode": "DEFERRED"})

    assert told() == ["khata.E003"]


@pytest.mark.parametrize("pragma", checks.SQLITE_PRAGMAS)
def test_sqlite_without_one_of_its_pragmas_is_refused(monkeypatch: pytest.MonkeyPatch, pragma: str) -> None:
    options = settings.DATABASES["default"]["OPTIONS"]
    with_database(
        monkeypatch, OPTIONS={**options, "init_command": options["init_command"].replace(pragma, "user_version=1")}
    )

    assert told() == ["khata.E003"]


def test_sqlite_opened_with_djangos_defaults_misses_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    with_database(monkeypatch, OPTIONS={})

    assert told() == ["khata.E003"] * 5


@pytest.mark.parametrize(("version", "numbers"), [((3, 32, 3), ["khata.E008"]), ((3, 33, 0), []), ((3, 40, 1), [])])
def test_a_sqlite_that_cannot_set_many_rows_at_a_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], numbers: list[str]
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)

    assert told() == numbers


def test_a_set_clock_is_an_error_only_where_others_rely_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "KHATA_CLOCK", "2026-11-20T16:00:00+05:30")

    assert (told(), told(deploy=True)) == ([], ["khata.E004"])


def test_debug_is_an_error_only_where_others_can_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DEBUG", True)

    assert (told(), told(deploy=True)) == ([], ["khata.E005"])


def test_replies_are_kept_no_shorter_than_books(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "KHATA_REPLY_YEARS", 7)
    shorter = told()
    monkeypatch.setattr(settings, "KHATA_REPLY_YEARS", 8)

    assert (shorter, told()) == (["khata.E007"], [])


def test_every_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "TIME_ZONE", "Europe/Berlin")
    monkeypatch.setattr(settings, "KHATA_CLOCK", "2026-11-20T16:00:00+05:30")
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / "var"))
    monkeypatch.setattr(settings, "DEBUG", True)
    with_database(monkeypatch, OPTIONS={})

    found = [message for message in run_checks(include_deployment_checks=True) if is_ours(message.id)]

    assert [message.id for message in found if not message.hint] == []


@pytest.mark.database
def test_a_book_with_its_guards_passes() -> None:
    assert checks.the_book_is_guarded(databases=["default"]) == []


@contextmanager
def prices_unguarded() -> Iterator[None]:
    off = "ALTER TABLE prices DISABLE TRIGGER USER"
    if connection.vendor == "sqlite":
        off = "DROP TRIGGER khata_guard_prices_delete"
    try:
        with connection.cursor() as cursor:
            cursor.execute(off)
        yield
    finally:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE prices ENABLE ALWAYS TRIGGER khata_guard_rows")
                cursor.execute("ALTER TABLE prices ENABLE ALWAYS TRIGGER khata_guard_truncate")
        guards.install(connection)
        startup.require_guards.cache_clear()


@pytest.mark.database
def test_a_guard_that_is_missing_is_named() -> None:
    with prices_unguarded():
        found = checks.the_book_is_guarded(databases=["default"])

    assert {message.id for message in found} == {"khata.W006"}
    assert all("prices" in message.msg for message in found)


@pytest.mark.database
def test_databases_that_nobody_asked_about_are_not_judged() -> None:
    with prices_unguarded():
        found = checks.the_book_is_guarded(databases=None)

    assert found == []


def test_before_the_first_migration_there_is_nothing_to_guard(tmp_path: Path) -> None:
    from django.db import connections

    connections.databases["empty"] = {
        **connections.databases["default"],
        **database(f"sqlite:///{tmp_path / 'empty.sqlite3'}"),
    }
    try:
        assert checks.the_book_is_guarded(databases=["empty"]) == []
    finally:
        connections["empty"].close()
        del connections.databases["empty"]
