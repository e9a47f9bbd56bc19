"""A text that no column can keep costs its own row, never the account: whatever broker or trigger wrote it."""

from typing import Any

import pytest

from ledger.entries import Listing
from portfolio.models import OrderVersion
from portfolio.sync.instruments import can_be_kept
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

ORDER = build.an_order("LONG", filled=10)
ROWS = {
    "holdings": (build.a_holding("INFY"), ("isin", "symbol", "exchange", "lot", "doubt")),
    "positions": (
        build.a_position("INFY", quantity=3, product="MIS"), ("isin", "symbol", "exchange", "segment", "product"),
    ),
    "orders": (
        ORDER,
        ("order_id", "order_reference_id", "isin", "symbol", "exchange", "segment", "product", "order_type", "validity",
         "status", "status_raw", "amo_status", "remark"),
    ),
    "trades": (
        build.a_trade(ORDER),
        ("trade_id", "isin", "symbol", "exchange", "segment", "product", "settlement_number"),
    ),
}  # fmt: skip
FIELDS = [(section, row, field) for section, (row, fields) in ROWS.items() for field in fields]

LENGTHS = [20, 21, 64, 65, 501]


@pytest.mark.parametrize(("section", "row", "field"), FIELDS, ids=[f"{each[0]}.{each[2]}" for each in FIELDS])
def test_a_text_of_any_length_is_kept_whole_or_sets_its_row_aside(
    broker: Broker, section: str, row: Any, field: str
) -> None:
    sound = build.an_order("SOUND")
    broker.says.update(holdings=[build.a_holding()], orders=[sound, ORDER] if section == "trades" else [sound])
    broker.says[section] = [*broker.says[section], row]
    accounts = [build.an_account("SCRIPTED", f"{length}") for length in LENGTHS]
    for letter in "xy":
        for account, length in zip(accounts, LENGTHS, strict=True):
            told = [*broker.says[section][:-1], row._replace(**{field: letter * length})]
            broker.others[account.account_id] = {section: told}
        kinds = [{problem.kind for problem in result.capture.problems} for result in build.synced(*accounts)]
        is_another_order = section == "orders" and field == "order_id" and letter == "y"  # the first is listed no more
        assert ("orders_missing" in kinds[0]) == is_another_order
        lost = {"orders_missing"} if is_another_order else set()
        assert kinds[0] <= {"fills_missing", *lost}
        assert all(each <= {"set_aside", "fills_missing", *lost} for each in kinds)
    assert OrderVersion.objects.filter(groww_order_id="SOUND").count() == len(LENGTHS)
    assert [account.holdings.filter(symbol="TCS").count() for account in accounts] == [1] * len(LENGTHS)


def test_a_listing_can_be_kept_up_to_the_width_of_each_column() -> None:
    widest = Listing("I" * 20, "S" * 64, "E" * 20, "T" * 20)
    assert can_be_kept(widest)
    assert can_be_kept(widest._replace(isin=None))
    too_wide = [widest._replace(**{name: f"{value}+"}) for name, value in widest._asdict().items()]
    assert [can_be_kept(each) for each in too_wide] == [False] * 4
