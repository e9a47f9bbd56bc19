"""Pages get their place, checkpoints are signed in their time, and nothing is signed that contradicts the last one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger import merkle
from ledger.checkpoint import read_notes
from portfolio.keys import KeyTrouble
from portfolio.models import AccountHead, Checkpoint, Event, LedgerPage, LedgerTree
from portfolio.proof import sealer, signing, tree
from portfolio.proof.verification import verify
from tests import build
from tests.proof import tampering
from tests.test_commands import run

pytestmark = pytest.mark.database

NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)


def a_book(pages: int = 3) -> None:
    account = build.an_account()
    for _ in range(pages):
        build.synced(account)


def test_every_page_gets_one_place_in_the_order_of_its_numbers() -> None:
    a_book(3)
    sealer.seal(NOW)
    build.synced(build.an_account(client_id="S2"))
    sealer.seal(NOW)

    places = list(LedgerTree.objects.order_by("position").values_list("position", "page__head", "page__number"))

    assert [position for position, _, _ in places] == list(range(1, LedgerPage.objects.count() + 1))
    for head in AccountHead.objects.all():
        assert [number for _, pk, number in places if pk == head.pk] == list(range(1, head.page_number + 1))
        assert head.placed_number == head.page_number


def test_the_stored_nodes_give_the_root_over_all_pages_at_every_size() -> None:
    a_book(9)
    tree.place(NOW)

    leaves = [merkle.leaf_hash(bytes(row.page_hash)) for row in LedgerTree.objects.order_by("position")]

    node = tree.stored_nodes()
    assert [merkle.root_at(size, node) for size in range(len(leaves) + 1)] == [
        merkle.root(leaves[:size]) for size in range(len(leaves) + 1)
    ]


def test_a_checkpoint_is_in_the_file_the_table_and_an_event_and_signed_by_the_key_beside_it() -> None:
    a_book(1)

    note = sealer.checkpoint(NOW)

    where = signing.files()
    assert read_notes(where.checkpoints.read_text("utf-8")) == [note]
    assert list(Checkpoint.objects.values_list("size", "note")) == [(LedgerPage.objects.count(), str(note))]
    assert [event.kind for event in Event.objects.filter(broker_account=None)] == ["checkpoint.signed"]
    key = signing.public_key()
    assert key and where.public.read_text("ascii") == f"{key}\n"
    assert note.signed_by(key)


@pytest.mark.parametrize(
    ("later", "signed"),
    [(timedelta(minutes=9), 1), (timedelta(minutes=10), 2), (timedelta(minutes=-9), 1), (timedelta(days=-1), 2)],
)
def test_what_is_unsigned_is_signed_after_ten_minutes_also_by_a_clock_that_was_put_back(
    later: timedelta, signed: int
) -> None:
    account = build.an_account()
    build.synced(account)
    sealer.seal(NOW)
    build.synced(account)
    sealer.seal(NOW + later)

    assert Checkpoint.objects.count() == signed


def test_a_sync_by_hand_leaves_its_pages_in_the_tree_and_signed() -> None:
    build.an_account()

    run("sync_holdings")

    assert LedgerTree.objects.count() == LedgerPage.objects.count() > 0
    assert Checkpoint.objects.get().size == LedgerTree.objects.count()


def test_the_day_is_signed_at_its_end() -> None:
    account = build.an_account()
    before, end = datetime(2026, 10, 5, 18, 24, tzinfo=UTC), datetime(2026, 10, 5, 18, 29, tzinfo=UTC)
    build.synced(account)
    sealer.seal(before)
    build.synced(account)
    sealer.seal(end - timedelta(seconds=1))
    assert Checkpoint.objects.count() == 1

    sealer.seal(end)

    assert Checkpoint.objects.count() == 2


def test_nothing_new_is_not_signed_again() -> None:
    a_book(1)
    first = sealer.checkpoint(NOW)
    sealer.seal(NOW + timedelta(days=1))

    assert sealer.checkpoint(NOW + timedelta(days=1)) == first
    assert Checkpoint.objects.count() == 1


def test_a_tree_that_is_no_continuation_is_not_signed_and_told_once() -> None:
    a_book(4)
    sealer.checkpoint(NOW)
    with tampering.unguarded():
        tampering.run("UPDATE ledger_tree SET page_hash = %s WHERE position = 2", b"x" * 32)
        tampering.run("UPDATE ledger_tree SET nodes = %s WHERE position = 2", b"x" * 32)
        tampering.run("UPDATE ledger_tree SET nodes = %s WHERE position = 4", b"x" * 64)
    a_book(1)

    for _ in range(2):
        with pytest.raises(sealer.Refused, match="not a continuation"):
            sealer.checkpoint(NOW)

    assert Checkpoint.objects.count() == 1
    assert [event.kind for event in Event.objects.filter(kind__startswith="ledger.")] == ["ledger.rollback"]


def test_a_gap_in_the_tree_is_told_once_and_stops_no_tick() -> None:
    a_book(3)
    sealer.checkpoint(NOW)
    with tampering.unguarded():
        tampering.run("DELETE FROM ledger_tree WHERE position = 2")
    a_book(1)

    for minutes in (10, 20):
        sealer.seal(NOW + timedelta(minutes=minutes))
    with pytest.raises(sealer.Refused, match="Position 2 of the tree is gone"):
        sealer.checkpoint(NOW)

    assert (Checkpoint.objects.count(), LedgerTree.objects.count()) == (1, 2)
    assert [event.kind for event in Event.objects.filter(kind__startswith="ledger.")] == ["ledger.rollback"]


@pytest.mark.parametrize("spoil", ["cut", "gone"])
def test_a_file_that_lacks_what_was_signed_is_not_continued(spoil: str) -> None:
    account = build.an_account()
    for minutes in (0, 10):
        build.synced(account)
        sealer.checkpoint(NOW + timedelta(minutes=minutes))
    file = signing.files().checkpoints
    text = file.read_text("utf-8")
    if spoil == "gone":
        file.unlink()
    else:
        file.write_text(text[: len(text) // 2], "utf-8")
    build.synced(account)

    with pytest.raises(sealer.Refused, match="lacks the last one"):
        sealer.checkpoint(NOW)


def test_a_file_that_is_gone_for_good_is_made_again_by_a_word_of_ours_alone() -> None:
    account = build.an_account()
    for minutes in (0, 10):
        build.synced(account)
        sealer.checkpoint(NOW + timedelta(minutes=minutes))
    file = signing.files().checkpoints
    before = file.read_text("utf-8")
    file.unlink()
    code, _, says = run("checkpoint")
    assert (code, "manage.py checkpoint --restore-file" in says) == (1, True)

    code, _, says = run("checkpoint", "--restore-file")

    assert (code, says.startswith("2 checkpoints were put into a new file")) == (0, True)
    assert file.read_text("utf-8").startswith(before)
    assert Event.objects.filter(kind="checkpoints.restored").count() == 1
    assert run("checkpoint", "--restore-file")[0] == 1
    assert verify().findings == []


def test_a_file_is_not_made_again_from_a_table_that_was_changed() -> None:
    a_book(2)
    sealer.checkpoint(NOW)
    signing.files().checkpoints.unlink()
    with tampering.unguarded():
        tampering.run("UPDATE ledger_tree SET page_hash = %s WHERE position = 1", bytes(32))
        tampering.run("UPDATE ledger_tree SET nodes = %s WHERE position = 2", bytes(32))

    with pytest.raises(sealer.Refused, match="of 2 pages in the table does not fit"):
        sealer.restore_file(NOW)

    assert not signing.files().checkpoints.exists()


def test_a_key_that_is_gone_is_not_made_anew() -> None:
    a_book(1)
    sealer.checkpoint(NOW)
    signing.files().secret.unlink()

    with pytest.raises(KeyTrouble, match=r"signing\.key is gone.*Put it back"):
        sealer.checkpoint(NOW)


def test_another_key_signs_nothing_on_top_of_the_first() -> None:
    a_book(1)
    sealer.checkpoint(NOW)
    where = signing.files()
    where.secret.unlink()
    signing._make_key(where)

    with pytest.raises(sealer.Refused, match="another key"):
        sealer.checkpoint(NOW)


def test_while_another_process_is_the_sealer_nothing_is_placed() -> None:
    a_book(1)
    with sealer._lease():
        sealer.seal(NOW)
        assert LedgerTree.objects.count() == 0
        with pytest.raises(sealer.Busy):
            sealer.checkpoint(NOW, patience_seconds=0)

    sealer.seal(NOW)
    assert LedgerTree.objects.count() == LedgerPage.objects.count()


def test_a_checkpoint_that_only_the_file_has_yet_is_recorded_the_next_time() -> None:
    """A crash between the two."""
    a_book(1)
    note = sealer.checkpoint(NOW)
    with tampering.unguarded():
        tampering.run("DELETE FROM checkpoints")

    assert sealer.checkpoint(NOW) == note
    assert list(Checkpoint.objects.values_list("note", flat=True)) == [str(note)]
    assert len(read_notes(signing.files().checkpoints.read_text("utf-8"))) == 1


def test_a_checkpoint_that_only_the_file_has_is_recorded_also_when_pages_came_after_the_crash() -> None:
    a_book(1)
    first = sealer.checkpoint(NOW)
    with tampering.unguarded():
        tampering.run("DELETE FROM checkpoints")
    build.synced(build.an_account(client_id="S2"))

    second = sealer.checkpoint(NOW)
    assert list(Checkpoint.objects.order_by("size").values_list("note", flat=True)) == [str(first), str(second)]
    assert verify().findings == []


def test_a_checkpoint_that_is_recorded_hours_after_the_next_page_was_placed_is_not_said_to_be_changed(
    set_clock: Callable[[datetime], None],
) -> None:
    """The keys were away meanwhile, so that nothing was signed."""
    set_clock(NOW)
    a_book(1)
    sealer.checkpoint(NOW)
    with tampering.unguarded():
        tampering.run("DELETE FROM checkpoints")
    build.synced(build.an_account(client_id="S2"))
    tree.place(NOW + timedelta(minutes=5))

    set_clock(NOW + timedelta(hours=3))
    sealer.checkpoint(NOW + timedelta(hours=3))
    assert verify().findings == []


def test_an_idle_tick_asks_little_and_writes_nothing() -> None:
    a_book(1)
    sealer.seal(NOW)
    before = AccountHead.objects.get(account=None).lease_until
    with CaptureQueriesContext(connection) as queries:
        sealer.seal(NOW)

    assert [query["sql"][:6] for query in queries] == ["SELECT"] * 3
    assert AccountHead.objects.get(account=None).lease_until == before
