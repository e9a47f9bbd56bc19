"""Two rows of one position, one at each exchange."""

from decimal import Decimal
from typing import Any

import pytest

from ledger import diff
from tests import build

AT_NSE = build.a_position("TCS", 10, credit_price=100, average_price=100, realised_pnl=7)


@pytest.mark.parametrize(
    ("at_bse", "credit_price", "average", "gain"),
    [
        ({"credit_price": 106, "average_price": 106, "realised_pnl": 1}, 102, 102, 8),
        ({"credit_price": 106, "average_price": 106, "realised_pnl": 0}, 102, 102, 7),
        ({"credit_price": 106, "average_price": 106}, 102, 102, None),
        ({"credit_price": 106, "realised_pnl": 1}, 102, None, 8),
        ({"average_price": 106, "realised_pnl": 1}, 0, 102, 8),
    ],
    ids=["both known", "a gain of nothing", "a gain unknown", "an average unknown", "a price unknown"],
)
def test_what_is_known_of_one_exchange_alone_is_not_known_of_both(
    at_bse: dict[str, Any], credit_price: int, average: int | None, gain: int | None
) -> None:
    both = diff.added_up(AT_NSE, build.a_position("TCS", 5, exchange="BSE", **at_bse))
    assert (both.quantity, both.credit_quantity) == (15, 15)
    assert (both.credit_price, both.average_price, both.realised_pnl) == (credit_price, average, gain)


def test_what_was_bought_at_one_exchange_and_sold_at_the_other_has_the_average_of_what_outweighs() -> None:
    bought = build.a_position("TCS", 10, average_price=Decimal("100.25"))
    sold = build.a_position("TCS", 0, 4, average_price=106, exchange="BSE")
    assert [diff.added_up(*pair).average_price for pair in ((bought, sold), (sold, bought))] == [Decimal("100.25")] * 2
    assert diff.added_up(bought, build.a_position("TCS", 0, 10, average_price=106)).average_price is None
