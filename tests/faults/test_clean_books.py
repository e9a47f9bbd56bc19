"""Random books that nobody touched: awkward texts, nulls and extremes in every table, and never an alarm."""

import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import UniqueConstraint

from ledger import canonical, page, verify
from ledger.canonical import BOOK, SYNC_BATCH, Schema
from ledger.page import FIRST_PREVIOUS, Entry
from portfolio.ids import new_id
from portfolio.models import AccountHead
from portfolio.proof import leaving, sealer
from portfolio.proof import verification as proof
from portfolio.sync import amend, bulk, evidence, record
from tests import build, emptying
from tests.faults.conftest import Part
from tests.sync import recomputed

pytestmark = pytest.mark.database
NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)
ENCRYPTED = {canonical.RAW_REPLY: evidence.RAW_BODY, canonical.ACT: amend.ACT_WORDS}
ROUND = 8  # books of an installation: what is signed is compared with all that was signed before
LETTERS = 'abcXYZ019 -_.,"\\/{}[]:\u20b9\u0939\u093f\U0001f600\x7f\u2028'


def a_value(chance: random.Random, kind: str, field: Any) -> Any:
    if field.null and chance.random() < 0.3:
        return None
    if kind == "text":
        return "".join(chance.choices(LETTERS, k=chance.randrange(min(field.max_length or 40, 40) + 1)))
    if kind == "json":
        return canonical.json_text({"x": "".join(chance.choices(LETTERS, k=5))})
    if kind in ("quantity", "price", "money", "percent"):
        scale = recomputed.SCALES[kind]
        digits = min(18, getattr(field, "digits", 18)) - scale
        units = chance.choice([0, 1, -1, 10**digits - 1, chance.randrange(-(10**digits), 10**digits)])
        return Decimal(units) + Decimal(chance.randrange(10**scale)).scaleb(-scale) * (-1 if units < 0 else 1)
    makers: dict[str, Callable[[], Any]] = {
        "uuid": lambda: str(UUID(int=chance.getrandbits(128))),
        "integer": lambda: chance.choice([0, 1, chance.randrange(2**31)]),
        "boolean": lambda: chance.random() < 0.5,
        "date": lambda: date(1990, 1, 1) + timedelta(days=chance.randrange(30_000)),
        "instant": lambda: NOW + timedelta(microseconds=chance.choice([0, 1, 500_000, chance.getrandbits(40)])),
        "digest": lambda: chance.randbytes(32),
    }
    return makers[kind]()


def a_row(chance: random.Random, schema: Schema, account: str, batch: str) -> list[str | None]:
    fields = {field.column: field for field in recomputed.model_of(schema)._meta.concrete_fields}
    values = [a_value(chance, kind, fields[column]) for column, kind in schema.fields]
    row_id = new_id()
    known = {
        "id": row_id, "broker_account_id": account, "sync_batch_id": batch, "detected_at": NOW,
        "ciphertext_digest": sha256(row_id.encode()).digest(),
    }  # fmt: skip
    for place, column in enumerate(schema.columns):
        values[place] = known.get(column, values[place])
    rendered = canonical.render(schema, values)
    return [*rendered, canonical.leaf(schema, rendered).hex()]


def some_rows(
    chance: random.Random, schema: Schema, account: str, batch: str, taken: set[tuple[str, ...]]
) -> list[list[str | None]]:
    """One to three. `taken`: the keys of the account so far; by chance a row may have one of them."""
    rows = []
    for _ in range(chance.randrange(1, 4)):
        while (keys := keys_of(schema, row := a_row(chance, schema, account, batch))) & taken:
            continue
        taken |= keys
        rows.append(row)
    return rows


def keys_of(schema: Schema, row: list[str | None]) -> set[tuple[str, ...]]:
    """What the tables let stand but once, each under its constraint's name."""
    model = recomputed.model_of(schema)
    unique = [each for each in model._meta.constraints if isinstance(each, UniqueConstraint)]
    columns = {each.name: [model._meta.get_field(name).column for name in each.fields] for each in unique}
    return {
        (name, *(str(row[schema.columns.index(column)]) for column in each))
        for name, each in columns.items()
        if set(each) <= set(schema.columns)
    }


def write_a_book(chance: random.Random, head: AccountHead) -> int:
    """Some pages of an account, with rows of any table. Returns how many rows."""
    number, previous, count = 0, FIRST_PREVIOUS, 0
    taken: set[tuple[str, ...]] = set()
    for _ in range(chance.randrange(1, 5)):
        batch, account = new_id(), str(head.account_id)
        closed = (batch, account, "DAILY_PORTFOLIO", NOW.date(), "COMPLETED", NOW, NOW, *(0,) * 8, "[]", "{}")
        header = canonical.render(SYNC_BATCH, closed)
        bulk.insert(SYNC_BATCH, [header])
        entries = []
        for schema in chance.sample(list(BOOK.values()), chance.randrange(4)):
            rows = some_rows(chance, schema, account, batch, taken)
            bulk.insert(bulk.with_leaf(schema), rows)
            if schema in ENCRYPTED:
                bulk.insert(ENCRYPTED[schema], [[row[0], str(row[0]).encode().hex()] for row in rows])
            entries += [Entry(schema.name, str(row[0]), bytes.fromhex(str(row[-1]))) for row in rows]
        sealed = page.seal(str(head.pk), number + 1, entries, page.header_digest(header), previous)
        bulk.insert(record.PAGE_ROW, [record.page_row(sealed, batch)])
        number, previous, count = sealed.number, sealed.hash, count + len(entries)
    AccountHead.objects.filter(pk=head.pk).update(page_number=number, page_hash=previous)
    return count


def without_parents() -> str:
    """What rows point to does not exist here, and need not: only they are verified."""
    return (
        "SET session_replication_role = replica" if connection.vendor == "postgresql" else "PRAGMA foreign_keys = OFF"
    )


@pytest.mark.parts(4)
def test_a_random_book_that_nobody_touched_gives_no_alarm(
    is_full: bool, seed: int, part: Part, tell: Callable[[str], None]
) -> None:
    books = range(10_000 if is_full else 5)[part.number :: part.of]
    rows, began = 0, time.monotonic()
    for first in range(0, len(books), ROUND):
        rows += check_an_installation(seed, books[first : first + ROUND])
        emptying.empty()
        if first % (10 * ROUND) == 0:
            emptying.vacuum()
    connection.close()
    tell(f"clean books: {len(books)} of {rows} rows, verified and exported, no false alarm; "
         f"{time.monotonic() - began:.0f} s")  # fmt: skip


def check_an_installation(seed: int, books: range) -> int:
    """Each book as it is made, and all of them in the end. Returns how many rows that were."""
    portfolio, rows = build.a_portfolio(), 0
    with connection.cursor() as cursor:
        cursor.execute(without_parents())
    for number in books:
        chance = random.Random(f"{seed} {number}")
        account = build.an_account(client_id=f"C{number}", portfolio=portfolio)
        head = AccountHead.objects.get(account=account)
        rows += write_a_book(chance, head)
        sealer.checkpoint(NOW + timedelta(minutes=number))
        found = proof.verify(account=head)
        assert [str(finding) for finding in found.findings] == [], (seed, number)
        assert verify.check(BytesIO(b"".join(leaving.export(head)))).findings == [], (seed, number)
    assert proof.verify().findings == []
    return rows
