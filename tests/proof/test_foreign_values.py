"""SQLite keeps any value in any column: one of another kind is found, and ends no verification."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from ledger.canonical import BOOK
from portfolio import retention
from portfolio.models import BrokerAccount, Checkpoint, OrderVersion
from portfolio.proof import sealer
from portfolio.proof.verification import verify
from tests import build
from tests.proof import tampering
from tests.proof.saved import save
from tests.test_commands import run

pytestmark = pytest.mark.database

# A text that looks the same is still a text: SQLite makes a number of it where the column is one.
FOREIGN = ["", "x", "'\"\\\n\x00", "-1", 2**62, -7, 0.5, b"", b"\xff" * 32, None]
SEALED = ("ledger_pages", "ledger_tree", "checkpoints", "raw_bodies", "act_words", "sync_batches", *BOOK)
ALWAYS = {"position", "previous_hash", "note", "id"}  # that a reading ends in, where it is of another kind
NOT_SEALED = {"checkpoints": {"id"}, "ledger_pages": {"id"}}


def columns() -> Iterator[tuple[str, Any]]:
    for model in apps.get_app_config("portfolio").get_models():
        table = model._meta.db_table
        if table in SEALED and model._default_manager.exists():
            for field in model._meta.concrete_fields:
                if not field.generated and field.column not in NOT_SEALED.get(table, ()):
                    yield table, field.column


def a_changed_value(table: str, column: str, value: Any) -> bool:
    """Whether it is another than before, in the first row of the table."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT rowid, typeof("{column}"), quote("{column}") FROM {table} ORDER BY rowid LIMIT 1')
        rowid, *was = cursor.fetchone()
        cursor.execute(f'UPDATE OR IGNORE {table} SET "{column}" = %s WHERE rowid = %s', [value, rowid])
        cursor.execute(f'SELECT typeof("{column}"), quote("{column}") FROM {table} WHERE rowid = %s', [rowid])
        return [*(cursor.fetchone() or was)] != was


@contextmanager
def without_constraints() -> Iterator[None]:
    """Not even NOT NULL stands in the way of whoever owns the file. Afterwards all are back: it is everybody's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sql, name FROM sqlite_master WHERE type = 'table'")
        tables = cursor.fetchall()
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        rewrite_tables([(_nullable(sql), name) for sql, name in tables])
        try:
            yield
        finally:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")
            rewrite_tables(tables)


def _nullable(sql: str) -> str:
    return sql.replace("IS NOT NULL", "IS FULL").replace(" NOT NULL", "").replace("IS FULL", "IS NOT NULL")


def rewrite_tables(tables: Iterable[tuple[str, str]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA writable_schema = ON")
        cursor.executemany("UPDATE sqlite_master SET sql = %s WHERE type = 'table' AND name = %s", list(tables))
        cursor.execute("PRAGMA writable_schema = RESET")


def found() -> list[str]:
    """But for what is said of the guards: they are off all the time."""
    return [str(finding) for finding in verify().findings if finding.table]


def a_signed_book() -> BrokerAccount:
    with build.groww() as simulator:
        account = build.a_groww_account(simulator, next(iter(simulator.investors)))
        build.synced(account)
    retention.hold(account, "Asha Rao", "an inquiry")
    sealer.checkpoint(datetime(2026, 10, 5, 10, 35, tzinfo=UTC))
    return account


def test_a_value_of_another_kind_is_found_in_every_column() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's columns have their kind")
    a_signed_book()
    chance, unseen = Random(4), []

    with tampering.unguarded(), without_constraints():
        book, before = save(), found()
        for table, column in columns():
            value = chance.choice(FOREIGN)
            if a_changed_value(table, column, value):
                if not found():
                    unseen.append((table, column, value))
                book.put_back()

    assert (before, unseen) == ([], [])


def test_beside_a_value_of_another_kind_missing_guards_are_named() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's columns have their kind")
    build.an_account()
    with tampering.unguarded(), without_constraints():
        tampering.run("UPDATE account_heads SET page_number = 'x'")
        told = [str(finding) for finding in verify().findings]
        tampering.run("UPDATE account_heads SET page_number = 0")

    assert [says for says in told if "page_number holds what cannot stand there" in says] != []
    assert [says for says in told if "khata_guard_order_history_update of order_history is missing" in says] != []


TOLD = re.compile(r"Position 1 of the tree is gone|page 1, which holds it, was changed|the book has no order")


def test_what_cannot_leave_the_house_for_a_value_of_another_kind_is_named_by_table_and_row(tmp_path: Path) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's columns have their kind")
    account, order = a_signed_book(), OrderVersion.objects.order_by("pk")[0].groww_order_id
    commands = [("export_ledger",), ("export_ledger", "--account", account.pk), ("prove", order)]
    chance, codes, unnamed = Random(4), set(), []
    some = [(table, column) for table, column in columns() if column in ALWAYS or chance.random() < 0.1]

    with tampering.unguarded(), without_constraints():
        book = save()
        for table, column in some:
            a_changed_value(table, column, chance.choice(FOREIGN))
            for words in commands:
                code, _, error = run(*words, tmp_path / "out")
                codes.add(code)
                if code and not (error.startswith(table) or TOLD.match(error)):
                    unnamed.append((words[0], table, column, error))
            book.put_back()

    assert (codes, unnamed) == ({0, 2}, [])


def test_a_checkpoint_that_is_gone_from_its_row_is_named_before_anything_leaves(tmp_path: Path) -> None:
    a_signed_book()
    order, row = OrderVersion.objects.order_by("pk")[0].groww_order_id, Checkpoint.objects.get()
    with tampering.unguarded():
        for note, says in (
            ("", "it is gone from its row"),
            ("khata/x\ntwo\nthree\n", "line 1: a checkpoint without its signature"),
        ):
            tampering.run("UPDATE checkpoints SET note = %s", note)
            for words in (("export_ledger",), ("prove", order)):
                code, _, error = run(*words, tmp_path / "out")
                assert (code, error.partition(". ")[0]) == (2, f"checkpoints {row.pk}: {says}")
