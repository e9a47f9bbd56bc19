"""What must be true of the book whatever happened: checked against its own rows, and against what the investors did.

Nothing of the sync is used. Each check fails with the first thing that is wrong.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from django.db.models import Model

from ledger import canonical
from portfolio.models import (
    AccountHead,
    BrokerAccount,
    ChangeExplanation,
    Event,
    HoldingChange,
    HoldingVersion,
    OrderVersion,
    PositionVersion,
    RealHolding,
    RealPosition,
    SyncBatch,
    SyncSlot,
    Transaction,
)
from simulators.investor import Investor
from tests.sync import recomputed

Rows = list[tuple[Any, ...]]


def check_at_rest() -> None:
    """Nobody is at work: every batch is closed, and everything holds."""
    assert list(SyncBatch.objects.filter(status="STARTED")) == []
    assert list(SyncSlot.objects.filter(result=None, attempts__gt=0, batch__status="COMPLETED")) == []
    check_anywhere()


def check_anywhere() -> None:
    """At any moment, also while runs lie where they were killed."""
    check_open_batches()
    recomputed.check_closed_pages(recomputed.leaves_by_batch())
    check_facts_stand_once()
    check_projections()
    check_events()


def check_open_batches() -> None:
    """All or nothing: a batch that is not closed has written its replies, and nothing else."""
    still_open = list(SyncBatch.objects.filter(status="STARTED").values_list("pk", flat=True))
    for schema in canonical.BOOK.values():
        rows = recomputed.model_of(schema)._default_manager.filter(batch__in=still_open)
        assert schema is canonical.RAW_REPLY or not rows.exists(), f"an open batch has rows in {schema.name}"
    assert not Event.objects.filter(batch__in=still_open).exists()


def check_facts_stand_once() -> None:
    """No state of an order follows on an equal one, no fill stands twice, versions have no gap."""
    seen: dict[Any, list[OrderVersion]] = {}
    for row in OrderVersion.objects.order_by("version"):
        seen.setdefault((row.broker_account_id, row.groww_order_id, row.order_date), []).append(row)
    for key, versions in seen.items():
        assert [row.version for row in versions] == list(range(1, len(versions) + 1)), key
        states = [kept_of(row) for row in versions if not row.is_late]
        assert all(a != b for a, b in pairwise(states)), f"{key} has a version twice"
    fills = Counter(Transaction.objects.values_list("broker_account", "source_id", "revision"))
    assert [key for key, count in fills.items() if count > 1] == []


def kept_of(row: Model) -> dict[str, Any]:
    """What a version says, without what tells of its writing."""
    apart = {"id", "leaf", "version", "detected_at", "batch_id", "changed_at"}
    return {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if f.attname not in apart}


def check_projections() -> None:
    """The current tables are the last versions: never a mix of two captures."""
    pairs: list[tuple[type[Any], type[Any], tuple[str, ...]]] = [
        (RealHolding, HoldingVersion, ("instrument_id", "lot")),
        (RealPosition, PositionVersion, ("instrument_id", "segment", "product")),
    ]
    for current, versions, names in pairs:
        keys = ("broker_account_id", *names)
        latest = {tuple(getattr(row, key) for key in keys): row for row in versions.objects.order_by("pk")}
        standing = {key: row.quantity for key, row in latest.items() if not row.is_gone}
        shown = {tuple(getattr(row, key) for key in keys): row.quantity for row in current.objects.all()}
        assert shown == standing, current.__name__


def check_events() -> None:
    """Numbered without a gap for each account, and one that tells how each closed batch ended."""
    for head in AccountHead.objects.exclude(account=None):
        events = list(Event.objects.filter(broker_account=head.account).order_by("number"))
        assert [event.number for event in events] == list(range(1, head.event_number + 1))
        told = Counter(event.batch_id for event in events if event.kind.startswith("sync."))
        closed = SyncBatch.objects.filter(broker_account=head.account).exclude(status="STARTED")
        assert told == Counter(closed.values_list("pk", flat=True))


def check_truth(account: BrokerAccount, investor: Investor) -> None:
    """What the book has of the running day is what the investor did and owns."""
    day = investor.book_day
    assert bridge(account) == investor.owned
    fills = Transaction.objects.current().filter(broker_account=account, trade_date=day)
    ours = sorted(fills.values_list("executed_at", "symbol", "transaction_type", "quantity", "price"))
    theirs = investor.truth.fills_on(day)
    assert ours == sorted((f.at, o.instrument.symbol, o.side, f.quantity, f.price) for o, f in theirs)
    orders = {row.groww_order_id: row for row in current_orders(account) if row.order_date == day}
    assert sorted((row.symbol, row.quantity, row.filled_quantity) for row in orders.values()) == sorted(
        (order.instrument.symbol, order.quantity, order.filled) for order in investor.orders
    )
    snapshot = account.snapshots.filter(snapshot_date=day).latest("revision")
    assert (snapshot.trades_count, snapshot.orders_count) == (len(theirs), len(investor.orders))


def bridge(account: BrokerAccount) -> dict[str, int]:
    """Openings, delivery fills and open questions, in units by ISIN: design 7's sum. A broker may name no ISIN in a
    fill; its instrument has one."""
    owned: Counter[str] = Counter()
    mine = {"broker_account": account}
    delivered = Transaction.objects.current().filter(is_delivery=True, **mine)
    for rows, column, sign in (
        (ChangeExplanation.objects.filter(kind="OPENING", **mine), "quantity", 1),
        (delivered.filter(transaction_type="BUY"), "quantity", 1),
        (delivered.filter(transaction_type="SELL"), "quantity", -1),
        (HoldingChange.objects.filter(**mine), "unexplained_quantity", 1),
    ):
        for isin, units in rows.values_list("instrument__isin", column):
            owned[isin] += sign * int(units)
    return {isin: units for isin, units in owned.items() if units}


def current_orders(account: BrokerAccount) -> Iterable[OrderVersion]:
    return OrderVersion.objects.filter(broker_account=account, is_late=False).order_by("version")
