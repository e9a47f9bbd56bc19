"""Open derivatives that are not in an answer: never erased by it alone, never kept for ever when they were closed."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ledger.entries import FNO, Position
from portfolio.corrections import Author, revise
from portfolio.models import BrokerAccount, Price
from portfolio.triggers.base import Answer, BrokerUnavailable, WrongAccount
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

At = Callable[[str], None]


def a_future(symbol: str, units: int = 65, **values: Any) -> Position:
    return build.a_position(symbol, **{"segment": FNO, "product": "NRML", "isin": None, "quantity": units, **values})


OPEN = [a_future("NIFTY26NOVFUT"), a_future("TCS26NOVFUT", -175), a_future("NIFTY26NOV25000CE")]
WHOLE = {row.symbol: row.quantity for row in OPEN}


def tell_fill(broker: Broker, symbol: str, side: str, units: int, day: int, product: str = "NRML") -> None:
    order = build.an_order(
        f"{symbol}{side}{day}", units, units, symbol=symbol, segment=FNO, product=product, transaction_type=side,
        created_at=build.MORNING.replace(day=day),
    )  # fmt: skip
    broker.says["orders"] = [*broker.says["orders"], order]
    broker.says["trades"] = [*broker.says["trades"], build.a_trade(order, trade_id=f"T{order.order_id}")]


def state(account: BrokerAccount) -> dict[str, Any]:
    return dict(account.positions.values_list("symbol", "quantity"))


def kinds(result: Any) -> list[tuple[str, str]]:
    return [(problem.section, problem.kind) for problem in result.capture.problems]


@pytest.fixture
def account(broker: Broker, at: At) -> BrokerAccount:
    """Two futures and an option, open on Monday evening."""
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = OPEN
    at("2026-10-05 16:05")
    build.synced(account)
    return account


def told(broker: Broker, at: At, account: BrokerAccount, when: str, *shown: Position) -> Any:
    at(f"2026-10-{when}")
    broker.says["positions"] = list(shown)
    return build.synced(account)[0]


@pytest.mark.parametrize("shown", [[], [build.a_position("INFY", 3)], OPEN[:1]])
def test_an_answer_that_lacks_most_is_suspect_and_takes_nothing(
    account: BrokerAccount, broker: Broker, at: At, shown: list[Position]
) -> None:
    versions = account.position_versions.count()
    for when in ("05 19:00", "05 20:00"):
        result = told(broker, at, account, when, *shown)
        assert (result.status, kinds(result)) == ("PARTIAL", [("positions", "suspect")])
    result = told(broker, at, account, "05 21:00", *OPEN)
    assert (result.status, state(account), account.position_versions.count()) == ("COMPLETED", WHOLE, versions)


def test_the_reason_says_what_is_missing_and_what_to_do(account: BrokerAccount, broker: Broker, at: At) -> None:
    (problem,) = told(broker, at, account, "06 16:05").capture.problems
    assert problem.message == "an empty answer, while 3 open positions were not closed"
    assert "the same answer on the next trading day is believed" in problem.next
    (problem,) = told(broker, at, account, "06 19:00", OPEN[2]).capture.problems
    assert problem.message == "2 of 3 open positions are missing and were not closed"
    assert account.snapshots.filter(snapshot_date="2026-10-06").count() == 0


@pytest.mark.parametrize("count", [0, 2])
def test_agreement_on_a_later_trading_day_is_believed(
    account: BrokerAccount, broker: Broker, at: At, count: int
) -> None:
    told(broker, at, account, "06 16:05", *OPEN[:count])
    assert state(account) == WHOLE
    result = told(broker, at, account, "07 16:05", *OPEN[:count])
    assert (result.status, set(state(account))) == ("COMPLETED", {row.symbol for row in OPEN[:count]})


def test_a_correction_in_between_does_not_begin_the_absence_anew(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    tell_fill(broker, "INFY26NOVFUT", "BUY", 400, 6)
    told(broker, at, account, "06 16:05", *OPEN[:2])
    at("2026-10-06 18:00")
    (fill,) = account.transactions.values_list("source_id", flat=True)
    revise(account, fill, {"price": Decimal(1)}, Author("Asha", "the contract note"))
    broker.says.update(orders=[], trades=[])
    told(broker, at, account, "07 16:05", *OPEN[:2])
    assert set(state(account)) == {row.symbol for row in OPEN[:2]}


def test_one_that_is_missing_stands_and_the_rest_is_taken(account: BrokerAccount, broker: Broker, at: At) -> None:
    shown = [a_future("NIFTY26NOVFUT", 130), OPEN[1]]
    for when in ("06 16:05", "06 19:00"):
        result = told(broker, at, account, when, *shown)
        assert (result.status, state(account)) == ("COMPLETED", {**WHOLE, "NIFTY26NOVFUT": 130})
        assert result.capture.metadata["positions_unconfirmed"] == "NIFTY26NOV25000CE"


def test_what_was_shown_again_begins_anew(account: BrokerAccount, broker: Broker, at: At) -> None:
    told(broker, at, account, "06 16:05")
    told(broker, at, account, "07 16:05", *OPEN)
    assert kinds(told(broker, at, account, "08 16:05")) == [("positions", "suspect")]
    assert state(account) == WHOLE


def test_what_fills_closed_all_but_one_unit_of_stands(account: BrokerAccount, broker: Broker, at: At) -> None:
    tell_fill(broker, "NIFTY26NOVFUT", "SELL", 64, 6)
    told(broker, at, account, "06 16:05", *OPEN[1:])
    assert state(account) == WHOLE
    tell_fill(broker, "NIFTY26NOVFUT", "SELL", 1, 7)
    told(broker, at, account, "07 16:05", *OPEN[1:])
    assert set(state(account)) == {row.symbol for row in OPEN[1:]}


def test_what_fills_of_the_day_closed_is_gone_at_once(account: BrokerAccount, broker: Broker, at: At) -> None:
    tell_fill(broker, "NIFTY26NOVFUT", "SELL", 65, 6)
    tell_fill(broker, "TCS26NOVFUT", "BUY", 175, 6)
    tell_fill(broker, "NIFTY26NOV25000CE", "SELL", 65, 6)
    at("2026-10-06 16:05")
    build.synced(account)  # still shown
    result = told(broker, at, account, "06 19:00")
    assert (result.status, state(account)) == ("COMPLETED", {})


@pytest.mark.parametrize(("side", "units", "product"), [("SELL", 60, "NRML"), ("SELL", 65, "MIS"), ("BUY", 65, "NRML")])
def test_fills_that_close_it_in_part_or_not_at_all_do_not_do(
    account: BrokerAccount, broker: Broker, at: At, side: str, units: int, product: str
) -> None:
    tell_fill(broker, "NIFTY26NOVFUT", side, units, 6, product)
    told(broker, at, account, "06 16:05", *OPEN[1:])
    assert state(account) == WHOLE


def test_sales_that_the_position_showed_already_close_nothing(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tell_fill(broker, "NIFTY26NOVFUT", "SELL", 65, 5)
    left = a_future("NIFTY26NOVFUT", 65, carry_forward_credit_quantity=130, debit_quantity=65)
    told(broker, at, account, "05 16:05", left)
    result = told(broker, at, account, "06 16:05")
    assert (kinds(result), state(account)) == ([("positions", "suspect")], {"NIFTY26NOVFUT": 65})


def test_a_purchase_meanwhile_speaks_against_the_absence(account: BrokerAccount, broker: Broker, at: At) -> None:
    told(broker, at, account, "06 16:05", *OPEN[1:])
    tell_fill(broker, "NIFTY26NOVFUT", "BUY", 65, 7)
    told(broker, at, account, "07 16:05", *OPEN[1:])
    assert state(account) == WHOLE
    broker.says.update(orders=[], trades=[])
    told(broker, at, account, "08 16:05", *OPEN[1:])
    assert "NIFTY26NOVFUT" not in state(account)


@pytest.mark.parametrize(
    ("symbol", "values"),
    [
        ("NIFTY26O0624000CE", {}),
        ("TCS26SEPFUT", {}),
        ("TCS26NOVFUT", {"product": "MIS"}),
        ("TCS26NOVFUT", {"quantity": 0}),
        ("TCS", {"segment": "CASH", "product": "CNC"}),
    ],
)
def test_what_expired_or_was_of_its_day_alone_is_gone_at_once(
    broker: Broker, at: At, symbol: str, values: dict[str, Any]
) -> None:
    account = build.an_account("SCRIPTED")
    told(broker, at, account, "05 16:05", a_future(symbol, **values))
    result = told(broker, at, account, "06 16:05")
    assert (result.status, state(account)) == ("COMPLETED", {})


def test_another_clients_data_is_told_of_once_and_again_after_it_was_over(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    wrong, sound = WrongAccount("another client"), {**broker.says}
    told_of = []
    for hour, answer in enumerate(
        (wrong, wrong, BrokerUnavailable("down"), wrong, None, BrokerUnavailable("x"), wrong)
    ):
        at(f"2026-10-06 {10 + hour}:00")
        broker.says = {name: [] if answer is None else answer for name in sound}
        build.synced(account)
        told_of.append(account.events.filter(kind="security.wrong_account").count())
    assert told_of == [1, 1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize(
    "positions", [None, [], [build.a_position("ITC", quantity=2)]], ids=["not offered", "empty", "short"]
)
def test_shares_that_only_fills_tell_of_are_in_the_days_total(
    broker: Broker, at: At, positions: list[Position] | None
) -> None:
    """100 TCS are held; 10 of them, and 4 INFY, are bought on Tuesday, 3 TCS sold."""
    account = build.an_account("SCRIPTED")
    broker.prices.update(TCS=Decimal(3000), INFY=Decimal(1500), ITC=Decimal(400))
    broker.says["holdings"] = [build.a_holding("TCS", 100)]
    build.synced(account)
    given = build.MORNING.replace(day=6)
    orders = [
        build.an_order("B1", 10, 10, created_at=given), build.an_order("B2", 4, 4, symbol="INFY", created_at=given),
        build.an_order("S1", 3, 3, transaction_type="SELL", created_at=given),
    ]  # fmt: skip
    broker.says.update(orders=orders, trades=[build.a_trade(each, trade_id=each.order_id) for each in orders])
    broker.says["positions"] = positions
    if positions is None:
        del broker.says["positions"]
    for clock in ("16:05", "19:00"):
        at(f"2026-10-06 {clock}")
        (result,) = build.synced(account)
        assert (result.status, result.capture.problems) == ("COMPLETED", [])
    owned = 107 * 3000 + 4 * 1500
    snapshot = account.snapshots.get(snapshot_date="2026-10-06")
    assert (snapshot.total_holdings_value, snapshot.stale_prices) == (owned, 0)
    assert snapshot.day_change == owned - 300_000 - (10 - 3 + 4) * 3000


def bought_unseen(broker: Broker) -> BrokerAccount:
    """100 TCS are held on Monday; 4 INFY are bought on Tuesday, and no position shows them."""
    account = build.an_account("SCRIPTED")
    broker.prices.update(TCS=Decimal(3000), INFY=Decimal(1500))
    broker.says["holdings"] = [build.a_holding("TCS", 100)]
    build.synced(account)
    order = build.an_order("B1", 4, 4, symbol="INFY", created_at=build.MORNING.replace(day=6))
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    return account


def totals(account: BrokerAccount) -> list[tuple[int, Decimal, int]]:
    rows = account.snapshots.filter(snapshot_date="2026-10-06").order_by("revision")
    return [(row.revision, row.total_holdings_value, row.stale_prices) for row in rows]


@pytest.mark.parametrize("sections", [["prices"], ["orders"], ["orders", "prices"]])
def test_what_fills_alone_tell_of_keeps_its_price_though_a_later_look_does_not_get_it(
    broker: Broker, at: At, sections: list[str]
) -> None:
    account = bought_unseen(broker)
    sound = {**broker.says}
    looks = {"16:05": sound, "17:00": sound | dict.fromkeys(sections, BrokerUnavailable("down")), "19:00": sound}
    for clock, broker.says in looks.items():
        at(f"2026-10-06 {clock}")
        build.synced(account)
        assert totals(account) == [(1, 306_000, 0)]


def test_what_fills_alone_tell_of_is_priced_though_its_order_was_listed_before(broker: Broker, at: At) -> None:
    account = bought_unseen(broker)
    at("2026-10-06 15:50")
    build.synced(account, sync_type="ORDER_HISTORY")
    at("2026-10-06 16:05")
    (result,) = build.synced(account)
    assert (result.made.section("orders").state, totals(account)) == ("unchanged", [(1, 306_000, 0)])


@pytest.mark.parametrize("positions", [[], [build.a_position("INFY", 4)]], ids=["not shown", "shown"])
def test_an_equal_look_after_a_purchase_reads_nothing_anew(broker: Broker, at: At, positions: list[Position]) -> None:
    account = bought_unseen(broker)
    broker.says["positions"] = positions
    at("2026-10-06 16:05")
    build.synced(account)
    broker.says["trades"] = lambda: Answer([], lambda _: ([], []))  # of no order
    at("2026-10-06 19:00")
    (result,) = build.synced(account)
    assert (result.made.is_quiet, totals(account)) == (True, [(1, 306_000, 0)])


def test_no_price_is_asked_of_what_was_sold_out(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.prices.update(TCS=Decimal(3000), INFY=Decimal(1500))
    broker.says["holdings"] = [build.a_holding("TCS", 100), build.a_holding("INFY", 4)]
    build.synced(account)
    given = build.MORNING.replace(day=6)
    sold = build.an_order("S1", 4, 4, symbol="INFY", transaction_type="SELL", created_at=given)
    broker.says.update(holdings=[build.a_holding("TCS", 100)], orders=[sold], trades=[build.a_trade(sold)])
    at("2026-10-06 16:05")
    build.synced(account)
    assert [row.symbol for row in Price.objects.filter(price_date="2026-10-06")] == ["TCS"]


@pytest.fixture
def bought(broker: Broker, at: At) -> BrokerAccount:
    """10 TCS that were bought on Monday, shown in its positions at 16:05 and in no holding yet."""
    account = build.an_account("SCRIPTED")
    broker.prices["TCS"] = 3000
    order = build.an_order("B", 10, 10, created_at=build.MORNING)
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    told(broker, at, account, "05 16:05", build.a_position("TCS", 10))
    assert account.snapshots.get().total_holdings_value == 30_000
    return account


def test_shares_stand_for_the_day_while_its_fills_tell_of_them(bought: BrokerAccount, broker: Broker, at: At) -> None:
    result = told(broker, at, bought, "05 19:00")
    assert (result.status, state(bought)) == ("COMPLETED", {"TCS": 10})
    assert result.capture.metadata["positions_not_shown"] == "the day's fills tell of them, and they stand: TCS"
    assert bought.snapshots.latest("revision").total_holdings_value == 30_000
    told(broker, at, bought, "05 20:00", build.a_position("TCS", 10))
    assert bought.position_versions.count() == 1
    broker.says.update(orders=[], trades=[], holdings=[build.a_holding("TCS", 10)])
    told(broker, at, bought, "06 16:05")
    assert state(bought) == {}
    assert bought.snapshots.latest("snapshot_date").total_holdings_value == 30_000


def test_a_share_that_was_bought_at_two_exchanges_is_one_position(broker: Broker, at: At) -> None:
    """Shown at each; one of them moves alone, comes later or is gone."""
    account = build.an_account("SCRIPTED")
    broker.prices["TCS"] = 3000
    nse = build.a_position("TCS", 10, credit_price=100, average_price=100, realised_pnl=7)
    bse = build.a_position("TCS", 5, credit_price=106, average_price=106, realised_pnl=1, exchange="BSE")
    sold = build.a_position("TCS", 5, 2, credit_price=106, average_price=106, exchange="BSE")
    del broker.says["orders"], broker.says["trades"]
    owned = []
    for clock, shown in (("05 16:05", [nse, bse]), ("05 17:00", [bse, nse]), ("05 18:00", [nse, sold])):
        result = told(broker, at, account, clock, *shown)
        snapshot = account.snapshots.latest("revision")
        owned.append((result.status, state(account), int(snapshot.total_holdings_value)))
    assert owned == [("COMPLETED", {"TCS": units}, units * 3000) for units in (15, 15, 13)]
    first = account.position_versions.earliest("detected_at")
    assert (first.credit_quantity, first.credit_price, first.average_price, first.realised_pnl) == (15, 102, 102, 8)
    assert account.position_versions.count() == 2


FLAT = build.a_position("TCS", 10, 10, product="MIS")


@pytest.mark.parametrize("shown", [[FLAT], []], ids=["shown", "not shown"])
def test_a_purchase_that_was_converted_and_squared_off_is_owned_no_more_that_evening(
    bought: BrokerAccount, broker: Broker, at: At, shown: list[Position]
) -> None:
    """Whether or not its broker shows what is flat; the fill of the purchase is one for delivery for ever."""
    sold = build.an_order("S", 10, 10, product="MIS", transaction_type="SELL", created_at=build.MORNING)
    broker.says["orders"] = [*broker.says["orders"], sold]
    broker.says["trades"] = [*broker.says["trades"], build.a_trade(sold, trade_id="TS")]
    told(broker, at, bought, "05 19:00", *shown)
    snapshot = bought.snapshots.latest("revision")
    assert (snapshot.total_portfolio_value, snapshot.holdings_count, snapshot.net_purchases) == (0, 0, 0)
    assert sum(state(bought).values()) == 0


@pytest.mark.parametrize(("clock", "sold"), [("12:00", 10), ("19:00", 4)], ids=["trading goes on", "less"])
def test_a_purchase_stands_beside_an_intraday_sale_that_may_be_a_short_one(
    broker: Broker, at: At, clock: str, sold: int
) -> None:
    account = build.an_account("SCRIPTED")
    orders = [build.an_order("B", 10, 10), build.an_order("S", sold, sold, product="MIS", transaction_type="SELL")]
    broker.says.update(orders=orders[:1], trades=[build.a_trade(each, trade_id=each.order_id) for each in orders])
    told(broker, at, account, "05 11:00", build.a_position("TCS", 10))
    broker.says["orders"] = orders
    told(broker, at, account, f"05 {clock}")
    assert state(account) == {"TCS": 10}


@pytest.mark.parametrize(
    ("shown", "sold", "left"),
    [
        ([build.a_position("TCS", 10, product="MIS")], 0, {"TCS": 10}),  # converted
        ([build.a_position("INFY", 3)], 0, {"TCS": 10, "INFY": 3}),
        ([], 10, {}),  # sold again
        ([], 4, {}),  # less than was shown: how much of it is open only the broker knows
    ],
)
def test_shares_that_were_converted_or_sold_are_gone(
    bought: BrokerAccount, broker: Broker, at: At, shown: list[Position], sold: int, left: dict[str, int]
) -> None:
    if sold:
        order = build.an_order("S", sold, sold, transaction_type="SELL", created_at=build.MORNING)
        broker.says["orders"] = [*broker.says["orders"], order]
        broker.says["trades"] = [*broker.says["trades"], build.a_trade(order, trade_id="TS")]
    told(broker, at, bought, "05 19:00", *shown)
    assert state(bought) == left
    assert bought.positions.filter(product="MIS").exists() == bool(shown and shown[0].product == "MIS")
    assert bought.positions.count() == len(left)
