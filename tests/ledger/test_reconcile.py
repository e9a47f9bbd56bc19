"""Why holdings moved: pure arithmetic of waiting fills."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import reconcile
from ledger.diff import Evidence
from ledger.reconcile import (
    LOT_MOVED,
    Change,
    Explained,
    Overdue,
    Piece,
    Waiting,
    explain,
    explain_all,
    waiting_fills,
)

D1, D2, D3, TODAY = (date(2026, 10, day) for day in (5, 6, 7, 8))


def waiting(*settled: tuple[date, int], bought: int = 0, sold: int = 0) -> Waiting:
    return Waiting([(day, Decimal(units)) for day, units in settled], Decimal(bought), Decimal(sold))


CASES: list[tuple[int, Waiting, list[tuple[date, int]], int, bool | None]] = [
    (10, waiting((D1, 10)), [(D1, 10)], 0, None),
    (0, waiting((D1, 10)), [(D1, 10)], -10, None),
    (15, waiting((D1, 10), (D2, 5)), [(D1, 10), (D2, 5)], 0, None),
    (10, waiting((D1, 10), (D2, 5)), [(D1, 10), (D2, 5)], -5, None),
    (0, waiting((D2, 50), sold=50), [(D2, 50), (TODAY, -50)], 0, True),
    (5, waiting((D1, 50), (D2, -50), (D3, 5)), [(D1, 50), (D2, -50), (D3, 5)], 0, None),
    (5, waiting((D2, -50), (D3, 5)), [(D2, -50), (D3, 5)], 50, None),
    (-5, waiting(sold=5), [(TODAY, -5)], 0, True),
    (10, waiting((D1, 10), sold=5), [(D1, 10)], 0, False),
    (5, waiting((D1, 10), sold=5), [(D1, 10), (TODAY, -5)], 0, True),
    (-20, waiting(bought=50, sold=70), [(TODAY, -20)], 0, True),
    (-70, waiting(bought=50, sold=70), [(TODAY, -70)], 0, True),
    (-45, waiting(bought=50, sold=70), [(TODAY, -45)], 0, True),
    (-11, waiting(bought=50, sold=70), [(TODAY, -20)], 9, None),
    (-9, waiting(bought=50, sold=70), [], -9, None),
    (-80, waiting(bought=50, sold=70), [(TODAY, -70)], -10, None),
    (400, waiting((D1, 10)), [(D1, 10)], 390, None),
    (-30, waiting((D1, 10)), [(D1, 10)], -40, None),
    (7, waiting(), [], 7, None),
]


@pytest.mark.parametrize(("delta", "waits", "pieces", "left", "told"), CASES)
def test_a_change_is_explained_by_all_that_it_ought_to_show(
    delta: int, waits: Waiting, pieces: list[tuple[date, int]], left: int, told: bool | None
) -> None:
    expected = Explained([Piece(day, Decimal(units)) for day, units in pieces], Decimal(left), told)
    assert explain(Decimal(delta), waits, TODAY) == expected


@pytest.mark.parametrize("habit", [None, False, True])
@pytest.mark.parametrize(
    ("delta", "lowered_with"), [(0, []), (-4, []), (-5, [True]), (-6, [None, False, True]), (-10, [None, False, True])]
)
def test_what_the_broker_did_before_decides_only_where_both_readings_of_a_sale_leave_as_much(
    habit: bool | None, delta: int, lowered_with: list[bool | None]
) -> None:
    found = explain(Decimal(delta), waiting(sold=10), TODAY, habit)
    is_lowered = habit in lowered_with
    assert found.pieces == ([Piece(TODAY, Decimal(-10))] if is_lowered else [])
    assert found.unexplained == delta + 10 * is_lowered


@given(st.integers(-50, 50), st.lists(st.integers(-20, 20), max_size=3), st.integers(0, 20), st.integers(0, 20))
def test_pieces_and_the_rest_add_up_and_every_fill_of_earlier_days_is_used(
    delta: int, settled: list[int], bought: int, sold: int
) -> None:
    waits = waiting(*zip((D1, D2, D3), settled, strict=False), bought=bought, sold=sold)
    found = explain(Decimal(delta), waits, TODAY)
    assert sum((piece.quantity for piece in found.pieces), Decimal(0)) + found.unexplained == delta
    assert [piece for piece in found.pieces if piece.dated != TODAY] == [
        Piece(day, Decimal(units)) for day, units in zip((D1, D2, D3), settled, strict=False) if units
    ]
    assert all(-sold <= piece.quantity < 0 for piece in found.pieces if piece.dated == TODAY)


def test_fills_wait_by_day_less_what_explanations_used() -> None:
    fills = {D2: (Decimal(5), Decimal(2)), D1: (Decimal(10), Decimal(0)), TODAY: (Decimal(3), Decimal(8))}
    used = {D1: Decimal(10), TODAY: Decimal(-6)}
    found = waiting_fills(fills, used, TODAY)
    assert found == Waiting([(D1, Decimal(0)), (D2, Decimal(3))], Decimal(3), Decimal(2))
    assert waiting_fills({}, {}, TODAY) == Waiting([], Decimal(0), Decimal(0))


def test_evidence_counts_all_that_waits_and_what_was_bought() -> None:
    assert waiting((D1, 10), (D2, -4), bought=3, sold=5).evidence() == Evidence(Decimal(1), Decimal(13))
    assert reconcile.NOTHING_WAITS.evidence() == Evidence(Decimal(0), Decimal(0))


LATE_OF = [  # of 100, with 5, 2 and -4 overdue
    (3, [3]), (5, [5]), (7, [5, 2]), (8, [5, 2]), (-5, [-4]),
    (120, [5, 2]),  # these came, and something else
    (100, []), (50, []), (-50, []), (-100, []),  # what a company did, or all of it gone
    (114, [5, 2]),  # these came, and one more of each by a bonus of that day
]  # fmt: skip


@pytest.mark.parametrize(("moved", "late"), LATE_OF)
def test_what_is_late_is_no_part_of_what_a_company_did(moved: int, late: list[int]) -> None:
    """Of a bonus that it took a part of, the rest would fit no ratio."""
    missing = [Overdue(1, Decimal(-5)), Overdue(2, Decimal(-2)), Overdue(3, Decimal(4))]
    change = Change(Decimal(moved), overdue=missing, owned=Decimal(100 + moved))
    found = explain_all({("I", "DELIVERY"): change}, TODAY)["I", "DELIVERY"]
    assert [int(piece.quantity) for piece in found.pieces] == late
    assert found.unexplained == moved - sum(late)


@pytest.mark.parametrize("product", ["CNC", "DELIVERY", "D", "MTF"])
def test_delivery_is_a_product_of_the_cash_segment(product: str) -> None:
    assert reconcile.is_delivery("CASH", product)
    assert not reconcile.is_delivery("FNO", product)
    assert not reconcile.is_delivery("CASH", "MIS")
    assert reconcile.lot_of(product) == ("MTF" if product == "MTF" else "DELIVERY")


def test_what_leaves_one_lot_and_comes_into_the_other_was_moved_between_them() -> None:
    found = reconcile.explain_all(
        {
            ("TCS", "DELIVERY"): reconcile.Change(Decimal(-40)),
            ("TCS", "MTF"): reconcile.Change(Decimal(30)),
            ("INFY", "MTF"): reconcile.Change(Decimal(5)),
        },
        TODAY,
    )
    moved = {key: [piece.quantity for piece in one.pieces if piece.kind == "LOT_MOVED"] for key, one in found.items()}
    assert moved == {("TCS", "DELIVERY"): [-30], ("TCS", "MTF"): [30], ("INFY", "MTF"): []}
    assert [one.unexplained for one in found.values()] == [-10, 0, 5]


@pytest.mark.parametrize("units", ["0.5", "-0.5", "1", "-1", "7"])
def test_what_left_one_lot_and_came_into_the_other_moved_between_them(units: str) -> None:
    moved = Decimal(units)
    one, other = ("I", "DELIVERY"), ("I", "MTF")
    found = explain_all({one: Change(moved), other: Change(-moved)}, TODAY)
    assert found == {
        one: Explained([Piece(TODAY, moved, LOT_MOVED)], Decimal(0)),
        other: Explained([Piece(TODAY, -moved, LOT_MOVED)], Decimal(0)),
    }


@pytest.mark.parametrize(("left", "right", "common"), [(3, -1, 1), (1, -3, 1), (-3, 1, -1), (2, 2, 0), (-1, -1, 0)])
def test_of_two_lots_only_what_the_one_lost_and_the_other_got_is_explained(left: int, right: int, common: int) -> None:
    one, other = ("I", "DELIVERY"), ("I", "MTF")
    found = explain_all({one: Change(Decimal(left)), other: Change(Decimal(right))}, TODAY)
    assert [found[key].unexplained for key in (one, other)] == [left - common, right + common]
