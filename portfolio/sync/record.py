"""Writes a group of accounts in one transaction, with a number of statements that depends on nothing.

Everything that can be worked out before is: rows, leaves, page, header. Inside, the heads are locked in id
order; a result whose token is outdated is left out, and one whose account got another page meanwhile is
handed back, to be decided again from its kept statement. So is one that somebody disabled meanwhile.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from django.db import transaction

from ledger import canonical, page
from ledger.canonical import Rendered, Schema, render, render_rows
from ledger.page import FIRST_PREVIOUS, Page

from ..ids import new_id, new_ids
from ..models import AccountHead, BrokerAccount
from . import bulk, slots
from .breakers import PAUSED, paused
from .bulk import Write, schema
from .capture import ACCEPTED, HOLDINGS, ORDERS, POSITIONS, SUSPECT, UNCHANGED, Capture, failed
from .decide import Decision
from .emit import EVENT
from .head import Stands, lock
from .rows import Pen, finish

PAGE_ROW = schema(
    "ledger_pages",
    1,
    "id:uuid head_id:uuid sync_batch_id:uuid number:integer entries_count:integer root:digest header_digest:digest "
    "previous_hash:digest hash:digest",
)
_LOOKED_AT = "id:uuid page_number:integer page_hash:digest event_number:integer lease_owner:uuid lease_until:instant"
QUIET_HEAD = schema("account_heads", 1, _LOOKED_AT)
HEAD = schema(
    "account_heads",
    1,
    f"{_LOOKED_AT} question_number:integer opened_on:date holdings_day:date sells_lower_holdings:boolean",
)
MEMORY = schema("account_memories", 1, "head_id:uuid content:json")
CLOSED_BATCH = schema(
    "sync_batches", 1, " ".join(f"{c}:{k}" for c, k in canonical.SYNC_BATCH.fields if c in {
        "id", "status", "completed_at", "holdings_fetched", "positions_fetched", "orders_fetched", "holdings_updated",
        "positions_updated", "orders_created", "quantity_changes_detected", "errors_count", "error_details", "metadata",
    })
)  # fmt: skip
ACCOUNT_STATE = schema("broker_accounts", 1, "id:uuid state state_since:instant state_reason updated_at:instant")
_closed = itemgetter(*(canonical.SYNC_BATCH.columns.index(column) for column in CLOSED_BATCH.columns))
_encode = msgspec.json.Encoder(order="sorted", enc_hook=str).encode


Values = tuple[Any, ...]  # of one row, to be rendered with those of the others


@dataclass(slots=True)
class Result:
    """One account's batch, sealed and ready: nothing of it is worked out inside the transaction."""

    made: Decision
    status: str
    header: Rendered
    page: Page
    head: tuple[Schema, Values]
    memory: Rendered | None
    events: list[Values]
    account_state: Rendered | None

    @property
    def capture(self) -> Capture:
        return self.made.capture


Report = Callable[[Result], None]  # hears of each result, as it is written


class Recorded(NamedTuple):
    """What became of a group: written; to be decided again; outdated, since somebody came after; or refused by
    the database, with its error."""

    written: list[Result]
    moved: list[Result]
    outdated: list[Result]
    refused: list[tuple[Result, Exception]]

    def to_decide_again(self) -> list[Capture]:
        """Those that moved, from what was kept; and those refused, once, as failed ones."""
        again = [result.made.to_decide_again() for result in self.moved]
        refused = [(result.capture, error) for result, error in self.refused if not result.capture.is_broken]
        return again + [failed(capture, error) for capture, error in refused]


def seal(made: Decision, now: datetime) -> Result:
    """Closes the batch in memory: its status, header, page, events, and the head's next state."""
    capture, head = made.capture, made.book.head
    status = _status(capture)
    counts = _counts(made)
    state = _account_state(made, status, now)
    events = made.outbox.rows(status, counts)
    header = render(canonical.SYNC_BATCH, (
        capture.batch_id, capture.account_id, capture.sync_type, capture.trading_day, status, capture.started_at, now,
        *counts.values(), len(capture.problems), _encode([problem._asdict() for problem in capture.problems]).decode(),
        _encode(_metadata(capture)).decode(),
    ))  # fmt: skip
    previous = bytes(head.page_hash) if head.page_number else FIRST_PREVIOUS
    finish([made.pen])  # nothing is left to do where that was done for the whole group
    entries = [*made.book.leaves, *made.pen.entries]
    sealed = page.seal(capture.head_id, head.page_number + 1, entries, page.header_digest(header), previous)
    return Result(made, status, header, sealed, _next_head(made, sealed), _memory(made), events, state)


def _next_head(made: Decision, sealed: Page) -> tuple[Schema, Values]:
    """The head as it will be, and its lease given back. Of a quiet one only that it was looked at moves on."""
    seen = (made.capture.head_id, sealed.number, sealed.hash, made.outbox.last_number, None, None)
    if made.is_quiet:
        return QUIET_HEAD, seen
    return HEAD, (*seen, made.question_number, made.opened_on, made.holdings_day, made.sells_lower_holdings)


def _memory(made: Decision) -> Rendered | None:
    return None if made.is_quiet else render(MEMORY, (made.capture.head_id, made.memory.text()))


def _status(capture: Capture) -> str:
    if not capture.problems:
        return "COMPLETED"
    believed = any(section.state in (ACCEPTED, UNCHANGED, SUSPECT) for section in capture.sections.values())
    return "PARTIAL" if believed else "FAILED"


def _counts(made: Decision) -> dict[str, int]:
    """The document's counters, in the batch's column order."""
    fetched = {}
    for name in (HOLDINGS, POSITIONS, ORDERS):
        fetched[f"{name}_fetched"] = made.size(name) + len(made.section(name).set_aside)
    wrote = ("holdings_updated", "positions_updated", "orders_created", "quantity_changes_detected")
    return fetched | {name: made.counts.get(name, 0) for name in wrote}


def _metadata(capture: Capture) -> dict[str, Any]:
    """What was asked and how it ended; the bodies are in `raw_replies`, under these digests."""
    replies = [(n.request, n.status, n.fetched_at, n.took_ms, n.digest.hex()) for n in capture.replies]
    sections = {name: section.state for name, section in capture.sections.items()}
    return {"replies": replies, "asked": _asked(capture), "sections": sections, **capture.metadata}


def _asked(capture: Capture) -> dict[str, list[int]]:
    """Which of the replies were the answer to each section, by their places."""
    places = {note.request: place for place, note in enumerate(capture.replies)}  # what was asked twice: the last
    answers = capture.answers.items()
    return {name: [places[r.request] for r in answer.replies if r.request in places] for name, answer in answers}


def _account_state(made: Decision, status: str, now: datetime) -> Rendered | None:
    """The account's live state when it changes, with one event a change, not one a try."""
    kinds = {problem.kind: problem.message for problem in made.capture.problems}
    if made.capture.is_left_alone:
        return None
    if "login_required" in kinds:
        state, reason, event = BrokerAccount.State.NEEDS_LOGIN, kinds["login_required"], "account.login_required"
    elif status == "FAILED":
        state, reason, event = BrokerAccount.State.FAILING, next(iter(kinds.values())), "account.failing"
    else:
        state, reason, event = BrokerAccount.State.ACTIVE, "", "account.recovered"
    _tell_of_wrong_account(made, "wrong_account" in kinds)
    if made.book.head.state in (state, BrokerAccount.State.DISABLED):
        return None
    made.outbox.account.append((event, {"account": made.capture.account_id, "reason": reason}))
    return render(ACCOUNT_STATE, (made.capture.account_id, str(state), now, reason[:500], now))


def _tell_of_wrong_account(made: Decision, is_wrong: bool) -> None:
    """One event when it begins. It goes on while the account fails, whatever else it fails of between."""
    was_wrong = made.memory.is_wrong_account and made.book.head.state == BrokerAccount.State.FAILING
    if is_wrong and not was_wrong:
        made.outbox.account.append(("security.wrong_account", {"account": made.capture.account_id}))
    made.memory.is_wrong_account = is_wrong or was_wrong


def record(results: Sequence[Result]) -> Recorded:
    """One transaction for the group. If it fails, its accounts are recorded one by one, so that one account's
    trouble never reaches another."""
    try:
        return _record_group(results)
    except Exception as error:
        if len(results) == 1:
            return Recorded([], [], [], [(results[0], error)])
    parts = [record([result]) for result in results]
    return Recorded(*(list(chain.from_iterable(kind)) for kind in zip(*parts, strict=True)))


def _record_group(results: Sequence[Result]) -> Recorded:
    writes = _writes(results)  # nearly always all are written
    with transaction.atomic(durable=True):
        heads = AccountHead.objects.filter(pk__among=[result.capture.head_id for result in results])
        recorded = _sorted_out(results, lock(heads))
        if len(recorded.written) < len(results):
            writes = _writes(recorded.written)
        if recorded.written:
            _write(recorded.written, writes)
    return recorded


def _sorted_out(results: Iterable[Result], heads: Mapping[str, Stands]) -> Recorded:
    """What was decided on another page or event than stands there now is to be decided again."""
    recorded = Recorded([], [], [], [])
    for result in results:
        stands, decided_on = heads[result.capture.head_id], result.made.book.head
        if stands.token != result.capture.token:
            recorded.outdated.append(result)
        elif (stands.page_number, stands.event_number) != (decided_on.page_number, decided_on.event_number):
            recorded.moved.append(result)
        else:
            recorded.written.append(result)
    return recorded


def _write(results: Sequence[Result], writes: Iterable[Write]) -> None:
    slots.settle(results)
    for ready in writes:
        bulk.send(ready)


def _writes(results: Sequence[Result]) -> list[Write]:
    """Everything of these, in the order in which it is to be written, but for their slots."""
    states = [result.account_state for result in results if result.account_state]
    heads = _gathered({result.head[0]: [result.head[1]]} for result in results)
    return [
        *_rows_of([result.made.pen for result in results]),
        bulk.updating(ACCOUNT_STATE, states, "broker_accounts.state <> 'disabled'"),  # by its owner, meanwhile
        bulk.updating(PAUSED, paused(result.capture for result in results)),
        bulk.inserting(EVENT, render_rows(EVENT, [event for result in results for event in result.events])),
        bulk.inserting(PAGE_ROW, render_rows(PAGE_ROW, _page_rows(results))),
        *(bulk.updating(table, render_rows(table, rows)) for table, rows in heads.items()),
        *_memories(results),
        _closing([result.header for result in results]),
    ]


def _memories(results: Iterable[Result]) -> list[Write]:
    """What each remembers. Where the row was lost it is written anew: all was compared with the book."""
    written = [(result.memory, result.made.book.head.remembered is None) for result in results if result.memory]
    return [
        bulk.updating(MEMORY, [memory for memory, is_lost in written if not is_lost]),
        bulk.inserting(MEMORY, [memory for memory, is_lost in written if is_lost]),
    ]


def close_batches(headers: Iterable[Rendered]) -> None:
    bulk.send(_closing(headers))


def _closing(headers: Iterable[Rendered]) -> Write:
    return bulk.updating(CLOSED_BATCH, [_closed(header) for header in headers], "sync_batches.status = 'STARTED'")


def write_pens(pens: Sequence[Pen]) -> None:
    for ready in _rows_of(pens):
        bulk.send(ready)


def _rows_of(pens: Sequence[Pen]) -> list[Write]:
    """The rows of these pens, a number of statements a table."""
    return [
        *(bulk.deleting(table, ids) for table, ids in _gathered(pen.deletes for pen in pens).items()),
        *(bulk.inserting(bulk.with_leaf(table), rows) for table, rows in _gathered(pen.rows for pen in pens).items()),
        *(bulk.inserting(table, rows) for table, rows in _gathered(pen.inserts for pen in pens).items()),
        *(bulk.updating(table, rows) for table, rows in _gathered(pen.updates for pen in pens).items()),
    ]


def _gathered(parts: Iterable[dict[Schema, list[Any]]]) -> dict[Schema, list[Any]]:
    gathered: dict[Schema, list[Any]] = defaultdict(list)
    for part in parts:
        for table, rows in part.items():
            gathered[table] += rows
    return gathered


def page_row(sealed: Page, batch_id: str) -> Rendered:
    return render(PAGE_ROW, _page_values(new_id(), sealed, batch_id))


def _page_rows(results: Sequence[Result]) -> list[Values]:
    ids = new_ids(len(results))
    return [_page_values(row_id, each.page, each.capture.batch_id) for row_id, each in zip(ids, results, strict=True)]


def _page_values(row_id: str, sealed: Page, batch_id: str) -> Values:
    return (
        row_id, sealed.head_id, batch_id, sealed.number, sealed.entries_count, sealed.root, sealed.header_digest,
        sealed.previous_hash, sealed.hash,
    )  # fmt: skip
