"""Takes accounts for one run: the lease on the head, with a token that outdates every earlier holder.

Only a sync takes the lease. It keeps a second run away during the slow fetch; what keeps the book whole is
the token, checked again inside the record transaction. Leases run by the database's clock, never by ours.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from ledger import canonical
from ledger.normalise import ist_date

from .. import evidence_keys, keys
from ..evidence_keys import EvidenceKey
from ..ids import new_id
from ..installation import key_ring
from ..keys import KeyRing
from ..models import AccountHead, BrokerAccount, BrokerType
from ..schedule import calendar
from . import bulk
from .breakers import leave_alone
from .capture import HOLDINGS_LOOK, WHOLE, Capture, Memory
from .head import Head, lock, read_heads

LEASE = timedelta(seconds=90)
Claim = Callable[[UUID, datetime], list[Capture]]  # takes more accounts for this owner, at this time


def once(claim: Claim) -> Claim:
    """What it gives the first time, and then nothing."""
    left = [claim]
    return lambda owner, now: left.pop()(owner, now) if left else []


def claim(account_ids: Iterable[str], sync_type: str, owner: UUID, now: datetime) -> list[Capture]:
    """Leases those accounts that nobody holds, and opens a batch for each, committed before the first request.

    Accounts that another run holds are left out. Batches that an earlier run left STARTED are not touched
    here: see `recover`.
    """
    seen = free_heads(account_ids)
    brokers, moment = BrokerType.objects.in_bulk({head.broker for head in seen}), Moment.of(now)

    def begun(head: Head) -> Capture:
        capture = captured(head, sync_type, moment)
        leave_alone(capture, brokers[head.broker], head.pause_until, now)
        return capture

    captures = [begun(head) for head in seen]
    opening = opening_batches(captures)
    with transaction.atomic(durable=True):
        heads = lease(seen, owner)
        if heads != seen:  # somebody was here meanwhile
            captures = [begun(head) for head in heads]
            opening = opening_batches(captures)
        bulk.send(opening)
    return captures


def free_heads(account_ids: Iterable[UUID | str]) -> list[Head]:
    """The heads of those of these accounts that nobody holds. To be read before the lock is taken, for which others
    wait: reading them takes longer than taking them."""
    return read_heads(AccountHead.objects.filter(AccountHead.lease_is_free(), account__among=list(account_ids)))


def lease(seen: Sequence[Head], owner: UUID, skip_locked: bool = False) -> list[Head]:
    """These heads, as they stand under the lock, without those that somebody has taken meanwhile; they are this owner's
    now, under their next token. With `skip_locked` a head that somebody is just writing or taking is left to him."""
    free = AccountHead.objects.filter(AccountHead.lease_is_free(), pk__among=[head.id for head in seen])
    stands = lock(free, skip_locked)
    heads = AccountHead.objects.filter(pk__among=list(stands))
    still = [head for head in seen if stands.get(head.id) == (head.token, head.page_number, head.event_number)]
    moved = stands.keys() - {head.id for head in still}
    anew = read_heads(heads.filter(pk__among=list(moved))) if moved else []
    heads.update(lease_owner=owner, lease_until=Now() + LEASE, token=F("token") + 1)
    return still + anew


class Moment(NamedTuple):
    """When captures begin: of which trading day that is, and on which side of its close."""

    now: datetime
    day: date
    is_own_day: bool
    is_closed: bool
    morning_of: date | None  # the trading day that is about to begin, while the day is the last session's still

    @staticmethod
    def of(now: datetime) -> "Moment":
        day, today = calendar.trading_day(now), ist_date(now)
        morning_of = today if today != day and calendar.session(today) else None
        return Moment(now, day, calendar.is_own_day(now, day), calendar.is_after_close(now, day), morning_of)


def captured(head: Head, sync_type: str, moment: Moment) -> Capture:
    """A capture of an account that is leased, under its next token. The trading day is fixed here."""
    is_first = head.opened_on is None
    evidence_key, trouble = evidence_key_of(key_ring(), head.wrapped, head.account_id)
    capture = Capture(
        account_id=head.account_id,
        client_id=head.client_id,
        broker=head.broker,
        head_id=head.id,
        token=head.token + 1,
        batch_id=new_id(),
        sync_type=sync_type,
        trading_day=moment.day,
        started_at=moment.now,
        is_first=is_first,
        takes_state=moment.is_own_day or is_first,
        is_closed=moment.is_closed,
        writes_snapshot=sync_type in WHOLE and (is_first or moment.is_own_day) and moment.is_closed,
        morning_of=moment.morning_of if sync_type == HOLDINGS_LOOK and not is_first else None,
        evidence_key=evidence_key,
        memory=Memory.read(head.remembered),
        head=head,
        stored=[],
    )
    if trouble:
        capture.blame("account", "credential_error", trouble, "put the key back; nothing was asked without it")
    return capture


def evidence_key_of(ring: KeyRing, wrapped: bytes, account_id: str) -> tuple[EvidenceKey, str]:
    """The key for the account's raw replies; one to be thrown away, with the reason, when it cannot be read."""
    try:
        return evidence_keys.evidence_key(ring, wrapped, account_id), ""
    except keys.CannotDecrypt as error:
        return EvidenceKey(secrets.token_bytes(keys.KEY_BYTES), account_id), str(error)


def opening_batches(captures: Sequence[Capture]) -> bulk.Write:
    """What opens their batches, ready to be sent."""
    rows = [_opened(capture) for capture in captures]
    return bulk.inserting(canonical.SYNC_BATCH, canonical.render_rows(canonical.SYNC_BATCH, rows))


def open_batches(captures: Sequence[Capture]) -> None:
    bulk.send(opening_batches(captures))


def _opened(c: Capture) -> tuple[object, ...]:
    zeros = (0,) * 8
    return (c.batch_id, c.account_id, c.sync_type, c.trading_day, "STARTED", c.started_at, None, *zeros, "[]", "{}")


def renew(owner: UUID) -> None:
    """Lengthens the leases that are still ours. One that was lost stays lost: its token is outdated."""
    with transaction.atomic():
        _mine(owner).update(lease_until=Now() + LEASE)


def release(owner: UUID) -> None:
    """Gives back the leases that are still ours, so that nobody waits for a run that was stopped."""
    with transaction.atomic():
        _mine(owner).update(lease_owner=None, lease_until=None)


def _mine(owner: UUID) -> QuerySet[AccountHead]:
    """The heads whose lease is this owner's, locked in id order, as everybody locks them."""
    held = AccountHead.objects.select_for_update().filter(lease_owner=owner)
    return AccountHead.objects.filter(pk__among=list(held.order_by("pk").values_list("pk", flat=True)))


def accounts_to_sync(account_ids: Iterable[str] = (), portfolio_ids: Iterable[str] = ()) -> list[BrokerAccount]:
    """Accounts by id or portfolio, or all; disabled ones and those of inactive portfolios are left out."""
    accounts = BrokerAccount.objects.to_sync().order_by("created_at", "pk")
    if wanted := list(account_ids):
        accounts = accounts.filter(pk__among=wanted)
    if portfolios := list(portfolio_ids):
        accounts = accounts.filter(portfolio_id__in=portfolios)
    return list(accounts)
