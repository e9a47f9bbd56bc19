"""A database with rows goes back to an older version and comes forward again; one that was stuck is set right."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection

from portfolio.models import AccountMemory, BrokerAccount, Portfolio
from tests import build, databases
from tests.rows import only_on
from tests.sync.scripted import Broker
from tests.test_outage import manage

pytestmark = pytest.mark.database

OLDER = ("migrate", "portfolio", "0008", "--verbosity=0")
NEWEST = ("migrate", "--verbosity=0")


@pytest.fixture
def copied(broker: Broker, tmp_path: Path) -> Iterator[str]:
    """The address of a database of its own, with an account that was captured."""
    broker.says["holdings"] = [build.a_holding()]
    build.synced(build.an_account("SCRIPTED"))
    with databases.copied(connection.vendor, tmp_path) as url:
        yield url


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    url, server = databases.make(connection.vendor, tmp_path)
    yield url
    databases.drop(url, server)


def test_an_empty_database_may_stop_at_an_older_version_and_is_filled_in_at_the_newest(empty: str) -> None:
    for words in (("migrate", "portfolio", "0010", "--verbosity=0"), NEWEST):
        code, said = manage(*words, DATABASE_URL=empty)
        assert (words, code) == (words, 0), said
    seeded = "sorted(Schedule.objects.values_list('code', flat=True)), AccountHead.objects.count()"
    look = f"from portfolio.models import AccountHead, Schedule; raise SystemExit(str(({seeded})))"
    assert manage("shell", "-c", look, DATABASE_URL=empty) == (1, "(['commodities', 'default'], 1)")


def test_a_book_goes_back_before_bodies_were_dropped_and_comes_forward_again(copied: str) -> None:
    for words in (OLDER, NEWEST, ("verify_ledger",)):
        code, said = manage(*words, DATABASE_URL=copied)
        assert (words, code) == (words, 0), said


def test_what_an_account_remembers_comes_along(copied: str) -> None:
    look = "from portfolio.models import AccountMemory; raise SystemExit(AccountMemory.objects.get().content)"
    remembered = AccountMemory.objects.get().content
    for words in (OLDER, NEWEST):
        assert manage(*words, DATABASE_URL=copied)[0] == 0
    assert manage("shell", "-c", look, DATABASE_URL=copied) == (1, remembered)


def test_postgresql_what_a_sync_writes_while_the_database_is_migrated_comes_along(copied: str) -> None:
    only_on("postgresql")
    assert manage("migrate", "portfolio", "0010", "--verbosity=0", DATABASE_URL=copied)[0] == 0
    look = "from portfolio.models import AccountMemory; raise SystemExit(AccountMemory.objects.get().content)"
    with psycopg.connect(copied) as running, ThreadPoolExecutor() as pool:
        running.execute("UPDATE account_heads SET section_digests = 'new' WHERE account_id IS NOT NULL")
        migrating = pool.submit(manage, *NEWEST, DATABASE_URL=copied)
        asked = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'account_heads'::regclass"
        while not running.execute(asked).fetchone()[0] and not migrating.done():  # type: ignore[index]
            time.sleep(0.05)
        running.commit()
        code, said = migrating.result()
    assert code == 0, said
    assert manage("shell", "-c", look, DATABASE_URL=copied) == (1, "new")


def test_sqlite_a_guard_that_names_a_table_of_a_newer_version_stops_no_migration(copied: str) -> None:
    only_on("sqlite")
    assert manage(*OLDER, DATABASE_URL=copied)[0] == 0
    name = "khata_guard_raw_bodies_delete"
    with closing(sqlite3.connect(urlsplit(copied).path)) as file:
        file.execute(f"DROP TRIGGER {name}")
        file.execute(
            f"CREATE TRIGGER {name} BEFORE DELETE ON raw_bodies WHEN NOT EXISTS (SELECT 1 FROM dropped_bodies) "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    code, said = manage(*NEWEST, DATABASE_URL=copied)
    assert code == 0, said


def test_who_was_switched_off_before_an_upgrade_is_owed_nothing_after_it(broker: Broker, tmp_path: Path) -> None:
    asked, disabled = build.an_account("SCRIPTED", "ASKED"), build.an_account("SCRIPTED", "DISABLED")
    inactive = build.an_account("SCRIPTED", "INACTIVE")
    BrokerAccount.objects.filter(pk=disabled.pk).update(state="disabled")
    Portfolio.objects.filter(pk=inactive.portfolio_id).update(active=False)
    assert asked.portfolio_id not in (disabled.portfolio_id, inactive.portfolio_id)
    with databases.copied(connection.vendor, tmp_path) as url:
        for words in (OLDER, NEWEST):
            code, said = manage(*words, DATABASE_URL=url)
            assert (words, code) == (words, 0), said
        heads = "AccountHead.objects.exclude(owed_until=None).values_list('account__account_id', flat=True)"
        look = f"from portfolio.models import AccountHead; raise SystemExit(str(list({heads})))"
        assert manage("shell", "-c", look, DATABASE_URL=url) == (1, "['ASKED']")


def test_postgresql_the_metadata_of_batches_is_compressed_with_lz4_where_the_server_has_it() -> None:
    only_on("postgresql")
    has_it = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    asked = "attrelid = 'sync_batches'::regclass AND attname = 'metadata'"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({has_it}), attcompression = 'l' FROM pg_attribute WHERE {asked}")
        can, does = cursor.fetchone()
    assert does == can
