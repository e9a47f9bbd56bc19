"""Facts for downstream, written in the same transaction as what they tell of: one event of a kind a batch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ledger.canonical import render
from ledger.snapshot import Totals

from ..ids import new_id, new_ids
from ..models import AccountHead, Event
from . import bulk
from .bulk import schema
from .capture import Capture

EVENT = schema(
    "events", 1, "id:uuid broker_account_id:uuid number:integer kind payload:json created_at:instant sync_batch_id:uuid"
)
NUMBER = schema("account_heads", 1, "id:uuid event_number:integer")
_encode = msgspec.json.Encoder(order="sorted", enc_hook=str).encode


@dataclass(slots=True)
class Outbox:
    """What one batch has to tell. Numbers run on from the account's last event."""

    capture: Capture
    last_number: int
    now: datetime
    orders: list[str] = field(default_factory=list)
    holdings: list[str] = field(default_factory=list)
    questions: list[int] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    totals: Totals | None = None
    account: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rows(self, status: str, counts: dict[str, int]) -> list[tuple[Any, ...]]:
        """The values of the rows of `events`. Advances `last_number`."""
        facts = [(f"sync.{status.lower()}", self._summary(counts)), *self._details(), *self.account]
        first, account, batch = self.last_number + 1, self.capture.account_id, self.capture.batch_id
        self.last_number += len(facts)
        return [
            (row_id, account, number, kind, _encode(payload).decode(), self.now, batch)
            for number, (row_id, (kind, payload)) in enumerate(zip(new_ids(len(facts)), facts, strict=True), first)
        ]

    def _summary(self, counts: dict[str, int]) -> dict[str, Any]:
        summary: dict[str, Any] = {"batch": self.capture.batch_id, "trading_day": self.capture.trading_day, **counts}
        if self.totals:
            summary["total_portfolio_value"] = self.totals.total_portfolio_value
        if self.capture.problems:
            summary["problems"] = [problem._asdict() for problem in self.capture.problems]
        return summary

    def _details(self) -> list[tuple[str, dict[str, Any]]]:
        kinds = (
            ("orders.changed", self.orders),
            ("holdings.changed", self.holdings),
            ("question.opened", self.questions),
            ("question.closed", self.closed),
        )
        batch = self.capture.batch_id
        return [(kind, {"batch": batch, "subjects": subjects}) for kind, subjects in kinds if subjects]


class Fact(NamedTuple):
    """Something to tell of one account, or of the installation, that no batch stands for."""

    kind: str
    payload: dict[str, Any]


def tell(heads: Iterable[AccountHead], facts: Mapping[Any, Fact], now: datetime) -> None:
    """One event a head, with a fixed number of statements. The caller holds the locks of these heads, all of which
    have a fact, by the id of their account; the installation's is None."""
    events, numbers = [], []
    for head in heads:
        fact, account_id = facts[head.account_id], str(head.account_id) if head.account_id else None
        whose = {"account": account_id} if account_id else {}
        payload = _encode({**whose, **fact.payload}).decode()
        events.append(render(EVENT, (new_id(), account_id, head.event_number + 1, fact.kind, payload, now, None)))
        numbers.append(render(NUMBER, (str(head.pk), head.event_number + 1)))
    bulk.insert(EVENT, events)
    bulk.update(NUMBER, numbers)


def tell_installation(kind: str, payload: dict[str, Any], now: datetime, unless_last: bool = False) -> None:
    """One event of the installation itself, in the caller's transaction. With `unless_last` not a second time what
    was told last of this kind."""
    head = AccountHead.objects.select_for_update().get(account=None)
    text = _encode(payload).decode()
    last = Event.objects.filter(broker_account=None, kind=kind).order_by("number").last()
    if unless_last and last and last.payload == text:
        return
    bulk.insert(EVENT, [render(EVENT, (new_id(), None, head.event_number + 1, kind, text, now, None))])
    bulk.update(NUMBER, [render(NUMBER, (str(head.pk), head.event_number + 1))])
