"""Writes many rows of one table at once: COPY on PostgreSQL, many rows a statement on SQLite.

Rows come as `ledger.canonical` rendered them, so that a value is turned into text once, for the leaf and
for the database. A table is named by its `Schema`: columns, and the kind of each.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any

from django.db import connection

from ledger.canonical import Rendered, Schema, schema

__all__ = ["delete", "deleting", "insert", "inserting", "schema", "send", "update", "updating", "with_leaf"]

Write = Callable[[], None]
SqliteRow = tuple[Any, ...]

# On SQLite every statement sets up the guard's program anew; many rows in one pay for it once.
SQLITE_ROWS_AT_ONCE = 30
_NULL = "\x01"  # cannot stand in our text, see ledger.normalise.text
_ARRAY = "string_to_array(%s, E'\\x01', E'\\x02')"  # of one text: elements between \x01, null as \x02
_TEXTS = ("text", "json")
_POSTGRES_TYPES = {
    "text": "text", "json": "text", "uuid": "uuid", "quantity": "numeric", "price": "numeric", "money": "numeric",
    "percent": "numeric", "integer": "bigint", "boolean": "boolean", "date": "date", "instant": "timestamptz",
    "digest": "bytea",
}  # fmt: skip


@cache
def with_leaf(table: Schema) -> Schema:
    """The table of a book row: its schema and the leaf beside it."""
    return Schema(table.name, table.version, (*table.fields, ("leaf", "digest")), table.renderers, table.texts)


def insert(table: Schema, rows: Sequence[Rendered]) -> None:
    """Appends rows. The unique constraints stand: a row that is there already is an IntegrityError."""
    send(inserting(table, rows))


def update(table: Schema, rows: Sequence[Rendered], condition: str = "") -> None:
    """Sets every column of the rows with these ids (the first column). `condition` is further SQL on the table."""
    send(updating(table, rows, condition))


def delete(table: Schema, ids: Sequence[str]) -> None:
    """Takes the rows with these ids (the first column) away."""
    send(deleting(table, ids))


def send(ready: Write) -> None:
    """Writes what was made ready."""
    ready()


def inserting(table: Schema, rows: Sequence[Rendered]) -> Write:
    """`insert`, with all done but the writing: to be made ready before a lock is taken for which others wait."""
    if not rows:
        return _nothing
    if connection.vendor == "postgresql":
        return partial(_copy, copy_statement(table), copy_text(table, rows))
    return partial(_insert_sqlite, table, *_parted(sqlite_rows(table, rows)))


def updating(table: Schema, rows: Sequence[Rendered], condition: str = "") -> Write:
    """`update`, made ready in the same way."""
    if not rows:
        return _nothing
    if connection.vendor == "postgresql":
        return partial(_change, update_statement(table, condition), postgres_arrays(table, rows))
    return partial(_update_sqlite, table, condition, *_parted(sqlite_rows(table, rows)))


def deleting(table: Schema, ids: Sequence[str]) -> Write:
    """`delete`, made ready in the same way."""
    if not ids:
        return _nothing
    key = table.columns[0]
    if connection.vendor == "postgresql":
        return partial(_change, f'DELETE FROM {table.name} WHERE "{key}" = ANY({_ARRAY}::uuid[])', [_joined(ids)])
    return partial(_change, f'DELETE FROM {table.name} WHERE "{key}" = ?', [(_sqlite_uuid(row_id),) for row_id in ids])


@cache
def copy_statement(table: Schema) -> str:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    return f"COPY {table.name} ({columns}) FROM STDIN (NULL E'\\x01')"


@cache
def insert_statement(table: Schema, rows: int) -> str:
    columns = ", ".join(f'"{column}"' for column in table.columns)
    places = f"({', '.join('?' * len(table.columns))})"
    return f"INSERT INTO {table.name} ({columns}) VALUES {', '.join([places] * rows)}"


@cache
def update_statement(table: Schema, condition: str) -> str:
    key, *columns = table.columns
    more = f" AND {condition}" if condition else ""
    if connection.vendor == "sqlite":
        sets = ", ".join(f'"{column}" = ?' for column in columns)
        return f'UPDATE {table.name} SET {sets} WHERE "{key}" = ?{more}'
    places = ", ".join(f"{_ARRAY}::{_POSTGRES_TYPES[kind]}[]" for _, kind in table.fields)
    sets = ", ".join(f'"{column}" = new."{column}"' for column in columns)
    names = ", ".join(f'"{column}"' for column in table.columns)
    return (
        f"UPDATE {table.name} SET {sets} FROM unnest({places}) AS new({names}) "
        f'WHERE {table.name}."{key}" = new."{key}"{more}'
    )


@cache
def _update_many_statement(table: Schema, condition: str) -> str:
    """SQLite's, of the rows that a statement takes at once."""
    key, *columns = table.columns
    row = f"({', '.join('?' * len(table.columns))})"
    sets = ", ".join(f'"{column}" = new.column{place}' for place, column in enumerate(columns, start=2))
    more = f" AND {condition}" if condition else ""
    return (
        f"UPDATE {table.name} SET {sets} FROM (VALUES {', '.join([row] * SQLITE_ROWS_AT_ONCE)}) AS new "
        f'WHERE {table.name}."{key}" = new.column1{more}'
    )


def copy_text(table: Schema, rows: Sequence[Rendered]) -> str:
    """COPY's text format. Nearly no row holds anything to escape; a digest is told by its prefix."""
    columns: list[Sequence[str | None]] = list(zip(*rows, strict=True))
    for place, (_, kind) in enumerate(table.fields):
        if kind == "digest":
            columns[place] = [None if value is None else f"\\\\x{value}" for value in columns[place]]
        elif kind in _TEXTS and _needs_escapes("".join(filter(None, columns[place]))):
            columns[place] = [None if value is None else _escaped(value) for value in columns[place]]
    lines = ["\t".join([_NULL if value is None else value for value in row]) for row in zip(*columns, strict=True)]
    return "\n".join([*lines, ""])


def _needs_escapes(text: str) -> bool:
    return not text.isprintable() or "\\" in text


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def postgres_arrays(table: Schema, rows: Sequence[Rendered]) -> list[str]:
    """One array a column, as text: the driver would look at every element on its own.

    A single row is given twice, which updates it once: an array of one empty text would read as no element.
    """
    columns = list(zip(*(rows if len(rows) > 1 else [*rows, *rows]), strict=True))
    for index, (_, kind) in enumerate(table.fields):
        if kind == "digest":
            columns[index] = tuple(None if value is None else f"\\x{value}" for value in columns[index])
    return [_joined(column) for column in columns]


def _joined(values: Iterable[str | None]) -> str:
    return _NULL.join(["\x02" if value is None else value for value in values])


class _Kept(dict[str | None, Any]):
    """What SQLite is given for a text, worked out once: the same few stand in thousands of rows."""

    def __init__(self, convert: Callable[[str], Any]) -> None:
        super().__init__()
        self.convert = convert

    def __missing__(self, text: str | None) -> Any:
        if len(self) >= 65_536:
            self.clear()
        value = self[text] = None if text is None else self.convert(text)
        return value


def _sqlite_uuid(value: str | None) -> str | None:
    return value and value.replace("-", "")


def _sqlite_scaled(value: str) -> int:
    return int(value.replace(".", ""))


def _sqlite_instant(value: str) -> str:
    """As Django writes it: no `T`, no zone, no microseconds when they are 0."""
    return value[:19].replace("T", " ") + ("" if value[20:26] == "000000" else value[19:26])


def _sqlite_digest(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


_scaled = _Kept(_sqlite_scaled).__getitem__
_SQLITE: dict[str, Callable[[str], Any]] = {
    "uuid": _sqlite_uuid, "quantity": _scaled, "price": _scaled, "money": _scaled, "percent": _scaled,
    "integer": _Kept(int).__getitem__, "boolean": _Kept("true".__eq__).__getitem__,
    "instant": _Kept(_sqlite_instant).__getitem__, "digest": _sqlite_digest,
}  # fmt: skip


def sqlite_rows(table: Schema, rows: Sequence[Rendered]) -> list[tuple[Any, ...]]:
    """What the driver is given: each column converted as a whole, since a column is of one kind."""
    columns: list[Any] = list(zip(*rows, strict=True))
    for place, (_, kind) in enumerate(table.fields):
        if kind in _SQLITE:
            columns[place] = map(_SQLITE[kind], columns[place])
    return list(zip(*columns, strict=True))


def _nothing() -> None:
    pass


def _copy(statement: str, text: str) -> None:
    wrapped = connection.wrap_database_errors
    with connection.cursor() as cursor, wrapped, cursor.copy(statement) as copy:
        copy.write(text)


def _change(statement: str, parameters: Sequence[Any]) -> None:
    """Rows that are there: one statement with arrays on PostgreSQL, one a row on SQLite."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
    else:
        _executemany(statement, parameters)


def _parted(rows: Sequence[SqliteRow]) -> tuple[list[SqliteRow], Sequence[SqliteRow]]:
    """As many rows at once as a statement takes, joined; and those that are left."""
    whole = len(rows) - len(rows) % SQLITE_ROWS_AT_ONCE
    parts = range(0, whole, SQLITE_ROWS_AT_ONCE)
    return [tuple(chain.from_iterable(rows[i : i + SQLITE_ROWS_AT_ONCE])) for i in parts], rows[whole:]


def _insert_sqlite(table: Schema, many: Sequence[SqliteRow], single: Sequence[SqliteRow]) -> None:
    _executemany(insert_statement(table, SQLITE_ROWS_AT_ONCE), many)
    _executemany(insert_statement(table, 1), single)


def _update_sqlite(table: Schema, condition: str, many: Sequence[SqliteRow], single: Sequence[SqliteRow]) -> None:
    _executemany(_update_many_statement(table, condition), many)
    _change(update_statement(table, condition), [(*row[1:], row[0]) for row in single])


def _executemany(statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Straight to the driver: Django's wrapper would rewrite the placeholders and log every row."""
    with connection.wrap_database_errors:
        connection.ensure_connection()
        connection.connection.executemany(statement, rows)
