"""One side of the history benchmark: fills the order history, then syncs whenever it is told to (`depth_report`)."""

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import connection

from ledger import canonical
from ledger.entries import Listing, Order
from portfolio import models
from portfolio.sync import bulk, instruments
from portfolio.sync.rows import Pen, finish

from .depth_report import ACCOUNTS, HOLDERS, STAGES
from .sizes import sizes
from .sync import fresh_numbers, make_accounts, ours, stage_replies, timed

STEP = 50_000  # versions that are written at once


def fill(versions: int, holders: int) -> None:
    """Orders of past days, 50 a day for each of these accounts, in one SHARED batch."""
    accounts = make_accounts(range(holders))
    now = datetime(2026, 10, 5, tzinfo=UTC)
    batch = models.SyncBatch.objects.create(
        sync_type="SHARED", trading_day=now.date(), status="COMPLETED", started_at=now, completed_at=now
    )
    listing = Listing("INE002A01018", "RELIANCE")
    instrument = instruments.resolve([listing], now.date())[listing]
    for start in range(0, versions, STEP):
        pens = [Pen(str(account.pk), str(batch.pk), now) for account in accounts]
        for number in range(start, min(start + STEP, versions)):
            day = date(2026, 10, 2) - timedelta(days=number // (50 * holders))
            pens[number // 50 % holders].order(instrument, day, 1, _order(number, listing, now))
        finish(pens)
        bulk.insert(bulk.with_leaf(canonical.ORDER), [row for pen in pens for row in pen.rows[canonical.ORDER]])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _order(number: int, listing: Listing, now: datetime) -> Order:
    ten, price = Decimal(10), Decimal(250)
    return Order(
        order_id=f"GMK{number:012d}", order_reference_id="", isin=listing.isin, symbol=listing.symbol, exchange="NSE",
        segment="CASH", product="CNC", order_type="LIMIT", transaction_type="BUY", quantity=ten, price=price,
        trigger_price=None, validity="DAY", status="EXECUTED", status_raw="EXECUTED", filled_quantity=ten,
        remaining_quantity=Decimal(0), average_fill_price=price, deliverable_quantity=ten, amo_status="NA",
        created_at=now, exchange_time=now, trade_date=now, remark="",
    )  # fmt: skip


def worker() -> None:
    """Fills the history, says so, and then syncs 50 new accounts for each line it is sent; prints seconds."""
    size = sizes(versions=0, holders=HOLDERS, accounts=ACCOUNTS)
    fill(size.versions, size.holders)
    print("ready", flush=True)
    for _ in sys.stdin:
        clients = fresh_numbers(size.accounts)
        accounts = make_accounts(clients)
        seconds = []
        for stage in STAGES:
            prepared = [stage_replies(stage, number) for number in clients]
            batch = list(zip(accounts, (one for one, _ in prepared), strict=True))
            seconds.append(timed(partial(ours, batch, prepared[0][1])))
        print(" ".join(map(str, seconds)), flush=True)
