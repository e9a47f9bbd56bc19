"""Whether the times at which pages were placed and checkpoints signed can be true.

They decide what was known at an instant, and no hash covers them. So they are held, in the order of the tree, against
one another and against the times at which batches were closed, which pages do cover. A clock that was put back shows
in batches that were closed after it: only what no clock explains is a finding. Pages of a demo have another time.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from math import inf, isnan, nan
from typing import Any, Final, NamedTuple

from django.db.models import TextField
from django.db.models.functions import Cast

from ledger.findings import CHECKPOINTS, TREE, Finding

from ..models import AccountHead, Checkpoint, LedgerTree
from .encrypted import as_stored, id_text

# A look at the clock may lie before a wave of syncs, and what is written with it behind it; machines differ too.
ALLOWED_SECONDS: Final = 3600
_BEGINNING: Final = -inf
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Time(NamedTuple):
    """A time that no hash covers, in seconds since 1970. `closed`: when the batch of the page was."""

    at: float
    closed: float = nan
    head: Any = ""
    page: int = 0
    table: str = CHECKPOINTS
    row: Any = ""


def judge(accounts: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """Of the whole tree. `accounts`: what to call each head."""
    course, simulated = _Course(accounts, now.timestamp()), _simulated_heads()
    signed = deque(_signed())
    for place in _placed():
        while signed and signed[0][0] < int(place.row):
            yield from course.sign(signed.popleft()[1])
        if place.head in simulated:
            course.pass_by(place)
        else:
            yield from course.place(place)
    for _, one in signed:
        yield from course.sign(one)
    yield from course.end()


def _placed() -> Iterator[_Time]:
    times = Cast("placed_at", TextField()), Cast("page__batch__completed_at", TextField())
    columns = LedgerTree.objects.order_by("position").values_list(
        "position", as_stored("page__head_id"), "page__number", *times
    )
    for position, head, number, placed, closed in columns.iterator():
        yield _Time(_seconds(placed), _seconds(closed), head, number, TREE, position)


def _signed() -> Iterator[tuple[int, _Time]]:
    times = Checkpoint.objects.order_by("size", "signed_at").annotate(at=Cast("signed_at", TextField()))
    for row, size, at in times.values_list("pk", "size", "at"):
        yield size, _Time(_seconds(at), row=row)


def _simulated_heads() -> set[Any]:
    """The heads of a demo, and the one that it shares with whatever came after it."""
    heads = AccountHead.objects.filter(account__portfolio__simulated=True)
    if heads.exists():
        heads |= AccountHead.objects.filter(account=None)
    return set(heads.values_list(as_stored("id"), flat=True))


def _seconds(stored: str | None) -> float:
    """Since 1970; NaN for what is no time."""
    try:
        at = datetime.fromisoformat(stored or "")
    except ValueError:
        return nan
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class _Early:
    """What lies before `ahead`, the latest time at which a batch was closed, until one that was placed later shows that
    the clock was put back."""

    def __init__(self) -> None:
        self.ahead = _BEGINNING
        self.waiting: list[tuple[float, int, _Time]] = []

    def close(self, at: float) -> None:
        self.ahead = max(self.ahead, at)

    def take(self, one: _Time, nth: int) -> bool:
        """Whether it is one of those."""
        is_early = one.at < self.ahead - ALLOWED_SECONDS
        if is_early:
            heappush(self.waiting, (-self.ahead, nth, one))
        return is_early

    def put_back(self, closed: float) -> None:
        while self.waiting and -self.waiting[0][0] > closed + ALLOWED_SECONDS:
            heappop(self.waiting)
            self.ahead = closed


class _Course:
    """The times so far. What was closed at a time that is yet to come shows by itself that the clock was put back: it
    explains what is early, and nothing has to come after it (`_come`)."""

    def __init__(self, accounts: Mapping[str, str], now: float) -> None:
        self._accounts, self._now = accounts, now
        self._latest = _Time(_BEGINNING)
        self._early, self._come = _Early(), _Early()
        self._held = 0

    def pass_by(self, one: _Time) -> None:
        """A page of a demo: nothing of it counts but when its batch was closed."""
        self._early.close(one.closed)
        if one.closed <= self._now + ALLOWED_SECONDS:
            self._come.close(one.closed)

    def place(self, one: _Time) -> Iterator[Finding]:
        self.pass_by(one)
        yield from self._hold(one)
        self._early.put_back(one.closed)
        self._come.put_back(one.closed)

    def sign(self, one: _Time) -> Iterator[Finding]:
        if self._held:  # until then a demo signed
            yield from self._hold(one)

    def end(self) -> Iterator[Finding]:
        for closed, _, one in sorted(self._come.waiting):
            yield self._finding(one, f"a batch that it stands above was closed only at {_text(-closed)}")

    def _hold(self, one: _Time) -> Iterator[Finding]:
        self._held += 1
        if isnan(one.at):
            yield self._finding(one, "that is no time")
            return
        self._come.take(one, self._held)
        is_early = self._early.take(one, self._held)
        if not is_early and one.at < self._latest.at - ALLOWED_SECONDS:
            yield self._finding(self._latest, f"what comes after it in the tree has {_text(one.at)}")
        elif not is_early and one.at < self._latest.at:
            return
        self._latest = one

    def _finding(self, one: _Time, because: str) -> Finding:
        name = "placed_at" if one.table == TREE else "signed_at"
        head = id_text(one.head)
        says = f"{name} was changed to {_text(one.at)}: {because}"
        return Finding(says, self._accounts.get(head, head), one.page, one.table, str(one.row))


def _text(seconds: float) -> str:
    return "?" if isnan(seconds) else (_EPOCH + timedelta(seconds=seconds)).isoformat(" ", "seconds")
