"""SQLite keeps any value in any column. Finds those of another kind in what all else is worked out from: heads, pages,
tree, checkpoints, bodies and words of acts. Rows of the book are read as they are, and are looked at only where one
ended a reading.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connection, models

from ledger.canonical import BOOK
from ledger.errors import LedgerError
from ledger.findings import Finding

from ..models import AccountHead, ActWords, Checkpoint, LedgerPage, LedgerTree, RawBody, SyncBatch

_TABLES = (AccountHead, LedgerPage, LedgerTree, Checkpoint, RawBody, ActWords)
# What a value of another kind may come to, wherever it is worked with.
_ENDS_IN = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, LedgerError, DatabaseError)
_STORED = {
    "UUIDField": "text", "CharField": "text", "TextField": "text", "DateField": "text", "DateTimeField": "text",
    "BinaryField": "blob", "BooleanField": "integer",
}  # fmt: skip


class ForeignValue(Exception):
    """The book cannot be read for a value of another kind; the message names the first one's table and row."""


@contextmanager
def named() -> Iterator[None]:
    """ForeignValue in place of what such a value ends in: it is looked for only then."""
    try:
        yield
    except _ENDS_IN:
        in_book = (model for model in apps.get_models() if model._meta.db_table in BOOK)
        first = next(_problems((*_TABLES, SyncBatch, *in_book)), None)
        if first is None:
            raise
        raise ForeignValue(f"{first}. Somebody changed the database. Run manage.py verify_ledger.") from None


def octets(stored: Any) -> bytes:
    """What a binary column holds. TypeError for anything else: of a number n, bytes() would make n zeros."""
    return bytes(memoryview(stored))


def problems() -> list[Finding]:
    return list(_problems(_TABLES))


def _problems(tables: Iterable[type[models.Model]]) -> Iterator[Finding]:
    for model in tables if connection.vendor == "sqlite" else ():
        fields = list(model._meta.concrete_fields)
        if _rows_with_foreign(model, fields):
            for field in fields:
                for row in _rows_with_foreign(model, [field]):
                    says = f"{field.column} holds what cannot stand there"
                    yield Finding(says, table=model._meta.db_table, row=row)


def _rows_with_foreign(model: type[models.Model], fields: list[Any]) -> list[str]:
    """The ids of the rows that hold something else than these fields write."""
    key, table = model._meta.pk.column, model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT quote("{key}") FROM {table} WHERE {" OR ".join(map(_is_foreign, fields))}')
        return [str(row).strip("'") for (row,) in cursor.fetchall()]


def _is_foreign(field: Any) -> str:
    target = field.target_field if field.is_relation else field
    kind, column = target.get_internal_type(), f'"{field.column}"'
    found = f"typeof({column}) <> '{_STORED.get(kind, 'integer')}'"
    if kind == "UUIDField":
        found += f" OR length({column}) <> 32 OR {column} GLOB '*[^0-9a-f]*'"
    return f"({column} IS NOT NULL AND ({found}))" if field.null else f"({found})"
