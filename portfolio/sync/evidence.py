"""Keeps what the brokers answered, before anybody reads it.

New bodies are committed, compressed and encrypted under their account's key; a body that the account sent
before writes no row, unless it was dropped since: then it is kept again, as a new reply. A batch that is no
longer STARTED is closed for good: its late replies are dropped.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from ledger import canonical
from ledger.page import Entry

from .. import evidence_keys
from ..ids import new_ids
from ..installation import key_ring
from ..models import AccountHead, RawBody, RawReply, SyncBatch
from ..triggers.base import Reply
from . import bulk
from .capture import Capture
from .head import lock

RAW_BODY = bulk.schema("raw_bodies", 1, "reply_id:uuid ciphertext:digest")

Kept = tuple[Capture, Reply, bytes]  # with the keyed digest of the body


def note(capture: Capture, reply: Reply) -> Kept:
    return capture, reply, capture.note(reply).digest


def keep(replies: Sequence[Kept], now: datetime) -> None:
    """Commits the new bodies among these, in one transaction that holds their batches open."""
    fresh = _fresh(replies)
    if not fresh:
        return
    try:
        stored = _keep(fresh, now)
    except BaseException:
        for capture, _, _ in fresh:
            capture.stored = None  # perhaps it was committed all the same: the book will say
        raise
    for capture, entry in stored:
        if capture.stored is not None:
            capture.stored.append(entry)


def _keep(fresh: Sequence[Kept], now: datetime) -> list[tuple[Capture, Entry]]:
    with transaction.atomic(durable=True):
        fresh = _of_present_holders(fresh)
        batches = {capture.batch_id for capture, _, _ in fresh}
        locked = SyncBatch.objects.filter(pk__among=batches, status=SyncBatch.Status.STARTED).order_by("pk")
        still_open = {str(pk) for pk in locked.select_for_update().values_list("pk", flat=True)}
        return _write([each for each in fresh if each[0].batch_id in still_open], now)


def _of_present_holders(replies: Sequence[Kept]) -> list[Kept]:
    """Those whose account nobody else has taken meanwhile: whoever did is sealing the batch as it stands. The heads
    stay locked, so that nobody does until these are committed."""
    heads = AccountHead.objects.filter(pk__among={capture.head_id for capture, _, _ in replies})
    stand = lock(heads)
    return [each for each in replies if each[0].head_id in stand and stand[each[0].head_id].token == each[0].token]


def _fresh(replies: Sequence[Kept]) -> list[Kept]:
    """Those whose body is not kept yet, each body once."""
    unique = {
        (capture.account_id, digest): (capture, reply, digest)
        for capture, reply, digest in replies
        if not capture.has_sent(digest)
    }
    if unique:
        for account, digest in lasting(_replies(unique)).values_list("broker_account_id", "body_digest"):
            unique.pop((str(account), bytes(digest)), None)
    return list(unique.values())


def _replies(keys: Iterable[tuple[str, bytes]]) -> QuerySet[RawReply]:
    """Those that hold these bodies: (account, digest). A digest is keyed, so it is of one account alone."""
    return RawReply.objects.filter(body_digest__among={digest for _, digest in keys})


def lasting(replies: QuerySet[RawReply]) -> QuerySet[RawReply]:
    """Those whose body is there to stay: of what is recorded as dropped it may still be there, and go any time."""
    return replies.filter(body__isnull=False, dropped__isnull=True)


def _write(replies: Sequence[Kept], now: datetime) -> list[tuple[Capture, Entry]]:
    values: list[tuple[Any, ...]] = []
    bodies: list[canonical.Rendered] = []
    for (capture, reply, digest), row_id in zip(replies, new_ids(len(replies)), strict=True):
        ciphertext = capture.evidence_key.encrypt(reply.body, digest)
        values.append((
            row_id, capture.account_id, reply.request, reply.status, reply.fetched_at, digest,
            sha256(ciphertext).digest(), len(reply.body), now, capture.batch_id,
        ))  # fmt: skip
        bodies.append([row_id, ciphertext.hex()])
    if not values:
        return []
    rows = canonical.render_rows(canonical.RAW_REPLY, values)
    leaves = canonical.leaves(canonical.RAW_REPLY, rows)
    with_leaves = [(*row, leaf.hex()) for row, leaf in zip(rows, leaves, strict=True)]
    bulk.insert(bulk.with_leaf(canonical.RAW_REPLY), with_leaves)
    bulk.insert(RAW_BODY, bodies)
    entries = (Entry(canonical.RAW_REPLY.name, row[0], leaf) for row, leaf in zip(values, leaves, strict=True))
    return [(capture, entry) for (capture, _, _), entry in zip(replies, entries, strict=True)]


def sealed_bodies(keys: Iterable[tuple[str, bytes]]) -> dict[tuple[str, bytes], bytes]:
    """The kept bodies as they are stored, by account id and keyed digest; those that were dropped are left out."""
    rows = _replies(keys).filter(body__isnull=False).values_list("broker_account_id", "body_digest", "body__ciphertext")
    return {(str(account), bytes(digest)): bytes(ciphertext) for account, digest, ciphertext in rows}


def read_body(reply: RawReply) -> bytes:
    """The body of a kept reply, decrypted. CannotDecrypt when its account's key is gone; RawBody.DoesNotExist when it
    was dropped."""
    wrapped = bytes(reply.broker_account.key.wrapped)
    key = evidence_keys.evidence_key(key_ring(), wrapped, str(reply.broker_account_id))
    ciphertext = bytes(RawBody.objects.get(reply=reply).ciphertext)
    return key.decrypt(ciphertext, bytes(reply.body_digest))
