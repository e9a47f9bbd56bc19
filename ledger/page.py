"""Seals a batch as a page: which rows it wrote, what its header said, and which page came before."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

from . import merkle
from .canonical import SYNC_BATCH, encode, schema

PAGE = schema("ledger_pages", 1, "head_id:uuid number:integer entries_count:integer root header_digest previous_hash")
FIRST_PREVIOUS = bytes(32)  # what stands before an account's page 1


class Entry(NamedTuple):
    """One row's place in its page: entries stand in the order (schema name, row id)."""

    schema: str
    row_id: str
    leaf: bytes


class Page(NamedTuple):
    """One sealed batch. Hashes are 32 bytes."""

    head_id: str
    number: int
    entries_count: int
    root: bytes
    header_digest: bytes
    previous_hash: bytes
    hash: bytes


def header_digest(rendered_batch: Sequence[str | None]) -> bytes:
    """SHA-256 of the closed batch's canonical bytes: a proof shows this and not the header."""
    return sha256(encode(SYNC_BATCH, rendered_batch)).digest()


def seal(head_id: str, number: int, entries: Iterable[Entry], header: bytes, previous_hash: bytes) -> Page:
    """The page of a batch. `header` is its `header_digest`."""
    leaves = [entry.leaf for entry in sorted(entries)]
    root = merkle.root(leaves)
    return Page(head_id, number, len(leaves), root, header, previous_hash, page_hash(
        head_id, number, len(leaves), root, header, previous_hash
    ))  # fmt: skip


def page_hash(head_id: str, number: int, entries_count: int, root: bytes, header: bytes, previous: bytes) -> bytes:
    fields = (head_id, str(number), str(entries_count), root.hex(), header.hex(), previous.hex())
    return sha256(encode(PAGE, fields)).digest()
