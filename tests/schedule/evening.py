"""What a test of the schedule asks: a tick at a time in India, and what became of the slots."""

from collections.abc import Callable
from typing import Any

from ledger.normalise import IST
from portfolio.models import BrokerAccount, SyncBatch, SyncSlot
from portfolio.schedule.tick import tick

At = Callable[[str], None]


def tick_at(at: At, *moments: str) -> list[int]:
    """How many runs each tick made."""
    runs = []
    for moment in moments:
        at(moment)
        runs.append(tick())
    return runs


def results(account: BrokerAccount, kind: str = "DAILY_PORTFOLIO") -> dict[str, str | None]:
    """By when each look was due, in India."""
    slots = SyncSlot.objects.filter(broker_account=account, kind=kind).order_by("due_at")
    return {f"{slot.due_at.astimezone(IST):%m-%d %H:%M}": slot.result for slot in slots}


def batches(account: BrokerAccount) -> list[tuple[str, str]]:
    """Of each run its type and status."""
    made = SyncBatch.objects.filter(broker_account=account).order_by("started_at", "pk")
    return list(made.values_list("sync_type", "status"))


def kinds(account: BrokerAccount) -> list[Any]:
    """Of the events that no batch stands for, and of accounts."""
    return [kind for kind in account.events.order_by("number").values_list("kind", flat=True)
            if not kind.startswith(("sync.", "holdings.", "orders."))]  # fmt: skip
