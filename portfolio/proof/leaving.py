"""What leaves the house to be checked without us: the export of a book, and the proof of one order.

Both are in the lines of `ledger.lines`, made at one moment, and hold nothing that the rows themselves do not: no name,
no client id, no reply of a broker. Neither is judged here: whoever gets it does that.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import F

from ledger import canonical, lines, merkle
from ledger.canonical import BOOK, ORDER, SYNC_BATCH, Schema
from ledger.checkpoint import Note, read_notes
from ledger.errors import BadCheckpoint
from ledger.page import PAGE

from ..models import AccountHead, Checkpoint, LedgerPage, OrderVersion
from . import kinds, reading, signing, tree
from .stretch import Stretch

PAGES_AT_ONCE, ROWS_AT_ONCE = 2_000, 20_000
Written = tuple[str, str, bytes, bytes]  # of a row: schema, id, canonical bytes, leaf


class CannotProve(Exception):
    """There is no such order, or what is to leave cannot be proved; the message says what to do."""


class _Placed(NamedTuple):
    """A page with its position; None: not in the tree yet."""

    batch_id: UUID
    head_id: UUID
    number: int
    entries_count: int
    root: bytes
    header_digest: bytes
    previous_hash: bytes
    hash: bytes
    place__position: int | None

    def line(self) -> bytes:
        fields = (self.head_id, self.number, self.entries_count)
        hashes = (kinds.octets(each).hex() for each in (self.root, self.header_digest, self.previous_hash))
        return canonical.encode(PAGE, [*map(str, fields), *hashes]) + b"\n"


def export(account: AccountHead | None = None, kept: Sequence[Note] = (), *, is_all: bool = False) -> Iterator[bytes]:
    """The lines of the whole book, or of one account's, as the last checkpoint covers it; `is_all`: with what lies
    above. `kept`: checkpoints that the reader has, besides ours."""
    with reading.one_moment():
        notes = [note for row in Checkpoint.objects.order_by("size") for note in notes_of(row)]
        last = notes[-1] if notes else None
        yield lines.line(lines.EXPORT, lines.VERSION, signing.origin(), account.account_id if account else "")
        yield from map(lines.schema_line, (*BOOK.values(), SYNC_BATCH, PAGE))
        yield from _key_and_checkpoints(notes)
        if account and last:
            yield from _joins([*notes, *kept], last)
        pages = LedgerPage.objects.filter(head=account) if account else LedgerPage.objects.all()
        if last and not is_all:
            pages = pages.filter(place__position__lte=last.checkpoint.size)
        size = last.checkpoint.size if account and last else 0
        yield from _pages(pages.order_by(F("place__position").asc(nulls_last=True), "head_id", "number"), size)


def notes_of(row: Checkpoint) -> list[Note]:
    """CannotProve for what is none: nothing that is signed holds what leaves."""
    try:
        if notes := read_notes(row.note):
            return notes
        error: object = "it is gone from its row"
    except BadCheckpoint as bad:
        error = bad
    raise CannotProve(f"checkpoints {row.pk}: {error}. Somebody changed the database. Run manage.py verify_ledger.")


def _key_and_checkpoints(notes: Iterable[Note]) -> Iterator[bytes]:
    if key := signing.public_key():
        yield lines.line("key", key)
    for note in notes:
        yield lines.line("checkpoint", note)


def _joins(notes: Iterable[Note], last: Note) -> Iterator[bytes]:
    """What joins each checkpoint to the last one: each is the beginning of it."""
    node, end = tree.stored_nodes(), last.checkpoint.size
    for size in sorted({note.checkpoint.size for note in notes}):
        if size < end:
            yield lines.line("consistent", size, lines.path_text(merkle.consistency_path(size, end, node)))


def _pages(pages: Any, size: int) -> Iterator[bytes]:
    """`size`: of the tree that each page is given its path in; 0, where the reader has the whole of it."""
    node, page_count, row_count = tree.stored_nodes(), 0, 0
    for group in _grouped(map(_Placed._make, pages.values_list(*_Placed._fields).iterator())):
        batches, rows = _written(tuple(str(page.batch_id) for page in group))
        for page in group:
            at = page.place__position or 0
            path = merkle.inclusion_path(at - 1, size, node) if 0 < at <= size else []
            yield lines.line("place", at if at and (at <= size or not size) else "", lines.path_text(path))
            yield page.line()
            yield batches.get(str(page.batch_id), b"[]") + b"\n"
            mine = sorted(rows.get(str(page.batch_id), ()))
            yield from (text + b"\n" for _, _, text, _ in mine)
            yield lines.leaves_line(leaf for *_, leaf in mine)
            page_count, row_count = page_count + 1, row_count + len(mine)
    yield lines.line("end", page_count, row_count)


def _grouped(pages: Iterable[_Placed]) -> Iterator[list[_Placed]]:
    group: list[_Placed] = []
    rows = 0
    for page in pages:
        group.append(page)
        rows += page.entries_count
        if len(group) >= PAGES_AT_ONCE or rows >= ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _written(batches: tuple[str, ...]) -> tuple[dict[str, bytes], dict[str, list[Written]]]:
    """The canonical bytes of these batches, and of the rows of each."""
    stretch, rows = Stretch(batches=batches), defaultdict(list)
    for table in BOOK.values():
        name = table.name
        for batch, row_id, text, leaf in reading.read_each(table, stretch):
            rows[batch].append((name, row_id, text, leaf))
    return {row_id: text for _, row_id, text, _ in reading.read_each(SYNC_BATCH, stretch)}, rows


# One order


def find_order(order_id: str, account: UUID | None = None, day: date | None = None) -> list[OrderVersion]:
    """Every version of one order. CannotProve when there is none, or more than one order of that id."""
    found = OrderVersion.objects.filter(groww_order_id=order_id).select_related("batch__page__place")
    if account:
        found = found.filter(broker_account=account)
    if day:
        found = found.filter(order_date=day)
    versions = list(found.order_by("broker_account", "order_date", "version"))
    orders = [key for key, _ in groupby(versions, key=lambda one: (one.broker_account_id, one.order_date))]
    if not orders:
        raise CannotProve(f"the book has no order {order_id!r} there. Its id is the broker's, as the admin shows it.")
    if len(orders) > 1:
        several = "; ".join(f"--account {account} --date {day}" for account, day in orders[:10])
        raise CannotProve(f"there are {len(orders)} orders {order_id!r}. Say which: {several}")
    return versions


def highest_position(versions: Iterable[OrderVersion]) -> int | None:
    """The place of the last of their pages; None when one has none yet."""
    if any(not hasattr(version.batch, "page") for version in versions):
        raise CannotProve("the page that held it is gone. Run manage.py verify_ledger.")
    places = [getattr(version.batch.page, "place", None) for version in versions]
    return None if None in places else max(place.position for place in places if place)


def prove(versions: Sequence[OrderVersion], note: Note, kept: Sequence[Note] = ()) -> Iterator[bytes]:
    """The lines of the proof that these versions lie below this checkpoint."""
    if highest_position(versions) is None:
        raise CannotProve(
            "its page has no place in the tree, so no checkpoint covers it. Somebody may be writing to its account: "
            "run this again in a minute. Where it stays so, run manage.py verify_ledger."
        )
    size = note.checkpoint.size
    with reading.one_moment():
        node = tree.stored_nodes()
        yield lines.line(lines.PROOF, lines.VERSION, signing.origin())
        yield from _key_and_checkpoints([note])
        yield from _joins(kept, note)
        rows = _rows_of(ORDER, {str(version.batch_id) for version in versions})
        for version in versions:
            page = version.batch.page
            names, leaves = _leaves(version.batch_id)
            if merkle.root(leaves) != bytes(page.root):
                raise CannotProve(f"page {page.number}, which holds it, was changed. Run manage.py verify_ledger.")
            at = page.place.position
            index = names.index((ORDER.name, version.pk.hex))
            yield lines.line("place", at, lines.path_text(merkle.inclusion_path(at - 1, size, node)))
            yield lines.line(lines.IN_PAGE, index, lines.path_text(_path_in(leaves, index)))
            placed = (getattr(page, name) for name in _Placed._fields[:-1])
            yield _Placed._make([*placed, at]).line()
            yield rows[str(version.pk)] + b"\n"
        yield lines.line("end", len(versions), len(versions))


def _rows_of(table: Schema, batches: set[str]) -> dict[str, bytes]:
    return {row_id: text for _, row_id, text, _ in reading.read_each(table, Stretch(batches=tuple(batches)))}


def _leaves(batch: UUID) -> tuple[list[tuple[str, str]], list[bytes]]:
    """Schema and id of each row of a page, in the page's order, and their leaves."""
    select = "SELECT '{0}', id, leaf FROM {0} WHERE sync_batch_id = %s"
    key = batch.hex if connection.vendor == "sqlite" else batch
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(select.format(name) for name in BOOK), [key] * len(BOOK))
        found = sorted((name, UUID(str(row_id)).hex, kinds.octets(leaf)) for name, row_id, leaf in cursor.fetchall())
    return [(name, row_id) for name, row_id, _ in found], [leaf for *_, leaf in found]


def _path_in(leaves: Sequence[bytes], index: int) -> list[bytes]:
    def node(level: int, place: int) -> bytes:
        return merkle.root(leaves[place << level : (place + 1) << level])

    return merkle.inclusion_path(index, len(leaves), node)
