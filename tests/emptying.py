"""Empties the test database. The guards refuse that, so they are taken down first and put back: only here."""

from django.apps import apps
from django.db import connection

from portfolio import guards, installation, seeds, startup
from portfolio.schedule import amendments
from portfolio.sync import instruments, prices


def empty() -> None:
    tables = [model._meta.db_table for model in apps.get_app_config("portfolio").get_models(include_auto_created=True)]
    with connection.cursor() as cursor:
        for statement in _postgresql(tables) if connection.vendor == "postgresql" else _sqlite(tables):
            cursor.execute(statement)
    seeds.after_migrate("default")
    amendments.refresh()
    instruments.forget()
    prices.forget()
    installation.key_ring.cache_clear()
    startup.require_guards.cache_clear()
    startup.require_keys.cache_clear()


def _postgresql(tables: list[str]) -> list[str]:
    guarded = [model._meta.db_table for model in guards.protected_models()]
    off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in guarded]
    return [f"{'; '.join(off)}; TRUNCATE {', '.join(tables)} CASCADE; {'; '.join(_always(guarded))}"]


def _always(tables: list[str]) -> list[str]:
    """Exactly as installed: a guard that is merely enabled would be passed by session_replication_role."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND c.relname = ANY(%s)",
            [tables],
        )
        return [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in cursor.fetchall()]


def _sqlite(tables: list[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        down = [f'DROP TRIGGER "{name}"' for (name,) in cursor.fetchall()]
    return ["PRAGMA foreign_keys=OFF", *down, *(f"DELETE FROM {table}" for table in tables), "PRAGMA foreign_keys=ON"]
