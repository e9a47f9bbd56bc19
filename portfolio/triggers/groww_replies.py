"""How Groww's replies read: pure, from the kept bytes to `ledger.entries`. What is asked stands in `groww.py`.

A failure may come with HTTP 200, and an empty book may come as a failure. Units: shares and rupees.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from ledger import entries, normalise
from ledger.entries import CASH, DELIVERY, ZERO, Funds, Holding, Order, Position, Price, SetAside
from ledger.errors import BadValue
from ledger.normalise import SHORT_LIMIT, known_price, money, name, price, quantity, text

from .base import Reply, Rows, UnexpectedReply
from .decode import UNFIT, ListReader, Section, isin, number, one, row_type, why
from .groww_failures import SUCCESS, asked, failure, payload, reason, with_rows
from .times import Times

STATUSES = {
    **dict.fromkeys(("EXECUTED", "DELIVERY_AWAITED", "COMPLETED"), entries.EXECUTED),
    **{word: word for word in ("NEW", "ACKED", "OPEN", "TRIGGER_PENDING", "CANCELLED", "REJECTED")},
    "APPROVED": entries.ACKED,
    "MODIFICATION_REQUESTED": entries.MODIFY_PENDING,
    "CANCELLATION_REQUESTED": entries.CANCEL_PENDING,
    "FAILED": entries.REJECTED,
}
NO_QUANTITY, NO_PRICE = quantity(ZERO), price(ZERO)
# The same few words, symbols and remarks come in every row of every account.
word = lru_cache(maxsize=8192)(name)
place = lru_cache(maxsize=64)(partial(name, limit=SHORT_LIMIT))  # an exchange, a segment
remark = lru_cache(maxsize=1024)(normalise.scrubbed)


def holding(row: Any, reply: Reply, times: Times) -> Holding:
    """Owned is `quantity`; the T+1 shares come on top where the other parts alone make it up."""
    free, t1, pledged = some(row.demat_free_quantity), some(row.t1_quantity), some(row.pledge_quantity)
    repledged, locked = some(row.repledge_quantity), some(row.demat_locked_quantity)
    groww_locked = some(row.groww_locked_quantity)
    held, settled = quantity(row.quantity), free + pledged + repledged + locked + groww_locked
    is_without_t1, is_with_t1 = held == settled, held == settled + t1
    return Holding(
        isin(row.isin),
        word(row.trading_symbol),
        place(row.tradable_exchanges[0]) if row.tradable_exchanges else "NSE",
        held,
        quantity(held + t1) if t1 and is_without_t1 else held,
        known_price(row.average_price),
        free,
        t1,
        pledged,
        repledged,
        locked,
        groww_locked,
        DELIVERY,
        None,
        "" if is_without_t1 or is_with_t1 else doubt(held, settled, t1),
    )


def some(value: Decimal | None) -> Decimal:
    return quantity(value) if value else NO_QUANTITY


def doubt(held: Decimal, settled: Decimal, t1: Decimal) -> str:
    said, parts, more = (f"{value.normalize():f}" for value in (held, settled, settled + t1))
    return f"quantity {said} is neither its parts together ({parts}) nor these and the T+1 shares ({more})"


def instrument(row: Any, reply: Reply) -> tuple[str, str, str, str]:
    """Symbol, exchange, segment (the one asked for, where the row has none) and product."""
    segment = row.segment or asked(reply, "segment")
    return word(row.trading_symbol), place(row.exchange), place(segment), word(row.product)


def position(row: Any, reply: Reply, times: Times) -> Position:
    symbol, exchange, segment, product = instrument(row, reply)
    return Position(
        isin(row.symbol_isin) if segment == CASH else None,  # of a derivative it is the contract's name
        symbol,
        exchange,
        segment,
        product,
        quantity(row.quantity),
        some(row.credit_quantity),
        known_price(row.credit_price) or NO_PRICE,
        some(row.debit_quantity),
        known_price(row.debit_price) or NO_PRICE,
        some(row.carry_forward_credit_quantity),
        known_price(row.carry_forward_credit_price) or NO_PRICE,
        some(row.carry_forward_debit_quantity),
        known_price(row.carry_forward_debit_price) or NO_PRICE,
        known_price(row.net_price),
        money(row.realised_pnl),
    )


def order(row: Any, reply: Reply, times: Times) -> Order:
    ordered, filled = quantity(row.quantity), some(row.filled_quantity)
    return Order(
        name(row.groww_order_id),
        text(row.order_reference_id),
        None,
        *instrument(row, reply),
        word(row.order_type),
        word(row.transaction_type),
        ordered,
        known_price(row.price),
        known_price(row.trigger_price),
        word(row.validity) if row.validity else "",
        normalise.common_status(status(row.order_status), ordered, filled),
        word(row.order_status),
        filled,
        ordered - filled if row.remaining_quantity is None else some(row.remaining_quantity),
        known_price(row.average_fill_price),
        None if row.deliverable_quantity is None else some(row.deliverable_quantity),
        word(row.amo_status) if row.amo_status else "",
        times.instant(row.created_at),
        times.instant(row.exchange_time),
        times.instant(row.trade_date),
        remark(row.remark),
    )


@lru_cache(maxsize=1024)
def status(broker_word: str) -> str | None:
    return STATUSES.get(re.sub(r"[\s_-]+", "_", broker_word.strip().upper()))


def reader(section: str, key: str, row: Any, subject: str) -> ListReader[Any]:
    return ListReader(section, ("payload", key), row, subject, SUCCESS)


HOLDING_ROW = row_type(
    texts="trading_symbol",
    numbers="quantity",
    more_texts="isin",
    more_numbers="average_price demat_free_quantity t1_quantity pledge_quantity repledge_quantity"
    " demat_locked_quantity groww_locked_quantity",
    lists="tradable_exchanges",
)
POSITION_ROW = row_type(
    texts="trading_symbol exchange product",
    numbers="quantity",
    more_texts="segment symbol_isin",
    more_numbers="credit_quantity credit_price debit_quantity debit_price carry_forward_credit_quantity"
    " carry_forward_credit_price carry_forward_debit_quantity carry_forward_debit_price net_price realised_pnl",
)
ORDER_ROW = row_type(
    texts="groww_order_id trading_symbol exchange product order_type transaction_type order_status",
    numbers="quantity filled_quantity",
    more_texts="segment order_reference_id amo_status validity created_at exchange_time trade_date remark",
    more_numbers="remaining_quantity price trigger_price average_fill_price deliverable_quantity",
)
USER_ROW = row_type(texts="ucc", lists="active_segments")
MARGINS_ROW = row_type(numbers="clear_cash", more_numbers="net_margin_used collateral_available cnc_balance_available")


HOLDINGS = Section(
    reader("holdings", "holdings", HOLDING_ROW, "trading_symbol"),
    holding, normalise.wrong_holding, lambda row, _: row.isin or row.symbol,
)  # fmt: skip
POSITIONS = Section(
    reader("positions", "positions", POSITION_ROW, "trading_symbol"),
    position, normalise.wrong_position, lambda row, _: (row.segment, row.exchange, row.symbol, row.product),
)  # fmt: skip
ORDERS = Section(
    reader("orders", "order_list", ORDER_ROW, "groww_order_id"),
    order, normalise.wrong_order, lambda row, _: row.order_id,
)  # fmt: skip
ORDER_IDS = reader("orders", "order_list", row_type(texts="groww_order_id"), "groww_order_id")


def rows_at(key: str, replies: Sequence[Reply]) -> tuple[str, ...]:
    """Where the list stands whose rows can each be read alone: nowhere once a time has a `Z`, see `times`."""
    return () if any(b'Z"' in reply.body for reply in replies) else ("payload", key)


PRICES_AT = ("payload",)  # each symbol with its price


def parse_holdings(replies: Sequence[Reply]) -> Rows:
    return HOLDINGS.parse(with_rows(replies))


def parse_positions(replies: Sequence[Reply]) -> Rows:
    return POSITIONS.parse(with_rows(replies))


def parse_orders(replies: Sequence[Reply]) -> Rows:
    return ORDERS.parse(with_rows(replies))


def parse_funds(replies: Sequence[Reply]) -> Rows:
    told = payload(replies[-1])
    equity = told.get("equity_margin_details")
    try:
        row: Any = one({**(equity if isinstance(equity, dict) else {}), **told}, MARGINS_ROW)
        used, free = money(row.net_margin_used), money(row.cnc_balance_available)
        return [Funds(money(row.clear_cash), used, free, money(row.collateral_available))], []
    except (BadValue, ArithmeticError) as error:
        return [], [SetAside("funds", "", why(error))]
    except ValueError as error:
        raise UnexpectedReply(f"Groww's margins cannot be read: {error}") from None


def parse_prices(replies: Sequence[Reply]) -> Rows:
    """A symbol that spoilt its batch ends up alone in a reply; it is named when nothing else priced it."""
    prices: dict[str, Price] = {}
    refused: dict[str, SetAside] = {}
    for reply in replies:
        segment = asked(reply, "segment")
        if failure(reply):
            key = asked(reply, "exchange_symbols")
            if "," not in key:
                refused[key.partition("_")[2]] = SetAside("prices", key[:64], reason(reply))
            continue
        for key, value in payload(reply).items():
            exchange, _, symbol = key.partition("_")
            try:
                known = known_price(number(value))
                if known is not None and known < 0 and segment == CASH:
                    raise BadValue("a price cannot be negative")
                if known is not None:
                    prices.setdefault(symbol, Price(word(symbol), place(exchange), segment, known))
            except UNFIT as error:
                refused[symbol] = SetAside("prices", key[:64], why(error))
    return list(prices.values()), [row for symbol, row in refused.items() if symbol not in prices]


def user(reply: Reply) -> tuple[str, Sequence[str]]:
    """The client code and the active segments; nothing of either where the call does not exist."""
    if failure(reply):
        return "", ()
    try:
        row: Any = one(payload(reply), USER_ROW)
        return name(row.ucc), row.active_segments or ()
    except (BadValue, ValueError) as error:
        raise UnexpectedReply(f"Groww does not say whose account this is: {error}") from None


def order_ids(reply: Reply) -> list[str]:
    return [] if failure(reply) else [row.groww_order_id for row in ORDER_IDS.read(reply.body)[0]]
