"""The thinnest way through: a first sync, and the same answer again."""

import pytest

from portfolio.models import LedgerPage, RealHolding, SyncBatch
from tests import build

pytestmark = pytest.mark.database


def test_a_first_sync_writes_the_holdings_and_an_opening() -> None:
    account = build.an_account()
    (result,) = build.synced(account)
    held = RealHolding.objects.filter(broker_account=account).order_by("symbol")
    assert [(row.symbol, row.owned_quantity) for row in held] == [("INFY", 25), ("TCS", 10)]
    assert result.status == "COMPLETED"
    assert account.explanations.values_list("kind", flat=True).distinct().get() == "OPENING"


def test_an_equal_answer_writes_a_batch_and_an_empty_page_alone() -> None:
    account = build.an_account()
    build.synced(account)
    build.synced(account)
    assert list(LedgerPage.objects.filter(head=account.head).values_list("number", flat=True)) == [1, 2]
    assert LedgerPage.objects.get(head=account.head, number=2).entries_count == 0
    assert SyncBatch.objects.filter(broker_account=account, status="COMPLETED").count() == 2
    assert account.holding_versions.count() == 2


def test_a_simulated_groww_account_is_synced() -> None:
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        (result,) = build.synced(account)
    assert (result.status, result.capture.problems) == ("COMPLETED", [])
    assert RealHolding.objects.filter(broker_account=account).count() == 50
