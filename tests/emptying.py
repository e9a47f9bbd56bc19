"""Empties the test database. The guards refuse that, so they are passed by or taken down and put back: only here."""

import json
import os
import sqlite3
from contextlib import closing

from django.apps import apps
from django.db import connection, transaction

from portfolio import clock, guards, installation, startup
from portfolio.ids import new_uuid
from portfolio.models import AccountHead, BrokerType, Schedule, ScheduledLook
from portfolio.schedule import amendments
from portfolio.sync import instruments, prices
from portfolio.triggers.limits import OF_THIS_PROCESS

SEEDED = [model._meta.db_table for model in (BrokerType, AccountHead, Schedule, ScheduledLook)]
_seeds: dict[str, str] = {}  # the rows that a fresh database has, as JSON, by table


def remember_seeds() -> None:
    """Called while the database is fresh. What is read again costs a fraction of seeding it anew."""
    with connection.cursor() as cursor:
        for table in SEEDED if connection.vendor == "postgresql" else ():
            cursor.execute(f"SELECT json_agg(t) FROM {table} t")
            _seeds[table] = json.dumps(cursor.fetchone()[0])


def empty() -> None:
    if connection.vendor == "postgresql":
        _empty_postgresql()
    else:
        _copy_sqlite()
    amendments.refresh()
    instruments.forget()
    prices.forget()
    OF_THIS_PROCESS.forget()
    installation.key_ring.cache_clear()
    startup.require_guards.cache_clear()
    startup.require_keys.cache_clear()
    clock.forget()


def _copy_sqlite() -> None:
    """Page by page from the fresh one, guards and seeds among them. The installation is another, with its own keys."""
    connection.ensure_connection()
    with closing(sqlite3.connect(os.environ["KHATA_TEST_TEMPLATE"])) as template:
        template.backup(connection.connection)
    _begin_another_installation()


def _empty_postgresql() -> None:
    """Only of tables that have rows: most have none after most tests."""
    tables = [model._meta.db_table for model in apps.get_app_config("portfolio").get_models(include_auto_created=True)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in tables))
        filled = [name for (name,) in cursor.fetchall()]
        guarded = {model._meta.db_table for model in guards.protected_models()} & {*filled}
        off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in guarded]
        deleted = [f"DELETE FROM {name}" for name in filled]
        cursor.execute("; ".join([*off, *deleted, "SET CONSTRAINTS ALL IMMEDIATE", *_always(guarded)]))
        for table, rows in _seeds.items():
            cursor.execute(f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s)", [rows])
        _begin_another_installation()
    guards.install(connection)


def vacuum() -> None:
    """For whoever writes and deletes a thousand times: PostgreSQL reads what is dead again and again."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")


def _begin_another_installation() -> None:
    AccountHead.objects.filter(account=None).update(id=new_uuid())


def _always(tables: set[str]) -> list[str]:
    """Exactly as installed: a guard that is merely enabled would be passed by session_replication_role."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND c.relname = ANY(%s)",
            [[*tables]],
        )
        return [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in cursor.fetchall()]
