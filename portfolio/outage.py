"""What a database that cannot be used means, in words, for whoever started a command. Writes nothing."""

from pathlib import Path

from django.conf import settings
from django.db.utils import DatabaseError, InterfaceError, OperationalError

NOT_SET_UP = "The database is not set up, or is of an older version. Run: manage.py migrate"
_WRITABLE = "This user must be able to write the file and its folder. Correct their owner, or DATABASE_URL."
_DAMAGED = "The file is damaged, or no database. Put it back from your copy, or correct DATABASE_URL."
_BUSY = "Another program keeps it busy. When that has ended, run this again."
_TRIGGER = "Run: manage.py migrate. If it still says so, find out who made this trigger, and take it away."
_ROOM = "Make room on its disk, then run this again."
_ANSWERS = "Is it running, and are host, port, name, user and password in DATABASE_URL right?"
_OPTION = "invalid connection option"
# By the name that SQLite gives an error, or by PostgreSQL's SQLSTATE.
_REMEDIES = {
    "SQLITE_PERM": _WRITABLE, "SQLITE_READONLY": _WRITABLE, "SQLITE_CANTOPEN": _WRITABLE,
    "SQLITE_CORRUPT": _DAMAGED, "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_BUSY": _BUSY, "SQLITE_LOCKED": _BUSY, "55P03": _BUSY, "40P01": _BUSY,
    "SQLITE_FULL": _ROOM, "53100": _ROOM,
    "42P01": NOT_SET_UP, "42703": NOT_SET_UP,
    "42501": "Ask the owner of the database to permit it, or correct the user in DATABASE_URL.",
}  # fmt: skip


def in_words(error: Exception) -> str | None:
    """What is wrong and what to do. None for what is no outage but a fault of ours: that needs its traceback."""
    kind, said = _kind(error), (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    is_known = kind in _REMEDIES or said.startswith(_OPTION)
    if not isinstance(error, OperationalError | InterfaceError) and not is_known:
        return None
    return f"The database {_name()} cannot be used: {said}. {_remedy(kind, said)}"


def _kind(error: Exception) -> str:
    """Extended names of SQLite, such as SQLITE_READONLY_DIRECTORY, count as the plain one."""
    cause = error.__cause__ if isinstance(error, DatabaseError | InterfaceError) else None
    name = str(getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or "")
    return "_".join(name.split("_")[:2])


def _name() -> str:
    default = settings.DATABASES["default"]
    if default["ENGINE"].endswith("sqlite3"):
        return str(Path(default["NAME"]).absolute())
    return f"{default['NAME']} at {default['HOST'] or 'this machine'}"


def _remedy(kind: str, said: str) -> str:
    if said.startswith(("no such table", "no such column")):
        return NOT_SET_UP
    if said.startswith("error in trigger"):
        return _TRIGGER
    if said.startswith(_OPTION):
        return "Correct what stands behind the question mark in DATABASE_URL."
    if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        return _REMEDIES.get(kind, _ANSWERS)
    folder = Path(settings.DATABASES["default"]["NAME"]).absolute().parent
    if not folder.is_dir():
        return f"There is no folder {folder}. Make it, or correct DATABASE_URL."
    return _REMEDIES.get(kind, _BUSY)
