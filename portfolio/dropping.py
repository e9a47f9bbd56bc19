"""The bodies of old replies go, by an act that the book records: who, why, and of which replies.

A body counts from the last batch that came of it, not from the first: the same body is kept once, and later captures
refer to it. The reply itself stays, with its digests and its leaf. The database lets no body go of which no row of
`dropped_bodies` says so; here none goes of which no act says so, for whoever may append can write such a row. Deletes
no row of the book.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from ledger import canonical
from ledger.normalise import ist_date

from . import clock, replies
from .models import BrokerAccount, DroppedBody, RawReply, SyncBatch
from .proof import acts
from .retention import Kept
from .sync import bulk
from .sync.amend import RETENTION, Amendment, Deed, amending
from .sync.evidence import RAW_BODY, lasting
from .sync.recover import close_interrupted


class Found(NamedTuple):
    """The ids of replies: those whose body may go, and those of which an act said so that was not carried out.

    `forged`: how many are recorded by no act. It may be there to have a body destroyed that is to be kept: these stay.
    """

    fresh: list[str]
    unfinished: list[str]
    forged: int = 0

    @property
    def goes(self) -> list[str]:
        return self.fresh + self.unfinished


def end_of_retention() -> date:
    """What no batch of this day or later came of has been kept for long enough."""
    today = clock.today()
    is_leap_day = (today.month, today.day) == (2, 29)
    return (today - timedelta(is_leap_day)).replace(year=today.year - settings.KHATA_REPLY_YEARS)


def passed_by(before: date, override: str) -> list[str]:
    """What stands in the way of every account, where `override` passes it by. Kept where it does not."""
    end = end_of_retention()
    if before <= end:
        return []
    obstacle = f"replies are kept for {settings.KHATA_REPLY_YEARS} years: only those before {end} may go"
    if not override.strip():
        raise Kept(obstacle)
    return [obstacle]


def require_right() -> None:
    """On PostgreSQL the owner of the tables alone drops bodies: the role of the processes need not."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('raw_bodies', 'DELETE')")
        (may,) = cursor.fetchone()
    if not may:
        raise Kept("this database role may not delete bodies: run it as the owner of the tables")


def find(account: BrokerAccount, before: date) -> Found:
    """What would go of this account. Kept when there is some, and it may not go now."""
    old = RawReply.objects.filter(batch__broker_account=account, batch__trading_day__lt=before)
    needed = replies.referred_to(SyncBatch.objects.filter(broker_account=account, trading_day__gte=before))
    digests = lasting(old).order_by("pk").values_list("pk", "body_digest")
    fresh = [str(pk) for pk, digest in digests if bytes(digest) not in needed]
    recorded = DroppedBody.objects.filter(reply__broker_account=account, reply__body__isnull=False)
    sealed = recorded.filter(batch__in=acts.sealing(recorded)).order_by("reply").values_list("reply", flat=True)
    unfinished = [str(reply) for reply in sealed]
    found = Found(fresh, unfinished, recorded.count() - len(unfinished))
    if found.goes and (obstacle := _obstacle(account)):
        raise Kept(obstacle)
    return found


def _obstacle(account: BrokerAccount) -> str:
    stands = BrokerAccount.objects.select_related("key").get(pk=account.pk)
    if stands.legal_hold_since:
        return f"a legal hold since {ist_date(stands.legal_hold_since)}; manage.py hold --release ends it"
    if stands.key.destroyed_at:
        return f"it was erased on {ist_date(stands.key.destroyed_at)}: nobody reads its replies, nor writes of it"
    if SyncBatch.objects.filter(broker_account=account, status=SyncBatch.Status.STARTED).exists():
        return "it is being synced, and what comes may be the same again; run this once more when that has ended"
    return ""


def drop(account: BrokerAccount, before: date, deed: Deed, overridden: Sequence[str] = ()) -> Found:
    """Records that these bodies are dropped, and drops them, in one transaction; finishes what an earlier act left."""
    close_interrupted([account.pk], clock.now())
    with amending(account, RETENTION, deed) as amendment:
        found = find(account, before)  # under the lock: nobody begins a sync, or holds the account, meanwhile
        if found.fresh:
            _record(amendment, found.fresh, before, overridden)
        if found.goes:
            amendment.forget_sections()  # the next sync does not take for sent what is kept no more
        bulk.delete(RAW_BODY, found.goes)
    return found


def _record(amendment: Amendment, fresh: Sequence[str], before: date, overridden: Sequence[str]) -> None:
    """The rows of the book stand before the bodies go."""
    for reply in fresh:
        amendment.pen.write(canonical.DROPPED_BODY, reply)
    told = {"before": str(before), "bodies": len(fresh), "overridden": list(overridden)}
    amendment.metadata |= told
    amendment.tell("account.replies_dropped", account=str(amendment.account.pk), **told)
    amendment.flush()
