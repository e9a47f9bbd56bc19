"""What must be so before anything is written."""

from functools import cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from . import guards
from .outage import NOT_SET_UP


class NotReady(Exception):
    """The database is not as it must be; the message says what to do."""


@cache
def require_tables() -> None:
    """Refuses a database that is empty or of an older version, once a process."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady(NOT_SET_UP)


@cache
def require_guards() -> None:
    """Compares the guards that are installed with those that must be, once a process."""
    if problems := guards.problems(connection):
        raise NotReady("The book is not guarded:\n  " + "\n  ".join(problems))
