"""SQLite keeps any value in any column. Finds those of another kind in what all else is worked out from: heads, pages,
tree, checkpoints and bodies. Rows of the book are read as they are, and are not looked at here.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection, models

from ledger.findings import Finding

from ..models import AccountHead, Checkpoint, LedgerPage, LedgerTree, RawBody

_TABLES = (AccountHead, LedgerPage, LedgerTree, Checkpoint, RawBody)
_STORED = {
    "UUIDField": "text", "CharField": "text", "TextField": "text", "DateField": "text", "DateTimeField": "text",
    "BinaryField": "blob", "BooleanField": "integer",
}  # fmt: skip


def problems() -> Iterator[Finding]:
    for model in _TABLES if connection.vendor == "sqlite" else ():
        fields = list(model._meta.concrete_fields)
        if _rows_with_foreign(model, fields):
            for field in fields:
                for row in _rows_with_foreign(model, [field]):
                    says = f"{field.column} holds what cannot stand there; nothing else was verified"
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
