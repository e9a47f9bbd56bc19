"""The other side of a simulator, for demos and tests: its clock, faults, switches, log, and what really happened.

No login, no envelope; decimals are text. Broker-neutral: how investors log in is handed in by the broker's simulator.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from aiohttp import web

from .faults import Fault
from .investor import Investor
from .orders import Order
from .stage import Stage

Credentials = Callable[[str], dict[str, Any]]


class Control:
    def __init__(self, stage: Stage, credentials: Credentials) -> None:
        self.stage = stage
        self.credentials = credentials

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/clock", self.clock),
            web.post("/control/clock", self.move_clock),
            web.post("/control/fault", self.add_fault),
            web.delete("/control/faults", self.clear_faults),
            web.post("/control/switch", self.set_switches),
            web.get("/control/investors", self.investors),
            web.get("/control/log", self.log),
            web.get("/control/truth/{ucc}", self.truth),
        ]

    async def clock(self, request: web.Request) -> web.Response:
        return web.json_response({"now": self.stage.now.isoformat()})

    async def move_clock(self, request: web.Request) -> web.Response:
        """{"now": ISO with offset}"""
        try:
            now = datetime.fromisoformat((await request.json())["now"])
            if now.tzinfo is None:
                raise ValueError("the time needs an offset, such as +05:30")
            self.stage.move_to(now)
        except (ValueError, KeyError, TypeError) as error:
            return _refused(error)
        return await self.clock(request)

    async def add_fault(self, request: web.Request) -> web.Response:
        """{"kind", "endpoint", "times", "ucc", and the fault's own options}"""
        try:
            body = await request.json()
            named = {name: body.pop(name) for name in ("kind", "endpoint", "times", "ucc") if name in body}
            self.stage.faults.append(Fault(**named, options=body))
        except (ValueError, TypeError, AttributeError) as error:
            return _refused(error)
        return web.json_response({"faults": len(self.stage.faults)})

    async def clear_faults(self, request: web.Request) -> web.Response:
        self.stage.faults.clear()
        return web.json_response({"faults": 0})

    async def set_switches(self, request: web.Request) -> web.Response:
        """{name: value, ...}, for one investor when there is a "ucc" among them."""
        try:
            body = await request.json()
            ucc = body.pop("ucc", "")
            for name, value in body.items():
                self.stage.set_switch(name, value, ucc)
        except (ValueError, KeyError, AttributeError) as error:
            return _refused(error)
        return web.json_response({name: self.stage.switch(name, ucc) for name in body})

    async def investors(self, request: web.Request) -> web.Response:
        return web.json_response({"investors": [self.credentials(ucc) for ucc in self.stage.investors]})

    async def log(self, request: web.Request) -> web.Response:
        with self.stage.lock:
            rows = [asdict(served) | {"at": served.at.isoformat()} for served in self.stage.requests]
        return web.json_response({"requests": rows})

    async def truth(self, request: web.Request) -> web.Response:
        """Of ?day=YYYY-MM-DD, or of the day that is running."""
        investor = self.stage.investors.get(request.match_info["ucc"])
        if investor is None:
            return _refused(KeyError("no such investor"))
        try:
            day = date.fromisoformat(request.query["day"]) if "day" in request.query else investor.book_day
            with self.stage.lock:
                return web.json_response(truth_of(investor, day))
        except (ValueError, KeyError) as error:
            return _refused(error)


def _refused(error: Exception) -> web.Response:
    return web.json_response({"error": str(error)}, status=400)


def truth_of(investor: Investor, day: date) -> dict[str, Any]:
    """KeyError for a day that has not been."""
    truth = investor.truth
    return {
        "ucc": investor.ucc,
        "day": day.isoformat(),
        "owned": investor.owned_on(day),
        "cash": str(investor.cash if day == investor.book_day else truth.days[day].cash),
        "carried": _carried(investor) if day == investor.book_day else truth.days[day].carried,
        "movements": [
            {"isin": move.isin, "kind": move.kind, "quantity": move.quantity} for move in truth.movements_on(day)
        ],
        "orders": [_order(order) for order in truth.orders_on(day)],
        "fills": [
            {
                "order": order.number,
                "trade": fill.number,
                "symbol": order.instrument.symbol,
                "isin": order.instrument.isin,
                "side": order.side,
                "product": order.product,
                "quantity": fill.quantity,
                "price": str(fill.price),
                "at": fill.at.isoformat(),
            }
            for order, fill in truth.fills_on(day)
        ],
        "cash_entries": [
            {"at": entry.at.isoformat(), "amount": str(entry.amount), "kind": entry.kind}
            for entry in truth.cash
            if entry.at.date() == day
        ],
    }


def _carried(investor: Investor) -> dict[str, int]:
    return {each.instrument.symbol: each.net for each in investor.positions.values() if each.instrument.expiry}


def _order(order: Order) -> dict[str, Any]:
    """Every state that the order has been in."""
    return {
        "order": order.number,
        "symbol": order.instrument.symbol,
        "side": order.side,
        "product": order.product,
        "states": [
            {
                "at": state.at.isoformat(),
                "status": state.status,
                "quantity": state.quantity,
                "filled": state.filled,
                "price": str(state.price),
                "average": str(state.average),
                "remark": state.remark,
            }
            for state in order.history
        ],
    }
