"""What proofs cost in a book of 1,000,000 rows in 100,000 pages: `python -m benchmarks verify proof`.

verify: `verify_ledger` beside only reading the same rows through the driver; `python -m ledger verify` on the export.
proof: the proof of one order, made and checked. `--rows N` makes the book smaller.
"""

import argparse
import multiprocessing
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
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
from portfolio.sync import bulk, instruments, record

from .sync import make_accounts

ROUNDS, ORDERS_A_PAGE, ACCOUNTS, PROOFS = 3, 5, 100, 25
NOW = datetime(2026, 10, 5, 10, 35, tzinfo=UTC)
LIMITS = {"postgresql": 4, "sqlite": 6}


def fill(rows: int) -> None:
    """Ten rows a page: orders, each with a quantity change. Sealed, placed and signed as the sync does it."""
    accounts = make_accounts(ACCOUNTS)
    heads = {str(head.account_id): str(head.pk) for head in models.AccountHead.objects.exclude(account=None)}
    listing = Listing("INE002A01018", "RELIANCE")
    instrument = instruments.resolve([listing], NOW.date())[listing]
    ends = {str(account.pk): (0, FIRST_PREVIOUS) for account in accounts}
    for first in range(0, rows // 10, 1_000):
        written = [
            _page(str(accounts[n % ACCOUNTS].pk), heads, ends, n, instrument) for n in range(first, first + 1_000)
        ]
        bulk.insert(canonical.SYNC_BATCH, [header for header, *_ in written])
        bulk.insert(bulk.with_leaf(canonical.ORDER), [row for _, orders, _, _ in written for row in orders])
        bulk.insert(bulk.with_leaf(canonical.QUANTITY_CHANGE), [row for _, _, moves, _ in written for row in moves])
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
    orders: list[Any] = []
    moves: list[Any] = []
    entries = []
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
        for table, given, rows in ((canonical.ORDER, values, orders), (canonical.QUANTITY_CHANGE, moved, moves)):
            rendered = render(table, given)
            leaf = canonical.leaf(table, rendered)
            rows.append([*rendered, leaf.hex()])
            entries.append(Entry(table.name, given[0], leaf))
    before, previous = ends[account]
    sealed = page.seal(heads[account], before + 1, entries, page.header_digest(header), previous)
    ends[account] = sealed.number, sealed.hash
    return header, orders, moves, record.page_row(sealed, batch)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def only_read() -> None:
    """The same columns, through the driver alone."""
    for table in canonical.BOOK.values():
        columns = ", ".join(f'"{column}"' for column in (*table.columns, "leaf"))
        statement = f"SELECT {columns} FROM {table.name}"
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
    rows = argparse.ArgumentParser()
    rows.add_argument("--rows", type=int, default=1_000_000)
    count = rows.parse_known_args()[0].rows
    connections.close_all()
    filling = multiprocessing.get_context("fork").Process(target=fill, args=(count,))  # its memory is not ours
    filling.start()
    filling.join()
    {"verify": _verify, "proof": _proof}[what](count)


def _verify(count: int) -> None:
    vendor, reads, verifications = connection.vendor, [], []
    for _ in range(ROUNDS):
        reads.append(timed(only_read))
        verifications.append(timed(lambda: _clean(verify_book().findings)))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ratio = statistics.median(v / r for v, r in zip(verifications, reads, strict=True))
    print(
        f"{vendor}: verify_ledger on {count:,} rows in {count // 10:,} pages {statistics.median(verifications):.1f} s, "
        f"only reading them {statistics.median(reads):.1f} s: {ratio:.2f}x (at most {LIMITS[vendor]}x), "
        f"{memory:.0f} MB (under 300)"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "book.jsonl"
        seconds = timed(lambda: _write(file))
        print(f"{vendor}: export of {file.stat().st_size / 1e6:,.0f} MB in {seconds:.1f} s")
        command = [sys.executable, "-S", "-m", "ledger", "verify", str(file)]
        alone = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(ROUNDS)]
        speed = count / statistics.median(alone)
        print(f"{vendor}: python -m ledger verify {speed:,.0f} rows a second (at least 300,000), start included")


def _write(file: Path) -> None:
    with file.open("wb") as out:
        out.writelines(leaving.export())


def _clean(findings: list[Any]) -> None:
    assert not findings, findings[:3]


def _proof(count: int) -> None:
    chance = random.Random(1)
    made, checked, sizes = [], [], []
    for _ in range(PROOFS):
        order = f"GMK{chance.randrange(count // 10):07d}{chance.randrange(ORDERS_A_PAGE)}"
        began = time.perf_counter()
        proof = _made(order)
        made.append(time.perf_counter() - began)
        ed25519.is_valid.cache_clear()
        checked.append(timed(lambda proof=proof: _clean(verify.check(BytesIO(proof)).findings)))  # type: ignore[misc]
        sizes.append(len(proof))
    print(
        f"{connection.vendor}: proof of one order of {count:,} rows in {count // 10:,} pages: made in "
        f"{1000 * statistics.median(made):.1f} ms (under 50), {max(sizes):,} bytes a version (at most 4,096), "
        f"checked in {1000 * statistics.median(checked):.1f} ms (under 20)"
    )


def _made(order: str) -> bytes:
    versions = leaving.find_order(order)
    last = sealer.last_signed()
    assert last
    return b"".join(leaving.prove(versions, read_notes(last.note)[0]))
