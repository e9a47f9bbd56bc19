"""What syncs, accounts and the book are to a program: JSON values, decimals and times as text. Decides nothing."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from ledger.canonical import SYNC_BATCH
from ledger.checkpoint import Note

from . import asked, book, clock
from .models import BrokerAccount
from .proof.verified import Verified
from .story import Story
from .sync.capture import HOLDINGS, POSITIONS
from .sync.record import Result

SNAPSHOT_COLUMNS = (
    "snapshot_date", "revision", "total_holdings_value", "total_positions_value", "total_portfolio_value",
    "cash_balance", "margin_used", "margin_available", "day_change", "day_change_percent", "net_purchases",
    "holdings_count", "positions_count", "orders_count", "trades_count", "stale_prices", "created_at",
)  # fmt: skip


def as_values(result: Result) -> dict[str, Any]:
    """One account's batch: the batch's own columns, its page, and the day's totals where it wrote them."""
    batch = dict(zip(SYNC_BATCH.columns, result.header, strict=True))
    counters = {name: int(batch[name] or 0) for name, kind in SYNC_BATCH.fields if kind == "integer"}
    totals = result.made.outbox.totals
    return {
        "account": result.capture.account_id,
        "broker": result.capture.broker,
        "batch": batch["id"],
        "sync_type": batch["sync_type"],
        "trading_day": batch["trading_day"],
        "status": batch["status"],
        **counters,
        "errors": json.loads(batch["error_details"] or "[]"),
        "unconfirmed": unconfirmed(result),
        "questions": result.made.outbox.questions,
        "page": result.page.number,
        "page_hash": result.page.hash.hex(),
        "totals": totals._asdict() if totals else None,
    }


def unconfirmed(result: Result) -> dict[str, str]:
    """By section, what of it is missing and stands all the same."""
    noted = result.capture.metadata
    return {name: noted[f"{name}_unconfirmed"] for name in (HOLDINGS, POSITIONS) if f"{name}_unconfirmed" in noted}


def day_values(number: int, day: date, results: Iterable[Result]) -> dict[str, Any]:
    return {"number": number, "day": day, "batches": [as_values(result) for result in results]}


def account_values(account: BrokerAccount, story: Story) -> dict[str, Any]:
    """One account: what the book tells of it, what it holds, and its last snapshot."""
    snapshot = book.last_snapshot(account.pk)
    return {
        "account": account.pk,
        "broker": account.broker_id,
        "client_id": account.account_id,
        "label": account.label,
        **asdict(story),
        "questions": [asked.question_values(one, clock.today()) for one in story.questions],
        "holdings": [
            {"symbol": row.symbol, "isin": row.isin, "quantity": row.owned_quantity, "value": row.current_value}
            for row in book.holdings([account.pk])
        ],
        "snapshot": {name: getattr(snapshot, name) for name in SNAPSHOT_COLUMNS} if snapshot else None,
    }


def verified_values(found: Verified) -> dict[str, Any]:
    return {**vars(found), "findings": [finding._asdict() for finding in found.findings]}


def book_values(found: Verified, note: Note) -> dict[str, Any]:
    """The whole book: what verifying it found, and the checkpoint of it."""
    return {**verified_values(found), "checkpoint": str(note)}


def as_json(values: object) -> str:
    return json.dumps(values, indent=1, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
