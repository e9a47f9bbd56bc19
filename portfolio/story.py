"""What the book tells of one account since some instant: what was fetched and written, which orders were seen
changing, what happened to its holdings, and the open questions. Reads; writes nothing and judges nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

import msgspec

from ledger.entries import CANCELLED, PARTIALLY_FILLED, REJECTED, ZERO
from ledger.normalise import ist_date

from . import book
from .models import (
    BrokerAccount,
    HoldingVersion,
    OrderQuantityChange,
    OrderVersion,
    RawReply,
    SyncBatch,
)
from .sync.questions import OpenQuestion, open_questions

PARTLY_FILLED, MODIFIED, CALLED_OFF, REFUSED, OVERNIGHT = (
    "partly filled first", "modified", "cancelled", "rejected", "seen on two days",
)  # fmt: skip
ORDER_KINDS = (PARTLY_FILLED, MODIFIED, OVERNIGHT, CALLED_OFF, REFUSED)
SOLD_OUT, PLEDGED, RELEASED, SETTLED = "sold out", "pledged", "released from pledge", "settled after T+1"
HOLDING_KINDS = (SOLD_OUT, PLEDGED, RELEASED, SETTLED)


@dataclass(frozen=True, slots=True)
class Fetched:
    """`requests` were made, `replies_kept` had a body not seen before; the rest is of the last whole capture."""

    batches: dict[str, int]
    requests: int
    replies_kept: int
    holdings: int
    positions: int
    orders: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows that were written."""

    orders: int
    order_versions: int
    quantity_changes: int
    transactions: int
    holding_versions: int
    position_versions: int
    snapshots: int
    pages: int


@dataclass(frozen=True, slots=True)
class State:
    """One version of an order, when we saw it, and when it came about, where the broker says that."""

    version: int
    detected_at: datetime
    changed_at: datetime | None
    status: str
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    average_price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderStory:
    order_id: str
    order_date: date
    symbol: str
    side: str
    kinds: list[str]
    states: list[State]


@dataclass(frozen=True, slots=True)
class Move:
    """Something that happened to a holding, in units."""

    kind: str
    as_of: date
    symbol: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Story:
    fetched: Fetched
    changed: Changed
    orders: list[OrderStory]
    moves: list[Move]
    questions: list[OpenQuestion]


def of(account: BrokerAccount, since: datetime) -> Story:
    """Of all captures that began after `since`; the questions as they are now."""
    return Story(
        _fetched(account, since),
        _changed(account, since),
        [order for order in _orders(account, since) if order.kinds],
        sorted(_moves(account, since), key=lambda move: (move.as_of, move.symbol)),
        open_questions(account),
    )


def _fetched(account: BrokerAccount, since: datetime) -> Fetched:
    batches = list(account.batches.filter(started_at__gt=since).order_by("started_at"))
    counts = {status: sum(batch.status == status for batch in batches) for status in SyncBatch.Status.values}
    whole = [batch for batch in batches if batch.sync_type != SyncBatch.Type.ORDER_HISTORY]
    last = whole[-1] if whole else SyncBatch()
    return Fetched(
        counts,
        sum(len(msgspec.json.decode(batch.metadata).get("replies", ())) for batch in batches),
        RawReply.objects.filter(broker_account=account, batch__started_at__gt=since).count(),
        last.holdings_fetched,
        last.positions_fetched,
        last.orders_fetched,
    )


def _changed(account: BrokerAccount, since: datetime) -> Changed:
    fresh: dict[str, Any] = {"batch__started_at__gt": since}
    versions = account.order_versions.filter(**fresh)
    return Changed(
        versions.values("groww_order_id", "order_date").distinct().count(),
        versions.count(),
        OrderQuantityChange.objects.filter(broker_account=account, **fresh).count(),
        book.transactions([account.pk]).filter(**fresh).count(),
        account.holding_versions.filter(**fresh).count(),
        account.position_versions.filter(**fresh).count(),
        account.snapshots.filter(**fresh).count(),
        account.head.pages.filter(**fresh).count(),
    )


def _orders(account: BrokerAccount, since: datetime) -> Iterator[OrderStory]:
    touched = account.order_versions.filter(batch__started_at__gt=since).values("groww_order_id")
    versions = account.order_versions.filter(groww_order_id__in=touched).order_by(
        "order_date", "groww_order_id", "version"
    )
    for (day, order_id), group in groupby(versions, lambda one: (one.order_date, one.groww_order_id)):
        trail = list(group)
        states = [_state(version) for version in trail]
        yield OrderStory(order_id, day, trail[0].symbol, trail[0].transaction_type, _kinds(states), states)


def _state(version: OrderVersion) -> State:
    return State(
        version.version, version.detected_at, version.changed_at, version.order_status, version.quantity,
        version.filled_quantity, version.price, version.average_fill_price,
    )  # fmt: skip


def _kinds(states: Sequence[State]) -> list[str]:
    """What is worth telling of an order; nothing, when it was simply done."""
    days = {ist_date(state.detected_at) for state in states}
    facts = {
        PARTLY_FILLED: len(states) > 1 and any(state.status == PARTIALLY_FILLED for state in states),
        MODIFIED: any((one.quantity, one.price) != (other.quantity, other.price) for one, other in pairwise(states)),
        OVERNIGHT: len(days) > 1,
        CALLED_OFF: states[-1].status == CANCELLED,
        REFUSED: states[-1].status == REJECTED,
    }
    return [kind for kind in ORDER_KINDS if facts[kind]]


def _moves(account: BrokerAccount, since: datetime) -> Iterator[Move]:
    versions = account.holding_versions.order_by("instrument", "lot", "detected_at", "pk").select_related("batch")
    sold_out = _sold_out(account)
    for _, group in groupby(versions, lambda one: (one.instrument_id, one.lot)):
        for before, after in pairwise(group):
            if after.batch.started_at > since:
                yield from _between(before, after, after.pk in sold_out)


def _sold_out(account: BrokerAccount) -> set[Any]:
    """The end rows of holdings that fills explain; the others are questions."""
    changes = account.holding_changes.filter(new_quantity=0, unexplained_quantity=0)
    return set(changes.values_list("new_version", flat=True))


def _between(before: HoldingVersion, after: HoldingVersion, is_sold_out: bool) -> Iterator[Move]:
    pledged = _pledged(after) - _pledged(before)
    settled = before.t1_quantity - after.t1_quantity
    if after.is_gone:
        if is_sold_out:
            yield Move(SOLD_OUT, after.as_of, after.symbol, before.owned_quantity)
    elif pledged:
        yield Move(PLEDGED if pledged > ZERO else RELEASED, after.as_of, after.symbol, abs(pledged))
    elif settled > ZERO:
        yield Move(SETTLED, after.as_of, after.symbol, settled)


def _pledged(version: HoldingVersion) -> Decimal:
    return version.pledge_quantity + version.repledge_quantity
