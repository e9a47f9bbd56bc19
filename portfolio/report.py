"""What the result of a sync looks like to a person and to a program. Reads; decides nothing."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TextIO

from ledger.canonical import SYNC_BATCH

from .models import BrokerAccount
from .sync.record import Result

MARKS = {"COMPLETED": "ok", "PARTIAL": "part", "FAILED": "FAIL"}


def as_values(result: Result) -> dict[str, Any]:
    """One account's batch as JSON values: the batch's own columns, decimals and times as text."""
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
        "page": result.page.number,
        "page_hash": result.page.hash.hex(),
        "totals": {name: _plain(value) for name, value in totals._asdict().items()} if totals else None,
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def write_line(out: TextIO, result: Result, account: BrokerAccount) -> None:
    """One account in one line, and a line for each problem with what to do about it."""
    values = as_values(result)
    figures = (
        f"{values['holdings_fetched']} holdings, {values['positions_fetched']} positions, "
        f"{values['orders_fetched']} orders"
    )
    changed = values["holdings_updated"] + values["positions_updated"] + values["quantity_changes_detected"]
    news = f"{changed} changes" if changed else "no change"
    out.write(f"{MARKS[result.status]:4}  {account}  {values['trading_day']}  {figures}; {news}\n")
    for problem in result.capture.problems:
        out.write(f"      {problem.section}: {problem.message}\n        -> {problem.next}\n")


def exit_code(results: Iterable[Result], wanted: int) -> int:
    """0: every account completed. 1: some did not, or were held by another run. 2 is the caller's, for bad input."""
    statuses = [result.status for result in results]
    return 0 if len(statuses) == wanted and all(status == "COMPLETED" for status in statuses) else 1


def write_account(out: TextIO, account: BrokerAccount) -> None:
    """What a person wants to know of an account: what is held, the last snapshot, the open questions."""
    for holding in account.holdings.order_by("-current_value", "symbol"):
        value = f"{holding.current_value:14,.2f}" if holding.current_value is not None else " (no price yet)"
        mark = "  UNCONFIRMED since " + str(holding.unconfirmed_since) if holding.unconfirmed_since else ""
        out.write(f"  {holding.symbol:14} {holding.owned_quantity.normalize():>12,f} {value}{mark}\n")
    snapshot = account.snapshots.order_by("-snapshot_date", "-revision").first()
    if snapshot:
        change = f"{snapshot.day_change:+,.2f}" if snapshot.day_change is not None else "not known yet"
        cash = f"{snapshot.cash_balance:,.2f}" if snapshot.cash_balance is not None else "not given"
        out.write(
            f"  Snapshot of {snapshot.snapshot_date}: INR {snapshot.total_portfolio_value:,.2f} "
            f"(day change {change}; cash {cash})\n"
        )
        if snapshot.stale_prices:
            out.write(f"  {snapshot.stale_prices} without a price of that day\n")
    questions = account.holding_changes.exclude(unexplained_quantity=0).order_by("question_number")
    for question in questions:
        out.write(
            f"  Question {question.question_number}: {question.symbol} moved by "
            f"{question.quantity_delta.normalize():+f} on {question.as_of}, "
            f"{question.unexplained_quantity.normalize():+f} of it without an explanation\n"
        )
