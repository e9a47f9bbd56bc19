"""Which brokers and accounts are left alone for a while, in the database, so that all runs and processes do.

A broker is noted after the record transaction, in a short one of its own: a note that is lost with its process costs a
few attempts and no row of the book. Never decides when: see `ledger.breaker`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from django.db import transaction

from ledger.breaker import PAUSE, Breaker, Outcome, after, is_up
from ledger.canonical import Rendered, render
from ledger.normalise import IST
from ledger.retries import LEFT_ALONE

from .. import clock
from ..models import AccountHead, BrokerType, SyncSlot
from .bulk import schema
from .capture import Capture
from .emit import Fact, tell

if TYPE_CHECKING:
    from .record import Result

UNAVAILABLE, RECOVERED = "broker.unavailable", "broker.recovered"
PAUSED = schema("account_heads", 1, "id:uuid pause_until:instant")


def paused(captures: Iterable[Capture]) -> list[Rendered]:
    """The heads of those accounts that their broker wants to be asked for no more before a certain moment. What was not
    asked at all learnt of none; what it waits for may be the broker's, and no matter of the account."""
    now = clock.now()
    return [
        render(PAUSED, (capture.head_id, now + timedelta(seconds=capture.retry_after)))
        for capture in captures
        if capture.retry_after and not capture.is_left_alone
    ]


def leave_alone(capture: Capture, broker: BrokerType, pause_until: datetime | None, now: datetime) -> None:
    """Says that nothing is asked, and until when, if that is so; whoever wanted it."""
    if not (pause_until or broker.failing_since):
        return
    pauses = [(pause_until or now, f"{broker.name} wants to be asked nothing for this account")]
    if broker.failing_since:
        pauses.append((broker.probe_at or now, left_alone(broker)))
    until, why = max(pauses)
    if until > now:
        capture.retry_after = (until - now).total_seconds()
        capture.blame(
            "account",
            LEFT_ALONE,
            f"{why}; not before {_time(_whole_minute(until))}",
            "nothing to do: it is tried again",
        )


def left_alone(broker: BrokerType) -> str:
    """Why no account of a failing broker is asked."""
    assert broker.failing_since is not None
    return (
        f"{broker.name} fails for one account after the other since {_time(broker.failing_since)} and is tried with "
        f"one, minute after minute: {broker.failing_reason}"
    )[:500]


def take_probe(code: str, now: datetime) -> bool:
    """Of several who want to try a failing broker with one account, one may."""
    mine = BrokerType.objects.filter(pk=code, failing_since__isnull=False, probe_at__lte=now)
    with transaction.atomic():  # what is no transaction waits longer for SQLite's writer
        return bool(mine.update(probe_at=now + PAUSE))


def note(results: Sequence["Result"]) -> None:
    """What these results say of their brokers. When all is well that is one query, and nothing is written."""
    outcomes = _outcomes(results)
    troubled = BrokerType.objects.filter(pk__in=outcomes).exclude(failed_accounts="[]").values_list("pk", flat=True)
    now, known = clock.now(), set(troubled)
    for code, of_broker in outcomes.items():
        if code in known or not all(outcome.is_up for outcome in of_broker):
            _note(code, of_broker, now)


def _outcomes(results: Sequence["Result"]) -> dict[str, list[Outcome]]:
    outcomes = defaultdict(list)
    for result in results:
        capture = result.capture
        kinds = [problem.kind for problem in capture.problems]
        answered = is_up(result.status, kinds, has_reply=bool(capture.replies))
        if answered is not None:
            reason = capture.problems[0].message if capture.problems else ""
            outcomes[capture.broker].append(Outcome(capture.account_id, answered, reason, capture.retry_after))
    return outcomes


def _note(code: str, outcomes: Sequence[Outcome], now: datetime) -> None:
    with transaction.atomic(durable=True):
        row = BrokerType.objects.select_for_update(no_key=True).get(pk=code)
        before = _read(row)
        then = after(before, outcomes, now)
        if then == before:
            return
        _write(row, then)
        if then.is_open != before.is_open:
            _tell(code, UNAVAILABLE if then.is_open else RECOVERED, then if then.is_open else before, now)
    if before.is_open and not then.is_open:
        _wake(code, now)


def _read(row: BrokerType) -> Breaker:
    failed = msgspec.json.decode(row.failed_accounts, type=tuple[str, ...])
    return Breaker(failed, row.failing_since, row.probe_at, row.failing_reason)


def _write(row: BrokerType, breaker: Breaker) -> None:
    row.failed_accounts = msgspec.json.encode(breaker.failed).decode()
    row.failing_since, row.probe_at, row.failing_reason = breaker.failing_since, breaker.probe_at, breaker.reason
    row.save(update_fields=["failed_accounts", "failing_since", "probe_at", "failing_reason"])


def _tell(code: str, kind: str, breaker: Breaker, now: datetime) -> None:
    """The installation's event: no account's."""
    head = AccountHead.objects.select_for_update().get(account=None)
    tell([head], {None: Fact(kind, {"broker": code, "since": breaker.failing_since, "reason": breaker.reason})}, now)


@transaction.atomic(durable=True)
def _wake(code: str, now: datetime) -> None:
    """What waits for its next attempt waits no longer. Under the locks of the heads, as all who write slots."""
    waiting = SyncSlot.objects.filter(result=None, attempts__gt=0, next_attempt_at__gt=now, ends_at__gt=now)
    of_broker = waiting.filter(broker_account__broker=code)
    accounts = list(of_broker.values_list("broker_account", flat=True))
    list(AccountHead.objects.select_for_update().filter(account__among=accounts).order_by("pk").values_list("pk"))
    waiting.filter(broker_account__among=accounts).update(next_attempt_at=now)


def _whole_minute(moment: datetime) -> datetime:
    """The first one that is not before this moment."""
    return moment + -timedelta(seconds=moment.second, microseconds=moment.microsecond) % timedelta(minutes=1)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(IST):%H:%M}"
