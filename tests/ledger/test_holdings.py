"""Which holdings and positions moved, and which absences are believed."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger import diff
from ledger.diff import Evidence, Held, HoldingMove, HoldingsDiff, PositionMove
from ledger.entries import Holding
from tests.build import a_holding, a_position

MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)
SYMBOLS = ("TCS", "INFY", "ITC", "SBIN")
KEYS = {symbol: (symbol.lower(), "DELIVERY") for symbol in SYMBOLS}


def book(units: int = 10, value: int = 100, since: date | None = None, **more: Any) -> dict[tuple[str, str], Held]:
    return {key: Held(a_holding(symbol, units, **more), since, Decimal(value)) for symbol, key in KEYS.items()}


def seen(*symbols: str, units: int = 10, **more: Any) -> dict[tuple[str, str], Holding]:
    return {KEYS[symbol]: a_holding(symbol, units, **more) for symbol in symbols}


def net(symbol: str, units: int, bought: int = 0) -> dict[str, Evidence]:
    return {KEYS[symbol][0]: Evidence(Decimal(units), Decimal(bought))}


def test_what_is_as_it_was_does_not_move() -> None:
    assert diff.holdings(book(), seen(*SYMBOLS), {}, MONDAY) == HoldingsDiff([])


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 11}, {"average": 2201}, {"pledge_quantity": 1}, {"free_quantity": 1}, {"t1_quantity": 1},
        {"repledge_quantity": 1}, {"demat_locked_quantity": 1}, {"groww_locked_quantity": 1}, {"owned": 11},
        {"doubt": "odd"},
    ],
)  # fmt: skip
def test_any_figure_that_changes_is_a_move(change: dict[str, Any]) -> None:
    before, after = a_holding(), a_holding(**change)
    found = diff.holdings({KEYS["TCS"]: Held(before)}, {KEYS["TCS"]: after}, {}, MONDAY)
    assert found == HoldingsDiff([HoldingMove(KEYS["TCS"], before, after)])


@pytest.mark.parametrize("change", [{"last_price": 5}, {"exchange": "BSE"}])
def test_the_price_and_the_exchange_that_is_shown_are_no_move(change: dict[str, Any]) -> None:
    assert diff.holdings({KEYS["TCS"]: Held(a_holding())}, {KEYS["TCS"]: a_holding(**change)}, {}, MONDAY).moves == []


def test_a_new_symbol_of_the_same_instrument_is_a_move() -> None:
    renamed = a_holding(symbol="TCS")._replace(symbol="TCSNEW")
    assert len(diff.holdings({KEYS["TCS"]: Held(a_holding())}, {KEYS["TCS"]: renamed}, {}, MONDAY).moves) == 1


def test_an_absence_without_sells_is_marked_and_the_rest_is_taken() -> None:
    found = diff.holdings(book(), seen("TCS", "INFY", "ITC"), {}, TUESDAY)
    old = a_holding("SBIN")
    assert found == HoldingsDiff([HoldingMove(KEYS["SBIN"], old, old, TUESDAY)])


@pytest.mark.parametrize(("units", "is_gone"), [(-10, True), (-11, True), (-9, False), (10, False)])
def test_an_absence_is_believed_when_all_of_it_was_sold(units: int, is_gone: bool) -> None:
    found = diff.holdings(book(), seen("TCS", "INFY", "ITC"), net("SBIN", units), TUESDAY)
    assert [move.after is None for move in found.moves] == [is_gone]


def test_half_missing_is_not_yet_more_than_half() -> None:
    assert diff.holdings(book(), seen("TCS", "INFY"), {}, TUESDAY).suspect == ""
    found = diff.holdings(book(), seen("TCS"), {}, TUESDAY)
    assert found.suspect == "3 of 4 holdings are missing and were not sold"
    assert {move.unconfirmed_since for move in found.moves} == {TUESDAY}
    assert len(found.moves) == 3


@pytest.mark.parametrize(("value", "is_suspect"), [(300, False), (301, True)])
def test_more_than_half_of_the_value_missing_is_suspect(value: int, is_suspect: bool) -> None:
    held = book()
    held[KEYS["SBIN"]] = held[KEYS["SBIN"]]._replace(value=Decimal(value))
    assert bool(diff.holdings(held, seen("TCS", "INFY", "ITC"), {}, TUESDAY).suspect) is is_suspect


def test_what_was_sold_does_not_make_an_answer_suspect() -> None:
    evidence = {**net("TCS", -10), **net("INFY", -10), **net("ITC", -10)}
    found = diff.holdings(book(), seen("SBIN"), evidence, TUESDAY)
    assert (found.suspect, [move.after for move in found.moves]) == ("", [None, None, None])


def test_an_empty_answer_is_suspect_for_a_single_holding() -> None:
    one = {KEYS["TCS"]: Held(a_holding())}
    assert diff.holdings(one, {}, {}, TUESDAY).suspect == "an empty answer, while 1 holdings were not sold"
    assert diff.holdings({}, {}, {}, TUESDAY) == HoldingsDiff([])


@pytest.mark.parametrize(
    ("since", "bought", "is_gone"), [(MONDAY, 0, True), (TUESDAY, 0, False), (MONDAY, 1, False), (None, 0, False)]
)
def test_a_later_day_agrees_unless_something_speaks_against_it(since: date | None, bought: int, is_gone: bool) -> None:
    held = book()
    held[KEYS["SBIN"]] = held[KEYS["SBIN"]]._replace(unconfirmed_since=since)
    found = diff.holdings(held, seen("TCS", "INFY", "ITC"), net("SBIN", bought, bought), TUESDAY)
    assert any(move.after is None for move in found.moves) is is_gone
    if since and not is_gone:
        assert found.moves == []  # marked already: the mark keeps its first day


def test_a_suspect_answer_of_marked_holdings_marks_nothing_anew() -> None:
    assert diff.holdings(book(since=TUESDAY), {}, {}, TUESDAY).moves == []


def test_what_is_seen_again_loses_its_mark() -> None:
    found = diff.holdings(book(since=MONDAY), seen(*SYMBOLS), {}, TUESDAY)
    assert [(move.after == move.before, move.unconfirmed_since) for move in found.moves] == [(True, None)] * 4


def test_a_row_of_nothing_is_an_absence_and_a_new_one_is_no_news() -> None:
    shown = {**seen("TCS", "INFY", "ITC"), **seen("SBIN", units=0)}
    assert [move.unconfirmed_since for move in diff.holdings(book(), shown, {}, TUESDAY).moves] == [TUESDAY]
    assert diff.holdings({}, seen("TCS", units=0), {}, TUESDAY).moves == []


def test_another_isin_under_the_same_symbol_takes_its_place() -> None:
    after = a_holding("TCS", 50)
    found = diff.holdings({KEYS["TCS"]: Held(a_holding())}, {("other", "DELIVERY"): after}, {}, TUESDAY)
    assert found == HoldingsDiff(
        [HoldingMove(KEYS["TCS"], a_holding(), None), HoldingMove(("other", "DELIVERY"), None, after)]
    )


def two_lots(delivery: int, mtf: int) -> dict[tuple[str, str], Held]:
    """TCS in demat and TCS that the broker has financed, beside enough else."""
    lots = {
        ("tcs", lot): Held(a_holding("TCS", units, lot=lot)) for lot, units in (("DELIVERY", delivery), ("MTF", mtf))
    }
    return {**lots, **{("infy", str(n)): Held(a_holding("INFY"), None, Decimal(100)) for n in range(4)}}


def gone_lots(held: dict[tuple[str, str], Held], shown: dict[tuple[str, str], int], units: int) -> list[str]:
    """Which lots of TCS are believed gone, when so many units of it were sold and the answer has these lots of it."""
    others = {key: row.holding for key, row in held.items() if key[0] == "infy"}
    present = {key: a_holding("TCS", owned, lot=key[1]) for key, owned in shown.items()}
    found = diff.holdings(held, {**others, **present}, {"tcs": Evidence(Decimal(-units))}, TUESDAY)
    return [move.key[1] for move in found.moves if move.after is None]


@pytest.mark.parametrize(
    ("units", "gone"),
    [(0, []), (4, []), (5, ["MTF"]), (9, ["MTF"]), (10, ["DELIVERY"]), (14, ["DELIVERY"]), (15, ["DELIVERY", "MTF"])],
)
def test_one_sale_accounts_for_one_lot(units: int, gone: list[str]) -> None:
    assert gone_lots(two_lots(10, 5), {}, units) == gone


@pytest.mark.parametrize(("units", "gone"), [(5, []), (9, []), (10, ["MTF"])])
def test_a_sale_that_a_smaller_lot_shows_accounts_for_no_other(units: int, gone: list[str]) -> None:
    assert gone_lots(two_lots(10, 5), {("tcs", "DELIVERY"): 5}, units) == gone


def test_a_lot_that_grew_gives_no_sale_back() -> None:
    assert gone_lots(two_lots(10, 5), {("tcs", "DELIVERY"): 12}, 5) == ["MTF"]


def test_one_newcomer_takes_the_place_of_one_lot() -> None:
    assert gone_lots(two_lots(10, 5), {("split", "DELIVERY"): 50}, 0) == ["DELIVERY"]
    assert gone_lots(two_lots(10, 5), {("split", "DELIVERY"): 50, ("split", "MTF"): 25}, 0) == ["DELIVERY", "MTF"]


KEY = ("tcs", "CASH", "CNC")


def test_positions_open_move_and_close() -> None:
    old, new = a_position(bought=5), a_position(bought=6)
    assert diff.positions({}, {KEY: old}) == [PositionMove(KEY, None, old)]
    assert diff.positions({KEY: old}, {KEY: new}) == [PositionMove(KEY, old, new)]
    assert diff.positions({KEY: old}, {}) == [PositionMove(KEY, old, None)]
    assert diff.positions({KEY: old}, {KEY: old}) == []


@pytest.mark.parametrize("field", ["quantity", "debit_price", "average_price", "realised_pnl", "multiplier"])
def test_any_figure_of_a_position_is_a_move_but_not_its_price(field: str) -> None:
    old = a_position(bought=5)
    other: dict[str, Any] = {field: Decimal(77)}
    assert len(diff.positions({KEY: old}, {KEY: old._replace(**other)})) == 1
    assert diff.positions({KEY: old}, {KEY: old._replace(last_price=Decimal(77))}) == []
