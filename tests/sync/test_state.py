"""Holdings, positions, prices and the day's snapshot, from one capture to the next."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import Funds
from portfolio.models import BrokerAccount, LedgerPage, PortfolioSnapshot, Price, SyncBatch
from portfolio.sync import prices
from portfolio.triggers.base import BrokerUnavailable
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
DOWN = BrokerUnavailable("the broker is down")


def held(account: BrokerAccount) -> dict[str, int]:
    return {row.symbol: int(row.owned_quantity) for row in account.holdings.all()}


def snapshots(account: BrokerAccount) -> list[tuple[str, int, Decimal]]:
    rows = account.snapshots.order_by("snapshot_date", "revision")
    return [(str(row.snapshot_date), row.revision, row.total_holdings_value) for row in rows]


def test_a_sold_out_holding_is_gone_and_its_end_is_kept(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding("TCS"), build.a_holding("INFY", 25)]
    build.synced(account)
    at("2026-10-06 16:05")
    sale = build.an_order(filled=10, transaction_type="SELL", created_at=build.MORNING.replace(day=6))
    broker.says.update(orders=[sale], trades=[build.a_trade(sale)], holdings=[build.a_holding("INFY", 25)])
    (result,) = build.synced(account)
    assert (result.status, held(account)) == ("COMPLETED", {"INFY": 25})
    rows = account.holding_versions.filter(symbol="TCS").order_by("detected_at", "pk")
    assert list(rows.values_list("is_gone", "owned_quantity")) == [(False, 10), (True, 0)]
    change = account.holding_changes.get()
    assert (change.quantity_delta, change.unexplained_quantity, change.question_number) == (-10, 0, None)


def test_a_holding_without_a_price_in_its_answer_gets_the_last_traded_one(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding("TCS"), build.a_holding("ITC", 4)]
    broker.prices = {"TCS": Decimal("3010.05")}
    build.synced(account)
    rows = account.holdings.order_by("symbol").values_list("symbol", "current_price", "current_value")
    assert list(rows) == [("ITC", None, None), ("TCS", Decimal("3010.05"), Decimal("30100.5"))]
    snapshot = account.snapshots.get()
    assert (snapshot.total_holdings_value, snapshot.holdings_count, snapshot.stale_prices) == (Decimal("30100.5"), 2, 1)


def test_an_equal_second_run_of_the_day_writes_nothing_but_that_it_looked(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], positions=[build.a_position("INFY", quantity=3)])
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500)}
    build.synced(account)
    before = {
        "snapshots": snapshots(account),
        "prices": Price.objects.count(),
        "holdings": list(account.holdings.values()),
    }
    at("2026-10-05 19:00")
    (result,) = build.synced(account)
    assert (result.status, result.page.entries_count) == ("COMPLETED", 0)
    after = {
        "snapshots": snapshots(account),
        "prices": Price.objects.count(),
        "holdings": list(account.holdings.values()),
    }
    assert after == before
    assert [event.kind for event in account.events.order_by("number")] == [
        "account.connected", "sync.completed", "holdings.changed", "sync.completed",
    ]  # fmt: skip


def test_a_second_run_with_other_prices_is_the_next_revision_of_the_day(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    for clock, price in (("16:05", 3000), ("19:00", 3001), ("21:00", 3001)):
        at(f"2026-10-05 {clock}")
        broker.prices = {"TCS": Decimal(price)}
        build.synced(account)
    assert snapshots(account) == [("2026-10-05", 1, 30000), ("2026-10-05", 2, 30010)]
    assert account.holdings.get().current_value == 30010
    assert list(Price.objects.order_by("revision").values_list("revision", "price")) == [(1, 3000), (2, 3001)]


def test_the_price_of_another_exchange_does_where_there_is_no_other(broker: Broker) -> None:
    from ledger.entries import Price as Told

    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    broker.says["prices"] = [Told("TCS", "BSE", "CASH", Decimal(2999))]
    build.synced(account)
    assert account.holdings.get().current_price == 2999


def test_a_price_seen_before_the_current_one_writes_nothing_and_is_not_remembered(broker: Broker, at: At) -> None:
    accounts = [build.an_account("SCRIPTED", client) for client in ("A", "B")]
    broker.says["holdings"] = [build.a_holding()]
    steps = (("16:30", 105, accounts[0]), ("16:05", 100, accounts[1]), ("17:00", 100, accounts[0]))
    for clock, price, account in steps:
        at(f"2026-10-05 {clock}")
        broker.prices = {"TCS": Decimal(price)}
        build.synced(account)
    assert list(Price.objects.order_by("revision").values_list("revision", "price")) == [(1, 105), (2, 100)]


def test_a_price_that_becomes_the_days_last_is_told_though_it_is_equal(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    broker.prices = {"TCS": Decimal(3000)}
    for clock in ("10:00", "11:00", "16:05", "19:00"):
        at(f"2026-10-05 {clock}")
        build.synced(account)
    rows = Price.objects.order_by("revision")
    assert list(rows.values_list("revision", "price", "is_close")) == [(1, 3000, False), (2, 3000, True)]
    assert [f"{row.observed_at:%H:%M}" for row in rows] == ["04:30", "10:35"]


@pytest.mark.parametrize("clocks", [("10:00", "11:00"), ("16:05", "19:00")], ids=["session", "close"])
def test_an_equal_price_is_no_news_to_another_process_either(broker: Broker, at: At, clocks: tuple[str, str]) -> None:
    broker.says["holdings"] = [build.a_holding()]
    broker.prices = {"TCS": Decimal(3000)}
    for clock, client in zip(clocks, "AB", strict=True):
        prices.forget()  # as a process that has just begun
        at(f"2026-10-05 {clock}")
        build.synced(build.an_account("SCRIPTED", client))
    assert list(Price.objects.values_list("revision", "price")) == [(1, 3000)]


LARGE = 9_000_000_000_000  # INR, just within what a column can hold


@pytest.mark.parametrize(
    ("held", "fills"),
    [({"TCS": LARGE, "INFY": LARGE}, 0), ({"TCS": -LARGE, "INFY": -LARGE}, 0), ({"TCS": 1, "INFY": 1}, 2)],
    ids=["value", "loss", "purchases"],
)
def test_totals_that_no_column_can_hold_are_told_and_all_else_is_recorded(
    broker: Broker, held: dict[str, int], fills: int
) -> None:
    account, sound = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "SOUND")
    broker.says["holdings"] = [build.a_holding()]
    units, price = Decimal(900), Decimal(10_000_000_000)
    orders = [build.an_order(f"O{number}", units, units, price=price) for number in range(fills)]
    broker.others["S1"] = {
        "holdings": [build.a_holding(symbol, 1000, last_price=value // 1000) for symbol, value in held.items()],
        "orders": orders,
        "trades": [build.a_trade(order, trade_id=order.order_id) for order in orders],
    }
    result, other = build.synced(account, sound)
    (problem,) = result.capture.problems
    assert (result.status, other.status, problem.section, problem.kind) == (
        "PARTIAL", "COMPLETED", "snapshot", "too_large",
    )  # fmt: skip
    assert problem.message.startswith("the day's totals cannot be right: ")
    assert (account.holdings.count(), account.snapshots.count(), account.transactions.count()) == (2, 0, fills)
    assert sound.snapshots.count() == 1


def test_positions_that_the_broker_shows_no_more_are_closed(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [build.a_position("TCS", 5), build.a_position("INFY", 3, product="MIS")]
    build.synced(account)
    at("2026-10-06 10:00")
    broker.says["positions"] = [build.a_position("INFY", 3, product="MIS")]
    build.synced(account)
    assert list(account.positions.values_list("symbol", flat=True)) == ["INFY"]
    ended = account.position_versions.filter(symbol="TCS").order_by("detected_at", "pk")
    assert list(ended.values_list("is_gone", "quantity")) == [(False, 5), (True, 0)]


def test_positions_on_two_exchanges_or_products_stay_apart(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [build.a_position(bought=5), build.a_position(bought=5, product="MIS")]
    build.synced(account)
    assert sorted(account.positions.values_list("product", flat=True)) == ["CNC", "MIS"]


POSITIONS = [
    build.a_position("TCS", 5),
    build.a_position("INFY", 3, product="MIS"),
    build.a_position("NIFTY26OCT25000CE", 65, segment="FNO", product="NRML"),
]


def test_shares_of_an_earlier_days_positions_are_in_holdings_and_not_counted_twice(broker: Broker, at: At) -> None:
    """An option stays open; what was bought and what was squared off yesterday is not of today."""
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding("TCS", 10)], positions=POSITIONS)
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500), "NIFTY26OCT25000CE": Decimal(100)}
    for clock in ("16:05", "19:00"):
        at(f"2026-10-05 {clock}")
        build.synced(account)
    del broker.says["positions"]
    at("2026-10-06 16:05")
    broker.says["holdings"] = [build.a_holding("TCS", 15)]
    (result,) = build.synced(account)
    rows = account.snapshots.order_by("snapshot_date")
    assert result.status == "COMPLETED"
    assert [(row.total_holdings_value, row.total_positions_value) for row in rows] == [(45000, 11000), (45000, 6500)]
    assert account.positions.count() == 3


def test_todays_positions_count_though_a_later_look_of_the_day_does_not_get_them(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding("TCS", 10)], positions=POSITIONS)
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500), "NIFTY26OCT25000CE": Decimal(100)}
    build.synced(account)
    del broker.says["positions"]
    at("2026-10-05 19:00")
    broker.prices = {"TCS": Decimal(3001)}
    build.synced(account)
    rows = account.snapshots.order_by("revision")
    assert [(row.total_holdings_value, row.total_positions_value) for row in rows] == [(45000, 11000), (45015, 11000)]


@pytest.mark.parametrize("before", ["2026-10-05 11:00", "2026-10-05 16:05"])
def test_the_days_orders_are_counted_though_a_later_look_does_not_get_them(broker: Broker, at: At, before: str) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], orders=[build.an_order("O1"), build.an_order("O2")])
    sound = dict(broker.says)
    counts = []
    looks = {before: sound, "2026-10-05 17:00": sound | {"orders": DOWN}, "2026-10-05 19:00": sound}
    for clock, broker.says in looks.items():
        at(clock)
        build.synced(account)
        counts.append([row.orders_count for row in account.snapshots.order_by("revision")])
    assert counts == [[2] if before.endswith("16:05") else [], [2], [2]]


@pytest.mark.parametrize(("before", "counts"), [("2026-10-05 11:00", [2]), ("2026-10-05 16:00", [1, 2])])
def test_orders_that_a_look_at_orders_alone_learnt_are_counted_though_the_next_look_does_not_get_them(
    broker: Broker, at: At, before: str, counts: list[int]
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], orders=[build.an_order("O1")])
    if len(counts) > 1:
        at("2026-10-05 15:50")
        build.synced(account)
    broker.says["orders"] = [build.an_order("O1"), build.an_order("O2")]
    at(before)
    build.synced(account, sync_type="ORDER_HISTORY")
    broker.says["orders"] = DOWN
    at("2026-10-05 16:05")
    build.synced(account)
    assert [row.orders_count for row in account.snapshots.order_by("revision")] == counts


def test_orders_that_a_look_at_orders_alone_learnt_are_in_the_days_snapshot_after_the_next_equal_look(
    broker: Broker, at: At
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], orders=[build.an_order("O1")])
    del broker.says["trades"]  # all else is as it was: nothing of such a look is compared
    at("2026-10-05 15:50")
    build.synced(account)
    broker.says["orders"] = [build.an_order("O1"), build.an_order("O2")]
    at("2026-10-05 16:00")
    build.synced(account, sync_type="ORDER_HISTORY")
    is_quiet = []
    for clock in ("16:05", "19:00"):
        at(f"2026-10-05 {clock}")
        (result,) = build.synced(account)
        is_quiet.append(result.made.is_quiet)
    assert is_quiet == [False, True]
    assert [row.orders_count for row in account.snapshots.order_by("revision")] == [1, 2]


def test_an_opening_is_not_made_from_positions_of_an_earlier_day(broker: Broker, at: At) -> None:
    from portfolio.triggers.base import BrokerUnavailable

    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=BrokerUnavailable("down"), positions=[build.a_position("TCS", 5)])
    build.synced(account)
    at("2026-10-06 16:05")
    del broker.says["positions"]
    broker.says["holdings"] = [build.a_holding("TCS", 15)]
    build.synced(account)
    assert account.explanations.get().quantity == 15


@pytest.mark.parametrize("name", ["TCS", " TCS ", "", "  ", None])
def test_a_position_that_cannot_be_read_is_not_gone_nor_counted_on_another_day(
    broker: Broker, at: At, name: Any
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding("TCS", 10)], positions=[build.a_position("TCS", 5)])
    broker.prices = {"TCS": Decimal(3000)}
    build.synced(account)
    for day, value in ((5, 45000), (6, 30000), (6, 30000)):
        broker.says["positions"] = [build.a_position()._replace(symbol=name, quantity=Decimal("NaN"))]
        at(f"2026-10-{day:02} {19 + account.snapshots.count()}:00")
        (result,) = build.synced(account)
        assert (result.status, account.positions.get().credit_quantity) == ("PARTIAL", 5)
        assert account.snapshots.latest("snapshot_date", "revision").total_holdings_value == value
    assert account.position_versions.count() == 1


@pytest.mark.parametrize("name", ["TCS", " TCS ", "", "  "])
def test_a_holding_that_cannot_be_read_is_not_gone_however_its_name_is_spaced(
    broker: Broker, at: At, name: str
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding("TCS"), build.a_holding("INFY")]
    build.synced(account)
    broker.says["holdings"] = [
        build.a_holding("INFY"),
        build.a_holding()._replace(symbol=name, quantity=Decimal("NaN")),
    ]
    for day in (6, 7):
        at(f"2026-10-{day:02} 16:05")
        build.synced(account)
    assert held(account) == {"TCS": 10, "INFY": 10}


CLOCKS = [
    ("2026-10-05 23:50", "2026-10-05", True),
    ("2026-10-06 00:10", "2026-10-05", False),  # still Monday's, but no more Monday
    ("2026-10-06 05:29", "2026-10-05", False),  # 23:59 in London
    ("2026-10-06 05:31", "2026-10-05", False),  # the next day in London as well
    ("2026-10-06 08:30", "2026-10-05", False),
    ("2026-10-06 09:00", "2026-10-06", False),  # the pre-open has begun: Tuesday's, without a snapshot yet
    ("2026-10-06 15:29", "2026-10-06", False),
    ("2026-10-06 16:05", "2026-10-06", True),
]


@pytest.mark.parametrize(("clock", "day", "has_snapshot"), CLOCKS)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_trading_day_is_indias_wherever_the_server_stands(
    broker: Broker, at: At, monkeypatch: pytest.MonkeyPatch, clock: str, day: str, has_snapshot: bool, zone: str
) -> None:
    import time

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    at("2026-10-05 10:00")
    build.synced(account)
    at(clock)
    build.synced(account)
    monkeypatch.undo()
    time.tzset()
    assert str(SyncBatch.objects.filter(broker_account=account).latest("started_at").trading_day) == day
    assert [str(row.snapshot_date) for row in PortfolioSnapshot.objects.all()] == ([day] if has_snapshot else [])


def test_the_trading_day_is_fixed_when_a_capture_begins(broker: Broker, at: At) -> None:
    """A slow broker answers after midnight: it is still Monday's capture."""
    account = build.an_account("SCRIPTED")

    def slowly() -> list[object]:
        at("2026-10-06 00:20")
        return [build.a_holding()]

    broker.says["holdings"] = slowly
    at("2026-10-05 23:58")
    (result,) = build.synced(account)
    assert (str(result.capture.trading_day), snapshots(account)[0][0]) == ("2026-10-05", "2026-10-05")
    batch = SyncBatch.objects.get(broker_account=account)
    assert str(batch.started_at) == "2026-10-05 18:28:00+00:00"
    assert str(batch.completed_at) == "2026-10-05 18:50:00+00:00"
    assert LedgerPage.objects.filter(head__account=account).count() == 1


def test_cash_is_a_version_when_it_differs_and_stands_in_the_days_snapshot(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    seen = []
    for hour, cash in [(16, "1000.50"), (17, "1000.50"), (18, "250"), (19, None)]:
        at(f"2026-10-05 {hour}:05")
        broker.says["funds"] = [Funds(Decimal(cash), Decimal(40))] if cash else BrokerUnavailable("busy")
        build.synced(account)
        stands = account.snapshots.order_by("revision").last()
        seen.append((account.funds_versions.count(), stands and stands.cash_balance, stands and stands.margin_used))
    assert seen == [(1, Decimal("1000.50"), 40), (1, Decimal("1000.50"), 40), (2, 250, 40), (2, 250, 40)]


def test_of_two_rows_of_cash_the_first_stands(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["funds"] = [Funds(Decimal(1000)), Funds(Decimal(7))]
    for clock in ("16:05", "19:00"):
        at(f"2026-10-05 {clock}")
        build.synced(account)
    assert [row.cash_balance for row in account.funds_versions.all()] == [1000]


def test_the_event_of_a_sync_says_its_day_its_worth_and_what_went_wrong(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    at("2026-10-05 17:05")
    broker.says["orders"] = BrokerUnavailable("busy")
    build.synced(account)
    whole, partial = (
        json.loads(row.payload) for row in account.events.filter(kind__startswith="sync.").order_by("number")
    )
    assert (whole["trading_day"], whole.get("problems")) == ("2026-10-05", None)
    assert Decimal(whole["total_portfolio_value"]) == account.snapshots.get(revision=1).total_portfolio_value
    assert {problem["section"] for problem in partial["problems"]} == {"orders", "trades"}
