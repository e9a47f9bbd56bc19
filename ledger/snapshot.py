"""The totals of one account on one trading day. Pure; all money in the account's currency."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

from .entries import CASH, ZERO, Funds, Position
from .normalise import MONEY_SCALE, PERCENT_SCALE, at_scale
from .reconcile import is_delivery

NOTHING: Mapping[str, Decimal] = MappingProxyType({})
LARGEST_PERCENT = Decimal(10**8)  # beyond, next to nothing was owned the day before and it says nothing


class Quote(NamedTuple):
    """A price per unit; stale when it is not of the day asked about."""

    price: Decimal
    is_stale: bool = False


class Totals(NamedTuple):
    """What a snapshot row says. `day_change` is None without the trading day before."""

    total_holdings_value: Decimal
    total_positions_value: Decimal
    total_portfolio_value: Decimal
    cash_balance: Decimal | None
    margin_used: Decimal | None
    margin_available: Decimal | None
    day_change: Decimal | None
    day_change_percent: Decimal | None
    net_purchases: Decimal
    holdings_count: int
    positions_count: int
    orders_count: int
    trades_count: int
    stale_prices: int


def owned_quantities(
    held: Mapping[str, Decimal],
    positions: Collection[tuple[str, Position]],
    lowered: Mapping[str, Decimal],
    filled: Mapping[str, Decimal],
    arrived: Mapping[str, Decimal] = NOTHING,
) -> dict[str, Decimal]:
    """Units owned by instrument id: holdings in all their parts, plus what was bought and sold for delivery today, as
    positions show it; where they show nothing of a share, under no product, as its fills tell (`filled`, see
    `still_to_show`).

    `lowered`: by how much holdings show today's sells already; those are not taken off again. `arrived`: what they show
    as bought on the trading day before they were asked, where that is the day itself; it is not added again.
    """
    shown = {instrument for instrument, position in positions if position.segment == CASH}
    dealt = {instrument: net for instrument, net in filled.items() if instrument not in shown}
    for instrument, position in positions:
        if is_delivery(position.segment, position.product):
            net = position.credit_quantity - position.debit_quantity
            dealt[instrument] = dealt.get(instrument, lowered.get(instrument, ZERO)) + net
    owned = dict(held)
    for instrument, net in dealt.items():
        if not ZERO < net <= arrived.get(instrument, ZERO):
            owned[instrument] = owned.get(instrument, ZERO) + net
    return {instrument: quantity for instrument, quantity in owned.items() if quantity > 0}


def still_to_show(bought: Decimal, sold: Decimal, lowered: Decimal) -> Decimal:
    """By how much holdings of the day lag behind its fills, which have `lowered` them already, or raised where it is
    below 0. Where fills were corrected since, holdings cannot have shown more of them than there were."""
    shown = min(max(-lowered, -sold), bought)
    return bought - sold - shown


def position_value(position: Position, quote: Quote | None) -> Decimal:
    """At market; futures at their unrealised gain, since their price was never paid. 0 without a price."""
    if quote is None or not position.quantity:
        return ZERO
    units = position.quantity * position.multiplier
    if position.segment != CASH and not position.symbol.endswith(("CE", "PE")):
        return units * (quote.price - (position.average_price or quote.price))
    return units * quote.price


class Day(NamedTuple):
    """What the day's totals are made from; ids are instrument ids."""

    owned: Mapping[str, Decimal]
    positions: list[tuple[str, Position]]
    quotes: Mapping[str, Quote]
    funds: Funds | None
    net_purchases: Decimal
    orders_count: int
    trades_count: int
    previous_total: Decimal | None  # of the trading day before


def totals(day: Day) -> Totals:
    """BadValue when a total is beyond what its column can hold."""
    open_positions = [(i, p) for i, p in day.positions if p.quantity and not is_delivery(p.segment, p.product)]
    priced = [day.quotes[i].price * quantity for i, quantity in day.owned.items() if i in day.quotes]
    holdings_value = at_scale(sum(priced, ZERO), MONEY_SCALE)
    position_values = (position_value(p, day.quotes.get(i)) for i, p in open_positions)
    positions_value = at_scale(sum(position_values, ZERO), MONEY_SCALE)
    total = at_scale(holdings_value + positions_value, MONEY_SCALE)
    change, percent = day_change(total, day.previous_total, day.net_purchases)
    wanted = [*day.owned, *(i for i, _ in open_positions)]
    funds = day.funds
    return Totals(
        holdings_value,
        positions_value,
        total,
        funds.cash_balance if funds else None,
        funds.margin_used if funds else None,
        funds.margin_available if funds else None,
        change,
        percent,
        at_scale(day.net_purchases, MONEY_SCALE),
        len(day.owned),
        len(open_positions),
        day.orders_count,
        day.trades_count,
        sum(1 for i in wanted if i not in day.quotes or day.quotes[i].is_stale),
    )


def day_change(
    total: Decimal, previous: Decimal | None, net_purchases: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """Gain of the day, money put in taken off, and its percentage of the total of the trading day before."""
    if previous is None:
        return None, None
    change = at_scale(total - previous - net_purchases, MONEY_SCALE)
    percent = at_scale(100 * change / previous, PERCENT_SCALE) if previous else None
    return change, percent if percent is None or abs(percent) < LARGEST_PERCENT else None
