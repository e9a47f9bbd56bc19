"""How long things are kept, and how a person is erased: legal holds, and the end of an evidence key.

Without its key nobody reads the raw replies, names and notes of an account any more; the book goes on to hold,
since its leaves cover digests of what was encrypted. A hold and the years for which books are kept stand in the way;
whoever passes them by says why, and that is recorded too. Deletes no row of the book.
"""

import secrets
import time
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db import OperationalError, connection
from django.db.models import F, Max

from ledger.normalise import ist_date

from . import clock
from .models import AccountHead, AccountKey, BrokerAccount, BrokerAccountCredential, LedgerPage
from .schedule.amendments import let_go
from .sync.amend import RETENTION, Deed, amending
from .sync.bulk import schema

BOOK_YEARS: Final = 8
READERS_SECONDS: Final = 20
HOLD = schema("broker_accounts", 1, "id:uuid legal_hold_since:instant updated_at:instant")
ERASED = schema(
    "broker_accounts", 1,
    "id:uuid account_id label state state_since:instant state_reason token_expires_at:instant updated_at:instant",
)  # fmt: skip
_PERSONAL = (
    "broker_accounts", "broker_account_credentials", "account_keys", "account_heads", "account_memories",
    "django_admin_log",
)  # fmt: skip


class Kept(Exception):
    """What stands in the way; the message says until when, or who must say so. Nothing was changed."""


class Receipt(NamedTuple):
    """What was done, for whoever asked for it. `page_hash` is of the page that records it."""

    account: str
    erased_at: datetime
    by: str
    reason: str
    overridden: list[str]
    page: int
    page_hash: str
    backups_until: date
    is_forgotten: bool  # False: somebody was still using what stood before, so that old bytes may be on disk


def hold(account: BrokerAccount, who: str, why: str) -> None:
    """From now on nothing of this account is erased."""
    if account.legal_hold_since:
        raise Kept(f"{account} is held already, since {ist_date(account.legal_hold_since)}")
    _set_hold(account, clock.now(), "legal hold set", Deed("legal hold set", who, why))


def release(account: BrokerAccount, who: str, why: str) -> None:
    if not account.legal_hold_since:
        raise Kept(f"{account} is not held")
    _set_hold(account, None, "legal hold released", Deed("legal hold released", who, why))


def _set_hold(account: BrokerAccount, since: datetime | None, subject: str, deed: Deed) -> None:
    with amending(account, RETENTION, deed) as amendment:
        amendment.pen.update(HOLD, str(account.pk), since, amendment.now)
        amendment.tell("account.held" if since else "account.released", account=str(account.pk))
    account.legal_hold_since = since


def obstacles(account: BrokerAccount) -> list[str]:
    """Why this account may not be erased now."""
    found = []
    if account.legal_hold_since:
        found.append(f"a legal hold since {ist_date(account.legal_hold_since)}; manage.py hold --release ends it")
    entries = LedgerPage.objects.filter(head__account=account).exclude(batch__sync_type=RETENTION)
    last = entries.aggregate(day=Max("batch__trading_day"))["day"]
    if last and (until := _years_after(last, BOOK_YEARS)) > clock.today():
        found.append(f"books are kept for {BOOK_YEARS} years: its last entry is of {last}, so until {until}")
    return found


def _years_after(day: date, years: int) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return (day + timedelta(is_leap_day)).replace(year=day.year + years)


def shred(account: BrokerAccount, who: str, reason: str, override: str = "") -> Receipt:
    """Destroys the evidence key and the credentials, and overwrites what names the person, in one transaction; then
    the database is made to forget the old bytes. `reason` and `who` stand in clear: nobody could read them otherwise.
    """
    override = override.strip()
    _passed_by(_as_it_stands(account), override)
    _forget_deleted_bytes()
    with amending(account, RETENTION, Deed("erased", who, reason)) as amendment:
        passed = _passed_by(_as_it_stands(account), override)  # under the lock: a hold may have come meanwhile
        if passed:
            amendment.deed = amendment.deed._replace(subject="erased, although it was to be kept")
        _, by, ground = amendment.deed
        told = {"by": by, "reason": ground, "overridden": passed, "override_reason": override}
        amendment.metadata |= told
        amendment.tell("account.erased", account=str(account.pk), **told)
        amendment.pen.update(
            ERASED, str(account.pk), f"erased-{secrets.token_hex(6)}", "", BrokerAccount.State.DISABLED.value,
            amendment.now, "erased", None, amendment.now,
        )  # fmt: skip
        BrokerAccountCredential.objects.filter(account=account).delete()
        AccountKey.objects.filter(account=account).update(wrapped=b"", destroyed_at=amendment.now)
        AccountHead.objects.filter(account=account).update(token=F("token") + 1, lease_owner=None, lease_until=None)
        LogEntry.objects.filter(object_id=str(account.pk)).update(object_repr="erased")
        let_go([account.pk], amendment.now)
        amendment.forget_sections()
    is_forgotten = _vacuum()
    page = LedgerPage.objects.get(batch=UUID(amendment.batch_id))
    backups_until = ist_date(amendment.now) + timedelta(settings.KHATA_BACKUP_DAYS)
    return Receipt(
        str(account.pk), amendment.now, by, ground, passed, page.number, bytes(page.hash).hex(), backups_until,
        is_forgotten,
    )  # fmt: skip


def _as_it_stands(account: BrokerAccount) -> BrokerAccount:
    return BrokerAccount.objects.select_related("key").get(pk=account.pk)


def _passed_by(account: BrokerAccount, override: str) -> list[str]:
    """The obstacles that `override` passes by. Kept where it may not be erased, or was."""
    if account.key.destroyed_at:
        raise Kept(f"{account} was erased on {ist_date(account.key.destroyed_at)}")
    passed = obstacles(account)
    if passed and not override:
        raise Kept("it may not be erased: " + "; ".join(passed))
    return passed


def _forget_deleted_bytes() -> None:
    """SQLite overwrites what is deleted from now on, instead of only letting go of it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def _vacuum() -> bool:
    """Writes the tables anew, without what was in them. Whether nothing is left on disk of what stood before: the
    account is erased by now, so that a database that is locked ends nothing."""
    try:
        with connection.cursor() as cursor:
            return _vacuum_sqlite(cursor) if connection.vendor == "sqlite" else _vacuum_postgresql(cursor)
    except OperationalError:
        return False


def _vacuum_sqlite(cursor: Any) -> bool:
    """The log that was written ahead goes too, unless somebody still reads of it, or of the file before it."""
    cursor.execute("VACUUM")
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    is_busy, _, _ = cursor.fetchone()
    return not is_busy


def _vacuum_postgresql(cursor: Any) -> bool:
    """The log is recycled by itself; who still reads what stood before is waited for."""
    nobody_reads = _wait_for_readers(cursor)
    for table in _PERSONAL:
        cursor.execute(f"VACUUM (FULL) {table}")
    return nobody_reads


def _wait_for_readers(cursor: Any) -> bool:
    """Whether those who may see rows from before now have ended, within some seconds."""
    cursor.execute("SELECT txid_current()")
    (now,) = cursor.fetchone()
    for _ in range(READERS_SECONDS * 10):
        cursor.execute(_READERS, [now, now % 2**32])
        if not cursor.fetchone()[0]:
            return True
        time.sleep(0.1)
    return False


# Our own snapshot reaches back to the oldest transaction of any database of the server; others' to theirs.
_READERS = """
SELECT txid_snapshot_xmin(txid_current_snapshot()) <= %s OR EXISTS (
  SELECT 1 FROM pg_stat_activity
   WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin::text::bigint <= %s
)
"""
