"""What a person is told of an account adds up, or says why it does not."""

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest

from portfolio import report
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("traded", "price_day_passed", "note"),
    [
        (build.a_position(bought=5), False, "  with +15,000.00 that was traded that day and is not in holdings yet"),
        (build.a_position("INFY", 2), False, "  with +3,000.00 that was traded that day and is not in holdings yet"),
        (build.a_position(bought=5), True, ""),
        (build.a_position("INFY", 2, product="MIS"), False, ""),
    ],
)
def test_a_total_that_the_list_does_not_add_up_to_says_why(
    broker: Broker, at: Any, traded: Any, price_day_passed: bool, note: str
) -> None:
    broker.says.update(holdings=[build.a_holding()], positions=[traded])
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500)}
    account = build.an_account("SCRIPTED")
    build.synced(account)
    if price_day_passed:
        at("2026-10-06 12:00")
        broker.prices = {"TCS": Decimal(3001)}
        build.synced(account)
    out = StringIO()
    report.write_account(out, account)
    (line,) = (each for each in out.getvalue().splitlines() if each.startswith("    holdings"))
    assert line == f"    holdings{account.snapshots.get().total_holdings_value:>36,.2f}{note}"
