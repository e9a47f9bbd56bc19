"""Orders and fills of one capture: a version for each state that was not known, a transaction for each new fill."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from ledger import diff
from ledger.entries import BUY, FINAL_STATES, ZERO, Order, Trade
from ledger.errors import BadValue
from ledger.normalise import MONEY_SCALE, at_scale, ist_date
from ledger.reconcile import is_delivery

from .capture import ACCEPTED, ORDERS, TRADES, UNCHANGED
from .decision import Decision
from .state import KnownOrder, KnownTrade, add_fill


def take_orders(made: Decision) -> None:
    day = made.capture.trading_day
    seen = made.unique(ORDERS, lambda order: (order.order_id, _dated(order)))
    for (order_id, dated), told in seen.items():
        order = _nameless(made, told)
        known = made.book.day_of(order_id, dated)
        if known is None or (dated is None and _is_another(known, order, day)):
            _write_order(made, dated or day, 1, None, order)
            made.count("orders_created")
        elif not diff.is_same_order(known.order, order):
            _write_order(made, known.order_date, known.version + 1, known.order, order)


def _nameless(made: Decision, order: Order) -> Order:
    """The client id stands in no leaf, not even where the broker's own texts name it."""
    client_id = made.capture.client_id
    if not client_id or (client_id not in order.remark and client_id not in order.order_reference_id):
        return order
    scrub = made.capture.scrub
    return order._replace(remark=scrub(order.remark), order_reference_id=scrub(order.order_reference_id))


def _dated(order: Order) -> date | None:
    return ist_date(order.created_at) if order.created_at else None


def _is_another(known: KnownOrder, order: Order, day: date) -> bool:
    """An order without a date whose id was that of an earlier one: what was final does not come back to life."""
    return known.order_date < day and known.order.status in FINAL_STATES and order.status not in FINAL_STATES


def _write_order(made: Decision, order_date: date, version: int, before: Order | None, order: Order) -> None:
    row_id = made.pen.order(made.instrument_of(order), order_date, version, order)
    changes = diff.order_changes(before, order)
    for change in changes:
        made.pen.order_change(row_id, order, change)
    made.count("quantity_changes_detected", len(changes))
    made.outbox.orders.append(order.order_id)


def take_trades(made: Decision) -> None:
    trades = diff.source_ids(made.section(TRADES).entries)
    for source_id, trade in trades.items():
        known = made.book.trades.get(source_id)
        if known is None or (known.quantity, known.price) != (trade.quantity, trade.price):
            _write_trade(made, source_id, known, trade)
    if made.section(TRADES).state in (ACCEPTED, UNCHANGED):
        _name_missing_fills(made, trades.values())


def _write_trade(made: Decision, source_id: str, known: KnownTrade | None, trade: Trade) -> None:
    instrument = made.instrument_of(trade)
    revision, supersedes = (known.revision + 1, known.row_id) if known else (1, None)
    try:
        amount = made.pen.transaction(source_id, revision, supersedes, instrument, trade)
    except BadValue as error:
        made.capture.blame(TRADES, "set_aside", f"{trade.symbol}: {error}", "the fill is kept in the raw reply")
        return
    if known:  # a correction: only the difference is new
        amount -= at_scale(known.quantity * known.price, MONEY_SCALE)
    units = trade.quantity - (known.quantity if known else ZERO)
    add_fill(
        made.book, instrument, trade.trade_date, trade.transaction_type == BUY,
        is_delivery(trade.segment, trade.product), units, amount, 0 if known else 1,
    )  # fmt: skip


def _name_missing_fills(made: Decision, trades: Iterable[Trade]) -> None:
    """An order that says it filled more than its fills add up to: they are asked again the next time."""
    asked: dict[str, Decimal] = {}
    for trade in trades:
        asked[trade.order_id] = asked.get(trade.order_id, ZERO) + trade.quantity
    listed = {**made.capture.known_fills, **asked}
    for order in made.section(ORDERS).entries:
        units = listed.get(order.order_id, ZERO)
        if units < order.filled_quantity:
            made.capture.blame(
                TRADES, "fills_missing",
                f"{order.symbol}: order {order.order_id} filled {order.filled_quantity.normalize():f}, "
                f"its fills add up to {units.normalize():f}",
                "nothing to do: they are asked again the next time",
            )  # fmt: skip
