"""Pages worked out again from the rows in the database, by way of the models: nothing of the sync is used."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models

from ledger import canonical
from ledger.canonical import Schema
from portfolio.models import AccountHead, LedgerPage, SyncBatch

SCALES = {"quantity": 10, "price": 8, "money": 6, "percent": 4}


def model_of(schema: Schema) -> Any:
    """The model of the table that a schema is of."""
    tables = {model._meta.db_table: model for model in apps.get_app_config("portfolio").get_models()}
    return tables[schema.name]


def text(kind: str, value: Any) -> str | None:
    """One value as the canonical form writes it, said again here."""
    if value is None:
        return None
    if isinstance(value, Decimal):
        return f"{value.quantize(Decimal(1).scaleb(-SCALES[kind])):f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def values(schema: Schema, row: models.Model) -> list[str | None]:
    fields = {field.column: field.attname for field in row._meta.concrete_fields}
    return [text(kind, getattr(row, fields[column])) for column, kind in schema.fields]


def leaf(schema: Schema, row: models.Model) -> bytes:
    return sha256(b"\0" + canonical.encode(schema, values(schema, row))).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 as it is written: split at the largest power of two below the size."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def leaves_by_batch() -> dict[UUID, list[bytes]]:
    """Every row of the book, its leaf worked out again and compared with the one beside it."""
    found = defaultdict(list)
    for schema in canonical.BOOK.values():
        for row in model_of(schema)._default_manager.all():
            fresh = leaf(schema, row)
            assert fresh == bytes(row.leaf), f"the leaf of {schema.name} {row.pk} is of something else"
            found[row.batch_id].append((schema.name, str(row.pk), fresh))
    return {batch: [entry[2] for entry in sorted(entries)] for batch, entries in found.items()}


def check_all_pages() -> int:
    """Every page of every chain against the rows of its batch. Returns how many leaves they cover."""
    leaves = leaves_by_batch()
    check_closed_pages(leaves)
    assert set(leaves) <= set(LedgerPage.objects.values_list("batch", flat=True))
    return sum(map(len, leaves.values()))


def check_closed_pages(leaves: dict[UUID, list[bytes]]) -> None:
    """The same while batches are open: each closed one has its page, and no other."""
    for head in AccountHead.objects.all():
        _check_chain(head, leaves)
    closed = set(SyncBatch.objects.exclude(status="STARTED").values_list("pk", flat=True))
    assert set(LedgerPage.objects.values_list("batch", flat=True)) == closed


def _check_chain(head: AccountHead, leaves: dict[UUID, list[bytes]]) -> None:
    previous, number = bytes(32), 0
    for page in LedgerPage.objects.filter(head=head).select_related("batch").order_by("number"):
        mine = leaves.get(page.batch_id, [])
        header = sha256(canonical.encode(canonical.SYNC_BATCH, values(canonical.SYNC_BATCH, page.batch))).digest()
        number += 1
        expected = (number, len(mine), root(mine), header, previous)
        stored = (page.number, page.entries_count, *map(bytes, (page.root, page.header_digest, page.previous_hash)))
        assert stored == expected, f"page {page.number} of {head.pk}, {head.account_id}: {stored} {expected}"
        fields = [str(head.pk), str(number), str(len(mine)), root(mine).hex(), header.hex(), previous.hex()]
        array = ",".join(f'"{field}"' for field in ["ledger_pages", "1", *fields])
        previous = sha256(f"[{array}]".encode()).digest()
        assert bytes(page.hash) == previous
    assert (head.page_number, bytes(head.page_hash)) == (number, previous)
