"""The database's own refusal to change the book, on both databases.

A model says how it is protected, with a plain attribute `guard`:
`append_only`     no row is ever changed, replaced or deleted;
`while_started`   a row may be changed while its status is STARTED, never deleted;
`position_once`   only `position` may be changed, once, from null; never deleted;
`until_dropped`   never changed or replaced, and deleted only where `dropped_bodies` says so of its reply.

Whoever owns the tables can still drop a guard, or put a rule in its way: `problems` names it, and the pages and
checkpoints find what was done meanwhile. Nothing here switches a guard off, not even for a test.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from django.apps import apps
from django.db import models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

RULES = ("append_only", "while_started", "position_once", "until_dropped")
REMEDY = "Run manage.py migrate, then verify_ledger: nobody guarded the table meanwhile."

# The row as it would be without its new position must be the old row, bit for bit. The record of what is dropped is
# the one of the same schema: the function has no search path of its own.
_FUNCTION = """
DECLARE
  before_position record;
  is_recorded boolean;
BEGIN
  IF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'while_started' THEN
    IF OLD.status = 'STARTED' THEN
      RETURN NEW;
    END IF;
  ELSIF TG_OP = 'UPDATE' AND TG_ARGV[0] = 'position_once' THEN
    IF OLD.position IS NULL AND NEW.position IS NOT NULL THEN
      before_position := NEW;
      before_position.position := NULL;
      IF before_position *= OLD THEN
        RETURN NEW;
      END IF;
    END IF;
  ELSIF TG_OP = 'DELETE' AND TG_ARGV[0] = 'until_dropped' THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.dropped_bodies WHERE reply_id = $1)', TG_TABLE_SCHEMA)
      INTO is_recorded USING OLD.reply_id;
    IF is_recorded THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'The table % is part of the book (%): % is refused.', TG_TABLE_NAME, TG_ARGV[0], TG_OP
    USING ERRCODE = 'restrict_violation';
END
"""
_RECORDS = "dropped_bodies"
_ROW_GUARD, _TRUNCATE_GUARD = 27, 34  # bits of pg_trigger.tgtype: before row update or delete; before truncate

_INSTALLED_POSTGRESQL = """
SELECT c.relname, t.tgname, t.tgenabled::text,
       t.tgtype || ' ' || CASE WHEN t.tgfoid = to_regproc('khata_guard') THEN 'khata_guard' ELSE 'another' END
       || ' ' || encode(t.tgargs, 'escape') || CASE WHEN t.tgqual IS NULL THEN '' ELSE ' conditional' END
       || CASE WHEN t.tgattr::text = '' THEN '' ELSE ' some columns' END
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND pg_table_is_visible(c.oid)
UNION ALL
SELECT c.relname, 'the rule ' || r.rulename, r.ev_enabled::text, ''
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
 WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
UNION ALL
SELECT c.relname, 'row security', 'A', ''
  FROM pg_class c
 WHERE (c.relrowsecurity OR c.relforcerowsecurity) AND pg_table_is_visible(c.oid)
UNION ALL
SELECT c.relname, 'the table ' || i.inhrelid::regclass || ', whose rows count as its own', 'A', ''
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
 WHERE pg_table_is_visible(c.oid)
UNION ALL
SELECT '', p.proname, 'A', p.prosrc || l.lanname || coalesce(p.proconfig::text, '')
  FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE p.oid = to_regproc('khata_guard')
"""
# SQLite keeps the table's name as whoever wrote the statement spelt it.
_INSTALLED_SQLITE = "SELECT lower(tbl_name), name, 'A', sql FROM sqlite_master WHERE type = 'trigger'"


class Guard(NamedTuple):
    """One guard as it must be: `definition` is what the database's catalogue has to say of it."""

    table: str
    name: str
    definition: str
    statements: tuple[str, ...]


class Installed(NamedTuple):
    enabled: str
    definition: str


def protected_models() -> list[type[models.Model]]:
    """Every model that says how it is protected, by the name of its table."""
    found = [model for model in apps.get_models() if getattr(model, "guard", None) and not model._meta.proxy]
    for model in found:
        if _rule(model) not in RULES:
            raise ValueError(f"{model.__name__}.guard is {_rule(model)!r}; it must be one of {', '.join(RULES)}")
    return sorted(found, key=lambda model: model._meta.db_table)


def install(connection: BaseDatabaseWrapper) -> None:
    """Puts every guard in its place. Costs two queries when all are there. Needs the owner of the tables."""
    tables, installed = set(connection.introspection.table_names()), _installed(connection)
    wanted = [guard for guard in _wanted(connection, tables) if not guard.table or guard.table in tables]
    missing = [guard for guard in wanted if _fault(guard, installed)]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for guard in missing:
            for statement in guard.statements:
                cursor.execute(statement)


def problems(connection: BaseDatabaseWrapper) -> list[str]:
    """What is not as it must be, in words, each with what to do. Empty: every protected table is guarded."""
    tables, installed = set(connection.introspection.table_names()), _installed(connection)
    wanted = _wanted(connection, tables)
    ours = {(guard.table, guard.name) for guard in wanted}
    names = {guard.table for guard in wanted if guard.table}
    absent = [f"The table {name} does not exist. Run manage.py migrate." for name in sorted(names - tables)]
    faults = [_fault(guard, installed) for guard in wanted if not guard.table or guard.table in tables]
    foreign = [
        f"The table {table} has something that is not ours on it: {name}. It may change what is written or read. "
        "Find out who made it, and take it away."
        for table, name in sorted(installed.keys() - ours)
        if table in names
    ]
    return absent + [fault for fault in faults if fault] + foreign


def _rule(model: type[models.Model]) -> str:
    return str(getattr(model, "guard", ""))


def _fault(guard: Guard, installed: dict[tuple[str, str], Installed]) -> str:
    where = f"The guard {guard.name} of {guard.table}" if guard.table else f"The function {guard.name}"
    found = installed.get((guard.table, guard.name))
    if found is None:
        return f"{where} is missing. {REMEDY}"
    if found.definition != guard.definition:
        return f"{where} is not the one that must be there. {REMEDY}"
    if found.enabled != "A":
        return f"{where} is switched off, or not enabled always. {REMEDY}"
    return ""


def _installed(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], Installed]:
    with connection.cursor() as cursor:
        cursor.execute(_INSTALLED_SQLITE if connection.vendor == "sqlite" else _INSTALLED_POSTGRESQL)
        return {(table, name): Installed(enabled, sql) for table, name, enabled, sql in cursor.fetchall()}


def _wanted(connection: BaseDatabaseWrapper, tables: Collection[str]) -> list[Guard]:
    if connection.vendor == "sqlite":
        return [guard for model in protected_models() for guard in _for_sqlite(model, connection, tables)]
    guards = [guard for model in protected_models() for guard in _for_postgresql(model, connection)]
    return [_function(), *guards]


def _function() -> Guard:
    create = (
        "CREATE OR REPLACE FUNCTION khata_guard() RETURNS trigger LANGUAGE plpgsql "
        f"SET search_path = pg_catalog AS $guard${_FUNCTION}$guard$"
    )
    return Guard("", "khata_guard", _FUNCTION + "plpgsql{search_path=pg_catalog}", (create,))


def _for_postgresql(model: type[models.Model], connection: BaseDatabaseWrapper) -> Iterable[Guard]:
    """ENABLE ALWAYS, so that session_replication_role does not pass them by."""
    table, quoted = model._meta.db_table, connection.ops.quote_name(model._meta.db_table)
    for name, bits, when in (
        ("khata_guard_rows", _ROW_GUARD, "UPDATE OR DELETE ON {} FOR EACH ROW"),
        ("khata_guard_truncate", _TRUNCATE_GUARD, "TRUNCATE ON {} FOR EACH STATEMENT"),
    ):
        create = f"CREATE OR REPLACE TRIGGER {name} BEFORE {when.format(quoted)} EXECUTE FUNCTION khata_guard"
        yield Guard(
            table,
            name,
            f"{bits} khata_guard {_rule(model)}\\000",
            (f"{create}('{_rule(model)}')", f"ALTER TABLE {quoted} ENABLE ALWAYS TRIGGER {name}"),
        )


def _for_sqlite(model: type[models.Model], connection: BaseDatabaseWrapper, tables: Collection[str]) -> Iterable[Guard]:
    """Three a table. The one on INSERT is for INSERT OR REPLACE, which deletes rows without asking the others."""
    table = model._meta.db_table
    for event, what, when in (
        ("UPDATE", "UPDATE", _forbidden_update(model, connection)),
        ("DELETE", "DELETE", _forbidden_delete(model, tables)),
        ("INSERT", "INSERT under a key that is there", _clash(model, connection)),
    ):
        name = f"khata_guard_{table}_{event.lower()}"
        refusal = f"The table {table} is part of the book ({_rule(model)}): {what} is refused."
        create = (
            f'CREATE TRIGGER "{name}" BEFORE {event} ON "{table}" FOR EACH ROW{when and f" WHEN {when}"} '
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        yield Guard(table, name, create, (f'DROP TRIGGER IF EXISTS "{name}"', create))


def _forbidden_update(model: type[models.Model], connection: BaseDatabaseWrapper) -> str:
    """When an update is refused; empty: always. UPDATE OR REPLACE would delete a row whose key it takes."""
    if _rule(model) in ("append_only", "until_dropped"):
        return ""
    clash = _clash(model, connection, "AND rowid IS NOT OLD.rowid")
    if _rule(model) == "while_started":
        return f"OLD.\"status\" IS NOT 'STARTED' OR {clash}"
    kept = [f'NEW."{column}" IS OLD."{column}"' for column in _columns(model) if column != "position"]
    once = ['OLD."position" IS NULL', 'NEW."position" IS NOT NULL', "NEW.rowid IS OLD.rowid", *kept]
    return f"NOT ({' AND '.join(once)}) OR {clash}"


def _forbidden_delete(model: type[models.Model], tables: Collection[str]) -> str:
    """When a delete is refused; empty: always.

    SQLite renames no table while a guard names one that is not there. So none does in a database of an older version,
    and a migration that drops or rebuilds `dropped_bodies` has to drop this guard first.
    """
    if _rule(model) != "until_dropped" or _RECORDS not in tables:
        return ""
    return f'NOT EXISTS (SELECT 1 FROM "{_RECORDS}" WHERE "reply_id" = OLD."reply_id")'


def _clash(model: type[models.Model], connection: BaseDatabaseWrapper, other: str = "") -> str:
    """The new row has a key of a row that is there. The hidden rowid is a key too; NULL equals nothing."""
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    matches = [" AND ".join(f"{quote(c)} = NEW.{quote(c)}" for c in key) for key in [["rowid"], *_keys(model)]]
    return " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {match} {other})".replace(" )", ")") for match in matches)


def _keys(model: type[models.Model]) -> list[list[str]]:
    """The columns of the primary key and of everything that must be unique."""
    meta = model._meta
    keys = [[str(field.column)] for field in meta.concrete_fields if field.unique]
    named: list[Any] = [*meta.unique_together]
    for constraint in meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            if constraint.condition is not None or not constraint.fields:
                raise ValueError(f"{constraint.name}: guards know only unique constraints over plain columns")
            named.append(constraint.fields)
    return keys + [[_field(model, name).column for name in names] for names in named]


def _columns(model: type[models.Model]) -> list[str]:
    return [str(field.column) for field in model._meta.concrete_fields if not field.generated]


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)
