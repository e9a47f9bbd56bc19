"""What is installed is compared with what must be: a guard that is missing, off or another is named, and put back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.utils import ConnectionHandler
from django.test.utils import CaptureQueriesContext

from portfolio import guards
from portfolio.guards import protected_models
from portfolio.models import RawBody, SyncBatch
from tests.rows import new_row, only_on, run

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def guard_names() -> list[tuple[str, str]]:
    tables = connection.introspection.table_names()
    return [(guard.table, guard.name) for guard in guards._wanted(connection, tables) if guard.table]


def drop(guarded: str, name: str) -> None:
    run(f'DROP TRIGGER "{name}"' if connection.vendor == "sqlite" else f'DROP TRIGGER "{name}" ON "{guarded}"')


def test_after_a_migration_every_guard_is_in_its_place() -> None:
    assert guards.problems(connection) == []


def test_every_guard_that_is_dropped_is_named_and_put_back() -> None:
    for guarded, name in guard_names():
        drop(guarded, name)

        assert guards.problems(connection) == [f"The guard {name} of {guarded} is missing. {guards.REMEDY}"]
        guards.install(connection)
        assert guards.problems(connection) == []


def test_installing_again_costs_two_queries() -> None:
    with CaptureQueriesContext(connection) as asked:
        guards.install(connection)

    statements = [query["sql"].split()[0] for query in asked.captured_queries]
    assert [each for each in statements if each not in ("SAVEPOINT", "RELEASE")] == ["SELECT", "SELECT"]


def test_sqlite_a_table_that_a_migration_rebuilds_loses_its_guards_until_they_are_installed(tmp_path: Path) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "book.sqlite3"}
    scratch = ConnectionHandler({"default": database})["default"]
    with scratch.schema_editor() as editor:
        for model in protected_models():
            editor.create_model(model)
    guards.install(scratch)
    with scratch.schema_editor() as editor:
        old = SyncBatch._meta.get_field("metadata")
        new = models.TextField(default="[]", null=True)
        new.set_attributes_from_name("metadata")
        editor.alter_field(SyncBatch, old, new)

    lost = [line.partition(" is missing")[0] for line in guards.problems(scratch)]
    guards.install(scratch)

    assert lost == [
        f"The guard khata_guard_sync_batches_{event} of sync_batches" for event in ("update", "delete", "insert")
    ]
    assert guards.problems(scratch) == []
    scratch.close()


@pytest.mark.parametrize("how", ["DISABLE", "ENABLE", "ENABLE REPLICA"])
def test_a_guard_that_is_switched_off_or_not_always_on_is_named(how: str) -> None:
    only_on("postgresql")
    for guarded, name in guard_names():
        run(f'ALTER TABLE "{guarded}" {how} TRIGGER "{name}"')
        assert guards.problems(connection) == [
            f"The guard {name} of {guarded} is switched off, or not enabled always. {guards.REMEDY}"
        ]
        guards.install(connection)

    assert guards.problems(connection) == []


def test_all_guards_of_a_table_switched_off_are_named() -> None:
    only_on("postgresql")
    run("ALTER TABLE order_history DISABLE TRIGGER ALL")

    named = [line.partition(" is ")[0] for line in guards.problems(connection)]

    assert named == [
        "The guard khata_guard_rows of order_history",
        "The guard khata_guard_truncate of order_history",
    ]


@pytest.mark.parametrize(
    ("when", "function"),
    [
        ("BEFORE UPDATE ON order_history FOR EACH ROW", "khata_guard('append_only')"),
        ("AFTER UPDATE OR DELETE ON order_history FOR EACH ROW", "khata_guard('append_only')"),
        ("BEFORE UPDATE OR DELETE ON order_history FOR EACH STATEMENT", "khata_guard('append_only')"),
        ("BEFORE UPDATE OR DELETE ON order_history FOR EACH ROW", "khata_guard('while_started')"),
        ("BEFORE UPDATE OF symbol OR DELETE ON order_history FOR EACH ROW", "khata_guard('append_only')"),
        ("BEFORE UPDATE OR DELETE ON order_history FOR EACH ROW WHEN (false)", "khata_guard('append_only')"),
        ("BEFORE UPDATE OR DELETE ON order_history FOR EACH ROW", "elsewhere.khata_guard('append_only')"),
    ],
)
def test_postgresql_a_guard_that_only_looks_like_ours_is_named(when: str, function: str) -> None:
    only_on("postgresql")
    run("CREATE SCHEMA elsewhere")
    run("CREATE FUNCTION elsewhere.khata_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    run("DROP TRIGGER khata_guard_rows ON order_history")
    run(f"CREATE TRIGGER khata_guard_rows {when} EXECUTE FUNCTION {function}")
    run("ALTER TABLE order_history ENABLE ALWAYS TRIGGER khata_guard_rows")

    assert guards.problems(connection) == [
        f"The guard khata_guard_rows of order_history is not the one that must be there. {guards.REMEDY}"
    ]
    guards.install(connection)
    assert guards.problems(connection) == []


def test_postgresql_a_function_that_lets_everything_pass_is_named() -> None:
    only_on("postgresql")
    run("CREATE OR REPLACE FUNCTION khata_guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")

    assert guards.problems(connection) == [
        f"The function khata_guard is not the one that must be there. {guards.REMEDY}"
    ]
    guards.install(connection)
    assert guards.problems(connection) == []


def test_sqlite_a_guard_that_only_looks_like_ours_is_named() -> None:
    only_on("sqlite")
    run('DROP TRIGGER "khata_guard_order_history_update"')
    run(
        'CREATE TRIGGER "khata_guard_order_history_update" BEFORE UPDATE ON "order_history" FOR EACH ROW WHEN 0 '
        "BEGIN SELECT RAISE(ABORT, 'never'); END"
    )

    assert guards.problems(connection) == [
        f"The guard khata_guard_order_history_update of order_history is not the one that must be there. "
        f"{guards.REMEDY}"
    ]
    guards.install(connection)
    assert guards.problems(connection) == []


def foreign(name: str) -> list[str]:
    return [
        f"The table order_history has something that is not ours on it: {name}. It may change what is written or read. "
        "Find out who made it, and take it away."
    ]


def test_something_foreign_on_a_protected_table_is_named() -> None:
    if connection.vendor == "sqlite":
        run("CREATE TRIGGER quiet AFTER INSERT ON order_history BEGIN SELECT 1; END")
    else:
        run("CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        run("CREATE TRIGGER quiet BEFORE INSERT ON order_history FOR EACH ROW EXECUTE FUNCTION quiet()")

    assert guards.problems(connection) == foreign("quiet")


def test_sqlite_something_foreign_is_named_however_its_table_is_spelt() -> None:
    only_on("sqlite")
    run("CREATE TRIGGER quiet BEFORE INSERT ON ORDER_History BEGIN SELECT RAISE(IGNORE); END")

    assert guards.problems(connection) == foreign("quiet")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("CREATE RULE quiet AS ON INSERT TO order_history DO INSTEAD NOTHING", "the rule quiet"),
        ("CREATE RULE quiet AS ON UPDATE TO order_history DO INSTEAD NOTHING", "the rule quiet"),
        ("CREATE RULE khata_guard_rows AS ON DELETE TO order_history DO ALSO NOTHING", "the rule khata_guard_rows"),
        ("ALTER TABLE order_history ENABLE ROW LEVEL SECURITY", "row security"),
        ("ALTER TABLE order_history FORCE ROW LEVEL SECURITY", "row security"),
        ("CREATE TABLE more_orders () INHERITS (order_history)", "the table more_orders, whose rows count as its own"),
    ],
)
def test_postgresql_what_changes_writing_or_reading_without_a_guard_is_named(statement: str, name: str) -> None:
    only_on("postgresql")
    run(statement)

    assert guards.problems(connection) == foreign(name)


def test_postgresql_the_same_on_tables_that_are_not_protected_is_nobodys_business() -> None:
    only_on("postgresql")
    run("CREATE RULE quiet AS ON DELETE TO listings DO INSTEAD NOTHING")
    run("ALTER TABLE listings ENABLE ROW LEVEL SECURITY")

    assert guards.problems(connection) == []


def test_sqlite_no_guard_names_a_table_that_is_not_there() -> None:
    """Or no table could be renamed any more, which every migration does that rebuilds one."""
    only_on("sqlite")
    run("DROP TABLE dropped_bodies")
    guards.install(connection)

    run("ALTER TABLE listings RENAME TO elsewhere")
    with pytest.raises(IntegrityError, match="The table raw_bodies is part of the book"):
        new_row(RawBody).save(force_insert=True)
        run("DELETE FROM raw_bodies")


def test_a_table_that_is_gone_is_named() -> None:
    run("DROP TABLE change_explanations")

    assert guards.problems(connection) == ["The table change_explanations does not exist. Run manage.py migrate."]
    guards.install(connection)
