"""What must be so before anything is written."""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from . import guards
from .installation import key_ring
from .keys import CannotDecrypt, KeyTrouble, key_id_of
from .models import AccountHead, AccountKey, BrokerAccountCredential
from .outage import NOT_SET_UP


class NotReady(Exception):
    """The database is not as it must be; the message says what to do."""


@cache
def require_tables() -> None:
    """Refuses a database that is empty or of an older version, once a process."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady(NOT_SET_UP)
    if (heads := AccountHead.objects.filter(account=None).count()) != 1:
        raise NotReady(
            f"account_heads has {heads} rows without an account, and must have one, the installation's own: somebody "
            "changed the database. Set that right from your copy of it, then run manage.py verify_ledger."
        )


@cache
def require_guards() -> None:
    """Compares the guards that are installed with those that must be, once a process."""
    if problems := guards.problems(connection):
        raise NotReady("The book is not guarded:\n  " + "\n  ".join(problems))


@cache
def require_keys() -> None:
    """Refuses to seal anything new while a key that sealed what is stored is gone, once a process: a directory of
    keys that was lost would quietly be made anew."""
    ring = key_ring()
    if lost := sorted(_keys_in_use() - set(ring.ids)):
        files = ", ".join(f"{key_id}.key" for key_id in lost)
        raise KeyTrouble(
            f"{files}: not in {ring.directory}, and accounts of this database are sealed with it. Put it back from "
            "your copy of the keys, or set KHATA_KEYS to the directory that has it. Without a copy begin with an empty "
            "database (DATABASE_URL): the book of this one stays, its credentials and raw replies are lost."
        )


def _keys_in_use() -> set[str]:
    """The ids of the keys that wrap credentials and account keys."""
    in_use = set()
    for blob in _sealed():
        with suppress(CannotDecrypt):  # changed bytes are the account's own trouble, see `open_credentials`
            in_use.add(key_id_of(bytes(blob)))
    return in_use


def _sealed() -> Iterator[bytes | memoryview]:
    yield from BrokerAccountCredential.objects.values_list("sealed", flat=True).iterator()
    yield from AccountKey.objects.filter(destroyed_at=None).values_list("wrapped", flat=True).iterator()
