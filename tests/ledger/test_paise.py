"""Prices of positions that are a hundred times those of the day's orders."""

from decimal import Decimal
from typing import Any

import pytest

from ledger.paise import in_paise
from tests.build import a_position, an_order

ORDERS = [
    an_order("B1", 10, 10, average_fill_price=3000),
    an_order("B2", 30, 30, average_fill_price=3040),
    an_order("S", 5, 5, transaction_type="SELL", average_fill_price=3100),
    an_order("OPEN", 5, 0),
]


@pytest.mark.parametrize(
    ("prices", "found"),
    [
        ({"credit_price": 3030, "debit_price": 3100}, []),
        ({"credit_price": 303_000, "debit_price": 3100}, ["TCS"]),
        ({"credit_price": 3030, "debit_price": 310_000}, ["TCS"]),
        ({"credit_price": 30_300, "debit_price": 31_000}, []),
        ({"credit_price": 303_000, "debit_price": 310_000, "product": "MIS"}, []),  # of these no order is known
        ({"credit_price": 0, "debit_price": 0}, []),
    ],
)
def test_a_price_near_a_hundred_times_what_was_paid_is_named(prices: dict[str, Any], found: list[str]) -> None:
    position = a_position("TCS", Decimal(40), Decimal(5), **prices)
    assert in_paise([position], ORDERS) == found


def test_what_was_not_dealt_in_today_is_not_held_against_orders() -> None:
    carried = a_position("TCS", Decimal(0), Decimal(0), carry_forward_credit_price=303_000, credit_price=303_000)
    assert in_paise([carried], ORDERS) == []
