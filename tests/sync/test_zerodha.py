"""A Zerodha account by the whole pipeline: what the simulated Zerodha knows is what stands in the book."""

import pytest

from portfolio.models import FundsVersion, OrderVersion, RealHolding, RealPosition, Transaction
from simulators.market import Market
from simulators.scripts import random_investor
from tests import build

pytestmark = pytest.mark.database
UCC = "1000000001"


def test_an_evening_stands_in_the_book_as_it_was() -> None:
    investor = random_investor(Market(), UCC, 1, holdings=6, positions=3, orders=9)
    with build.zerodha(investor, limits=False) as simulator:
        account = build.a_zerodha_account(simulator, UCC)
        (result,) = build.synced(account)
        (again,) = build.synced(account)
    assert (result.status, result.capture.problems) == ("COMPLETED", [])
    assert result.capture.metadata["prices_absent"].startswith("Zerodha refused GET /quote/ltp")
    holdings = {row.isin: row.owned_quantity for row in RealHolding.objects.all()}
    assert holdings == {holding.isin: holding.total for holding in investor.holdings}
    positions = {row.symbol: row.quantity for row in RealPosition.objects.all()}
    assert positions == {each.instrument.symbol: each.net for each in investor.positions.values()}
    latest = {row.groww_order_id: row for row in OrderVersion.objects.order_by("version")}
    assert sorted(row.filled_quantity for row in latest.values()) == sorted(o.filled for o in investor.orders)
    fills = sorted(Transaction.objects.values_list("executed_at", "symbol", "quantity", "price"))
    assert fills == sorted(
        (fill.at, order.instrument.symbol, fill.quantity, fill.price)
        for order, fill in investor.truth.fills_on(investor.book_day)
    )
    assert FundsVersion.objects.get().margin_available == round(investor.cash, 4)
    assert (again.status, again.page.entries_count) == ("COMPLETED", 0)
    prices = {row.symbol: row.current_price for row in RealHolding.objects.all()}
    assert prices == {symbol: simulator.market.price(symbol, simulator.now) for symbol in prices}
