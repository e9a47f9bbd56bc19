"""How Zerodha's replies read, all but holdings: pure, from the kept bytes to `ledger.entries`.

What is asked stands in `zerodha.py`. Units: shares or lots' units, rupees a unit. Times are India's.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from ledger import normalise
from ledger.entries import CASH, ZERO, Funds, Order, Position, Price, SetAside, Trade
from ledger.errors import BadValue
from ledger.normalise import ist_date, known_price, money, name, price, quantity, text

from .base import Reply, Rows, UnexpectedReply
from .decode import UNFIT, ListReader, Section, one, row_type, why
from .times import Times
from .zerodha_failures import SUCCESS, data, is_without_trail
from .zerodha_words import NO_PRICE, NO_QUANTITY, exchange_and_segment, remark, some, status, word


def instrument(row: Any) -> tuple[str, str, str, str]:
    """Symbol, exchange, segment and product."""
    return word(row.tradingsymbol), *exchange_and_segment(row.exchange), word(row.product)


def position(row: Any, reply: Reply, times: Times) -> Position:
    """Of the list `net`, which is the present; `day` is a part of the same, never to be added."""
    carried = quantity(row.overnight_quantity or ZERO)
    carried_price = price_carried(row)
    bought, sold = max(carried, NO_QUANTITY), max(-carried, NO_QUANTITY)
    return Position(
        None,
        *instrument(row),
        quantity(row.quantity),
        some(row.day_buy_quantity),
        known_price(row.day_buy_price) or NO_PRICE,
        some(row.day_sell_quantity),
        known_price(row.day_sell_price) or NO_PRICE,
        bought,
        carried_price if bought else NO_PRICE,
        sold,
        carried_price if sold else NO_PRICE,
        known_price(row.average_price),
        None,  # `realised` is 0 even where something was
        quantity(row.multiplier) if row.multiplier else quantity(Decimal(1)),
        known_price(row.last_price),
    )


def price_carried(row: Any) -> Decimal:
    """What was carried in cost so much a unit: the part of the whole side that is not today's. 0 where that is open."""
    side = "buy" if (row.overnight_quantity or ZERO) > ZERO else "sell"
    units, value, units_today, value_today = (
        getattr(row, f"{when}{side}_{what}") or ZERO for when in ("", "day_") for what in ("quantity", "value")
    )
    carried = units - units_today
    if not carried or carried != abs(row.overnight_quantity or ZERO):
        return NO_PRICE
    return price((value - value_today) / (carried * (row.multiplier or 1)))


def order(row: Any, reply: Reply, times: Times) -> Order:
    ordered, filled = quantity(row.quantity), some(row.filled_quantity)
    return Order(
        name(row.order_id),
        text(row.tag) or ",".join(row.tags or ())[: normalise.TEXT_LIMIT],
        None,
        *instrument(row),
        word(row.order_type).replace("-", "_"),
        word(row.transaction_type),
        ordered,
        known_price(row.price),
        known_price(row.trigger_price),
        word(row.validity) if row.validity else "",
        normalise.common_status(status(row.status), ordered, filled),
        word(row.status),
        filled,
        ordered - filled,  # `pending_quantity` and `cancelled_quantity` contradict each other
        known_price(row.average_price),
        None,
        after_market(row),
        times.instant(row.order_timestamp),
        times.instant(row.exchange_timestamp),
        None,
        remark(row.status_message or row.status_message_raw),
        changed_at(row, times),
    )


def changed_at(row: Any, times: Times) -> datetime | None:
    """The later of what was asked last and what the exchange did last."""
    known = (times.instant(row.order_timestamp), times.instant(row.exchange_update_timestamp))
    return max((moment for moment in known if moment), default=None)


def state(row: Any, reply: Reply, times: Times) -> Order:
    """One row of a trail. It is of the order whose trail was asked for."""
    told = order(row, reply, times)
    if told.order_id != reply.request.rpartition("/")[2]:
        raise BadValue(f"a state of another order, {told.order_id}")
    return told


def after_market(row: Any) -> str:
    if row.variety != "amo":
        return "NA"
    return "PENDING" if "AMO" in row.status.upper() else "PLACED"


def trade(row: Any, reply: Reply, times: Times) -> Trade:
    """`order_timestamp` of a trade is a time of day alone; `fill_timestamp` is whole."""
    when = times.instant(row.fill_timestamp or row.exchange_timestamp)
    names = (text(row.trade_id), name(row.order_id), None, *instrument(row))
    terms = (word(row.transaction_type), quantity(row.quantity), price(row.average_price))
    return Trade(*names, *terms, when, ist_date(when or reply.fetched_at))


POSITION_ROW = row_type(
    texts="tradingsymbol exchange product",
    numbers="quantity",
    more_numbers="overnight_quantity multiplier average_price last_price buy_quantity buy_value sell_quantity"
    " sell_value day_buy_quantity day_buy_price day_buy_value day_sell_quantity day_sell_price day_sell_value",
)
MORE_OF_AN_ORDER = (
    "tag validity variety order_timestamp exchange_timestamp exchange_update_timestamp status_message"
    " status_message_raw"
)
ORDER_ROW = row_type(
    texts="order_id tradingsymbol exchange product order_type transaction_type status",
    numbers="quantity filled_quantity",
    more_texts=MORE_OF_AN_ORDER,
    more_numbers="price trigger_price average_price",
    lists="tags",
)
STATE_ROW = row_type(
    texts="order_id tradingsymbol exchange product order_type transaction_type status",
    numbers="quantity",
    more_texts=MORE_OF_AN_ORDER,
    more_numbers="filled_quantity price trigger_price average_price",
    lists="tags",
)
TRADE_ROW = row_type(
    texts="order_id tradingsymbol exchange product transaction_type",
    numbers="quantity average_price",
    more_texts="trade_id fill_timestamp exchange_timestamp",
)
POSITIONS = Section(
    ListReader("positions", ("data", "net"), POSITION_ROW, "tradingsymbol", SUCCESS),
    position, normalise.wrong_position, lambda row, _: (row.segment, row.exchange, row.symbol, row.product),
)  # fmt: skip
ORDERS = Section(
    ListReader("orders", ("data",), ORDER_ROW, "order_id", SUCCESS),
    order, normalise.wrong_order, lambda row, _: row.order_id,
)  # fmt: skip
STATES = Section(
    ListReader("trails", ("data",), STATE_ROW, "order_id", SUCCESS),
    state, normalise.wrong_order, lambda row, spot: (row.order_id, spot),
)  # fmt: skip
TRADES = Section(
    ListReader("trades", ("data",), TRADE_ROW, "order_id", SUCCESS),
    trade, normalise.wrong_trade,
    # Without a number of the exchange, its place in the reply tells two like fills apart.
    lambda row, spot: (row.order_id, row.exchange, row.segment, row.symbol, row.trade_id or (row, spot)),
)  # fmt: skip
PROFILE_ROW = row_type(texts="user_id")
PRICE_ROW = row_type(numbers="last_price")


class Available(msgspec.Struct):
    cash: Decimal | None = None
    collateral: Decimal | None = None
    adhoc_margin: Decimal | None = None


class Utilised(msgspec.Struct):
    debits: Decimal | None = None


class Equity(msgspec.Struct):
    """Commodities have such an object too; what shares are paid from is this one."""

    net: Decimal
    available: Available
    utilised: Utilised


def parse_positions(replies: Sequence[Reply]) -> Rows:
    return POSITIONS.parse(replies)


def parse_orders(replies: Sequence[Reply]) -> Rows:
    return ORDERS.parse(replies)


def parse_trails(replies: Sequence[Reply], missing: Sequence[SetAside] = ()) -> Rows:
    """Every state of an order was made when its trail begins. `missing`: the orders whose trail did not come."""
    states, aside = STATES.parse(reply for reply in replies if not is_without_trail(reply))
    made: dict[str, datetime | None] = {}
    for each in states:
        made.setdefault(each.order_id, each.created_at)
    return [each._replace(created_at=made[each.order_id]) for each in states], [*aside, *missing]


def parse_trades(replies: Sequence[Reply]) -> Rows:
    return TRADES.parse(replies)


def parse_funds(replies: Sequence[Reply]) -> Rows:
    try:
        equity: Any = one(data(replies[-1]).get("equity"), Equity)
        used, collateral = equity.utilised.debits or ZERO, equity.available.collateral or ZERO
        cash, is_derived = equity.available.cash, not equity.available.cash and bool(equity.net)
        if is_derived:  # now and then it is 0 while the rest is right
            cash = equity.net + used - collateral - (equity.available.adhoc_margin or ZERO)
        figures = money(cash), money(used), money(equity.net), money(collateral)
        return [Funds(*figures, is_derived=is_derived)], []
    except (BadValue, ArithmeticError) as error:
        return [], [SetAside("funds", "", why(error))]
    except (ValueError, AttributeError) as error:
        raise UnexpectedReply(f"Zerodha's margins cannot be read: {error}") from None


def parse_prices(replies: Sequence[Reply]) -> Rows:
    """What is not known is not in the answer, and is no error."""
    prices: dict[str, Price] = {}
    aside: list[SetAside] = []
    for reply in replies:
        for key, raw in data(reply).items():
            code, _, symbol = key.partition(":")
            try:
                known = known_price(one(raw, PRICE_ROW).last_price)
                exchange, segment = exchange_and_segment(code)
                if known is not None and known < 0 and segment == CASH:
                    raise BadValue("a price cannot be negative")
                if known is not None:
                    prices[key] = Price(word(symbol), exchange, segment, known)
            except UNFIT as error:
                aside.append(SetAside("prices", key[:64], why(error)))
    return list(prices.values()), aside


def user_id(reply: Reply) -> str:
    try:
        row: Any = one(data(reply), PROFILE_ROW)
        return name(row.user_id)
    except (BadValue, ValueError) as error:
        raise UnexpectedReply(f"Zerodha does not say whose account this is: {error}") from None
