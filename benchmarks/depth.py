"""One side of the history benchmark: fills the order history, then syncs whenever it is told to (`depth_report`)."""

import sys
from datetime import UTC, date, datetime, timedelta
from functools import partial

from django.db import connection

from ledger import canonical
from ledger.canonical import render
from ledger.entries import Listing
from portfolio import models
from portfolio.ids import new_ids
from portfolio.sync import bulk, instruments

from .depth_report import STAGES
from .sync import fresh_numbers, make_accounts, ours, stage_replies, timed

ACCOUNTS = 50


def fill(versions: int) -> None:
    """Orders of past days, 50 a day for each of 100 accounts, in one SHARED batch."""
    accounts = make_accounts(range(100))
    now = datetime(2026, 10, 5, tzinfo=UTC)
    batch = models.SyncBatch.objects.create(
        sync_type="SHARED", trading_day=now.date(), status="COMPLETED", started_at=now, completed_at=now
    )
    listing = Listing("INE002A01018", "RELIANCE")
    instrument = instruments.resolve([listing], now.date())[listing]
    for start in range(0, versions, 50_000):
        rows = []
        for number, row_id in enumerate(new_ids(50_000), start):
            day = date(2026, 10, 2) - timedelta(days=number // 5_000)
            values = (
                row_id, str(accounts[number // 50 % 100].pk), f"GMK{number:012d}", day, 1, False, instrument,
                listing.isin, listing.symbol, "NSE", "", "CASH", "CNC", "LIMIT", "BUY", 10, 250, None, "DAY",
                "EXECUTED", "EXECUTED", 10, 0, 250, 10, "NA", now, now, now, "", now, str(batch.pk),
            )  # fmt: skip
            rows.append([*render(canonical.ORDER, values), "00" * 32])
        bulk.insert(bulk.with_leaf(canonical.ORDER), rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def worker(versions: int) -> None:
    """Fills the history, says so, and then syncs 50 new accounts for each line it is sent; prints seconds."""
    fill(versions)
    print("ready", flush=True)
    for _ in sys.stdin:
        clients = fresh_numbers(ACCOUNTS)
        accounts = make_accounts(clients)
        seconds = []
        for stage in STAGES:
            prepared = [stage_replies(stage, number) for number in clients]
            batch = list(zip(accounts, (one for one, _ in prepared), strict=True))
            seconds.append(timed(partial(ours, batch, prepared[0][1])))
        print(" ".join(map(str, seconds)), flush=True)
