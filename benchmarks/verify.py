"""What proofs cost in a book of 1,100,000 rows in 100,000 pages: `python -m benchmarks verify proof`.

verify: `verify_ledger` beside only reading the same rows through the driver; `python -m ledger verify` on the export.
proof: the proof of one order, made and checked. `--rows N` makes the book smaller.
"""

import multiprocessing
import random
import resource
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection, connections

from ledger import canonical, ed25519, page, verify
from ledger.canonical import render
from ledger.checkpoint import read_notes
from ledger.entries import Listing
from ledger.page import FIRST_PREVIOUS, Entry
from portfolio import models
from portfolio.ids import new_id, new_ids
from portfolio.proof import leaving, sealer
from portfolio.proof.verification import verify as verify_book
from portfolio.sync import bulk, evidence, instruments, record

from .evening import load, memory_mb
from .sizes import sizes
from .sync import make_accounts, timed

ROUNDS, ORDERS_A_PAGE, ACCOUNTS, PROOFS, CHECKPOINTS = 3, 5, 100, 25, 100
ROWS_A_PAGE = 2 * ORDERS_A_PAGE + 1
PLAIN_BYTES, BODY_BYTES = 30_000, 1_500  # a list of orders in the workload; compressed and encrypted
NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)
LIMITS = {"postgresql": 4, "sqlite": 6}


def fill(rows: int, count: int) -> None:
    """Eleven rows a page: a reply, and orders, each with a quantity change. Sealed, placed and signed as the sync does
    it, with a hundred checkpoints."""
    accounts = make_accounts(range(count))
    heads = {str(head.account_id): str(head.pk) for head in models.AccountHead.objects.exclude(account=None)}
    listing = Listing("INE002A01018", "RELIANCE")
    instrument = instruments.resolve([listing], NOW.date())[listing]
    ends = {str(account.pk): (0, FIRST_PREVIOUS) for account in accounts}
    pages = rows // ROWS_A_PAGE
    step = max(1, pages // CHECKPOINTS)
    for first in range(0, pages, step):
        written = [_page(str(accounts[n % count].pk), heads, ends, n, instrument)
                   for n in range(first, min(first + step, pages))]  # fmt: skip
        bulk.insert(canonical.SYNC_BATCH, [header for header, *_ in written])
        for table in (canonical.RAW_REPLY, canonical.ORDER, canonical.QUANTITY_CHANGE):
            bulk.insert(bulk.with_leaf(table), [row for _, made, *_ in written for row in made[table.name]])
        bulk.insert(evidence.RAW_BODY, [body for *_, body, _ in written])
        bulk.insert(record.PAGE_ROW, [sealed for *_, sealed in written])
        for account_id, (number, hash_) in ends.items():
            models.AccountHead.objects.filter(account__pk=account_id).update(page_number=number, page_hash=hash_)
        sealer.checkpoint(NOW)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connections.close_all()


def _page(account: str, heads: dict[str, str], ends: dict[str, tuple[int, bytes]], number: int, instrument: str) -> Any:
    """One batch: its header, its rows, and the page that seals them."""
    batch, day = new_id(), date(2026, 10, 2) - timedelta(days=number // ACCOUNTS % 300)
    zeros = (0,) * 8
    header = render(
        canonical.SYNC_BATCH, (batch, account, "DAILY_PORTFOLIO", day, "COMPLETED", NOW, NOW, *zeros, "[]", "{}")
    )
    made: dict[str, list[Any]] = defaultdict(list)
    entries = []

    def write(table: canonical.Schema, values: tuple[Any, ...]) -> None:
        rendered = render(table, values)
        leaf = canonical.leaf(table, rendered)
        made[table.name].append([*rendered, leaf.hex()])
        entries.append(Entry(table.name, values[0], leaf))

    reply, ciphertext = new_id(), secrets.token_bytes(BODY_BYTES)
    digest = sha256(ciphertext).digest()
    write(canonical.RAW_REPLY, (reply, account, "GET /orders", 200, NOW, digest, digest, PLAIN_BYTES, NOW, batch))
    for row, (order_id, move_id) in enumerate(zip(new_ids(ORDERS_A_PAGE), new_ids(ORDERS_A_PAGE), strict=True)):
        values = (
            order_id, account, f"GMK{number:07d}{row}", day, 1, False, instrument, "INE002A01018", "RELIANCE", "NSE",
            "", "CASH", "CNC", "LIMIT", "BUY", 10, 250 + row, None, "DAY", "EXECUTED", "EXECUTED", 10, 0, 250 + row, 10,
            "NA", NOW, NOW, NOW, "Order placed successfully", NOW, NOW, batch,
        )  # fmt: skip
        moved = (
            move_id, account, order_id, "INE002A01018", "RELIANCE", "NSE", "QUANTITY_ADDED", 0, 10, 10, 250 + row,
            "ORDER_FILLED", NOW, batch,
        )  # fmt: skip
        write(canonical.ORDER, values)
        write(canonical.QUANTITY_CHANGE, moved)
    before, previous = ends[account]
    sealed = page.seal(heads[account], before + 1, entries, page.header_digest(header), previous)
    ends[account] = sealed.number, sealed.hash
    return header, made, [reply, ciphertext.hex()], record.page_row(sealed, batch)


def only_read() -> None:
    """The same columns, through the driver alone."""
    wanted = {table.name: [f'"{column}"' for column in (*table.columns, "leaf")] for table in canonical.BOOK.values()}
    wanted["raw_bodies"] = ["reply_id", "ciphertext"]
    for table, columns in wanted.items():
        statement = f"SELECT {', '.join(columns)} FROM {table}"
        if connection.vendor == "postgresql":
            with psycopg.connect(_address()) as raw:
                _drain(raw.cursor("only_read"), statement)
        else:
            _drain(sqlite3.connect(connection.settings_dict["NAME"]).cursor(), statement)


def _address() -> str:
    known = {k: v for k, v in connection.get_connection_params().items() if k in ("dbname", "user", "host", "port")}
    return " ".join(f"{name}={value}" for name, value in known.items())


def _drain(cursor: Any, statement: str) -> None:
    cursor.execute(statement)
    while cursor.fetchmany(2_000):
        pass
    cursor.close()


def main(what: str) -> None:
    size = sizes(rows=1_100_000, accounts=ACCOUNTS)
    count = size.rows
    connections.close_all()
    forked = multiprocessing.get_context("fork")  # its memory is not ours
    filling = forked.Process(target=fill, args=(count, size.accounts))
    filling.start()
    filling.join()
    if filling.exitcode:
        raise RuntimeError("the book was not filled; the reason stands above")
    {"verify": _verify, "proof": _proof}[what](count)


def _verify(count: int) -> None:
    vendor, reads, verifications = connection.vendor, [], []
    for _ in range(ROUNDS):
        reads.append(timed(only_read))
        verifications.append(timed(lambda: _clean(verify_book().findings)))
    ratio = statistics.median(v / r for v, r in zip(verifications, reads, strict=True))
    missed = "  ABOVE" if ratio > LIMITS[vendor] or memory_mb() > 300 else ""
    print(
        f"{vendor}: verify_ledger on {count:,} rows in {count // ROWS_A_PAGE:,} pages "
        f"{statistics.median(verifications):.1f} s, "
        f"only reading them {statistics.median(reads):.1f} s: {ratio:.2f}x (at most {LIMITS[vendor]}x), "
        f"{memory_mb():.0f} MB (under 300){missed}; load {load()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "book.jsonl"
        seconds = timed(lambda: _write(file))
        print(f"{vendor}: export of {file.stat().st_size / 1e6:,.0f} MB in {seconds:.1f} s")
        _verify_alone(file, count)


def _verify_alone(file: Path, count: int) -> None:
    """Beside what splitting the file into lines and hashing each of them takes: nothing that verifies can be faster."""
    command = [sys.executable, "-S", "-m", "ledger", "verify", str(file)]
    rates = [(count / wall, count / own) for wall, own in (_run(command) for _ in range(ROUNDS))]
    wall, own = (statistics.median(each) for each in zip(*rates, strict=True))
    floor = count / statistics.median(_run([sys.executable, "-S", "-c", HASHED, str(file)])[1] for _ in range(ROUNDS))
    print(
        f"{connection.vendor}: python -m ledger verify {wall:,.0f} rows a second, start included (at least 300,000)"
        f"{'' if wall >= 300_000 else '  BELOW'}; {own:,.0f} a second of its own time; only splitting and hashing the "
        f"lines {floor:,.0f} of it; load {load()}"
    )


HASHED = """
import hashlib, sys
with open(sys.argv[1], "rb") as file:
    rest = b""
    while block := file.read(1 << 20):
        *lines, rest = (rest + block).split(b"\\n")
        [hashlib.sha256(b"\\0" + line).digest() for line in lines]
"""


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds by the clock, and of the process's own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = timed(lambda: subprocess.run(command, check=True, capture_output=True))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _write(file: Path) -> None:
    with file.open("wb") as out:
        out.writelines(leaving.export())


def _clean(findings: list[Any]) -> None:
    assert not findings, findings[:3]


def _proof(count: int) -> None:
    chance = random.Random(1)
    made, checked, sizes = [], [], []
    for _ in range(PROOFS):
        order = f"GMK{chance.randrange(count // ROWS_A_PAGE):07d}{chance.randrange(ORDERS_A_PAGE)}"
        began = time.perf_counter()
        proof = _made(order)
        made.append(time.perf_counter() - began)
        ed25519.is_valid.cache_clear()
        checked.append(timed(lambda proof=proof: _clean(verify.check(BytesIO(proof)).findings)))  # type: ignore[misc]
        sizes.append(len(proof))
    misses = statistics.median(made) > 0.05 or statistics.median(checked) > 0.02 or max(sizes) > 4_096
    print(
        f"{connection.vendor}: proof of one order of {count:,} rows in {count // ROWS_A_PAGE:,} pages: made in "
        f"{1000 * statistics.median(made):.1f} ms (under 50), {max(sizes):,} bytes a version (at most 4,096), "
        f"checked in {1000 * statistics.median(checked):.1f} ms (under 20){'  ABOVE' if misses else ''}; load {load()}"
    )


def _made(order: str) -> bytes:
    versions = leaving.find_order(order)
    last = sealer.last_signed()
    assert last
    return b"".join(leaving.prove(versions, read_notes(last.note)[0]))
