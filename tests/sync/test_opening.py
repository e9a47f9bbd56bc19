"""The first capture of an account, and captures outside the session's own day."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.entries import Position, SetAside
from portfolio.models import AccountMemory, BrokerAccount, OrderVersion
from portfolio.triggers.base import Answer, BrokerUnavailable, NotPermitted
from tests import build
from tests.sync.scripted import Broker
from tests.sync.test_bridge import evening, explained, left_open

pytestmark = pytest.mark.database

At = Callable[[str], None]
DOWN = BrokerUnavailable("the broker is down")


def openings(account: BrokerAccount) -> dict[str, tuple[str, int]]:
    rows = account.explanations.filter(kind="OPENING")
    return {row.symbol: (str(row.dated), int(row.quantity)) for row in rows}


def tell_trading(broker: Broker, **values: Any) -> None:
    """4 TCS bought and 2 INFY sold today, in orders, trades and positions; holdings do not show it yet."""
    bought = build.an_order(quantity=4, filled=4, **values)
    sold = build.an_order("O2", 2, 2, symbol="INFY", transaction_type="SELL", **values)
    broker.says.update(
        holdings=[build.a_holding("INFY", 25, 1500)],
        orders=[bought, sold],
        trades=[build.a_trade(bought), build.a_trade(sold, trade_id="T2")],
        positions=[build.a_position("TCS", 4), build.a_position("INFY", sold=2)],
    )


def test_the_opening_is_what_was_owned_before_the_first_days_trades(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    build.synced(account)
    assert openings(account) == {"INFY": ("2026-10-01", 25)}  # Friday was a holiday
    assert account.explanations.get().cost_price == 1500
    assert account.snapshots.get().holdings_count == 2
    assert account.holding_changes.count() == 0


@pytest.mark.parametrize("positions", [None, [], [build.a_position("TCS", 3)]], ids=["not offered", "empty", "older"])
def test_what_positions_do_not_show_of_the_first_days_trades_was_no_more_owned_before(
    broker: Broker, at: At, positions: list[Position] | None
) -> None:
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    broker.says["holdings"] = [build.a_holding("TCS", 100), build.a_holding("INFY", 25)]
    broker.says["positions"] = positions
    if positions is None:
        del broker.says["positions"]
    build.synced(account)
    assert openings(account) == {"TCS": ("2026-10-01", 100), "INFY": ("2026-10-01", 25)}
    evening(broker, at, 6, {"TCS": 104, "INFY": 23})
    build.synced(account)
    assert (left_open(account), explained(account)) == ({}, 127)


EMPTY, SHORT, UNREAD = "empty", "short", "unread"


@pytest.mark.parametrize("first", [EMPTY, SHORT, UNREAD])
def test_what_the_first_answer_lacked_and_a_later_one_of_the_day_shows_was_owned_before(
    broker: Broker, at: At, first: str
) -> None:
    account = build.an_account("SCRIPTED")
    whole = [build.a_holding("TCS", 100), build.a_holding("INFY", 25, 1500)]
    odd = Answer([], lambda _: (whole[:1], [SetAside("holdings", "INFY", "not a number")]))
    broker.says["holdings"] = {EMPTY: [], SHORT: whole[:1], UNREAD: lambda: odd}[first]
    build.synced(account)
    broker.says["holdings"] = whole
    at("2026-10-05 19:00")
    (result,) = build.synced(account)
    assert openings(account) == {"TCS": ("2026-10-01", 100), "INFY": ("2026-10-01", 25)}
    assert account.explanations.get(symbol="INFY").cost_price == 1500
    assert (result.status, left_open(account), explained(account)) == ("COMPLETED", {}, 125)
    evening(broker, at, 6, {"TCS": 100, "INFY": 25, "ITC": 7})
    build.synced(account)
    assert (list(left_open(account).values()), explained(account)) == ([7], 132)


def test_what_comes_on_the_first_day_in_the_place_of_what_went_is_a_question(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding("TCS", 10), build.a_holding("INFY", 25), build.a_holding("ITC", 8)]
    build.synced(account)
    broker.says["holdings"] = [*broker.says["holdings"][1:], build.a_holding("TCS", 50, isin="INE467B01037")]
    at("2026-10-05 19:00")
    build.synced(account)
    assert sorted(left_open(account).values()) == [-10, 50]


def test_what_was_bought_on_the_first_day_and_is_shown_at_once_is_no_opening(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    build.synced(account)
    broker.says["holdings"] = [build.a_holding("INFY", 25), build.a_holding("TCS", 4)]
    at("2026-10-05 19:00")
    build.synced(account)
    assert openings(account) == {"INFY": ("2026-10-01", 25)}


def test_what_positions_show_of_the_first_day_is_owned_once_where_no_fills_are_offered(broker: Broker, at: At) -> None:
    """Holdings show it on the next day, as a question: nothing else tells of it."""
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    del broker.says["orders"], broker.says["trades"]
    broker.says["holdings"] = [build.a_holding("TCS", 100), build.a_holding("INFY", 25)]
    build.synced(account)
    assert openings(account) == {"TCS": ("2026-10-01", 100), "INFY": ("2026-10-01", 25)}
    broker.says.update(holdings=[build.a_holding("TCS", 104), build.a_holding("INFY", 23)], positions=[])
    at("2026-10-06 16:05")
    build.synced(account)
    assert (sorted(left_open(account).values()), explained(account)) == ([-2, 4], 127)


FILL_LATE, ORDER_UNREAD = "the fill comes later", "its order cannot be read at first"


@pytest.mark.parametrize("trouble", [FILL_LATE, ORDER_UNREAD])
@pytest.mark.parametrize("clock", ["2026-10-05 11:00", "2026-10-05 16:05"])
def test_shares_bought_on_the_first_day_whose_fill_comes_later_were_not_owned_before(
    broker: Broker, at: At, trouble: str, clock: str
) -> None:
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    sound = dict(broker.says)
    sold = broker.says["orders"][1]
    broker.says["trades"] = [build.a_trade(sold, trade_id="T2")]
    if trouble == ORDER_UNREAD:
        broker.says["orders"] = lambda: Answer([], lambda _: ([sold], [SetAside("orders", "O1", "not a number")]))
    at(clock)
    (result,) = build.synced(account)
    assert result.status == "PARTIAL"
    broker.says = sound
    at("2026-10-05 19:00")
    build.synced(account)
    assert openings(account) == {"INFY": ("2026-10-01", 25)}
    evening(broker, at, 6, {"TCS": 4, "INFY": 23})
    build.synced(account)
    assert (left_open(account), explained(account)) == ({}, 27)


def test_a_fill_between_the_two_answers_of_the_first_capture_was_not_owned_before(broker: Broker, at: At) -> None:
    """Positions came after it, the order list before it."""
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    sound = dict(broker.says)
    broker.says.update(orders=[build.an_order(quantity=4)], trades=[])
    broker.says["positions"] = [build.a_position("TCS", 4)]
    at("2026-10-05 11:00")
    build.synced(account)
    broker.says = sound
    at("2026-10-05 16:05")
    build.synced(account)
    evening(broker, at, 6, {"TCS": 4, "INFY": 23})
    build.synced(account)
    assert (openings(account), left_open(account), explained(account)) == ({"INFY": ("2026-10-01", 25)}, {}, 27)


@pytest.mark.parametrize("clock", ["2026-10-05 20:00", "2026-10-06 08:30"])
def test_a_look_at_holdings_alone_opens_no_account(broker: Broker, at: At, clock: str) -> None:
    """It asks neither positions nor fills: what was traded on the day would be owned before it, and come again."""
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    sound = {**broker.says}
    broker.says["trades"] = DOWN
    build.synced(account)
    broker.says = sound | {"holdings": [build.a_holding("TCS", 4), build.a_holding("INFY", 23)]}
    at(clock)
    (result,) = build.synced(account, sync_type="HOLDINGS_LOOK")
    assert (result.status, openings(account)) == ("COMPLETED", {})
    evening(broker, at, 6, {"TCS": 4, "INFY": 23})
    build.synced(account)
    assert openings(account) == {"TCS": ("2026-10-05", 4), "INFY": ("2026-10-05", 23)}
    assert (left_open(account), explained(account)) == ({}, 27)


def test_what_was_bought_on_the_first_day_and_holdings_never_show_is_a_question_and_no_debt_before(
    broker: Broker, at: At
) -> None:
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    build.synced(account)
    evening(broker, at, 6, {"INFY": 23})
    build.synced(account)
    assert (openings(account), left_open(account)) == ({"INFY": ("2026-10-01", 25)}, {1: -4})
    evening(broker, at, 7, {"TCS": 4, "INFY": 23})
    build.synced(account)
    assert (openings(account), left_open(account), explained(account)) == ({"INFY": ("2026-10-01", 25)}, {}, 27)


def test_an_average_of_nothing_is_no_cost(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding(average=0)]
    build.synced(account)
    assert account.explanations.get().cost_price is None


@pytest.mark.parametrize("section", ["holdings", "positions", "trades", "orders"])
def test_there_is_no_opening_before_all_that_it_is_made_from_is_whole(broker: Broker, section: str, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tell_trading(broker)
    sound = dict(broker.says)
    broker.says[section] = DOWN
    build.synced(account)
    assert openings(account) == {}
    broker.says = sound
    at("2026-10-05 19:00")
    build.synced(account)
    assert openings(account) == {"INFY": ("2026-10-01", 25)}


def test_what_moves_before_the_opening_is_no_question(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], positions=DOWN)
    build.synced(account)
    at("2026-10-06 16:05")
    broker.says.update(holdings=[build.a_holding(quantity=30)], positions=[])
    build.synced(account)
    assert openings(account) == {"TCS": ("2026-10-05", 30)}
    assert account.holding_changes.count() == 0


def test_the_opening_is_written_once(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    at("2026-10-06 16:05")
    build.synced(account)
    assert openings(account) == {"TCS": ("2026-10-01", 10)}


def test_a_person_who_connects_on_a_sunday_sees_what_they_own(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-11 12:00")
    broker.says["holdings"] = [build.a_holding()]
    (result,) = build.synced(account)
    assert (result.status, str(result.capture.trading_day)) == ("COMPLETED", "2026-10-09")
    assert openings(account) == {"TCS": ("2026-10-08", 10)}
    assert [str(row.snapshot_date) for row in account.snapshots.all()] == ["2026-10-09"]
    assert account.holdings.get().owned_quantity == 10


FRIDAY = build.MORNING.replace(day=9)
POSITION, FILL = "position", "fill"


@pytest.mark.parametrize("told", [{POSITION}, {FILL}, {POSITION, FILL}], ids=["position", "fill", "both"])
@pytest.mark.parametrize("clock", ["2026-10-10 12:00", "2026-10-12 08:00"])
def test_what_was_bought_on_friday_is_owned_once_by_a_person_who_connects_after_it(
    broker: Broker, at: At, told: set[str], clock: str
) -> None:
    """Holdings show the 4 as T+1 shares by then; what the broker still tells of Friday shows them as well."""
    account = build.an_account("SCRIPTED")
    at(clock)
    bought = build.an_order(quantity=4, filled=4, created_at=FRIDAY)
    broker.prices = {"TCS": 100}
    broker.says["holdings"] = [build.a_holding(quantity=14, t1_quantity=4)]
    broker.says["positions"] = [build.a_position("TCS", 4)] if POSITION in told else []
    broker.says["orders"], broker.says["trades"] = ([bought], [build.a_trade(bought)]) if FILL in told else ([], [])
    build.synced(account)
    snapshot = account.snapshots.get()
    assert (str(snapshot.snapshot_date), snapshot.total_holdings_value) == ("2026-10-09", 1400)
    evening(broker, at, 12, {"TCS": 14})
    build.synced(account)
    latest = account.snapshots.latest("snapshot_date")
    assert (latest.total_holdings_value, latest.day_change, left_open(account)) == (1400, 0, {})


def test_what_was_bought_on_friday_and_holdings_do_not_show_yet_counts_beside_them(broker: Broker, at: At) -> None:
    """Ten minutes after midnight the T+1 shares are those of Thursday still."""
    account = build.an_account("SCRIPTED")
    at("2026-10-10 00:10")
    broker.prices = {"TCS": 100}
    broker.says["holdings"] = [build.a_holding(quantity=13, t1_quantity=3)]
    broker.says["positions"] = [build.a_position("TCS", 4)]
    build.synced(account)
    assert account.snapshots.get().total_holdings_value == 1700


def test_t1_shares_of_the_day_before_are_owned_beside_what_was_bought_today(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.prices = {"TCS": 100}
    broker.says["holdings"] = [build.a_holding(quantity=14, t1_quantity=4)]
    broker.says["positions"] = [build.a_position("TCS", 4)]
    build.synced(account)
    assert account.snapshots.get().total_holdings_value == 1800


OUTSIDE = ["2026-10-06 06:30", "2026-10-06 08:30"]


@pytest.mark.parametrize("clock", OUTSIDE)
def test_outside_the_sessions_own_day_all_is_evidence_but_orders_and_trades(broker: Broker, at: At, clock: str) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], positions=[build.a_position("INFY", quantity=3)])
    build.synced(account)
    before = [list(account.holdings.values()), list(account.positions.values()), list(account.snapshots.values())]
    at(clock)
    late = build.an_order("LATE", 5, 5)
    broker.says.update(
        holdings=[build.a_holding(quantity=99)], positions=[], orders=[late], trades=[build.a_trade(late)]
    )
    (result,) = build.synced(account)
    assert (result.status, result.capture.metadata) == ("COMPLETED", {"parser": "SCRIPTED 1", "holdings_differ": "1"})
    after = [list(account.holdings.values()), list(account.positions.values()), list(account.snapshots.values())]
    assert after == before
    assert str(OrderVersion.objects.get().order_date) == "2026-10-05"
    assert str(account.transactions.get().trade_date) == "2026-10-05"
    assert str(result.capture.trading_day) == "2026-10-05"
    assert account.holding_changes.count() == 0


def test_a_saturday_is_evidence_too(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    at("2026-10-09 16:05")
    build.synced(account)
    at("2026-10-10 16:05")
    broker.says["holdings"] = []
    (result,) = build.synced(account)
    assert (result.status, result.capture.metadata) == ("COMPLETED", {"parser": "SCRIPTED 1", "holdings_differ": "1"})
    assert account.holdings.get().unconfirmed_since is None
    assert account.snapshots.count() == 1


def test_no_snapshot_is_written_while_the_session_goes_on(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    for clock, count in (("10:00", 0), ("15:29", 0), ("15:41", 1)):
        at(f"2026-10-05 {clock}")
        build.synced(account)
        assert account.snapshots.count() == count


def test_a_trigger_that_only_offers_holdings_is_complete_with_the_rest_absent() -> None:
    account = build.an_account()
    (result,) = build.synced(account)
    states = {name: section.state for name, section in result.capture.sections.items()}
    absent = dict.fromkeys(("positions", "orders", "trails", "trades", "funds", "prices"), "absent")
    assert (result.status, states) == ("COMPLETED", {"holdings": "accepted", **absent})
    rows = account.holdings.order_by("symbol").values_list("symbol", "isin", "owned_quantity", "average_price")
    assert [(symbol, isin, int(units), str(price)) for symbol, isin, units, price in rows] == [
        ("INFY", "INE009A01021", 25, "1510.35000000"),
        ("TCS", "INE467B01029", 10, "2200.00000000"),
    ]
    snapshot = account.snapshots.get()
    assert (snapshot.total_portfolio_value, snapshot.stale_prices, snapshot.cash_balance) == (0, 2, None)


def test_orders_alone_are_asked_for_an_order_sync(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], orders=[build.an_order()])
    (result,) = build.synced(account, sync_type="ORDER_HISTORY")
    assert (result.status, set(result.capture.sections)) == ("COMPLETED", {"orders", "trails", "trades"})
    assert {section for _, section in broker.asked} == {"orders", "trades"}
    assert (OrderVersion.objects.count(), account.holdings.count(), account.snapshots.count()) == (1, 0, 0)


def test_an_account_that_may_read_nothing_is_failed_and_told_what_to_do(broker: Broker) -> None:
    account = build.an_account("SCRIPTED", "CLIENT9")
    broker.says = dict.fromkeys(broker.says, NotPermitted("CLIENT9 has no subscription"))
    (result,) = build.synced(account)
    (problem,) = result.capture.problems
    assert (result.status, problem.section, problem.kind) == ("FAILED", "account", "not_permitted")
    assert problem.message == "nothing that was asked is permitted: *** has no subscription"
    assert problem.next == "see at the broker that its API is subscribed to and may read this, then sync again"
    stands = BrokerAccount.objects.get(pk=account.pk)
    assert (stands.state, stands.state_reason) == ("failing", problem.message)
    assert (account.snapshots.count(), account.explanations.count()) == (0, 0)


def test_orders_that_were_never_permitted_leave_an_order_sync_complete(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(orders=NotPermitted("no orders"), trades=NotPermitted("no trades"))
    for sync_type in ("ORDER_HISTORY", "DAILY_PORTFOLIO"):
        (result,) = build.synced(account, sync_type=sync_type)
        assert (result.status, result.capture.problems) == ("COMPLETED", [])


def test_nothing_held_and_nothing_open_leaves_no_price_to_ask_for(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    (result,) = build.synced(account)
    assert result.made.section("prices").state == "absent"


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_holdings_that_are_permitted_no_more_make_no_total_and_no_opening(
    broker: Broker, at: At, is_forgotten: bool
) -> None:
    """Not even when the account's head has forgotten what it was told before."""
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    build.synced(account)
    if is_forgotten:
        AccountMemory.objects.update(content="{}")
    at("2026-10-06 16:05")
    broker.says["holdings"] = NotPermitted("the plan has no holdings")
    (result,) = build.synced(account)
    assert result.status == "PARTIAL"
    assert [(each.section, each.kind) for each in result.capture.problems] == [("holdings", "not_permitted")]
    assert [str(row.snapshot_date) for row in account.snapshots.all()] == ["2026-10-05"]
    assert (openings(account), account.holdings.count()) == ({"TCS": ("2026-10-01", 10)}, 1)


def test_holdings_that_are_gone_before_the_opening_make_no_total_and_no_opening_either(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says.update(holdings=[build.a_holding()], positions=DOWN)
    build.synced(account)
    AccountMemory.objects.update(content="{}")
    at("2026-10-06 16:05")
    broker.says.update(holdings=NotPermitted("the plan has no holdings"), positions=[])
    (result,) = build.synced(account)
    assert result.made.section("holdings").state == "absent"
    assert (account.snapshots.count(), openings(account), account.holdings.count()) == (0, {}, 1)


def test_orders_that_are_absent_leave_their_trades_absent(broker: Broker) -> None:
    account = build.an_account("SCRIPTED", "CLIENT9")
    broker.says["orders"] = NotPermitted("CLIENT9's plan has no orders")
    (result,) = build.synced(account)
    assert (result.status, result.capture.problems) == ("COMPLETED", [])
    assert result.made.section("trades").state == "absent"
    assert result.capture.metadata == {"parser": "SCRIPTED 1", "orders_absent": "***'s plan has no orders"}


@pytest.mark.parametrize(
    ("bought", "shown", "next_day", "pieces"),
    [(0, 90, 90, [-10]), (3, 90, 93, [-10, 3]), (3, 93, 93, [-7]), (0, 100, 90, [-10])],
    ids=["sells", "sells, not what was bought", "both", "neither"],
)
def test_what_the_first_holdings_had_shown_already_is_told_by_the_next_days(
    broker: Broker, at: At, bought: int, shown: int, next_day: int, pieces: list[int]
) -> None:
    """Of 100 that were owned 10 were sold on the first day. Each fill is used once, and no piece is of nothing."""
    account = build.an_account("SCRIPTED")
    orders = [build.an_order("O1", 10, 10, transaction_type="SELL"), build.an_order("O2", 3, bought)]
    broker.says.update(
        holdings=[build.a_holding(quantity=shown)], orders=orders, positions=[build.a_position("TCS", bought, 10)],
        trades=[build.a_trade(order, trade_id=order.order_id) for order in orders if order.filled_quantity],
    )  # fmt: skip
    build.synced(account)
    at("2026-10-06 16:05")
    broker.says.update(holdings=[build.a_holding(quantity=next_day)], orders=[], positions=[], trades=[])
    build.synced(account)
    told = account.explanations.order_by("quantity")
    assert [int(row.quantity) for row in told.filter(kind="FILLS")] == pieces
    assert told.filter(kind="OPENING").latest("detected_at", "pk").quantity == 100
    assert account.holding_changes.exclude(question_number=None).count() == 0
