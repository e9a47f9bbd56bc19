"""Reads the rows of many accounts as one text: driver and ORM would look at every value on its own.

The ORM says what is read, the database joins each column, and it is turned into values as a whole. Our text holds
no control characters (`ledger.normalise.text`), so one can stand between.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from ledger.canonical import Schema
from ledger.normalise import MONEY_SCALE, PRICE_SCALE, QUANTITY_SCALE

Made = TypeVar("Made", bound=NamedTuple)

_BETWEEN = "\x01"
_JOINS = {"postgresql": "string_agg", "sqlite": "group_concat"}
# What is joined of a column, by its kind, and of all others. `words` were written by a person, and may hold anything.
_TEXTS = {
    "postgresql": {"blob": "concat(encode({}, 'hex'))", "words": r"replace(concat({}), E'\x01', ' ')"},
    "sqlite": {"blob": "hex({})", "words": "replace(ifnull({}, ''), char(1), ' ')"},
}
_OTHERS = {"postgresql": "concat({})", "sqlite": "ifnull({}, '')"}
_SCALES = {"quantity": QUANTITY_SCALE, "price": PRICE_SCALE, "money": MONEY_SCALE}


def rows(found: QuerySet[Any, tuple[Any, ...]], kinds: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """What `values_list` would give, in any order; `kinds` are those of `ledger.canonical`. Null and "" are one:
    None, but for text."""
    return zip(*columns(*found.query.sql_with_params(), kinds), strict=True)


def columns(sql: str, parameters: Sequence[Any], kinds: Sequence[str]) -> list[Sequence[Any]]:
    """The same of any query, by column; `kinds` may also be key: an id as UUID; blob: bytes; words: any text at all."""
    with connection.cursor() as cursor:
        cursor.execute(_joined(sql, kinds), parameters)
        texts = cursor.fetchone() or [None]
    if texts[0] is None:
        return [()] * len(kinds)
    found = [text.split(_BETWEEN) for text in texts]
    convert = _CONVERTERS[connection.vendor]
    return [
        list(map(convert[kind], each)) if kind in convert else each for kind, each in zip(kinds, found, strict=True)
    ]


def table_columns(found: QuerySet[Any], table: Schema) -> list[Sequence[Any]]:
    """The same by column, for columns of one table."""
    kinds = [kind for _, kind in table.fields]
    return columns(*found.values_list(*table.columns).query.sql_with_params(), kinds)


def each(kind: type[Made], *columns: Iterable[Any]) -> Iterator[Made]:
    """A named tuple of each row of these columns: its own constructor would first sort every value in by name."""
    if len(columns) != len(kind._fields):
        raise ValueError(f"{kind.__name__} has {len(kind._fields)} fields, not {len(columns)}")
    return map(partial(tuple.__new__, kind), zip(*columns, strict=False))


def table_rows(found: QuerySet[Any], table: Schema) -> Iterator[tuple[Any, ...]]:
    """The same, for columns of one table."""
    return rows(found.values_list(*table.columns), [kind for _, kind in table.fields])


def _joined(sql: str, kinds: Sequence[str]) -> str:
    """One text a column: all of them join the same rows in the same order."""
    vendor = connection.vendor
    texts = [_TEXTS[vendor].get(kind, _OTHERS[vendor]).format(f"c{place}") for place, kind in enumerate(kinds)]
    names = ", ".join(f"c{place}" for place in range(len(kinds)))
    whole = ", ".join(f"{_JOINS[vendor]}({text}, '{_BETWEEN}')" for text in texts)
    return f"WITH found({names}) AS ({sql}) SELECT {whole} FROM found"


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
    "boolean": _optional(lambda text: text in ("t", "1")), "key": _optional(UUID), "blob": bytes.fromhex,
}  # fmt: skip
_CONVERTERS: dict[str, dict[str, Callable[[str], Any]]] = {
    "postgresql": {**_PLAIN, **{kind: _optional(Decimal) for kind in _SCALES}},
    "sqlite": {
        **_PLAIN, "uuid": _optional(_hyphened), **{kind: _optional(_scaled(scale)) for kind, scale in _SCALES.items()}
    },
}  # fmt: skip
