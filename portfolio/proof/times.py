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
    course, simulated = _Course(accounts), _simulated_heads()
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
    yield from course.end(now.timestamp())


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


class _Course:
    """The times so far. `ahead`: the latest at which a batch was closed, while none that was placed later shows that
    the clock was put back; `early`: what lies before that, until one does."""

    def __init__(self, accounts: Mapping[str, str]) -> None:
        self._accounts = accounts
        self._latest = _Time(_BEGINNING)
        self._ahead = _BEGINNING
        self._early: list[tuple[float, int, _Time]] = []
        self._held = 0

    def pass_by(self, one: _Time) -> None:
        """A page of a demo: nothing of it counts but when its batch was closed."""
        self._ahead = max(self._ahead, one.closed)

    def place(self, one: _Time) -> Iterator[Finding]:
        self._ahead = max(self._ahead, one.closed)
        yield from self._hold(one)
        while self._early and -self._early[0][0] > one.closed + ALLOWED_SECONDS:
            heappop(self._early)
            self._ahead = one.closed

    def sign(self, one: _Time) -> Iterator[Finding]:
        if self._held:  # until then a demo signed
            yield from self._hold(one)

    def end(self, now: float) -> Iterator[Finding]:
        """What was closed at a time that is yet to come shows by itself that the clock was put back."""
        for closed, _, one in sorted(each for each in self._early if -each[0] <= now + ALLOWED_SECONDS):
            yield self._finding(one, f"a batch that it stands above was closed only at {_text(-closed)}")

    def _hold(self, one: _Time) -> Iterator[Finding]:
        self._held += 1
        if isnan(one.at):
            yield self._finding(one, "that is no time")
            return
        if one.at < self._ahead - ALLOWED_SECONDS:
            heappush(self._early, (-self._ahead, self._held, one))
        elif one.at < self._latest.at - ALLOWED_SECONDS:
            yield self._finding(self._latest, f"what comes after it in the tree has {_text(one.at)}")
        elif one.at < self._latest.at:
            return
        self._latest = one

    def _finding(self, one: _Time, because: str) -> Finding:
        name = "placed_at" if one.table == TREE else "signed_at"
        head = id_text(one.head)
        says = f"{name} was changed to {_text(one.at)}: {because}"
        return Finding(says, self._accounts.get(head, head), one.page, one.table, str(one.row))


def _text(seconds: float) -> str:
    return "?" if isnan(seconds) else (_EPOCH + timedelta(seconds=seconds)).isoformat(" ", "seconds")
