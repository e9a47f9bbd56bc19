"""Reads the open questions of accounts, with the figures on both sides of each and what they suggest.

A question is open as long as its change is more than the explanations of it add up to. Writes nothing.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from ledger.answers import DEMERGER, Parent, Question
from ledger.entries import ZERO
from ledger.links import Link
from ledger.proposals import Fallen, Proposal, propose
from ledger.reconcile import FILLS

from .. import book
from ..models import AccountHead, BrokerAccount, ChangeExplanation, HoldingChange, HoldingVersion, SyncBatch
from ..models.holding import explained_quantity
from ..schedule import calendar
from .links import said_for_others

_LOOKED = (SyncBatch.Status.COMPLETED, SyncBatch.Status.PARTIAL)
_SESSIONS_BACK = 5  # days without a look are looked for so far back


class OpenQuestion(NamedTuple):
    """One open question of one account, the change that it is about, and what it may be, likeliest first."""

    question: Question
    change_id: str
    delta: Decimal  # by how much the holding moved
    proposals: Sequence[Proposal] = ()


def open_questions(account: BrokerAccount) -> list[OpenQuestion]:
    """Oldest first, each with its proposals."""
    found = read_open(account)
    questions = [each.question for each in found]
    if not questions:
        return []
    links = said_for_others(account, {question.instrument for question in questions})
    made = propose(
        questions, links, _fallen(account, questions), _missed(account, questions), _parents(account, links)
    )  # fmt: skip
    return [each._replace(proposals=made[each.question.number]) for each in found]


def read_open(account: BrokerAccount) -> list[OpenQuestion]:
    """The same without proposals."""
    asked = account.holding_changes.exclude(question_number=None)
    left = _with_last_looks(_with_averages(asked)).annotate(explained=explained_quantity())
    changes = [
        (change, units)
        for change in left.order_by("question_number")
        if (units := change.quantity_delta - (change.explained or 0))
    ]
    shown = _fills_shown(account, [change for change, _ in changes])
    return [
        OpenQuestion(_question(change, units, shown[change.pk]), str(change.pk), change.quantity_delta)
        for change, units in changes
    ]


def _question(change: Any, units: Decimal, fills: tuple[tuple[date, Decimal], ...]) -> Question:
    """Where something else moved it too, averages tell nothing of what is open."""
    is_alone = units == change.quantity_delta
    before, after = (change.average_before, change.average_after) if is_alone else (None, None)
    return Question(
        change.question_number, change.as_of, str(change.instrument_id), change.lot, change.isin, change.symbol,
        change.exchange, change.new_quantity, units, before, after, fills, change.looked,
    )  # fmt: skip


def _fills_shown(account: BrokerAccount, changes: Sequence[Any]) -> dict[Any, tuple[tuple[date, Decimal], ...]]:
    """Of each of these changes the fills that its holding had shown by then."""
    if not changes:
        return {}
    rows = _fills(account).filter(instrument__in={change.instrument_id for change in changes})
    told = list(rows.order_by("dated", "pk").values_list("instrument_id", "lot", "change_id", "dated", "quantity"))
    return {
        change.pk: tuple(
            (dated, units) for instrument, lot, of, dated, units in told
            if (instrument, lot) == (change.instrument_id, change.lot) and (of is None or of <= change.pk)
        )
        for change in changes
    }  # fmt: skip


def _fills(account: BrokerAccount) -> QuerySet[ChangeExplanation]:
    return ChangeExplanation.objects.current().filter(broker_account=account, kind=FILLS)


def _with_averages(changes: QuerySet[HoldingChange]) -> QuerySet[Any]:
    earlier = HoldingVersion.objects.filter(
        broker_account=OuterRef("broker_account"), instrument=OuterRef("instrument"), lot=OuterRef("lot"),
        pk__lt=OuterRef("new_version"),
    )  # fmt: skip
    return changes.annotate(
        average_before=Subquery(earlier.order_by("-pk").values("average_price")[:1]),
        average_after=F("new_version__average_price"),
    )


def _with_last_looks(changes: QuerySet[HoldingChange]) -> QuerySet[Any]:
    """`looked`: the last day on which somebody looked before it moved. What a statement has raised, and no look, moved
    when its fills say."""
    fills = ChangeExplanation.objects.current().filter(change=OuterRef("pk"), kind=FILLS).order_by("dated")
    told = Coalesce(Subquery(fills.values("dated")[:1]), F("as_of"))
    earlier = _every_look().filter(broker_account=OuterRef("broker_account"), trading_day__lt=OuterRef("moved_on"))
    moved_on = Case(When(batch__sync_type__in=SyncBatch.ASKED, then=F("as_of")), default=told)
    last = Subquery(earlier.order_by("-trading_day").values("trading_day")[:1])
    return changes.annotate(moved_on=moved_on).annotate(looked=last)


def _parents(account: BrokerAccount, links: Iterable[Link]) -> dict[Link, Parent]:
    """What this account owned of each share that another was split off from, on the day of that."""
    found = {}
    for link in links:
        if link.kind == DEMERGER and (parent := parent_on(account, link.effective_on, instrument=link.instrument)):
            found[link] = parent
    return found


def parent_on(account: BrokerAccount, day: date, **named: str) -> Parent | None:
    """How much was owned before that day's fills, in all lots, of the share with this `instrument` id or `symbol`."""
    found: Parent | None = None
    seen_on = _looks(account).filter(trading_day__gte=day).order_by("trading_day").first() or day
    for row in book.holdings([account.pk], book.Moment(as_of=seen_on)):
        parent = Parent(str(row.instrument_id), row.symbol, row.isin, row.owned_quantity)
        if all(getattr(parent, name) == value for name, value in named.items()):
            found = parent._replace(owned=parent.owned + found.owned) if found else parent
    return found._replace(owned=found.owned - _traded_since(account, found, day, seen_on)) if found else None


def _traded_since(account: BrokerAccount, parent: Parent, day: date, until: date) -> Decimal:
    """By how much fills of that day and later had moved it by the end of the other."""
    shown = _fills(account).filter(Q(change=None) | Q(change__as_of__lte=until), instrument=UUID(parent.instrument))
    return shown.filter(dated__gte=day).aggregate(units=Sum("quantity"))["units"] or ZERO


def _fallen(account: BrokerAccount, questions: Sequence[Question]) -> list[Fallen]:
    """Holdings whose average fell, their units unmoved, on a day on which another share came out of nothing."""
    days = {question.as_of for question in questions if not question.before and question.open > 0}
    if not days:
        return []
    earlier = HoldingVersion.objects.filter(
        broker_account=account, instrument=OuterRef("instrument"), lot=OuterRef("lot"), pk__lt=OuterRef("pk")
    ).order_by("-pk")
    versions = account.holding_versions.filter(as_of__in=days, average_price__isnull=False).annotate(
        average_before=Subquery(earlier.values("average_price")[:1]), owned_before=Subquery(
            earlier.values("owned_quantity")[:1]
        ),
    )  # fmt: skip
    return [
        _fallen_one(row) for row in versions
        if row.owned_before == row.owned_quantity and row.average_before and row.average_before > row.average_price
    ]  # fmt: skip


def _fallen_one(row: Any) -> Fallen:
    parent = Parent(str(row.instrument_id), row.symbol, row.isin, row.owned_quantity)
    return Fallen(parent, row.as_of, row.owned_quantity * row.average_before, row.owned_quantity * row.average_price)


def _missed(account: BrokerAccount, questions: Iterable[Question]) -> dict[int, list[date]]:
    """The sessions just before each question on which nobody looked, and of which no statement was imported."""
    seen = account.holding_changes.filter(batch__sync_type__in=SyncBatch.ASKED)  # the others no look has raised
    numbers = set(seen.values_list("question_number", flat=True))
    before = {each.number: _sessions_before(each.as_of) for each in questions if each.number in numbers}
    first = min((day for days in before.values() for day in days), default=date.max)
    batches = SyncBatch.objects.filter(broker_account=account, trading_day__gte=first, status__in=_LOOKED)
    looked = set(batches.filter(sync_type__in=SyncBatch.ASKED).values_list("trading_day", flat=True))
    looked |= set(
        account.slots.filter(trading_day__gte=first, result="back_filled").values_list("trading_day", flat=True)
    )
    opened_on = AccountHead.objects.values_list("opened_on", flat=True).get(account=account)
    return {number: _unseen(days, looked, opened_on) for number, days in before.items()}


def _unseen(days: Sequence[date], looked: Container[date], opened_on: date | None) -> list[date]:
    """Those since the last look: what was traded before it is seen in it."""
    later = takewhile(lambda day: day not in looked, reversed(days))
    return [day for day in later if opened_on is not None and day > opened_on][::-1]


def _looks(account: BrokerAccount) -> QuerySet[SyncBatch, date]:
    """The days on which holdings were asked for."""
    return _every_look().filter(broker_account=account).values_list("trading_day", flat=True)


def _every_look() -> QuerySet[SyncBatch]:
    asked = SyncBatch.objects.filter(status__in=_LOOKED, sync_type__in=SyncBatch.ASKED)
    return asked.exclude(sync_type=SyncBatch.Type.ORDER_HISTORY)


def _sessions_before(day: date) -> list[date]:
    days = []
    for _ in range(_SESSIONS_BACK):
        day = calendar.previous_session(day)
        days.append(day)
    return days[::-1]
