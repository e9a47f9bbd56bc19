"""The whole book is worked out again from its typed rows: a clean one gives no alarm, and what was changed is named."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from ledger import canonical, lines
from ledger.canonical import BOOK
from ledger.checkpoint import read_notes
from ledger.findings import Signed
from ledger.verify import check as verify_file
from portfolio.models import Checkpoint, Event, HoldingVersion, LedgerPage
from portfolio.proof import leaving, sealer, signing
from portfolio.proof.scope import Scope
from portfolio.proof.verification import verify
from portfolio.sync.amend import ANSWER, Deed, amending
from portfolio.sync.pipeline import settle
from tests import build
from tests.proof import tampering
from tests.proof.saved import save
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_writers import claimed

pytestmark = pytest.mark.database

NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)


def a_signed_book() -> None:
    """Two days' worth of a simulated investor, in two accounts, each sealed and signed."""
    with build.groww() as simulator:
        accounts = [build.a_groww_account(simulator, ucc) for ucc in simulator.investors]
        for hours in range(2):
            build.synced(*accounts)
            sealer.checkpoint(NOW + timedelta(hours=hours))


def said(findings: Any) -> list[str]:
    return [str(finding) for finding in findings]


def run_command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out)
    except SystemExit as exit_:
        return int(exit_.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_book_that_nobody_touched_is_as_it_was_sealed() -> None:
    a_signed_book()

    found = verify()

    rows = sum(recomputed.model_of(schema)._default_manager.count() for schema in BOOK.values())
    assert said(found.findings) == []
    assert (found.rows, found.pages, found.positions) == (rows, *2 * [LedgerPage.objects.count()])
    assert rows > 50


def test_a_changed_row_is_named_and_the_exit_code_and_an_event_tell() -> None:
    a_signed_book()
    row = HoldingVersion.objects.order_by("pk")[3]
    with tampering.unguarded():
        tampering.run("UPDATE holding_versions SET symbol = 'OTHER' WHERE id = %s", tampering.key(row.pk))

    code, out = run_command("--json")

    (finding,) = json.loads(out)["findings"]
    assert code == 1
    assert finding == {
        "says": "the row was changed after it was recorded",
        "account": str(row.broker_account_id),
        "page": row.batch.page.number,
        "table": "holding_versions",
        "row": str(row.pk),
        "line": 0,
    }
    assert Event.objects.filter(broker_account=None).latest("number").kind == "ledger.tampered"


def spoil_every_signature() -> None:
    """In the file and in the table alike: the two still have the same checkpoints."""
    where = signing.files().checkpoints
    notes = read_notes(where.read_text("utf-8"))
    spoilt = [note._replace(signatures=(note.signatures[0]._replace(signature=b"x" * 64),)) for note in notes]
    where.write_text("".join(f"{note}\n" for note in spoilt), "utf-8")
    with tampering.unguarded():
        for note in spoilt:
            size = note.checkpoint.size
            tampering.run("UPDATE checkpoints SET note = %s WHERE size = %s", str(note), size)


def test_signatures_are_checked_with_the_public_half_where_the_secret_is_gone() -> None:
    a_signed_book()
    signing.files().secret.unlink()
    assert said(verify().findings) == []

    spoil_every_signature()
    code, out = run_command()

    assert (code, out.count("does not fit: the checkpoint was changed")) == (1, 4)
    assert "The last checkpoint covers 0 pages" in out
    assert verify_file(BytesIO(b"".join(leaving.export()))).covered == 0
    assert [line for line in leaving.export() if line.startswith(b'["key"')] == [
        lines.line("key", signing.public_key())
    ]


@pytest.mark.parametrize("is_spoilt", [False, True])
def test_a_key_of_which_nothing_is_left_is_a_finding(is_spoilt: bool) -> None:
    a_signed_book()
    where = signing.files()
    where.secret.unlink()
    where.public.chmod(0o600)
    where.public.write_text("no key", "ascii") if is_spoilt else where.public.unlink()

    code, out = run_command("--json")

    wanted = f"{where.public} cannot be read" if is_spoilt else f"The signing key {where.secret} is gone"
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["says"].startswith(wanted)) == (1, True)
    with pytest.raises(CommandError, match=r"cannot be read|is gone"):
        call_command("export_ledger", str(where.public.with_name("book")), stdout=StringIO())


def test_a_file_of_checkpoints_that_is_gone_is_one_finding_that_says_what_to_do() -> None:
    a_signed_book()
    sizes = Checkpoint.objects.order_by("size").values_list("size", flat=True)
    signing.files().checkpoints.unlink()

    code, out = run_command("--json")

    (finding,) = json.loads(out)["findings"]
    span = f"{len(sizes)}, of {sizes[0]} to {list(sizes)[-1]} pages,"
    assert (code, finding["says"]) == (
        1,
        f"the file of checkpoints lacks {span} that the table has: put it back from your copy of the keys",
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "this is no text in UTF-8"),
        (
            b"khata\n",
            "line 1: a checkpoint without its signature. Keep checkpoints as `manage.py checkpoint --out` writes them",
        ),
    ],
)
def test_a_file_of_checkpoints_that_cannot_be_read_is_not_said_to_lack_any(content: bytes, why: str) -> None:
    a_signed_book()
    file = signing.files().checkpoints
    file.write_bytes(content)

    says = f"The file of checkpoints {file} cannot be read: {why}. Put it back from your copy."
    assert said(verify().findings) == [f"checkpoints: {says}"]


@pytest.mark.parametrize(("column", "value"), [("size", 1_000), ("root", b"x" * 32)])
def test_what_stands_beside_a_signed_note_is_what_the_note_says(column: str, value: Any) -> None:
    a_signed_book()
    row = Checkpoint.objects.latest("size")
    with tampering.unguarded():
        tampering.run(f"UPDATE checkpoints SET {column} = %s WHERE id = %s", value, tampering.key(row.pk))

    (finding,) = verify().findings
    says = f"size and root beside the checkpoint of {LedgerPage.objects.count()} pages are not those it has"
    assert (finding.table, finding.row, finding.says) == ("checkpoints", str(row.pk), says)


def test_what_is_signed_while_the_book_is_verified_is_no_finding() -> None:
    a_signed_book()
    build.synced(build.an_account())

    def sign() -> None:
        sealer.checkpoint(NOW + timedelta(hours=2))
        connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        found = verify(progress=lambda *_: pool.submit(sign).result())

    assert said(found.findings) == []
    assert (found.checkpoints, Checkpoint.objects.count()) == (2, 3)


def test_a_batch_of_yesterday_that_was_closed_after_one_of_today_is_no_gap(
    broker: Broker, at: Callable[[str], None]
) -> None:
    account = build.an_account("SCRIPTED")
    build.synced(account)
    at("2026-10-06 23:59")
    begun_yesterday = claimed(account)
    at("2026-10-07 00:01")
    with amending(account, ANSWER, Deed("question 1: note", "Asha Rao")) as amendment:
        amendment.pen.write(canonical.FUNDS_VERSION, amendment.trading_day, 7, None, None, None, "INR", False, NOW)
    settle([begun_yesterday])
    at("2026-10-07 00:02")
    build.synced(account)

    found = verify(since=date(2026, 10, 7))

    assert (said(found.findings), found.pages, account.head.pages.count()) == ([], 3, 4)
    assert list(Scope(since=date(2026, 10, 8)).pages()) == []


def test_an_older_copy_of_the_database_that_was_put_back_is_told_and_not_continued() -> None:
    account = build.an_account()
    build.synced(account)
    sealer.checkpoint(NOW)
    backup = save()
    build.synced(account)
    sealer.checkpoint(NOW + timedelta(hours=1))
    kept = [Signed(note, "kept") for note in read_notes(signing.files().checkpoints.read_text("utf-8"))]

    backup.files.clear()  # of the database alone: what stands beside the keys is as it was
    with tampering.unguarded():
        backup.put_back()

    rolled_back = [finding for finding in said(verify(kept).findings) if "was rolled back to an older state" in finding]
    assert len(rolled_back) == 2  # by the file beside the keys, and by what was kept
    with pytest.raises(sealer.Refused, match="rolled back to an older state"):
        sealer.checkpoint(NOW + timedelta(hours=2))
    assert verify(kept).last_checkpoint == 1


def test_a_gap_below_what_is_looked_at_is_a_finding() -> None:
    a_signed_book()
    account = build.an_account()
    build.synced(account)
    sealer.checkpoint(NOW + timedelta(hours=2))
    with tampering.unguarded():
        tampering.run("DELETE FROM ledger_tree WHERE position = 2")

    found = verify(account=account.head).findings

    assert [finding.row for finding in found if "position of the tree is gone" in finding.says] == ["2"]
    assert run_command("--account", str(account.pk))[0] == 1


def test_the_last_checkpoint_that_fits_is_told_and_not_one_that_does_not() -> None:
    account = build.an_account()
    for hours in range(3):
        build.synced(account)
        sealer.checkpoint(NOW + timedelta(hours=hours))
    assert verify(since=date(2027, 1, 1)).last_checkpoint == 3
    with tampering.unguarded():
        tampering.run("UPDATE ledger_tree SET page_hash = %s WHERE position = 3", b"x" * 32)

    assert (verify().last_checkpoint, verify().above) == (2, 1)
