"""Reads stretches of the book on SQLite: the driver's values, made into canonical text column by column.

`_foreign` is what stands for a value of the wrong kind: no writer of ours left it there.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from types import NoneType
from typing import Any, NamedTuple

from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper

from ledger import canonical
from ledger.canonical import Schema
from ledger.normalise import MONEY_SCALE, PERCENT_SCALE, PRICE_SCALE, QUANTITY_SCALE

from .stretch import ROWS_AT_ONCE, Rows, Stretch, batch_column, conditions, has_leaf


class _Column(NamedTuple):
    """Values of one column as text. `is_plain`: none of them can hold what is to be escaped."""

    texts: Sequence[str | None]
    has_nulls: bool
    is_plain: bool


def _foreign(value: object) -> str:
    return f"{type(value).__name__} {value!r}"


_HYPHENS_BEFORE = (8, 12, 16, 20)
_UUID_PLACES = [place + sum(place >= before for before in _HYPHENS_BEFORE) for place in range(32)]


def _uuids(values: Sequence[str]) -> list[str]:
    """Digit by digit for all of them: each by itself would take longer than to hash the row."""
    digits = "".join(values).encode()
    if set(map(len, values)) != {32} or digits.translate(None, b"0123456789abcdef"):
        raise ValueError("no UUIDs")
    lines = bytearray(b"------------------------------------\n") * len(values)
    for digit, place in enumerate(_UUID_PLACES):
        lines[place::37] = digits[digit::32]
    return lines.decode().splitlines()


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?", re.ASCII)


@lru_cache(maxsize=65_536)
def _instant(value: str) -> str:
    """Django writes no microseconds when they are 0."""
    if not _INSTANT.fullmatch(value):
        raise ValueError("no instant")
    return f"{value[:10]}T{value[11:]}{'' if len(value) == 26 else '.000000'}+00:00"


def _boolean(value: int) -> str:
    return ("false", "true")[{0: 0, 1: 1}[value]]


def _scaled(scale: int) -> Callable[[int], str]:
    unit = 10**scale

    @lru_cache(maxsize=65_536)
    def text(value: int) -> str:
        whole, part = divmod(abs(value), unit)
        return f"{'-' if value < 0 else ''}{whole}.{part:0{scale}d}"

    return text


def _each(convert: Callable[[Any], str]) -> Callable[[Sequence[Any]], list[str]]:
    return lambda values: list(map(convert, values))


# What the driver must hand out, and how it becomes text; ValueError or KeyError for what is none of the kind.
_TEXT: tuple[type, Callable[[Sequence[Any]], Sequence[str]]] = (str, lambda values: values)
_SQLITE: dict[str, tuple[type, Callable[[Sequence[Any]], Sequence[str]]]] = {
    "text": _TEXT, "json": _TEXT, "date": _TEXT, "uuid": (str, _uuids), "instant": (str, _each(_instant)),
    "integer": (int, _each(str)), "boolean": (int, _each(_boolean)), "digest": (bytes, _each(bytes.hex)),
    "quantity": (int, _each(_scaled(QUANTITY_SCALE))), "price": (int, _each(_scaled(PRICE_SCALE))),
    "money": (int, _each(_scaled(MONEY_SCALE))), "percent": (int, _each(_scaled(PERCENT_SCALE))),
}  # fmt: skip


def _column(kind: str, values: Sequence[Any]) -> _Column:
    wanted, convert = _SQLITE[kind]
    types, is_plain = set(map(type, values)), _SQLITE[kind] is not _TEXT
    try:
        if types == {wanted}:
            return _Column(convert(values), has_nulls=False, is_plain=is_plain)
        if types == {wanted, NoneType}:
            texts = iter(convert([value for value in values if value is not None]))
            return _Column([None if value is None else next(texts) for value in values], True, is_plain)
    except (ValueError, KeyError):
        pass
    return _Column([_as_text(kind, value) for value in values], has_nulls=True, is_plain=False)


def _as_text(kind: str, value: Any) -> str | None:
    if value is None:
        return None
    wanted, convert = _SQLITE[kind]
    try:
        return convert([value])[0] if type(value) is wanted else _foreign(value)
    except (ValueError, KeyError):
        return _foreign(value)


def read(schema: Schema, stretch: Stretch) -> Iterator[Rows]:
    # The plus changes nothing, but of an expression the driver does not make dates and truth values by itself.
    columns = ", ".join(f'+"{column}"' for column in schema.columns)
    where = conditions(schema, stretch, lambda text: f"'{text.replace('-', '')}'")
    leaf = "leaf" if has_leaf(schema) else "x''"
    statement = f"SELECT {columns}, {leaf} FROM {schema.name} {where}"
    batch, kinds = schema.columns.index(batch_column(schema)), [kind for _, kind in schema.fields]
    with connection.cursor() as cursor:
        for rows in _fetched(cursor, statement):
            *values, leaves = zip(*rows, strict=True)
            yield _rows(schema, batch, list(map(_column, kinds, values)), leaves)


def _rows(schema: Schema, batch: int, columns: Sequence[_Column], leaves: Sequence[Any]) -> Rows:
    texts = [column.texts for column in columns]
    encoded = canonical.encode_columns(
        schema, texts,
        texts=[place for place, column in enumerate(columns) if not column.is_plain],
        nulls=[place for place, column in enumerate(columns) if column.has_nulls],
    )  # fmt: skip
    leaves = [leaf if type(leaf) is bytes else _foreign(leaf).encode() for leaf in leaves]
    ids = [row_id or "" for row_id in texts[0]] if columns[0].has_nulls else texts[0]
    return Rows(texts[batch], ids, encoded, leaves)  # type: ignore[arg-type]


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
