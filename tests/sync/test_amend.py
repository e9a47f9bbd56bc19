"""What a person does to a book: one batch, one page, one act; between two syncs or under one, and never without."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from ledger import canonical
from portfolio.keys import CannotDecrypt
from portfolio.models import AccountKey, Act, BrokerAccount, FundsVersion, LedgerPage, SyncBatch
from portfolio.sync.amend import ANSWER, IMPORT, Amendment, Deed, amending, words_of
from portfolio.sync.normalise import normalise
from portfolio.sync.pipeline import _decided, settle
from portfolio.sync.record import record
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_writers import claimed

pytestmark = pytest.mark.database

DEED = Deed("question 1: note", "Asha Rao", "a gift from my father")


def write_funds(amendment: Amendment, cash: int) -> None:
    """Any row of the book will do."""
    money = [Decimal(cash), None, None, None, "INR", False]
    amendment.pen.write(canonical.FUNDS_VERSION, amendment.trading_day, *money, amendment.now)


def test_an_amendment_is_one_batch_with_one_page_an_act_and_its_events() -> None:
    account = build.an_account()
    build.synced(account)
    with amending(account, ANSWER, DEED) as amendment:
        write_funds(amendment, 7)
        assert amendment.next_question() == 1
        amendment.tell("question.closed", subjects=[1])
    batch = SyncBatch.objects.get(sync_type="ANSWER")
    assert (batch.status, batch.trading_day, batch.metadata) == (
        "COMPLETED", date(2026, 10, 5), '{"subject":"question 1: note"}',
    )  # fmt: skip
    assert (batch.page.number, batch.page.entries_count) == (2, 2)
    assert [event.kind for event in account.events.order_by("number")][-2:] == ["answer.completed", "question.closed"]
    account.head.refresh_from_db()
    assert (account.head.page_number, account.head.question_number) == (2, 1)
    recomputed.check_all_pages()


def test_who_and_why_are_read_with_the_key_alone() -> None:
    account = build.an_account()
    with amending(account, ANSWER, DEED) as amendment:
        write_funds(amendment, 7)
    act = Act.objects.get()
    assert words_of(act) | {"batch": ""} == {"who": "Asha Rao", "why": "a gift from my father", "batch": ""}
    assert b"Asha" not in bytes(act.words.ciphertext)
    AccountKey.objects.filter(account=account).update(wrapped=b"")
    with pytest.raises(CannotDecrypt):
        words_of(Act.objects.select_related("broker_account__key").get())


def test_where_nothing_is_written_there_is_no_batch_either() -> None:
    account = build.an_account()
    with amending(account, IMPORT, DEED):
        pass
    assert (SyncBatch.objects.count(), Act.objects.count(), LedgerPage.objects.count()) == (0, 0, 0)


def test_an_amendment_that_fails_leaves_nothing() -> None:
    account = build.an_account()
    with pytest.raises(ValueError, match="enough"), amending(account, IMPORT, DEED) as amendment:
        write_funds(amendment, 7)
        amendment.flush()
        raise ValueError("enough")
    assert (SyncBatch.objects.count(), FundsVersion.objects.count()) == (0, 0)


def test_rows_that_were_sent_early_stand_in_the_page() -> None:
    account = build.an_account()
    with amending(account, IMPORT, DEED) as amendment:
        for cash in range(5):
            write_funds(amendment, cash)
            amendment.flush()
    assert SyncBatch.objects.get().page.entries_count == 6
    recomputed.check_all_pages()


def test_a_sync_under_way_decides_again_after_an_amendment(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    waiting = _decided(normalise([claimed(account, holdings=[build.a_holding()])]))
    with amending(account, IMPORT, DEED) as amendment:
        write_funds(amendment, 7)
    recorded = record(waiting)
    assert (recorded.written, len(recorded.moved)) == ([], 1)
    (result,) = settle([recorded.moved[0].made.fetched])
    assert (result.page.number, account.holdings.count()) == (2, 1)
    recomputed.check_all_pages()


def test_syncs_and_amendments_of_one_account_take_turns_and_none_is_lost(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = lambda: [build.a_holding(quantity=len(broker.asked))]

    def work(number: int) -> int:
        try:
            if number % 2:
                return sum(result.status == "COMPLETED" for result in build_sync(account))
            with amending(account, ANSWER, DEED) as amendment:
                write_funds(amendment, number + 1)
            return 1
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(work, range(24)))
    assert FundsVersion.objects.filter(batch__sync_type="ANSWER").count() == 12
    assert LedgerPage.objects.filter(head__account=account).count() == done
    recomputed.check_all_pages()


def build_sync(account: BrokerAccount) -> list[Any]:
    """A sync that another one may be holding off."""
    from portfolio.sync.capture import DAILY
    from portfolio.sync.pipeline import sync

    return sync([str(account.pk)], DAILY)
