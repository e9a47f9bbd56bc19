"""Fills from list to list: whatever a broker calls a fill, it counts once."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import fills
from ledger.entries import Trade
from ledger.fills import ALL_LISTED, NOT_LISTED, NUMBERED, FillMove, KnownFill, source_ids
from ledger.normalise import INDIA_IS_AHEAD, ist_date
from ledger.pairs import paired
from tests.build import MORNING, a_trade, an_order

ORDER = an_order(filled=10)
ISIN = "INE467B01029"


def a_fill(quantity: int = 4, trade_id: str = "", price: int = 3000, **values: Any) -> Trade:
    """A fill of the one order that these tests are of; without a number unless told otherwise."""
    fill: Trade = a_trade(ORDER, quantity, trade_id, price=price, **values)
    return fill


def at(moment: datetime | None, quantity: int = 4, trade_id: str = "", **values: Any) -> Trade:
    return a_fill(quantity, trade_id, executed_at=moment, trade_date=ist_date(moment or MORNING), **values)


def made_up(quantity: int, price: int = 3000) -> Trade:
    return a_fill(quantity, price=price, is_synthesised=True)


def written(known: Iterable[KnownFill], moves: Sequence[FillMove]) -> list[KnownFill]:
    """The book once these moves are in it, as it is read again. One revision of one name at a time."""
    book = {fill.source_id: fill for fill in known}
    assert len({move.source_id for move in moves}) == len(moves)
    for move in moves:
        assert move.before == book.get(move.source_id)
        revision = move.before.revision + 1 if move.before else 1
        trade = move.trade._replace(trade_id="")
        trade = trade._replace(trade_id=fills.number_of(move.source_id, trade))
        book[move.source_id] = KnownFill(move.source_id, "row", revision, move.void_reason, "instrument", trade)
    return list(book.values())


def after(*lists: Sequence[Trade], filled: int | None = None) -> list[KnownFill]:
    """The book after these lists, one after the other; `filled` is what the order says at the last."""
    book: list[KnownFill] = []
    for number, told in enumerate(lists, 1):
        units = Decimal(filled) if filled is not None and number == len(lists) else None
        book = written(book, fills.moves(book, source_ids(told), units))
    return book


def counted(book: Iterable[KnownFill]) -> list[tuple[str, Decimal, Decimal]]:
    """Number, units and price of what counts."""
    return sorted((fill.trade.trade_id, fill.trade.quantity, fill.trade.price) for fill in book if fill.counts)


def revisions(book: Iterable[KnownFill]) -> list[int]:
    return sorted(fill.revision for fill in book)


def void(book: Iterable[KnownFill]) -> list[str]:
    return [fill.void_reason for fill in book if not fill.counts]


# Names


def test_a_fill_is_named_by_the_exchanges_number_day_instrument_and_side() -> None:
    order = an_order(filled=4, isin=ISIN)
    assert list(source_ids([a_trade(order)])) == ["NSE:2026-10-05:T1:INE467B01029:B"]
    assert list(source_ids([a_trade(order, isin=None)])) == ["NSE:2026-10-05:T1:TCS:B"]
    sold = a_trade(order, transaction_type="SELL")
    assert len(source_ids([a_trade(order), a_trade(order), sold])) == 2


def test_fills_without_a_number_are_told_apart_by_their_place_and_stay_themselves() -> None:
    order = an_order(filled=4)
    told = [a_trade(order, 2, trade_id=""), a_trade(order, 2, trade_id=""), a_trade(order, 2, "", price=1)]
    named = list(source_ids(told))
    base = f"fill:O1:{MORNING.isoformat()}:3000.00000000:2.0000000000"
    assert named[:2] == [f"{base}:1", f"{base}:2"]
    assert len(set(named)) == 3
    assert list(source_ids(told)) == named
    undated = a_trade(order, 2, trade_id="", executed_at=None)
    assert list(source_ids([undated])) == ["fill:O1:2026-10-05:3000.00000000:2.0000000000:1"]


def test_a_fill_made_from_its_order_is_named_by_it() -> None:
    made = a_trade(an_order(filled=4), is_synthesised=True)
    assert list(source_ids([made])) == ["order:2026-10-05:O1"]


def test_of_different_rows_of_one_name_the_first_stands() -> None:
    assert list(source_ids([a_fill(4, "T1"), a_fill(5, "T1")]).values()) == [a_fill(4, "T1")]
    assert list(source_ids([made_up(4), made_up(5)]).values()) == [made_up(4)]


@pytest.mark.parametrize("number", ["T1", "1:2", ":", "B", "TCS:B", "fill:O1"])
@pytest.mark.parametrize("symbol", ["TCS", "NSE:TCS", "B"])
@pytest.mark.parametrize("isin", [None, ISIN])
def test_the_number_is_read_back_from_the_name(number: str, symbol: str, isin: str | None) -> None:
    fill = a_fill(4, number, symbol=symbol, isin=isin)
    ((name, _),) = source_ids([fill]).items()
    assert fills.number_of(name, fill) == number
    assert fills.number_of(name, fill._replace(isin=ISIN)) == number


def test_a_number_is_read_back_although_the_symbol_has_changed() -> None:
    ((name, fill),) = source_ids([a_fill(4, "T1")]).items()
    assert fills.number_of(name, fill._replace(symbol="TCSNEW")) == "T1"


@pytest.mark.parametrize("fill", [a_fill(4), a_fill(4, order_id=""), made_up(4)])
def test_a_fill_without_a_number_has_none_in_its_name(fill: Trade) -> None:
    ((name, _),) = source_ids([fill]).items()
    assert fills.number_of(name, fill) == ""


# The same list again


SAME: dict[str, list[Trade]] = {
    "numbered": [a_fill(4, "T1"), a_fill(6, "T2")],
    "equal, without numbers": [a_fill(4), a_fill(4)],
    "some numbered": [a_fill(4, "T1"), a_fill(4)],
    "without times": [at(None), at(None), at(None, 4, "T1")],
    "made up": [made_up(10)],
    "five hours and a half apart": [at(MORNING), at(MORNING + INDIA_IS_AHEAD)],
}


@pytest.mark.parametrize("told", SAME.values(), ids=SAME)
@pytest.mark.parametrize("filled", [None, 8, 10])
def test_the_same_list_again_changes_nothing(told: list[Trade], filled: int | None) -> None:
    book = after(told)
    assert fills.moves(book, source_ids(told), None if filled is None else Decimal(filled)) == []
    assert fills.moves(book, source_ids(reversed(told)), None) == []
    assert fills.moves(book, {}, Decimal(0)) == []


@pytest.mark.parametrize("shift", [INDIA_IS_AHEAD, -INDIA_IS_AHEAD])
@pytest.mark.parametrize("told", SAME.values(), ids=SAME)
def test_times_read_the_other_way_are_the_known_ones(told: list[Trade], shift: timedelta) -> None:
    shifted = [at(fill.executed_at + shift if fill.executed_at else None, int(fill.quantity), fill.trade_id,
                  is_synthesised=fill.is_synthesised) for fill in told]  # fmt: skip
    assert fills.moves(after(told), source_ids(shifted), None) == []


# What is learnt later


@pytest.mark.parametrize("known_time", [MORNING, None, MORNING + INDIA_IS_AHEAD, MORNING - INDIA_IS_AHEAD])
@pytest.mark.parametrize("time", [MORNING, None])
def test_a_fill_that_gets_its_number_later_is_one_fill(known_time: datetime | None, time: datetime | None) -> None:
    book = after([at(known_time)], [at(time, 4, "T1")])
    assert (counted(book), void(book)) == ([("T1", 4, 3000)], [NUMBERED])
    assert [fill.trade.executed_at for fill in book if fill.counts] == [time if known_time is None else known_time]


def test_a_number_that_is_no_longer_given_is_not_lost() -> None:
    book = after([a_fill(4, "T1")])
    assert fills.moves(book, source_ids([a_fill(4)]), Decimal(4)) == []


def test_of_two_equal_fills_the_one_that_gets_a_number_replaces_one() -> None:
    book = after([a_fill(4), a_fill(4)], [a_fill(4, "T1"), a_fill(4)], filled=8)
    assert counted(book) == [("", 4, 3000), ("T1", 4, 3000)]
    assert counted(after([a_fill(4), a_fill(4)], [a_fill(4, "T1"), a_fill(4, "T2")])) == [
        ("T1", 4, 3000),
        ("T2", 4, 3000),
    ]


def test_an_equal_fill_with_another_time_is_another_fill() -> None:
    later = MORNING + timedelta(hours=1)
    assert counted(after([at(MORNING)], [at(MORNING), at(later)])) == [("", 4, 3000)] * 2
    assert counted(after([at(MORNING)], [at(later, 4, "T1")])) == [("", 4, 3000), ("T1", 4, 3000)]


@pytest.mark.parametrize("terms", [{"quantity": 5}, {"price": 3001}, {"transaction_type": "SELL"}])
def test_other_terms_are_another_fill(terms: dict[str, Any]) -> None:
    assert len(counted(after([a_fill(4)], [a_fill(**{"trade_id": "T1", **terms})]))) == 2


def test_an_isin_that_is_learnt_later_makes_no_second_fill_and_is_not_lost() -> None:
    book = after([a_fill(4, "T1")], [a_fill(4, "T1", isin=ISIN)])
    assert (counted(book), revisions(book)) == ([("T1", 4, 3000)], [1])
    book = after([a_fill(4, "T1", isin=ISIN)], [a_fill(5, "T1")], [a_fill(5, "T1")])
    assert (counted(book), revisions(book), book[0].trade.isin) == ([("T1", 5, 3000)], [2], ISIN)


@pytest.mark.parametrize("trade_id", ["", "T1"])
def test_a_time_that_is_learnt_later_is_a_revision_and_dates_the_fill(trade_id: str) -> None:
    untimed = at(None, 4, trade_id)._replace(trade_date=ist_date(MORNING) + timedelta(days=1))
    book = after([untimed], [at(MORNING, 4, trade_id)])
    assert (counted(book), revisions(book)) == ([(trade_id, 4, 3000)], [2])
    assert (book[0].trade.executed_at, book[0].trade.trade_date) == (MORNING, ist_date(MORNING))
    assert fills.moves(book, source_ids([untimed]), None) == []


def test_a_number_used_on_another_day_is_another_fill() -> None:
    assert len(after([at(MORNING, 4, "T1")], [at(MORNING + timedelta(days=1), 4, "T1")])) == 2
    assert len(after([a_fill(4, "T1")], [a_fill(4, "T1", exchange="BSE")])) == 2


def test_a_corrected_fill_is_its_next_revision() -> None:
    book = after([a_fill(4, "T1")], [at(MORNING + INDIA_IS_AHEAD, 4, "T1", price=3001)])
    assert (counted(book), revisions(book), book[0].trade.executed_at) == ([("T1", 4, 3001)], [2], MORNING)
    book = after([a_fill(4, "T1")], [a_fill(5, "T1")])
    assert (counted(book), revisions(book)) == ([("T1", 5, 3000)], [2])


# The whole list


def test_a_fill_that_the_whole_list_does_not_have_is_void() -> None:
    for known in ([a_fill(4)], [a_fill(4, "T1")]):
        book = after(known, [a_fill(4, "T2", 3001), a_fill(6, "T3")], filled=10)
        assert (counted(book), void(book)) == ([("T2", 4, 3001), ("T3", 6, 3000)], [NOT_LISTED])


def test_a_fill_that_a_part_of_the_list_does_not_have_stands() -> None:
    book = after([a_fill(4, "T1")], [a_fill(6, "T2")], filled=10)
    assert counted(book) == [("T1", 4, 3000), ("T2", 6, 3000)]
    assert counted(after([a_fill(4, "T1")], [a_fill(6, "T2")])) == counted(book)
    assert counted(after([a_fill(4, "T1")], [], filled=0)) == [("T1", 4, 3000)]


@pytest.mark.parametrize("trade_id", ["", "T1"])
def test_a_void_fill_that_is_listed_again_counts_again_as_its_next_revision(trade_id: str) -> None:
    whole = [a_fill(4, "T2", 3001), a_fill(6, "T3")]
    book = written(
        after([a_fill(4, trade_id)]), fills.moves(after([a_fill(4, trade_id)]), source_ids(whole), Decimal(10))
    )
    book = written(book, fills.moves(book, source_ids([a_fill(4, trade_id), *whole]), Decimal(14)))
    assert counted(book) == sorted([(trade_id, 4, 3000), ("T2", 4, 3001), ("T3", 6, 3000)])
    assert revisions(book) == [1, 1, 3]


def test_the_same_moment_is_surer_than_no_time_whatever_is_numbered() -> None:
    told = [at(MORNING, 1), at(None, 1)]
    book = after([at(MORNING, 1, "T3")], told)
    assert len(counted(book)) == 2
    assert fills.moves(book, source_ids(told), None) == []


# Fills that are made up


def test_a_made_up_fill_is_what_the_order_filled_beyond_its_listed_fills() -> None:
    assert counted(after([made_up(10, 3000)])) == [("", 10, 3000)]
    assert counted(after([a_fill(4, "T1", 2700)], [made_up(10, 3000)])) == [("", 6, 3200), ("T1", 4, 2700)]
    assert counted(after([a_fill(4, price=2700)], [made_up(10, 3000)])) == [("", 4, 2700), ("", 6, 3200)]
    assert counted(after([a_fill(4, "T1")], [made_up(4)])) == [("T1", 4, 3000)]
    assert counted(after([a_fill(4, "T1")], [made_up(3)])) == [("T1", 4, 3000)]


def test_a_rest_whose_price_cannot_be_has_the_orders() -> None:
    assert counted(after([a_fill(9, "T1", 4000)], [made_up(10, 3000)])) == [("", 1, 3000), ("T1", 9, 4000)]
    dear = a_fill(9, "T1")._replace(quantity=Decimal("9.9999999999"))
    rest = [fill for fill in after([dear], [made_up(10, 90_000_000)]) if fill.trade.is_synthesised]
    assert [(fill.trade.quantity, fill.trade.price) for fill in rest] == [(Decimal("1E-10"), 90_000_000)]


def test_a_made_up_fill_grows_and_shrinks_with_its_order() -> None:
    for units in (10, 3):
        book = after([made_up(4)], [made_up(units)])
        assert (counted(book), revisions(book)) == ([("", units, 3000)], [2])
    book = after([made_up(4, 3000)], [made_up(4, 3001)])
    assert (counted(book), revisions(book)) == ([("", 4, 3001)], [2])


def test_fills_that_are_listed_later_take_the_place_of_the_made_up_one() -> None:
    book = after([made_up(10)], [a_fill(4, "T1")], filled=10)
    assert (counted(book), revisions(book)) == ([("", 6, 3000), ("T1", 4, 3000)], [1, 2])
    book = written(book, fills.moves(book, source_ids([a_fill(4, "T1"), a_fill(6, "T2")]), Decimal(10)))
    assert (counted(book), void(book)) == ([("T1", 4, 3000), ("T2", 6, 3000)], [ALL_LISTED])
    assert revisions(book) == [1, 1, 3]


def test_what_an_order_fills_after_its_fills_were_listed_is_no_larger_made_up_fill() -> None:
    assert counted(after([made_up(4)], [a_fill(4, "T1")], filled=10)) == [("", 4, 3000), ("T1", 4, 3000)]


def test_a_made_up_fill_stands_while_nothing_is_listed_or_known_of_its_order() -> None:
    assert counted(after([made_up(10)], [], filled=4)) == [("", 10, 3000)]
    assert counted(after([made_up(10)], [a_fill(4, "T1")])) == [("", 10, 3000), ("T1", 4, 3000)]


def test_a_void_made_up_fill_counts_again_when_the_order_fills_more() -> None:
    book = after([made_up(4)], [a_fill(4, "T1")], filled=4)
    again = made_up(10)._replace(trade_date=ist_date(MORNING) + timedelta(days=1))
    book = written(book, fills.moves(book, source_ids([again]), Decimal(10)))
    assert (counted(book), revisions(book)) == ([("", 6, 3000), ("T1", 4, 3000)], [1, 3])


# Whatever comes


LISTED = st.builds(
    at,
    st.sampled_from([MORNING, MORNING + INDIA_IS_AHEAD, MORNING - timedelta(days=1), None]),
    st.integers(1, 3),
    st.sampled_from(["", "T1", "T2", "T3"]),
    price=st.integers(1, 2),
    isin=st.sampled_from([None, ISIN]),
)
LISTS = st.lists(
    st.lists(LISTED, max_size=5) | st.builds(lambda units: [made_up(units)], st.integers(1, 9)), max_size=5
)


@given(LISTS, st.integers(0, 12))
def test_a_whole_list_leaves_just_what_it_lists_whatever_came_before(lists: list[list[Trade]], extra: int) -> None:
    """And to say it again changes nothing more."""
    told = [at(MORNING, 3, "T1"), at(None, 2), at(MORNING, 2), *([at(MORNING, extra, "T9")] if extra else [])]
    whole = 7 + extra
    book = after(*lists, told, filled=whole)
    assert sum(units for _, units, _ in counted(book)) == whole
    assert fills.moves(book, source_ids(told), Decimal(whole)) == []


@given(LISTS)
def test_no_list_counts_a_fill_twice_or_writes_one_name_twice(lists: list[list[Trade]]) -> None:
    book: list[KnownFill] = []
    for told in lists:
        named = source_ids(told)
        book = written(book, fills.moves(book, named, None))
        assert fills.moves(book, named, None) == []
        pairs = paired(fills.counting(book), {n: t for n, t in named.items() if not t.is_synthesised})
        assert len(set(pairs.values())) == len(pairs) == len([t for t in named.values() if not t.is_synthesised])
