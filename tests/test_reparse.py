"""Kept replies, read by a better parser: the difference is shown, and written beside what was read at first."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from ledger.entries import SetAside
from portfolio import book, replies
from portfolio.book import Moment
from portfolio.cost import costs
from portfolio.models import (
    BrokerAccount,
    ChangeExplanation,
    HoldingVersion,
    Instrument,
    Listing,
    OrderQuantityChange,
    OrderVersion,
    RawBody,
    SyncBatch,
    Transaction,
)
from portfolio.rebuild import rebuild
from portfolio.reparse import Rereading, reparse
from portfolio.replies import replies_of
from portfolio.triggers.base import Reply, Rows
from portfolio.triggers.groww import GrowwTrigger
from simulators.groww import GrowwSimulator
from simulators.market import Market
from simulators.scripts import demo_investors
from tests import build
from tests.sync import recomputed
from tests.sync.test_bridge import left_open
from tests.test_commands import run

pytestmark = pytest.mark.database

Parse = Callable[..., Rows]


@pytest.fixture
def simulator() -> Iterator[GrowwSimulator]:
    with build.groww(*demo_investors(Market())) as simulator:
        yield simulator


def misread(monkeypatch: pytest.MonkeyPatch, section: str, wrong: Callable[[Any], Any]) -> None:
    """Until the patch is undone this section is read wrongly."""
    right: Parse = getattr(GrowwTrigger, f"parse_{section}")

    def parse(replies: Sequence[Reply], **more: Any) -> Rows:
        entries, aside = right(replies, **more)
        return [wrong(entry) for entry in entries], aside

    monkeypatch.setattr(GrowwTrigger, f"parse_{section}", staticmethod(parse))


def one_more(entry: Any) -> Any:
    return entry._replace(quantity=entry.quantity + 1, owned=entry.owned + 1)


def captured(simulator: GrowwSimulator, at: str, account: BrokerAccount | None = None) -> BrokerAccount:
    simulator.move_to(at)
    account = account or build.a_groww_account(simulator, next(iter(simulator.investors)))
    (result,) = build.synced(account)
    assert result.status == "COMPLETED"
    return account


def read_again(account: BrokerAccount, is_dry: bool = False, **which: Any) -> list[Rereading]:
    return list(reparse(replies.of_batch(broker_account=account, **which), is_dry, "Asha"))


def owned(account: BrokerAccount, at: Moment | None = None) -> dict[str, Decimal]:
    return {row.symbol: row.owned_quantity for row in book.holdings([account.pk], at)}


def test_what_was_read_rightly_is_read_as_it_stands(simulator: GrowwSimulator) -> None:
    account = captured(simulator, "2026-10-06 11:00")
    captured(simulator, "2026-10-06 16:05", account)
    captured(simulator, "2026-10-07 16:05", account)
    assert [(one.differences, one.trouble) for one in read_again(account)] == [([], "")] * 3
    assert not SyncBatch.objects.filter(sync_type="REPARSE").exists()


def test_holdings_are_set_right_for_their_day_and_for_now(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        account = captured(simulator, "2026-10-05 16:05")
    simulator.move_to("2026-10-05 18:00")
    wrong, before = owned(account), HoldingVersion.objects.count()
    (seen,) = read_again(account, is_dry=True)
    assert (owned(account), HoldingVersion.objects.count()) == (wrong, before)
    (done,) = read_again(account)
    assert (done.differences, done.trouble, done.parsers) == (seen.differences, "", ("GROWW 1", "GROWW 1"))
    right = {symbol: units - 1 for symbol, units in wrong.items()}
    assert owned(account) == owned(account, book.NOW) == right
    changes = account.holding_changes.values_list("quantity_delta", "unexplained_quantity")
    assert list(changes) == [(-1, 0)] * len(right)
    assert ChangeExplanation.objects.filter(kind="REPARSED", quantity=-1).count() == len(right)
    assert [found for _, found in rebuild([account], repair=False)] == [[]]
    assert read_again(account)[0].differences == []
    recomputed.check_all_pages()


def test_what_was_misread_answers_the_questions_that_it_had_raised(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    traded = set(Transaction.objects.values_list("symbol", flat=True))
    symbol = next(symbol for symbol in owned(account) if symbol not in traded)
    cost = next(cost for cost in costs(account) if cost.symbol == symbol)
    with monkeypatch.context() as patch:
        misread(patch, "holdings", lambda held: one_more(held) if held.symbol == symbol else held)
        captured(simulator, "2026-10-06 16:05", account)
    assert left_open(account) == {1: 1}
    read_again(account)
    assert left_open(account) == {}
    assert [one.total for one in costs(account) if one.symbol == symbol] == [cost.total]
    assert account.events.filter(kind="question.closed").count() == 1
    assert [found for _, found in rebuild([account], repair=False)] == [[]]
    recomputed.check_all_pages()


def test_what_was_misread_leaves_an_older_question_of_as_many_units_alone(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more each day: the first came, the second was misread."""
    account = captured(simulator, "2026-10-05 16:05")
    traded = set(Transaction.objects.values_list("symbol", flat=True))
    symbol = next(symbol for symbol in owned(account) if symbol not in traded)
    for day in (6, 7):
        misread(monkeypatch, "holdings", lambda held: one_more(held) if held.symbol == symbol else held)
        captured(simulator, f"2026-10-0{day} 16:05", account)
    assert left_open(account) == {1: 1, 2: 1}
    monkeypatch.undo()
    misread(monkeypatch, "holdings", lambda held: one_more(held) if held.symbol == symbol else held)
    read_again(account, trading_day__gte=date(2026, 10, 6))
    assert left_open(account) == {1: 1}
    recomputed.check_all_pages()


def test_a_dry_run_makes_no_instrument(simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    misread(monkeypatch, "holdings", lambda held: held._replace(isin="INE467B01037", symbol="OTHER"))
    before = [model.objects.count() for model in (Instrument, Listing)]
    (seen,) = read_again(account, is_dry=True)
    assert {each.subject for each in seen.differences} == {"OTHER"}
    assert [model.objects.count() for model in (Instrument, Listing)] == before
    (done,) = read_again(account)
    assert (done.differences, Instrument.objects.filter(isin="INE467B01037").count()) == (seen.differences, 1)


def test_a_dry_run_knows_what_a_name_means(simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    misread(monkeypatch, "holdings", lambda held: held._replace(isin=None))
    (seen,) = read_again(account, is_dry=True)
    assert (seen.differences, seen.trouble) == ([], "")


def snapshots(account: BrokerAccount) -> dict[int, tuple[Any, ...]]:
    rows = book.snapshots([account.pk]).order_by("snapshot_date")
    return {r.snapshot_date.day: (r.revision, r.total_portfolio_value, r.day_change, r.holdings_count) for r in rows}


def test_snapshots_of_the_day_and_the_days_change_of_the_next_follow(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        account = captured(simulator, "2026-10-05 16:05")
    for day in (6, 7):
        captured(simulator, f"2026-10-{day:02} 16:05", account)
    wrong = snapshots(account)

    read_again(account, trading_day=date(2026, 10, 5))

    held = book.holdings([account.pk], Moment(as_of=date(2026, 10, 5)))
    surplus = sum(row.current_price or 0 for row in held)
    assert snapshots(account) == {
        5: (2, wrong[5][1] - surplus, None, wrong[5][3]),
        6: (2, wrong[6][1], wrong[6][2] + surplus, wrong[6][3]),
        7: wrong[7],
    }
    assert surplus > 0
    recomputed.check_all_pages()


def test_days_on_which_the_same_was_misread_follow_too(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", lambda held: one_more(held) if held.symbol == "TCS" else held)
        account = captured(simulator, "2026-10-05 16:05")
        captured(simulator, "2026-10-06 16:05", account)
    wrong = snapshots(account)

    read_again(account)

    assert {day: figures[0] for day, figures in snapshots(account).items()} == {5: 2, 6: 2}
    assert all(snapshots(account)[day][1] < wrong[day][1] for day in (5, 6))


def test_a_dry_run_tells_what_would_be_written_and_no_more(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was misread alike in several batches is set right by the first of them, until it was seen otherwise."""
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        misread(patch, "orders", lambda order: order._replace(remark="misread"))
        misread(patch, "trades", lambda trade: trade._replace(price=trade.price + 1))
        misread(patch, "positions", lambda held: held._replace(quantity=held.quantity + 1))
        misread(patch, "funds", lambda funds: funds._replace(cash_balance=funds.cash_balance + 1))
        account = captured(simulator, "2026-10-05 16:05")
        for at in ("2026-10-06 11:00", "2026-10-06 16:05", "2026-10-06 19:05", "2026-10-07 16:05"):
            captured(simulator, at, account)
    shown = [one.differences for one in read_again(account, is_dry=True)]
    written = [one.differences for one in read_again(account)]
    assert shown == written
    assert {each.section for differences in written for each in differences} == {
        "holdings", "orders", "trades", "positions", "funds",
    }  # fmt: skip
    assert read_again(account, is_dry=True)[0].differences == []


def test_an_old_day_is_set_right_and_what_stands_by_now_stays(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        account = captured(simulator, "2026-10-05 16:05")
    captured(simulator, "2026-10-06 16:05", account)
    now, monday = owned(account), Moment(as_of=date(2026, 10, 5))
    wrong = owned(account, monday)
    changes = account.holding_changes.count()
    read_again(account, trading_day=monday.as_of)
    assert owned(account, monday) == {symbol: units - 1 for symbol, units in wrong.items()}
    assert (owned(account), account.holding_changes.count()) == (now, changes)


def test_of_a_day_only_the_last_capture_speaks(simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        account = captured(simulator, "2026-10-06 11:00")
    captured(simulator, "2026-10-06 16:05", account)
    first = replies.of_batch(broker_account=account)[0]
    (done,) = reparse([first], False, "Asha")
    assert [each for each in done.differences if each.section == "holdings"] == []


def test_what_was_seen_in_the_morning_speaks_neither_for_the_day_before_nor_instead_of_it(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        account = captured(simulator, "2026-10-05 16:05")
    simulator.move_to("2026-10-06 08:30")
    build.synced(account, sync_type="HOLDINGS_LOOK")
    monday = Moment(as_of=date(2026, 10, 5))
    wrong = owned(account, monday)
    evening, morning = read_again(account)
    assert owned(account, monday) == {symbol: units - 1 for symbol, units in wrong.items()}
    assert (bool(evening.differences), morning.differences) == (True, [])


def test_orders_and_fills_are_set_right_as_versions_and_revisions(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "orders", lambda order: order._replace(filled_quantity=order.filled_quantity * 2))
        misread(patch, "trades", lambda trade: trade._replace(price=trade.price + 1))
        account = captured_with_problems(simulator)
    simulator.move_to("2026-10-05 18:00")
    wrong = {row.source_id: row.price for row in book.transactions([account.pk])}
    read_again(account)
    assert wrong
    assert {row.source_id: row.price for row in book.transactions([account.pk])} == {
        name: price - 1 for name, price in wrong.items()
    }
    assert {row.revision for row in book.transactions([account.pk])} == {2}
    for order in book.orders([account.pk]):
        moved = OrderQuantityChange.objects.filter(
            order_history__groww_order_id=order.groww_order_id, order_history__order_date=order.order_date
        )
        assert sum(moved.values_list("quantity_delta", flat=True)) == order.filled_quantity <= order.quantity
    assert OrderVersion.objects.filter(batch__sync_type="REPARSE", is_late=False).exists()
    recomputed.check_all_pages()


def captured_with_problems(simulator: GrowwSimulator) -> BrokerAccount:
    simulator.move_to("2026-10-05 16:05")
    account = build.a_groww_account(simulator, next(iter(simulator.investors)))
    build.synced(account)
    return account


def test_a_state_that_has_passed_is_learnt_late(simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "orders", lambda order: order._replace(remark="misread"))
        account = captured(simulator, "2026-10-06 11:00")
    captured(simulator, "2026-10-06 16:05", account)
    current = {row.groww_order_id: row.version for row in book.orders([account.pk])}
    first = replies.of_batch(broker_account=account)[0]
    list(reparse([first], False, "Asha"))
    assert {row.groww_order_id: row.version for row in book.orders([account.pk])} == current
    read = OrderVersion.objects.filter(batch__sync_type="REPARSE")
    moved_on = [row for row in read if current[row.groww_order_id] != row.version]
    assert (len(moved_on), all(row.is_late for row in moved_on)) == (read.count(), True)


def test_where_a_parser_fails_it_is_told_and_nothing_is_written(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = captured(simulator, "2026-10-05 16:05")

    def fails(replies: Sequence[Reply], **more: Any) -> Rows:
        raise LookupError("no such field")

    misread(monkeypatch, "holdings", one_more)
    monkeypatch.setattr(GrowwTrigger, "parse_funds", staticmethod(fails))
    code, out, _ = run("reparse", "--since", "2026-10-05")
    assert (code, "funds: today's parser fails: LookupError: no such field; nothing was written" in out) == (1, True)
    assert not SyncBatch.objects.filter(sync_type="REPARSE").exists()
    assert owned(account) == owned(account, book.NOW)


def failing(monkeypatch: pytest.MonkeyPatch, *sections: str) -> None:
    """Until the patch is undone these sections cannot be read."""

    def fails(replies: Sequence[Reply], **more: Any) -> Rows:
        raise LookupError("no such field")

    for section in sections:
        monkeypatch.setattr(GrowwTrigger, f"parse_{section}", staticmethod(fails))


def counts(account: BrokerAccount) -> dict[str, int]:
    """How many rows the book has of what is read anew where it failed."""
    rows = book.orders([account.pk]), book.transactions([account.pk]), account.funds_versions.all()
    return dict(zip(("orders", "trades", "funds"), (found.count() for found in rows), strict=True))


@pytest.mark.parametrize("section", ["orders", "trades", "funds"])
def test_a_section_that_could_not_be_read_is_read_by_a_better_parser(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, section)
        account = captured_with_problems(simulator)
    assert counts(account)[section] == 0
    simulator.move_to("2026-10-05 18:00")
    (done,) = read_again(account)
    assert (done.trouble, done.unread, {each.section for each in done.differences}) == ("", [], {section})
    read = counts(account)[section]
    build.synced(account)
    assert counts(account)[section] == read > 0
    recomputed.check_all_pages()


def test_fills_that_are_read_at_last_answer_the_questions_that_they_explain(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    with monkeypatch.context() as patch:
        failing(patch, "trades")
        simulator.move_to("2026-10-06 16:05")
        build.synced(account)
    captured(simulator, "2026-10-07 16:05", account)
    asked = left_open(account)
    assert asked
    read_again(account, trading_day=date(2026, 10, 6))
    assert left_open(account) == {}
    assert account.events.filter(kind="question.closed").count() == 1


def test_a_batch_that_failed_is_read_where_its_answers_are_kept(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, "holdings", "positions", "orders", "trades", "funds")
        account = captured_with_problems(simulator)
    assert SyncBatch.objects.get(sync_type="DAILY_PORTFOLIO").status == "FAILED"
    simulator.move_to("2026-10-05 18:00")
    code, out, _ = run("reparse", "--since", "2026-10-05")
    assert (code, out.endswith("; all are written\n")) == (0, True)
    read = counts(account)
    assert read["orders"] > 0
    assert (read["funds"], owned(account)) == (1, {})


def test_what_still_cannot_be_read_is_told_and_the_rest_is_taken(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, "trades", "funds")
        account = captured_with_problems(simulator)
    failing(monkeypatch, "trades")
    code, out, _ = run("reparse", "--since", "2026-10-05")
    told = "  trades: today's parser fails: LookupError: no such field; nothing of it was written\n"
    assert (code, told in out) == (1, True)
    assert (counts(account)["trades"], counts(account)["funds"]) == (0, 1)


def test_a_row_that_is_set_aside_is_told(simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    right: Parse = GrowwTrigger.parse_orders

    def parse(replies: Sequence[Reply], **more: Any) -> Rows:
        return right(replies, **more)[0], [SetAside("orders", "GMK1", "quantity: -1")]

    monkeypatch.setattr(GrowwTrigger, "parse_orders", staticmethod(parse))
    (done,) = read_again(account)
    assert (done.differences, done.unread) == ([], ["orders GMK1: set aside: quantity: -1"])
    code, out, _ = run("reparse", "--since", "2026-10-05")
    assert (code, "  orders GMK1: set aside: quantity: -1; nothing of it was written\n" in out) == (1, True)


def test_the_command_shows_and_writes(simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "funds", lambda funds: funds._replace(cash_balance=Decimal(5)))
        account = captured(simulator, "2026-10-05 16:05")
    batch = replies.of_batch(broker_account=account)[0]
    simulator.move_to("2026-10-05 18:00")
    shown = run("reparse", "--batch", batch.pk, "--dry-run")
    assert (shown[0], "funds cash and margin: cash_balance 5, read as " in shown[1]) == (0, True)
    assert shown[1].endswith("1 batch, 1 difference; nothing was written\n")
    assert run("reparse", "--batch", batch.pk)[1].endswith("1 batch, 1 difference; all are written\n")
    assert run("reparse", "--batch", batch.pk) == (0, "1 batch, 0 differences\n", "")


def test_rows_lead_to_the_replies_that_they_came_of(simulator: GrowwSimulator) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    held, fill = HoldingVersion.objects.earliest("pk"), Transaction.objects.earliest("pk")
    assert [reply.request for reply in replies_of(held)] == ["GET /holdings/user"]
    assert any(reply.request.startswith("GET /order/trades/") for reply in replies_of(fill))
    assert replies.told(held.batch).parser == "GROWW 1"
    assert account.pk == replies_of(held)[0].broker_account_id


def test_a_batch_whose_replies_are_gone_is_told(simulator: GrowwSimulator) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    account.key.wrapped = b""
    account.key.save()
    (done,) = read_again(account)
    assert done.trouble
    assert RawBody.objects.exists()


def test_a_key_that_cannot_be_had_is_told_once_an_account(simulator: GrowwSimulator) -> None:
    account = captured(simulator, "2026-10-05 16:05")
    captured(simulator, "2026-10-06 16:05", account)
    account.key.wrapped = b""
    account.key.save()
    trouble = "The account was erased: nobody reads its replies, and nothing more is written of it."
    told = f"{account}\n  {trouble} Nothing of its batches was written\n2 batches, 0 differences\n"
    assert run("reparse", "--since", "2026-10-05") == (1, told, "")
    values = json.loads(run("reparse", "--since", "2026-10-05", "--json")[1])["batches"]
    assert [each["trouble"] for each in values] == [trouble] * 2


def test_syncs_and_readings_of_one_account_take_turns(
    simulator: GrowwSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        misread(patch, "holdings", one_more)
        account = captured(simulator, "2026-10-05 16:05")
    batches = replies.of_batch(broker_account=account)

    def read() -> None:
        list(reparse(batches, False, "Asha"))
        connections.close_all()

    reading = threading.Thread(target=read)
    reading.start()
    for _ in range(3):
        build.synced(account)
    reading.join()
    pages = account.head.pages.count()
    account.head.refresh_from_db()
    assert account.head.page_number == pages
    assert [found for _, found in rebuild([account], repair=False)] == [[]]
    recomputed.check_all_pages()


def test_a_batch_that_is_not_there_is_bad_input() -> None:
    missing = "01a1fd04-8a6b-7c64-abc1-b9000cbc3530"
    assert run("reparse", "--batch", missing) == (2, "", f"no batch that was answered has the id {missing}")
