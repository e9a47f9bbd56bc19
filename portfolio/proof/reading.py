"""Reads whole stretches of the book as canonical bytes, straight from the typed columns, many rows at once.

PostgreSQL writes the canonical text itself, by COPY; what SQLite hands out is turned into it column by column. A value
that no writer of ours could have left there (a float, a time in another form, an instant before Christ) comes out as
something else than it pretends to be: it must never read as the value that was sealed.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from ledger import canonical
from ledger.canonical import Schema
from ledger.normalise import MONEY_SCALE, PERCENT_SCALE, PRICE_SCALE, QUANTITY_SCALE

ROWS_AT_ONCE = 2_000


class Stretch(NamedTuple):
    """Which rows: of batches after `after`, up to and with `upto` (None: no limit there), or of `batches` alone."""

    after: str | None = None
    upto: str | None = None
    batches: tuple[str, ...] | None = None


class Row(NamedTuple):
    """`leaf` is what stands beside the row, in hex; empty in a table without leaves."""

    batch_id: str
    row_id: str
    canonical: bytes
    leaf: str


Raw = tuple[str, str, bytes, str]  # a `Row` in the making: millions of them are


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


def read(schema: Schema, stretch: Stretch) -> Iterator[Raw]:
    """The rows of a table of the book, of `sync_batches` or of `ledger_pages`, in no order. Fields as in `Row`."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            yield from _from_postgresql(cursor, schema, stretch)
        else:
            yield from _from_sqlite(cursor, schema, stretch)


def _batch_column(schema: Schema) -> str:
    return "id" if schema.name == "sync_batches" else "sync_batch_id"


def _has_leaf(schema: Schema) -> bool:
    return schema.name in canonical.BOOK


def _where(schema: Schema, stretch: Stretch, literal: Callable[[str], str]) -> str:
    """Ids are made by us, or come from a column of UUIDs: they are written out."""
    column = f'"{_batch_column(schema)}"'
    if stretch.batches is not None:
        return f"WHERE {column} IN ({', '.join(map(literal, stretch.batches)) or 'NULL'})"
    limits = [f"{column} {sign} {literal(end)}" for sign, end in ((">", stretch.after), ("<=", stretch.upto)) if end]
    return f"WHERE {' AND '.join(limits)}" if limits else ""


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
    leaf = "encode(leaf, 'hex')" if _has_leaf(schema) else "''"
    return f'SELECT {", ".join(columns)}, "{_batch_column(schema)}"::text, {leaf} FROM {schema.name}'


def _from_postgresql(cursor: CursorWrapper, schema: Schema, stretch: Stretch) -> Iterator[Raw]:
    where = _where(schema, stretch, "'{}'".format)
    statement = f"COPY ({_postgres_select(schema)} {where}) TO STDOUT"
    head = f'["{schema.name}","{schema.version}","'.encode()
    with connection.wrap_database_errors, cursor.copy(statement) as copy:
        for block in copy:
            fields, batch, leaf = bytes(block)[:-1].rsplit(b"\t", 2)
            row_id = fields[:36]
            if fields.count(b"\\") == fields.count(b"\\N") and b'"' not in fields and not _has_controls(fields):
                text = head + fields.replace(b"\t", b'","') + b'"]'
                yield batch.decode(), row_id.decode(), text.replace(b'"\\N"', b"null"), leaf.decode()
            else:
                yield batch.decode(), row_id.decode(), _escaped(schema, fields), leaf.decode()


def _has_controls(fields: bytes) -> bool:
    return len(fields.translate(None, _CONTROLS)) != len(fields)


def _escaped(schema: Schema, fields: bytes) -> bytes:
    values = [None if field == b"\\N" else _uncopied(field) for field in fields.split(b"\t")]
    return canonical.encode(schema, values)


def _uncopied(field: bytes) -> str:
    return re.sub(rb"\\(.)", lambda found: _COPY_ESCAPES.get(found[1], found[1]), field, flags=re.DOTALL).decode()


# SQLite: the driver's values, column by column. `foreign` is what stands for a value of the wrong kind.


def _foreign(value: object) -> str:
    return f"{type(value).__name__} {value!r}"


@lru_cache(maxsize=65_536)
def _uuid(value: str) -> str:
    if len(value) != 32:
        return _foreign(value)
    return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"


@lru_cache(maxsize=65_536)
def _instant(value: str) -> str:
    """Django writes no microseconds when they are 0."""
    if len(value) == 19 and value[10] == " ":
        return f"{value[:10]}T{value[11:]}.000000+00:00"
    if len(value) == 26 and value[10] == " " and value[19] == ".":
        return f"{value[:10]}T{value[11:]}+00:00"
    return _foreign(value)


def _boolean(value: int) -> str:
    return "true" if value == 1 else "false" if value == 0 else _foreign(value)


def _scaled(scale: int) -> Callable[[int], str]:
    unit = 10**scale

    @lru_cache(maxsize=65_536)
    def text(value: int) -> str:
        whole, part = divmod(abs(value), unit)
        return f"{'-' if value < 0 else ''}{whole}.{part:0{scale}d}"

    return text


_SQLITE: dict[str, tuple[type, Callable[[Any], str] | None]] = {
    "text": (str, None), "json": (str, None), "date": (str, None), "uuid": (str, _uuid), "instant": (str, _instant),
    "integer": (int, str), "boolean": (int, _boolean), "digest": (bytes, bytes.hex),
    "quantity": (int, _scaled(QUANTITY_SCALE)), "price": (int, _scaled(PRICE_SCALE)),
    "money": (int, _scaled(MONEY_SCALE)), "percent": (int, _scaled(PERCENT_SCALE)),
}  # fmt: skip


def _from_sqlite(cursor: CursorWrapper, schema: Schema, stretch: Stretch) -> Iterator[Raw]:
    # The plus changes nothing, but of an expression the driver does not make dates and truth values by itself.
    columns = ", ".join(f'+"{column}"' for column in schema.columns)
    leaf = '"leaf"' if _has_leaf(schema) else "x''"
    where = _where(schema, stretch, lambda text: f"'{text.replace('-', '')}'")
    statement = f'SELECT {columns}, "{_batch_column(schema)}", {leaf} FROM {schema.name} {where}'
    kinds = [*(kind for _, kind in schema.fields), "uuid", "digest"]
    for rows in _fetched(cursor, statement):
        texts = [_as_text(kind, values) for kind, values in zip(kinds, zip(*rows, strict=True), strict=True)]
        fields, batches, leaves = texts[:-2], texts[-2], texts[-1]
        yield from zip(
            batches, fields[0], canonical.encode_rows(schema, list(zip(*fields, strict=True))), leaves, strict=True
        )


def _fetched(cursor: CursorWrapper, statement: str) -> Iterator[list[Any]]:
    """Text that is none in UTF-8 ends the reading: from there on it is shown byte by byte."""
    done = 0
    try:
        cursor.execute(statement)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield rows
            done += len(rows)
    except OperationalError as error:
        if "UTF-8" not in str(error):
            raise
        connection.connection.text_factory = partial(str, encoding="utf-8", errors="backslashreplace")
        try:
            cursor.execute(statement)
            cursor.fetchmany(done)
            yield from iter(partial(cursor.fetchmany, ROWS_AT_ONCE), [])
        finally:
            connection.connection.text_factory = str


def _as_text(kind: str, values: Sequence[Any]) -> Sequence[str | None]:
    wanted, convert = _SQLITE[kind]
    types = set(map(type, values))
    if types == {wanted}:
        return list(map(convert, values)) if convert else values
    if types <= {wanted, type(None)}:
        return [None if v is None else convert(v) for v in values] if convert else values
    known: Callable[[Any], str] = convert or str
    return [None if v is None else known(v) if type(v) is wanted else _foreign(v) for v in values]


def plain(text: bytes) -> list[str | None]:
    """The fields of canonical bytes, schema name and version left out."""
    return list(json.loads(text)[2:])
