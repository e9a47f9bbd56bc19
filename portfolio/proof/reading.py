"""Reads whole stretches of the book as canonical bytes, straight from the typed columns, many rows at once.

PostgreSQL writes the canonical text itself, by COPY; what SQLite hands out is turned into it column by column. A value
that no writer of ours could have left there (a float, a time in another form, an instant before Christ) comes out as
something else than it pretends to be: it must never read as the value that was sealed.
"""

import json
import re
from binascii import unhexlify
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import chain, islice

from django.db import connection, transaction

from ledger import canonical
from ledger.canonical import Schema

from . import reading_on_sqlite
from .stretch import ROWS_AT_ONCE, Row, Rows, Stretch, batch_column, conditions, has_leaf


@contextmanager
def one_moment() -> Iterator[None]:
    """All that is read within is of one moment, and nobody who writes has to wait."""
    if connection.vendor == "postgresql":
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Without statistics a stretch of an index would look dearer than the whole table, for each stretch anew.
            # That makes all costs look huge, for which a query would be compiled first: longer than it runs.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL jit = off; SET LOCAL DateStyle = 'ISO'")
            yield
        return
    with connection.cursor() as cursor:  # Django's own transactions would keep every writer out
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def read(schema: Schema, stretch: Stretch) -> Iterator[Rows]:
    """The rows of a table of the book, of `sync_batches` or of `ledger_pages`, in no order."""
    if connection.vendor == "postgresql":
        return _together(_from_postgresql(schema, stretch))
    return reading_on_sqlite.read(schema, stretch)


def _together(rows: Iterator[Row]) -> Iterator[Rows]:
    while some := list(islice(rows, ROWS_AT_ONCE)):
        yield Rows(*map(list, zip(*some, strict=True)))


def read_each(schema: Schema, stretch: Stretch) -> Iterator[Row]:
    """The same, row by row."""
    return chain.from_iterable(zip(*rows, strict=True) for rows in read(schema, stretch))


def count(table: str) -> int:
    """How many rows stand in the table itself: an index may have been made to lack some. Within `one_moment`, and last:
    on PostgreSQL what is read after it is read by no index."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_WITHOUT_INDEXES)
        cursor.execute(f"SELECT count(*) FROM {table}{' NOT INDEXED' if connection.vendor == 'sqlite' else ''}")
        return int(cursor.fetchone()[0])


_WITHOUT_INDEXES = (
    "SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; "
    "SET LOCAL enable_bitmapscan = off"
)

# PostgreSQL: each column as its canonical text, and COPY's own escapes around it.

_POSTGRES_TEXT = {
    "digest": "encode({}, 'hex')",
    # Outside these years the text would hide an era, or be none at all.
    "instant": "CASE WHEN {0} BETWEEN '0001-01-01 00:00Z' AND '9999-12-31 23:59Z' THEN "
    "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"') ELSE {0}::text END",
}
_COPY_ESCAPES = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_CONTROLS = bytes(number for number in range(32) if number != 9)  # a tab that is no delimiter comes escaped


@cache
def _postgres_select(schema: Schema) -> str:
    columns = [_POSTGRES_TEXT.get(kind, "{}::text").format(f'"{column}"') for column, kind in schema.fields]
    leaf = "encode(leaf, 'hex')" if has_leaf(schema) else "''"
    return f'SELECT {", ".join(columns)}, "{batch_column(schema)}"::text, {leaf} FROM {schema.name}'


def _from_postgresql(schema: Schema, stretch: Stretch) -> Iterator[Row]:
    where = conditions(schema, stretch, "'{}'".format)
    statement = f"COPY ({_postgres_select(schema)} {where}) TO STDOUT"
    head = f'["{schema.name}","{schema.version}","'.encode()
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            fields, batch, leaf = bytes(block)[:-1].rsplit(b"\t", 2)
            if fields.count(b"\\") == fields.count(b"\\N") and b'"' not in fields and not _has_controls(fields):
                text = (head + fields.replace(b"\t", b'","') + b'"]').replace(b'"\\N"', b"null")
            else:
                text = _escaped(schema, fields)
            yield batch.decode(), fields[:36].decode(), text, _unhexed(leaf)


def _unhexed(leaf: bytes) -> bytes:
    return leaf if leaf == b"\\N" else unhexlify(leaf)


def _has_controls(fields: bytes) -> bool:
    return len(fields.translate(None, _CONTROLS)) != len(fields)


def _escaped(schema: Schema, fields: bytes) -> bytes:
    values = [None if field == b"\\N" else _uncopied(field) for field in fields.split(b"\t")]
    return canonical.encode(schema, values)


def _uncopied(field: bytes) -> str:
    return re.sub(rb"\\(.)", lambda found: _COPY_ESCAPES.get(found[1], found[1]), field, flags=re.DOTALL).decode()


def plain(text: bytes) -> list[str | None]:
    """The fields of canonical bytes, schema name and version left out."""
    return list(json.loads(text)[2:])
