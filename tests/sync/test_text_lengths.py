"""Text that a broker controls has one limit on both databases; SQLite would take any length by itself."""

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, models, transaction

from portfolio.models.base import BrokerText
from tests.rows import new_row

pytestmark = pytest.mark.database

COLUMNS = [
    pytest.param(model, field, id=f"{model._meta.db_table}.{field.name}")
    for model in apps.get_app_config("portfolio").get_models()
    for field in model._meta.concrete_fields
    if isinstance(field, BrokerText)
]


def save(model: type[models.Model], **values: Any) -> None:
    """Writes the row and takes it back: the rows that it hangs on do not exist."""
    with transaction.atomic():
        new_row(model, **values).save(force_insert=True)
        transaction.set_rollback(True)


@pytest.mark.parametrize(("model", "field"), COLUMNS)
def test_a_text_of_the_full_length_is_kept_and_a_longer_one_refused(
    model: type[models.Model], field: BrokerText
) -> None:
    limit = field.max_length or 0
    save(model, **{field.name: "é" * limit})
    with pytest.raises(DatabaseError):
        save(model, **{field.name: "é" * (limit + 1)})
    assert limit >= 20


def test_all_text_of_a_broker_is_limited() -> None:
    assert len(COLUMNS) > 40
