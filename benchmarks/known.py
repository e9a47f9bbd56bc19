"""What it costs to read the book as it was known at an earlier instant, beside reading what stands now.

1,000,000 versions of holdings: 100 accounts that held 50 shares over 200 days, each day another state, each day's page
in the tree. One account is read: now; and as known on the last, the middle and the first day.
"""

import statistics
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection

from ledger import canonical
from ledger.canonical import render
from ledger.entries import Listing
from portfolio import book
from portfolio.book import Moment
from portfolio.ids import new_id, new_ids
from portfolio.proof import tree
from portfolio.rebuild import mend
from portfolio.sync import bulk, instruments, record

from .evening import load
from .sizes import sizes
from .sync import make_accounts, timed

ACCOUNTS, HOLDINGS, DAYS, ROUNDS = 100, 50, 200, 15
FIRST, LIMIT = date(2026, 1, 1), 2.0
NOTHING = bytes(32)


def main() -> None:
    size = sizes(accounts=ACCOUNTS, days=DAYS, rounds=ROUNDS)
    accounts = make_accounts(range(size.accounts))
    listings = [Listing(f"INE{number:06d}01{number % 10}", f"SHARE{number:04d}") for number in range(HOLDINGS)]
    known = instruments.resolve(listings, FIRST)
    fill(accounts, [(listing, known[listing]) for listing in listings], size.days)
    for account in accounts:
        mend(account)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    report([account.pk for account in accounts], size.days, size.rounds)


def fill(accounts: list[Any], shares: list[tuple[Listing, str]], days: int) -> None:
    for day in range(days):
        versions: list[list[Any]] = []
        batches, pages, places = [], [], []
        now = moment(day)
        for number, account in enumerate(accounts):
            batch = new_id()
            batches.append(render(canonical.SYNC_BATCH, (
                batch, str(account.pk), "DAILY_PORTFOLIO", now.date(), "COMPLETED", now, now, *(0,) * 8, "[]", "{}",
            )))  # fmt: skip
            page = new_id()
            pages.append(render(record.PAGE_ROW, (page, str(account.head.pk), batch, day + 1, 50, *(NOTHING,) * 4)))
            places.append(render(tree.LEAF, (day * len(accounts) + number + 1, page, NOTHING, b"", now)))
            versions += held(str(account.pk), batch, day, shares)
        prices = list(priced(batches[0][0] or "", day, shares))
        bulk.insert(canonical.SYNC_BATCH, batches)
        bulk.insert(bulk.with_leaf(canonical.HOLDING_VERSION), versions)
        bulk.insert(bulk.with_leaf(canonical.PRICE), prices)
        bulk.insert(record.PAGE_ROW, pages)
        bulk.insert(tree.LEAF, places)


def moment(day: int) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, 11, tzinfo=UTC) + timedelta(day)


def held(account: str, batch: str, day: int, shares: list[tuple[Listing, str]]) -> Iterator[list[Any]]:
    now = moment(day)
    for (listing, instrument), row_id in zip(shares, new_ids(len(shares)), strict=True):
        values = (
            row_id, account, now.date(), instrument, listing.isin, listing.symbol, "NSE", "DELIVERY", False,
            100 + day, 100 + day, 100, day, 0, 0, 0, 0, 250, "", None, now, now, batch,
        )  # fmt: skip
        yield [*render(canonical.HOLDING_VERSION, values), "00" * 32]


def priced(batch: str, day: int, shares: list[tuple[Listing, str]]) -> Iterator[list[Any]]:
    now = moment(day)
    for (listing, instrument), row_id in zip(shares, new_ids(len(shares)), strict=True):
        values = (
            row_id, instrument, listing.isin, listing.symbol, "NSE", now.date(), "GROWW", 1, 300 + day, now, True, now,
            batch,
        )  # fmt: skip
        yield [*render(canonical.PRICE, values), "00" * 32]


def report(accounts: list[UUID], days: int, rounds: int) -> None:
    kinds: dict[str, Moment | None] = {"what stands now": None} | {
        f"known on day {day + 1} of {days}": Moment(known_at=moment(day)) for day in (days - 1, days // 2, 0)
    }
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds + 1):
        for name, at in kinds.items():
            seconds[name].append(timed(partial(book.holdings, [accounts[number % len(accounts)]], at)))
    medians = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    now = medians.pop("what stands now")
    print(f"{connection.vendor}: 50 holdings of one account as they stand: {now * 1000:.1f} ms")
    for name, median in medians.items():
        missed = "  ABOVE" if median > LIMIT * now else ""
        print(f"{connection.vendor}: {name}: {median * 1000:.1f} ms, {median / now:.2f}x (at most {LIMIT:g}x){missed}")
    print(f"{connection.vendor}: load {load()}")
