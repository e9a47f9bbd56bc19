"""Rows that are lost, doubled, odd or another client's, in each section of Groww's: the rest stands, and nothing goes.

An answer that is whole by its form is taken; what it cannot have right is told. Groww names a client in one reply
alone, see `test_another_clients_data_is_refused_whole`: rows carry no name.
"""

from typing import Any

import pytest

from portfolio.models import HoldingVersion, OrderVersion, PortfolioSnapshot, PositionVersion, RealHolding, Transaction
from tests.sync.test_faults import SECTIONS, SOUND, Struck, assert_kept, evening, impatient, rows_of

__all__ = ["impatient"]  # the fixture: pauses of the client, shortened

pytestmark = pytest.mark.database

HISTORIES = (HoldingVersion, OrderVersion, PositionVersion, Transaction)
MISSING, UNLISTED = {"trades": {"fills_missing"}}, {"orders": {"orders_missing"}}


def told(one: Struck) -> dict[str, set[str]]:
    """What was told, by section; each with what to do."""
    found: dict[str, set[str]] = {}
    for problem in one.result.capture.problems:
        assert problem.message and problem.next
        found.setdefault(problem.section, set()).add(problem.kind)
    return found


def struck_by(kind: str, **options: Any) -> dict[str, Struck]:
    """What became of each section's account; the one that was left in peace is whole."""
    struck = evening(kind, **options)
    assert (told(struck[SOUND]), struck.pop(SOUND).result.status) == ({}, "COMPLETED")
    return struck


def states_of_others(section: str, one: Struck) -> set[str]:
    return {one.state(other) for other in SECTIONS if other != section}


LOST: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("empty_list", {}, {"trades": MISSING, "orders": UNLISTED}),
    ("short_list", {"drop": 3}, {"trades": MISSING, "orders": UNLISTED}),
    ("other_client", {}, {"trades": MISSING, "orders": {**MISSING, **UNLISTED}, "positions": UNLISTED}),
]


@pytest.mark.parametrize(("kind", "options", "expected"), LOST, ids=[kind for kind, *_ in LOST])
def test_rows_that_are_not_there_erase_nothing(kind: str, options: dict[str, Any], expected: dict[str, Any]) -> None:
    struck = struck_by(kind, **options)
    assert {section: told(one) for section, one in struck.items()} == {
        **{section: {} for section in SECTIONS}, **expected, "holdings": {"holdings": {"suspect"}},
    }  # fmt: skip
    for section, one in struck.items():
        assert one.result.status == ("PARTIAL" if told(one) else "COMPLETED")
        assert one.state(section) == ("suspect" if section == "holdings" else "accepted")
        assert states_of_others(section, one) <= {"accepted", "unchanged"}
        assert_kept(section, kind, one)
        assert RealHolding.objects.filter(broker_account=one.account).count() >= 4
        kept = {row["id"]: row for row in rows_of(section, one.account)}
        histories = {pk for model in HISTORIES for pk in model._default_manager.values_list("pk", flat=True)}
        assert [row for row in one.before if row["id"] in histories and kept.get(row["id"]) != row] == []
        assert PortfolioSnapshot.objects.filter(broker_account=one.account).count() == 1 + (section != "holdings")


def test_a_row_that_comes_twice_counts_once() -> None:
    for one in struck_by("duplicate_rows").values():
        assert (told(one), one.result.status) == ({}, "COMPLETED")
        orders = OrderVersion.objects.filter(broker_account=one.account)
        filled = {order.groww_order_id: order.filled_quantity for order in orders if order.filled_quantity}
        sums: dict[str, Any] = {}
        for fill in Transaction.objects.filter(broker_account=one.account):
            sums[fill.groww_order_id] = sums.get(fill.groww_order_id, 0) + fill.quantity
        assert sums == filled
        ours = RealHolding.objects.filter(broker_account=one.account).values_list("isin", "owned_quantity")
        assert dict(ours) == one.owned


def test_a_word_where_a_number_or_a_known_word_is_wanted_is_told_or_kept_as_it_is() -> None:
    struck = struck_by("unknown_enum")
    assert {section: told(one) for section, one in struck.items()} == {
        "holdings": {"holdings": {"set_aside"}}, "positions": {}, "orders": {}, "trades": {},
        "funds": {"funds": {"unexpected_reply"}}, "prices": {"prices": {"set_aside"}},
    }  # fmt: skip
    for section, one in struck.items():
        assert states_of_others(section, one) <= {"accepted", "unchanged"}
        assert_kept(section, "unknown_enum", one)
        assert RealHolding.objects.filter(broker_account=one.account).count() >= 4
