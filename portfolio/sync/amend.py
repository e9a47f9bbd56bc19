"""Writes into one account's book what no broker was asked for: an import, an answer, a correction, a new reading.

Takes the lock of the head alone, never the lease: the batch is opened and closed in the transaction of its rows, and
a sync that is under way then finds another page and decides again. Who did it and why is kept as an act. Where there
is nothing to write, nothing is written, no batch either. Never asks a broker.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from django.db import transaction

from ledger import canonical, page
from ledger.canonical import render
from ledger.page import FIRST_PREVIOUS

from .. import clock, evidence_keys
from ..evidence_keys import EvidenceKey
from ..ids import new_id, new_ids
from ..installation import key_ring
from ..models import AccountHead, AccountKey, Act, BrokerAccount
from ..schedule import calendar
from . import bulk, record
from .bulk import schema
from .capture import Memory
from .emit import EVENT
from .rows import Pen, finish

IMPORT, ANSWER, REPARSE = "IMPORT", "ANSWER", "REPARSE"
CORRECTION, RETENTION = "CORRECTION", "RETENTION"
ACT_WORDS = schema("act_words", 1, "act_id:uuid ciphertext:digest")
AMENDED_HEAD = schema(
    "account_heads",
    1,
    "id:uuid page_number:integer page_hash:digest event_number:integer question_number:integer",
)
_ON_GROUNDS = frozenset({CORRECTION, RETENTION})
COUNTERS = ("holdings_updated", "positions_updated", "orders_created", "quantity_changes_detected")
_encode = msgspec.json.Encoder(order="sorted", enc_hook=str).encode


class Unsaid(Exception):
    """Who does it, or on what ground, is blank. Nothing was written."""


class Deed(NamedTuple):
    """What a person does: `subject` stands in clear and names nobody; `who` and `why` are encrypted. Who must be said,
    and of a correction and of what is kept or erased why too."""

    subject: str
    who: str
    why: str = ""


@dataclass(slots=True)
class Amendment:
    """One batch while it is written. `head` is locked; what the pen writes is sealed when the `with` block ends."""

    account: BrokerAccount
    head: AccountHead
    deed: Deed
    sync_type: str
    trading_day: date
    now: datetime
    evidence_key: EvidenceKey
    pen: Pen
    question_number: int
    metadata: dict[str, Any] = field(default_factory=dict)  # covered by the page, as text
    counts: dict[str, int] = field(default_factory=dict)
    facts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    is_open: bool = False  # the row of its batch is there

    @property
    def batch_id(self) -> str:
        return self.pen.batch_id

    def tell(self, kind: str, **payload: Any) -> None:
        """One more event of this batch."""
        self.facts.append((kind, payload))

    def next_question(self) -> int:
        self.question_number += 1
        return self.question_number

    def forget_sections(self) -> None:
        """The next sync compares every row with the book, instead of with what was accepted last."""
        Memory.of(self.head).without_answers().keep(self.head)

    def open_batch(self) -> None:
        """The row of the batch stands before those that point at it: on SQLite each row that points at nothing makes
        every further row of the table look through all of them."""
        if not self.is_open:
            bulk.insert(canonical.SYNC_BATCH, [render(canonical.SYNC_BATCH, self.header("STARTED", None, "{}"))])
            self.is_open = True

    def header(self, status: str, completed_at: datetime | None, metadata: str) -> tuple[Any, ...]:
        """The columns of the batch."""
        return (
            self.batch_id, str(self.account.pk), self.sync_type, self.trading_day, status, self.now, completed_at,
            0, 0, 0, *(self.counts.get(name, 0) for name in COUNTERS), 0, "[]", metadata,
        )  # fmt: skip

    def flush(self) -> None:
        """Sends what the pen has so far, so that a long import need not be in memory as a whole."""
        self.open_batch()
        finish([self.pen])
        record.write_pens([self.pen])
        for rows in (self.pen.rows, self.pen.inserts, self.pen.updates, self.pen.deletes):
            rows.clear()


@contextmanager
def amending(account: BrokerAccount, sync_type: str, deed: Deed) -> Iterator[Amendment]:
    """One transaction: the head is locked first, and the batch, its page and its events are written at the end.

    CannotDecrypt when the account's evidence key is gone: then nobody may write about the person any more. Unsaid when
    the words that the act must have are blank.
    """
    deed = _in_words(deed, sync_type)
    with transaction.atomic(durable=True):
        head = AccountHead.objects.select_for_update().get(account=account)
        # As it stands under the lock: an erasure may have come since the account was read.
        wrapped = AccountKey.objects.values_list("wrapped", flat=True).get(account=account)
        evidence_key = evidence_keys.evidence_key(key_ring(), bytes(wrapped), str(account.pk))
        now = clock.now()  # under the lock: pages and times run the same way
        pen = Pen(str(account.pk), new_id(), now)
        amendment = Amendment(
            account, head, deed, sync_type, calendar.trading_day(now), now, evidence_key, pen, head.question_number
        )
        yield amendment
        if pen.written or pen.entries or pen.inserts or pen.updates or pen.deletes:
            _keep(amendment)
            _close(amendment)


def _in_words(deed: Deed, sync_type: str) -> Deed:
    """Blanks are no words."""
    said = deed._replace(who=deed.who.strip(), why=deed.why.strip())
    if not said.who:
        raise Unsaid(f"{deed.subject}: say who does it")
    if not said.why and sync_type in _ON_GROUNDS:
        raise Unsaid(f"{deed.subject}: say why")
    return said


def words_of(act: Act) -> dict[str, str]:
    """Who did it and why. CannotDecrypt when the account's key is gone."""
    wrapped = bytes(act.broker_account.key.wrapped)
    key = evidence_keys.evidence_key(key_ring(), wrapped, str(act.broker_account_id))
    words: dict[str, str] = msgspec.json.decode(key.decrypt(bytes(act.words.ciphertext), bytes(act.words_digest)))
    return words


def _keep(amendment: Amendment) -> None:
    """The act. Its words have the batch's id beside them, so that the same words twice tell nothing."""
    pen, key, deed = amendment.pen, amendment.evidence_key, amendment.deed
    words = _encode({"who": deed.who, "why": deed.why, "batch": pen.batch_id})
    digest = key.digest(words)
    ciphertext = key.encrypt(words, digest)
    act_id = pen.write(canonical.ACT, deed.subject[:500], digest, sha256(ciphertext).digest())
    pen.insert(ACT_WORDS, act_id, ciphertext)


def _close(amendment: Amendment) -> None:
    head, pen = amendment.head, amendment.pen
    metadata = _encode({"subject": amendment.deed.subject, **amendment.metadata}).decode()
    header = render(canonical.SYNC_BATCH, amendment.header("COMPLETED", amendment.now, metadata))
    events = _events(amendment)
    previous = bytes(head.page_hash) if head.page_number else FIRST_PREVIOUS
    finish([pen])
    sealed = page.seal(str(head.pk), head.page_number + 1, pen.entries, page.header_digest(header), previous)
    amendment.open_batch()
    record.write_pens([pen])
    bulk.insert(EVENT, events)
    bulk.insert(record.PAGE_ROW, [record.page_row(sealed, pen.batch_id)])
    bulk.update(AMENDED_HEAD, [render(AMENDED_HEAD, (
        str(head.pk), sealed.number, sealed.hash, head.event_number + len(events), amendment.question_number,
    ))])  # fmt: skip
    record.close_batches([header])


def _events(amendment: Amendment) -> list[canonical.Rendered]:
    """What downstream hears: that it was done, then whatever else was told."""
    summary: Mapping[str, Any] = {"subject": amendment.deed.subject, **amendment.counts}
    facts = [(f"{amendment.sync_type.lower()}.completed", summary), *amendment.facts]
    pen, rows = amendment.pen, []
    numbered = enumerate(zip(facts, new_ids(len(facts)), strict=True), amendment.head.event_number + 1)
    for number, ((kind, payload), row_id) in numbered:
        text = _encode({"batch": pen.batch_id, **payload}).decode()
        rows.append(render(EVENT, (row_id, pen.account_id, number, kind, text, amendment.now, pen.batch_id)))
    return rows
