"""How Groww lists the fills of an order: pure, from the kept bytes to `ledger.entries`.

Fills are asked for order by order. A derivatives order may have filled although its fills are not listed: then the
order itself tells them, as one fill that is marked as made up, and `ledger.fills` keeps of it what no listed fill is.
"""

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from typing import Any

from ledger import normalise
from ledger.entries import CASH, ZERO, Order, SetAside, Trade
from ledger.errors import BadValue
from ledger.normalise import ist_date, name, price, quantity, text

from .base import Reply, Rows
from .decode import UNFIT, Section, isin, row_type
from .groww_failures import asked_order, failure, with_rows
from .groww_replies import instrument, reader, word
from .times import Times


def trade(row: Any, reply: Reply, times: Times) -> Trade:
    if row.trade_status == "CANCELLED":
        raise BadValue("a fill that was cancelled")
    if row.groww_order_id.strip() != asked_order(reply):
        raise BadValue(f"a fill of another order than {asked_order(reply)[:64]}, whose fills were asked for")
    when = times.instant(row.trade_date_time)
    listing = instrument(row, reply)
    names = (text(row.exchange_trade_id), name(row.groww_order_id), isin(row.isin) if listing[2] == CASH else None)
    terms = (word(row.transaction_type), quantity(row.quantity), price(row.price))
    return Trade(*names, *listing, *terms, when, ist_date(when or reply.fetched_at), text(row.settlement_number))


def fill_identity(row: Trade, place: int) -> Hashable:
    """Without a number of the exchange, its place in the reply tells two like fills apart."""
    return row.order_id, row.exchange, row.segment, row.trade_id or (row, place)


def fill_of(order: Order) -> Trade:
    """The whole fill of a derivatives order whose fills are not listed, from what the order itself says."""
    when, cost = order.exchange_time or order.created_at, order.average_fill_price
    if when is None or cost is None:
        raise BadValue("its fills are not listed, and the order does not say when or at what price")
    names = (order.symbol, order.exchange, order.segment, order.product, order.transaction_type)
    return Trade("", order.order_id, order.isin, *names, order.filled_quantity, cost, when, ist_date(when), "", True)


TRADE_ROW = row_type(
    texts="groww_order_id trading_symbol exchange product transaction_type",
    numbers="quantity price",
    more_texts="segment exchange_trade_id isin trade_date_time settlement_number trade_status",
)
TRADES = Section(
    reader("trades", "trade_list", TRADE_ROW, "groww_order_id"),
    trade, normalise.wrong_trade, fill_identity,
)  # fmt: skip


def parse_trades(replies: Sequence[Reply], orders: Sequence[Order] = (), lost: Sequence[SetAside] = ()) -> Rows:
    """`orders`: those whose fills were asked for, and told; `lost`: why those of others were not."""
    trades, aside = TRADES.parse(with_rows(replies))
    aside += lost
    listed = {trade.order_id for trade in trades} | {row.subject for row in aside}
    for order in orders:
        if order.segment != CASH and order.filled_quantity and order.order_id not in listed:
            try:
                trades.append(fill_of(order))
            except BadValue as error:
                aside.append(SetAside("trades", order.order_id, str(error)))
    return trades, aside


def fills_end(filled: Decimal) -> Callable[[Reply], bool]:
    """A test for the last page of an order's fills: they add up to what was filled, or nothing new came."""
    seen: dict[Hashable, Decimal] = {}

    def is_last(reply: Reply) -> bool:
        known = len(seen)
        rows, unread = ([], []) if failure(reply) else TRADES.reader.read(reply.body)
        seen.update((fill_key(row), units(row, reply)) for row in rows)
        seen.update((each, ZERO) for each in unread)
        return len(seen) == known or sum(seen.values()) >= filled

    return is_last


def fill_key(row: Any) -> Hashable:
    return row.exchange_trade_id or (row.trade_date_time, str(row.price), str(row.quantity))


def units(row: Any, reply: Reply) -> Decimal:
    """What this row adds to the fills of its order: nothing when it will be set aside."""
    try:
        fill = trade(row, reply, Times(reply.fetched_at))
    except UNFIT:
        return ZERO
    return ZERO if normalise.wrong_trade(fill) else fill.quantity
