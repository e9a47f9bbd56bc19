"""A book that is attacked again and again: saved whole once, and put back after each attack, in a few milliseconds."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from django.apps import apps
from django.db import connection

from ledger.canonical import BOOK
from portfolio.proof import signing
from tests import emptying

ABOVE = ("sync_batches", "ledger_pages", "ledger_tree", "checkpoints", "raw_bodies", "act_words", "account_heads")


@dataclass
class Saved:
    """Tables of the book with all that stands above them, and the files of the signing key."""

    tables: list[str]
    files: dict[Path, bytes] = field(default_factory=dict)
    copy: sqlite3.Connection | None = None
    times: int = 0

    def put_back(self) -> None:
        for path, content in self.files.items():
            path.unlink(missing_ok=True)
            path.write_bytes(content)
            path.chmod(0o400 if path.suffix == ".key" else 0o600)
        if self.copy:
            self.copy.backup(connection.connection)
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT saved.put_back()")
        self.times += 1
        if self.times % 50 == 0:
            emptying.vacuum()

    @property
    def put_back_in_sql(self) -> str:
        """What the server does of itself. Most attacks change one table, and to write all again is slow."""
        return " ".join(
            f"IF EXISTS (SELECT {columns} FROM {table} EXCEPT ALL SELECT {columns} FROM saved.{table})"
            f" OR EXISTS (SELECT {columns} FROM saved.{table} EXCEPT ALL SELECT {columns} FROM {table})"
            f" THEN DELETE FROM {table}; INSERT INTO {table} ({columns}) SELECT {columns} FROM saved.{table}; END IF;"
            for table, columns in self._columns.items()
        )

    @property
    def _columns(self) -> dict[str, str]:
        models = {model._meta.db_table: model for model in apps.get_app_config("portfolio").get_models()}
        return {
            table: ", ".join(f'"{f.column}"' for f in models[table]._meta.concrete_fields if not f.generated)
            for table in self.tables
        }


def save() -> Saved:
    saved = Saved([*BOOK, *ABOVE], {path: path.read_bytes() for path in signing.files()})
    if connection.vendor == "sqlite":
        saved.copy = sqlite3.connect(":memory:")
        connection.connection.backup(saved.copy)
        return saved
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS saved CASCADE; CREATE SCHEMA saved")
        for table in saved.tables:
            cursor.execute(f"CREATE TABLE saved.{table} AS SELECT * FROM {table}")
        body = f"BEGIN {saved.put_back_in_sql} END"
        cursor.execute(f"CREATE FUNCTION saved.put_back() RETURNS void LANGUAGE plpgsql AS $${body}$$")
    return saved
