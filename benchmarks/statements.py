"""How fast a file of past fills is imported: 100,000 lines of Zerodha's tradebook, from the file to the commit.

At least 20,000 lines a second and less than 400 MB are wanted. In an account that has an opening, missed days and the
questions that they left, so that leaves, page and bridge are in it. Each file in a process of its own, for its memory.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

from portfolio.models import AccountHead, BrokerAccount
from portfolio.statements.formats import FORMATS
from portfolio.statements.reading import read
from portfolio.sync.amend import Deed
from portfolio.sync.imports import import_fills
from simulators.shares import SHARES
from tests import build
from tests.sync.scripted import Broker

from .evening import load
from .sizes import sizes

LINES, ROUNDS = 100_000, 3
HEADER = (
    "symbol,isin,trade_date,exchange,segment,series,trade_type,auction,quantity,price,trade_id,order_id,"
    "order_execution_time,expiry_date"
)
LAST = date(2026, 10, 5)


def tradebook(path: Path, lines: int) -> None:
    """The same units bought and sold again of each share, but for a few of the missed days."""
    days = [LAST - timedelta(days=back) for back in range(1, 1_000)]
    with path.open("w", encoding="utf-8") as out:
        out.write(HEADER + "\n")
        for number in range(lines):
            share, day = SHARES[number // 2 % len(SHARES)], days[number // 101 % len(days)]
            side = "sell" if number % 2 else "buy"
            units, price = 1 + number // 2 % 40, f"{share.base_price + number % 100}.{number % 20 * 5:02}0000"
            moment = f"{day}T{9 + number % 6:02}:{15 + number % 40:02}:{number % 60:02}"
            out.write(
                f"{share.symbol},{share.isin},{day},NSE,EQ,EQ,{side},false,{units}.000000,{price},{10**8 + number},"
                f"{2026 * 10**11 + number // 3},{moment},\n"
            )


def _account() -> BrokerAccount:
    """50 holdings; the last look was long ago, so that a part of the file is of days that were missed."""
    from portfolio.triggers.registry import REGISTRY

    broker = Broker()
    REGISTRY["ZERODHA"] = broker.trigger()
    account = build.an_account("ZERODHA", "AB1234")
    broker.says["holdings"] = [build.a_holding(share.symbol, 100, isin=share.isin) for share in SHARES[:50]]
    build.synced(account)
    AccountHead.objects.filter(account=account).update(opened_on=LAST - timedelta(days=60))
    settings.KHATA_CLOCK = "2026-10-06T16:05:00+05:30"
    broker.says["holdings"] = [build.a_holding(share.symbol, 110, isin=share.isin) for share in SHARES[:50]]
    build.synced(account)
    return account


def worker() -> None:
    """One import; prints lines a second by the clock, lines a second of processor time, and the memory it took, in
    MB."""
    lines = sizes(lines=LINES).lines
    account = BrokerAccount.objects.select_related("head", "key", "broker").get(pk=_account().pk)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tradebook.csv"
        tradebook(path, lines)
        start, busy = time.perf_counter(), busy_seconds()
        outcome = import_fills(account, read(path, FORMATS), Deed("a benchmark", "nobody"), accept=True)
        took, busy = time.perf_counter() - start, busy_seconds() - busy
    assert outcome.new == lines, outcome
    print(lines / took, lines / busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def busy_seconds() -> float:
    """Processor time of this process, and of its server process where that is on this machine: a machine that is busy
    with something else makes both wait, and takes nothing from it."""
    if connection.vendor != "postgresql":
        return time.process_time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone() or (0,)
    spent = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[11:13]
    return time.process_time() + sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    size = sizes(lines=LINES, rounds=ROUNDS)
    found = []
    for _ in range(size.rounds):
        command = [sys.executable, "-m", "benchmarks", "import-worker", "--database", connection.vendor]
        command += ["--lines", str(size.lines)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        found.append([float(value) for value in text[-3:]])
    rate, busy, memory = (statistics.median(values) for values in zip(*found, strict=True))
    slow, large = "" if rate >= 20_000 else "  BELOW", "" if memory < 400 else "  ABOVE"
    print(
        f"{connection.vendor}: {rate:,.0f} lines of {size.lines:,} imported a second (at least 20,000){slow}, "
        f"{busy:,.0f} a second of processor time, with the server's; {memory:,.0f} MB (less than 400){large}; "
        f"load {load()}"
    )
