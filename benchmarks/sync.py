"""Ours, the documents' own algorithm, and the raw limit, side by side in one run: `python -m benchmarks sync`.

Timed from reply bytes in memory to commit: opening the batch, raw replies, leaves and page included. The limit
is one raw COPY a table (executemany on SQLite) of the very rows that ours wrote, rendered beforehand, into the
same tables of a second database. Ours runs in as many processes as `serve` starts loops (`--loops 1`: in one),
naive and limit in one. The three take turns within each repetition; medians are printed.
"""

import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from itertools import chain, count, islice
from typing import Any, NamedTuple, TypeVar

from django.conf import settings
from django.db import connection

from ledger.canonical import Rendered, Schema
from portfolio import accounts, models
from portfolio.ids import new_uuid
from portfolio.sync import bulk, evidence, pipeline
from portfolio.sync.capture import DAILY, Capture
from portfolio.sync.claim import claim
from portfolio.sync.crew import SETTLING, room

from . import database, second
from .loops import Loops
from .naive import Naive
from .sizes import sizes
from .workload import Day, Fetched, evening, fetched, known_after, next_day

Item = TypeVar("Item")

FIRST = date(2026, 10, 5)
_clients = count()
_threads = ThreadPoolExecutor(SETTLING[connection.vendor], thread_name_prefix="settling")
STAGES = ("first sync", "nothing changed", "5 % changed", "next trading day")
# What is wanted: so many times naive, and so much of the limit in percent (None: there is little to write).
WANTED: dict[str, dict[str, tuple[int, int | None]]] = {
    "postgresql": dict(zip(STAGES, ((40, 40), (1000, None), (150, None), (40, 40)), strict=True)),
    "sqlite": dict(zip(STAGES, ((30, 35), (600, None), (80, None), (30, 35)), strict=True)),
}


class Watched:
    """Remembers what `bulk` was asked to write, so that the limit can write the same."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Schema, Sequence[Any], str]] = []
        self._inserting, self._updating, self._deleting = bulk.inserting, bulk.updating, bulk.deleting

    def __enter__(self) -> "Watched":
        bulk.inserting, bulk.updating, bulk.deleting = self.inserting, self.updating, self.deleting
        return self

    def __exit__(self, *_: object) -> None:
        bulk.inserting, bulk.updating, bulk.deleting = self._inserting, self._updating, self._deleting

    def inserting(self, table: Schema, rows: Sequence[Rendered]) -> bulk.Write:
        self.calls.append(("insert", table, rows, ""))
        return self._inserting(table, rows)

    def updating(self, table: Schema, rows: Sequence[Rendered], condition: str = "") -> bulk.Write:
        self.calls.append(("update", table, rows, condition))
        return self._updating(table, rows, condition)

    def deleting(self, table: Schema, ids: Sequence[str]) -> bulk.Write:
        self.calls.append(("delete", table, ids, ""))
        return self._deleting(table, ids)

    def rows(self) -> int:
        return sum(len(rows) for kind, _, rows, _ in self.calls if kind != "delete")


def fresh_numbers(count: int) -> list[int]:
    """Clients that nobody had before in this run: a broker gives no order id twice."""
    return list(islice(_clients, count))


def make_accounts(client_ids: Iterable[object]) -> list[models.BrokerAccount]:
    """Accounts of users of their own, of these clients of the broker."""
    return [an_account(str(client_id)) for client_id in client_ids]


def an_account(client_id: str, token: str = "token") -> models.BrokerAccount:
    user = models.User.objects.create(username=str(new_uuid()))
    return accounts.connect(
        portfolio=models.Portfolio.objects.create(user=user, name="bench"),
        broker="GROWW",
        account_id=client_id,
        login_method="token",
        credentials={"access_token": token},
    )


def stage_replies(stage: str, number: int) -> tuple[Fetched, datetime]:
    """What the broker answers this account in a stage."""
    day = next_day(FIRST) if stage == "next trading day" else FIRST
    asked = Day(number, day, 0.05 if stage == "5 % changed" else 0.0)
    known = known_after(asked) if stage in ("nothing changed", "5 % changed") else None
    return fetched(asked, evening(day), known), evening(day)


def ours(batch: Sequence[tuple[models.BrokerAccount, Fetched]], now: datetime) -> None:
    """The pipeline from the claim to the commit: claims, groups and threads as a run has them, but no network."""
    found = {str(account.pk): one for account, one in batch}
    claimed = [claim(ids, DAILY, new_uuid(), now) for ids in _parts(list(found), room())]
    groups = _parts(list(chain.from_iterable(claimed)), settings.KHATA_SYNC_GROUP)
    list(_threads.map(lambda group: _group(group, found, now), groups))


def _parts(whole: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def _group(captures: Sequence[Capture], found: Mapping[str, Fetched], now: datetime) -> None:
    kept = [evidence.note(capture, reply) for capture in captures for reply in found[capture.account_id].replies]
    evidence.keep(kept, now)
    for capture in captures:
        _take(capture, found[capture.account_id])
    done = pipeline.settle(captures)
    assert [result.status for result in done] == ["COMPLETED"] * len(captures), done[0].capture.problems


def _take(capture: Capture, one: Fetched) -> None:
    capture.answers = one.answers
    capture.lacking, capture.absent = one.lacking, one.absent


def naive(batch: Iterable[tuple[models.BrokerAccount, Fetched]], now: datetime) -> None:
    for account, one in batch:
        Naive(account, one, now).run()


class Wrote(NamedTuple):
    """What the raw limit took in one process: rows, and seconds."""

    rows: int
    seconds: float


class Share:
    """The accounts of one process."""

    def __init__(self) -> None:
        self._limit = second.attached()
        self._mine: list[tuple[models.BrokerAccount, Fetched]] = []
        self._now: datetime
        self._calls: list[Any] = []

    def prepare(self, accounts: Sequence[tuple[str, int]], stage: str) -> None:
        """Makes their replies: accounts by id, with the broker's number of the client."""
        found = models.BrokerAccount.objects.in_bulk([pk for pk, _ in accounts])
        by_text = {str(pk): account for pk, account in found.items()}
        made = [(by_text[pk], *stage_replies(stage, number)) for pk, number in accounts]
        self._mine = [(account, replies) for account, replies, _ in made]
        self._now = made[0][2]
        self._calls.clear()  # hundreds of thousands of rows, which would be given back while the clock runs
        gc.collect()

    def record(self) -> None:
        with Watched() as watched:
            ours(self._mine, self._now)
        self._calls = watched.calls

    def write_limit(self) -> Wrote:
        """The raw way: what was recorded, into the second database."""
        rows = sum(len(rows) for kind, _, rows, _ in self._calls if kind != "delete")
        return Wrote(rows, timed(self._limit.prepared(self._calls)))


def timed(work: Callable[[], Any]) -> float:
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def statements_of(work: Callable[[], Any]) -> int:
    statements = 0

    def counting(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counting):
        work()
    return statements


def main() -> None:
    options = sizes(accounts=800, naive=4, repeat=5, loops=settings.KHATA_LOOPS)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    notes: dict[str, tuple[float, int]] = {}
    limit = second.made()
    with Loops(options.loops, "benchmarks.sync:Share") as loops:
        for _ in range(options.repeat + 1):  # the first round warms up and is not counted
            clients = fresh_numbers(options.accounts)
            ours_accounts, naive_accounts = make_accounts(clients), make_accounts(clients[: options.naive])
            limit.copy_parents()
            mine = [(str(account.pk), number) for account, number in zip(ours_accounts, clients, strict=True)]
            for stage in STAGES:
                theirs = [
                    (account, *stage_replies(stage, n)) for account, n in zip(naive_accounts, clients, strict=False)
                ]
                notes[stage] = _stage(times, stage, loops, mine, theirs)
    _report(times, notes, options.loops)


def _stage(
    times: dict[tuple[str, str], list[float]],
    stage: str,
    loops: Loops,
    mine: Sequence[tuple[str, int]],
    theirs: Sequence[tuple[models.BrokerAccount, Fetched, datetime]],
) -> tuple[float, int]:
    """One stage of one round, the three in turn. Returns rows and naive statements an account."""
    loops.share("prepare", mine, stage)
    database.vacuum()
    times[stage, "ours"].append(timed(lambda: loops.all("record")) / len(mine))
    wrote: list[Wrote] = loops.in_turn("write_limit")
    times[stage, "limit"].append(sum(part.seconds for part in wrote) / len(mine))
    counted: list[int] = []
    replies, now = [(account, fetched) for account, fetched, _ in theirs], theirs[0][2]
    seconds = timed(lambda: counted.append(statements_of(lambda: naive(replies, now))))
    times[stage, "naive"].append(seconds / len(theirs))
    return sum(part.rows for part in wrote) / len(mine), counted[0] // len(theirs)


def _report(times: dict[tuple[str, str], list[float]], notes: dict[str, tuple[float, int]], loops: int) -> None:
    number = len(times[STAGES[0], "ours"]) - 1
    print(f"\n{connection.vendor}: ms an account, medians of {number} interleaved rounds; ours in {loops} process(es)")
    print(
        f"{'work':18}{'naive':>9}{'ours':>9}{'limit':>9}{'x naive':>9}{'wanted':>8}{'of limit':>10}{'wanted':>8}"
        f"{'rows':>6}{'naive stmts':>13}"
    )
    for stage in STAGES:
        rounds = {who: times[stage, who][1:] for who in ("naive", "ours", "limit")}
        ms = {who: statistics.median(values) * 1000 for who, values in rounds.items()}
        ratio = statistics.median(n / o for n, o in zip(rounds["naive"], rounds["ours"], strict=True))
        share = statistics.median(100 * li / o for li, o in zip(rounds["limit"], rounds["ours"], strict=True))
        rows, statements = notes[stage]
        at_least, of_limit = WANTED[connection.vendor][stage]
        print(
            f"{stage:18}{ms['naive']:9.2f}{ms['ours']:9.3f}{ms['limit']:9.3f}{ratio:8.0f}x{at_least:7}x{share:9.0f}%"
            f"{f'{of_limit}%' if of_limit else '':>8}{rows:6.0f}{statements:13}"
            f"{'' if ratio >= at_least and share >= (of_limit or 0) else '  BELOW'}"
        )


if __name__ == "__main__":
    main()
