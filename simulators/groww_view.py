"""How Groww shows an investor: field names, words, ids and number forms of its Trading API.

Pure rendering from the broker-neutral investor and the switches; never changes either. Prices are rupees.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from . import orders as words
from .demat import Holding
from .investor import Investor
from .orders import Fill, Order
from .positions import Position

Row = dict[str, Any]
PRODUCTS = {words.DELIVERY: "CNC", words.INTRADAY: "MIS", words.CARRY: "NRML"}
LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def groww_order_id(ucc: str, order: Order) -> str:
    prefix = "GMK" if order.instrument.segment == "CASH" else "GLTFO"
    return f"{prefix}{order.created_at:%y%m%d%H%M%S}{_letters(f'{ucc} {order.number}', 7)}"


def reference_of(ucc: str, order: Order) -> str:
    """The client's own, or what the app puts there."""
    return order.reference or _letters(f"{ucc} {order.number} reference", 12)


@lru_cache(100_000)
def _letters(seed: str, count: int) -> str:
    digest = hashlib.sha256(seed.encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:count])


class GrowwView:
    """Renders one investor; `switch` tells how the unconfirmed points of the API are to be."""

    def __init__(self, investor: Investor, switch: Callable[[str], Any]) -> None:
        self.investor = investor
        self.switch = switch
        self.numbers, self.times = switch("numbers"), switch("times")

    # Forms of numbers and times

    def number(self, value: Decimal | int) -> Any:
        """A JSON number: whole ones as integers and the others as floats, unless `numbers` says otherwise."""
        form = self.numbers
        if form == "mixed" and isinstance(value, int):
            return value
        value = round(Decimal(value), 4)
        whole = int(value)
        if form == "strings":
            return str(whole if whole == value else value.normalize())
        return float(value) if form == "floats" or whole != value else whole

    def time(self, at: datetime | None) -> str | None:
        """The samples show both naive times and a Z; nobody knows whether the Z is meant."""
        if at is None:
            return None
        if self.times == "z_utc":
            return at.astimezone(UTC).isoformat("T", "seconds").replace("+00:00", "Z")
        text = at.replace(tzinfo=None).isoformat("T", "seconds")
        return text + {"naive": "", "z_literal": "Z", "offset": "+05:30"}[self.times]

    # Holdings and positions

    def holdings(self) -> list[Row]:
        return [self.holding(holding) for holding in self.investor.holdings]

    def holding(self, holding: Holding) -> Row:
        inside = holding.unsettled if self.switch("t1_inside_quantity") else 0
        row = {
            "isin": holding.isin,
            "trading_symbol": holding.symbol,
            "quantity": self.number(holding.settled + inside),
            "average_price": self.number(holding.average),
            "pledge_quantity": self.number(holding.pledged),
            "demat_locked_quantity": self.number(holding.demat_locked),
            "groww_locked_quantity": self.number(holding.broker_locked),
            "repledge_quantity": self.number(holding.repledged),
            "t1_quantity": self.number(holding.unsettled),
            "demat_free_quantity": self.number(holding.free),
            "corporate_action_additional_quantity": holding.bonus_due,
            "active_demat_transfer_quantity": 0,
        }
        if self.switch("tradable_exchanges"):
            row["tradable_exchanges"] = ["NSE", "BSE"]
        return row

    def positions(self, segment: str = "", symbol: str = "") -> list[Row]:
        return [
            self.position(position)
            for position in self.investor.positions.values()
            if segment in ("", position.instrument.segment) and symbol in ("", position.instrument.symbol)
        ]

    def position_price(self, rupees: Decimal | int) -> Any:
        return self.number(rupees * 100 if self.switch("positions_in_paise") else rupees)

    def position(self, position: Position) -> Row:
        carried = position.carried
        row = {
            "trading_symbol": position.instrument.symbol,
            "segment": position.instrument.segment,
            "credit_quantity": position.bought,
            "credit_price": self.position_price(position.bought_price),
            "debit_quantity": position.sold,
            "debit_price": self.position_price(position.sold_price),
            "carry_forward_credit_quantity": max(carried, 0),
            "carry_forward_credit_price": self.position_price(position.carried_price if carried > 0 else 0),
            "carry_forward_debit_quantity": max(-carried, 0),
            "carry_forward_debit_price": self.position_price(position.carried_price if carried < 0 else 0),
            "exchange": position.exchange,
            "symbol_isin": position.instrument.isin or position.instrument.symbol,
            "quantity": position.net,
            "product": PRODUCTS[position.product],
            "net_carry_forward_quantity": carried,
            "net_price": self.position_price(position.net_price),
            "net_carry_forward_price": self.position_price(position.carried_price),
            "realised_pnl": self.number(position.realised),
        }
        if not self.switch("segment_in_positions"):
            del row["segment"]
        if not self.switch("realised_pnl"):
            del row["realised_pnl"]
        return row

    # Orders and trades

    def orders(self, segment: str = "") -> list[Order]:
        """Today's, the newest first."""
        return [order for order in self.investor.orders[::-1] if segment in ("", order.instrument.segment)]

    def find_order(self, order_id: str, segment: str) -> Order | None:
        past = self.investor.truth.orders if self.switch("past_order_detail") else self.investor.orders
        candidates = (order for order in past if order.instrument.segment == segment)
        return next((order for order in candidates if groww_order_id(self.investor.ucc, order) == order_id), None)

    def find_reference(self, reference: str, segment: str) -> Order | None:
        candidates = self.orders(segment)
        return next((order for order in candidates if reference_of(self.investor.ucc, order) == reference), None)

    def order(self, order: Order) -> Row:
        delivers = order.product == words.DELIVERY and order.instrument.segment == "CASH"
        row = {
            "groww_order_id": groww_order_id(self.investor.ucc, order),
            "trading_symbol": order.instrument.symbol,
            "order_status": self.order_status(order),
            "remark": order.remark,
            "quantity": order.quantity,
            "price": self.number(order.price),
            "trigger_price": self.number(order.trigger_price),
            "filled_quantity": order.filled,
            "remaining_quantity": order.quantity - order.filled,
            "average_fill_price": self.number(order.average),
            "deliverable_quantity": order.filled if delivers else 0,
            "amo_status": self.amo_status(order),
            "validity": "DAY",
            "exchange": order.exchange,
            "order_type": order.order_type,
            "transaction_type": order.side,
            "segment": order.instrument.segment,
            "product": PRODUCTS[order.product],
            "created_at": self.time(order.created_at),
            "exchange_time": self.time(order.exchange_at),
            "trade_date": self.time(order.exchange_at or order.created_at),
            "order_reference_id": reference_of(self.investor.ucc, order),
        }
        return self._with_exchange_time(row)

    def _with_exchange_time(self, row: Row) -> Row:
        if self.switch("exchange_time") == "null":
            row["exchange_time"] = None
        if self.switch("exchange_time") == "absent":
            del row["exchange_time"]
        return row

    def order_status(self, order: Order) -> str:
        if order.status == words.EXECUTED and order.product == words.DELIVERY and order.side == words.BUY:
            return "DELIVERY_AWAITED"
        if order.status == words.OPEN:
            return str(self.switch("open_status"))
        return {words.QUEUED: "APPROVED"}.get(order.status, order.status)

    def amo_status(self, order: Order) -> str:
        if not order.after_market:
            return "NA"
        if order.status == words.REJECTED:
            return "FAILED"
        return "PENDING" if order.exchange_at is None else "PLACED"

    def order_state(self, order: Order) -> Row:
        row = self.order(order)
        names = ("groww_order_id", "order_status", "remark", "filled_quantity", "order_reference_id")
        return {name: row[name] for name in names}

    def trade(self, order: Order, fill: Fill, settlement_number: str) -> Row:
        serial = order.fills.index(fill)
        own_id = _letters(f"{self.investor.ucc} {order.number} {serial}", 14)
        return {
            "price": self.number(fill.price),
            "isin": order.instrument.isin or order.instrument.symbol,
            "quantity": fill.quantity,
            "groww_order_id": groww_order_id(self.investor.ucc, order),
            "groww_trade_id": f"GTR{own_id}" if self.switch("groww_trade_id") else "",
            "exchange_trade_id": fill.number,
            "exchange_order_id": order.exchange_number,
            "trade_status": "DELIVERY_AWAITED" if self.order_status(order) == "DELIVERY_AWAITED" else "EXECUTED",
            "trading_symbol": order.instrument.symbol,
            "remark": "",
            "exchange": order.exchange,
            "segment": order.instrument.segment,
            "product": PRODUCTS[order.product],
            "transaction_type": order.side,
            "created_at": self.time(fill.at),
            "trade_date_time": self.time(fill.at),
            "settlement_number": settlement_number,
        }

    # Cash and user

    def margins(self) -> Row:
        """Futures and options block a tenth of their value; the rest is free for delivery."""
        blocked = round(sum((abs(each.net) * each.net_price for each in self._derivatives()), Decimal(0)) / 10, 2)
        free = self.investor.cash - blocked
        charges = round(self.investor.turnover * Decimal("0.0012"), 2)
        number = self.number
        return {
            "clear_cash": number(self.investor.cash),
            "net_margin_used": number(blocked),
            "brokerage_and_charges": number(charges),
            "collateral_used": 0,
            "collateral_available": 0,
            "adhoc_margin": 0,
            "fno_margin_details": {
                "net_fno_margin_used": number(blocked),
                "span_margin_used": number(blocked),
                "exposure_margin_used": 0,
                "future_balance_available": number(free),
                "option_buy_balance_available": number(free),
                "option_sell_balance_available": number(free),
            },
            "equity_margin_details": {
                "net_equity_margin_used": 0,
                "cnc_margin_used": 0,
                "mis_margin_used": 0,
                "cnc_balance_available": number(free),
                "mis_balance_available": number(free),
            },
            "commodity_margin_details": {
                f"commodity_{name}": 0
                for name in (
                    "span_margin",
                    "exposure_margin",
                    "tender_margin",
                    "special_margin",
                    "additional_margin",
                    "unrealised_m2m",
                    "realised_m2m",
                )
            },
        }

    def _derivatives(self) -> list[Position]:
        return [each for each in self.investor.positions.values() if each.instrument.segment != "CASH"]

    def user(self) -> Row:
        digest = hashlib.sha256(self.investor.ucc.encode()).hexdigest()
        return {
            "vendor_user_id": f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}",
            "ucc": self.investor.ucc,
            "nse_enabled": True,
            "bse_enabled": True,
            "ddpi_enabled": True,
            "active_segments": list(self.investor.segments),
        }
