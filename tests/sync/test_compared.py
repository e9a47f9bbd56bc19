"""One investor's days as Groww tells them and as Zerodha does: each evening the two books say the same.

The investor is one and the same, seen through both simulators on one stage. Only what a broker does not tell, or says
otherwise, may differ, and it stands here by name.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ledger.snapshot import Totals
from portfolio.models import BrokerAccount, OrderVersion, RealHolding, RealPosition, Transaction
from simulators import habits
from simulators.groww_api import SWITCHES as GROWW_SWITCHES
from simulators.investor import Investor
from simulators.market import CorporateAction, Market, trading_days
from simulators.orders import BUY, CARRY
from simulators.stage import Stage
from simulators.zerodha_api import SWITCHES as ZERODHA_SWITCHES
from tests import build, emptying
from tests.simulators.build import at
from tests.sync.month import bridge

pytestmark = pytest.mark.database

UCC = "8100000007"
DAYS = trading_days(date(2026, 10, 5), 8)
SPLIT_DAY = DAYS[5]
CLOCKS = ("11:05", "16:05")  # a look while orders are open, and the evening's
GROWW_ALONE_TELLS = {
    "isin",  # Zerodha's orders and fills have none; their instrument is known by its symbol
    "deliverable_quantity",
    "trade_date",  # of an order
    "remark",  # Zerodha says why it rejected, and nothing else
    "settlement_number",
    "realised_pnl",  # of a position; at Zerodha it is 0, whatever was gained
}
ZERODHA_ALONE_TELLS = {
    "exchange",  # of a holding: Groww names none, and NSE is taken
    "changed_at",
    "version",  # its trail has the states between two looks
}
SAID_OTHERWISE = {
    "average_price",  # four decimals at Groww, six at Zerodha
    "carry_forward_credit_price",  # likewise; at Zerodha it is worked out of values
    "quantity",  # of a holding: Zerodha takes what is pledged out, Groww does not; what is owned is the same
    "status_raw",
}
# Whether the day's trades are in Zerodha's cash already or under its debits is not settled: both are served.
CASH_SAID_OTHERWISE = ("cash_balance", "margin_used")
LIVE_CASH_FROM = DAYS[4]
OWNED = (("MARUTI", 12, "9800"), ("SBIN", 90, "640.5"), ("TITAN", 30, "3100"), ("ITC", 7, "0"), ("INFY", 40, "1450"))
OPTION, FUTURE = "NIFTY26NOV25000CE", "RELIANCE26NOVFUT"
ROWS: dict[Any, tuple[str, ...]] = {
    RealHolding: ("instrument_id", "lot"),
    RealPosition: ("instrument_id", "segment", "product"),
    OrderVersion: ("created_at", "symbol", "transaction_type"),
    Transaction: ("executed_at", "symbol", "transaction_type", "quantity"),
}
Evening = dict[str, Any]


def a_full_life(market: Market) -> Investor:
    """Of all that can become of an order and a holding, something on every day."""
    market.announce(CorporateAction("split", "MARUTI", SPLIT_DAY, old=1, new=5, new_isin="INE585B01028"))
    market.announce(CorporateAction("bonus", "ITC", DAYS[3], old=1, new=1))
    market.announce(CorporateAction("dividend", "INFY", DAYS[4], amount=Decimal(23)))
    investor = Investor(market, UCC)
    for symbol, units, average in OWNED:
        investor.start_with(symbol, units, average)
    investor.at(f"{DAYS[0]} 10:20", _filled_in_two_parts)
    investor.at(f"{DAYS[1]} 10:59", habits.corrects("TCS"))
    investor.at(f"{DAYS[1]} 12:30", lambda one: one.sell("SBIN", 20))
    investor.at(f"{DAYS[2]} 11:00", habits.changes_mind("CIPLA", filled_first=True))
    investor.at(f"{DAYS[2]} 13:00", habits.changes_mind("BPCL", filled_first=False))
    investor.at(f"{DAYS[2]} 18:30", lambda one: one.place("WIPRO", BUY, 40))  # after-market
    investor.at(f"{DAYS[3]} 12:00", lambda one: one.sell("TCS", 1))
    investor.at(f"{DAYS[3]} 14:00", habits.oversells("TITAN"))
    investor.at(f"{DAYS[4]} 10:00", lambda one: one.pledge("SBIN", 15))
    investor.at(f"{DAYS[4]} 14:40", habits.day_trades("ITC", minutes=600))  # the broker closes it
    investor.at(f"{DAYS[5]} 12:00", lambda one: one.sell("MARUTI", 10))
    investor.at(f"{DAYS[6]} 10:10", lambda one: one.unpledge("SBIN", 5))
    investor.at(f"{DAYS[6]} 10:30", lambda one: one.buy("TATAPOWER", 50))
    investor.at(f"{DAYS[7]} 10:30", lambda one: one.sell("TATAPOWER", 50))  # before it has settled
    investor.at(f"{DAYS[1]} 15:00", lambda one: one.add_funds("100000"))
    investor.at(f"{DAYS[2]} 20:00", lambda one: one.transfer_in("KOTAKBANK", 30))
    investor.at(f"{DAYS[5]} 20:00", lambda one: one.transfer_out("TITAN", 5))
    investor.at(f"{DAYS[1]} 10:15", lambda one: one.buy(OPTION, 130, product=CARRY))
    investor.at(f"{DAYS[2]} 14:00", lambda one: one.sell(FUTURE, 500, product=CARRY))
    investor.at(f"{DAYS[3]} 13:15", lambda one: one.buy(OPTION, 65, product=CARRY))
    investor.at(f"{DAYS[6]} 14:15", lambda one: one.buy(FUTURE, 500, product=CARRY))
    investor.at(f"{DAYS[7]} 11:45", lambda one: one.sell(OPTION, 65, product=CARRY))
    return investor


def _filled_in_two_parts(investor: Investor) -> None:
    order = investor.place("SBIN", BUY, 100, price=habits.near(investor, "SBIN", "0.3"))
    investor.at(f"{DAYS[0]} 10:40", habits.fills(order, 40, order.price))
    investor.at(f"{DAYS[0]} 14:10", habits.fills(order, 60, order.price))


def evening(account: BrokerAccount, day: date) -> Evening:
    """What the book of one account says: nothing here is by a broker's own number."""
    snapshot = account.snapshots.filter(snapshot_date=day).latest("revision")
    held = RealHolding.objects.filter(broker_account=account)
    return {
        "owned": bridge(account),
        "held": sorted(held.values_list("isin", "symbol", "owned_quantity", "current_price")),
        "orders": orders(account),
        "fills": fills(account),
        "positions": positions(account),
        "totals": {name: getattr(snapshot, name) for name in Totals._fields if name not in CASH_SAID_OTHERWISE},
        "cash": [getattr(snapshot, name) for name in CASH_SAID_OTHERWISE],
    }


def positions(account: BrokerAccount) -> list[Any]:
    """What is open, and what of it is the day's own."""
    columns = ("symbol", "segment", "product", "quantity", "credit_quantity", "debit_quantity", "current_price")
    return sorted(RealPosition.objects.filter(broker_account=account).values_list(*columns))


def orders(account: BrokerAccount) -> list[Any]:
    """As each stands: when and what, how much of it is filled, and its state."""
    latest = {
        row.groww_order_id: row for row in OrderVersion.objects.filter(broker_account=account).order_by("version")
    }
    return sorted(
        (row.created_at, row.symbol, row.transaction_type, row.product, row.quantity, row.price or Decimal(0),
         row.order_date, row.filled_quantity, row.order_status)
        for row in latest.values()
    )  # fmt: skip


def fills(account: BrokerAccount) -> list[Any]:
    rows = Transaction.objects.current().filter(broker_account=account)
    columns = (
        "symbol",
        "instrument__isin",
        "transaction_type",
        "quantity",
        "price",
        "trade_date",
        "executed_at",
        "is_delivery",
    )
    return sorted(rows.values_list(*columns))


def differing(pair: list[BrokerAccount]) -> set[str]:
    """The columns in which rows of the same share, order or fill differ at the end; but for ids of rows and orders."""
    found = set()
    for model, key in ROWS.items():
        groww, zerodha = (_rows(model, key, account) for account in pair)
        assert groww.keys() == zerodha.keys()
        for each, row in groww.items():
            found |= {name for name, value in row.items() if value != zerodha[each][name]}
    return {name for name in found if name == "instrument_id" or not name.endswith(("id", "leaf"))}


def _rows(model: Any, key: tuple[str, ...], account: BrokerAccount) -> dict[Any, dict[str, Any]]:
    """By what identifies them at any broker; of an order, its last version."""
    rows = model.objects.filter(broker_account=account)
    ordered = rows.order_by("version") if model is OrderVersion else rows
    return {tuple(row[name] for name in key): row for row in ordered.values()}


@pytest.fixture(scope="module")
def lived(_migrated: None) -> dict[str, Any]:
    """Lived once: what is compared is read before the tables are emptied again."""
    investor = a_full_life(Market())
    stage = Stage([investor], None, GROWW_SWITCHES | ZERODHA_SWITCHES | {"limits": False})
    found: dict[str, Any] = {"problems": [], "days": {}, "truth": {}}
    with build.groww(stage=stage) as groww, build.zerodha(stage=stage) as zerodha:
        portfolio = build.a_portfolio()
        pair = [build.a_groww_account(groww, UCC, portfolio), build.a_zerodha_account(zerodha, UCC, portfolio)]
        for day in DAYS:
            zerodha.switch("cash", "live" if day >= LIVE_CASH_FROM else "opening")
            for number, clock in enumerate(CLOCKS):
                stage.move_to(at(f"{day} {clock}"))
                if number == 0:
                    build.log_in(zerodha, UCC, pair[1])
                found["problems"] += [
                    (day, result.status, result.capture.problems) for result in build.synced(*pair)
                    if result.status != "COMPLETED" or result.capture.problems
                ]  # fmt: skip
            found["days"][day] = [evening(account, day) for account in pair]
            found["truth"][day] = {isin: Decimal(units) for isin, units in investor.owned.items() if units}
        found["differing"] = differing(pair)
    emptying.empty()
    return found


def test_every_look_at_either_is_whole(lived: dict[str, Any]) -> None:
    assert lived["problems"] == []


@pytest.mark.parametrize("broker", [0, 1], ids=["groww", "zerodha"])
def test_every_evening_both_books_own_what_the_investor_owns(lived: dict[str, Any], broker: int) -> None:
    assert {day: pair[broker]["owned"] for day, pair in lived["days"].items()} == lived["truth"]


@pytest.mark.parametrize("what", ["held", "positions", "orders", "fills", "totals"])
def test_every_evening_both_books_say_the_same(lived: dict[str, Any], what: str) -> None:
    for at_groww, at_zerodha in lived["days"].values():
        assert at_groww[what] == at_zerodha[what]


def test_cash_is_the_same_once_the_days_trades_are_taken_off_both(lived: dict[str, Any]) -> None:
    for day, (at_groww, at_zerodha) in lived["days"].items():
        (cash, used), (cash_there, used_there) = at_groww["cash"], at_zerodha["cash"]
        assert cash - used == cash_there - used_there
        assert (cash == cash_there) is (day >= LIVE_CASH_FROM)


def test_the_books_differ_only_in_what_one_broker_does_not_tell_or_says_otherwise(lived: dict[str, Any]) -> None:
    assert lived["differing"] == GROWW_ALONE_TELLS | ZERODHA_ALONE_TELLS | SAID_OTHERWISE
