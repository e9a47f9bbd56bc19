"""What a person sets right: a new revision or version with who and why, and no list of a broker changes it back."""

import threading
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections

from ledger.answers import Answer
from portfolio import book
from portfolio.book import Moment
from portfolio.corrections import Author, BadCorrection, correct_order, revise, void
from portfolio.keys import CannotDecrypt
from portfolio.models import (
    AccountKey,
    AccountMemory,
    Act,
    BrokerAccount,
    LedgerPage,
    OrderQuantityChange,
    SyncBatch,
    Transaction,
)
from portfolio.sync.amend import Unsaid, words_of
from portfolio.sync.answer import Said, answer
from portfolio.sync.capture import Memory, Seen
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker, india
from tests.sync.test_bridge import evening, explained, left_open, order
from tests.test_commands import run

pytestmark = pytest.mark.database

At = Callable[[str], None]
ASHA = Author("Asha Rao", "the contract note says 8")


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """An order for 10 TCS, filled at 3,000 on Monday, 5 October."""
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=10)
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    build.synced(account)
    at("2026-10-05 18:00")
    return account


def source_id() -> str:
    return str(Transaction.objects.values_list("source_id", flat=True)[0])


def counting(account: BrokerAccount, at: Moment = book.NOW) -> list[tuple[int, Decimal, Decimal]]:
    return [(row.revision, row.quantity, row.amount) for row in book.transactions([account.pk], at)]


def test_a_revision_counts_and_what_stood_before_is_still_known(account: BrokerAccount) -> None:
    corrected = revise(account, source_id(), {"quantity": Decimal(8), "price": Decimal("3000.5")}, ASHA)
    assert corrected.before == {"quantity": "10", "price": "3000", "amount": "30000"}
    assert corrected.after == {"quantity": "8", "price": "3000.5", "amount": "24004"}
    assert counting(account) == [(2, 8, 24_004)]
    assert counting(account, Moment(known_at=india("2026-10-05 17:00"))) == [(1, 10, 30_000)]
    first, second = Transaction.objects.order_by("revision")
    assert (second.supersedes, second.source, second.batch.sync_type) == (first, "MANUAL_ADJUSTMENT", "CORRECTION")
    assert recomputed.check_all_pages() > 0


def test_who_and_why_are_encrypted_and_covered_by_the_page(account: BrokerAccount) -> None:
    void(account, source_id(), ASHA)
    act = Act.objects.get()
    assert act.subject == "transaction void"
    assert {name: words_of(act)[name] for name in ("who", "why")} == {"who": ASHA.who, "why": ASHA.why}
    assert SyncBatch.objects.get(sync_type="CORRECTION").page.entries_count == 3  # with the snapshot
    assert b"Asha" not in bytes(act.words.ciphertext)
    assert not any("contract note" in row.void_reason for row in Transaction.objects.all())


def test_what_is_remembered_and_stands_nowhere_else_outlives_a_correction(account: BrokerAccount) -> None:
    known = Memory(
        seen={"holdings": Seen("2026-10-05", {"a": "b"})}, counts={"holdings": 3}, positions_day=date(2026, 10, 5),
        unconfirmed={"row": date(2026, 10, 2)}, is_wrong_account=True,
    )  # fmt: skip
    memories = AccountMemory.objects.filter(head__account=account)
    memories.update(content=known.text())
    void(account, source_id(), ASHA)
    known.seen = {}
    assert Memory.read(memories.get().content) == known


def test_a_void_transaction_counts_as_nothing_until_it_is_revised(account: BrokerAccount) -> None:
    void(account, source_id(), ASHA)
    assert counting(account) == []
    with pytest.raises(BadCorrection, match="void already"):
        void(account, source_id(), ASHA)
    revise(account, source_id(), {"quantity": Decimal(9)}, ASHA)
    assert counting(account) == [(3, 9, 27_000)]


def totals_of(account: BrokerAccount, day: int, at: Moment = book.NOW) -> tuple[Any, ...]:
    row = book.snapshots([account.pk], at).get(snapshot_date=date(2026, 10, day))
    return row.revision, row.total_portfolio_value, row.net_purchases, row.trades_count, row.day_change


def test_the_snapshots_of_a_fills_days_follow_its_correction(account: BrokerAccount, broker: Broker, at: At) -> None:
    broker.says.update(holdings=[build.a_holding(quantity=10)], orders=[], trades=[])
    broker.prices = {"TCS": Decimal(3100)}
    evening(broker, at, 6, {"TCS": 10}, order("O2", 6, "BUY", 4))
    build.synced(account)
    stood = totals_of(account, 6)
    assert stood[2:4] == (12_000, 1)
    moved = Transaction.objects.get(trade_date=date(2026, 10, 6)).source_id

    at("2026-10-06 18:00")
    revise(account, moved, {"quantity": Decimal(2)}, ASHA)

    assert totals_of(account, 6) == (2, stood[1], 6_000, 1, stood[4] + 6_000)
    assert totals_of(account, 6, Moment(known_at=india("2026-10-06 17:00"))) == stood
    monday = totals_of(account, 5)
    revise(account, moved, {"trade_date": date(2026, 10, 5)}, ASHA)
    assert totals_of(account, 6) == (3, stood[1], 0, 0, stood[4] + 12_000)
    assert totals_of(account, 5) == (2, monday[1], monday[2] + 6_000, 2, None)
    void(account, moved, ASHA)
    assert totals_of(account, 5) == (3, *monday[1:])
    at("2026-10-06 18:30")
    build.synced(account)
    assert totals_of(account, 6)[0] == 3


def test_a_corrected_fill_is_owned_as_it_says_that_day_where_no_position_shows_it(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    broker.prices = {"TCS": Decimal(3100)}
    evening(broker, at, 6, {"TCS": 10}, order("O2", 6, "BUY", 4))
    broker.says["positions"] = []
    build.synced(account)
    revision, total, *rest = totals_of(account, 6)
    moved = Transaction.objects.get(trade_date=date(2026, 10, 6)).source_id

    revise(account, moved, {"quantity": Decimal(2)}, ASHA)

    assert (revision, total, rest[:2]) == (1, 43_400, [12_000, 1])
    assert totals_of(account, 6) == (2, 37_200, 6_000, 1, rest[2] - 200)


@pytest.mark.parametrize(("units", "owned"), [(20, 60), (None, 60)], ids=["less", "void"])
def test_what_holdings_showed_of_a_sale_at_once_is_not_owned_again_when_it_is_corrected(
    account: BrokerAccount, broker: Broker, at: At, units: int | None, owned: int
) -> None:
    """Where no position shows it: the holding went from 90 to 60 on the day of the sale."""
    broker.prices = {"TCS": Decimal(3000)}
    del broker.says["positions"]
    for day, held, sold in ((6, 100, None), (7, 90, 10), (8, 60, 30)):
        evening(broker, at, day, {"TCS": held}, *([order(f"S{day}", day, "SELL", sold)] if sold else []))
        del broker.says["positions"]
        build.synced(account)
    assert totals_of(account, 8)[:2] == (1, 180_000)
    moved = Transaction.objects.get(trade_date=date(2026, 10, 8)).source_id

    if units:
        revise(account, moved, {"quantity": Decimal(units)}, ASHA)
    else:
        void(account, moved, ASHA)

    assert totals_of(account, 8)[:2] == (2, owned * 3000)


def test_another_product_says_whether_it_is_delivery(account: BrokerAccount) -> None:
    revise(account, source_id(), {"product": "MIS", "trade_date": date(2026, 10, 1)}, ASHA)
    row = book.transactions([account.pk]).get()
    assert (row.is_delivery, row.trade_date, row.executed_at) == (False, date(2026, 10, 1), None)


@pytest.mark.parametrize("correction", ["revised", "void"])
def test_the_brokers_list_changes_no_correction_back(
    account: BrokerAccount, broker: Broker, at: At, correction: str
) -> None:
    if correction == "void":
        void(account, source_id(), ASHA)
    else:
        revise(account, source_id(), {"quantity": Decimal(8)}, ASHA)
    corrected = counting(account)
    at("2026-10-05 19:00")
    (result,) = build.synced(account)
    assert (result.status, counting(account)) == ("COMPLETED", corrected)
    assert Transaction.objects.count() == 2


def test_an_order_that_is_corrected_moves_by_hand(account: BrokerAccount) -> None:
    corrected = correct_order(account, "O1", None, {"filled_quantity": Decimal(4)}, ASHA)
    assert corrected.after == {"status": "PARTIALLY_FILLED", "filled_quantity": "4", "remaining_quantity": "6"}
    order = book.orders([account.pk]).get()
    assert (order.version, order.filled_quantity) == (2, 4)
    moved = OrderQuantityChange.objects.filter(order_history=order).order_by("change_type")
    assert [(row.change_type, row.quantity_delta, row.change_reason) for row in moved] == [
        ("QUANTITY_REMOVED", -6, "MANUAL_ADJUSTMENT"),
        ("STATUS_CHANGED", 0, "MANUAL_ADJUSTMENT"),
    ]
    deltas = OrderQuantityChange.objects.values_list("quantity_delta", flat=True)
    assert sum(deltas) == order.filled_quantity
    recomputed.check_all_pages()


def test_an_order_that_is_corrected_later_is_corrected_as_of_the_day_that_it_describes(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    """Seen on Monday and on Wednesday, when it was filled; set right on Friday, and on Saturday once more."""
    on = {day: Moment(as_of=date(2026, 10, day)) for day in (4, 5, 6, 7, 9, 12)}
    at("2026-10-07 16:05")
    broker.says["orders"] = [build.an_order(filled=10), build.an_order("O2", 10, 4)]
    build.synced(account)
    at("2026-10-08 16:05")
    broker.says["orders"] = [build.an_order("O2", 10, 7)]
    build.synced(account)
    known = india("2026-10-09 10:00")
    at("2026-10-09 11:00")
    correct_order(account, "O1", None, {"filled_quantity": Decimal(8)}, ASHA)
    correct_order(account, "O2", None, {"filled_quantity": Decimal(6)}, ASHA)

    def filled(moment: Moment) -> dict[str, int]:
        return {row.groww_order_id: int(row.filled_quantity) for row in book.orders([account.pk], moment)}

    assert {day: filled(moment) for day, moment in on.items()} == {
        4: {}, 5: {"O1": 8}, 6: {"O1": 8}, 7: {"O1": 8, "O2": 4}, 9: {"O1": 8, "O2": 6}, 12: {"O1": 8, "O2": 6},
    }  # fmt: skip
    assert filled(Moment(date(2026, 10, 6), known)) == {"O1": 10}


def test_a_cancelled_order_stays_cancelled(account: BrokerAccount) -> None:
    correct_order(account, "O1", None, {"status": "CANCELLED", "filled_quantity": Decimal(3)}, ASHA)
    correct_order(account, "O1", None, {"filled_quantity": Decimal(2)}, ASHA)
    assert [(row.order_status, row.filled_quantity) for row in book.orders([account.pk])] == [("CANCELLED", 2)]


BAD: dict[str, tuple[Callable[[BrokerAccount], Any], str]] = {
    "no such transaction": (lambda a: void(a, "T9", ASHA), "no transaction of this account is called T9"),
    "nothing to correct": (lambda a: revise(a, source_id(), {}, ASHA), "nothing was given"),
    "as it is": (lambda a: revise(a, source_id(), {"quantity": Decimal(10)}, ASHA), "is so already"),
    "negative": (lambda a: revise(a, source_id(), {"price": Decimal(-1)}, ASHA), "above 0"),
    "nothing left": (lambda a: revise(a, source_id(), {"quantity": Decimal(0)}, ASHA), "void it"),
    "too large": (lambda a: revise(a, source_id(), {"quantity": Decimal(10) ** 20}, ASHA), "too large"),
    "too large an amount": (
        lambda a: revise(a, source_id(), {"price": Decimal(9) * 10**10, "quantity": Decimal(10) ** 6}, ASHA),
        "the amount is too large",
    ),
    "in the future": (lambda a: revise(a, source_id(), {"trade_date": date(2030, 1, 1)}, ASHA), "yet to come"),
    "too long ago": (lambda a: revise(a, source_id(), {"trade_date": date(1989, 12, 31)}, ASHA), "before there was"),
    "no product": (lambda a: revise(a, source_id(), {"product": "BLAH"}, ASHA), "BLAH: no product .* CNC, "),
    "no side": (lambda a: revise(a, source_id(), {"transaction_type": "KEEP"}, ASHA), "BUY or SELL"),
    "no such order": (lambda a: correct_order(a, "O9", None, {"status": "EXPIRED"}, ASHA), "no order of this account"),
    "no such day": (
        lambda a: correct_order(a, "O1", date(2026, 10, 1), {"status": "EXPIRED"}, ASHA), "on 2026-10-01",
    ),
    "filled too much": (
        lambda a: correct_order(a, "O1", None, {"filled_quantity": Decimal(11)}, ASHA), "11 cannot be filled",
    ),
    "an order as it is": (lambda a: correct_order(a, "O1", None, {"status": "EXECUTED"}, ASHA), "is so already"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_is_refused_and_nothing_is_written(account: BrokerAccount, what: str) -> None:
    correct, message = BAD[what]
    with pytest.raises(BadCorrection, match=message):
        correct(account)
    assert (LedgerPage.objects.filter(head__account=account).count(), Act.objects.count()) == (1, 0)


def test_corrections_and_syncs_of_one_account_take_turns(account: BrokerAccount, broker: Broker) -> None:
    """One after the other, whoever comes first: nothing is lost, and the pages chain."""
    broker.says["holdings"] = lambda: [build.a_holding(quantity=len(broker.asked))]
    name = source_id()

    def correct() -> None:
        for units in range(1, 7):
            revise(account, name, {"quantity": Decimal(units)}, ASHA)
        connections.close_all()

    correcting = threading.Thread(target=correct)
    correcting.start()
    synced = [len(build.synced(account)) for _ in range(4)]
    correcting.join()
    assert counting(account) == [(7, 6, 18_000)]
    assert Transaction.objects.count() == 7
    account.head.refresh_from_db()
    assert account.head.page_number == 1 + 6 + sum(synced)
    recomputed.check_all_pages()


def test_the_command_shows_what_changed(account: BrokerAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", type("Lines", (), {"isatty": lambda _: False, "readline": lambda _: "a slip\n"})())
    done = run("correct", "transaction", source_id(), "--account", account.pk, "--quantity", "8")
    assert done == (0, f"{source_id()}, revision 2\n  quantity: 10 -> 8\n  amount: 30000 -> 24000\n", "")
    assert words_of(Act.objects.get())["why"] == "a slip"
    void_it = ("correct", "transaction", source_id(), "--account", account.pk, "--reason", "a slip", "--void")
    says = "it counts as nothing from now on: a person says that it was none"
    assert run(*void_it) == (0, f"{source_id()}, revision 3\n  {says}\n", "")
    says = "it counts again; it was void: a person says that it was none"
    again = run(*void_it[:-1], "--price", "3001")[1].splitlines()
    assert sorted(again[1:]) == ["  amount: 24000 -> 24008", f"  {says}", "  price: 3000 -> 3001"]
    code, out, _ = run(
        "correct", "order", "O1", "--account", account.pk, "--filled", "8", "--reason", "a slip", "--json"
    )
    assert (code, '"filled_quantity": "8"' in out) == (0, True)


def test_the_command_refuses_in_words(account: BrokerAccount) -> None:
    given = ("--account", account.pk, "--reason", "x")
    assert run("correct", "transaction", "T9", "--void", *given) == (
        2, "", "no transaction of this account is called T9; the admin shows their ids",
    )  # fmt: skip
    code, _, error = run("correct", "transaction", source_id(), "--void", "--price", "5", *given)
    assert (code, error) == (2, "what is void has no other figures: give --void alone")


def test_a_blank_reason_is_asked_for(account: BrokerAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", type("Lines", (), {"isatty": lambda _: False, "readline": lambda _: " \n"})())
    words = ("correct", "transaction", source_id(), "--account", account.pk, "--void", "--reason", "  ")
    assert run(*words)[::2] == (2, "a correction needs a reason: --reason, or a line on standard input")


@pytest.mark.parametrize("author", [Author(" ", "a slip"), Author("Asha", " ")])
def test_who_corrects_and_why_is_never_blank(account: BrokerAccount, author: Author) -> None:
    before = Transaction.objects.count()
    with pytest.raises(Unsaid):
        void(account, source_id(), author)
    with pytest.raises(Unsaid):
        revise(account, source_id(), {"price": Decimal(1)}, author)
    assert Transaction.objects.count() == before


def test_nobody_writes_about_a_person_whose_key_is_gone(account: BrokerAccount) -> None:
    AccountKey.objects.filter(account=account).update(wrapped=b"")
    with pytest.raises(CannotDecrypt):
        void(account, source_id(), ASHA)


@pytest.fixture
def explained_purchase(broker: Broker, at: At) -> BrokerAccount:
    """100 TCS on Monday, 10 bought on Tuesday, 110 in the holdings of Wednesday: explained by that purchase."""
    account = build.an_account("SCRIPTED")
    evening(broker, at, 5, {"TCS": 100})
    build.synced(account)
    evening(broker, at, 6, {"TCS": 100}, order("B", 6, "BUY", 10))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 110})
    build.synced(account)
    at("2026-10-07 18:00")
    return account


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"quantity": Decimal(8)}, {1: 2}),
        ({"product": "MIS"}, {1: 10}),
        ({"transaction_type": "SELL"}, {1: 20}),
        ({"trade_date": date(2026, 10, 5)}, {}),
        ({"trade_date": date(2026, 10, 1)}, {1: 10}),  # before the opening, where it adds nothing
        ({"price": Decimal(2999)}, {}),
    ],
)
def test_what_a_corrected_fill_explains_no_more_is_a_question(
    explained_purchase: BrokerAccount, broker: Broker, at: At, changes: dict[str, Any], left: dict[int, int]
) -> None:
    account = explained_purchase
    revise(account, source_id(), changes, ASHA)
    assert (left_open(account), explained(account)) == (left, 110)
    assert account.events.filter(kind="question.opened").count() == len(left)
    evening(broker, at, 8, {"TCS": 110})
    build.synced(account)
    assert (left_open(account), explained(account)) == (left, 110)
    recomputed.check_all_pages()


def test_a_correction_answers_the_question_that_it_explains(
    explained_purchase: BrokerAccount, broker: Broker, at: At
) -> None:
    account = explained_purchase
    void(account, source_id(), ASHA)
    assert left_open(account) == {1: 10}
    revise(account, source_id(), {"quantity": Decimal(10)}, ASHA)
    assert (left_open(account), explained(account)) == ({}, 110)
    assert account.events.filter(kind="question.closed").count() == 1


@pytest.mark.parametrize("changes", [{}, {"trade_date": date(2026, 10, 1)}])  # void; or of before the opening
@pytest.mark.parametrize("shown", [90, 0])
def test_a_sale_that_was_shown_on_its_own_day_and_was_none_is_asked_for_at_the_next_look(
    broker: Broker, at: At, shown: int, changes: dict[str, Any]
) -> None:
    account = build.an_account("SCRIPTED")
    rest = {"INFY": 1}
    evening(broker, at, 5, {"TCS": 100} | rest)
    build.synced(account)
    evening(broker, at, 6, ({"TCS": shown} if shown else {}) | rest, order("S", 6, "SELL", 100 - shown))
    build.synced(account)
    assert left_open(account) == {}
    revise(account, source_id(), changes, ASHA) if changes else void(account, source_id(), ASHA)
    evening(broker, at, 7, ({"TCS": shown} if shown else {}) | rest)
    build.synced(account)
    assert (left_open(account), explained(account)) == ({1: shown - 100}, 1 + shown)
    at("2026-10-08 16:05")
    build.synced(account)
    assert (left_open(account), explained(account)) == ({1: shown - 100}, 1 + shown)
    recomputed.check_all_pages()


def test_what_was_corrected_by_mistake_and_back_takes_nothing_of_a_bonus(
    explained_purchase: BrokerAccount, broker: Broker, at: At
) -> None:
    account = explained_purchase
    evening(broker, at, 8, {"TCS": 220})
    build.synced(account)
    revise(account, source_id(), {"quantity": Decimal(18)}, ASHA)
    assert left_open(account) == {1: 110, 2: -8}
    revise(account, source_id(), {"quantity": Decimal(10)}, ASHA)
    assert left_open(account) == {1: 110}
    answer(account, Said(1, Answer("BONUS", 1, 2), "Asha"))
    assert (left_open(account), explained(account)) == ({}, 220)
    recomputed.check_all_pages()


def test_a_correction_takes_up_the_question_of_another_one_of_that_day(
    explained_purchase: BrokerAccount, broker: Broker, at: At
) -> None:
    account = explained_purchase
    for units, left in ((7, {1: 3}), (6, {1: 4}), (9, {1: 1}), (12, {1: -2}), (10, {})):
        revise(account, source_id(), {"quantity": Decimal(units)}, ASHA)
        assert left_open(account) == left
    assert explained(account) == 110


def test_a_purchase_that_is_void_is_no_sale_that_holdings_showed_on_its_day(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    evening(broker, at, 5, {"TCS": 100})
    build.synced(account)
    evening(broker, at, 6, {"TCS": 96}, order("B", 6, "BUY", 7))
    build.synced(account)
    evening(broker, at, 7, {"TCS": 103})
    build.synced(account)
    assert left_open(account) == {1: -4}
    void(account, source_id(), ASHA)
    assert left_open(account) == {1: -4, 2: 7}
    revise(account, source_id(), {"quantity": Decimal(7)}, ASHA)
    assert (left_open(account), explained(account)) == ({1: -4}, 103)


@pytest.mark.parametrize("changes", [{}, {"trade_date": date(2026, 10, 1)}])
def test_a_sale_of_the_first_day_that_was_shown_at_once_and_was_none_is_asked_for_at_the_next_look(
    broker: Broker, at: At, changes: dict[str, Any]
) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-05 11:00")
    evening(broker, lambda _: None, 5, {"TCS": 100, "INFY": 1})
    build.synced(account)
    evening(broker, at, 5, {"TCS": 90, "INFY": 1}, order("S", 5, "SELL", 10))
    build.synced(account)
    assert left_open(account) == {}
    at("2026-10-05 18:00")
    revise(account, source_id(), changes, ASHA) if changes else void(account, source_id(), ASHA)
    evening(broker, at, 6, {"TCS": 90, "INFY": 1})
    build.synced(account)
    assert (left_open(account), explained(account)) == ({1: -10}, 91)
    recomputed.check_all_pages()
