"""Thirty trading days of the demo investors by the whole pipeline: what the book says beside what really happened."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from portfolio.models import BrokerAccount, ChangeExplanation, HoldingChange, OrderVersion, Transaction
from portfolio.sync.capture import DAILY, HOLDINGS_LOOK
from simulators.groww import GrowwSimulator
from simulators.investor import Investor
from simulators.market import IST, Market
from simulators.orders import CANCELLED, EXECUTED, REJECTED
from simulators.scripts import DAYS, demo_investors
from tests import build
from tests.sync import recomputed

MORNING = "08:30"
PRODUCTS = {"DELIVERY": "CNC", "INTRADAY": "MIS", "CARRY": "NRML"}
Side = dict[str, Any]


@dataclass
class Month:
    """Each entry of `days` is one evening of one investor: (ours, theirs) by what is compared."""

    batches: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    days: dict[tuple[date, str], tuple[Side, Side]] = field(default_factory=dict)
    questions: list[tuple[date, str, Decimal]] = field(default_factory=list)
    orders: tuple[list[Any], list[Any]] = ([], [])
    fills: tuple[list[Any], list[Any]] = ([], [])
    leaves: int = 0


def live(clocks: Sequence[str], **switches: Any) -> Month:
    """Syncs both at these times of every trading day, in the morning their holdings; the last is after the close."""
    month = Month()
    with build.groww(*demo_investors(Market()), **switches) as simulator:
        portfolio = build.a_portfolio()
        accounts = {ucc: build.a_groww_account(simulator, ucc, portfolio) for ucc in simulator.investors}
        for day in DAYS:
            for clock in clocks:
                if f"{day} {clock}" >= f"{simulator.now:%Y-%m-%d %H:%M}":
                    _sync(month, simulator, f"{day} {clock}", list(accounts.values()))
            for ucc, account in accounts.items():
                month.days[day, ucc] = ours(account, day), theirs(simulator, ucc)
        month.orders = _orders(accounts), _true_orders(simulator)
        month.fills = _fills(accounts), _true_fills(simulator)
    questions = HoldingChange.objects.exclude(unexplained_quantity=0).order_by(
        "as_of", "symbol", "unexplained_quantity"
    )
    month.questions = list(questions.values_list("as_of", "symbol", "unexplained_quantity"))
    month.leaves = recomputed.check_all_pages()
    return month


def _sync(month: Month, simulator: GrowwSimulator, at: str, accounts: list[BrokerAccount]) -> None:
    simulator.move_to(at)
    for result in build.synced(*accounts, sync_type=HOLDINGS_LOOK if at.endswith(MORNING) else DAILY):
        month.batches[result.status] += 1
        month.problems += [f"{at} {problem.section}: {problem.message}" for problem in result.capture.problems]


def ours(account: BrokerAccount, day: date) -> Side:
    """What the book says this evening: `owned` by the bridge alone, from the opening on."""
    snapshot = account.snapshots.filter(snapshot_date=day).latest("revision")
    return {
        "owned": bridge(account),
        "value": snapshot.total_holdings_value,
        "cash": snapshot.cash_balance,
        "fills": snapshot.trades_count,
        "orders": snapshot.orders_count,
    }


def bridge(account: BrokerAccount) -> dict[str, Decimal]:
    """Openings, delivery fills and open questions, in units by ISIN: design 7's sum."""
    owned: Counter[str] = Counter()
    mine = {"broker_account": account}
    openings = ChangeExplanation.objects.filter(kind="OPENING", **mine)
    delivered = Transaction.objects.current().filter(is_delivery=True, **mine)
    for rows, column, sign in (
        (openings, "quantity", 1),
        (delivered.filter(transaction_type="BUY"), "quantity", 1),
        (delivered.filter(transaction_type="SELL"), "quantity", -1),
        (HoldingChange.objects.filter(**mine), "unexplained_quantity", 1),
    ):
        for isin, units in rows.values_list("instrument__isin").annotate(Sum(column)):
            owned[isin] += sign * units
    return {isin: Decimal(units) for isin, units in owned.items() if units}


def theirs(simulator: GrowwSimulator, ucc: str) -> Side:
    investor, market = simulator.investors[ucc], simulator.market
    prices = {share.isin: market.price(share.symbol, simulator.now) for share in market.shares(investor.book_day)}
    return {
        "owned": investor.owned,
        "value": sum(units * prices[isin] for isin, units in investor.owned.items()),
        "cash": round(investor.cash, 4),
        "fills": len(investor.truth.fills_on(investor.book_day)),
        "orders": len(investor.orders),
    }


def _orders(accounts: dict[str, BrokerAccount]) -> list[Any]:
    current: dict[Any, OrderVersion] = {}
    for row in OrderVersion.objects.order_by("version"):
        current[row.broker_account_id, row.groww_order_id, row.order_date] = row
    names = {account.pk: ucc for ucc, account in accounts.items()}
    return sorted(
        (names[row.broker_account_id], row.created_at, row.symbol, row.transaction_type, row.product, row.quantity,
         row.filled_quantity, row.order_status, row.price or 0)
        for row in current.values()
    )  # fmt: skip


def _true_orders(simulator: GrowwSimulator) -> list[Any]:
    words = {EXECUTED: EXECUTED, CANCELLED: CANCELLED, REJECTED: REJECTED}
    return sorted(
        (ucc, order.created_at, order.instrument.symbol, order.side, PRODUCTS[order.product], order.quantity,
         order.filled, words[order.status], order.price)
        for ucc, investor in simulator.investors.items() for order in _seen_orders(investor, simulator.now)
    )  # fmt: skip


def _seen_orders(investor: Investor, now: datetime) -> list[Any]:
    """Those in the book of a day when somebody looked: all but the ones given after the last look for a later day."""
    return [order for order in investor.truth.orders if order.created_at <= now]


def _fills(accounts: dict[str, BrokerAccount]) -> list[Any]:
    names = {account.pk: ucc for ucc, account in accounts.items()}
    return sorted(
        (names[row.broker_account_id], row.executed_at, row.symbol, row.transaction_type, row.product, row.quantity,
         row.price, row.trade_date)
        for row in Transaction.objects.current()
    )  # fmt: skip


def _true_fills(simulator: GrowwSimulator) -> list[Any]:
    return sorted(
        (ucc, fill.at, order.instrument.symbol, order.side, PRODUCTS[order.product], fill.quantity, fill.price,
         fill.at.astimezone(IST).date())
        for ucc, investor in simulator.investors.items()
        for order in investor.truth.orders for fill in order.fills
    )  # fmt: skip
