"""A broker that says what a test writes down for it, with no network between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ledger.entries import Listing, Order, Price
from ledger.normalise import IST
from portfolio.triggers.base import Answer, BaseTrigger

SECTIONS = ("holdings", "positions", "orders", "trades", "funds", "prices")


@dataclass
class Broker:
    """`says` by section; a list, an exception that is raised, or a function that is called.

    An account of its own client id in `others` is told something else. `prices` are by symbol.
    """

    says: dict[str, Any] = field(default_factory=lambda: {name: [] for name in SECTIONS})
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    prices: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, client_id: str, section: str, *arguments: Any) -> Any:
        self.asked.append((client_id, section))
        answer = {**self.says, **self.others.get(client_id, {})}[section]
        if isinstance(answer, BaseException):
            raise answer
        return answer(*arguments) if callable(answer) else answer

    def trigger(self) -> type[BaseTrigger]:
        """Asks this broker; offers what `says` has when it is asked."""
        broker = self

        class Scripted(BaseTrigger):
            code, name = "SCRIPTED", "Scripted broker"

            def fetch_holdings(self) -> Any:
                return broker.tell(self.broker_account.account_id, "holdings")

            def fetch_positions(self) -> Any:
                return broker.tell(self.broker_account.account_id, "positions")

            def fetch_orders(self) -> Any:
                return broker.tell(self.broker_account.account_id, "orders")

            def fetch_trails(self, orders: Sequence[Order]) -> Any:
                states = broker.tell(self.broker_account.account_id, "trails")
                ids = {order.order_id for order in orders}
                return [state for state in states if state.order_id in ids]

            def fetch_trades(self, orders: Sequence[Order]) -> Any:
                """The fills of the orders that were asked for, as brokers do."""
                fills = broker.tell(self.broker_account.account_id, "trades")
                if isinstance(fills, Answer):
                    return fills
                ids = {order.order_id for order in orders}
                return [fill for fill in fills if fill.order_id in ids]

            def fetch_funds(self) -> Any:
                return broker.tell(self.broker_account.account_id, "funds")

            def fetch_prices(self, listings: Sequence[Listing]) -> Any:
                told = broker.tell(self.broker_account.account_id, "prices")
                if isinstance(told, Answer):
                    return told
                known = [each for each in listings if each.symbol in broker.prices]
                return [*told, *(Price(e.symbol, e.exchange, e.segment, broker.prices[e.symbol]) for e in known)]

            @classmethod
            def offers(cls, section: str) -> bool:
                return section in broker.says

        return Scripted


def india(text: str) -> datetime:
    """ "2026-10-05 16:05" in India."""
    return datetime.fromisoformat(text).replace(tzinfo=IST)
