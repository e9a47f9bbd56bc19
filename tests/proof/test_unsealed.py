"""What belongs to no page yet: a sync that is under way is no alarm, and nobody else's rows pass for one."""

from datetime import date
from decimal import Decimal

import pytest

from ledger.canonical import BOOK
from ledger.entries import Listing
from portfolio import book, clock
from portfolio.ids import new_uuid
from portfolio.models import BrokerAccount, RawReply, SyncBatch, Transaction
from portfolio.proof.verification import verify
from portfolio.sync import instruments
from portfolio.sync.amend import IMPORT
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_writers import claimed

TCS = Listing("INE467B01029", "TCS")
pytestmark = pytest.mark.database


def an_open_batch(account: BrokerAccount, sync_type: str) -> SyncBatch:
    day = clock.today()
    return SyncBatch.objects.create(
        pk=new_uuid(), broker_account=account, sync_type=sync_type, trading_day=day, status="STARTED",
        started_at=clock.now(),
    )  # fmt: skip


def told(account: BrokerAccount) -> list[tuple[str, str, str]]:
    """What is said of the whole book. The account has no page, so that what is found is of what was put in."""
    assert not account.head.pages.exists()
    return [(finding.table, finding.row, finding.says) for finding in verify().findings]


def test_a_row_that_was_put_under_an_open_batch_is_named_though_every_guard_stands() -> None:
    account = build.an_account()
    batch = an_open_batch(account, SyncBatch.Type.DAILY_PORTFOLIO)
    row = Transaction(
        pk=new_uuid(), broker_account=account, batch=batch, source_id="forged", symbol="TCS", exchange="NSE",
        instrument_id=instruments.resolve([TCS], clock.today())[TCS],
        transaction_type="BUY", source="API", is_delivery=True,
        quantity=Decimal("999.0000000000"), price=Decimal("1.00000000"), amount=Decimal("999.000000"),
        trade_date=date(2026, 1, 5), detected_at=clock.now(),
    )  # fmt: skip
    row.leaf = recomputed.leaf(BOOK["transactions"], row)
    row.save(force_insert=True)

    assert list(book.transactions([account.pk])) == [row]
    says = "no page ever sealed this row: it was put under a batch that is open, which has replies alone"
    assert told(account) == [("transactions", str(row.pk), says)]


def test_the_replies_of_a_sync_that_is_under_way_are_no_alarm(broker: Broker) -> None:
    claimed(build.an_account("SCRIPTED"), holdings=[], orders=[])

    assert (SyncBatch.objects.get().status, RawReply.objects.count()) == ("STARTED", 2)
    assert verify().findings == []


def test_a_batch_that_is_open_though_its_kind_opens_and_closes_at_once_is_named() -> None:
    account = build.an_account()
    batch = an_open_batch(account, IMPORT)

    says = "this batch is open, and one of type IMPORT never stands open: it was put in afterwards"
    assert told(account) == [("sync_batches", str(batch.pk), says)]
