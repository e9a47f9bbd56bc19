"""Closes the batches of runs that were killed: nothing stays STARTED for ever, and nothing of it is lost.

Whoever comes next to an account does it, once the lease has run out. The page covers the replies that the
dead run had stored. The token moves on, so that a run which only slept finds itself outdated.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from ..installation import key_ring
from ..models import AccountHead, SyncBatch
from .capture import Capture, Memory
from .claim import claim, evidence_key_of
from .decide import decide
from .record import record, seal
from .state import read

logger = logging.getLogger(__name__)


def claim_anew(account_ids: Iterable[str], sync_type: str, owner: UUID, now: datetime) -> list[Capture]:
    """Takes these accounts for a run, once what dead runs have left of them is closed."""
    ids = list(account_ids)
    close_interrupted(ids, now)
    return claim(ids, sync_type, owner, now)


def close_interrupted(account_ids: Iterable[UUID | str], now: datetime) -> int:
    """Seals every batch that is STARTED while nobody holds its account. Returns how many."""
    stale = SyncBatch.objects.filter(status=SyncBatch.Status.STARTED, broker_account__among=list(account_ids))
    held = Q(broker_account__head__lease_until__gte=Now())
    closed = 0
    for batch in (
        stale.exclude(held).select_related("broker_account__head", "broker_account__key").order_by("started_at")
    ):
        closed += _close(batch, now)
    return closed


def _close(batch: SyncBatch, now: datetime) -> bool:
    account = batch.broker_account
    assert account is not None
    if not AccountHead.objects.filter(AccountHead.lease_is_free(), account=account).update(token=F("token") + 1):
        return False
    head = AccountHead.objects.get(account=account)
    capture = Capture(
        account_id=str(account.pk),
        client_id=account.account_id,
        broker=account.broker_id,
        head_id=str(head.pk),
        token=head.token,
        batch_id=str(batch.pk),
        sync_type=batch.sync_type,
        trading_day=batch.trading_day,
        started_at=batch.started_at,
        is_first=head.opened_on is None,
        takes_state=False,
        is_closed=False,
        writes_snapshot=False,
        morning_of=None,
        evidence_key=evidence_key_of(key_ring(), bytes(account.key.wrapped), str(account.pk))[0],
        memory=Memory.of(head),
        is_broken=True,
    )
    capture.blame(
        "account", "interrupted", "the run ended before it was done", "nothing to do: the account is synced again"
    )
    result = seal(decide(capture, read([capture])[capture.account_id], {}, now), now)
    return bool(record([result]).written)
