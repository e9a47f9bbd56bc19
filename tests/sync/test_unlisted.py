"""An order list that is short of what positions show: told the same evening, at each broker, and never in vain."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from ledger.entries import Order, Position
from portfolio.corrections import Author, revise, void
from portfolio.models import BrokerAccount, ChangeExplanation, OrderVersion, Transaction
from portfolio.sync.capture import ORDERS_ONLY, REALTIME
from portfolio.triggers.base import Answer, BrokerUnavailable, Reply
from simulators.investor import Investor
from simulators.market import Market
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]
TUESDAY, EVENING = "2026-10-06", "2026-10-05 16:05"
Ended = tuple[str, list[tuple[str, str]]]
WHOLE: Ended = ("COMPLETED", [])


def ended(result: Any) -> Ended:
    return result.status, [(problem.section, problem.kind) for problem in result.capture.problems]


def short(*more: tuple[str, str]) -> Ended:
    return "PARTIAL", [*more, ("orders", "orders_missing")]


# At both brokers, by their simulators


class Local(NamedTuple):
    """One investor, the broker's simulator, and the account that Khata keeps."""

    investor: Investor
    simulator: Any
    account: BrokerAccount
    path: str

    def lose(self, kind: str, **options: Any) -> None:
        self.simulator.fault(kind, self.path, **options)

    def synced(self, clock_time: str, **options: Any) -> Any:
        self.simulator.move_to(f"{TUESDAY} {clock_time}")
        return build.synced(self.account, **options)[0]


def an_investor() -> Investor:
    investor = Investor(Market(), "1000000001")
    for symbol in ("TCS", "ITC"):
        investor.start_with(symbol, 100, "1000")
    return investor


@contextmanager
def at_groww(investor: Investor) -> Iterator[Local]:
    with build.groww(investor) as simulator:
        simulator.move_to(f"{TUESDAY} 09:05")
        yield Local(investor, simulator, build.a_groww_account(simulator, investor.ucc), "/order/list")


@contextmanager
def at_zerodha(investor: Investor) -> Iterator[Local]:
    with build.zerodha(investor) as simulator:
        simulator.move_to(f"{TUESDAY} 09:05")
        yield Local(investor, simulator, build.a_zerodha_account(simulator, investor.ucc), "/orders")


@pytest.fixture(params=[at_groww, at_zerodha])
def local(request: pytest.FixtureRequest) -> Iterator[Local]:
    """Bought INFY in the morning and sold some TCS, and ITC went out and in again within the day."""
    investor = an_investor()
    investor.at(f"{TUESDAY} 10:00", lambda one: one.buy("INFY", 10))
    investor.at(f"{TUESDAY} 11:00", lambda one: one.sell("TCS", 4, exchange="BSE"))
    investor.at(f"{TUESDAY} 12:00", lambda one: one.sell("ITC", 7, product="INTRADAY"))
    investor.at(f"{TUESDAY} 13:00", lambda one: one.buy("ITC", 7, product="INTRADAY"))
    with request.param(investor) as served:
        yield served


def test_a_whole_list_is_whole(local: Local) -> None:
    assert [ended(local.synced(at)) for at in ("14:00", "16:05", "16:05", "19:00")] == [WHOLE] * 4


def test_an_empty_list_is_told_until_it_is_whole(local: Local) -> None:
    local.lose("empty_list")
    first, second = local.synced("16:05"), local.synced("16:10")
    local.simulator.clear_faults()
    assert [ended(first), ended(second), ended(local.synced("16:20"))] == [short(), short(), WHOLE]
    (problem,) = first.capture.problems
    assert problem.message == (
        "the order list may be short: positions show what no fill explains, "
        "INFY 10 bought, TCS 4 sold, ITC 7 bought and 7 sold"
    )
    assert "it is asked again this evening" in problem.next
    assert Transaction.objects.count() == 4


def test_a_list_that_lacks_an_order_is_told_and_what_it_has_is_taken(local: Local) -> None:
    local.lose("short_list")
    first = local.synced("16:05")
    local.simulator.clear_faults()
    second = local.synced("16:10")
    assert [ended(first), ended(second)] == [short(), WHOLE]
    written = [OrderVersion.objects.filter(batch_id=each.capture.batch_id) for each in (first, second)]
    assert [len(set(rows.values_list("groww_order_id", flat=True))) for rows in written] == [3, 1]


def test_a_list_that_stays_short_is_told_at_every_look(local: Local) -> None:
    """Also where another list has told the fill meanwhile: the order is missing all the same."""
    local.lose("short_list")
    assert [ended(local.synced(at)) for at in ("16:05", "16:10", "19:00", "19:05")] == [short()] * 4
    local.simulator.clear_faults()
    assert ended(local.synced("19:10")) == WHOLE


@pytest.mark.parametrize(("kind", "lost"), [("empty_list", 4), ("short_list", 1)])
def test_a_list_that_has_lost_what_it_had_is_told_until_it_is_whole_and_loses_nothing(
    local: Local, kind: str, lost: int
) -> None:
    assert ended(local.synced("16:05")) == WHOLE
    versions = OrderVersion.objects.count()
    local.lose(kind)
    looks = [local.synced(at) for at in ("19:00", "19:05")]
    local.simulator.clear_faults()
    assert [ended(one) for one in (*looks, local.synced("19:10"), local.synced("19:15"))] == [short()] * 2 + [WHOLE] * 2
    for one in looks:
        (problem,) = one.capture.problems
        before, names = problem.message.rsplit("not listed now, ", 1)
        assert before == "the order list may be short: orders that were listed before are "
        assert len(names.split(", ")) == lost
    assert (OrderVersion.objects.count(), Transaction.objects.count()) == (versions, 4)


def test_a_look_at_orders_alone_tells_of_an_order_that_is_listed_no_more(local: Local) -> None:
    local.synced("16:05")
    local.lose("empty_list")
    assert ended(local.synced("16:10", sync_type=ORDERS_ONLY)) == short()


def test_what_was_listed_yesterday_is_not_missing_today(account: BrokerAccount, broker: Broker, at: At) -> None:
    tell(broker, "O1", 4)
    build.synced(account)
    at("2026-10-06 16:05")
    broker.says.update(orders=[], trades=[], positions=[])
    assert ended(build.synced(account)[0]) == WHOLE


@pytest.fixture(params=[at_groww, at_zerodha])
def filling(request: pytest.FixtureRequest) -> Iterator[Local]:
    """An order that is filled in parts, between the looks of the day."""
    investor = an_investor()
    orders: list[Any] = []
    investor.at(f"{TUESDAY} 10:00", lambda one: orders.append(one.place("INFY", "BUY", 10, price="1500")))
    investor.at(f"{TUESDAY} 10:10", lambda one: one.fill(orders[0], 2, "1490"))
    investor.at(f"{TUESDAY} 12:10", lambda one: one.fill(orders[0], 3, "1490"))
    investor.at(f"{TUESDAY} 15:00", lambda one: one.fill(orders[0], 5, "1490"))
    with request.param(investor) as served:
        yield served


def test_fills_between_the_looks_of_a_running_order_are_no_trouble(filling: Local) -> None:
    looks = [filling.synced(at, sync_type=REALTIME) for at in ("09:30", "11:00", "13:00", "14:00")]
    assert [ended(one) for one in (*looks, filling.synced("16:05"))] == [WHOLE] * 5
    assert sorted(Transaction.objects.values_list("quantity", flat=True)) == [2, 3, 5]


def fills_asked(local: Local) -> int:
    """How often the broker was asked for fills so far."""
    return sum("/trades" in served.path for served in local.simulator.requests)


def test_fills_that_a_person_set_right_are_asked_for_no_more(local: Local) -> None:
    local.synced("16:05")
    asha, mine = Author("Asha", "the contract note"), local.account.transactions
    revise(local.account, mine.get(symbol="INFY").source_id, {"transaction_type": "SELL"}, asha)
    revise(local.account, mine.get(symbol="TCS").source_id, {"quantity": Decimal(3)}, asha)
    void(local.account, mine.get(symbol="ITC", transaction_type="SELL").source_id, asha)
    asked = fills_asked(local)
    assert [ended(local.synced(at)) for at in ("16:10", "19:00")] == [WHOLE] * 2
    assert (fills_asked(local), Transaction.objects.count()) == (asked, 4 + 3)


def test_the_further_fills_of_an_order_of_which_one_was_set_right_are_asked_for(filling: Local) -> None:
    filling.synced("11:00", sync_type=REALTIME)
    fill = filling.account.transactions.get()
    revise(filling.account, fill.source_id, {"transaction_type": "SELL"}, Author("Asha", "the contract note"))
    assert ended(filling.synced("16:05")) == WHOLE
    dealt = filling.account.transactions.current().order_by("executed_at").values_list("transaction_type", "quantity")
    assert list(dealt) == [("SELL", 2), ("BUY", 3), ("BUY", 5)]


# As values: what a broker may say


def dealt(symbol: str, bought: int = 0, sold: int = 0, **values: Any) -> Position:
    return build.a_position(symbol, bought, sold, **values)


def tell(broker: Broker, order_id: str, filled: int, **values: Any) -> Order:
    """An order that the broker lists, with its fill."""
    order = build.an_order(order_id, filled, filled, **values)
    broker.says["orders"] = [*broker.says["orders"], order]
    broker.says["trades"] = [*broker.says["trades"], build.a_trade(order, trade_id=f"T{order_id}")]
    return order


@pytest.fixture
def account(at: At) -> BrokerAccount:
    at(EVENING)
    return build.an_account("SCRIPTED")


def test_the_same_short_list_is_told_again_though_nothing_else_moved(account: BrokerAccount, broker: Broker) -> None:
    tell(broker, "O1", 4)
    broker.says["positions"] = [dealt("TCS", 10)]
    assert [ended(build.synced(account)[0]) for _ in range(3)] == [short()] * 3
    tell(broker, "O2", 6)
    assert ended(build.synced(account)[0]) == WHOLE


def test_positions_that_show_more_later_the_same_list_is_short(account: BrokerAccount, broker: Broker) -> None:
    tell(broker, "O1", 4)
    broker.says["positions"] = [dealt("TCS", 4)]
    results = [build.synced(account)[0]]
    broker.says.update(
        positions=[dealt("TCS", 10)], trades=Answer([], lambda _: ([], []))
    )  # none are lacking: not asked
    results += [build.synced(account)[0] for _ in range(2)]
    assert [ended(each) for each in results] == [WHOLE, short(), short()]


def test_a_fill_that_positions_do_not_show_yet_is_no_trouble(account: BrokerAccount, broker: Broker) -> None:
    tell(broker, "O1", 10)
    broker.says["positions"] = [dealt("TCS", 4)]
    assert ended(build.synced(account)[0]) == WHOLE


def test_fills_that_come_late_are_told_of_the_fills(account: BrokerAccount, broker: Broker) -> None:
    broker.says.update(orders=[build.an_order(filled=10)], positions=[dealt("TCS", 10)])
    assert ended(build.synced(account)[0]) == ("PARTIAL", [("trades", "fills_missing")])
    broker.says["positions"] = [dealt("TCS", 12)]
    assert ended(build.synced(account)[0]) == short(("trades", "fills_missing"))


def test_fills_that_did_not_come_at_all_hide_no_short_list(account: BrokerAccount, broker: Broker) -> None:
    down = ("trades", "broker_unavailable")
    broker.says.update(orders=[build.an_order(filled=10)], trades=BrokerUnavailable("down"))
    for bought, expected in ((10, ("PARTIAL", [down])), (12, short(down))):
        broker.says["positions"] = [dealt("TCS", bought)]
        assert ended(build.synced(account)[0]) == expected


def test_a_conversion_and_another_exchange_make_no_difference(account: BrokerAccount, broker: Broker) -> None:
    tell(broker, "O1", 10, product="MIS", exchange="BSE")
    for shown in (
        [dealt("TCS", product="MIS"), dealt("TCS", 10)],
        [dealt("TCS", 10, 10, product="MIS"), dealt("TCS", 10)],
    ):
        broker.says["positions"] = shown
        assert ended(build.synced(account)[0]) == WHOLE


def test_what_is_carried_from_before_was_not_traded_today(account: BrokerAccount, broker: Broker) -> None:
    future: dict[str, Any] = {"segment": "FNO", "product": "NRML", "isin": None}
    broker.says["positions"] = [dealt("NIFTY26NOVFUT", quantity=65, carry_forward_credit_quantity=65, **future)]
    assert ended(build.synced(account)[0]) == WHOLE
    closed: dict[str, Any] = {"quantity": 0, "carry_forward_credit_quantity": 65}
    broker.says["positions"] = [dealt("NIFTY26NOVFUT", sold=65, **closed, **future)]
    assert ended(build.synced(account)[0]) == short()


def test_what_a_position_showed_on_an_earlier_day_is_not_asked_of_this_one(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    future: dict[str, Any] = {"segment": "FNO", "product": "NRML", "isin": None}
    tell(broker, "O1", 65, symbol="NIFTY26NOVFUT", **future)
    tell(broker, "O2", 65, symbol="TCS26NOVFUT", **future)
    broker.says["positions"] = [dealt(symbol, 65, **future) for symbol in ("NIFTY26NOVFUT", "TCS26NOVFUT")]
    assert ended(build.synced(account)[0]) == WHOLE
    carried: dict[str, Any] = {"quantity": 65, "carry_forward_credit_quantity": 65}
    broker.says.update(orders=[], trades=[], positions=[dealt("TCS26NOVFUT", 10, **carried, **future)])
    at("2026-10-06 11:00")  # its fill may have come after the list of orders
    assert ended(build.synced(account)[0]) == WHOLE
    broker.says["positions"] = [dealt("TCS26NOVFUT", **carried, **future)]
    at("2026-10-06 16:05")  # the other is not shown: it stands as it was
    assert ended(build.synced(account)[0]) == WHOLE


def test_what_is_carried_may_be_counted_among_what_was_bought(account: BrokerAccount, broker: Broker) -> None:
    future: dict[str, Any] = {"segment": "FNO", "product": "NRML", "isin": None}
    carried: dict[str, Any] = {"carry_forward_credit_quantity": 65, **future}
    broker.says["positions"] = [dealt("NIFTY26NOVFUT", 65, quantity=65, **carried)]
    assert ended(build.synced(account)[0]) == WHOLE
    broker.says["positions"] = [dealt("NIFTY26NOVFUT", 75, quantity=75, **carried)]
    (result,) = build.synced(account)
    assert result.capture.problems[0].message.endswith("NIFTY26NOVFUT 10 bought")


def test_in_the_session_after_the_close_answers_may_still_cross(broker: Broker, at: At) -> None:
    at("2026-10-05 15:37")
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [dealt("TCS", 10)]
    assert ended(build.synced(account, sync_type=REALTIME)[0]) == WHOLE
    at("2026-10-05 16:00")
    assert ended(build.synced(account)[0]) == short()


def test_a_held_share_is_known_by_its_name_on_the_day_on_which_its_isin_changes(
    account: BrokerAccount, broker: Broker
) -> None:
    broker.says["holdings"] = [build.a_holding("TCS", 90)]
    tell(broker, "O1", 10)
    broker.says["positions"] = [dealt("TCS", 10)]
    assert ended(build.synced(account)[0]) == WHOLE
    broker.says.update(positions=[dealt("TCS", 10, isin="INE467B01037")], trades=[])
    assert ended(build.synced(account)[0]) == WHOLE


def test_a_list_that_cannot_be_read_is_its_own_trouble(account: BrokerAccount, broker: Broker) -> None:
    def unreadable(_: Any) -> Any:
        raise ValueError("not a list")

    reply = Reply("GET /orders", 200, b"{}", build.MORNING)
    fills = [build.a_trade(build.an_order(filled=10))]
    broker.says.update(
        holdings=[build.a_holding("TCS", 90)],
        orders=Answer([reply], unreadable),
        trades=Answer([reply], lambda _: (fills, [])),
    )
    (result,) = build.synced(account)
    assert result.status == "PARTIAL"
    assert {problem.section for problem in result.capture.problems} == {"orders"}
    assert account.holdings.count() == 1


def test_a_row_that_is_set_aside_is_told_once(account: BrokerAccount, broker: Broker) -> None:
    broker.says["positions"] = [dealt("TCS", 10)]
    broker.says["orders"] = [build.an_order(filled=10)._replace(filled_quantity=Decimal(11))]
    assert ended(build.synced(account)[0]) == ("PARTIAL", [("orders", "set_aside")])


@pytest.mark.parametrize("lost", ["orders", "positions"])
def test_what_did_not_come_is_compared_with_nothing(account: BrokerAccount, broker: Broker, lost: str) -> None:
    broker.says.update({"positions": [dealt("TCS", 10)], lost: BrokerUnavailable("down")})
    assert ("orders", "orders_missing") not in ended(build.synced(account)[0])[1]


@pytest.mark.parametrize("section", ["orders", "trades"])
def test_where_orders_or_fills_are_not_offered_nothing_is_missed(
    account: BrokerAccount, broker: Broker, section: str
) -> None:
    del broker.says[section]
    broker.says["positions"] = [dealt("TCS", 10)]
    assert ended(build.synced(account)[0]) == WHOLE


def test_a_first_capture_on_a_sunday_does_not_ask_for_what_brokers_no_longer_have(broker: Broker, at: At) -> None:
    at("2026-10-11 12:00")
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [dealt("TCS", 10)]
    assert ended(build.synced(account)[0]) == WHOLE


def test_while_there_is_trading_only_what_was_shown_before_can_be_missing(broker: Broker, at: At) -> None:
    at("2026-10-05 11:00")
    account, told = build.an_account("SCRIPTED"), []
    crude: dict[str, Any] = {"segment": "COMMODITY", "product": "NRML", "isin": None}
    for clock_time, shares, barrels in (("11:00", 10, 0), ("12:00", 14, 0), ("16:05", 10, 5), ("19:00", 10, 8)):
        at(f"2026-10-05 {clock_time}")
        broker.says["positions"] = [dealt("TCS", shares), dealt("CRUDEOIL26OCTFUT", barrels, **crude)]
        (result,) = build.synced(account, sync_type=REALTIME)
        told.append([problem.message.partition("explains, ")[2] for problem in result.capture.problems])
    assert told == [[], ["TCS 10 bought"], ["TCS 10 bought"], ["TCS 10 bought, CRUDEOIL26OCTFUT 5 bought"]]


@pytest.mark.parametrize(
    ("segment", "clock_time", "said"),
    [
        ("CURRENCY", "19:00", []),
        ("CURRENCY", "19:31", ["5 bought"]),
        ("COMMODITY", "23:54", []),
        ("COMMODITY", "23:57", ["5 bought"]),
    ],
)
def test_what_is_traded_into_the_evening_is_missing_at_first_sight_once_that_is_over(
    broker: Broker, at: At, segment: str, clock_time: str, said: list[str]
) -> None:
    at(f"2026-10-05 {clock_time}")
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [dealt("OCTFUT", 5, segment=segment, product="NRML", isin=None)]
    (result,) = build.synced(account)
    assert [problem.message.partition("OCTFUT ")[2] for problem in result.capture.problems] == said


def test_a_fill_that_a_person_set_right_is_not_asked_for_again(account: BrokerAccount, broker: Broker) -> None:
    tell(broker, "O1", 10)
    tell(broker, "O2", 5, symbol="INFY")
    broker.says["positions"] = [dealt("TCS", 10), dealt("INFY", 5)]
    assert ended(build.synced(account)[0]) == WHOLE
    fills = dict(account.transactions.values_list("symbol", "source_id"))
    void(account, fills["TCS"], Author("Asha", "not mine"))
    revise(account, fills["INFY"], {"quantity": Decimal(4)}, Author("Asha", "the contract note"))
    broker.says["positions"] = [dealt("TCS", 10, last_price=3001), dealt("INFY", 5)]
    assert ended(build.synced(account)[0]) == WHOLE


@pytest.mark.parametrize("again", [{}, {"quantity": 12}], ids=["alike", "otherwise"])
def test_an_order_that_is_given_twice_and_was_set_right_hides_no_short_list(
    account: BrokerAccount, broker: Broker, again: dict[str, int]
) -> None:
    order = tell(broker, "O1", 10)
    broker.says["positions"] = [dealt("TCS", 10)]
    assert ended(build.synced(account)[0]) == WHOLE
    revise(account, account.transactions.get().source_id, {"quantity": Decimal(8)}, Author("Asha", "contract note"))
    broker.says["orders"] = [order, build.an_order("O1", filled=10, **again)]
    set_aside = [("orders", "set_aside")] if again else []
    for bought, is_short in ((10, []), (12, [("orders", "orders_missing")])):
        broker.says["positions"] = [dealt("TCS", bought)]
        problems = [*set_aside, *is_short]
        assert ended(build.synced(account)[0]) == ("PARTIAL" if problems else "COMPLETED", problems)


def test_a_fill_whose_side_a_person_set_right_makes_no_order_missing(account: BrokerAccount, broker: Broker) -> None:
    tell(broker, "O1", 10)
    broker.says["positions"] = [dealt("TCS", 10)]
    assert ended(build.synced(account)[0]) == WHOLE
    fill = account.transactions.get()
    revise(account, fill.source_id, {"transaction_type": "SELL"}, Author("Asha", "the contract note"))
    for price in (3001, 3002):
        broker.says["positions"] = [dealt("TCS", 10, last_price=price)]
        assert ended(build.synced(account)[0]) == WHOLE
    latest = account.transactions.latest("revision")
    assert (latest.transaction_type, latest.revision) == ("SELL", 2)


def test_an_account_is_not_opened_by_a_day_of_which_orders_are_missing(account: BrokerAccount, broker: Broker) -> None:
    """What was bought that day would be owned since the day before."""
    broker.says.update(positions=[dealt("TCS", 10)], holdings=[build.a_holding("TCS", 90)])
    assert ended(build.synced(account)[0]) == short()
    assert ChangeExplanation.objects.count() == 0
    tell(broker, "O1", 10)
    assert ended(build.synced(account)[0]) == WHOLE
    (opening,) = ChangeExplanation.objects.filter(kind="OPENING")
    assert opening.quantity == 90


def test_many_are_counted(account: BrokerAccount, broker: Broker) -> None:
    broker.says["positions"] = [dealt(f"SHARE{n}", n + 1, isin=None) for n in range(11)]
    (result,) = build.synced(account)
    message = result.capture.problems[0].message
    assert message.endswith("SHARE6 7 bought, SHARE7 8 bought and 3 more")


def test_an_order_that_is_known_by_its_fills_alone_is_missing(account: BrokerAccount, broker: Broker) -> None:
    """Some brokers list all fills of the day in one answer."""
    tell(broker, "O1", 4)
    lost = build.an_order("O2", 6, 6)
    fills, reply = (
        [*broker.says["trades"], build.a_trade(lost, trade_id="TO2")],
        Reply("GET /", 200, b"", build.MORNING),
    )
    broker.says.update(positions=[dealt("TCS", 10)], trades=Answer([reply], lambda _: (fills, [])))
    (result,) = build.synced(account)
    assert ended(result) == short()
    assert result.capture.problems[0].message == "the order list may be short: fills came of orders that did not, O2"
    assert Transaction.objects.count() == 2
    broker.says["orders"] = [*broker.says["orders"], lost]
    assert ended(build.synced(account)[0]) == WHOLE
    last = build.an_order("O3", 1, 1)
    fills.append(build.a_trade(last, trade_id="TO3"))
    broker.says["orders"] = [*broker.says["orders"], last]
    assert ended(build.synced(account)[0]) == WHOLE


def test_while_there_is_trading_an_order_may_be_listed_a_moment_after_its_fill(broker: Broker, at: At) -> None:
    """Where all fills come in one answer; an order that the next list lacks as well is missing."""
    at("2026-10-05 16:05")
    account = build.an_account("SCRIPTED")
    crude: dict[str, Any] = {"symbol": "CRUDEOIL26OCTFUT", "segment": "COMMODITY", "product": "NRML", "isin": None}
    order = build.an_order("O1", 1, 1, **crude)
    fills, reply = [build.a_trade(order, trade_id="T1")], Reply("GET /", 200, b"", build.MORNING)
    broker.says["trades"] = Answer([reply], lambda _: (fills, []))
    first = build.synced(account)[0]
    broker.says["trades"] = Answer([], lambda _: ([], []))  # none are lacking: not asked
    told = [ended(each) for each in (first, *(build.synced(account)[0] for _ in range(2)))]
    assert told == [WHOLE, short(), short()]
    broker.says["orders"] = [order]
    assert ended(build.synced(account)[0]) == WHOLE
