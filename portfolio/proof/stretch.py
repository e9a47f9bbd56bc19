"""Which rows of a table are read, and what they are handed out as."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ledger import canonical
from ledger.canonical import Schema

ROWS_AT_ONCE = 500  # what is made of more of them no longer stands in the processor's cache


class Stretch(NamedTuple):
    """Which rows: of batches after `after`, up to and with `upto` (None: no limit there), or of `batches` alone."""

    after: str | None = None
    upto: str | None = None
    batches: tuple[str, ...] | None = None


class Rows(NamedTuple):
    """Some rows of one table: of each its batch, its id, its canonical bytes, and the leaf that stands beside it, which
    is empty in a table without leaves."""

    batch_ids: Sequence[str]
    ids: Sequence[str]
    canonical: Sequence[bytes]
    leaves: list[bytes]


Row = tuple[str, str, bytes, bytes]  # the same of one


def batch_column(schema: Schema) -> str:
    return "id" if schema.name == "sync_batches" else "sync_batch_id"


def has_leaf(schema: Schema) -> bool:
    return schema.name in canonical.BOOK


def conditions(schema: Schema, stretch: Stretch, literal: Callable[[str], str]) -> str:
    """Ids are made by us, or come from a column of UUIDs: they are written out."""
    column = f'"{batch_column(schema)}"'
    if stretch.batches is not None:
        return f"WHERE {column} IN ({', '.join(map(literal, stretch.batches)) or 'NULL'})"
    limits = [f"{column} {sign} {literal(end)}" for sign, end in ((">", stretch.after), ("<=", stretch.upto)) if end]
    return f"WHERE {' AND '.join(limits)}" if limits else ""
