"""Writes many rows of one table in one statement: COPY on PostgreSQL, executemany on SQLite.

Rows come as `ledger.canonical` rendered them, so that a value is turned into text once, for the leaf and
for the database. A table is named by its `Schema`: columns, and the kind of each.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection

from ledger.canonical import Rendered, Schema, schema

__all__ = ["delete", "insert", "schema", "update", "with_leaf"]

_NULL = "\x01"  # cannot stand in our text, see ledger.normalise.text
_POSTGRES_TYPES = {
    "text": "text", "json": "text", "uuid": "uuid", "quantity": "numeric", "price": "numeric", "money": "numeric",
    "percent": "numeric", "integer": "bigint", "boolean": "boolean", "date": "date", "instant": "timestamptz",
    "digest": "bytea",
}  # fmt: skip


@cache
def with_leaf(table: Schema) -> Schema:
    """The table of a book row: its schema and the leaf beside it."""
    return Schema(table.name, table.version, (*table.fields, ("leaf", "digest")), (*table.renderers, None), table.head)


def insert(table: Schema, rows: Sequence[Rendered]) -> None:
    """Appends rows. The unique constraints stand: a row that is there already is an IntegrityError."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = ", ".join(f'"{column}"' for column in table.columns)
            statement = f"COPY {table.name} ({columns}) FROM STDIN (NULL E'\\x01')"
            with cursor.copy(statement) as copy:
                copy.write(_copy_text(table, rows))
        else:
            columns = ", ".join(f'"{column}"' for column in table.columns)
            places = ", ".join("?" * len(table.columns))
            _executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({places})", _sqlite_rows(table, rows))


def update(table: Schema, rows: Sequence[Rendered], condition: str = "") -> None:
    """Sets every column of the rows with these ids (the first column). `condition` is further SQL on the table."""
    if not rows:
        return
    statement = _update_statement(table, condition)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, _postgres_arrays(table, rows))
    else:
        _executemany(statement, [(*row[1:], row[0]) for row in _sqlite_rows(table, rows)])


def _update_statement(table: Schema, condition: str) -> str:
    key, *columns = table.columns
    more = f" AND {condition}" if condition else ""
    if connection.vendor == "sqlite":
        sets = ", ".join(f'"{column}" = ?' for column in columns)
        return f'UPDATE {table.name} SET {sets} WHERE "{key}" = ?{more}'
    places = ", ".join(f"%s::{_POSTGRES_TYPES[kind]}[]" for _, kind in table.fields)
    sets = ", ".join(f'"{column}" = new."{column}"' for column in columns)
    names = ", ".join(f'"{column}"' for column in table.columns)
    return (
        f"UPDATE {table.name} SET {sets} FROM unnest({places}) AS new({names}) "
        f'WHERE {table.name}."{key}" = new."{key}"{more}'
    )


def delete(table: Schema, ids: Sequence[str]) -> None:
    if not ids:
        return
    key = table.columns[0]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'DELETE FROM {table.name} WHERE "{key}" = ANY(%s::uuid[])', [list(ids)])
    else:
        _executemany(f'DELETE FROM {table.name} WHERE "{key}" = ?', [(_sqlite_uuid(row_id),) for row_id in ids])


def _copy_text(table: Schema, rows: Iterable[Rendered]) -> str:
    """COPY's text format. Most rows hold nothing to escape; digests are escaped always."""
    digests = [index for index, (_, kind) in enumerate(table.fields) if kind == "digest"]
    tabs = len(table.fields) - 1
    lines = []
    for row in rows:
        line = "\t".join([_NULL if value is None else value for value in row])
        if "\\" in line or line.count("\t") != tabs or "\n" in line or "\r" in line:
            line = "\t".join([_NULL if value is None else _escaped(value) for value in row])
        if digests:
            values = line.split("\t")
            for index in digests:
                if values[index] != _NULL:
                    values[index] = "\\\\x" + values[index]
            line = "\t".join(values)
        lines.append(line)
    lines.append("")
    return "\n".join(lines)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _postgres_arrays(table: Schema, rows: Sequence[Rendered]) -> list[list[Any]]:
    arrays: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    for array, (_, kind) in zip(arrays, table.fields, strict=True):
        if kind == "digest":
            array[:] = [None if value is None else bytes.fromhex(value) for value in array]
    return arrays


def _sqlite_uuid(value: str) -> str:
    return value.replace("-", "")


def _sqlite_scaled(value: str) -> int:
    return int(value.replace(".", ""))


def _sqlite_instant(value: str) -> str:
    """As Django writes it: no `T`, no zone, no microseconds when they are 0."""
    return value[:19].replace("T", " ") + ("" if value[20:26] == "000000" else value[19:26])


_SQLITE: dict[str, Callable[[str], Any]] = {
    "uuid": _sqlite_uuid, "quantity": _sqlite_scaled, "price": _sqlite_scaled, "money": _sqlite_scaled,
    "percent": _sqlite_scaled, "integer": int, "boolean": "true".__eq__, "instant": _sqlite_instant,
    "digest": bytes.fromhex,
}  # fmt: skip


def _sqlite_rows(table: Schema, rows: Iterable[Rendered]) -> list[tuple[Any, ...]]:
    converters = [_SQLITE.get(kind) for _, kind in table.fields]
    return [
        tuple(
            [
                value if value is None or convert is None else convert(value)
                for value, convert in zip(row, converters, strict=True)
            ]
        )
        for row in rows
    ]


def _executemany(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Straight to the driver: Django's wrapper would rewrite the placeholders and log every row."""
    with connection.wrap_database_errors:
        connection.ensure_connection()
        connection.connection.executemany(statement, rows)
