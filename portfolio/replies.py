"""Which kept replies the rows of the book came of: by their batch, and the section they belong to. Reads only."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db.models import QuerySet

from ledger.normalise import ist_date

from .installation import key_ring
from .models import BrokerAccount, DroppedBody, RawReply, SyncBatch
from .models.base import BookRow
from .sync import evidence
from .sync.claim import evidence_key_of
from .triggers.base import Reply

SECTION_OF = {
    "holding_versions": ("holdings",), "position_versions": ("positions",), "funds_versions": ("funds",),
    "order_history": ("orders", "trails"), "order_quantity_changes": ("orders", "trails"),
    "transactions": ("trades", "orders"), "holding_changes": ("holdings",),
}  # fmt: skip


class ReplyGone(Exception):
    """A reply whose body was dropped, or cannot be decrypted any more; the message says which."""


class KeyGone(ReplyGone):
    """The same of all replies of the account: its evidence key cannot be had."""


class Asked(NamedTuple):
    """What the batch says of one reply; the body is in `raw_replies` under the digest."""

    request: str
    status: int
    fetched_at: datetime
    took_ms: int
    digest: str


class Told(msgspec.Struct):
    """What a batch's metadata say of its replies: all of them, and by section which were its answer. Of an import the
    digest of its file; of a new reading which batch was read."""

    replies: list[tuple[str, int, datetime, int, str]] = []
    asked: dict[str, list[int]] = {}
    sections: dict[str, str] = {}
    parser: str = ""
    file: str = ""
    read_anew: str = msgspec.field(default="", name="of")

    def of(self, section: str) -> list[Asked]:
        return [Asked(*self.replies[place]) for place in self.asked.get(section, ())]

    @property
    def digests(self) -> set[bytes]:
        """Of all bodies that the batch came of."""
        return {bytes.fromhex(digest) for digest in (self.file, *(each[-1] for each in self.replies)) if digest}


_told = msgspec.json.Decoder(Told)


def told(batch: SyncBatch) -> Told:
    return _told.decode(batch.metadata)


def referred_to(batches: QuerySet[SyncBatch]) -> set[bytes]:
    """The digests of all bodies that these batches came of; a new reading came of those of the batch that it read."""
    digests, read_anew = set(), set()
    for said in _said(batches):
        digests |= said.digests
        read_anew |= {said.read_anew} - {""}
    for said in _said(SyncBatch.objects.filter(pk__among=read_anew)):
        digests |= said.digests
    return digests


def _said(batches: QuerySet[SyncBatch]) -> Iterator[Told]:
    return map(_told.decode, batches.values_list("metadata", flat=True).iterator())


def replies_of(row: BookRow) -> list[RawReply]:
    """The replies that this row was read from; empty for what nobody was asked for."""
    batch = row.batch
    said = told(batch)
    sections: Sequence[str] = SECTION_OF.get(row._meta.db_table, ())
    digests = [bytes.fromhex(asked.digest) for section in sections for asked in said.of(section)]
    found = RawReply.objects.filter(broker_account=batch.broker_account_id, body_digest__among=digests)
    return list(found.order_by("pk")) if digests else []


def bodies(account: BrokerAccount, said: Told) -> Mapping[str, list[Reply]]:
    """The replies of each section, with their bodies. ReplyGone where one cannot be had any more, KeyGone where none
    can."""
    key, trouble = evidence_key_of(key_ring(), bytes(account.key.wrapped), str(account.pk))
    if trouble:
        raise KeyGone(trouble)
    wanted = {asked.digest for section in said.asked for asked in said.of(section)}
    sealed = evidence.sealed_bodies((str(account.pk), bytes.fromhex(digest)) for digest in wanted)
    plain = {digest.hex(): key.decrypt(body, digest) for (_, digest), body in sealed.items()}
    if lost := wanted - plain.keys():
        raise ReplyGone(_why_gone(account, {bytes.fromhex(digest) for digest in lost}))
    return {
        section: [Reply(a.request, a.status, plain[a.digest], a.fetched_at, a.took_ms) for a in said.of(section)]
        for section in said.asked
    }


def _why_gone(account: BrokerAccount, lost: Collection[bytes]) -> str:
    dropped = DroppedBody.objects.filter(reply__broker_account=account, reply__body_digest__among=lost)
    days = dict(dropped.values_list("reply__body_digest", "detected_at"))
    if gone := len(lost) - len(days):
        return f"{gone} of its replies are gone, and nothing says that they were dropped: run manage.py verify_ledger"
    return f"{len(days)} of its replies were dropped, the last on {ist_date(max(days.values()))}"


def of_batch(**which: Any) -> list[SyncBatch]:
    """Batches that asked a broker and were answered, oldest first; of failed ones those whose answers are kept."""
    asked = SyncBatch.objects.filter(sync_type__in=SyncBatch.ASKED, broker_account__isnull=False, **which)
    done = asked.exclude(status=SyncBatch.Status.STARTED).select_related("broker_account__key")
    found = done.order_by("completed_at", "pk")
    return [batch for batch in found if batch.status != SyncBatch.Status.FAILED or any(told(batch).asked.values())]
