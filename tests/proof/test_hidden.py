"""Rows that an index was made to lack: whoever reads by another index sees them, so a verification must too."""

import random

import pytest

from ledger.canonical import BOOK, HOLDING_VERSION
from portfolio import book
from portfolio.models import HoldingVersion
from portfolio.proof import scope
from portfolio.proof.verification import verify
from tests import build
from tests.proof import attacks, tampering
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def many_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a book of many rows: of one with few the whole table is read."""
    monkeypatch.setattr(scope, "ROWS_A_STRETCH", 1)


def test_a_row_that_was_kept_out_of_the_index_on_batches_is_found(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    build.synced(account)
    assert verify().findings == []

    row = HoldingVersion.objects.get()
    with tampering.unguarded(), tampering.unindexed(HOLDING_VERSION.name):
        forged = attacks._copied(random.Random(1), HOLDING_VERSION, row, row.batch)

    assert [held.version_id for held in book.holdings([account.pk], book.NOW)] == [forged.pk]
    says = "2 rows stand here, and its index on batches leads to 1: the index was changed"
    assert [(finding.table, finding.says.split(".")[0]) for finding in verify().findings] == [
        (HOLDING_VERSION.name, says)
    ]


def test_every_row_is_counted_by_its_table(broker: Broker) -> None:
    broker.says.update(holdings=[build.a_holding()], orders=[build.an_order()])
    build.synced(build.an_account("SCRIPTED"))

    found = verify()
    assert sum(found.tables[name] for name in BOOK) == found.rows > 0
    assert found.tables["sync_batches"] == found.tables["ledger_pages"] == found.pages
