"""How Groww's replies read: pure, from the kept bytes to `ledger.entries`. What is asked stands in `groww.py`.

A failure may come with HTTP 200, and an empty book may come as a failure. Units: shares and rupees.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import msgspec

from ledger import entries, normalise
from ledger.entries import CASH, ZERO, Funds, Holding, Listing, Order, Position, Price, SetAside, Trade
from ledger.errors import BadValue
from ledger.normalise import as_ist, ist_date, known_price, money, name, price, quantity, text

from .base import BrokerUnavailable, LoginRequired, NotPermitted, Reply, Rows, TriggerError, UnexpectedReply
from .decode import ListReader, Section, csv_rows, exact, instant, isin, number, one, row_type, saying

SUCCESS = ("status", "SUCCESS")
STATUSES = {
    **dict.fromkeys(("EXECUTED", "DELIVERY_AWAITED", "COMPLETED"), entries.EXECUTED),
    **{word: word for word in ("NEW", "ACKED", "OPEN", "TRIGGER_PENDING", "CANCELLED", "REJECTED")},
    "APPROVED": entries.ACKED,
    "MODIFICATION_REQUESTED": entries.MODIFY_PENDING,
    "CANCELLATION_REQUESTED": entries.CANCEL_PENDING,
    "FAILED": entries.REJECTED,
}
NOTHING_THERE = re.compile(r"\bno \w+ found\b|\bnot found\b", re.IGNORECASE)


class Failure(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    displayMessage: str | None = None  # on the token endpoint


class Envelope(msgspec.Struct):
    status: str = ""
    error: Failure | None = None


def failure(reply: Reply) -> Failure | None:
    """The refusal in a reply, whatever its HTTP code; None when it carries what was asked for."""
    if reply.status < 400 and b'"FAILURE"' not in reply.body:
        return None
    try:
        envelope = msgspec.json.decode(reply.body, type=Envelope)
    except (ValueError, RecursionError):
        envelope = Envelope()
    return envelope.error or Failure() if reply.status >= 400 or envelope.status == "FAILURE" else None


def says_nothing_there(reply: Reply) -> bool:
    said = failure(reply) or Failure()
    return reply.status == 404 or said.code == "GA004" or bool(NOTHING_THERE.search(said.message or ""))


def reason(reply: Reply) -> str:
    said = failure(reply) or Failure()
    return normalise.scrubbed(said.displayMessage or said.message, limit=200) or f"HTTP {reply.status}"


def refusal(reply: Reply) -> TriggerError | None:
    """What a failure means for whoever asked; None where there is something to read, if only "nothing there"."""
    said = failure(reply)
    if said is None or reply.request.startswith("POST "):  # a login reads its own answer
        return None
    words = f"Groww refused {reply.request.split('?')[0]}: {reason(reply)}"
    if reply.status == 403:
        return NotPermitted(words)
    if reply.status == 401 or said.code == "GA005":
        return LoginRequired(words)
    if said.code in ("GA000", "GA003"):
        return BrokerUnavailable(words)
    is_answer = says_nothing_there(reply) or reply.request.startswith("GET /live-data/")
    return None if is_answer else UnexpectedReply(words)


def with_rows(replies: Iterable[Reply]) -> Iterator[Reply]:
    """The replies that carry rows. A refusal that means "nothing there" carries none."""
    for reply in replies:
        if failure(reply) is None:
            yield reply
        elif not says_nothing_there(reply):
            raise UnexpectedReply(f"Groww refused: {reason(reply)}")


def payload(reply: Reply) -> dict[str, Any]:
    found = saying(SUCCESS, exact(reply.body)).get("payload") or {}
    if not isinstance(found, dict):
        raise UnexpectedReply("the broker's format has changed: payload is not an object")
    return found


def asked(reply: Reply, parameter: str) -> str:
    return parse_qs(reply.request.partition("?")[2]).get(parameter, [""])[0]


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
TRADE_ROW = row_type(
    texts="groww_order_id trading_symbol exchange product transaction_type",
    numbers="quantity price",
    more_texts="segment exchange_trade_id isin trade_date_time settlement_number trade_status",
)
USER_ROW = row_type(texts="ucc", numbers="", lists="active_segments")
GRANT_ROW = msgspec.defstruct("Grant", [("token", str), ("expiry", str | None, None), ("isActive", bool | None, None)])
MARGINS_ROW = row_type(
    texts="", numbers="clear_cash", more_numbers="net_margin_used collateral_available cnc_balance_available"
)


def holding(row: Any, reply: Reply) -> Holding:
    """Owned is `quantity`; the T+1 shares are added where the other parts alone make it up."""
    given = (row.demat_free_quantity, row.t1_quantity, row.pledge_quantity, row.repledge_quantity)
    parts = [quantity(part or ZERO) for part in (*given, row.demat_locked_quantity, row.groww_locked_quantity)]
    free, t1, pledged, repledged, locked, groww_locked = parts
    held, total = quantity(row.quantity), sum(parts, ZERO)
    owned = quantity(held + t1) if held == total - t1 else held
    doubt = "" if held in (total, total - t1) else f"quantity {held:f} is neither its parts {total - t1:f} nor with T+1"
    exchange = name(row.tradable_exchanges[0]) if row.tradable_exchanges else "NSE"
    names = (isin(row.isin), name(row.trading_symbol), exchange)
    settled = (pledged, repledged, locked, groww_locked)
    return Holding(*names, held, owned, known_price(row.average_price), free, t1, *settled, doubt=doubt)


def instrument(row: Any, reply: Reply) -> tuple[str, str, str, str]:
    """Symbol, exchange, segment (the one asked for, where the row has none) and product."""
    segment = row.segment or asked(reply, "segment")
    return name(row.trading_symbol), name(row.exchange), name(segment), name(row.product)


def position(row: Any, reply: Reply) -> Position:
    symbol, exchange, segment, product = instrument(row, reply)
    return Position(
        isin(row.symbol_isin) if segment == CASH else None,  # of a derivative it is the contract's name
        symbol,
        exchange,
        segment,
        product,
        quantity(row.quantity),
        quantity(row.credit_quantity or ZERO),
        price(row.credit_price or ZERO),
        quantity(row.debit_quantity or ZERO),
        price(row.debit_price or ZERO),
        quantity(row.carry_forward_credit_quantity or ZERO),
        price(row.carry_forward_credit_price or ZERO),
        quantity(row.carry_forward_debit_quantity or ZERO),
        price(row.carry_forward_debit_price or ZERO),
        known_price(row.net_price),
        money(row.realised_pnl),
    )


def order(row: Any, reply: Reply) -> Order:
    ordered, filled, at = quantity(row.quantity), quantity(row.filled_quantity), reply.fetched_at
    mapped = STATUSES.get(re.sub(r"[\s_-]+", "_", row.order_status.strip().upper()))
    return Order(
        name(row.groww_order_id),
        text(row.order_reference_id),
        None,
        *instrument(row, reply),
        name(row.order_type),
        name(row.transaction_type),
        ordered,
        known_price(row.price),
        known_price(row.trigger_price),
        text(row.validity),
        normalise.common_status(mapped, ordered, filled),
        text(row.order_status),
        filled,
        ordered - filled if row.remaining_quantity is None else quantity(row.remaining_quantity),
        known_price(row.average_fill_price),
        None if row.deliverable_quantity is None else quantity(row.deliverable_quantity),
        text(row.amo_status),
        instant(row.created_at, at),
        instant(row.exchange_time, at),
        instant(row.trade_date, at),
        normalise.scrubbed(row.remark),
    )


def trade(row: Any, reply: Reply) -> Trade:
    if row.trade_status == "CANCELLED":
        raise BadValue("a fill that was cancelled")
    when = instant(row.trade_date_time, reply.fetched_at)
    names = (text(row.exchange_trade_id), name(row.groww_order_id), isin(row.isin), *instrument(row, reply))
    terms = (name(row.transaction_type), quantity(row.quantity), price(row.price))
    return Trade(*names, *terms, when, ist_date(when or reply.fetched_at), text(row.settlement_number))


def fill_identity(row: Trade, number: int) -> Hashable:
    """Without a number of the exchange, its place in the reply tells two like fills apart."""
    return row.order_id, row.exchange, row.segment, row.trade_id or (row, number)


def fill_of(order: Order) -> Trade:
    """The whole fill of a derivatives order whose fills are not listed, from what the order itself says."""
    when, cost = order.exchange_time or order.created_at, order.average_fill_price
    if when is None or cost is None:
        raise BadValue("its fills are not listed, and the order does not say when or at what price")
    names = (order.symbol, order.exchange, order.segment, order.product, order.transaction_type)
    return Trade("", order.order_id, order.isin, *names, order.filled_quantity, cost, when, ist_date(when), "", True)


HOLDINGS = Section(
    ListReader("holdings", ("payload", "holdings"), HOLDING_ROW, "trading_symbol", SUCCESS),
    holding,
    normalise.wrong_holding,
    lambda row, _: row.isin or row.symbol,
)
POSITIONS = Section(
    ListReader("positions", ("payload", "positions"), POSITION_ROW, "trading_symbol", SUCCESS),
    position,
    normalise.wrong_position,
    lambda row, _: (row.segment, row.exchange, row.symbol, row.product),
)
ORDERS = Section(
    ListReader("orders", ("payload", "order_list"), ORDER_ROW, "groww_order_id", SUCCESS),
    order,
    normalise.wrong_order,
    lambda row, _: row.order_id,
)
ORDER_IDS: ListReader[Any] = ListReader(
    "orders", ("payload", "order_list"), row_type(texts="groww_order_id", numbers=""), "groww_order_id", SUCCESS
)
TRADES = Section(
    ListReader("trades", ("payload", "trade_list"), TRADE_ROW, "groww_order_id", SUCCESS),
    trade,
    normalise.wrong_trade,
    fill_identity,
)


def parse_holdings(replies: Sequence[Reply]) -> Rows:
    return HOLDINGS.parse(with_rows(replies))


def parse_positions(replies: Sequence[Reply]) -> Rows:
    return POSITIONS.parse(with_rows(replies))


def parse_orders(replies: Sequence[Reply]) -> Rows:
    return ORDERS.parse(with_rows(replies))


def parse_trades(replies: Sequence[Reply], orders: Sequence[Order] = ()) -> Rows:
    trades, aside = TRADES.parse(with_rows(replies))
    listed = {trade.order_id for trade in trades} | {row.subject for row in aside}
    for order in orders:
        if order.segment != CASH and order.filled_quantity and order.order_id not in listed:
            try:
                trades.append(fill_of(order))
            except BadValue as error:
                aside.append(SetAside("trades", order.order_id, str(error)))
    return trades, aside


def user(reply: Reply) -> tuple[str, Sequence[str]]:
    """The client code and the active segments; nothing of either where the call does not exist."""
    if failure(reply):
        return "", ()
    try:
        row = one(payload(reply), USER_ROW)
        return name(row.ucc), row.active_segments or ()
    except (BadValue, ValueError) as error:
        raise UnexpectedReply(f"Groww does not say whose account this is: {error}") from None


def order_ids(reply: Reply) -> list[str]:
    return [] if failure(reply) else [row.groww_order_id for row in ORDER_IDS.read(reply.body)[0]]


def fills_end(filled: Decimal) -> Callable[[Reply], bool]:
    """A test for the last page of an order's fills: they add up to what was filled, or nothing new came."""
    seen: dict[Hashable, Decimal] = {}

    def is_last(reply: Reply) -> bool:
        known = len(seen)
        for row in [] if failure(reply) else TRADES.reader.read(reply.body)[0]:
            if row.quantity.is_finite():
                seen[row.exchange_trade_id or (row.trade_date_time, row.price, row.quantity)] = row.quantity
        return len(seen) == known or sum(seen.values()) >= filled

    return is_last


def granted(reply: Reply, secrets: Iterable[str]) -> tuple[str, datetime | None]:
    """The access token and the end that Groww gives it. ValueError, in Groww's words, when it gave none."""
    if reply.status != 200 or failure(reply):
        raise ValueError(normalise.scrubbed(reason(reply), tuple(secrets)))
    grant: Any = one(exact(reply.body), GRANT_ROW)
    if grant.isActive is False:
        raise ValueError("the token it gave is not active")
    try:
        return grant.token, as_ist(datetime.fromisoformat(grant.expiry)) if grant.expiry else None
    except ValueError:
        return grant.token, None


def parse_funds(replies: Sequence[Reply]) -> Rows:
    told = payload(replies[-1])
    equity = told.get("equity_margin_details")
    try:
        row: Any = one({**(equity if isinstance(equity, dict) else {}), **told}, MARGINS_ROW)
        used, free = money(row.net_margin_used), money(row.cnc_balance_available)
        return [Funds(money(row.clear_cash), used, free, money(row.collateral_available))], []
    except (BadValue, ArithmeticError, ValueError) as error:
        return [], [SetAside("funds", "", str(error))]


def parse_prices(replies: Sequence[Reply]) -> Rows:
    """Prices by (exchange, symbol). A symbol that spoilt its batch ends alone, and is named when nothing priced it."""
    prices: dict[str, Price] = {}
    refused: dict[str, SetAside] = {}
    for reply in replies:
        if failure(reply):
            key = asked(reply, "exchange_symbols")
            if "," not in key:
                refused[key.partition("_")[2]] = SetAside("prices", key, reason(reply))
            continue
        for key, value in payload(reply).items():
            exchange, _, symbol = key.partition("_")
            try:
                known = known_price(number(value))
                if known is not None:
                    prices.setdefault(symbol, Price(name(symbol), name(exchange), asked(reply, "segment"), known))
            except (BadValue, ArithmeticError, ValueError) as error:
                refused[symbol] = SetAside("prices", key[:64], str(error)[:200])
    return list(prices.values()), [row for symbol, row in refused.items() if symbol not in prices]


def parse_instruments(replies: Sequence[Reply]) -> Rows:
    """Shares and funds with an ISIN; derivatives need no mapping."""
    columns = ("isin", "trading_symbol", "exchange", "segment")
    return [Listing(*row) for row in csv_rows(replies[-1].body, columns) if row[3] == CASH and row[0]], []
