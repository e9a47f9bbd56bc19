"""A second database of the same kind with the same tables and guards: where the raw limit is measured."""

import os
import shutil
from collections.abc import Callable, Container, Sequence
from typing import Any

from django.core.management import call_command
from django.db import connection, connections
from django.db.models import Model

from ledger.canonical import Rendered, Schema
from portfolio import models
from portfolio.sync import bulk

ALIAS = "limit"
PARENTS: tuple[type[Model], ...] = (
    models.User, models.Portfolio, models.BrokerType, models.BrokerAccount, models.AccountHead, models.Instrument,
)  # fmt: skip


def made() -> "Database":
    """A new one, beside the default one; dropped with it by the caller."""
    database = attached()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{_name()}"')
        call_command("migrate", database=ALIAS, verbosity=0)
    else:
        shutil.copy(os.environ["KHATA_TEST_TEMPLATE"], _name())  # which the default one was made from
    return database


def attached() -> "Database":
    """The one that another process has made."""
    connections.databases[ALIAS] = {**connections.databases["default"], "NAME": _name()}
    return Database()


def _name() -> str:
    return f"{connections.databases['default']['NAME']}_limit"


class Database:
    """Reached under an alias of its own."""

    def copy_parents(self, but: Container[str | None] = ()) -> None:
        """The rows that the book's foreign keys lead to; `but` are the ids of those that are yet to be written."""
        for model in PARENTS:
            known = set(model._base_manager.using(ALIAS).values_list("pk", flat=True))
            rows = model._base_manager.using("default").all()
            fresh = [row for row in rows if row.pk not in known and str(row.pk) not in but]
            model._base_manager.using(ALIAS).bulk_create(fresh, ignore_conflicts=True)

    def _new(self, table: Schema, rows: list[Rendered]) -> list[Rendered]:
        """Without the instruments that were copied here with the rows of another process."""
        if table.name != models.Instrument._meta.db_table:
            return rows
        known = set(map(str, models.Instrument.objects.using(ALIAS).values_list("pk", flat=True)))
        return [row for row in rows if row[0] not in known]

    def prepared(self, calls: Sequence[tuple[str, Schema, Sequence[Any], str]]) -> Callable[[], None]:
        """A function that writes these rows in one transaction, everything rendered beforehand."""
        told = [(kind, table, self._new(table, rows), more) for kind, table, rows, more in _final_rows(calls)]
        tables = [each for each in told if each[2]]
        self.copy_parents({row[0] for kind, _, rows, _ in tables if kind == "insert" for row in rows})
        if connection.vendor == "postgresql":
            return _postgresql(tables)
        return _sqlite(tables)


def _final_rows(
    calls: Sequence[tuple[str, Schema, Sequence[Any], str]],
) -> list[tuple[str, Schema, list[Rendered], str]]:
    """Inserts joined by table. A batch is inserted as it was closed, so that its update is no work for the limit."""
    closed = {
        row[0]: row
        for kind, table, rows, _ in calls
        if kind == "update" and table.name == "sync_batches"
        for row in rows
    }
    joined: dict[tuple[str, Schema, str], list[Rendered]] = {}
    for kind, table, rows, condition in calls:
        if not rows or kind == "delete" or (kind == "update" and table.name == "sync_batches"):
            continue
        if table.name == "sync_batches":
            rows = [_closed(table, row, closed.get(row[0])) for row in rows]
        joined.setdefault((kind, table, condition), []).extend(rows)
    return [(kind, table, rows, condition) for (kind, table, condition), rows in joined.items()]


def _closed(table: Schema, opened: Rendered, closing: Rendered | None) -> Rendered:
    from portfolio.sync.record import CLOSED_BATCH

    row = list(opened)
    for column, value in zip(CLOSED_BATCH.columns, closing or (), strict=False):
        row[table.columns.index(column)] = value
    return row


def _postgresql(tables: list[tuple[str, Schema, list[Rendered], str]]) -> Callable[[], None]:
    work: list[tuple[str, Any]] = []
    for kind, table, rows, condition in tables:
        if kind == "insert":
            columns = ", ".join(f'"{column}"' for column in table.columns)
            work.append(
                (f"COPY {table.name} ({columns}) FROM STDIN (NULL E'\\x01')", bulk.copy_text(table, rows).encode())
            )
        else:
            work.append((bulk.update_statement(table, condition), bulk.postgres_arrays(table, rows)))
    raw = connections[ALIAS]
    raw.ensure_connection()

    def write() -> None:
        with raw.connection.transaction(), raw.connection.cursor() as cursor:
            for statement, data in work:
                if isinstance(data, bytes):
                    with cursor.copy(statement) as copy:
                        copy.write(data)
                else:
                    cursor.execute(statement, data)

    return write


def _sqlite(tables: list[tuple[str, Schema, list[Rendered], str]]) -> Callable[[], None]:
    work: list[tuple[str, Any]] = []
    for kind, table, rows, condition in tables:
        values = bulk.sqlite_rows(table, rows)
        if kind == "insert":
            columns = ", ".join(f'"{column}"' for column in table.columns)
            places = ", ".join("?" * len(table.columns))
            work.append((f"INSERT INTO {table.name} ({columns}) VALUES ({places})", values))
        else:
            work.append((bulk.update_statement(table, condition), [(*row[1:], row[0]) for row in values]))
    raw = connections[ALIAS]
    raw.ensure_connection()

    def write() -> None:
        raw.connection.execute("BEGIN IMMEDIATE")
        for statement, values in work:
            raw.connection.executemany(statement, values)
        raw.connection.execute("COMMIT")

    return write
