"""Reads the rows of many accounts as one text: driver and ORM would look at every value on its own.

The ORM says what is read, the database joins it, and each column is turned into values as a whole. Our text holds
no control characters (`ledger.normalise.text`), so they can stand between.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from ledger.canonical import Schema
from ledger.normalise import MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE

_VALUE, _ROW = "\x01", "\x02"
_SCALES = {"quantity": QUANTITY_SCALE, "price": PRICE_SCALE, "money": MONEY_SCALE}


def rows(found: QuerySet[Any, tuple[Any, ...]], kinds: Sequence[str]) -> list[tuple[Any, ...]]:
    """What `values_list` would give, in any order; `kinds` are those of `ledger.canonical`. Null and "" are one:
    None, but for text."""
    return list(zip(*columns(*found.query.sql_with_params(), kinds), strict=True))


def columns(sql: str, parameters: Sequence[Any], kinds: Sequence[str]) -> list[Sequence[Any]]:
    """The same of any query, by column; `kinds` may also be key: an id as UUID."""
    with connection.cursor() as cursor:
        cursor.execute(_joined(sql, len(kinds)), parameters)
        (text,) = cursor.fetchone() or ("",)
    if not text:
        return [()] * len(kinds)
    found = zip(*(row.split(_VALUE) for row in text.split(_ROW)), strict=True)
    convert = _CONVERTERS[connection.vendor]
    return [
        list(map(convert[kind], each)) if kind in convert else each for kind, each in zip(kinds, found, strict=True)
    ]


def table_rows(found: QuerySet[Any], table: Schema) -> list[tuple[Any, ...]]:
    """The same, for columns of one table."""
    return rows(found.values_list(*table.columns), [kind for _, kind in table.fields])


def _joined(sql: str, width: int) -> str:
    names = [f"c{number}" for number in range(width)]
    if connection.vendor == "postgresql":
        row = f"concat({', chr(1), '.join(names)})"
        whole = f"string_agg({row}, chr(2))"
    else:
        row = " || char(1) || ".join(f"ifnull({name}, '')" for name in names)
        whole = f"group_concat({row}, char(2))"
    return f"WITH found({', '.join(names)}) AS ({sql}) SELECT {whole} FROM found"


def _optional(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same few values stand in thousands of rows."""
    return lru_cache(maxsize=65_536)(lambda text: convert(text) if text else None)


def _scaled(scale: int) -> Callable[[str], Decimal]:
    return lambda text: Decimal(text).scaleb(-scale)


def _hyphened(text: str) -> str:
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _instant(text: str) -> datetime:
    """PostgreSQL's has an offset; SQLite's has none and is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_PLAIN = {
    "date": _optional(date.fromisoformat), "instant": _optional(_instant), "integer": _optional(int),
    "boolean": _optional(lambda text: text in ("t", "1")), "key": _optional(UUID),
}  # fmt: skip
_CONVERTERS: dict[str, dict[str, Callable[[str], Any]]] = {
    "postgresql": {**_PLAIN, **{kind: _optional(Decimal) for kind in _SCALES}},
    "sqlite": {
        **_PLAIN, "uuid": _optional(_hyphened), **{kind: _optional(_scaled(scale)) for kind, scale in _SCALES.items()}
    },
}  # fmt: skip
