"""Works the whole book out again from its typed rows, and names everything that is not as it was sealed.

All of it is read at one moment, in stretches, so that it takes little memory however large the book is. Nothing is
repaired. What stands above the last checkpoint that somebody kept elsewhere can have been rewritten as a whole: that
is said, not found.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, Min, OuterRef, Sum

from ledger import merkle
from ledger.canonical import BOOK, SYNC_BATCH
from ledger.checkpoint import Key, Note, read_notes
from ledger.errors import BadCheckpoint
from ledger.findings import CHECKPOINTS, INSTALLATION, PAGES, TREE, Chain, Finding, Signed, judge_checkpoints

from .. import clock, guards, privileges
from ..keys import KeyTrouble
from ..models import AccountHead, Checkpoint, LedgerPage, LedgerTree
from . import encrypted, kinds, pages, reading, signing, times, tree
from .encrypted import as_stored
from .scope import Scope
from .verified import Verified

Progress = Callable[[int, int], None]  # rows done, of how many


def verify(
    kept: Iterable[Signed] = (), account: AccountHead | None = None, since: date | None = None,
    progress: Progress = lambda done, total: None,
) -> Verified:  # fmt: skip
    """`kept`: checkpoints that somebody kept elsewhere. Only the pages of one head, or of batches opened since a day,
    where that is wanted."""
    if foreign := kinds.problems():
        told = (one._replace(says=f"{one.says}; nothing else was verified") for one in foreign)
        return Verified(findings=[*told, *_protection()])
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


def _protection() -> Iterator[Finding]:
    """What guards and privileges are not as they must be."""
    yield from (Finding(problem) for problem in guards.problems(connection))
    yield from (Finding(problem) for problem in privileges.problems(connection))


class _Head(NamedTuple):
    """What the head of an account remembers of its pages: the last one, and up to which they are in the tree."""

    pk: Any
    placed_number: int
    page_number: int
    page_hash: bytes


class _Verification:
    def __init__(self, filed: list[Signed], kept: list[Signed], scope: Scope, progress: Progress) -> None:
        self.filed, self.kept, self.scope, self.progress = filed, kept, scope, progress
        self.found = Verified()
        heads = AccountHead.objects.values_list("pk", "account_id")
        self.accounts = {str(head): str(account or INSTALLATION) for head, account in heads}

    def run(self, trouble: list[Finding]) -> Verified:
        self._note(trouble)
        self.is_file_read = not trouble
        self._note(_protection())
        self._note(self._chains())
        self._rows()
        self._note(encrypted.judge(self.scope))
        self._tree()
        if self.scope.is_whole:
            self._note(times.judge(self.accounts, clock.now()))
            self._note(self._hidden())
        return self.found

    def _note(self, findings: Iterable[Finding]) -> None:
        self.found.findings += findings

    def _chains(self) -> Iterator[Finding]:
        """Each head's pages follow one another, and its last one is the one that the head remembers."""
        columns = as_stored("id"), "pk", "placed_number", "page_number", "page_hash"
        heads = {stored: _Head(*rest) for stored, *rest in AccountHead.objects.values_list(*columns)}
        pages = self.scope.pages().order_by("head_id", "number")
        links = pages.values_list(
            as_stored("head_id"), "number", "previous_hash", "hash", "place__position", "place__page_hash"
        ).iterator()
        for stored, mine in groupby(links, key=itemgetter(0)):
            head = heads.pop(stored, None)
            chain = Chain(self.accounts[str(head.pk)] if head else encrypted.id_text(stored))
            yield from self._followed(chain, mine, head)
            yield from _judge_end(chain, head)
        for head in heads.values() if self.scope.is_whole else ():
            if head.page_number:
                says = f"all of its {head.page_number} pages are gone"
                yield Finding(says, self.accounts[str(head.pk)], table=PAGES)

    def _followed(self, chain: Chain, links: Iterable[tuple[Any, ...]], head: _Head | None) -> Iterator[Finding]:
        """The pages of one head, in their order, and their places in the tree: those have one that the head says."""
        told: set[bool] = set()
        for nth, (_, number, previous, hash_, position, placed) in enumerate(links):
            if self.scope.since and not nth:
                chain.number, chain.hash = number - 1, bytes(previous)
            yield from chain.follow(number, bytes(previous), bytes(hash_))
            if position is not None and bytes(placed) != bytes(hash_):
                says = "the page is not the one that was placed at this position of the tree"
                yield Finding(says, chain.account, number, TREE, str(position))
            has_place = position is not None
            if head and has_place != (number <= head.placed_number) and has_place not in told:
                told.add(has_place)
                yield Finding(_misplaced(has_place, head.placed_number), chain.account, number, TREE)

    def _rows(self) -> None:
        total = self.scope.pages().aggregate(rows=Sum("entries_count"))["rows"] or 0
        for stretch in self.scope.stretches():
            self._note(pages.judge(stretch, self.accounts, self.found))
            self.progress(self.found.rows, total)

    def _hidden(self) -> Iterator[Finding]:
        """Rows are read by the index on their batches: one that was kept out of it stands there for whoever reads by
        another."""
        for table in (*BOOK, SYNC_BATCH.name, PAGES):
            stand, read = reading.count(table), self.found.tables[table]
            if stand != read:
                says = f"{stand} rows stand here, and its index on batches leads to {read}: the index was changed"
                yield Finding(f"{says}. REINDEX the table, and verify again", table=table)

    def _tree(self) -> None:
        stored = [Signed(note, "table checkpoints") for note in self._stored_notes()]
        if self.is_file_read:
            self._note(_differences(stored, self.filed))
        everything = [*stored, *self.filed, *self.kept]
        sizes = {one.note.checkpoint.size for one in everything}
        size, roots = self._walk(sizes)
        judged, self.found.last_checkpoint = judge_checkpoints(everything, signing.origin(), self._key(), size, roots)
        self._note(judged)
        self.found.checkpoints = len({str(one.note) for one in everything})
        self.found.above = max(LedgerPage.objects.count() - self.found.last_checkpoint, 0)

    def _walk(self, sizes: set[int]) -> tuple[int, dict[int, bytes]]:
        """Every leaf in its order. Returns the size, and the root at each of these sizes."""
        first = self._first_position()
        below = max((at for at in sizes if at < first), default=0)  # the last one that is not worked out again
        try:
            growing, roots = _grown_to(first - 1), {below: merkle.root_at(below, tree.stored_nodes())}
        except tree.Gap:  # from the beginning on it is named, with every other
            first, growing, roots = 1, merkle.Growing(), {0: merkle.EMPTY_ROOT}
        rows = LedgerTree.objects.filter(position__gte=first).order_by("position")
        furthest = first + max(LedgerPage.objects.count(), rows.count())  # one of the two may have been emptied
        for position, page_hash, nodes in rows.values_list("position", "page_hash", "nodes").iterator():
            if position > furthest:
                self._note([Finding("no page was ever placed as far up as this", table=TREE, row=str(position))])
                break
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
        columns = Checkpoint.objects.order_by("size", "signed_at").values_list("pk", "note", "size", "root")
        for row, text, size, root in columns:
            try:
                notes = read_notes(text)
            except BadCheckpoint as error:
                self._note([Finding(f"it cannot be read: {error}", table=CHECKPOINTS, row=str(row))])
                continue
            if not notes:
                self._note([Finding("the checkpoint is gone from its row", table=CHECKPOINTS, row=str(row))])
            elif [(one.checkpoint.size, one.checkpoint.root) for one in notes] != [(size, bytes(root))]:
                says = f"size and root beside the checkpoint of {notes[0].checkpoint.size} pages are not those it has"
                self._note([Finding(says, table=CHECKPOINTS, row=str(row))])
            yield from notes

    def _key(self) -> Key | None:
        try:
            return signing.public_key()
        except KeyTrouble as error:
            self._note([Finding(str(error), table=CHECKPOINTS)])
            return None


def _judge_end(chain: Chain, head: _Head | None) -> Iterator[Finding]:
    """The last page is the one that the head remembers."""
    if head is None:
        says = "the head of this page, and of those before it, is gone"
    elif chain.number != head.page_number:
        says = f"the last page is {chain.number}, and the head says {head.page_number}: pages were cut off or added"
    elif chain.hash != bytes(head.page_hash):
        says = "the head has another hash of its last page: one of the two was changed"
    else:
        return
    yield Finding(says, chain.account, chain.number, PAGES)


def _misplaced(has_place: bool, placed_number: int) -> str:
    if has_place:
        return f"it has its place in the tree, and the head says that only pages up to {placed_number} have one"
    return f"it has no place in the tree and is not signed, and the head says that pages up to {placed_number} have one"


def _grown_to(size: int) -> merkle.Growing:
    node = tree.stored_nodes()
    return merkle.Growing(size, [node(*name) for name in merkle.peaks(size)])


def _differences(stored: Sequence[Signed], filed: Sequence[Signed]) -> Iterator[Finding]:
    """The table and the file have the same checkpoints; only the file's last one may be ahead, after a crash."""
    in_table, in_file = {str(one.note) for one in stored}, {str(one.note) for one in filed}
    if lost := [one.note.checkpoint.size for one in stored if str(one.note) not in in_file]:
        which = f"the one of {lost[0]} pages" if len(lost) == 1 else f"{len(lost)}, of {lost[0]} to {lost[-1]} pages,"
        says = f"the file of checkpoints lacks {which} that the table has: put it back from your copy of the keys"
        yield Finding(says, table=CHECKPOINTS)
    for one in filed[:-1]:
        if str(one.note) not in in_table:
            size, line = one.note.checkpoint.size, one.note.line
            yield Finding(
                f"the table lacks the checkpoint of {size} pages in line {line} of the file", table=CHECKPOINTS
            )
