"""What leaves the house is checked by the `ledger` folder alone; what was changed in it is named, with its line."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ledger import canonical, lines, merkle, verify
from ledger.checkpoint import Checkpoint, Note, read_notes
from ledger.exported import CUT_OFF, UNPLACED
from ledger.findings import Signed
from ledger.page import PAGE
from ledger.preamble import Checked, Kept
from portfolio.models import BrokerAccount, Event, LedgerPage, OrderVersion
from portfolio.proof import leaving, sealer, signing
from simulators.market import Market
from simulators.scripts import demo_investors
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)
LEDGER = Path(verify.__file__).parent


def a_signed_book() -> list[BrokerAccount]:
    """Two simulated investors, looked at three times in two days; signed after each."""
    with build.groww(*demo_investors(Market())) as simulator:
        accounts = [build.a_groww_account(simulator, ucc) for ucc in simulator.investors]
        accounts.append(build.an_account())
        for at in ("10:50", "11:15", "16:05"):
            simulator.move_to(f"2026-10-06 {at}")
            build.synced(*accounts)
            sealer.checkpoint(datetime.fromisoformat(f"2026-10-06 {at}+05:30"))
    return accounts


def exported(*accounts: BrokerAccount, kept: Any = ()) -> bytes:
    return b"".join(leaving.export(accounts[0].head if accounts else None, kept))


def kept_notes() -> list[Signed]:
    return [Signed(note, "kept") for note in read_notes(signing.files().checkpoints.read_text("utf-8"))]


def checked(content: bytes, *notes: Signed) -> Checked:
    return verify.check(BytesIO(content), Kept(notes, signing.public_key()))


def said(one: Checked) -> list[str]:
    return [str(finding) for finding in one.findings]


def an_order() -> OrderVersion:
    return OrderVersion.objects.filter(version=2).order_by("groww_order_id")[0]


def a_proof(*kept: Signed) -> bytes:
    versions = leaving.find_order(an_order().groww_order_id)
    (*_, last) = kept_notes()
    return b"".join(leaving.prove(versions, last.note, [one.note for one in kept]))


def run_alone(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """In a directory that holds the `ledger` folder and nothing else, without site packages."""
    shutil.copytree(LEDGER, folder / "ledger", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import runpy; "
               "runpy.run_module('ledger', run_name='__main__')", "verify", *map(str, arguments)]  # fmt: skip
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_an_export_is_checked_by_the_ledger_folder_alone_in_an_empty_directory(tmp_path: Path) -> None:
    a_signed_book()
    book, kept = tmp_path / "book.jsonl", tmp_path / "kept"
    call_command("export_ledger", str(book), stdout=StringIO())
    call_command("checkpoint", "--out", str(kept), stdout=StringIO())
    (tmp_path / "alone").mkdir()
    shutil.copytree(LEDGER, tmp_path / "alone/ledger", ignore=shutil.ignore_patterns("__pycache__"))

    ran = subprocess.run(
        [sys.executable, "-S", "-m", "ledger", "verify", str(book), "--checkpoint", str(kept), "--json",
         "--key", str(signing.files().public)],
        cwd=tmp_path / "alone", capture_output=True, text=True, check=False, env={}, timeout=60,
    )  # fmt: skip

    result = json.loads(ran.stdout)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (result["pages"], result["covered"], result["findings"]) == (LedgerPage.objects.count(),) * 2 + ([],)


def test_whole_and_one_accounts_export_hold_against_every_checkpoint_that_was_ever_signed() -> None:
    one, *_ = a_signed_book()
    kept = kept_notes()

    whole, part = checked(exported(), *kept), checked(exported(one), *kept)

    assert (said(whole), said(part)) == ([], [])
    assert (len(kept), whole.pages, part.pages) == (3, LedgerPage.objects.count(), one.head.pages.count())


def test_an_accounts_export_names_no_other_account_and_no_client() -> None:
    one, *others = a_signed_book()

    text = exported(one).decode()

    assert str(one.pk) in text
    assert [other for other in others if str(other.pk) in text or str(other.head.pk) in text] == []
    assert [account.account_id for account in (one, *others) if f'"{account.account_id}"' in text] == []


def test_a_changed_row_is_named_with_its_account_page_and_line() -> None:
    one, *_ = a_signed_book()
    content = exported(one)
    row = one.holding_versions.earliest("pk") if hasattr(one, "holding_versions") else an_order()
    book = content.split(b"\n")
    begins = f'["{row._meta.db_table}","1","{row.pk}"'.encode()
    at = next(i for i, line in enumerate(book) if line.startswith(begins))
    book[at] = book[at].replace(row.symbol.encode(), b"OTHER")

    (finding,) = checked(b"\n".join(book), *kept_notes()).findings

    assert finding._asdict() == {
        "says": "the row was changed after it was recorded", "account": str(row.broker_account_id),
        "page": row.batch.page.number, "table": row._meta.db_table, "row": str(row.pk), "line": at + 1,
    }  # fmt: skip


def test_a_changed_row_of_the_installation_is_named_so() -> None:
    """What all accounts share, such as prices, is of none."""
    a_signed_book()
    book = exported().split(b"\n")
    at = next(i for i, line in enumerate(book) if line.startswith(b'["prices","1"'))
    symbol = json.loads(book[at])[5]
    book[at] = book[at].replace(f'"{symbol}"'.encode(), b'"OTHER"')

    (finding,) = checked(b"\n".join(book), *kept_notes()).findings

    assert (finding.says, finding.account, finding.table, finding.line) == (
        "the row was changed after it was recorded", "of the installation", "prices", at + 1,
    )  # fmt: skip


def forged(content: bytes) -> bytes:
    """One row of an account's export changed, its page and all after it made again, and taken out of the tree."""
    rest, out, previous, is_changed = content.splitlines(), list[bytes](), bytes(32), False
    while rest:
        if not rest[0].startswith(lines.PLACE):
            out.append(rest.pop(0))
            continue
        page = json.loads(rest[1])
        place, text, batch, *rows = rest[: 3 + int(page[4])]
        del rest[: 4 + len(rows)]
        if not is_changed and any(b'"BUY"' in row for row in rows):
            is_changed, rows = True, [row.replace(b'"BUY"', b'"SELL"') for row in rows]
        leaves = merkle.leaf_hashes(rows)
        if is_changed:
            fields = (*page[2:5], merkle.root(leaves).hex(), page[6], previous.hex())
            place, text = b'["place","",""]', canonical.encode(PAGE, fields)
        previous = sha256(text).digest()
        out += [place, text, batch, *rows, lines.leaves_line(leaves)[:-1]]
    assert is_changed
    return b"\n".join(out) + b"\n"


def test_pages_that_were_made_again_and_taken_out_of_the_tree_are_found(tmp_path: Path) -> None:
    one, *_ = a_signed_book()
    content = forged(exported(one))
    kept, book = tmp_path / "kept", tmp_path / "book"
    kept.write_text(str(kept_notes()[-1].note), "utf-8")
    book.write_bytes(content)

    found = checked(content, *kept_notes())
    ran = run_alone(tmp_path, book, "--checkpoint", kept)

    unplaced = content.count(b'["place","",""]')
    assert {(finding.says, finding.account) for finding in found.findings} == {(UNPLACED, str(one.pk))}
    assert (len(found.findings), found.above, found.pages - found.above) == (
        unplaced,
        unplaced,
        one.head.pages.count() - unplaced,
    )
    assert (ran.returncode, "All as it was sealed" in ran.stdout) == (1, False)
    assert f"{unplaced} of the {found.pages} pages here lie above that: it does not show" in ran.stdout


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_lies_above_the_readers_last_checkpoint_is_counted_and_not_called_sealed(
    is_whole: bool, tmp_path: Path
) -> None:
    one, *_ = a_signed_book()
    oldest, *_ = kept_notes()
    size = oldest.note.checkpoint.size
    (tmp_path / "kept").write_text(str(oldest.note), "utf-8")
    (tmp_path / "book").write_bytes(exported() if is_whole else exported(one))
    pages = LedgerPage.objects.all() if is_whole else one.head.pages.all()
    below, count = pages.filter(place__position__lte=size).count(), pages.count()

    ran = run_alone(tmp_path, tmp_path / "book", "--checkpoint", tmp_path / "kept")

    assert (ran.returncode, 0 < below < count) == (0, True)
    assert ran.stdout.splitlines()[1:] == [
        f"{below} of the {count} pages are as they were sealed.",
        f"The last checkpoint that fits covers {LedgerPage.objects.count()} pages of the installation.",
        f"The last one of yours that fits covers {size} pages of it.",
        f"{count - below} of the {count} pages here lie above that: it does not show that they are as they "
        "were sealed.",
    ]


def test_a_version_above_the_readers_last_checkpoint_is_counted() -> None:
    a_signed_book()
    oldest, *_, last = kept_notes()
    positions = [version.batch.page.place.position for version in leaving.find_order(an_order().groww_order_id)]
    above = [position for position in positions if position > oldest.note.checkpoint.size]

    assert (checked(a_proof(oldest), oldest).above, checked(a_proof(), last).above) == (len(above), 0)
    assert above != []


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_export_right_after_a_sync_is_signed_first(is_whole: bool, tmp_path: Path) -> None:
    one = build.an_account()
    build.synced(one)

    call_command(
        "export_ledger", str(tmp_path / "book"), *([] if is_whole else ["--account", str(one.pk)]), stdout=StringIO()
    )

    found = checked((tmp_path / "book").read_bytes(), *kept_notes())
    pages = LedgerPage.objects.all() if is_whole else one.head.pages.all()
    assert (said(found), found.pages, found.above) == ([], pages.count(), 0)


def test_a_page_that_is_written_after_the_signing_is_not_in_the_export() -> None:
    *_, one = a_signed_book()
    count = one.head.pages.count()
    build.synced(one)

    found = checked(exported(one), *kept_notes())
    assert (found.pages, said(found)) == (count, [])


def test_a_book_that_cannot_be_signed_is_exported_whole_and_what_nothing_shows_is_named(tmp_path: Path) -> None:
    *_, one = a_signed_book()
    build.synced(one)
    signing.files().secret.unlink()
    error = StringIO()

    call_command("export_ledger", str(tmp_path / "book"), "--account", str(one.pk), stdout=StringIO(), stderr=error)

    found = checked((tmp_path / "book").read_bytes(), *kept_notes())
    (finding,) = found.findings
    assert (finding.says, finding.page, found.above) == (UNPLACED, one.head.pages.count(), 1)
    assert "No checkpoint was signed first" in error.getvalue()


def test_an_accounts_export_says_whose_it_is_and_its_title_is_held_against_its_pages(tmp_path: Path) -> None:
    one, other, *_ = a_signed_book()
    content = exported(one)
    (tmp_path / "book").write_bytes(content)

    ran = run_alone(tmp_path, tmp_path / "book")
    titled = content.replace(f'"{one.pk}"]\n'.encode(), f'"{other.pk}"]\n'.encode(), 1)
    (finding,) = checked(titled, *kept_notes()).findings

    assert ran.stdout.startswith(f"This is an export of the account {one.pk} of {signing.origin()}: ")
    assert (finding.account, finding.line, str(other.pk) in finding.says) == (str(one.pk), 1, True)


DAMAGE: list[tuple[str, Callable[[list[bytes]], list[bytes]], str]] = [
    ("cut off", lambda lines: lines[: len(lines) // 2], "cut off|sealed are gone|damaged"),
    ("a row taken away", lambda lines: [*lines[:30], *lines[31:]], "sealed are gone|damaged|missing|gone"),
    ("a line of another kind", lambda lines: [*lines[:30], b"hello\n", *lines[30:]], "damaged|never sealed"),
    ("an empty line", lambda lines: [*lines[:30], b"\n", *lines[30:]], "damaged|never sealed"),
    ("the end taken away", lambda lines: lines[:-1], "cut off"),
    ("nested deeply", lambda lines: [*lines[:30], b"[" * 100_000 + b"\n", *lines[31:]], "damaged|changed"),
    ("nested deeply before the pages", lambda lines: [*lines[:1], b"[" * 100_000 + b"\n", *lines[1:]], "damaged"),
    ("something after the end", lambda lines: [*lines, b'["prices"]\n'], "after the end"),
    ("bytes that are no text", lambda lines: [*lines[:30], b"\xff\xfe\x00\n", *lines[31:]], "damaged|changed"),
]


@pytest.mark.parametrize(("how", "damage", "wanted"), DAMAGE, ids=[name for name, *_ in DAMAGE])
def test_a_damaged_export_is_told_with_the_line(how: str, damage: Any, wanted: str) -> None:
    a_signed_book()
    content = b"".join(damage(exported().splitlines(keepends=True)))

    found = checked(content, *kept_notes()).findings

    assert any(finding.line and re.search(wanted, finding.says) for finding in found), found


def test_a_file_that_was_cut_off_is_told_as_that_and_accuses_no_row() -> None:
    one, *_ = a_signed_book()
    for content in (exported(one), a_proof()):
        first = content.index(b'["place"')
        for at in range(first + 1, len(content) - 1, max(1, (len(content) - first) // 60)):
            cut, whole = content[:at], content[:at].rstrip(b"\n")
            (finding,) = checked(cut).findings
            assert (finding.says, finding.line) == (CUT_OFF, whole.count(b"\n") + 1), cut[-60:]


def test_a_whole_book_that_was_cut_off_is_told_once_however_many_checkpoints_lie_above() -> None:
    a_signed_book()
    content = exported()
    first = content.index(b'["place"')
    kept = kept_notes()
    assert len(kept) > 1
    for at in range(first + 1, len(content) - 1, (len(content) - first) // 60):
        (finding,) = checked(content[:at], *kept).findings
        assert (finding.says, finding.line) == (CUT_OFF, content[:at].rstrip(b"\n").count(b"\n") + 1)


def test_a_checkpoint_that_an_editor_saved_with_a_mark_and_other_ends_of_lines_is_the_same(tmp_path: Path) -> None:
    a_signed_book()
    (tmp_path / "book").write_bytes(exported())
    (tmp_path / "kept").write_text(str(kept_notes()[-1].note), "utf-8-sig", newline="\r\n")

    ran = run_alone(tmp_path, tmp_path / "book", "--checkpoint", tmp_path / "kept")
    call_command("verify_ledger", "--checkpoint", str(tmp_path / "kept"), stdout=StringIO())

    assert (ran.returncode, "All as it was sealed." in ran.stdout) == (0, True)


def test_any_changed_byte_of_an_export_is_found() -> None:
    a_signed_book()
    content = exported()

    unseen = []
    explains = range(content.index(b'["schema"'), content.index(b'["key"'), 53)
    for at in [*explains, *range(0, len(content), 997)]:
        spoilt = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        if _passes(spoilt):
            unseen.append(content[max(0, at - 40) : at + 40])
    assert unseen == []


def test_any_changed_byte_of_what_ends_a_page_is_found() -> None:
    a_signed_book()
    content = exported()
    begins = content.index(b'["leaves"')
    ends = content.index(b"\n", begins) + 1
    around, within = {*range(begins, begins + 11), *range(ends - 3, ends)}, {*range(begins, ends, 97)}

    unseen = [at for at in around | within if _passes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])]

    assert unseen == []


def _passes(content: bytes) -> bool:
    try:
        return not checked(content, *kept_notes()).findings
    except Exception as error:
        assert type(error).__name__ == "BadExport", error
        return False


def test_the_proof_of_an_order_shows_its_versions_and_nothing_else_of_the_account(tmp_path: Path) -> None:
    a_signed_book()
    order = an_order()
    kept, proof = tmp_path / "kept", tmp_path / "proof"
    kept.write_text(str(kept_notes()[-1].note), "utf-8")
    call_command("prove", order.groww_order_id, str(proof), stdout=StringIO())

    ran = run_alone(tmp_path, proof, "--checkpoint", kept, "--json")

    result = json.loads(ran.stdout)
    versions = OrderVersion.objects.filter(groww_order_id=order.groww_order_id).order_by("version")
    assert (ran.returncode, result["findings"]) == (0, [])
    assert [row["id"] for row in result["versions"]] == [str(version.pk) for version in versions]
    others = OrderVersion.objects.exclude(groww_order_id=order.groww_order_id)
    assert [other for other in others if str(other.pk) in proof.read_text("utf-8")] == []
    assert proof.stat().st_size <= 1024 + 3072 * versions.count()
    assert proof.stat().st_mode & 0o777 == 0o600


def versions_of(proof: bytes, numbers: Sequence[int]) -> bytes:
    """The proof with these of its versions, in this order."""
    all_lines = proof.splitlines(keepends=True)
    first = next(i for i, line in enumerate(all_lines) if line.startswith(lines.PLACE))
    shown = [b"".join(all_lines[first + 4 * (n - 1) : first + 4 * n]) for n in numbers]
    return b"".join([*all_lines[:first], *shown, lines.line("end", len(numbers), len(numbers))])


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([1, 2, 3], []),
        ([1, 3], ["version 2 is missing"]),
        ([3], ["version 1 to 2 are missing"]),
        ([1, 1, 2, 3, 3, 3], ["version 1 is there twice", "version 3 is there 3 times"]),
        ([3, 2, 1], ["version 2 stands after version 3", "version 1 stands after version 2"]),
        ([], ["it shows no version of an order"]),
    ],
)
def test_versions_that_a_proof_lacks_or_shows_twice_or_in_another_order_are_named(
    numbers: list[int], says: list[str], broker: Broker
) -> None:
    account = build.an_account("SCRIPTED")
    for filled in (2, 5, 10):
        broker.says["orders"] = [build.an_order(filled=filled)]
        build.synced(account)
    last = Signed(sealer.checkpoint(NOW), "kept")
    proof = b"".join(leaving.prove(leaving.find_order("O1"), last.note))

    found = checked(versions_of(proof, numbers), last)

    assert [finding.says for finding in found.findings] == says
    assert (found.rows, found.pages) == (len(numbers), len(set(numbers)))


def test_a_proof_is_joined_to_an_older_checkpoint_only_when_asked() -> None:
    a_signed_book()
    oldest = kept_notes()[0]

    assert said(checked(a_proof(oldest), oldest)) == []
    assert ["not joined" in finding for finding in said(checked(a_proof(), oldest))] == [True]


def test_any_changed_byte_of_a_proof_is_found() -> None:
    a_signed_book()
    content = a_proof()

    passing = [
        at
        for at in {*range(5, len(content), 13), *_words(content, b'["in page"')}
        if _passes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    ]

    assert passing == []


def _words(content: bytes, word: bytes) -> range:
    return range(content.index(word), content.index(word) + len(word))


def test_an_order_that_is_not_signed_yet_is_signed_first(tmp_path: Path) -> None:
    with build.groww() as simulator:
        build.synced(*(build.a_groww_account(simulator, ucc) for ucc in simulator.investors))

    call_command("prove", OrderVersion.objects.all()[0].groww_order_id, str(tmp_path / "proof"), stdout=StringIO())

    assert said(checked((tmp_path / "proof").read_bytes(), *kept_notes())) == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["prove", "NOBODY", "{}/out"], "no order 'NOBODY'"),
        (["export_ledger", "{}/nowhere/out"], "cannot be written"),
        (["export_ledger", "{}/out", "--account", "01a2208c-8ce7-794c-ae96-5d4818fd05b8"], "no account with the id"),
        (["export_ledger", "{}/out", "--checkpoint", "{}/none"], "cannot be read as checkpoints"),
        (["verify_ledger", "--checkpoint", "{}/bad"], "line 2: 'two' is no size"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(command: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("khata/x\ntwo\nthree\n\n— khata/x AAAAAAAAAA==\n", "utf-8")

    with pytest.raises(CommandError, match=says) as refused:
        call_command(*(word.format(tmp_path) for word in command), stdout=StringIO())

    assert refused.value.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad"]


def test_a_checkpoint_of_another_installation_is_told_as_that(tmp_path: Path) -> None:
    a_signed_book()
    (*_, last) = kept_notes()
    other = tmp_path / "other"
    other.write_text(str(last.note).replace("khata/", "khata/another-"), "utf-8")
    (tmp_path / "book").write_bytes(exported())

    ran = run_alone(tmp_path, tmp_path / "book", "--checkpoint", other)

    assert ran.returncode == 1
    assert "is of another installation, khata/another-" in ran.stdout


def of_others(note: Note) -> list[Note]:
    """Checkpoints of other installations, as large as this one."""
    return [
        note._replace(checkpoint=Checkpoint(f"khata/another-{n}", note.checkpoint.size, bytes(32))) for n in range(9)
    ]


def spoilt(note: Note, size: int) -> Note:
    """One that says something else than what was signed."""
    checkpoint = note.checkpoint._replace(root=bytes(32), size=size)
    return note._replace(checkpoint=checkpoint, text=str(checkpoint))


def test_a_checkpoint_of_another_installation_accuses_no_page_whatever_its_size() -> None:
    one, *_ = a_signed_book()
    for mine in kept_notes():
        others = [Signed(note, "other") for note in of_others(mine.note)]
        for content in (exported(one), exported(), a_proof()):
            told = said(checked(content, *others))
            assert (len(told), [says for says in told if "is of another installation" not in says]) == (9, [])


@pytest.mark.parametrize("how", ["another installation", "a false signature"])
def test_a_checkpoint_in_the_file_that_is_not_of_this_tree_is_told_and_leads_nowhere(how: str) -> None:
    one, *_ = a_signed_book()
    (*_, last) = kept_notes()
    more = last.note.checkpoint.size + 1
    checkpoint = last.note.checkpoint._replace(origin="khata/another", size=more)
    put_in = spoilt(last.note, more)
    if how == "another installation":
        put_in = last.note._replace(checkpoint=checkpoint, text=str(checkpoint))
    for content in (exported(one), exported(), a_proof()):
        at = content.index(b'["place"')
        (says,) = said(checked(content[:at] + lines.line("checkpoint", put_in) + content[at:], last))
        assert re.search("is of another installation|the signature of .* does not fit", says)


def test_a_checkpoint_that_was_changed_is_told_as_that_and_accuses_no_page() -> None:
    one, *_ = a_signed_book()
    for mine in kept_notes():
        for content in (exported(one), exported(), a_proof(mine)):
            (says,) = said(checked(content, mine, Signed(spoilt(mine.note, mine.note.checkpoint.size), "kept")))
            assert says.endswith("does not fit: the checkpoint was changed")


def test_a_proof_whose_one_checkpoint_was_changed_is_told_with_its_name() -> None:
    a_signed_book()
    content = a_proof()
    note = next(line for line in content.splitlines(keepends=True) if line.startswith(b'["checkpoint"'))
    false = lines.line("checkpoint", spoilt(kept_notes()[-1].note, kept_notes()[-1].note.checkpoint.size))

    found = checked(content.replace(note, false))

    assert (found.above, [says.endswith("the checkpoint was changed") for says in said(found)]) == (found.pages, [True])


@pytest.mark.parametrize("command", [["prove", "ORDER", "{}/out"], ["export_ledger", "{}/out"], ["verify_ledger"]])
def test_a_checkpoint_of_another_installation_is_refused_by_every_command(command: list[str], tmp_path: Path) -> None:
    a_signed_book()
    (*_, last) = kept_notes()
    other = tmp_path / "other"
    other.write_text(str(last.note).replace("khata/", "khata/another-"), "utf-8")
    words = [word.format(tmp_path).replace("ORDER", an_order().groww_order_id) for word in command]
    events = Event.objects.count()

    with pytest.raises(CommandError, match="line 1 is a checkpoint of another installation, khata/another-") as refused:
        call_command(*words, "--checkpoint", str(other), stdout=StringIO())

    assert (refused.value.returncode, Event.objects.count()) == (2, events)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize(("name", "says"), [("none", "there is no such file"), ("", "this is a folder"),
                                            ("utf16", "this is no text in UTF-8")])  # fmt: skip
def test_a_file_that_cannot_be_read_is_told_in_words_for_a_person(name: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "utf16").write_text("khata", "utf-16")
    (tmp_path / "book").write_bytes(exported())
    path = tmp_path / name

    with pytest.raises(CommandError, match=f"cannot be read as checkpoints: {says}"):
        call_command("verify_ledger", "--checkpoint", str(path), stdout=StringIO())
    for words in (["book", "--checkpoint", path], ["book", "--key", path], [path])[: 2 if name == "utf16" else 3]:
        ran = run_alone(tmp_path, *words)
        assert (ran.returncode, ran.stderr.startswith(f"{path}: {says}")) == (2, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "line 1"),
        (b"PK\x03\x04\xff", "line 1"),
        (b'["khata-export","2","x",""]\n', "later version"),
        (b'["khata-export","1","x",""]\r\n["end","0","0"]\r\n', "the ends of its lines were changed on the way"),
        ('["khata-export","1","x",""]\n'.encode("utf-16"), "its encoding or the ends"),
        (b'\xef\xbb\xbf["khata-export","1","x",""]\n', "its encoding or the ends"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_exit_code_2(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)

    ran = run_alone(tmp_path, tmp_path / "file")

    assert (ran.returncode, says in ran.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--checkpoint", "--key"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"PK"])
def test_what_is_given_beside_the_file_is_refused_by_its_own_name(option: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    (tmp_path / "book").write_bytes(b"")

    ran = run_alone(tmp_path, tmp_path / "book", option, tmp_path / "other")

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"{tmp_path / 'other'}: ")
