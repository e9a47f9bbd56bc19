"""How Zerodha shows an investor: field names, words, ids and number forms of Kite Connect 3.

Pure rendering from the broker-neutral investor and the switches; never changes either. Prices are rupees; binary
noise in figures that are worked out is meant, since Zerodha's own answers have it.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from . import orders as words
from .demat import Holding
from .investor import Investor
from .market import previous_trading_day
from .orders import SELL, Fill, Order
from .positions import Position
from .shares import Instrument
from .zerodha_forms import PRODUCTS, digits, instrument_token, kite_exchange, moment, number, order_id_of, user_id_of
from .zerodha_trail import Snapshot, trail

Row = dict[str, Any]


class ZerodhaView:
    """Renders one investor; `switch` tells how the unconfirmed points of the API are to be."""

    def __init__(self, investor: Investor, switch: Callable[[str], Any]) -> None:
        self.investor = investor
        self.switch = switch

    @property
    def today(self) -> date:
        return self.investor.book_day

    def order_id(self, order: Order) -> str:
        return order_id_of(self.investor.ucc, order, self.switch("order_id_digits"))

    def symbol(self, instrument: Instrument) -> str:
        series = self.switch("series").get(instrument.symbol, "")
        return f"{instrument.symbol}-{series}" if series else instrument.symbol

    # Holdings

    def holdings(self) -> list[Row]:
        held = self.investor.holdings
        if self.switch("sold_rows_stay"):
            held = list(self.investor.demat.holdings.values())
        return [self.holding(each) for each in held]

    def holding(self, holding: Holding) -> Row:
        share = self.investor.market.instrument(holding.symbol, self.today)
        exchange = self._shown_exchange(holding.isin)
        pledged, used = holding.pledged + holding.repledged, self.sold_today(holding.isin)
        quantity = holding.settled - pledged
        lowered = used if self.investor.demat.sales_lower_holdings_at_once else 0
        opening = holding.total + lowered - (0 if self.switch("opening_includes_pledged") else pledged)
        inside = holding.unsettled if self.switch("t1_inside_quantity") else 0
        return {
            "tradingsymbol": self.symbol(share),
            "exchange": exchange,
            "instrument_token": instrument_token(share, exchange),
            "isin": holding.isin,
            "product": "CNC",
            "price": 0,
            "quantity": quantity + inside,
            "used_quantity": used,
            "t1_quantity": holding.unsettled,
            "realised_quantity": quantity,
            "authorised_quantity": 0,
            "authorised_date": f"{self.today} 00:00:00",
            "authorisation": {},
            "opening_quantity": opening,
            "short_quantity": 0,
            "collateral_quantity": pledged,
            "collateral_type": "",
            "discrepancy": not holding.average,
            "average_price": number(holding.average),
            **self._worth(holding),
            "mtf": self._funded(holding.symbol),
        }

    def _shown_exchange(self, isin: str) -> str:
        """Now this one, now that, from day to day."""
        flips = self.switch("exchange_flips") and int(digits(f"{isin} {self.today}", 3)) % 4 == 0
        return "BSE" if flips else "NSE"

    def sold_today(self, isin: str) -> int:
        """Out of what was held; what was bought today and sold again is none of it."""
        sold = sum(
            fill.quantity
            for order, fill in self.investor.truth.fills_on(self.today)
            if order.instrument.isin == isin and order.side == SELL and order.product == words.DELIVERY
        )
        delivery = self.investor.demat.today.get(isin)
        return sold - delivery.sold_again if delivery else sold

    def _worth(self, holding: Holding) -> Row:
        last, before = self._prices(holding.symbol)
        gained = float(last) * holding.total - float(holding.average) * holding.total
        return {
            "last_price": number(last),
            "close_price": number(before),
            "pnl": gained,
            "day_change": float(last) - float(before),
            "day_change_percentage": (float(last) - float(before)) * 100 / float(before),
        }

    def _prices(self, symbol: str) -> tuple[Decimal, Decimal]:
        """The last price, and the close of the trading day before."""
        market, now = self.investor.market, self.investor.now
        return market.price(symbol, now), market.close(symbol, previous_trading_day(now.date()))

    def _funded(self, symbol: str) -> Row:
        quantity, average = self.switch("mtf").get(symbol, (0, 0))
        return {
            "quantity": quantity,
            "used_quantity": 0,
            "average_price": average,
            "value": quantity * average,
            "initial_margin": 0,
        }

    # Positions

    def positions(self) -> Row:
        every = self.investor.positions.values()
        today = [Position(each.instrument, each.exchange, each.product, each.bought, each.bought_value, each.sold,
                          each.sold_value) for each in every if each.bought or each.sold]  # fmt: skip
        return {"net": [self.position(each) for each in every], "day": [self.position(each) for each in today]}

    def position(self, position: Position) -> Row:
        (bought, bought_value), (sold, sold_value) = position.all_bought, position.all_sold
        last, before = self._prices(position.instrument.symbol)
        value = float(sold_value) - float(bought_value)
        gained = value + position.net * float(last)
        return {
            "tradingsymbol": self.symbol(position.instrument),
            "exchange": kite_exchange(position.instrument, position.exchange),
            "instrument_token": instrument_token(position.instrument, position.exchange),
            "product": PRODUCTS[position.product],
            "quantity": position.net,
            "overnight_quantity": position.carried,
            "multiplier": 1,
            "average_price": number(position.net_price),
            "close_price": number(before) if position.carried else 0,
            "last_price": number(last),
            "value": value,
            "pnl": gained,
            "m2m": gained,
            "unrealised": gained,
            "realised": 0,
            **self._side("buy", bought, bought_value, position.bought, position.bought_value),
            **self._side("sell", sold, sold_value, position.sold, position.sold_value),
        }

    def _side(self, name: str, units: int, value: Decimal, units_today: int, value_today: Decimal) -> Row:
        def figures(prefix: str, units: int, value: Decimal) -> Row:
            price = number(value / units) if units else 0
            return {f"{prefix}_quantity": units, f"{prefix}_price": price, f"{prefix}_value": number(value)}

        return figures(name, units, value) | {f"{name}_m2m": number(value)} | figures(
            f"day_{name}", units_today, value_today
        )  # fmt: skip

    # Orders and trades

    def orders(self) -> list[Row]:
        """Today's."""
        return [self.order(order) for order in self.investor.orders]

    def order(self, order: Order) -> Row:
        """The registered time is that of what the client asked last; the exchange's own follows it."""
        steps = trail(order)
        asked = [step for step in steps if step.is_asked][-1]
        row = self.snapshot(order, steps[-1]) | {"order_timestamp": moment(self._registered(order, asked.at))}
        if order.reference:
            row["tags"] = [order.reference]
        return row

    def _registered(self, order: Order, asked: datetime) -> datetime:
        """Whether an after-market order is registered anew when it is sent to the exchange is not known."""
        is_sent = order.after_market and order.exchange_at is not None
        return max(asked, order.exchange_at or asked) if is_sent and self.switch("amo_time") == "sent" else asked

    def history(self, order: Order) -> list[Row]:
        return [self.snapshot(order, step) for step in trail(order, self.switch("trail_starts_at"))]

    def snapshot(self, order: Order, step: Snapshot) -> Row:
        """One state of an order. It never reached the exchange while it has no number there."""
        state, rejected = step.state, order.status == words.REJECTED
        reached = order.exchange_at is not None and step.at >= order.exchange_at and "PENDING" not in step.word
        is_final = step.word in ("CANCELLED", "REJECTED", "COMPLETE")
        left = state.quantity - state.filled
        says = state.remark if rejected and step.word == "REJECTED" else None
        return {
            "account_id": user_id_of(self.investor.ucc),
            "placed_by": user_id_of(self.investor.ucc),
            "order_id": self.order_id(order),
            "exchange_order_id": order.exchange_number if reached else None,
            "parent_order_id": None,
            "status": step.word,
            "status_message": says,
            "status_message_raw": f"RMS:{says}" if says else None,
            "order_timestamp": moment(step.at),
            "exchange_update_timestamp": moment(step.at) if reached else None,
            "exchange_timestamp": moment(order.exchange_at) if reached else None,
            "variety": "amo" if order.after_market else "regular",
            "modified": any(each.price != order.history[0].price for each in order.history),
            "exchange": kite_exchange(order.instrument, order.exchange),
            "tradingsymbol": self.symbol(order.instrument),
            "instrument_token": instrument_token(order.instrument, order.exchange),
            "order_type": order.order_type.replace("_", "-"),
            "transaction_type": order.side,
            "validity": "DAY",
            "validity_ttl": 0,
            "product": PRODUCTS[order.product],
            "quantity": state.quantity,
            "disclosed_quantity": 0,
            "price": number(state.price),
            "trigger_price": number(state.trigger_price),
            "average_price": float(state.average) if state.filled else 0,
            "filled_quantity": state.filled,
            "pending_quantity": left,
            "cancelled_quantity": left if is_final and step.word == "CANCELLED" else 0,
            "market_protection": 0,
            "meta": {},
            "tag": order.reference or None,
            "guid": None,
        }

    def find_order(self, order_id: str) -> Order | None:
        """Of today's book alone."""
        return next((order for order in self.investor.orders if self.order_id(order) == order_id), None)

    def trades(self, orders: Iterable[Order] | None = None) -> list[Row]:
        chosen = None if orders is None else list(orders)
        filled = self.investor.truth.fills_on(self.today)
        return [self.trade(order, fill) for order, fill in filled if chosen is None or order in chosen]

    def trade(self, order: Order, fill: Fill) -> Row:
        return {
            "trade_id": fill.number,
            "order_id": self.order_id(order),
            "exchange": kite_exchange(order.instrument, order.exchange),
            "tradingsymbol": self.symbol(order.instrument),
            "instrument_token": instrument_token(order.instrument, order.exchange),
            "product": PRODUCTS[order.product],
            "average_price": number(fill.price),
            "quantity": fill.quantity,
            "exchange_order_id": order.exchange_number,
            "transaction_type": order.side,
            "fill_timestamp": moment(fill.at),
            "order_timestamp": f"{fill.at:%H:%M:%S}",
            "exchange_timestamp": moment(fill.at),
        }
