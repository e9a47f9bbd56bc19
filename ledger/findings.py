"""What a verification finds, and how one page, one chain and one checkpoint are judged. Reads nothing itself.

Every finding is a value that names its place; none ends the verification.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from . import merkle
from .canonical import SYNC_BATCH
from .checkpoint import Key, Note
from .page import FIRST_PREVIOUS, Entry, Page, page_hash

TREE, CHECKPOINTS, PAGES = "ledger_tree", "checkpoints", "ledger_pages"
INSTALLATION = "of the installation"  # what all accounts share, such as prices


def plain(text: str) -> str:
    """On one line, and without what moves a terminal's cursor: a file that is checked can hold anything."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class Finding(NamedTuple):
    """`account`: its id, as commands take it. Empty values: not of one account, page, table, row."""

    says: str
    account: str = ""
    page: int = 0
    table: str = ""
    row: str = ""
    line: int = 0  # of an export

    def __str__(self) -> str:
        line, page = f"line {self.line}" if self.line else "", f"page {self.page}" if self.page else ""
        row = " ".join(filter(None, (self.table, self.row)))
        place = [line, self.account and f"account {self.account}", page, row]
        return plain(f"{', '.join(filter(None, place))}: {self.says}" if any(place) else self.says)


class Sealed(NamedTuple):
    """A page as it is stored, beside what its batch's rows come to now.

    `header`: the digest of the batch as it is now, None when the batch is gone. `changed`: entries that no longer fit
    the leaf beside them.
    """

    page: Page
    batch_id: str
    header: bytes | None
    entries: Sequence[tuple[str, str, bytes]]
    changed: Sequence[Entry]


def judge_page(sealed: Sealed, account: str) -> Iterator[Finding]:
    page = sealed.page
    yield from _judge_rows(sealed, account)
    if sealed.header is None:
        yield Finding("the batch of this page is gone", account, page.number, SYNC_BATCH.name, sealed.batch_id)
    elif sealed.header != page.header_digest:
        says = "the record of the batch was changed after it was closed"
        yield Finding(says, account, page.number, SYNC_BATCH.name, sealed.batch_id)
    if page_hash(*page[:-1]) != page.hash:
        yield Finding("the page itself was changed", account, page.number, PAGES)


def _judge_rows(sealed: Sealed, account: str) -> Iterator[Finding]:
    page, entries = sealed.page, sorted(sealed.entries)
    is_whole = merkle.root([leaf for _, _, leaf in entries]) == page.root and len(entries) == page.entries_count
    says = "the leaf beside the row was changed; the row is as it was sealed"
    if not is_whole:
        says = "the row was changed after it was recorded"
    for entry in sealed.changed:
        yield Finding(says, account, page.number, entry.schema, entry.row_id)
    missing = page.entries_count - len(entries)
    if missing > 0:
        yield Finding(f"{missing} of the {page.entries_count} rows that it sealed are gone", account, page.number)
    elif missing < 0:
        yield Finding(f"{-missing} rows are there that it never sealed", account, page.number, PAGES)
    elif not is_whole and not sealed.changed:
        says = "its rows are not those that it sealed, though each fits its leaf: rows were put in place of others"
        yield Finding(says, account, page.number)


class Chain:
    """The pages of one head, one after the other."""

    def __init__(self, account: str) -> None:
        self.account, self.number, self.hash = account, 0, FIRST_PREVIOUS

    def follow(self, number: int, previous: bytes, hash_: bytes) -> Iterator[Finding]:
        """What is wrong with this page as the next one. The chain goes on from it in any case."""
        if number > self.number + 1:
            gone = f"{self.number + 1}" if number == self.number + 2 else f"{self.number + 1} to {number - 1}"
            yield Finding(f"page {gone} of the chain is gone", self.account, number, PAGES)
        elif number <= self.number:
            yield Finding("the number of this page is there twice", self.account, number, PAGES)
        elif previous != self.hash:
            yield Finding(
                "it does not follow the page before it: one of the two was replaced", self.account, number, PAGES
            )
        self.number, self.hash = number, hash_


class Signed(NamedTuple):
    """A checkpoint and where it was found: a file, or the table."""

    note: Note
    where: str


def judge_checkpoints(
    found: Iterable[Signed], origin: str, key: Key | None, size: int, roots: dict[int, bytes]
) -> tuple[list[Finding], int]:
    """Holds the tree, of this size, against what was signed. `roots`: its root at each size that is asked for. Returns
    what does not fit, and the size of the last checkpoint that does."""
    findings, fitting = held_against(found, origin, key, size, roots, "it was rolled back to an older state")
    return findings, last_size(fitting)


def last_size(fitting: Sequence[Signed]) -> int:
    return fitting[-1].note.checkpoint.size if fitting else 0


def held_against(
    found: Iterable[Signed], origin: str, key: Key | None, size: int, roots: dict[int, bytes], older: str
) -> tuple[list[Finding], list[Signed]]:
    """The same, with every checkpoint that fits, the smallest first: signed by the key, where there is one, and of this
    very tree. `older`: what it means that the tree is smaller than one; "" where that need not be said."""
    findings: list[Finding] = []
    fitting: list[Signed] = []
    for one in sorted(found, key=lambda one: one.note.checkpoint.size):
        note, where = one
        checkpoint = note.checkpoint
        place = f"the checkpoint of {checkpoint.size} pages ({where}, line {note.line})"
        if checkpoint.origin != origin:
            says = f"{place} is of another installation, {checkpoint.origin}; this is {origin}"
            findings.append(Finding(says, table=CHECKPOINTS))
            continue
        is_signed = not key or note.signed_by(key)
        if key and not is_signed:
            findings.append(_unsigned(note, key, place))
        if is_signed is False:  # what it says was made up, and accuses nobody
            continue
        if checkpoint.size > size:
            says = f"{place} was signed, and here are only {size}: {older}"
            findings += [Finding(says, table=TREE)] if older else []
        elif checkpoint.size in roots and roots[checkpoint.size] != checkpoint.root:
            span = f"{last_size(fitting) + 1} to {checkpoint.size}"
            says = f"the tree is not the one of {place}: pages at positions {span} were rewritten"
            findings.append(Finding(says, table=TREE))
        elif checkpoint.size in roots and is_signed:
            fitting.append(one)
    return findings, fitting


def _unsigned(note: Note, key: Key, place: str) -> Finding:
    if note.signed_by(key) is None:
        ids = [one.key_id for one in note.signatures]
        named = ", ".join(each.hex() for each in ids)
        says = (
            f"{place} was signed with the key {named}, and the key is now {key.id.hex()}: the signing key was replaced"
        )
        if key.id in ids:
            signer = note.signatures[ids.index(key.id)].name
            says = f"{place} is signed in the name of {signer}, and this is the key of {key.name}: it was changed"
        return Finding(says, table=CHECKPOINTS)
    return Finding(f"the signature of {place} does not fit: the checkpoint was changed", table=CHECKPOINTS)


def digest(canonical: bytes) -> bytes:
    """SHA-256 of a row without a leaf: a batch, as its page has it."""
    return sha256(canonical).digest()
