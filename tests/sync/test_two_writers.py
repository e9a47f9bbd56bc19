"""Any two that write about one account at the same time: syncs, imports, answers, corrections, new readings and drops.
Each is written, one after the other, and the book verifies."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import combinations_with_replacement
from threading import Barrier
from typing import Any

import pytest
from django.db import connections, transaction

from ledger.answers import Answer
from ledger.entries import ZERO
from portfolio import clock, replies
from portfolio.corrections import Author, revise
from portfolio.dropping import Found, drop
from portfolio.ids import new_uuid
from portfolio.models import (
    AccountHead,
    Act,
    BrokerAccount,
    DroppedBody,
    RawBody,
    RawReply,
    RealHolding,
    SyncBatch,
    Transaction,
)
from portfolio.proof import verification
from portfolio.rebuild import rebuild
from portfolio.reparse import reparse
from portfolio.retention import Kept
from portfolio.statements import khata_csv
from portfolio.statements.reading import Statement
from portfolio.sync.amend import Deed
from portfolio.sync.answer import Said, answer
from portfolio.sync.capture import DAILY
from portfolio.sync.claim import Moment, free_heads, lease, open_batches
from portfolio.sync.claim import captured as captured_of
from portfolio.sync.evidence import lasting
from portfolio.sync.imports import import_fills
from portfolio.sync.pipeline import sync
from portfolio.sync.questions import read_open
from simulators.market import Market
from simulators.scripts import demo_investors
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.test_reparse import captured, misread, one_more

pytestmark = pytest.mark.database

LONG_AGO = date(2020, 1, 6)
CORRECTED = "NSE:2020-01-06:T0:INE467B01029:B"
TODAY = date(2026, 10, 7)  # two days after the others' Monday
ROUNDS = 2


@dataclass
class Stand:
    """An account that was misread on Monday, so that its holdings are questions on Tuesday."""

    account: BrokerAccount
    questions: list[int] = field(default_factory=list)

    def sync(self, number: int) -> None:
        sync([str(self.account.pk)], DAILY)

    def imports(self, number: int, body: bytes = b"") -> None:
        order = build.an_order("", 10, 10)
        fill = build.a_trade(order, trade_id=f"T{number}")._replace(
            isin=build.ISINS["TCS"], trade_date=LONG_AGO, executed_at=None
        )
        told = Statement(khata_csv.FORMAT, body or b"a file %d" % number, [fill])
        import_fills(self.account, told, Deed("a file", "Asha"), accept=True)

    def answers(self, number: int) -> None:
        answer(self.account, Said(self.questions[number], Answer("NOTED"), "Asha", "a slip of the broker"))

    def corrects(self, number: int) -> None:
        revise(self.account, CORRECTED, {"price": Decimal(100 + number)}, Author("Asha", "a slip"))

    def reads_again(self, number: int) -> None:
        found = list(reparse(replies.of_batch(broker_account=self.account), False, "Asha"))
        assert [done.trouble for done in found if done.trouble] == []

    def written(self) -> dict[str, int]:
        """How many batches of each kind there are."""
        batches = SyncBatch.objects.filter(broker_account=self.account)
        return {kind: batches.filter(sync_type=kind).count() for kind in ("IMPORT", "ANSWER", "CORRECTION", "REPARSE")}


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    with build.groww(*demo_investors(Market())) as simulator:
        with monkeypatch.context() as patch:
            misread(patch, "holdings", one_more)
            account = captured(simulator, "2026-10-05 16:05")
        captured(simulator, "2026-10-06 16:05", account)
        simulator.move_to("2026-10-06 19:30")
        found = Stand(account, [each.question.number for each in read_open(account)])
        found.imports(0)
        yield found


WRITERS: dict[str, tuple[Callable[[Stand, int], None], str]] = {
    "sync": (Stand.sync, ""),
    "import": (Stand.imports, "IMPORT"),
    "answer": (Stand.answers, "ANSWER"),
    "correction": (Stand.corrects, "CORRECTION"),
    "reparse": (Stand.reads_again, "REPARSE"),
}


@pytest.mark.parametrize("pair", list(combinations_with_replacement(WRITERS, 2)), ids=" and ".join)
def test_two_writers_of_one_account_take_turns(stand: Stand, pair: tuple[str, str]) -> None:
    before, start = stand.written(), Barrier(2)

    def work(place: int) -> None:
        try:
            for number in range(ROUNDS):
                start.wait(30)
                WRITERS[pair[place]][0](stand, 1 + ROUNDS * place + number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    expected = dict(before)
    for kind in (WRITERS[name][1] for name in pair):
        if kind and kind != "REPARSE":
            expected[kind] += ROUNDS
    expected["REPARSE"] += "reparse" in pair  # what was set right once needs no second time
    assert stand.written() == expected
    assert_all_is_well(stand.account)


def assert_all_is_well(account: BrokerAccount) -> None:
    account.head.refresh_from_db()
    assert account.head.page_number == account.head.pages.count()
    assert not SyncBatch.objects.filter(broker_account=account, status="STARTED").exists()
    assert [found for _, found in rebuild([account], repair=False)] == [[]]
    assert [str(finding) for finding in verification.verify().findings] == []
    recomputed.check_all_pages()
    told = sum((piece.quantity for piece in account.explanations.current()), ZERO)
    left = sum((each.question.open for each in read_open(account)), ZERO)
    assert told + left == sum(
        RealHolding.objects.filter(broker_account=account).values_list("owned_quantity", flat=True)
    )


def drops(stand: Stand) -> Found:
    try:
        return drop(stand.account, TODAY, Deed("bodies dropped", "Asha", "no room"))
    finally:
        connections.close_all()


def imports_again(stand: Stand) -> None:
    """The file that was imported before, read anew: a fill of it was not understood then."""
    try:
        stand.imports(1, body=b"a file 0")
    finally:
        connections.close_all()


@pytest.fixture
def old_stand(broker: Broker, at: Callable[[str], None]) -> Stand:
    """What an account answered, and a file that was imported into it, two days ago."""
    stand = Stand(build.an_account("SCRIPTED"))
    broker.says["holdings"] = [build.a_holding()]
    build.synced(stand.account)
    stand.imports(0)
    at(f"{TODAY} 16:05")
    return stand


def assert_it_waits(work: Future[Any]) -> None:
    with pytest.raises(TimeoutError):
        work.result(1)


def test_a_drop_that_waited_for_the_head_leaves_an_account_that_a_sync_has_taken(old_stand: Stand) -> None:
    """What the sync is answered may be what is kept already: then it keeps no body of its own."""
    kept = RawBody.objects.count()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            taken = lease(free_heads([old_stand.account.pk]), new_uuid())
            open_batches([captured_of(head, DAILY, Moment.of(clock.now())) for head in taken])
            dropping = pool.submit(drops, old_stand)
            assert_it_waits(dropping)
        with pytest.raises(Kept, match="it is being synced"):
            dropping.result(30)
    assert (RawBody.objects.count(), DroppedBody.objects.count()) == (kept, 0)


@pytest.mark.parametrize("order", [(imports_again, drops), (drops, imports_again)], ids=["import first", "drop first"])
def test_a_file_that_is_imported_again_beside_a_drop_is_kept(
    old_stand: Stand, order: Sequence[Callable[[Stand], Any]]
) -> None:
    """On PostgreSQL they are let in as they came, on SQLite either comes first."""
    digest = RawReply.objects.get(request__startswith="IMPORT").body_digest
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            AccountHead.objects.select_for_update().get(account=old_stand.account)
            waiting = []
            for work in order:
                waiting.append(pool.submit(work, old_stand))
                assert_it_waits(waiting[-1])
        for each in waiting:
            each.result(30)
    assert lasting(RawReply.objects.filter(body_digest=digest)).count() == 1
    assert DroppedBody.objects.exists()
    assert_all_is_well(old_stand.account)


def test_what_each_writes_is_there_once(stand: Stand) -> None:
    for number, (write, _) in enumerate(WRITERS.values(), 1):
        write(stand, number)
    assert stand.written() == {"IMPORT": 2, "ANSWER": 1, "CORRECTION": 1, "REPARSE": 1}
    assert Transaction.objects.filter(trade_date=LONG_AGO).count() == 3
    assert Act.objects.count() == 5
    assert_all_is_well(stand.account)
