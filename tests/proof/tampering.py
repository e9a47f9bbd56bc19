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
