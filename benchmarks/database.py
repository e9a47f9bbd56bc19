"""A throw-away database for a benchmark: `DATABASE_URL` says of which kind; its own folder, keys and clock."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests import databases


@contextmanager
def fresh(kind: str) -> Iterator[None]:
    """Sets the environment, migrates, and drops everything afterwards. Before anything imports the settings."""
    with databases.templates(), _made(kind):  # the processes that this one starts copy what it has migrated
        yield


@contextmanager
def _made(kind: str) -> Iterator[None]:
    folder = Path(tempfile.mkdtemp(prefix="khata-bench-"))
    (folder / "database").mkdir()  # keys beside the database are refused
    url, server = databases.make(kind, folder / "database")
    os.environ.update(
        DATABASE_URL=url, KHATA_VAR=str(folder / "var"), KHATA_KEYS=str(folder / "keys"),
        DJANGO_SETTINGS_MODULE="portfolio_project.settings", SECRET_KEY=secrets.token_hex(), LOG_LEVEL="ERROR",
        KHATA_CLOCK="2026-10-05T16:05:00+05:30",
    )  # fmt: skip
    import django
    from django.db import connections

    django.setup()
    databases.migrate(url, server)
    if server:
        _commit_as_usual(server)
    try:
        yield
    finally:
        names = [settings["NAME"] for settings in connections.databases.values()]
        connections.close_all()
        if server:
            with psycopg.connect(server, autocommit=True) as connection:
                for name in names:
                    connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        shutil.rmtree(folder, ignore_errors=True)


def _commit_as_usual(server: str) -> None:
    """Tests wait for no commit to reach the disk; what is timed waits, as it does beside it at the raw limit."""
    from django.db import connection, connections

    with psycopg.connect(server, autocommit=True) as raw:
        raw.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" RESET synchronous_commit'.encode())
    connections.close_all()


def vacuum() -> None:
    """What a server's autovacuum does between two days, now: so that no figure depends on when it comes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA optimize")
