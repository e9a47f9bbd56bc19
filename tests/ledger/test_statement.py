"""What a file of past fills adds to what the book has."""

from decimal import Decimal

from ledger.entries import Trade
from ledger.fills import KnownFill
from ledger.statement import plan
from tests.build import a_trade, an_order


def a_fill(order: str, units: int, number: str = "", is_synthesised: bool = False) -> Trade:
    fill: Trade = a_trade(an_order(order, units, units), units, number, is_synthesised=is_synthesised)
    return fill


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
