"""One writer an account: leases, tokens, runs that die, and pages that somebody else wrote meanwhile."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from ledger.entries import Funds
from portfolio import clock
from portfolio.corrections import Author, void
from portfolio.ids import new_id, new_uuid
from portfolio.models import AccountHead, BrokerAccount, LedgerPage, OrderVersion, RawReply, SyncBatch, Transaction
from portfolio.sync import evidence
from portfolio.sync.capture import DAILY, Capture, Memory
from portfolio.sync.claim import claim, free_heads, lease, open_batches, release, renew
from portfolio.sync.crew import Crew
from portfolio.sync.normalise import normalise
from portfolio.sync.pipeline import _decided, settle, sync
from portfolio.sync.record import record
from portfolio.sync.recover import claim_anew
from portfolio.triggers.base import Answer, Reply
from tests import build
from tests.rows import only_on
from tests.sync import recomputed
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database


def claimed(account: BrokerAccount, **sections: list[Any]) -> Capture:
    """A capture of a run that has just fetched these sections, its replies kept, and not recorded yet."""
    (capture,) = claim([str(account.pk)], DAILY, new_uuid(), clock.now())
    return fetched(capture, **sections)


def fetched(capture: Capture, **sections: list[Any]) -> Capture:
    capture.absent.update({"holdings", "positions", "orders", "trades", "funds", "prices"} - set(sections))
    for name, rows in sections.items():
        reply = Reply(f"GET /{name}", 200, f"{name} {capture.batch_id}".encode(), capture.started_at)
        evidence.keep([evidence.note(capture, reply)], clock.now())
        capture.answers[name] = Answer([reply], lambda replies, rows=rows: (rows, []))  # type: ignore[misc]
    return capture


def let_the_lease_run_out(account: BrokerAccount) -> None:
    AccountHead.objects.filter(account=account).update(lease_until=timezone.now() - timedelta(seconds=1))


def statuses(account: BrokerAccount) -> list[str]:
    return list(SyncBatch.objects.filter(broker_account=account).order_by("pk").values_list("status", flat=True))


def test_an_account_that_another_run_holds_is_left_to_it(broker: Broker) -> None:
    account, free = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "FREE")
    claimed(account)
    results = sync([str(account.pk), str(free.pk)], DAILY)
    assert [result.capture.account_id for result in results] == [str(free.pk)]
    assert statuses(account) == ["STARTED"]


def test_a_head_is_taken_as_it_was_read_while_nobody_wrote_to_it(broker: Broker) -> None:
    account, owner = build.an_account("SCRIPTED"), new_uuid()
    seen = free_heads([account.pk])
    with transaction.atomic():
        assert lease(seen, owner) == seen
    head = AccountHead.objects.get(account=account)
    assert (head.lease_owner, head.token) == (owner, seen[0].token + 1)


def test_a_head_that_got_a_page_since_it_was_read_is_read_again_under_the_lock(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    seen = free_heads([account.pk])
    build.synced(account)
    with transaction.atomic():
        (head,) = lease(seen, new_uuid())
    stands = AccountHead.objects.get(account=account)
    assert (seen[0].page_number, head.page_number, head.page_hash) == (0, 1, bytes(stands.page_hash))
    assert (head.token + 1, head.remembered) == (stands.token, stands.memory.content)


def test_a_claim_takes_the_head_as_it_stands_when_a_page_comes_before_its_lock(broker: Broker) -> None:
    account, left = build.an_account("SCRIPTED"), [build.synced]

    def meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        if "broker_types" in sql and left:  # read after the heads, before the lock
            left.pop()(account)
        return execute(sql, *rest)

    with connection.execute_wrapper(meanwhile):
        (capture,) = claim([str(account.pk)], DAILY, new_uuid(), clock.now())
    stands = AccountHead.objects.get(account=account)
    assert (left, stands.page_number) == ([], 1)
    assert capture.head and (capture.head.page_number, capture.token) == (1, stands.token)
    assert capture.memory == Memory.of(stands)


def test_a_head_that_was_taken_since_it_was_read_is_left_to_its_holder(broker: Broker) -> None:
    account, owner = build.an_account("SCRIPTED"), new_uuid()
    seen = free_heads([account.pk])
    with transaction.atomic():
        lease(seen, owner)
        assert lease(seen, new_uuid()) == []
    assert AccountHead.objects.get(account=account).lease_owner == owner


def test_a_run_that_died_is_closed_by_the_next_and_its_replies_stay(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    claimed(account, holdings=[build.a_holding()])
    let_the_lease_run_out(account)
    (result,) = build.synced(account)
    assert statuses(account) == ["FAILED", "COMPLETED"]
    dead = SyncBatch.objects.get(status="FAILED")
    assert '"kind":"interrupted"' in dead.error_details
    assert (dead.page.number, dead.page.entries_count) == (1, 1)
    assert RawReply.objects.get(batch=dead).request == "GET /holdings"
    assert result.page.number == 2
    recomputed.check_all_pages()


def test_a_run_that_was_stopped_with_ctrl_c_keeps_nobody_waiting(
    broker: Broker, press_ctrl_c: Callable[[], None]
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = press_ctrl_c
    with pytest.raises(KeyboardInterrupt):
        sync([str(account.pk)], DAILY)
    broker.says["holdings"] = [build.a_holding()]
    (result,) = sync([str(account.pk)], DAILY)
    # The clock stands still: the pages tell which was first.
    ended = list(account.batches.order_by("page__number").values_list("status", flat=True))
    assert (result.status, ended) == ("COMPLETED", ["FAILED", "COMPLETED"])
    recomputed.check_all_pages()


def test_a_run_that_ends_does_what_was_asked_of_the_database_before_its_sessions_are_closed() -> None:
    """It ends in the pause after a turn that many shared."""
    done: list[int] = []

    async def run() -> None:
        async with Crew() as crew:
            together = crew.together(done.extend)
            begun = [together.ask(wish) for wish in range(9)]
            await asyncio.sleep(0)
            together.ask(9)
            await begun[-1]

    asyncio.run(run())
    assert done == [*range(10)]


def test_a_dead_run_is_closed_once_however_many_come_after(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    claimed(account)
    let_the_lease_run_out(account)
    build.synced(account)
    build.synced(account)
    assert statuses(account) == ["FAILED", "COMPLETED", "COMPLETED"]
    assert account.broker_id == "SCRIPTED"
    assert [event.kind for event in account.events.order_by("number")] == [
        "account.connected", "sync.failed", "account.failing", "sync.completed", "account.recovered", "sync.completed",
    ]  # fmt: skip


@pytest.mark.parametrize("give_back", [renew, release])
def test_leases_wait_for_whoever_keeps_replies_and_never_he_for_them(
    broker: Broker, give_back: Callable[[UUID], None]
) -> None:
    """Both lock many heads: in the same order, whichever row lies first in the table."""
    only_on("postgresql")
    owner = new_uuid()
    claim([str(build.an_account("SCRIPTED", client).pk) for client in ("AB1", "AB2")], DAILY, owner, clock.now())
    low, high = AccountHead.objects.filter(lease_owner=owner).order_by("pk")
    AccountHead.objects.filter(pk=low.pk).update(token=low.token)  # now it lies behind the other one
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            AccountHead.objects.select_for_update().get(pk=low.pk)
            waiting = pool.submit(closing_connections, partial(give_back, owner))
            wait_for_a_lock()
            AccountHead.objects.select_for_update().get(pk=high.pk)
        assert waiting.exception(10) is None


def closing_connections(work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        connections.close_all()


def wait_for_a_lock() -> None:
    """Until some connection to this database waits for another one's lock."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        for _ in range(1000):
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(waits)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise TimeoutError("nobody waits")


def test_a_holder_that_slept_too_long_writes_nothing(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    sleeper = claimed(account, holdings=[build.a_holding("INFY", 99)])
    let_the_lease_run_out(account)
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    kept, pages = RawReply.objects.count(), LedgerPage.objects.count()
    assert settle([sleeper]) == []
    late = Reply("GET /late", 200, b"late", clock.now())
    evidence.keep([evidence.note(sleeper, late)], clock.now())
    assert [row.symbol for row in account.holdings.all()] == ["TCS"]
    assert (RawReply.objects.count(), LedgerPage.objects.count()) == (kept, pages)
    recomputed.check_all_pages()


def test_no_later_run_has_the_token_of_one_that_was_closed(broker: Broker) -> None:
    """Else the one that slept could take itself for the holder."""
    account = build.an_account("SCRIPTED")
    sleeper = claimed(account)
    let_the_lease_run_out(account)
    (holder,) = claim_anew([str(account.pk)], DAILY, new_uuid(), clock.now())
    assert holder.token > sleeper.token


def test_a_holder_that_slept_does_not_keep_its_group_from_being_written(broker: Broker) -> None:
    asleep, awake = build.an_account("SCRIPTED", "A"), build.an_account("SCRIPTED", "B")
    group = [claimed(asleep, holdings=[build.a_holding()]), claimed(awake, holdings=[build.a_holding()])]
    let_the_lease_run_out(asleep)
    claimed(asleep)
    assert [result.capture.account_id for result in settle(group)] == [str(awake.pk)]
    assert (asleep.holdings.count(), awake.holdings.count()) == (0, 1)


def test_a_page_that_came_between_is_followed_and_the_account_decided_again() -> None:
    """Whoever writes under the same token, such as an import, moves the page: nothing is lost, nothing told twice."""
    account = build.an_account()
    first = claimed(
        account,
        holdings=[build.a_holding(), build.a_holding(quantity=11)],
        orders=[build.an_order(), build.an_order(quantity=11), build.an_order("O2", filled=10)],
    )
    waiting = _decided(normalise([first]))
    between = fetched(another_batch(first), orders=[build.an_order(), build.an_order("O2", filled=5)])
    assert len(settle([between])) == 1
    recorded = record(waiting)
    assert (recorded.written, [result.capture.batch_id for result in recorded.moved]) == ([], [first.batch_id])
    (result,) = settle([recorded.moved[0].made.fetched])
    assert [problem.kind for problem in result.capture.problems] == ["set_aside", "set_aside"]
    assert result.page.number == 2
    found = OrderVersion.objects.order_by("groww_order_id", "version")
    assert list(found.values_list("groww_order_id", "version", "filled_quantity")) == [
        ("O1", 1, 0), ("O2", 1, 5), ("O2", 2, 10),
    ]  # fmt: skip
    recomputed.check_all_pages()


def test_what_an_amendment_made_an_account_forget_is_not_remembered_by_the_sync_that_it_came_into(
    broker: Broker,
) -> None:
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=10)
    broker.says.update(holdings=[build.a_holding()], orders=[order], trades=[build.a_trade(order)])
    build.synced(account)
    assert "holdings" in Memory.of(account.head).seen
    running = claimed(account, funds=[Funds(Decimal(1000))])
    waiting = _decided(normalise([running]))
    void(account, Transaction.objects.get().source_id, Author("Asha", "never dealt"))
    (moved,) = record(waiting).moved
    assert [result.status for result in settle([moved.made.to_decide_again()])] == ["COMPLETED"]
    assert set(Memory.of(account.head).seen) == {"beside", "funds"}


def another_batch(capture: Capture) -> Capture:
    other = replace(
        capture, batch_id=new_id(), sync_type="ORDER_HISTORY", answers={}, sections={}, problems=[], absent=set(),
        replies=[], stored=[],
    )  # fmt: skip
    open_batches([other])
    return other


def test_sixteen_runs_at_once_take_turns_and_the_chain_has_no_gap(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    inside, most, lock = [0], [0], threading.Lock()

    def slowly() -> list[Any]:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        with lock:
            inside[0] -= 1
        return [build.a_holding(quantity=len(broker.asked))]

    broker.says = {"holdings": slowly}

    def run(number: int) -> int:
        try:
            return len(sync([str(account.pk)], DAILY))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        ran = sum(sum(pool.map(run, range(16))) for _ in range(3))
    assert most[0] == 1
    assert ran >= 3
    assert statuses(account) == ["COMPLETED"] * ran
    assert LedgerPage.objects.filter(head__account=account).count() == ran
    assert account.holding_versions.count() == len(broker.asked) == ran
    recomputed.check_all_pages()


def test_accounts_side_by_side_make_each_instrument_once(broker: Broker) -> None:
    from portfolio.models import Instrument
    from portfolio.sync import instruments

    accounts = [build.an_account("SCRIPTED", f"C{number}") for number in range(6)]
    broker.says = {"positions": [build.a_position("NIFTY26NOVFUT", 50, segment="FNO", isin=None)]}

    def run(account: BrokerAccount) -> None:
        instruments.forget()  # as another process would know nothing of it
        try:
            sync([str(account.pk)], DAILY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, accounts))
    assert Instrument.objects.count() == 1
    assert {account.positions.get().instrument_id for account in accounts} == {Instrument.objects.get().pk}
