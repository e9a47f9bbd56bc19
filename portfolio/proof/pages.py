"""Judges the rows of a stretch against the pages that seal them. Nothing in memory but that stretch."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from ledger import merkle
from ledger.canonical import BOOK, RAW_REPLY, SYNC_BATCH
from ledger.findings import PAGES, Finding, Sealed, digest, judge_page
from ledger.page import Entry, Page

from ..models import SyncBatch
from ..sync.bulk import schema
from . import reading
from .stretch import Rows, Stretch
from .verified import Verified

STORED_PAGE = schema(
    PAGES, 1, "id:uuid head_id:uuid sync_batch_id:uuid number:integer entries_count:integer root:digest "
    "header_digest:digest previous_hash:digest hash:digest",
)  # fmt: skip
_TYPE, _STATUS = map(SYNC_BATCH.columns.index, ("sync_type", "status"))


def judge(stretch: Stretch, accounts: Mapping[str, str], verified: Verified) -> Iterator[Finding]:
    """What is wrong with the pages and rows of a stretch; counts them. `accounts`: what to call each head."""
    entries: dict[str, list[tuple[str, str, bytes]]] = defaultdict(list)
    changed: dict[str, list[Entry]] = defaultdict(list)
    for table in BOOK.values():
        for rows in reading.read(table, stretch):
            leaves = merkle.leaf_hashes(rows.canonical)
            found = zip(repeat(table.name, len(leaves)), rows.ids, leaves, strict=True)
            for batch, entry in zip(rows.batch_ids, found, strict=True):
                entries[batch].append(entry)
            if leaves != rows.leaves:
                _note_changed(changed, table.name, rows, leaves)
            verified.rows += len(leaves)
            verified.tables[table.name] += len(leaves)
    batches = {row_id: canonical for _, row_id, canonical, _ in reading.read_each(SYNC_BATCH, stretch)}
    verified.tables[SYNC_BATCH.name] += len(batches)
    for batch, _, canonical, _ in reading.read_each(STORED_PAGE, stretch):
        page = _page(reading.plain(canonical))
        header = digest(batches.pop(batch)) if batch in batches else None
        sealed = Sealed(page, batch, header, entries.pop(batch, []), changed.pop(batch, []))
        verified.pages += 1
        verified.tables[PAGES] += 1
        yield from judge_page(sealed, accounts.get(page.head_id, page.head_id))
    yield from _unsealed(entries, changed, batches)


def _note_changed(changed: dict[str, list[Entry]], table: str, rows: Rows, leaves: Sequence[bytes]) -> None:
    for batch, row_id, leaf, stored in zip(rows.batch_ids, rows.ids, leaves, rows.leaves, strict=True):
        if leaf != stored:
            changed[batch].append(Entry(table, row_id, leaf))


def _page(fields: list[str | None]) -> Page:
    _, head, _, number, count, *hashes = map(str, fields)
    return Page(head, int(number), int(count), *map(bytes.fromhex, hashes))


def _unsealed(
    entries: Mapping[str, Sequence[Any]], changed: Mapping[str, Sequence[Entry]], batches: Mapping[str, bytes]
) -> Iterator[Finding]:
    """What belongs to no page: a batch that asks a broker may be open, with the replies so far, and nothing else."""
    headers = {batch: reading.plain(canonical) for batch, canonical in batches.items()}
    still_open = {batch for batch, header in headers.items() if header[_STATUS] == SyncBatch.Status.STARTED}
    for batch, rows in entries.items():
        for table, row_id, _ in rows:
            if batch not in still_open:
                yield Finding("no page ever sealed this row: it was put in afterwards", table=table, row=row_id)
            elif table != RAW_REPLY.name:
                says = "no page ever sealed this row: it was put under a batch that is open, which has replies alone"
                yield Finding(says, table=table, row=row_id)
    for batch in still_open:
        for entry in changed.get(batch, ()):
            yield Finding("the row was changed after it was recorded", table=entry.schema, row=entry.row_id)
        if (kind := headers[batch][_TYPE]) not in SyncBatch.ASKED:
            says = f"this batch is open, and one of type {kind} never stands open: it was put in afterwards"
            yield Finding(says, table=SYNC_BATCH.name, row=batch)
    for batch in batches.keys() - still_open:
        yield Finding("the page of this batch is gone", table=SYNC_BATCH.name, row=batch)
