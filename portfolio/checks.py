"""What must be configured rightly, told at start-up with what to do about it: `manage.py check [--deploy]`.

Reads settings and, for the guards, the catalogue of the database. Changes nothing.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from . import guards
from .keys import key_directory
from .retention import BOOK_YEARS

TIME_ZONES = ("Asia/Kolkata", "UTC")
OLDEST_SQLITE = (3, 33)
SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "recursive_triggers=ON", "trusted_schema=OFF")


@register()
def times_are_aware_and_plain(**_: Any) -> list[CheckMessage]:
    if settings.USE_TZ and settings.TIME_ZONE in TIME_ZONES:
        return []
    return [
        Error(
            f"USE_TZ is {settings.USE_TZ} and TIME_ZONE is {settings.TIME_ZONE!r}.",
            hint="Set USE_TZ to True and TIME_ZONE to Asia/Kolkata or UTC: instants are stored in UTC, and a time "
            "without a zone would be another instant.",
            id="khata.E001",
        )
    ]


@register()
def keys_live_elsewhere(**_: Any) -> list[CheckMessage]:
    """Whoever copies the database's folder must not get the keys with it. PostgreSQL's folder is not seen from here."""
    default = settings.DATABASES["default"]
    if not default["ENGINE"].endswith("sqlite3"):
        return []
    database, keys = Path(default["NAME"]).resolve().parent, key_directory("installation").resolve()
    if not (keys.is_relative_to(database) or database.is_relative_to(keys)):
        return []
    return [
        Error(
            f"The keys ({keys}) share the folder of the database ({database}).",
            hint="Move the keys and set KHATA_KEYS to their new folder, or leave it unset for a folder of the user's "
            "own configuration.",
            id="khata.E002",
        )
    ]


@register()
def sqlite_keeps_what_it_was_given(**_: Any) -> list[CheckMessage]:
    default = settings.DATABASES["default"]
    if not default["ENGINE"].endswith("sqlite3"):
        return []
    options = default.get("OPTIONS", {})
    missing = [pragma for pragma in SQLITE_PRAGMAS if pragma not in options.get("init_command", "")]
    if options.get("transaction_mode") != "IMMEDIATE":
        missing.insert(0, "transaction_mode IMMEDIATE")
    return [
        Error(
            f"The SQLite database is opened without {wanted}.",
            hint="Set the database by DATABASE_URL alone, or take SQLITE_OPTIONS of portfolio_project.environment.",
            id="khata.E003",
        )
        for wanted in missing
    ]


@register()
def sqlite_is_recent_enough(**_: Any) -> list[CheckMessage]:
    """Rows are set many at a time by UPDATE ... FROM, which SQLite has since 3.33 (August 2020)."""
    default = settings.DATABASES["default"]
    if not default["ENGINE"].endswith("sqlite3") or sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        return []
    oldest = ".".join(map(str, OLDEST_SQLITE))
    return [
        Error(
            f"SQLite is {sqlite3.sqlite_version}; {oldest} or later is needed.",
            hint="Take a Python with a later SQLite (Debian 12 has 3.40), or PostgreSQL.",
            id="khata.E008",
        )
    ]


@register()
def replies_are_kept_as_long_as_books(**_: Any) -> list[CheckMessage]:
    if settings.KHATA_REPLY_YEARS >= BOOK_YEARS:
        return []
    return [
        Error(
            f"KHATA_REPLY_YEARS is {settings.KHATA_REPLY_YEARS}: replies are the vouchers of a book that is kept for "
            f"{BOOK_YEARS} years.",
            hint=f"Set it to {BOOK_YEARS} or more. Whoever must drop some sooner says why: drop_replies --override.",
            id="khata.E007",
        )
    ]


@register(deploy=True)
def the_clock_is_the_systems(**_: Any) -> list[CheckMessage]:
    if not settings.KHATA_CLOCK:
        return []
    return [
        Error(
            f"KHATA_CLOCK is {settings.KHATA_CLOCK!r}: what is recorded would be dated by it, for good.",
            hint="Unset KHATA_CLOCK. It is for demos and tests.",
            id="khata.E004",
        )
    ]


@register(deploy=True)
def errors_are_not_shown(**_: Any) -> list[CheckMessage]:
    if not settings.DEBUG:
        return []
    return [Error("DEBUG is on: an error would show the program's inside.", hint="Unset DEBUG.", id="khata.E005")]


@register(Tags.database)
def the_book_is_guarded(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """A warning, since migrate puts guards back and would refuse to run over an error. A sync does refuse."""
    return [
        Warning(problem, hint="Until then no sync will run.", obj=alias, id="khata.W006")
        for alias in databases or ()
        if _is_migrated(alias)
        for problem in guards.problems(connections[alias])
    ]


def _is_migrated(alias: str) -> bool:
    """Before the first migration there is nothing to guard."""
    tables = set(connections[alias].introspection.table_names())
    return any(model._meta.db_table in tables for model in guards.protected_models())
