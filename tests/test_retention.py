"""A person is erased and the book holds; a hold and the years stand in the way; keys are replaced and destroyed."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from portfolio import accounts, clock, keys, retention, rotation
from portfolio.dropping import drop
from portfolio.installation import key_ring
from portfolio.keys import CannotDecrypt
from portfolio.management.arguments import login_name
from portfolio.models import Act, BrokerAccount, BrokerAccountCredential, Event, RawReply, SyncBatch
from portfolio.retention import Kept
from portfolio.secret import Secret
from portfolio.sync import evidence
from portfolio.sync.amend import ANSWER, Deed, Unsaid, amending, words_of
from tests import build
from tests.rows import only_on
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.test_commands import run

pytestmark = pytest.mark.database

At = Callable[[str], None]
CLIENT = "CANARY77"


@pytest.fixture
def account(broker: Broker, at: At) -> Iterator[BrokerAccount]:
    """Captured once on 5 October 2026; looked at more than eight years later."""
    account = build.an_account("SCRIPTED", CLIENT)
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    kind = ContentType.objects.get_for_model(BrokerAccount)
    LogEntry.objects.create(
        user=account.user, content_type=kind, object_id=str(account.pk), object_repr=str(account), action_flag=CHANGE
    )
    at("2034-10-06 12:00")
    yield account
    LogEntry.objects.all().delete()


def stored_bytes() -> bytes:
    """Everything that the database has on disk (SQLite), or says of its tables of people (PostgreSQL)."""
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_read_binary_file(pg_relation_filepath('broker_accounts'))")
        return bytes(cursor.fetchone()[0])


def test_what_names_the_person_is_gone_and_the_book_still_holds(account: BrokerAccount) -> None:
    reply, sealed = RawReply.objects.earliest("pk"), bytes(account.key.wrapped)
    assert evidence.read_body(reply)
    assert CLIENT.encode() in stored_bytes()
    receipt = retention.shred(account, "Asha", "she asked for it")
    account = BrokerAccount.objects.select_related("key").get(pk=account.pk)
    assert (account.state, account.label, account.key.destroyed_at) == ("disabled", "", receipt.erased_at)
    assert CLIENT not in account.account_id
    assert not BrokerAccountCredential.objects.filter(account=account).exists()
    assert LogEntry.objects.get().object_repr == "erased"
    if receipt.is_forgotten:  # on a server whose other databases are busy it may not be, and says so
        assert CLIENT.encode() not in stored_bytes()
        assert sealed not in stored_bytes()
    with pytest.raises(CannotDecrypt):
        evidence.read_body(RawReply.objects.select_related("broker_account__key").get(pk=reply.pk))
    assert recomputed.check_all_pages() > 0


def test_the_act_is_recorded_in_the_book_in_clear_and_told(account: BrokerAccount) -> None:
    receipt = retention.shred(account, "Asha", "she asked for it")
    batch = SyncBatch.objects.get(sync_type="RETENTION")
    assert json.loads(batch.metadata) == {
        "subject": "erased", "by": "Asha", "reason": "she asked for it", "overridden": [], "override_reason": "",
    }  # fmt: skip
    assert (batch.page.number, bytes(batch.page.hash).hex()) == (receipt.page, receipt.page_hash)
    assert Event.objects.filter(kind="account.erased", batch=batch).count() == 1
    assert str(receipt.backups_until) == "2034-11-05"


def test_nothing_more_is_written_about_a_person_who_was_erased(account: BrokerAccount) -> None:
    retention.shred(account, "Asha", "she asked for it")
    again = BrokerAccount.objects.select_related("key").get(pk=account.pk)
    with pytest.raises(Kept, match="was erased on 2034-10-06"):
        retention.shred(again, "Asha", "again")
    with pytest.raises(CannotDecrypt):
        retention.hold(again, "Asha", "too late")


def test_an_account_that_was_read_before_its_erasure_is_written_about_no_more(account: BrokerAccount) -> None:
    early = BrokerAccount.objects.select_related("key").get(pk=account.pk)
    retention.shred(account, "Asha", "she asked for it")
    before = Act.objects.count()
    with pytest.raises(CannotDecrypt), amending(early, ANSWER, Deed("note", "Asha", "her own words")):
        pass
    assert Act.objects.count() == before


def test_replies_of_a_person_who_was_erased_are_left_out_or_told_for_what_they_are(account: BrokerAccount) -> None:
    retention.shred(account, "Asha", "she asked for it")

    named = run("reparse", "--since", "2026-10-05", "--account", str(account.pk))

    assert run("reparse", "--since", "2026-10-05") == (0, "0 batches, 0 differences\n", "")
    assert (named[0], "  The account was erased: nobody reads its replies" in named[1]) == (1, True)


def test_an_account_that_was_held_or_erased_since_it_was_read_is_not_erased(account: BrokerAccount) -> None:
    early, late = BrokerAccount.objects.select_related("key").get(pk=account.pk), account
    retention.hold(late, "Asha", "an inquiry")
    with pytest.raises(Kept, match="a legal hold since 2034-10-06"):
        retention.shred(early, "Asha", "she asked for it")
    assert evidence.read_body(RawReply.objects.earliest("pk"))
    receipt = retention.shred(early, "Asha", "she asked for it", override="a court order")
    assert len(receipt.overridden) == 1
    assert Act.objects.latest("pk").subject == "erased, although it was to be kept"
    with pytest.raises(Kept, match="was erased on 2034-10-06"):
        retention.shred(early, "Asha", "again", override="a court order")
    assert SyncBatch.objects.filter(sync_type="RETENTION").count() == 2


@pytest.fixture
def other_connection() -> Iterator[sqlite3.Connection]:
    """Another one to the same file; ours waits for it no more than a moment."""
    only_on("sqlite")  # on PostgreSQL who reads is asked for, and waited for
    with connection.cursor() as cursor, closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        cursor.execute("PRAGMA busy_timeout = 50")
        yield other
        connection.close()


def test_the_receipt_says_that_old_bytes_stay_while_somebody_reads_them(
    account: BrokerAccount, other_connection: sqlite3.Connection
) -> None:
    other_connection.execute("BEGIN")
    other_connection.execute("SELECT account_id FROM broker_accounts").fetchall()
    code, out, _ = run("shred", "--account", account.pk, "--reason", "asked")
    assert (code, "Old bytes may still stand" in out) == (0, True)
    assert CLIENT.encode() in stored_bytes()


def test_the_receipt_is_given_where_the_database_is_locked_after_the_erasure(
    account: BrokerAccount, other_connection: sqlite3.Connection
) -> None:
    def locking(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql == "VACUUM":
            other_connection.execute("BEGIN IMMEDIATE")
        return execute(sql, *rest)

    with connection.execute_wrapper(locking):
        receipt = retention.shred(account, "Asha", "she asked for it")
    assert (other_connection.in_transaction, receipt.is_forgotten) == (True, False)
    assert BrokerAccount.objects.select_related("key").get(pk=account.pk).key.destroyed_at == receipt.erased_at


def test_a_book_is_kept_for_eight_years(account: BrokerAccount, at: At) -> None:
    at("2034-10-04 12:00")
    with pytest.raises(Kept, match="kept for 8 years: its last entry is of 2026-10-05, so until 2034-10-05"):
        retention.shred(account, "Asha", "she asked for it")
    assert evidence.read_body(RawReply.objects.earliest("pk"))
    receipt = retention.shred(account, "Asha", "she asked for it", override="a court order")
    assert len(receipt.overridden) == 1
    assert json.loads(SyncBatch.objects.get(sync_type="RETENTION").metadata)["override_reason"] == "a court order"


def test_a_hold_stands_in_the_way_until_it_is_released(account: BrokerAccount) -> None:
    retention.hold(account, "Asha", "an inquiry")
    account = BrokerAccount.objects.select_related("key").get(pk=account.pk)
    with pytest.raises(Kept, match="a legal hold since 2034-10-06"):
        retention.shred(account, "Asha", "she asked for it")
    with pytest.raises(Kept, match="held already"):
        retention.hold(account, "Asha", "twice")
    retention.release(account, "Asha", "it has ended")
    assert [words_of(act)["why"] for act in Act.objects.order_by("pk")] == ["an inquiry", "it has ended"]
    kinds = Event.objects.filter(kind__in=["account.held", "account.released"]).order_by("number")
    assert [event.kind for event in kinds] == ["account.held", "account.released"]
    assert retention.shred(account, "Asha", "she asked for it").overridden == []


def test_blanks_are_no_grounds(account: BrokerAccount) -> None:
    which = ("--account", account.pk)
    for words in (("hold",), ("shred",), ("drop_replies", "--before", "2034-01-01")):
        _, _, error = run(*words, *which, "--reason", "  ")
        assert "--reason: it must not be blank" in error
    retention.hold(account, "Asha", "an inquiry")
    code, _, error = run("shred", *which, "--reason", "asked", "--override", " \t")
    assert (code, "a legal hold since" in error) == (2, True)
    code, _, error = run("drop_replies", *which, "--before", "2034-01-01", "--reason", "no room", "--override", " ")
    assert (code, "replies are kept for" in error) == (2, True)
    run("hold", *which, "--release", "--reason", " it has ended ", "--by", " ")
    said = words_of(Act.objects.order_by("pk")[1])
    assert (said["who"], said["why"]) == (login_name(), "it has ended")


def test_whoever_calls_it_says_who_does_it_and_why(account: BrokerAccount) -> None:
    before = SyncBatch.objects.count()
    for who, why, missing in ((" ", "she asked", "who does it"), ("Asha", "\t", "why")):
        for act in (retention.shred, retention.hold):
            with pytest.raises(Unsaid, match=f": say {missing}$"):
                act(account, who, why)
        with pytest.raises(Unsaid, match=f": say {missing}$"):
            drop(account, clock.today(), Deed("bodies dropped", who, why))
    assert (SyncBatch.objects.count(), Act.objects.count()) == (before, 0)
    retention.hold(account, " Asha ", "an inquiry")
    account.refresh_from_db()
    with pytest.raises(Unsaid, match="legal hold released: say why"):
        retention.release(account, "Asha", " ")
    with pytest.raises(retention.Kept, match="a legal hold since"):
        retention.shred(account, "Asha", "she asked for it", override=" ")
    assert words_of(Act.objects.get())["who"] == "Asha"


def test_the_commands_say_what_stands_in_the_way_and_give_a_receipt(account: BrokerAccount) -> None:
    which = ("--account", account.pk)
    assert run("hold", *which, "--reason", "an inquiry")[:2] == (
        0, f"SCRIPTED {CLIENT} is held: it cannot be erased\n",
    )  # fmt: skip
    code, _, error = run("shred", *which, "--reason", "asked")
    assert (code, "a legal hold since" in error) == (2, True)
    assert run("hold", *which, "--release", "--reason", "ended")[0] == 0
    code, out, _ = run("shred", *which, "--reason", "asked", "--by", "Asha")
    assert code == 0
    assert f"The account {account.pk} was erased at 2034-10-06 06:30 UTC by Asha." in out
    assert "until the last of them is gone: 2034-11-05" in out


def test_who_has_a_number_and_no_name_is_unknown(account: BrokerAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a user of its own."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2_000_000_011)
    which = ("--account", account.pk)
    assert run("hold", *which, "--reason", "an inquiry")[0] == 0
    assert words_of(Act.objects.latest("pk"))["who"] == "unknown"
    assert run("hold", *which, "--release", "--reason", "ended")[0] == 0
    assert run("correct", "transaction", "T1", *which, "--void", "--reason", "none")[0] == 2
    assert run("reparse", "--since", "2034-01-01")[0] == 0
    assert "UTC by unknown." in run("shred", *which, "--reason", "asked")[1]


# Keys


def test_a_rotation_moves_everything_and_destroys_what_nothing_needs(account: BrokerAccount) -> None:
    accounts.store_tokens([accounts.NewToken(str(account.pk), Secret("a token"), datetime(2035, 1, 1, tzinfo=UTC))])
    old, reply = key_ring().primary, RawReply.objects.earliest("pk")
    done = rotation.rotate(make_new=True, destroy_old=True)
    assert (done.moved, done.failed, done.destroyed) == (3, [], [old])
    assert key_ring().ids == [done.newest]
    assert evidence.read_body(RawReply.objects.get(pk=reply.pk))
    stored = BrokerAccountCredential.objects.get()
    assert accounts.open_credentials(stored)["token"].reveal() == "a token"
    assert keys.key_id_of(bytes(stored.sealed_token or b"")) == done.newest
    assert rotation.rotate(make_new=False, destroy_old=True).moved == 0


def test_a_value_that_cannot_be_read_is_named_and_its_key_stays(account: BrokerAccount) -> None:
    blob = bytes(BrokerAccountCredential.objects.get().sealed)
    BrokerAccountCredential.objects.update(sealed=blob[:-60] + bytes(60))
    damaged = keys.key_id_of(blob)
    other = build.an_account("SCRIPTED", "S2")
    BrokerAccountCredential.objects.filter(account=account).update(sealed=b"\x01\x0d" + blob[2:15] + bytes(200))
    code, _, error = run("rotate_keys", "--destroy-old")
    assert code == 1
    assert damaged in key_ring().ids
    assert "was changed" in error
    assert accounts.open_credentials(BrokerAccountCredential.objects.get(account=other))


def test_another_process_seals_with_the_new_key_at_once(account: BrokerAccount) -> None:
    elsewhere = keys.KeyRing(key_ring().directory)
    assert elsewhere.primary == key_ring().primary
    done = rotation.rotate(make_new=True, destroy_old=True)
    assert elsewhere.primary == done.newest


def test_the_command_tells_what_was_moved(account: BrokerAccount) -> None:
    code, out, _ = run("rotate_keys")
    assert (code, out) == (0, f"{key_ring().primary} is the newest key; 2 values moved under it\n")
    assert run("rotate_keys", "--resume", "--json")[0] == 0
