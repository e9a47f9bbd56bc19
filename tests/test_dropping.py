"""Bodies of old replies go by an act that the book records; what goes otherwise, or stays after it, is named."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import Error, connection

from ledger import canonical, page
from ledger.preamble import Kept as GivenKey
from ledger.verify import check as verify_file
from portfolio import dropping, evidence_keys, replies, retention
from portfolio.dropping import Found, drop
from portfolio.installation import key_ring
from portfolio.models import (
    AccountMemory,
    Act,
    BrokerAccount,
    DroppedBody,
    Event,
    LedgerPage,
    RawBody,
    RawReply,
    SyncBatch,
)
from portfolio.proof import leaving, sealer, signing
from portfolio.proof.verification import verify
from portfolio.reparse import reparse
from portfolio.retention import Kept
from portfolio.sync.amend import REPARSE, Deed, amending, words_of
from portfolio.sync.evidence import read_body
from tests import build
from tests.proof import tampering
from tests.rows import NOW, only_on
from tests.sync import recomputed
from tests.sync.scripted import Broker, india
from tests.sync.test_writers import claimed, let_the_lease_run_out
from tests.test_commands import run
from tests.test_retention import At

pytestmark = pytest.mark.database

ASHA = Deed("bodies of replies dropped", "Asha", "nobody asks for them any more")
FORGED = "the record that the body of this reply was dropped is forged: no act sealed it"
END = date(2026, 10, 6)  # of the retention, as it is on the day of the test


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """Captured once, on 5 October 2026; looked at nine years and a day later."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    at("2035-10-06 12:00")
    return account


def as_it_stands(account: BrokerAccount) -> BrokerAccount:
    return BrokerAccount.objects.select_related("key", "head").get(pk=account.pk)


def captured_again(account: BrokerAccount, at: At, when: str = "2035-10-08 16:05") -> SyncBatch:
    at(when)
    (result,) = build.synced(account)
    return SyncBatch.objects.get(pk=result.capture.batch_id)


def said() -> list[str]:
    return [finding.says for finding in verify().findings]


def ids(rows: Any) -> list[str]:
    return [str(pk) for pk in rows.order_by("pk").values_list("pk", flat=True)]


def test_bodies_go_and_the_book_says_so_and_still_holds(account: BrokerAccount) -> None:
    kept = ids(RawBody.objects)
    assert len(kept) > 1

    found = drop(account, END, ASHA)

    batch = SyncBatch.objects.get(sync_type="RETENTION")
    assert (found, RawBody.objects.count()) == (Found(kept, []), 0)
    assert [(str(row.reply_id), row.batch_id) for row in DroppedBody.objects.order_by("reply")] == [
        (reply, batch.pk) for reply in kept
    ]
    assert (batch.page.number, batch.page.entries_count) == (2, len(kept) + 1)
    assert {name: words_of(Act.objects.get())[name] for name in ("who", "why")} == {"who": ASHA.who, "why": ASHA.why}
    assert json.loads(batch.metadata) == {
        "subject": ASHA.subject, "before": "2026-10-06", "bodies": len(kept), "overridden": [],
    }  # fmt: skip
    event = Event.objects.get(kind="account.replies_dropped")
    assert (event.batch_id, json.loads(event.payload)["bodies"]) == (batch.pk, len(kept))
    assert said() == []
    recomputed.check_all_pages()


def test_the_export_has_the_record_and_is_verified_alone(account: BrokerAccount) -> None:
    drop(account, END, ASHA)
    sealer.checkpoint(india("2035-10-06 12:01"))

    content = b"".join(leaving.export())

    checked = verify_file(BytesIO(content), GivenKey((), signing.public_key()))
    assert [str(finding) for finding in checked.findings] == []
    assert content.count(b'["dropped_bodies","1",') == DroppedBody.objects.count() > 0


def test_a_body_counts_from_the_last_batch_that_came_of_it(account: BrokerAccount, broker: Broker, at: At) -> None:
    """The holdings come again eleven days later; what else was answered then is another body than before."""
    broker.says.update({name: [] for name in broker.says if name != "holdings"})
    at("2026-10-16 16:05")
    before = {str(pk): bytes(digest) for pk, digest in RawReply.objects.values_list("pk", "body_digest")}
    broker.says["funds"] = []
    build.synced(account)
    again = {bytes.fromhex(reply[-1]) for reply in replies.told(account.batches.latest("pk")).replies}
    at("2035-10-16 12:00")

    found = drop(account, date(2026, 10, 16), ASHA)

    assert again & set(before.values())
    assert found.fresh == [pk for pk, digest in before.items() if digest not in again]
    at("2035-10-17 12:00")
    assert drop(account, date(2026, 10, 17), ASHA).fresh == ids(RawReply.objects.exclude(pk__in=found.fresh))
    assert said() == []


def test_a_new_reading_came_of_the_replies_that_it_read(account: BrokerAccount, at: At) -> None:
    first = account.batches.get()
    at("2030-10-07 12:00")
    with amending(as_it_stands(account), REPARSE, Deed("read anew", "Asha")) as amendment:
        amendment.metadata["of"] = str(first.pk)
        amendment.pen.update(retention.HOLD, str(account.pk), None, amendment.now)
    at("2035-10-06 12:00")
    assert drop(account, END, ASHA) == Found([], [])
    at("2039-10-09 12:00")
    assert len(drop(account, date(2030, 10, 9), ASHA).fresh) == RawReply.objects.count()


def test_a_file_that_was_imported_again_counts_from_then(account: BrokerAccount, at: At) -> None:
    digest = bytes(RawReply.objects.earliest("pk").body_digest)
    at("2030-10-07 12:00")
    with amending(as_it_stands(account), "IMPORT", Deed("a tradebook", "Asha")) as amendment:
        amendment.metadata["file"] = digest.hex()
        amendment.pen.update(retention.HOLD, str(account.pk), None, amendment.now)
    at("2035-10-06 12:00")
    assert str(RawReply.objects.earliest("pk").pk) not in drop(account, END, ASHA).fresh


def test_the_years_stand_in_the_way_until_somebody_says_why(account: BrokerAccount, at: At) -> None:
    at("2035-10-05 12:00")
    assert dropping.passed_by(date(2026, 10, 5), "") == []
    with pytest.raises(Kept, match="replies are kept for 9 years: only those before 2026-10-05 may go"):
        dropping.passed_by(END, "")
    overridden = dropping.passed_by(END, "a court order")
    drop(account, END, ASHA, overridden)
    assert json.loads(SyncBatch.objects.get(sync_type="RETENTION").metadata)["overridden"] == [
        "replies are kept for 9 years: only those before 2026-10-05 may go"
    ]


def test_a_leap_day_ends_what_the_day_before_it_ends(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    at("2036-02-29 12:00")
    assert dropping.end_of_retention() == date(2027, 2, 28)
    monkeypatch.setattr(settings, "KHATA_REPLY_YEARS", 12)
    assert dropping.end_of_retention() == date(2024, 2, 28)
    at("2036-03-01 12:00")
    assert dropping.end_of_retention() == date(2024, 3, 1)


def test_a_legal_hold_stops_it(account: BrokerAccount) -> None:
    early = as_it_stands(account)
    retention.hold(account, "Asha", "an inquiry")
    with pytest.raises(Kept, match="a legal hold since 2035-10-06"):
        drop(early, END, ASHA, ["whatever is passed by"])
    assert (RawBody.objects.exists(), DroppedBody.objects.exists()) == (True, False)
    retention.release(as_it_stands(account), "Asha", "it has ended")
    assert len(drop(early, END, ASHA).fresh) == DroppedBody.objects.count() > 0


def test_an_account_that_was_erased_is_left_as_it_is_and_one_with_dropped_bodies_is_erased(
    account: BrokerAccount,
) -> None:
    other = build.an_account("SCRIPTED", "S2")
    retention.shred(account, "Asha", "she asked for it")
    with pytest.raises(Kept, match="it was erased on 2035-10-06"):
        dropping.find(account, END)
    build.synced(other)
    drop(other, date(2035, 10, 7), ASHA)
    retention.shred(as_it_stands(other), "Asha", "she asked for it", "a court order")
    assert said() == []


def test_nothing_goes_while_a_sync_is_under_way_and_what_a_dead_one_left_is_closed(account: BrokerAccount) -> None:
    claimed(account, holdings=[build.a_holding()])
    with pytest.raises(Kept, match="it is being synced"):
        drop(account, END, ASHA)
    assert not DroppedBody.objects.exists()
    let_the_lease_run_out(account)
    assert len(drop(account, END, ASHA).fresh) == DroppedBody.objects.count() > 0
    assert SyncBatch.objects.filter(status="STARTED").count() == 0


def test_where_there_is_nothing_to_drop_nothing_is_written_or_in_the_way(account: BrokerAccount) -> None:
    retention.hold(account, "Asha", "an inquiry")
    before = SyncBatch.objects.count()
    assert drop(account, date(2026, 10, 5), ASHA) == Found([], [])
    assert SyncBatch.objects.count() == before


# The same body again


def test_the_same_body_is_kept_again_where_it_was_dropped(account: BrokerAccount, at: At) -> None:
    first = RawReply.objects.get(request="fetch_holdings()")
    answered = read_body(first)
    drop(account, END, ASHA)

    batch = captured_again(account, at)

    again = RawReply.objects.exclude(pk=first.pk).get(request="fetch_holdings()")
    assert (again.batch_id, read_body(again)) == (batch.pk, answered)
    assert bytes(again.body_digest) == bytes(first.body_digest)
    assert not RawBody.objects.filter(reply=first).exists()
    assert said() == []
    recomputed.check_all_pages()
    captured_again(account, at, "2035-10-08 19:00")
    assert RawReply.objects.filter(request="fetch_holdings()").count() == 2


def test_what_was_kept_again_can_be_read_and_goes_in_its_turn(account: BrokerAccount, at: At) -> None:
    answered = read_body(RawReply.objects.get(request="fetch_holdings()"))
    drop(account, END, ASHA)
    batch = captured_again(account, at)
    told = replies.bodies(as_it_stands(account), replies.told(batch))
    assert [reply.body for reply in told["holdings"]] == [answered]
    at("2044-10-09 12:00")
    assert drop(account, date(2035, 10, 9), ASHA).fresh == ids(RawReply.objects.filter(batch=batch))
    assert said() == []


def test_a_body_that_an_act_has_left_is_not_taken_for_kept(account: BrokerAccount, at: At) -> None:
    bodies = {str(row.pk): bytes(row.ciphertext) for row in RawBody.objects.all()}
    drop(account, END, ASHA)
    put_back(bodies)
    batch = captured_again(account, at)
    assert drop(account, END, ASHA) == Found([], sorted(bodies))
    assert ids(RawBody.objects) == ids(RawReply.objects.filter(batch=batch)) != []
    assert said() == []


# What goes otherwise, and what stays


def put_back(bodies: dict[str, bytes]) -> None:
    RawBody.objects.bulk_create(RawBody(reply_id=reply, ciphertext=body) for reply, body in bodies.items())


def test_a_body_that_was_deleted_with_the_guards_off_is_named(account: BrokerAccount) -> None:
    reply = RawReply.objects.earliest("pk")
    with tampering.unguarded():
        tampering.run("DELETE FROM raw_bodies WHERE reply_id = %s", tampering.key(reply.pk))

    (finding,) = verify().findings

    assert (finding.says, finding.account, finding.table, finding.row) == (
        "the body of this reply is gone, and nothing says that it was dropped", str(account.pk), "raw_bodies",
        str(reply.pk),
    )  # fmt: skip
    other = build.an_account("SCRIPTED", "S2")
    assert [len(verify(account=head).findings) for head in (account.head, other.head)] == [1, 0]
    assert (len(verify(since=date(2026, 10, 5)).findings), len(verify(since=date(2026, 10, 6)).findings)) == (1, 0)


def forged(reply: RawReply, batch: SyncBatch) -> DroppedBody:
    """What whoever may append can write: a record of a batch that did not drop this body."""
    record = DroppedBody(reply=reply, broker_account_id=reply.broker_account_id, batch=batch, detected_at=NOW)
    record.leaf = recomputed.leaf(canonical.DROPPED_BODY, record)
    record.save(force_insert=True)
    return record


def test_a_record_that_no_act_wrote_is_named(account: BrokerAccount) -> None:
    """Nobody can take it away again."""
    reply = RawReply.objects.earliest("pk")
    forged(reply, reply.batch)
    assert said() == ["1 rows are there that it never sealed", FORGED]
    assert RawBody.objects.filter(reply=reply)._raw_delete(connection.alias) == 1
    assert said() == ["1 rows are there that it never sealed"]


def an_act_of_another_kind(account: BrokerAccount) -> SyncBatch:
    retention.hold(account, "Asha", "an inquiry")
    retention.release(as_it_stands(account), "Asha", "it has ended")
    return SyncBatch.objects.filter(sync_type="RETENTION").latest("pk")


def an_act_that_dropped_others(account: BrokerAccount) -> SyncBatch:
    build.synced(other := build.an_account("SCRIPTED", "S2"))
    drop(other, date(2035, 10, 7), ASHA)
    return SyncBatch.objects.get(sync_type="RETENTION")


def an_act_without_a_page(account: BrokerAccount) -> SyncBatch:
    return SyncBatch.objects.create(
        broker_account=account, sync_type="RETENTION", status="COMPLETED", trading_day=END, started_at=NOW,
        completed_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    "batch_of",
    [lambda account: account.batches.get(), an_act_of_another_kind, an_act_that_dropped_others, an_act_without_a_page],
)
def test_a_record_that_no_act_wrote_lets_no_body_go(account: BrokerAccount, batch_of: Any) -> None:
    forged(RawReply.objects.filter(broker_account=account).earliest("pk"), batch_of(account))
    assert_nothing_goes(account)


def test_all_but_what_a_forged_record_speaks_of_goes(account: BrokerAccount) -> None:
    (reply, *others) = RawReply.objects.filter(broker_account=account).order_by("pk")
    forged(reply, reply.batch)

    found = drop(account, END, ASHA)

    assert others
    assert found == Found([str(other.pk) for other in others], [], 1)
    assert ids(RawBody.objects) == [str(reply.pk)]
    assert said() == ["1 rows are there that it never sealed", FORGED]


@pytest.mark.parametrize("number", [0, 2])
def test_a_page_that_the_head_knows_nothing_of_makes_no_act_of_it(account: BrokerAccount, number: int) -> None:
    """Each of its hashes fits."""
    record = forged(RawReply.objects.earliest("pk"), an_act_without_a_page(account))
    header = page.header_digest(recomputed.values(canonical.SYNC_BATCH, record.batch))
    entry = page.Entry("dropped_bodies", str(record.pk), bytes(record.leaf))
    sealed = page.seal(str(account.head.pk), number, [entry], header, bytes(account.head.page_hash))
    LedgerPage.objects.create(batch=record.batch, **sealed._asdict())
    assert_nothing_goes(account)


def assert_nothing_goes(account: BrokerAccount) -> None:
    before = (ids(RawBody.objects), ids(DroppedBody.objects))
    words = ("drop_replies", "--before", "2000-01-01", "--reason", "routine", "--account", account.pk)
    for more in ((), ("--dry-run",)):
        code, _, error = run(*words, *more)
        assert (code, error) == (
            1, "SCRIPTED S1: bodies that are recorded as dropped, by no act: 1; they stay: run manage.py "
            "verify_ledger\n",
        )  # fmt: skip
    assert (ids(RawBody.objects), ids(DroppedBody.objects)) == before
    assert FORGED in said()


def test_a_body_that_is_there_after_the_act_is_named_and_goes_when_it_is_run_again(account: BrokerAccount) -> None:
    bodies = {str(row.pk): bytes(row.ciphertext) for row in RawBody.objects.all()}
    drop(account, END, ASHA)
    put_back(bodies)
    says = "the body of this reply is recorded as dropped and is there; manage.py drop_replies drops it"
    assert said() == [says] * len(bodies)
    before = SyncBatch.objects.count()
    assert drop(account, END, ASHA) == Found([], sorted(bodies))
    assert (SyncBatch.objects.count(), RawBody.objects.count(), said()) == (before, 0, [])


def test_the_head_does_not_take_for_sent_what_an_act_had_left(account: BrokerAccount, at: At) -> None:
    bodies = {str(row.pk): bytes(row.ciphertext) for row in RawBody.objects.all()}
    drop(account, END, ASHA)
    captured_again(account, at)
    put_back(bodies)
    assert drop(account, END, ASHA) == Found([], sorted(bodies))
    assert json.loads(AccountMemory.objects.get(head__account=account).content)["seen"] == {}


@contextmanager
def failing_at_the_end() -> Iterator[None]:
    """The last thing that an act writes is refused: the head."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("CREATE TRIGGER broken BEFORE UPDATE ON account_heads BEGIN SELECT RAISE(ABORT, 'no'); END")
        else:
            body = "BEGIN RAISE EXCEPTION 'no'; END"
            cursor.execute(
                f"CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS '{body}'".replace("'no'", "''no''")
            )
            cursor.execute(
                "CREATE TRIGGER broken BEFORE UPDATE ON account_heads FOR EACH ROW EXECUTE FUNCTION broken()"
            )
        try:
            yield
        finally:
            is_sqlite = connection.vendor == "sqlite"
            cursor.execute("DROP TRIGGER broken" if is_sqlite else "DROP FUNCTION broken() CASCADE")


def test_an_act_that_is_interrupted_has_done_nothing(account: BrokerAccount) -> None:
    kept = ids(RawBody.objects)
    with failing_at_the_end(), pytest.raises(Error, match="no"):
        drop(account, END, ASHA)
    assert (ids(RawBody.objects), DroppedBody.objects.count(), said()) == (kept, 0, [])
    assert drop(account, END, ASHA).fresh == kept


# What is said of it elsewhere


def test_a_new_reading_says_that_the_replies_were_dropped_or_are_gone(account: BrokerAccount) -> None:
    def trouble() -> str:
        (done,) = reparse(replies.of_batch(broker_account=account), False, "Asha")
        return done.trouble

    drop(account, END, ASHA)
    count = DroppedBody.objects.count()
    assert trouble() == f"{count} of its replies were dropped, the last on 2035-10-06"
    with tampering.unguarded():
        tampering.run("DELETE FROM dropped_bodies WHERE id = %s", tampering.key(DroppedBody.objects.earliest("pk").pk))
    assert trouble() == (
        "1 of its replies are gone, and nothing says that they were dropped: run manage.py verify_ledger"
    )


def test_the_command_shows_drops_and_tells_which_accounts_are_left(account: BrokerAccount, at: At) -> None:
    count = RawBody.objects.count()
    words = ("drop_replies", "--before", END, "--reason", "nobody asks")
    assert run(*words, "--dry-run") == (0, f"SCRIPTED S1: {count} bodies\n1 account; nothing was dropped\n", "")
    retention.hold(account, "Asha", "an inquiry")
    assert run(*words, "--by", "Asha") == (
        1, "0 accounts; nothing to drop\n", "SCRIPTED S1: a legal hold since 2035-10-06; manage.py hold --release ends "
        "it; nothing of it was dropped\n",
    )  # fmt: skip
    assert RawBody.objects.count() == count
    retention.release(as_it_stands(account), "Asha", "it has ended")
    assert run(*words, "--by", "Asha") == (0, f"SCRIPTED S1: {count} bodies\n1 account; dropped, and recorded\n", "")
    assert words_of(Act.objects.latest("pk"))["why"] == "nobody asks"
    assert run(*words) == (0, "0 accounts; nothing to drop\n", "")


def test_the_command_is_refused_before_the_years_have_passed_unless_it_is_said_why(
    account: BrokerAccount, at: At
) -> None:
    at("2030-10-07 12:00")
    words = ("drop_replies", "--before", END, "--reason", "no room", "--account", account.pk)
    code, out, error = run(*words)
    assert (code, out, error) == (2, "", "replies are kept for 9 years: only those before 2021-10-07 may go")
    code, out, _ = run(*words, "--override", "a court order", "--by", "Asha", "--json")
    told = json.loads(out)
    assert (code, told["accounts"][0]["dropped"], told["left"]) == (0, DroppedBody.objects.count(), [])
    act = Act.objects.get()
    assert (act.subject, words_of(act)["why"]) == (
        "bodies of replies dropped, although they were to be kept", "no room; although kept: a court order",
    )  # fmt: skip


def test_accounts_that_were_erased_are_left_out_unless_they_are_named(account: BrokerAccount) -> None:
    retention.shred(account, "Asha", "she asked for it")
    words = ("drop_replies", "--before", END, "--reason", "nobody asks")
    assert run(*words)[0] == 0
    assert run(*words, "--account", account.pk)[0] == 1


def test_an_account_whose_key_cannot_be_read_is_left_and_named(account: BrokerAccount) -> None:
    path = key_ring().directory / f"{key_ring().primary}.key"
    path.chmod(0o644)
    key_ring.cache_clear()
    evidence_keys.evidence_key.cache_clear()
    try:
        code, _, error = run("drop_replies", "--before", END, "--reason", "nobody asks")
    finally:
        path.chmod(0o400)
        key_ring.cache_clear()
    assert (code, str(path) in error, DroppedBody.objects.count()) == (1, True, 0)


def test_a_role_that_may_not_delete_bodies_is_told_who_may(account: BrokerAccount) -> None:
    only_on("postgresql")
    name = f"app_{uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name}; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"SET ROLE {name}")
        try:
            refused = run("drop_replies", "--before", END, "--reason", "nobody asks")
        finally:
            cursor.execute(f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")
    assert refused == (
        2, "", "this database role may not delete bodies: run it as the owner of the tables",
    )  # fmt: skip


def test_the_head_does_not_take_for_sent_what_is_kept_no_more(account: BrokerAccount) -> None:
    drop(account, END, ASHA)
    assert json.loads(AccountMemory.objects.get(head__account=account).content)["seen"] == {}
