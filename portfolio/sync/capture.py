"""One attempt to sync one account, as it travels through the pipeline."""

import logging
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from functools import lru_cache
from hashlib import sha256
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from ledger.entries import Order, SetAside
from ledger.normalise import REMARK_LIMIT, scrubbed
from ledger.page import Entry
from ledger.retries import LEFT_ALONE, NOT_ASKED

from ..evidence_keys import EvidenceKey
from ..models import AccountHead, AccountMemory
from ..secret import Secret
from ..triggers.base import Answer, Reply
from ..triggers.foreign import said
from .head import Head

logger = logging.getLogger(__name__)

HOLDINGS, POSITIONS, ORDERS, TRADES, FUNDS, PRICES = "holdings", "positions", "orders", "trades", "funds", "prices"
TRAILS = "trails"  # the states that orders have passed
BESIDE = "beside"  # what is asked beside the sections
DAILY, ORDERS_ONLY, REALTIME = "DAILY_PORTFOLIO", "ORDER_HISTORY", "REALTIME_UPDATE"
HOLDINGS_LOOK = "HOLDINGS_LOOK"
SECTIONS = {
    DAILY: (HOLDINGS, POSITIONS, ORDERS, TRAILS, TRADES, FUNDS, PRICES),
    REALTIME: (HOLDINGS, POSITIONS, ORDERS, TRAILS, TRADES, FUNDS, PRICES),
    ORDERS_ONLY: (ORDERS, TRAILS, TRADES),
    HOLDINGS_LOOK: (HOLDINGS,),
}
WHOLE = (DAILY, REALTIME)  # these ask for everything
COVERS = {DAILY: (*SECTIONS,), REALTIME: (*SECTIONS,), ORDERS_ONLY: (ORDERS_ONLY,), HOLDINGS_LOOK: (HOLDINGS_LOOK,)}

SHORTEST_SECRET = 4  # less than that would blank out ordinary words

# How a section ends. UNCHANGED: the same answer as the one accepted before, on the same trading day.
ACCEPTED, UNCHANGED, ABSENT, FAILED, SUSPECT = "accepted", "unchanged", "absent", "failed", "suspect"
_STILL = {UNCHANGED, ABSENT}


class Problem(NamedTuple):
    """What went wrong, for a person: where, what kind, in words, and what happens or is to be done next."""

    section: str
    kind: str
    message: str
    next: str


class ReplyNote(NamedTuple):
    """A reply without its body: it stands in the batch's metadata, which the page's header covers."""

    request: str
    status: int
    fetched_at: datetime
    took_ms: int
    digest: bytes


class Seen(msgspec.Struct, frozen=True):
    """What was answered to one section: on which trading day, and the keyed digest of each body by the mark of what
    was asked."""

    day: str
    replies: dict[str, str]


class Section(NamedTuple):
    """One part of a statement. `entries` are `ledger.entries` values; empty unless ACCEPTED or SUSPECT.

    Where `gone` is not None, `entries` are only the rows that differ from those accepted last, and `gone` the rows
    that stood in their place; all others stand in the book as they are.
    """

    state: str
    entries: tuple[Any, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    seen: Seen | None = None
    gone: tuple[Any, ...] | None = None


class Memory(msgspec.Struct):
    """What the account remembers of the last accepted sections, so that equal answers cost nothing.

    `seen`, `counts` (those of the last capture), `funds` and `snapshot_day` repeat what batches and book say: lost, the
    next sync compares with the book instead. `positions_day`, `unconfirmed`, `unlisted` and `is_wrong_account` are no
    projection: they stand nowhere else, so nothing may empty them that is no look at the broker.
    """

    seen: dict[str, Seen] = {}
    counts: dict[str, int] = {}
    funds: list[str | None] | None = None
    snapshot_day: date | None = None
    positions_day: date | None = None  # of which the positions in the book are
    unconfirmed: dict[str, date] = {}  # since when an open position is missing, by its row's id
    unlisted: dict[str, date] = {}  # orders of which fills came that day, and that were never listed
    is_wrong_account: bool = False  # it was told so

    def without_answers(self) -> "Memory":
        """The next sync reads every row and compares it with the book, instead of trusting what was answered last."""
        return msgspec.structs.replace(self, seen={})

    def text(self) -> str:
        return msgspec.json.encode(self).decode()

    def keep(self, head: AccountHead) -> None:
        """Under the lock of this head, as everything of it is written."""
        AccountMemory.objects.update_or_create(head=head, defaults={"content": self.text()})

    @staticmethod
    def of(head: AccountHead) -> "Memory":
        return Memory.read(AccountMemory.objects.filter(head=head).values_list("content", flat=True).first())

    @staticmethod
    def read(text: str | None) -> "Memory":
        """One that knows nothing where there is none, or none that can be read."""
        try:
            return _memory.decode(text or "{}")
        except msgspec.MsgspecError:
            return Memory()


_memory = msgspec.json.Decoder(Memory)
_request: Callable[[Reply], str] = attrgetter("request")


@lru_cache(maxsize=8192)
def _mark(status: int, request: str) -> str:
    return sha256(f"{status} {request}".encode()).hexdigest()[:12]


@lru_cache(maxsize=64)
def _day_mark(trading_day: date, takes_state: bool, is_closed: bool, morning_of: date | None) -> str:
    return f"{trading_day} {takes_state} {is_closed} {morning_of or ''}".rstrip()


@dataclass(slots=True)
class Capture:
    """Who is synced, in which batch, when; then what came, and how each section ended."""

    account_id: str  # our id of the account, UUID text
    client_id: str  # the broker's id of the account: scrubbed from every text
    broker: str
    head_id: str
    token: int
    batch_id: str
    sync_type: str
    trading_day: date
    started_at: datetime
    is_first: bool
    takes_state: bool  # False outside the session's own day: what is seen is evidence only
    is_closed: bool  # the trading day's session had ended when the capture began
    writes_snapshot: bool
    morning_of: date | None  # a look at holdings before the pre-open of this trading day: they are its first
    evidence_key: EvidenceKey
    memory: Memory
    head: Head | None = field(default=None, repr=False)  # as claimed; None: read it again
    retry_after: float | None = None  # seconds that the broker asked to be left alone
    answers: dict[str, Answer] = field(default_factory=dict, repr=False)
    replies: list[ReplyNote] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    sections: dict[str, Section] = field(default_factory=dict, repr=False)
    is_broken: bool = False  # nothing of it is taken: a fault of ours, or a run that died
    lacking: Sequence[Order] = ()  # the orders whose fills the book lacks
    set_right: Sequence[Order] = ()  # those whose fills it has, otherwise than they were listed: by a person
    stored: list[Entry] | None = None  # the replies that this batch has stored; None: the book must say
    _hidden: tuple[Secret, ...] = field(default=(), repr=False)  # secrets, in case that an error text has them
    _latest: dict[str, tuple[str, str]] = field(default_factory=dict, repr=False)  # mark and digest, by request
    _sent: frozenset[str] | None = field(default=None, repr=False)

    def note(self, reply: Reply) -> ReplyNote:
        noted = ReplyNote(
            reply.request, reply.status, reply.fetched_at, reply.took_ms, self.evidence_key.digest(reply.body)
        )
        self.replies.append(noted)
        self._latest[noted.request] = (_mark(noted.status, noted.request), noted.digest.hex())
        return noted

    def copied(self, sections: dict[str, Section]) -> "Capture":
        """The same with these sections: what becomes of it, the original does not hear of."""
        made = Capture(*_values(self))  # `dataclasses.replace` looks at each field's rules, every time
        made.sections, made.problems, made.metadata = sections, [*self.problems], {**self.metadata}
        return made

    def hide(self, secrets: Iterable[Secret]) -> None:
        """From now on these never stand in a text of this capture."""
        self._hidden += tuple(secret for secret in secrets if len(secret.reveal()) >= SHORTEST_SECRET)

    def scrub(self, text: str, limit: int = REMARK_LIMIT) -> str:
        return scrubbed(text, (self.client_id, *(secret.reveal() for secret in self._hidden)), limit)

    def blame(self, section: str, kind: str, message: str, next_step: str) -> None:
        self.problems.append(Problem(section, kind, self.scrub(message), next_step))

    def seen(self, section: str) -> Seen | None:
        """What was answered to this section, None when nothing was asked."""
        answer = self.answers.get(section)
        if answer is None or not answer.replies:
            return None
        return self._seen(map(_request, answer.replies))

    def seen_beside(self) -> Seen:
        """What was answered beside the sections, such as whose account it is."""
        asked = {reply.request for answer in self.answers.values() for reply in answer.replies}
        return self._seen(request for request in self._latest if request not in asked)

    def _seen(self, requests: Iterable[str]) -> Seen:
        return Seen(self.day_mark, dict(map(self._latest.__getitem__, requests)))

    @property
    def day_mark(self) -> str:
        """An answer means the same as before on the same trading day alone, on the same side of its close, and only
        where its state was taken: an equal price is the day's last only after the close."""
        return _day_mark(self.trading_day, self.takes_state, self.is_closed, self.morning_of)

    @property
    def holdings_day(self) -> date:
        """The trading day whose holdings these are."""
        return self.morning_of or self.trading_day

    def has_sent(self, digest: bytes) -> bool:
        """Whether the account is known to have sent this body before; False says nothing."""
        if self._sent is None:
            self._sent = frozenset().union(*(seen.replies.values() for seen in self.memory.seen.values()))
        return digest.hex() in self._sent

    def orders_of_fills_alone(self) -> set[str]:
        """Orders of which fills came, now or in an earlier capture of the day, and that did not come themselves. None
        where the list of orders could not be read."""
        section = self.sections.get(ORDERS)
        if section is None or section.state not in (ACCEPTED, UNCHANGED):
            return set()
        orders = {trade.order_id for trade in self.entries(TRADES)} - {""}
        orders |= {order for order, day in self.memory.unlisted.items() if day == self.trading_day}
        return orders - {order.order_id for order in self.answers[ORDERS].entries} if orders else orders

    def entries(self, section: str) -> Sequence[Any]:
        found = self.sections.get(section)
        return found.entries if found else ()

    @property
    def is_left_alone(self) -> bool:
        """Nothing was asked: of this account nothing new is known, nor of its broker."""
        kinds = {problem.kind for problem in self.problems}
        return not self.replies and LEFT_ALONE in kinds and kinds <= {LEFT_ALONE, NOT_ASKED}

    @property
    def is_quiet(self) -> bool:
        """Nothing to write but that we looked: every section as it was, and the day's snapshot stands."""
        if (
            self.problems
            or self.is_broken
            or not self.sections
            or (self.writes_snapshot and self.memory.snapshot_day != self.trading_day)
        ):
            return False
        return {section.state for section in self.sections.values()} <= _STILL


_values = attrgetter(*(each.name for each in fields(Capture)))


def failed(capture: Capture, error: BaseException) -> Capture:
    """A capture that a fault of ours, or the database, broke: nothing of it is taken, and its batch says why."""
    told = capture.scrub("".join(traceback.format_exception(error)), limit=20_000)
    logger.error("account %s could not be recorded: %s", capture.account_id, told)
    capture.is_broken = True
    capture.sections = {name: Section(FAILED) for name in SECTIONS.get(capture.sync_type, ())}
    capture.blame(
        "account", "internal_error", f"{type(error).__name__}: {said(error)}", "report it with the log of that time"
    )
    return capture
