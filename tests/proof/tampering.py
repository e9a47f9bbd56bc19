"""What somebody does who owns the database: guards off, any statement, and guards on again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection

from portfolio import guards


@contextmanager
def unguarded() -> Iterator[None]:
    """No guard and no foreign key stands in the way; afterwards all are back."""
    is_postgresql = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        if is_postgresql:
            for model in guards.protected_models():
                cursor.execute(f"DROP TRIGGER IF EXISTS khata_guard_rows ON {model._meta.db_table}")
                cursor.execute(f"DROP TRIGGER IF EXISTS khata_guard_truncate ON {model._meta.db_table}")
            cursor.execute("SET session_replication_role = replica")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in cursor.fetchall():
                cursor.execute(f'DROP TRIGGER "{name}"')
            cursor.execute("PRAGMA foreign_keys = OFF")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = origin" if is_postgresql else "PRAGMA foreign_keys = ON")
            guards.install(connection)


def run(sql: str, *parameters: Any) -> int:
    """Returns how many rows it hit."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def key(row_id: UUID) -> Any:
    """The id as the database keeps it."""
    return row_id.hex if connection.vendor == "sqlite" else row_id


@contextmanager
def unindexed(table: str) -> Iterator[None]:
    """What is written meanwhile does not enter the index on batches, which then stands there as if nothing had been."""
    if connection.vendor == "postgresql":
        index = "(SELECT indexrelid FROM pg_index WHERE indrelid = %s::regclass AND indkey::text = %s)"
        (number,) = _one("SELECT attnum FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s", table)
        sets = f"UPDATE pg_index SET indisready = %s, indisvalid = %s WHERE indexrelid = {index}"
        assert run(sets, False, False, table, str(number)) == 1
        yield
        run(sets, True, True, table, str(number))
        return
    (index,) = _one("SELECT name FROM sqlite_master WHERE tbl_name = %s AND sql LIKE '%%(\"' || %s || '\")'", table)
    kept = _one("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = %s AND %s <> ''", index)
    _write_schema("DELETE FROM sqlite_master WHERE name = %s", index)
    yield
    _write_schema("INSERT INTO sqlite_master VALUES (%s, %s, %s, %s, %s)", *kept)


def _write_schema(sql: str, *parameters: Any) -> None:
    run("PRAGMA writable_schema = ON")
    run(sql, *parameters)
    run("PRAGMA writable_schema = RESET")


def _one(sql: str, name: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [name, "sync_batch_id"])
        (row,) = cursor.fetchall()
    return tuple(row)
