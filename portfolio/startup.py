"""What must be so before anything is written."""

from functools import cache

from django.db import connection

from . import guards


class NotReady(Exception):
    """The database is not as it must be; the message says what to do."""


@cache
def require_guards() -> None:
    """Compares the guards that are installed with those that must be, once a process."""
    if problems := guards.problems(connection):
        raise NotReady("The book is not guarded:\n  " + "\n  ".join(problems))
