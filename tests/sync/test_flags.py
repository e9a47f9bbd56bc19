"""What a capture takes as it is told and may have read wrongly: the batch notes it, and nothing is changed for it."""

import json
from collections.abc import Iterator

import pytest

from portfolio.models import BrokerAccount, OrderVersion, RealPosition
from simulators.groww import GrowwSimulator
from simulators.market import Market
from simulators.scripts import demo_investors
from tests import build

pytestmark = pytest.mark.database


@pytest.fixture
def groww() -> Iterator[GrowwSimulator]:
    with build.groww(*demo_investors(Market())) as simulator:
        simulator.move_to("2026-10-05 16:05")
        yield simulator


def noted(simulator: GrowwSimulator, name: str) -> tuple[BrokerAccount, str]:
    """What the batch of a first capture notes under this name; it is complete all the same."""
    account = build.a_groww_account(simulator, next(iter(simulator.investors)))
    (result,) = build.synced(account)
    assert result.status == "COMPLETED"
    return account, json.loads(account.batches.get().metadata).get(name, "")


@pytest.mark.parametrize("name", ["orders_doubt", "trades_doubt"])
def test_times_with_a_z_that_are_read_as_indias_are_noted(groww: GrowwSimulator, name: str) -> None:
    groww.switch("times", "z_literal")
    account, note = noted(groww, name)
    says, _, count = note.rpartition(": ")
    assert (says, int(count) > 0) == ("times with a Z that are read as India's", True)
    assert {f"{order.created_at:%H}" for order in OrderVersion.objects.filter(broker_account=account)} <= {
        "03", "04", "05", "06", "07", "08", "09", "10",
    }  # fmt: skip


@pytest.mark.parametrize("times", ["naive", "z_utc", "offset"])
@pytest.mark.parametrize("name", ["orders_doubt", "trades_doubt"])
def test_times_that_are_read_as_they_are_told_are_not_noted(groww: GrowwSimulator, times: str, name: str) -> None:
    groww.switch("times", times)
    assert noted(groww, name)[1] == ""


def test_prices_of_positions_that_seem_to_be_in_paise_are_noted_and_kept_as_they_came(groww: GrowwSimulator) -> None:
    as_told = {row.symbol: row.credit_price for row in RealPosition.objects.filter(broker_account=noted(groww, "")[0])}
    groww.switch("positions_in_paise", True)
    account, note = noted(groww, "positions_prices")
    says, _, symbols = note.partition(": ")
    assert says == "prices a hundred times those of the day's orders, kept as they came"
    assert symbols.split(", ") == sorted(symbol for symbol, price in as_told.items() if price)
    prices = {row.symbol: row.credit_price for row in RealPosition.objects.filter(broker_account=account)}
    assert prices == {symbol: 100 * price for symbol, price in as_told.items()}
