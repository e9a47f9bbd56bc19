"""Works the whole book out again from its typed rows, and names everything that is not as it was sealed.

All of it is read at one moment, in stretches, so that it takes little memory however large the book is. Nothing is
repaired. What stands above the last checkpoint that somebody kept elsewhere can have been rewritten as a whole: that
is said, not found.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import connection
from django.db.models import Exists, Min, OuterRef, Sum

from ledger import merkle
from ledger.canonical import BOOK, SYNC_BATCH
from ledger.checkpoint import Key, Note, read_notes
from ledger.errors import BadCheckpoint
from ledger.findings import (
    CHECKPOINTS,
    PAGES,
    TREE,
    Chain,
    Finding,
    Sealed,
    Signed,
    digest,
    judge_checkpoints,
    judge_page,
)  # fmt: skip
from ledger.page import Entry, Page

from .. import guards, privileges
from ..keys import KeyTrouble
from ..models import AccountHead, Checkpoint, LedgerPage, LedgerTree, RawBody
from ..sync.bulk import schema
from . import reading, signing, tree
from .reading import Stretch
from .scope import Scope

STORED_PAGE = schema(
    PAGES, 1, "id:uuid head_id:uuid sync_batch_id:uuid number:integer entries_count:integer root:digest "
    "header_digest:digest previous_hash:digest hash:digest",
)  # fmt: skip


@dataclass
class Verified:
    """What was looked at, and what was found."""

    rows: int = 0
    pages: int = 0
    positions: int = 0
    checkpoints: int = 0
    last_checkpoint: int = 0  # pages that the last one that fits covers
    above: int = 0  # pages that no checkpoint covers
    findings: list[Finding] = field(default_factory=list)


Progress = Callable[[int, int], None]  # rows done, of how many


def verify(
    kept: Iterable[Signed] = (), account: AccountHead | None = None, since: date | None = None,
    progress: Progress = lambda done, total: None,
) -> Verified:  # fmt: skip
    """`kept`: checkpoints that somebody kept elsewhere. Only the pages of one head, or of batches opened since a day,
    where that is wanted."""
    with _one_moment() as (filed, trouble):
        return _Verification(filed, list(kept), Scope(account, since), progress).run(trouble)


@contextmanager
def _one_moment() -> Iterator[tuple[list[Signed], list[Finding]]]:
    """The book and the file of checkpoints as they are at one moment: nothing is signed between the two readings.
    Yields what the file has, and what is wrong with it."""
    filed: list[Signed] = []
    trouble: list[Finding] = []
    with ExitStack() as moment, ExitStack() as unsigned:
        try:
            file = unsigned.enter_context(signing.checkpoint_file())
            filed += [Signed(note, str(file.path)) for note in file.notes()]
        except KeyTrouble as error:
            trouble.append(Finding(str(error), table=CHECKPOINTS))
        moment.enter_context(reading.one_moment())
        tree.size()  # the moment is that of the first reading
        unsigned.close()
        yield filed, trouble


class _Verification:
    def __init__(self, filed: list[Signed], kept: list[Signed], scope: Scope, progress: Progress) -> None:
        self.filed, self.kept, self.scope, self.progress = filed, kept, scope, progress
        self.found = Verified()
        heads = AccountHead.objects.values_list("pk", "account_id")
        self.accounts = {str(head): str(account or "of the installation") for head, account in heads}

    def run(self, trouble: list[Finding]) -> Verified:
        self._note(trouble)
        self._note(Finding(problem) for problem in guards.problems(connection))
        self._note(Finding(problem) for problem in privileges.problems(connection))
        self._note(self._chains())
        self._rows()
        self._note(self._bodies())
        self._tree()
        return self.found

    def _note(self, findings: Iterable[Finding]) -> None:
        self.found.findings += findings

    def _chains(self) -> Iterator[Finding]:
        """Each head's pages follow one another, and its last one is the one that the head remembers."""
        heads = AccountHead.objects.values_list("pk", "page_number", "page_hash")
        ends = {str(pk): (number, bytes(hash_)) for pk, number, hash_ in heads}
        pages = self.scope.pages().order_by("head_id", "number")
        columns = pages.values_list(
            "head_id", "number", "previous_hash", "hash", "place__position", "place__page_hash"
        ).iterator()
        for head, links in groupby(columns, key=itemgetter(0)):
            chain = Chain(self.accounts.get(str(head), str(head)))
            yield from self._followed(chain, links)
            end = ends.pop(str(head), (0, b""))
            if (chain.number, chain.hash) != end:
                says = f"the last page is {chain.number}, and the head says {end[0]}: pages were cut off or added"
                yield Finding(says, chain.account, chain.number, PAGES)
        for head_id, (count, _) in ends.items() if self.scope.is_whole else ():
            if count:
                yield Finding(f"all of its {count} pages are gone", self.accounts[head_id], table=PAGES)

    def _followed(self, chain: Chain, links: Iterable[tuple[Any, ...]]) -> Iterator[Finding]:
        """The pages of one head, in their order, and their places in the tree."""
        unplaced = 0
        for nth, (_, number, previous, hash_, position, placed) in enumerate(links):
            if self.scope.since and not nth:
                chain.number, chain.hash = number - 1, bytes(previous)
            yield from chain.follow(number, bytes(previous), bytes(hash_))
            if position is None:
                unplaced = unplaced or number
            elif bytes(placed) != bytes(hash_):
                says = "the page is not the one that was placed at this position of the tree"
                yield Finding(says, chain.account, number, TREE, str(position))
            elif unplaced:
                says = "its place in the tree is gone, though a later page has its own"
                yield Finding(says, chain.account, unplaced, TREE)
                unplaced = 0

    def _rows(self) -> None:
        total = self.scope.pages().aggregate(rows=Sum("entries_count"))["rows"] or 0
        for stretch in self.scope.stretches():
            self._note(self._stretch(stretch))
            self.progress(self.found.rows, total)

    def _stretch(self, stretch: Stretch) -> Iterator[Finding]:
        entries: dict[str, list[tuple[str, str, bytes]]] = defaultdict(list)
        changed: dict[str, list[Entry]] = defaultdict(list)
        for table in BOOK.values():
            name, count = table.name, 0
            for batch, row_id, canonical, stored in reading.read(table, stretch):
                leaf = sha256(b"\0" + canonical).digest()
                entries[batch].append((name, row_id, leaf))
                count += 1
                if leaf.hex() != stored:
                    changed[batch].append(Entry(name, row_id, leaf))
            self.found.rows += count
        batches = {row_id: canonical for _, row_id, canonical, _ in reading.read(SYNC_BATCH, stretch)}
        for batch, _, canonical, _ in reading.read(STORED_PAGE, stretch):
            page = _page(reading.plain(canonical))
            header = digest(batches.pop(batch)) if batch in batches else None
            sealed = Sealed(page, batch, header, entries.pop(batch, []), changed.pop(batch, []))
            self.found.pages += 1
            yield from judge_page(sealed, self.accounts.get(page.head_id, page.head_id))
        yield from _unsealed(entries, changed, batches)

    def _bodies(self) -> Iterator[Finding]:
        """Raw replies: what is stored encrypted is what the reply's leaf has the digest of."""
        bodies = RawBody.objects.all()
        if self.scope.account:
            bodies = bodies.filter(reply__broker_account=self.scope.account.account_id)
        if self.scope.since:
            bodies = bodies.filter(reply__batch__page__in=self.scope.pages())
        columns = bodies.values_list("pk", "ciphertext", "reply__ciphertext_digest", "reply__broker_account_id")
        for reply, ciphertext, expected, account in columns.iterator(chunk_size=500):
            if expected is None or sha256(bytes(ciphertext)).digest() != bytes(expected):
                yield Finding("the body of this reply was changed", str(account or ""), 0, "raw_bodies", str(reply))

    def _tree(self) -> None:
        stored = [Signed(note, "table checkpoints") for note in self._stored_notes()]
        self._note(_differences(stored, self.filed))
        everything = [*stored, *self.filed, *self.kept]
        sizes = {one.note.checkpoint.size for one in everything}
        size, roots = self._walk(sizes)
        judged, self.found.last_checkpoint = judge_checkpoints(everything, signing.origin(), self._key(), size, roots)
        self._note(judged)
        self.found.checkpoints = len(everything)
        self.found.above = LedgerPage.objects.count() - self.found.last_checkpoint

    def _walk(self, sizes: set[int]) -> tuple[int, dict[int, bytes]]:
        """Every leaf in its order. Returns the size, and the root at each of these sizes."""
        first = self._first_position()
        below = max((at for at in sizes if at < first), default=0)  # the last one that is not worked out again
        try:
            growing, roots = _grown_to(first - 1), {below: merkle.root_at(below, tree.stored_nodes())}
        except tree.Gap:  # from the beginning on it is named, with every other
            first, growing, roots = 1, merkle.Growing(), {0: merkle.EMPTY_ROOT}
        rows = LedgerTree.objects.filter(position__gte=first).order_by("position")
        for position, page_hash, nodes in rows.values_list("position", "page_hash", "nodes").iterator():
            while growing.size + 1 < position:
                self._note([Finding("this position of the tree is gone", table=TREE, row=str(growing.size + 1))])
                growing.append(merkle.leaf_hash(b""))
            if b"".join(growing.append(merkle.leaf_hash(bytes(page_hash)))) != bytes(nodes):
                self._note([Finding("the nodes of the tree were changed here", table=TREE, row=str(position))])
            if position in sizes:
                roots[position] = growing.root()
            self.found.positions += 1
        pages = LedgerPage.objects.filter(pk=OuterRef("page_id"))
        for position in rows.exclude(Exists(pages)).values_list("position", flat=True):
            self._note([Finding("the page that was placed here is gone", table=TREE, row=str(position))])
        return growing.size, roots

    def _first_position(self) -> int:
        if self.scope.is_whole:
            return 1
        return self.scope.pages().aggregate(first=Min("place__position"))["first"] or tree.size() + 1

    def _stored_notes(self) -> Iterator[Note]:
        for row, text in Checkpoint.objects.order_by("size", "signed_at").values_list("pk", "note"):
            try:
                yield from read_notes(text)
            except BadCheckpoint as error:
                self._note([Finding(f"it cannot be read: {error}", table=CHECKPOINTS, row=str(row))])

    def _key(self) -> Key | None:
        try:
            return signing.public_key()
        except KeyTrouble as error:
            self._note([Finding(str(error), table=CHECKPOINTS)])
            return None


def _grown_to(size: int) -> merkle.Growing:
    node = tree.stored_nodes()
    return merkle.Growing(size, [node(*name) for name in merkle.peaks(size)])


def _page(fields: list[str | None]) -> Page:
    _, head, _, number, count, *hashes = map(str, fields)
    return Page(head, int(number), int(count), *map(bytes.fromhex, hashes))


def _unsealed(
    entries: Mapping[str, Sequence[Any]], changed: Mapping[str, Sequence[Entry]], batches: Mapping[str, bytes]
) -> Iterator[Finding]:
    """What belongs to no page: rows of a batch that is still open may, and nothing else."""
    still_open = {batch for batch, canonical in batches.items() if reading.plain(canonical)[4] == "STARTED"}
    for batch, rows in entries.items():
        if batch not in still_open:
            for table, row_id, _ in rows:
                yield Finding("no page ever sealed this row: it was put in afterwards", table=table, row=row_id)
    for batch in still_open:
        for entry in changed.get(batch, ()):
            yield Finding("the row was changed after it was recorded", table=entry.schema, row=entry.row_id)
    for batch in batches.keys() - still_open:
        yield Finding("the page of this batch is gone", table=SYNC_BATCH.name, row=batch)


def _differences(stored: Sequence[Signed], filed: Sequence[Signed]) -> Iterator[Finding]:
    """The table and the file have the same checkpoints; only the file's last one may be ahead, after a crash."""
    in_table, in_file = {str(one.note) for one in stored}, {str(one.note) for one in filed}
    for one in stored:
        if str(one.note) not in in_file:
            says = f"the file of checkpoints lacks the one of {one.note.checkpoint.size} pages that the table has"
            yield Finding(says, table=CHECKPOINTS)
    for one in filed[:-1]:
        if str(one.note) not in in_table:
            size, line = one.note.checkpoint.size, one.note.line
            yield Finding(
                f"the table lacks the checkpoint of {size} pages in line {line} of the file", table=CHECKPOINTS
            )
