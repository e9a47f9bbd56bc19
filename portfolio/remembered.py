"""What a head remembers of its account's captures, read from the book: the last day whose holdings were taken, and
whether this broker's holdings show the day's own sells. Goes back from the last page; writes nothing.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db.models import Exists, OuterRef, Sum

from ledger import reconcile
from ledger.entries import BUY, ZERO
from ledger.reconcile import FILLS, lot_of

from .models import AccountHead, ChangeExplanation, HoldingChange, HoldingVersion, SyncBatch, Transaction
from .sync.capture import ACCEPTED, HOLDINGS


class _Said(msgspec.Struct):
    """What a batch says of its holdings. `holdings_differ`: they were compared and shown only, but for those that were
    expected of a morning."""

    sections: dict[str, str] = {}
    holdings_differ: str | None = None


_said = msgspec.json.Decoder(_Said)


def holdings_day(head: AccountHead) -> date | None:
    """The day of the holdings that were taken last."""
    asked = SyncBatch.objects.filter(page__head=head, sync_type__in=SyncBatch.ASKED).order_by("-page__number")
    for pk, day, metadata in asked.values_list("pk", "trading_day", "metadata").iterator():
        said = _said.decode(metadata)
        if said.sections.get(HOLDINGS) == ACCEPTED:
            taken = day if said.holdings_differ is None else _taken_in_the_morning(pk)
            if taken:
                return taken
    return None


def _taken_in_the_morning(batch: UUID) -> date | None:
    return HoldingVersion.objects.filter(batch=batch).values_list("as_of", flat=True).first()


class _Move(NamedTuple):
    """What may tell the reading: a change, on the page of its capture; or an opening that was corrected, without one.
    `day`: whose sells it shows or not."""

    page: int
    batch: UUID
    instrument: UUID
    lot: str
    day: date
    change: UUID | None = None
    unexplained: Decimal = ZERO


def sells_lower_holdings(head: AccountHead) -> bool | None:
    """The reading of the last capture that told one."""
    for _, moves in groupby(_moves(head), key=attrgetter("page")):
        habit = reconcile.habit_of(_reading(head, move) for move in moves)
        if habit is not None:
            return habit
    return None


def _moves(head: AccountHead) -> Iterable[_Move]:
    """The last page first. Where an opening was corrected that alone tells, and not the change beside it."""
    captures = {"broker_account": head.account_id, "batch__sync_type__in": SyncBatch.ASKED}
    names = ("batch__page__number", "batch", "instrument", "lot")
    misread = ChangeExplanation.objects.filter(**captures, kind=FILLS, change=None)
    corrected = [_Move(*row) for row in misread.values_list(*names, "dated")]
    sold = Transaction.objects.filter(
        broker_account=OuterRef("broker_account"), instrument=OuterRef("instrument"), trade_date=OuterRef("as_of")
    ).exclude(transaction_type=BUY)
    changes = HoldingChange.objects.filter(Exists(sold), **captures)
    found = [_Move(*row) for row in changes.values_list(*names, "as_of", "pk", "unexplained_quantity")]
    told = {move[:4] for move in corrected}
    moves = [*corrected, *(move for move in found if move[:4] not in told)]
    return sorted(moves, key=attrgetter("page"), reverse=True)


def _reading(head: AccountHead, move: _Move) -> bool | None:
    if move.change is None:
        return True if _sold(head, move) else None
    pieces = ChangeExplanation.objects.filter(change=move.change, batch=move.batch)
    told = list(pieces.values_list("kind", "dated", "quantity"))
    shown = -sum((units for _, dated, units in told if dated == move.day), ZERO)
    is_whole = not move.unexplained and all(kind == FILLS for kind, _, _ in told)
    return reconcile.reading(shown, _sold(head, move) - _shown_before(head, move), is_whole)


def _sold(head: AccountHead, move: _Move) -> Decimal:
    """Delivery units that were sold that day, as the capture knew it."""
    known = Transaction.objects.filter(broker_account=head.account_id, batch__page__number__lte=move.page)
    that_day = known.highest(known).filter(instrument=move.instrument, trade_date=move.day, is_delivery=True)
    units = that_day.exclude(transaction_type=BUY).values_list("product", "quantity")
    return sum((quantity for product, quantity in units if lot_of(product) == move.lot), ZERO)


def _shown_before(head: AccountHead, move: _Move) -> Decimal:
    """Units of these that holdings had shown before."""
    used = ChangeExplanation.objects.filter(
        broker_account=head.account_id, batch__page__number__lt=move.page, kind=FILLS,
        instrument=move.instrument, lot=move.lot, dated=move.day,
    )  # fmt: skip
    return -(used.aggregate(units=Sum("quantity"))["units"] or ZERO)
