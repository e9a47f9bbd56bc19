"""Random histories of a holding, seen as a broker shows them: explained and open are always the change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.entries import ZERO
from ledger.late_fills import Asked, bridge
from ledger.reconcile import FILLS, Change, Overdue, explain_all, waiting_fills

KEY = ("TCS", "DELIVERY")
START = date(2026, 10, 5)


class Day(NamedTuple):
    """What really happened: units bought and sold, what a company or a transfer added before the open, and whether
    somebody looked in the evening."""

    bought: int = 0
    sold: int = 0
    added: int = 0
    is_seen: bool = True


@dataclass
class Seen:
    """A book of one holding: fills by day, how much of each was used, what is open by the day it was asked."""

    held: Decimal
    fills: dict[date, tuple[Decimal, Decimal]] = field(default_factory=dict)
    used: dict[date, Decimal] = field(default_factory=dict)
    explained: Decimal = ZERO
    open: dict[date, Decimal] = field(default_factory=dict)
    looks: list[date] = field(default_factory=list)
    habit: bool | None = None

    def look(self, day: date, shown: Decimal, bought: int, sold: int) -> None:
        self.fills[day] = (Decimal(bought), Decimal(sold))
        waiting = waiting_fills(self.fills, self.used, day)
        change = Change(shown - self.held, waiting)
        found = explain_all({KEY: change}, day, self.habit)[KEY]
        for piece in found.pieces:
            self.explained += piece.quantity
            assert piece.kind == FILLS
            self.used[piece.dated] = self.used.get(piece.dated, ZERO) + piece.quantity
        if found.unexplained:
            self.open[day] = found.unexplained
        if found.sells_lower_holdings is not None:
            self.habit = found.sells_lower_holdings
        self.held = shown
        self.looks.append(day)

    def fill_in(self, day: date, bought: int, sold: int) -> None:
        """An imported statement of a missed day."""
        asked = [Asked(n, as_of, units, self._look_before(as_of)) for n, (as_of, units) in enumerate(self.open.items())]
        judged = self.looks[-1]
        found = bridge({day: Decimal(bought - sold)}, asked, judged, [day])
        for number, pieces in found.answers.items():
            for piece in pieces:
                self.say(asked[number].as_of, piece.quantity)
        for piece in found.overdue:
            self.explained += piece.quantity
            self.open[judged] = self.open.get(judged, ZERO) - piece.quantity
            if not self.open[judged]:
                del self.open[judged]

    def _look_before(self, as_of: date) -> date | None:
        return max((look for look in self.looks if look < as_of), default=None)

    def say(self, as_of: date, units: Decimal) -> None:
        """A person's answer to so much of the question of that day."""
        self.explained += units
        self.open[as_of] -= units
        if not self.open[as_of]:
            del self.open[as_of]


def possible(days: Sequence[Day]) -> list[Day]:
    """The same days, with no more sold or gone than there was."""
    found, real = [], 100
    for day in days:
        added = max(day.added, -real)
        sold = min(day.sold, real + added)
        real += added + day.bought - sold
        found.append(day._replace(added=added, sold=sold))
    return found


def lived(days: Sequence[Day], is_lowered_at_once: bool) -> Seen:
    """What a book has seen of these days, all of them possible. It checks itself after each look."""
    book, real = Seen(Decimal(100)), 100
    for number, day in enumerate(days):
        real += day.added
        if day.is_seen:
            shown = real - (day.sold if is_lowered_at_once else 0)
            book.look(START + timedelta(number), Decimal(shown), day.bought, day.sold)
            assert book.explained + sum(book.open.values(), ZERO) == book.held - 100
        real += day.bought - day.sold
    return book


units = st.integers(0, 30)
trading = st.tuples(units, units).map(lambda both: Day(*both))
anything = st.builds(
    Day, units, units, st.sampled_from([0, 0, 0, 50, 100, -20]), st.sampled_from([True, True, True, False])
)
QUIET = Day()


@given(st.lists(anything, min_size=1, max_size=12), st.booleans())
@settings(max_examples=300)
def test_explained_and_open_add_up_to_the_change_whatever_happens(days: list[Day], is_lowered_at_once: bool) -> None:
    book = lived(possible(days), is_lowered_at_once)
    assert book.explained + sum(book.open.values(), ZERO) == book.held - 100


@given(st.lists(trading, min_size=1, max_size=12), st.booleans())
@settings(max_examples=300)
def test_where_every_day_is_seen_fills_explain_all_in_both_readings(days: list[Day], is_lowered_at_once: bool) -> None:
    assert lived(possible(days), is_lowered_at_once).open == {}


@given(st.lists(trading, max_size=6), st.sampled_from([50, 100, 7, -20]), st.lists(trading, max_size=6), st.booleans())
@settings(max_examples=300)
def test_an_action_that_nobody_tells_of_is_the_one_thing_that_is_open(
    before: list[Day], added: int, after: list[Day], is_lowered_at_once: bool
) -> None:
    """On a day without sales: with some, what was sold and what went are told apart on the next."""
    days = possible([*before, QUIET, Day(added=added), *after])
    book, number = lived(days, is_lowered_at_once), len(before) + 1
    assert book.open == ({START + timedelta(number): days[number].added} if days[number].added else {})


@given(st.lists(trading, max_size=6), trading, st.lists(trading, max_size=6), st.booleans())
@settings(max_examples=300)
def test_the_fills_of_a_missed_day_are_the_one_thing_that_is_open_until_they_are_filled_in(
    before: list[Day], missed: Day, after: list[Day], is_lowered_at_once: bool
) -> None:
    days = possible([*before, QUIET, missed._replace(is_seen=False), QUIET, *after])
    book, number = lived(days, is_lowered_at_once), len(before) + 1
    net = days[number].bought - days[number].sold
    assert book.open == ({START + timedelta(number + 1): net} if net else {})
    book.fill_in(START + timedelta(number), days[number].bought, days[number].sold)
    assert book.open == {}


@given(st.lists(anything, min_size=1, max_size=10), st.booleans())
@settings(max_examples=300)
def test_with_every_statement_what_is_left_is_what_companies_and_transfers_did(
    days: list[Day], is_lowered_at_once: bool
) -> None:
    days = possible([QUIET, *days, QUIET, QUIET])
    book = lived(days, is_lowered_at_once)
    for number, day in enumerate(days):
        if not day.is_seen:
            book.fill_in(START + timedelta(number), day.bought, day.sold)
    assert sum(book.open.values(), ZERO) == sum(day.added for day in days)
    assert book.explained + sum(book.open.values(), ZERO) == book.held - 100


def test_overdue_fills_and_late_ones_cancel_out() -> None:
    late = Change(Decimal(5), overdue=[Overdue(7, Decimal(-5))])
    (piece,) = explain_all({KEY: late}, START)[KEY].pieces
    assert (piece.kind, piece.question, piece.quantity) == ("LATE", 7, 5)
