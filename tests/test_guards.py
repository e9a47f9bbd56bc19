"""The database refuses to change the book, whoever asks and however; and a missing guard is named."""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from portfolio import guards
from portfolio.guards import protected_models
from portfolio.models import DroppedBody, Event, RawBody, RawReply, SyncBatch
from tests.rows import NOW, new_row, only_on, run, value_of

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    """Nothing of a test stays: not its rows (their parents never existed) and not its attacks."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    if connection.vendor == "sqlite":
        run("PRAGMA recursive_triggers = ON")


def saved(model: type[models.Model], **values: Any) -> Any:
    """A row that nobody may change any more."""
    if model is SyncBatch:
        values = {"status": "COMPLETED", "completed_at": NOW, **values}
    row = new_row(model, **values)
    row.save(force_insert=True)
    return row


def is_refused(attack: Callable[[], Any]) -> bool:
    """Whether the database said no, and it was the guard that did."""
    try:
        with transaction.atomic():
            attack()
    except IntegrityError as error:
        return "is part of the book" in str(error)
    return False


def is_ever_allowed(attack: Callable[[Any], Any]) -> list[str]:
    """The protected tables where an attack on a finished row is not refused."""
    rows = [saved(model) for model in protected_models()]
    return [type(row).__name__ for row in rows if not is_refused(partial(attack, row))]


def table(row: Any) -> str:
    return str(row._meta.db_table)


def key(row: Any) -> tuple[str, Any]:
    """The column of the primary key and the row's value, as the database keeps it."""
    field = row._meta.pk
    return field.column, field.get_db_prep_value(row.pk, connection)


def some_column(row: Any) -> Any:
    """A column that is neither a key nor part of one."""
    keys = {name for columns in guards._keys(type(row)) for name in columns}
    return next(field for field in row._meta.concrete_fields if field.column not in keys)


def columns_and_values(row: Any, **other: Any) -> tuple[str, list[Any]]:
    fields = [field for field in row._meta.concrete_fields if not field.generated]
    values = [other.get(f.column, f.get_db_prep_save(getattr(row, f.attname), connection=connection)) for f in fields]
    return ", ".join(f'"{field.column}"' for field in fields), values


def insert(row: Any, how: str = "INSERT", after: str = "", **other: Any) -> int:
    columns, values = columns_and_values(row, **other)
    places = ", ".join(["%s"] * len(values))
    return run(f'{how} INTO "{table(row)}" ({columns}) VALUES ({places}) {after}', *values)


def update(row: Any, change: str, how: str = "UPDATE") -> int:
    column, value = key(row)
    return run(f'{how} "{table(row)}" SET {change} WHERE "{column}" = %s', value)


def delete(row: Any) -> int:
    column, value = key(row)
    return run(f'DELETE FROM "{table(row)}" WHERE "{column}" = %s', value)


def bulk_upsert(row: Any) -> Any:
    changed = some_column(row).name
    again = type(row)(**{field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields})
    return type(row)._base_manager.bulk_create(
        [again], update_conflicts=True, unique_fields=[row._meta.pk.name], update_fields=[changed]
    )


ATTACKS: dict[str, Callable[[Any], Any]] = {
    "UPDATE that changes nothing": lambda row: update(row, f'"{key(row)[0]}" = "{key(row)[0]}"'),
    "UPDATE of a figure": lambda row: update(row, f'"{some_column(row).column}" = "{some_column(row).column}"'),
    "UPDATE of all rows": lambda row: run(f'UPDATE "{table(row)}" SET "{key(row)[0]}" = "{key(row)[0]}"'),
    "DELETE": delete,
    "DELETE of all rows": lambda row: run(f'DELETE FROM "{table(row)}"'),
    "save": lambda row: row.save(),
    "save of one field": lambda row: row.save(update_fields=[some_column(row).name]),
    "delete of an object": lambda row: row.delete(),
    "update of a queryset": lambda row: (
        type(row)
        ._base_manager.filter(pk=row.pk)
        .update(**{some_column(row).attname: getattr(row, some_column(row).attname)})
    ),
    "raw delete of a queryset": lambda row: type(row)._base_manager.filter(pk=row.pk)._raw_delete(connection.alias),
    "bulk_update": lambda row: type(row)._base_manager.bulk_update([row], [some_column(row).name]),
    "bulk_create that updates": bulk_upsert,
    "ON CONFLICT DO UPDATE": lambda row: insert(
        row, after=f'ON CONFLICT ("{key(row)[0]}") DO UPDATE SET "{key(row)[0]}" = excluded."{key(row)[0]}"'
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_finished_row_cannot_be_changed_or_deleted(name: str) -> None:
    assert is_ever_allowed(ATTACKS[name]) == []


def other_keys(row: Any) -> list[list[str]]:
    """The unique keys of the row besides its primary key."""
    return [columns for columns in guards._keys(type(row)) if columns != [key(row)[0]]]


def test_a_refusal_names_the_table_and_what_was_tried() -> None:
    row = saved(SyncBatch)

    with pytest.raises(IntegrityError, match=r"The table sync_batches is part of the book \(while_started\): DELETE"):
        delete(row)


def test_a_row_is_still_there_after_an_attack() -> None:
    for model in protected_models():
        row = saved(model)
        assert is_refused(partial(delete, row))
        assert type(row)._base_manager.filter(pk=row.pk).count() == 1


def test_new_rows_are_let_in() -> None:
    for model in protected_models():
        saved(model)
        assert len(model._base_manager.bulk_create([new_row(model), new_row(model)])) == 2
        assert model._base_manager.count() == 3


@pytest.mark.parametrize("how", ["INSERT OR REPLACE", "REPLACE"])
def test_sqlite_replaces_no_row_under_its_primary_key(how: str) -> None:
    only_on("sqlite")

    assert is_ever_allowed(lambda row: insert(row, how)) == []


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_sqlite_replaces_no_row_under_another_unique_key(recursive: str) -> None:
    only_on("sqlite")
    run(f"PRAGMA recursive_triggers = {recursive}")
    allowed = []
    for model in protected_models():
        row = saved(model)
        for shared in other_keys(row):
            other = new_row(model)
            for field in model._meta.concrete_fields:
                if field.column in shared:
                    setattr(other, field.attname, getattr(row, field.attname))
            if not is_refused(partial(insert, other, "INSERT OR REPLACE")):
                allowed.append((model.__name__, shared))

    assert allowed == []


def test_sqlite_replaces_no_row_under_its_hidden_rowid() -> None:
    only_on("sqlite")

    def replace(row: Any) -> int:
        columns, values = columns_and_values(new_row(type(row)))
        column, value = key(row)
        places = ", ".join(["%s"] * len(values))
        same = f'(SELECT rowid FROM "{table(row)}" WHERE "{column}" = %s)'
        return run(f'REPLACE INTO "{table(row)}" (rowid, {columns}) VALUES ({same}, {places})', value, *values)

    assert is_ever_allowed(replace) == []


def test_null_in_a_unique_column_is_like_no_other_row() -> None:
    for _ in range(3):
        saved(Event, position=None)
    saved(SyncBatch, broker_account_id=None)

    assert Event.objects.count() == 3


def test_postgresql_truncates_no_protected_table() -> None:
    only_on("postgresql")
    tables = [model._meta.db_table for model in protected_models()]

    refused = [is_refused(partial(run, f'TRUNCATE "{name}" CASCADE')) for name in tables]

    assert refused == [True] * len(tables)


def test_postgresql_truncates_no_parent_with_what_hangs_on_it() -> None:
    only_on("postgresql")

    assert is_refused(lambda: run("TRUNCATE broker_accounts CASCADE"))
    assert is_refused(lambda: run("TRUNCATE users RESTART IDENTITY CASCADE"))


@pytest.mark.parametrize("role", ["replica", "local", "origin"])
def test_postgresql_guards_whatever_the_replication_role(role: str) -> None:
    only_on("postgresql")
    run(f"SET LOCAL session_replication_role = {role}")

    assert is_ever_allowed(ATTACKS["UPDATE of a figure"]) == []
    assert is_ever_allowed(delete) == []


def test_postgresql_merges_nothing_into_a_protected_table() -> None:
    only_on("postgresql")
    if run("SELECT 1 WHERE current_setting('server_version_num')::int < 150000"):
        pytest.skip("MERGE came with PostgreSQL 15")

    def merge(row: Any) -> int:
        column, value = key(row)
        return run(
            f'MERGE INTO "{table(row)}" t USING (SELECT %s AS k) s ON t."{column}" = s.k '
            f'WHEN MATCHED THEN UPDATE SET "{column}" = s.k',
            value,
        )

    assert is_ever_allowed(merge) == []


def test_a_batch_may_change_while_it_is_started_and_never_after() -> None:
    batch = saved(SyncBatch, status="STARTED", completed_at=None)

    batch.orders_fetched = 3
    batch.save()
    SyncBatch.objects.filter(pk=batch.pk).update(status="COMPLETED", completed_at=NOW)

    assert is_refused(lambda: SyncBatch.objects.filter(pk=batch.pk).update(status="STARTED", completed_at=None))
    assert is_refused(lambda: SyncBatch.objects.filter(pk=batch.pk).update(orders_fetched=4))
    assert SyncBatch.objects.get(pk=batch.pk).orders_fetched == 3


def test_a_batch_that_is_started_cannot_be_deleted() -> None:
    batch = saved(SyncBatch, status="STARTED", completed_at=None)

    assert is_refused(lambda: delete(batch))


def recorded_as_dropped(body: RawBody) -> RawBody:
    saved(DroppedBody, reply_id=body.pk)
    return body


def test_a_body_is_deleted_only_where_the_book_says_so_of_its_reply() -> None:
    body, other = saved(RawBody), saved(RawBody)
    assert is_refused(lambda: delete(body))

    recorded_as_dropped(body)

    assert is_refused(lambda: delete(other))
    assert is_refused(lambda: run("DELETE FROM raw_bodies"))
    assert delete(body) == 1
    assert RawBody.objects.get().pk == other.pk


def test_a_body_that_may_go_is_still_not_changed_or_replaced() -> None:
    body = recorded_as_dropped(saved(RawBody))
    attacks = [attack for name, attack in ATTACKS.items() if "delete" not in name.lower()]
    if connection.vendor == "sqlite":
        attacks += [lambda row: insert(row, "INSERT OR REPLACE"), lambda row: insert(row, "REPLACE")]

    assert [is_refused(partial(attack, body)) for attack in attacks] == [True] * len(attacks)
    assert RawBody.objects.count() == 1


def test_neither_the_record_nor_the_reply_goes_with_the_body() -> None:
    reply = saved(RawReply)
    record = saved(DroppedBody, reply_id=reply.pk)

    assert is_refused(lambda: delete(record))
    assert is_refused(lambda: delete(reply))


def test_postgresql_a_record_in_another_schema_lets_no_body_go() -> None:
    only_on("postgresql")
    body = saved(RawBody)
    run("CREATE SCHEMA elsewhere")
    run("CREATE TABLE elsewhere.dropped_bodies AS SELECT reply_id FROM raw_bodies")
    run("SET LOCAL search_path = elsewhere, public")

    assert is_refused(lambda: delete(body))


def test_an_event_is_given_its_position_once() -> None:
    event = saved(Event, position=None)

    assert Event.objects.filter(pk=event.pk).update(position=5) == 1
    assert is_refused(lambda: Event.objects.filter(pk=event.pk).update(position=6))
    assert is_refused(lambda: Event.objects.filter(pk=event.pk).update(position=None))
    assert is_refused(lambda: Event.objects.filter(pk=event.pk).update(position=5))
    assert is_refused(lambda: delete(event))
    assert Event.objects.get(pk=event.pk).position == 5


def test_nothing_else_of_an_event_changes_with_its_position() -> None:
    allowed = []
    for field in Event._meta.concrete_fields:
        event = saved(Event, position=None, batch_id=uuid.uuid4())
        change = {field.attname: f"{getattr(event, field.attname)}!" if field.name == "kind" else value_of(field)}
        if field.name == "payload":
            change = {"payload": "{ }"}
        if field.name == "created_at":
            change = {"created_at": NOW.replace(microsecond=1)}
        if field.name == "position":
            continue
        events = Event.objects.filter(pk=event.pk)
        if not is_refused(partial(events.update, **change)):
            allowed.append(field.name)
        if not is_refused(partial(events.update, position=7, **change)):
            allowed.append(f"{field.name} and position")

    assert allowed == []


def test_an_event_without_a_position_cannot_be_deleted_or_rewritten() -> None:
    event = saved(Event, position=None)

    assert is_refused(lambda: delete(event))
    assert is_refused(lambda: event.save())
    assert is_refused(lambda: Event.objects.filter(pk=event.pk).update(position=None))


def test_sqlite_lets_no_open_row_push_out_a_finished_one() -> None:
    """UPDATE OR REPLACE deletes the row whose key it takes, and asks no DELETE guard."""
    only_on("sqlite")
    run("PRAGMA recursive_triggers = OFF")
    closed, started = saved(SyncBatch), saved(SyncBatch, status="STARTED", completed_at=None)
    placed, waiting = saved(Event, position=5), saved(Event, position=None)

    rowid = '(SELECT rowid FROM "sync_batches" WHERE "status" = \'COMPLETED\')'
    assert is_refused(lambda: update(started, f"\"id\" = '{closed.pk.hex}'", "UPDATE OR REPLACE"))
    assert is_refused(lambda: update(started, f"rowid = {rowid}", "UPDATE OR REPLACE"))
    assert is_refused(lambda: update(waiting, '"position" = 5', "UPDATE OR REPLACE"))
    assert is_refused(lambda: update(waiting, '"position" = 6, rowid = rowid + 100', "UPDATE OR REPLACE"))
    assert [SyncBatch.objects.count(), Event.objects.get(position=5).pk] == [2, placed.pk]
