"""How an export or a proof begins: whose it is, which key and checkpoints come with it, and what joins those."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import BinaryIO, NamedTuple

from . import lines, merkle
from .canonical import BOOK, SYNC_BATCH
from .checkpoint import Key, Note, read_key, read_notes
from .errors import BadCheckpoint, BadExport
from .findings import CHECKPOINTS, Finding, Signed
from .page import PAGE, Page

BLOCK_BYTES = 1 << 20
_SCHEMAS = frozenset(map(lines.schema_line, (*BOOK.values(), SYNC_BATCH, PAGE)))
_PAGE_HEAD = f'["{PAGE.name}","{PAGE.version}","'.encode()


class Kept(NamedTuple):
    """What the reader brings along: checkpoints, and the key that must have signed."""

    notes: Sequence[Signed] = ()
    key: Key | None = None


@dataclass
class Checked:
    """What was read, and what is wrong with it. `versions`: of a proof, the rows of the order that it shows."""

    kind: str = lines.EXPORT
    origin: str = ""
    account: str = ""  # whose export it is; "": the whole book's, or a proof
    pages: int = 0
    rows: int = 0
    covered: int = 0  # pages of the installation that the last good checkpoint covers
    covered_by_kept: int = 0  # the same of those that the reader brought along
    above: int = 0  # pages of this file that the last good one does not cover: of the reader's own, where there are any
    is_held_against_kept: bool = False
    versions: list[dict[str, str | None]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Reader:
    """The lines of a file, without their ends, each with its number; some can be put back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._lines, self._at, self._rest = file, list[bytes](), 0, b""
        self.number = 0

    def next(self) -> bytes | None:
        """None at the end of the file."""
        taken = self.take(1)
        return taken[0] if taken else None

    def take(self, count: int) -> list[bytes]:
        """So many lines, or all that are left."""
        while len(self._lines) - self._at < count and self._read():
            pass
        taken = self._lines[self._at : self._at + count]
        self._at += len(taken)
        self.number += len(taken)
        return taken

    def put_back(self, taken: list[bytes]) -> None:
        self._lines, self._at = taken + self._lines[self._at :], 0
        self.number -= len(taken)

    def is_at_end(self) -> bool:
        while self._at == len(self._lines) and self._read():
            pass
        return self._at == len(self._lines)

    def _read(self) -> bool:
        block = self._file.read(BLOCK_BYTES)
        *found, rest = (self._rest + block).split(b"\n")
        if not block and rest:  # a last line without its end
            found, rest = [rest], b""
        self._lines, self._at, self._rest = self._lines[self._at :] + found, 0, rest
        return bool(block or found)


class Preamble:
    """What stands before the first page: who, which key, which checkpoints, and what joins them."""

    def __init__(self, reader: Reader, kept: Kept) -> None:
        self.kind, self.origin, self.account = _title(reader.next() or b"")
        self.key: Key | None = kept.key
        self.notes: list[Signed] = []
        self.joins: dict[int, list[bytes]] = {}
        self.findings: list[Finding] = []
        while (text := reader.next()) is not None and not text.startswith((lines.PLACE, b'["end"')):
            try:
                self._line(*lines.strings_of(text), number=reader.number, is_given=kept.key is not None)
            except (ValueError, TypeError, BadCheckpoint, BadExport) as error:
                why = f": {error}" if isinstance(error, BadCheckpoint | BadExport) else ""
                if not reader.is_at_end():
                    self.findings.append(Finding(f"this line is damaged{why}", line=reader.number))
        reader.put_back([text] if text is not None else [])
        self.last = self._last()

    def _line(self, word: str, *rest: str, number: int, is_given: bool) -> None:
        if word == "key":
            (key,) = rest
            self._take_key(read_key(key), is_given)
        elif word == "checkpoint":
            (notes,) = rest
            self.notes += [Signed(note._replace(line=number), "this file") for note in read_notes(notes)]
        elif word == "consistent":
            size, path = rest
            self.joins[int(size)] = lines.path_of(path)
        elif word == "schema":
            _require_schema(*rest)
        else:
            raise BadExport(f"{word[:40]!r} is not known here")

    def _take_key(self, key: Key, is_given: bool) -> None:
        if not is_given:
            self.key = key
        elif key != self.key:
            says = f"the file names the key {key.id.hex()} and not the one that you gave: the signing key was replaced"
            self.findings.append(Finding(says, table=CHECKPOINTS))

    def is_ours(self, note: Note) -> bool:
        """Whether it can say anything of this tree: not of another installation, and its signature is no false one."""
        return note.checkpoint.origin == self.origin and not (self.key and note.signed_by(self.key) is False)

    def _last(self) -> Note | None:
        """The checkpoint that paths lead to: the largest of ours, before any that another key signed."""
        ours = [one.note for one in self.notes if self.is_ours(one.note)]
        return max(
            ours, key=lambda one: (not self.key or bool(one.signed_by(self.key)), one.checkpoint.size), default=None
        )

    def joined_roots(self, notes: Iterable[Signed]) -> dict[int, bytes]:
        """The root at the size of each checkpoint that this file joins to its last one; an impossible one where the
        proof fails."""
        roots: dict[int, bytes] = {}
        last = self.last
        for checkpoint in {one.note.checkpoint for one in notes if self.is_ours(one.note)}:
            if last and checkpoint.size in self.joins:
                end, path = last.checkpoint, self.joins[checkpoint.size]
                fits = merkle.is_consistent(checkpoint.size, end.size, checkpoint.root, end.root, path)
                roots[checkpoint.size] = checkpoint.root if fits else roots.get(checkpoint.size, b"")
        if last:
            roots[last.checkpoint.size] = last.checkpoint.root
        return roots


def _title(text: bytes) -> tuple[str, str, str]:
    try:
        kind, version, origin, *rest = lines.strings_of(text)
    except ValueError:
        kind, version, origin, rest = "", "", "", []
    if kind not in (lines.EXPORT, lines.PROOF) or version != lines.VERSION:
        raise BadExport("line 1: this is no export of a book and no proof of an order, or of a later version")
    if text + b"\n" != lines.line(kind, version, origin, *rest):
        says = "its encoding or the ends of its lines were changed on the way; take the file as it was written"
        raise BadExport(f"line 1: {says}")
    return kind, origin, rest[0] if rest else ""


def _require_schema(name: str, version: str, fields: str) -> None:
    """They only explain, but whoever reads the rows by them must be able to believe them."""
    if lines.line("schema", name, version, fields) not in _SCHEMAS:
        raise BadExport(f"these are not the fields of {name[:40]!r}, or they are of a later version")


def page_of(text: bytes) -> Page | None:
    """The page that a line of canonical bytes is, with its hash; None when it is none."""
    if not text.startswith(_PAGE_HEAD) or not text.endswith(b'"]'):
        return None
    try:
        head, number, count, *hashes = text[len(_PAGE_HEAD) : -2].decode("ascii").split('","')
        root, header, previous = map(bytes.fromhex, hashes)
        page = Page(head, int(number), int(count), root, header, previous, sha256(text).digest())
    except ValueError:
        return None
    return page if page.entries_count >= 0 else None


def fields_of(text: bytes) -> list[str | None] | None:
    try:
        return lines.words_of(text)[2:]
    except ValueError:
        return None


def name_of(text: bytes) -> tuple[str, str]:
    """Schema and id of a row, as far as they can be read."""
    try:
        schema, _, row_id, *_ = lines.words_of(text)
    except ValueError:
        return "", ""
    return str(schema), str(row_id)
