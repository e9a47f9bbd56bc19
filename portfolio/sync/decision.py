"""What deciding one account leaves behind: rows in the pen, the head's next state, counts and facts for the batch."""

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar

from msgspec import structs

from ledger.diff import PositionKey
from ledger.entries import CASH, Listing, Order, Position, Trade
from ledger.fills import source_ids
from ledger.snapshot import Quote

from .capture import ABSENT, TRADES, TRAILS, UNCHANGED, Capture, Memory, Section
from .emit import Outbox
from .rows import Pen
from .state import Book, listing_named

Key = TypeVar("Key", bound=Hashable)


class NotStanding(Exception):
    """The book does not hold what the rows that were left unread say: the section must be read whole."""


@dataclass(slots=True)
class Decision:
    """Everything is added here and nothing to what was fetched, so that an account can be decided again."""

    fetched: Capture
    capture: Capture  # the same, with what deciding found fault with
    book: Book
    pen: Pen
    outbox: Outbox
    memory: Memory
    instruments: Mapping[Listing, str]
    question_number: int
    opened_on: date | None
    holdings_day: date | None
    sells_lower_holdings: bool | None
    told_fills: Mapping[str, Mapping[str, Trade]] = field(default_factory=dict)  # by order id, then by source id
    trails: Mapping[str, Sequence[Order]] = field(default_factory=dict)  # by order id, oldest state first
    quotes: dict[str, Quote] = field(default_factory=dict)  # fresh ones, by instrument
    counts: dict[str, int] = field(default_factory=dict)
    positions_shown: Mapping[PositionKey, Position] = field(default_factory=dict)  # today, by the broker itself
    lacks_orders: bool = False  # more was traded than the order list tells of
    is_quiet: bool = False  # nothing was decided, nor is anything to be written but that we looked
    has_marks: bool = False  # a holding stands unconfirmed: the same answer must be looked at again

    def to_decide_again(self) -> Capture:
        """What was fetched, for the account's head as it stands by now."""
        return replace(self.fetched, head=None)

    def section(self, name: str) -> Section:
        return self.capture.sections.get(name) or Section(ABSENT)

    def instrument_of(self, row: Any) -> str:
        return self.instruments[listing_of(row)]

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def unread(self, section: str) -> set[str]:
        """What the rows that could not be read are called; "" stands for a row without a name, which may be any."""
        return {row.subject.strip() for row in self.section(section).set_aside}

    def size(self, name: str) -> int:
        """How many rows the section has that were not set aside."""
        section, before = self.section(name), self.capture.memory.counts.get(name, 0)
        if section.state == UNCHANGED:
            return before
        return len(section.entries) + (0 if section.gone is None else before - len(section.gone))

    def gone(
        self, section: str, key_of: Callable[[Any], Key], known: Container[Key], fresh: Iterable[Key]
    ) -> set[Key] | None:
        """The keys of the rows that stand no more as they did; None where the section was read whole.

        NotStanding when a fresh row is not what replaced them: then only the whole section tells which one is right.
        """
        rows = self.section(section).gone
        if rows is None:
            return None
        gone = {key_of(row) for row in rows}
        if any(key in known and key not in gone for key in fresh) or any(key not in known for key in gone):
            raise NotStanding(section)
        return gone

    def unique(self, section: str, key_of: Callable[[Any], Key]) -> dict[Key, Any]:
        """The rows of a section by key. A second, other row for one key cannot be right: it is set aside."""
        seen: dict[Key, Any] = {}
        for row in self.section(section).entries:
            if seen.setdefault(key_of(row), row) != row:
                self.blame_twice(section, row)
        return seen

    def blame_twice(self, section: str, row: Any) -> None:
        self.capture.blame(
            section, "set_aside", f"{row.symbol}: given twice with different content; the first one stands",
            "the row is kept in the raw reply; report it",
        )  # fmt: skip


def begin(capture: Capture, book: Book, instruments: Mapping[Listing, str], now: datetime) -> Decision:
    head, memory, is_quiet = book.head, _memory(capture, book), capture.is_quiet
    working = capture if is_quiet else capture.copied({**capture.sections})  # nothing is decided of a quiet one
    return Decision(
        capture,
        working,
        book,
        Pen(capture.account_id, capture.batch_id, now),
        Outbox(working, head.event_number, now),
        structs.replace(memory, seen={**memory.seen}, counts={**memory.counts}),
        {**book.listings, **instruments},
        head.question_number,
        head.opened_on,
        head.holdings_day,
        head.sells_lower_holdings,
        _by_order(working.entries(TRADES)),
        _trails(working.entries(TRAILS)),
        is_quiet=is_quiet,
    )


def _memory(capture: Capture, book: Book) -> Memory:
    """As it stands where the account is decided again: whoever wrote meanwhile may have made it forget its answers."""
    return capture.memory if capture.head else Memory.read(book.head.remembered)


def _by_order(trades: Iterable[Trade]) -> dict[str, dict[str, Trade]]:
    found: dict[str, dict[str, Trade]] = {}
    for name, trade in source_ids(trades).items():
        found.setdefault(trade.order_id, {})[name] = trade
    return found


def _trails(states: Iterable[Order]) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = {}
    for state in states:
        found.setdefault(state.order_id, []).append(state)
    return found


def listing_of(row: Any) -> Listing:
    """How an entry names its instrument."""
    return listing_named(getattr(row, "isin", None), row.symbol, row.exchange, getattr(row, "segment", CASH))
