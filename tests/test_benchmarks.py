"""Benchmarks still run, at a small size: whoever wants their figures finds none that stopped when the book changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests import databases
from tests.rows import only_on

ROOT = Path(__file__).resolve().parent.parent
# The figure that each prints at its end. `crowd` is part of `evening`; `idle` waits for `serve` to start and to end.
FIGURES = {
    "sync --accounts=1 --naive=1 --repeat=1 --loops=1": r"next trading day +[\d.]+ +[\d.]+ +[\d.]+ +\d+x",
    "leaves --accounts=1 --rounds=1": r"leaves and pages on [\d.]+ ms an account, off [\d.]+: [\d.]+x",
    "depth --versions=100 --holders=2 --accounts=1 --rounds=1": r"next trading day with 100 order versions .*: [\d.]+x",
    "fetch --accounts=1 --rounds=1 --loops=1": r"256 at once in 1 process\(es\): [\d.]+x the latency limit",
    "verify --rows=110 --accounts=2": r"ledger verify \d[\d,]* rows a second",
    "proof --rows=110 --accounts=2": r"proof of one order of 110 rows in 10 pages: made in [\d.]+ ms",
    "known --accounts=1 --days=2 --rounds=1": r"known on day 1 of 2: [\d.]+ ms",
    "bridge --accounts=2 --rounds=1": r"bridge: [\d,]+ accounts of 50 holdings a second",
    "import --lines=100 --rounds=1": r"[\d,]+ lines of 100 imported a second",
    "evening --accounts=1 --rounds=1": r"the evening +[\d.]+ s",
    "ticks --past=10 --accounts=1 --rounds=1": r"with 10 slots and batches: [\d.]+x",
}


COMMITS = """
from benchmarks import database
with database.fresh("postgresql"):
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        print(*cursor.fetchone())
"""


def said_by(*arguments: str) -> str:
    """What a process without the settings of these tests prints."""
    settings = ("DATABASE_URL", "KHATA_VAR", "KHATA_KEYS", "KHATA_CLOCK")
    environment = {name: value for name, value in os.environ.items() if name not in settings}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("asked", FIGURES)
def test_a_benchmark_runs_to_its_figure(asked: str) -> None:
    said = said_by("-m", "benchmarks", *asked.split(), "--database", "sqlite")
    assert re.search(FIGURES[asked], said), said


@pytest.mark.database
def test_postgresql_what_is_timed_waits_for_its_commits_as_the_server_does() -> None:
    only_on("postgresql")
    with psycopg.connect(databases.postgres_server()) as server:
        usual = server.execute("SHOW synchronous_commit").fetchone()
    assert said_by("-c", COMMITS).split() == list(usual or ())
