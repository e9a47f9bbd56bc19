"""A file that was made to mislead ends no check in a traceback, and prints nothing that passes for the words of it."""

import json
from pathlib import Path

import pytest

from ledger.findings import Finding
from portfolio.proof import signing
from tests.proof.test_leaving import a_proof, a_signed_book, checked, exported, kept_notes, run_alone, said

pytestmark = pytest.mark.database

CLAIM = "All as it was sealed."


def forged(proof: bytes, line: int, word: int, text: str) -> bytes:
    """The proof with another word in one of its lines."""
    lines = proof.split(b"\n")
    words = json.loads(lines[line - 1])
    words[word] = text
    lines[line - 1] = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
    return b"\n".join(lines)


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 19, "", "two", "-1"])
def test_a_version_whose_number_is_none_is_told_with_its_line(number: str) -> None:
    a_signed_book()
    proof = a_proof()
    at = proof.split(b"\n").index(next(line for line in proof.split(b"\n") if line.startswith(b'["order_history"'))) + 1

    assert f"line {at - 3}: this version is damaged: it has no number" in said(checked(forged(proof, at, 6, number)))


@pytest.mark.parametrize(("kind", "word"), [("proof", 2), ("export", 2), ("account", 3)])
def test_what_a_file_says_of_itself_is_printed_on_one_line_and_moves_no_cursor(
    kind: str, word: int, tmp_path: Path
) -> None:
    account, *_ = a_signed_book()
    content = a_proof() if kind == "proof" else exported(*[account][: kind == "account"])
    title = json.loads(content.split(b"\n")[0])[word]
    (tmp_path / "file").write_bytes(forged(content, 1, word, f"{title}\n{CLAIM}\n\x1b[8m\u202e\x9b8m"))
    (tmp_path / "kept").write_text(str(kept_notes()[-1].note), "utf-8")

    ran = run_alone(tmp_path, tmp_path / "file", "--checkpoint", tmp_path / "kept")

    assert (ran.returncode, ran.stderr, CLAIM in ran.stdout.splitlines()) == (1, "", False)
    assert rf"{title}\n{CLAIM}\n\x1b[8m\u202e\x9b8m" in ran.stdout
    assert all(line.isprintable() for line in ran.stdout.splitlines())


def test_a_finding_is_one_line_whatever_it_names() -> None:
    assert str(Finding("it was changed", table="prices", row="\x1b[2J\n1")) == r"prices \x1b[2J\n1: it was changed"


def test_a_checkpoint_that_bears_another_name_is_not_said_to_be_of_another_key() -> None:
    a_signed_book()
    (*_, last) = kept_notes()
    (signature,) = last.note.signatures
    other = last._replace(note=last.note._replace(signatures=(signature._replace(name="khata/x"),)))

    key = signing.public_key()
    assert key
    place = f"the checkpoint of {last.note.checkpoint.size} pages (kept, line {last.note.line})"
    says = f"{place} is signed in the name of khata/x, and this is the key of {key.name}: it was changed"
    assert f"checkpoints: {says}" in said(checked(a_proof(), other))
