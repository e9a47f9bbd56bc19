"""Compares what was read anew of one batch with what the book says, and writes what differs beside it.

Holdings, positions and cash are those of the batch's day; fills and orders are compared each by itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Min, QuerySet

from ledger import canonical, diff, fills
from ledger.answers import MOVED_BACK
from ledger.diff import HoldingKey, HoldingMove, PositionMove
from ledger.entries import ZERO, Funds, Holding, Order, Position, Trade
from ledger.fills import FillMove, KnownFill
from ledger.normalise import ist_date

from . import book, replies
from .book import Moment
from .models import (
    BrokerAccount,
    FundsVersion,
    HoldingVersion,
    OrderVersion,
    PortfolioSnapshot,
    PositionVersion,
    SyncBatch,
)
from .sync import rows
from .sync.amend import Amendment
from .sync.capture import ACCEPTED, Memory
from .sync.decision import listing_of
from .sync.history import known_fills, known_orders
from .sync.instruments import Past
from .sync.late_fills import Placed
from .sync.questions import OpenQuestion, read_open

Figures = dict[str, Any]  # by column


class Difference(NamedTuple):
    """One thing that is read otherwise today."""

    section: str
    subject: str
    column: str
    stands: str
    read: str


@dataclass(slots=True)
class Learnt:
    """What was read otherwise so far. A dry run keeps it from batch to batch: what was found in one is found once."""

    orders: dict[str, list[diff.KnownOrder]] = field(default_factory=dict)
    fills: dict[str, KnownFill] = field(default_factory=dict)
    figures: dict[tuple[str, ...], tuple[Figures, Figures]] = field(default_factory=dict)  # as they stood and as read

    def stands(self, name: tuple[str, ...], row: Any, columns: Sequence[str]) -> Figures:
        """These figures of a row of the book; where it stands as it did when others were read, those."""
        now = _figures(row, columns)
        stood, read = self.figures.get(name, (now, now))
        if stood == now:
            return read
        del self.figures[name]
        return now

    def differ(self, name: tuple[str, ...], row: Any, read: Figures) -> None:
        self.figures[name] = _figures(row, list(read)), read


@dataclass(slots=True)
class Reader:
    """Compares the sections of one batch with the book, and writes what differs into the amendment."""

    account: BrokerAccount
    batch: SyncBatch
    amendment: Amendment
    instruments: Past
    differences: list[Difference]
    learnt: Learnt
    fills: list[Placed] = field(default_factory=list)  # those that are written
    ends: list[date] = field(default_factory=list)  # of what else is written: when it no longer stands
    answered: list[int] = field(default_factory=list)  # questions that were raised by what was misread

    @property
    def day(self) -> Moment:
        return Moment(as_of=self.batch.trading_day)

    def days(self) -> set[date]:
        """Those with a snapshot of which the book will say something else than it does."""
        moved = {trade.trade_date for (move, _) in self.fills for trade in _trades(move)}
        later = PortfolioSnapshot.objects.filter(
            broker_account=self.account, snapshot_date__gte=self.batch.trading_day,
            snapshot_date__lt=max(self.ends, default=date.min),
        )  # fmt: skip
        return moved | set(later.values_list("snapshot_date", flat=True))

    def _stands_until(self, versions: QuerySet[Any]) -> None:
        """What is written stands from the batch's day until a later one of the same has its own version."""
        later = versions.filter(broker_account=self.account, as_of__gt=self.batch.trading_day)
        self.ends.append(later.aggregate(first=Min("as_of"))["first"] or date.max)

    def speaks_for_its_day(self, section: str) -> bool:
        """What was seen was taken, and no later capture of that day has read this section anew."""
        of_day = SyncBatch.objects.filter(
            broker_account=self.account, trading_day=self.batch.trading_day, sync_type__in=SyncBatch.ASKED
        )
        later: Iterable[SyncBatch] = of_day.filter(completed_at__gt=self.batch.completed_at)
        if section in _OF_ITS_DAY:
            later = [batch for batch in later if _is_of_its_day(batch)]
            if not (_is_of_its_day(self.batch) or self._is_first()):
                return False
        return not any(replies.told(batch).sections.get(section) == ACCEPTED for batch in later)

    def _is_first(self) -> bool:
        """An account's first capture is taken whole, whenever it is made."""
        believed = SyncBatch.objects.filter(broker_account=self.account, status__in=("COMPLETED", "PARTIAL"))
        return not believed.filter(completed_at__lt=self.batch.completed_at).exists()

    def differ(self, section: str, subject: str, stands: Mapping[str, Any], read: Mapping[str, Any]) -> bool:
        found = [name for name in read if stands.get(name) != read[name]]
        self.differences += [
            Difference(section, subject, name, _text(stands.get(name)), _text(read[name])) for name in found
        ]
        return bool(found)

    def instrument(self, row: Any) -> str:
        return self.instruments.of(listing_of(row), self.batch.trading_day)

    def holdings(self, entries: Iterable[Holding]) -> None:
        stands = {(str(row.instrument_id), row.lot): row for row in book.holdings([self.account.pk], self.day)}
        now = {(str(row.instrument_id), row.lot): row for row in book.holdings([self.account.pk])}
        for entry in entries:
            key = (self.instrument(entry), entry.lot)
            before = stands.get(key)
            read = _read(rows.holding_figures(entry, None), HOLDING)
            name = ("holdings", entry.isin or entry.symbol, entry.lot)
            if self.differ("holdings", entry.symbol, self.learnt.stands(name, before, HOLDING), read):
                self.learnt.differ(name, before, read)
                known = _as_holding(before) if before else None
                move = HoldingMove(key, known, entry, before.unconfirmed_since if before else None)
                version = self.amendment.pen.holding_version(self.batch.trading_day, self.batch.started_at, move)
                self._stands_until(HoldingVersion.objects.filter(instrument__pk=key[0], lot=key[1]))
                self._explain(move, version, before, now.get(key))

    def _explain(self, move: HoldingMove, version: str, before: Any, now: Any) -> None:
        """Where it is what stands now, what is owned has moved because it was read anew."""
        delta = move.after.owned - (move.before.owned if move.before else ZERO) if move.after else ZERO
        is_present = (now is None) == (before is None) and (now is None or now.version_id == before.version_id)
        if delta and is_present and self.amendment.head.opened_on and move.after:
            pen, day = self.amendment.pen, self.batch.trading_day
            change = pen.holding_change(day, move, version, delta, ZERO, None)
            question = self._raised_by(move.key, -delta)
            if question:
                pen.explanation(question.change_id, move.key, move.after, MOVED_BACK, day, -delta)
                self.answered.append(question.question.number)
            pen.explanation(change, move.key, move.after, MOVED_BACK if question else "REPARSED", day, delta)

    def _raised_by(self, key: HoldingKey, units: Decimal) -> OpenQuestion | None:
        """The last question of as many units that nothing explains: it was misread, and seen otherwise for a while."""
        asked = (each for each in read_open(self.account) if (each.question.instrument, each.question.lot) == key)
        return next((each for each in reversed([*asked]) if each.question.open == units), None)

    def positions(self, entries: Iterable[Position]) -> None:
        stands = {
            (str(row.instrument_id), row.segment, row.product): row
            for row in book.positions([self.account.pk], self.day)
        }
        for entry in entries:
            key = (self.instrument(entry), entry.segment, entry.product)
            read = _read(rows.position_figures(entry), POSITION)
            name, before = ("positions", *key), stands.get(key)
            if self.differ("positions", entry.symbol, self.learnt.stands(name, before, POSITION), read):
                self.learnt.differ(name, before, read)
                move = PositionMove(key, None, entry)
                self.amendment.pen.position_version(self.batch.trading_day, self.batch.started_at, move)
                same = PositionVersion.objects.filter(instrument__pk=key[0], segment=key[1], product=key[2])
                self._stands_until(same)

    def funds(self, entries: Iterable[Funds]) -> None:
        mine = FundsVersion.objects.filter(broker_account=self.account, as_of__lte=self.batch.trading_day)
        last = mine.order_by("as_of", "detected_at", "pk").last()
        for entry in list(entries)[:1]:
            read = entry._asdict()
            if self.differ("funds", "cash and margin", self.learnt.stands(("funds",), last, list(read)), read):
                self.learnt.differ(("funds",), last, read)
                values = (self.batch.trading_day, *entry, self.batch.started_at)
                self.amendment.pen.write(canonical.FUNDS_VERSION, *values)
                self._stands_until(FundsVersion.objects.all())
                if not FundsVersion.objects.filter(
                    broker_account=self.account, as_of__gt=self.batch.trading_day
                ).exists():
                    self._remember(entry)

    def _remember(self, funds: Funds) -> None:
        """The next sync compares with what stands now, not with what was misread."""
        memory = Memory.of(self.amendment.head)
        memory.funds = [None if value is None else str(value) for value in funds]
        memory.keep(self.amendment.head)

    def orders(self, entries: Iterable[Order]) -> None:
        told = {entry.order_id: entry for entry in entries}
        found = OrderVersion.objects.filter(broker_account=self.account, groww_order_id__among=list(told))
        known: dict[str, list[diff.KnownOrder]] = {}
        for _, one in known_orders(found):
            known.setdefault(one.order.order_id, []).append(one)
        for order_id, entry in told.items():
            self._order(entry, known.get(order_id, []) + self.learnt.orders.get(order_id, []))

    def _order(self, told: Order, versions: Sequence[diff.KnownOrder]) -> None:
        current = diff.known_order(versions, told, self.batch.trading_day, False)
        of_it = [one for one in versions if current and one.order_date == current.order_date]
        read = diff.with_known_times(current.order, told) if current else told
        if any(diff.is_same_order(one.order, read) for one in of_it):
            return
        before = current.order if current else None
        self.differ("orders", told.order_id, before._asdict() if before else {}, read._asdict())
        learnt = self.learnt.orders.setdefault(told.order_id, [])
        is_late = current is not None and (current in learnt or self._was_seen_later(current))
        day = (
            current.order_date if current else ist_date(read.created_at) if read.created_at else self.batch.trading_day
        )
        version = 1 + max((one.version for one in of_it), default=0)
        row_id = self.amendment.pen.order(self.instrument(told), day, version, read, is_late)
        learnt.append(diff.KnownOrder(day, version, read, is_late))
        for change in () if is_late else diff.order_changes(before, read):
            self.amendment.pen.order_change(row_id, read, change)

    def _was_seen_later(self, current: diff.KnownOrder) -> bool:
        """Whether the current version came after this batch: then what is read here was not its last state."""
        return OrderVersion.objects.filter(
            broker_account=self.account, groww_order_id=current.order.order_id, order_date=current.order_date,
            version=current.version, detected_at__gt=self.batch.completed_at,
        ).exists()  # fmt: skip

    def trades(self, entries: Iterable[Trade]) -> None:
        """Each fill that is listed; one that is not listed here may have come later, so none is void for that."""
        named = fills.source_ids(entries)
        found = known_fills(str(self.account.pk), {trade.order_id for trade in named.values()}, set(named))
        known = ({fill.source_id: fill for fill in found} | self.learnt.fills).values()
        for order_id in dict.fromkeys(trade.order_id for trade in named.values()):
            told = {name: trade for name, trade in named.items() if trade.order_id == order_id}
            mine = [fill for fill in known if fill.trade.order_id == order_id or fill.source_id in told]
            for move in fills.moves(mine, told, None):
                self._fill(move)

    def _fill(self, move: FillMove) -> None:
        before: KnownFill | None = move.before
        stands = before.trade._asdict() if before and before.counts else {}
        read = {"void": move.void_reason} if move.void_reason else move.trade._asdict()
        self.differ("trades", move.source_id, stands, read)
        revision, supersedes = (before.revision, before.row_id) if before else (0, None)
        instrument = before.instrument if before else self.instrument(move.trade)
        row_id = self.amendment.pen.transaction(
            move.source_id, revision + 1, supersedes, move.void_reason, instrument, move.trade
        )
        self.learnt.fills[move.source_id] = KnownFill(
            move.source_id, row_id, revision + 1, move.void_reason, instrument, move.trade
        )
        self.fills.append((move, instrument))


HOLDING = (
    "quantity", "owned_quantity", "free_quantity", "t1_quantity", "pledge_quantity", "repledge_quantity",
    "demat_locked_quantity", "groww_locked_quantity", "average_price", "doubt",
)  # fmt: skip
POSITION = (
    "quantity", "credit_quantity", "credit_price", "debit_quantity", "debit_price", "carry_forward_credit_quantity",
    "carry_forward_credit_price", "carry_forward_debit_quantity", "carry_forward_debit_price", "average_price",
    "realised_pnl", "multiplier",
)  # fmt: skip
EACH_ROW = ("orders", "trades")
_OF_ITS_DAY = ("holdings", "positions")  # outside of the day itself they are evidence only
TAKES: dict[str, Callable[[Reader, Any], None]] = {
    "orders": Reader.orders, "trades": Reader.trades, "holdings": Reader.holdings,
    "positions": Reader.positions, "funds": Reader.funds,
}  # fmt: skip


def _trades(move: FillMove) -> list[Trade]:
    return [move.trade, move.before.trade] if move.before else [move.trade]


def _is_of_its_day(batch: SyncBatch) -> bool:
    return ist_date(batch.started_at) == batch.trading_day


def _figures(row: Any, names: Sequence[str]) -> Figures:
    return {name: getattr(row, name, None) for name in names}


def _read(figures: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """The figures of an entry by column: those of its row, without the three that name it."""
    return dict(zip(names, figures[3:], strict=False))


def _as_holding(row: Any) -> Holding:
    parts = _figures(row, HOLDING[2:8])
    named = (row.isin or None, row.symbol, row.exchange)
    return Holding(*named, row.quantity, row.owned_quantity, row.average_price, **parts, lot=row.lot, doubt=row.doubt)


def _text(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else "" if value is None else str(value)
