"""Rows that fit any table, made from the model alone, and plain SQL. Their parents do not exist: undo, never commit."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models

NOW = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
VALUES: dict[str, Callable[[], Any]] = {
    "UUIDField": uuid.uuid4,
    "DateTimeField": lambda: NOW,
    "DateField": lambda: date(2026, 11, 20),
    "BinaryField": lambda: uuid.uuid4().bytes * 2,
    "CharField": lambda: uuid.uuid4().hex[:3],
    "TextField": lambda: "{}",
    "IntegerField": lambda: uuid.uuid4().int % 1_000_000,
    "BigIntegerField": lambda: uuid.uuid4().int % 10**15,
    "BooleanField": lambda: False,
    "ExactDecimalField": lambda: Decimal("1.5"),
}


def value_of(field: Any) -> Any:
    """Something that fits the column; for a foreign key the id of nobody, which is checked only at a commit."""
    if field.choices:
        return field.choices[0][0]
    target = field.target_field if field.remote_field else field
    return VALUES[target.get_internal_type()]()


def new_row(model: type[models.Model], **values: Any) -> Any:
    for field in model._meta.concrete_fields:
        is_needed = field.is_relation or field.unique or not (field.has_default() or field.null)
        if is_needed and not field.generated and field.attname not in values:
            values[field.attname] = value_of(field)
    return model(**values)


def run(sql: str, *parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def only_on(vendor: str) -> None:
    if connection.vendor != vendor:
        pytest.skip(f"only for {vendor}")
