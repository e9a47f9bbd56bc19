"""What a file of past fills adds to what the book has."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import Trade
from ledger.fills import NUMBERED, KnownFill, source_ids
from ledger.late_fills import Asked, bridge
from ledger.statement import Plan
from ledger.statement import plan as planned_by_share
from tests.build import a_trade, an_order


def a_fill(order: str, units: int, number: str = "", is_synthesised: bool = False) -> Trade:
    fill: Trade = a_trade(an_order(order, units, units), units, number, is_synthesised=is_synthesised)
    return fill


def plan(told: list[Trade], known: list[KnownFill]) -> Plan:
    """Of one share."""
    return planned_by_share(told, known, lambda _: "instrument", {})


def known(name: str, fill: Trade) -> KnownFill:
    return KnownFill(name, "row", 1, "", "instrument", fill)


def test_listed_fills_take_the_place_of_the_made_up_one_of_their_order_alone() -> None:
    made_up = known("made up", a_fill("O1", 10, is_synthesised=True))
    other = known("other", a_fill("O2", 7, is_synthesised=True))
    listed = [a_fill("O1", 4, "T1"), a_fill("O1", 6, "T2")]
    further = a_fill("O3", 5, "T3")

    made = plan([*listed, further], [made_up, other])

    changes: dict[str, Decimal] = {}
    for move in made.moves:
        before = move.before.trade.quantity if move.before else Decimal(0)
        after = Decimal(0) if move.void_reason else move.trade.quantity
        changes[move.trade.order_id] = changes.get(move.trade.order_id, Decimal(0)) + after - before
    assert changes == {"O1": 0, "O3": 5}
    assert sorted((move.trade.trade_id, bool(move.void_reason)) for move in made.moves) == [
        ("", True), ("T1", False), ("T2", False), ("T3", False),
    ]  # fmt: skip
    assert made.differing == []


OTHERS: list[dict[str, Any]] = [
    {"trade_date": date(2026, 10, 6)}, {"symbol": "INFY", "isin": None}, {"transaction_type": "SELL"},
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
def test_listed_fills_of_another_order_of_the_same_id_replace_no_made_up_one(other: dict[str, Any]) -> None:
    made_up = known("made up", a_fill("O1", 10, is_synthesised=True))
    listed = a_fill("O1", 10, "T1")

    made = planned_by_share([listed._replace(**other)], [made_up], lambda trade: trade.symbol, {"TCS": "instrument"})

    assert [(move.trade.trade_id, move.before, move.void_reason) for move in made.moves] == [("T1", None, "")]


def test_a_fill_that_was_kept_without_its_exchange_is_found_by_a_file_that_says_it() -> None:
    told = a_fill("", 10, "T1")._replace(exchange="BSE")
    without = told._replace(exchange="NSE")  # as it is kept where no exchange is said
    assert plan([told], [known(*next(iter(source_ids([without]).items())))]) == Plan([], 1, [])


@pytest.mark.parametrize("other", [{"trade_id": "T2"}, {"quantity": Decimal(9)}, {"price": Decimal(1)}, *OTHERS])
def test_a_fill_at_another_exchange_of_other_number_terms_day_side_or_share_is_another(other: dict[str, Any]) -> None:
    told = a_fill("", 10, "T1")._replace(exchange="BSE")
    kept = KnownFill("kept", "row", 1, "", "TCS", told._replace(exchange="NSE", **other))
    kept = kept._replace(instrument=kept.trade.symbol)
    made = planned_by_share([told], [kept], lambda trade: trade.symbol, {})
    assert [(move.trade.exchange, move.before) for move in made.moves] == [("BSE", None)]


def test_what_takes_the_place_of_a_made_up_fill_is_at_the_exchange_of_their_order() -> None:
    made_up = known("made up", a_fill("O1", 10, is_synthesised=True)._replace(exchange="BSE"))
    made = plan([a_fill("O1", 10, "T1")._replace(exchange="")], [made_up])
    assert [(move.trade.exchange, bool(move.void_reason)) for move in made.moves] == [("BSE", False), ("BSE", True)]


@pytest.mark.parametrize(
    ("told", "stands", "new"),
    [
        ([(10, "")], [(4, "T1"), (6, "T2")], []),  # a file of whole orders, and the broker's fills
        ([(4, "T1"), (6, "T2")], [(10, "")], []),
        ([(4, ""), (6, "")], [(10, "")], []),
        ([(11, "")], [(4, "T1"), (6, "T2")], [11]),
        ([(10, "T3")], [(4, "T1"), (6, "T2")], [10]),  # another fill, of a number of its own
        ([(4, "T1"), (6, "T2"), (10, "")], [(4, "T1"), (6, "T2")], [10]),
    ],
)
def test_an_order_that_is_told_as_a_whole_is_its_fills(
    told: list[tuple[int, str]], stands: list[tuple[int, str]], new: list[int]
) -> None:
    book = [known(f"NSE:2026-10-05:{number}:TCS:B", a_fill("O1", units, number)) for units, number in stands]
    made = plan([a_fill("O1", units, number) for units, number in told], book)
    assert [move.trade.quantity for move in made.moves] == new
    assert made.known == len(told) - len(new)


def test_an_order_that_is_told_as_a_whole_is_not_taken_for_a_fill_of_another_order_of_that_day() -> None:
    fills = [("O1", 10, "T1"), ("O1", 5, "T2"), ("O2", 6, "T3"), ("O2", 4, "T4")]
    orders = [a_fill("O2", 10), a_fill("O1", 15)]
    listed = {f"NSE:2026-10-05:{number}:TCS:B": a_fill(order, units, number) for order, units, number in fills}
    assert plan(orders, [known(name, fill) for name, fill in listed.items()]) == Plan([], 2, [])
    stands = [known(name, fill) for name, fill in source_ids(orders).items()]
    assert plan([*listed.values()], stands) == Plan([], 4, [])


@pytest.mark.parametrize("other", [*OTHERS, {"order_id": "O2"}, {"order_id": ""}])
def test_an_order_that_is_told_as_a_whole_is_no_other_one(other: dict[str, Any]) -> None:
    book = [known(f"T{number}", a_fill("O1", units, f"T{number}")) for number, units in ((1, 4), (2, 6))]
    told = [a_fill("O1", 10)._replace(**other)]
    made = planned_by_share(told, book, lambda trade: trade.symbol, {"TCS": "instrument"})
    assert len(made.moves) == 1


def test_a_row_that_says_otherwise_than_an_earlier_one_of_its_number_is_named() -> None:
    first, other = a_fill("O1", 10, "T1"), a_fill("O1", 20, "T1")

    made = plan([first, first, other], [])

    assert [move.trade for move in made.moves] == [first]
    assert [(each.known, each.told) for each in made.differing] == [(first, other)]
    assert made.known == 1


D5, D6, D7, D8 = (date(2026, 10, day) for day in (5, 6, 7, 8))
BRIDGED: list[tuple[int, date | None, dict[date, int], list[date]]] = [
    (-3, D5, {D6: 4}, [D6]),  # since the look before: whether that leaves less open or more
    (-3, D5, {D5: 4, D6: 2}, [D5, D6]),
    (1, D6, {D5: 4}, []),  # another look ought to have shown it
    (4, D6, {D5: 4}, [D5]),
    (11, D6, {D5: 8}, []),  # a part of something else, such as a bonus: the rest would fit no ratio
    (-3, D6, {D5: -2}, []),
    (11, D6, {D5: 8, D6: 2}, [D6]),
    (4, D6, {D5: 4, D6: 7, D7: -7}, [D5, D6, D7]),
    (7, D6, {D5: 9, D6: 7, D8: 5}, [D6]),
    (-7, D6, {D7: -7}, [D7]),  # sold on the day itself, and shown at once
    (0, D6, {D6: 5, D7: -5}, [D6, D7]),
    (5, D6, {D6: 5, D7: -5}, [D6]),
    (5, None, {D6: 5}, [D6]),
    (-3, None, {D6: 5}, []),
]


@pytest.mark.parametrize(("open_units", "since", "fills", "used"), BRIDGED)
def test_fills_since_the_look_before_belong_to_a_question(
    open_units: int, since: date | None, fills: dict[date, int], used: list[date]
) -> None:
    units = {day: Decimal(each) for day, each in fills.items()}
    found = bridge(units, [Asked(1, D7, Decimal(open_units), since)], D8, units)
    assert [piece.dated for piece in found.answers.get(1, [])] == used
    assert [piece.dated for piece in found.overdue] == [day for day in fills if day not in used and day < D8]


def test_what_was_bought_and_is_void_was_not_sold_on_the_day_itself() -> None:
    found = bridge({D7: Decimal(-7)}, [Asked(1, D7, Decimal(-4), D6)], D8, ())
    assert (found.answers, [piece.dated for piece in found.overdue]) == ({}, [D7])


def test_what_a_person_made_void_is_no_difference_to_what_a_file_says() -> None:
    void = known("NSE:2026-10-05:T1:TCS:B", a_fill("O1", 10, "T1"))._replace(void_reason="it was none")
    made = plan([a_fill("O1", 11, "T1")], [void])
    assert (made.moves, made.known, made.differing) == ([], 1, [])


def test_a_fill_that_is_void_since_its_number_came_stands_for_none() -> None:
    unnumbered = a_fill("O1", 10)
    ((name, _),) = source_ids([unnumbered]).items()
    numbered = known("NSE:2026-10-05:T1:TCS:B", a_fill("O1", 10, "T1"))
    book = [known(name, unnumbered)._replace(void_reason=NUMBERED), numbered]
    made = plan([unnumbered, unnumbered], book)
    assert [move.source_id for move in made.moves] == [name.removesuffix("1") + "2"]
    assert made.known == 1


def test_a_number_that_a_file_tells_with_an_isin_and_without_one_is_one_fill() -> None:
    first = a_fill("", 10, "T1")._replace(isin="INE467B01029")
    bare, other = first._replace(isin=None), first._replace(isin=None, quantity=Decimal(11))
    made = plan([bare, first, other], [])
    assert [move.trade for move in made.moves] == [first]
    assert ([(each.known, each.told) for each in made.differing], made.known) == ([(first, other)], 1)


def test_a_fill_that_was_corrected_to_the_terms_of_another_is_told_apart_from_it() -> None:
    first, other = a_fill("", 5), a_fill("", 4)
    corrected = known("first", first._replace(quantity=Decimal(4)))._replace(is_by_hand=True, as_told=first)
    assert plan([other, first], [corrected, known("other", other)]).moves == []
