"""What every simulated broker stands on: the clock, the investors, the switches, the faults, and the log of requests.

The clock stands still until it is moved; moving it plays what the investors do until then. Broker-neutral.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .faults import Fault
from .investor import Investor
from .market import IST


@dataclass(frozen=True, slots=True)
class Served:
    """One request and how it was answered; `at` is the simulated time. A write has no place in a daily sync."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    ucc: str
    status: int
    at: datetime
    fault: str = ""
    is_write: bool = False
    broker: str = ""


class Stage:
    """Shared by the server's thread and the test's: whoever reads or changes investors holds `lock`."""

    def __init__(self, investors: Iterable[Investor], start: datetime | None, switches: Mapping[str, Any]) -> None:
        self.investors = {investor.ucc: investor for investor in investors}
        self.market = next(iter(self.investors.values())).market
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.requests: list[Served] = []
        self._switches: dict[str, Any] = dict(switches)
        self._own_switches: dict[str, dict[str, Any]] = {ucc: {} for ucc in self.investors}
        self.now = max(investor.now for investor in self.investors.values())
        self.move_to(start or self.now)

    def move_to(self, now: datetime) -> None:
        """Forward only; ValueError otherwise."""
        now = now.astimezone(IST)
        if now < self.now:
            raise ValueError(f"the clock stands at {self.now.isoformat()} and only moves forward")
        with self.lock:
            self.now = now
            for investor in self.investors.values():
                investor.play_until(now)

    def switch(self, name: str, ucc: str = "") -> Any:
        return self._own_switches.get(ucc, {}).get(name, self._switches[name])

    def set_switch(self, name: str, value: Any, ucc: str = "") -> None:
        """For everyone, or for one investor. KeyError when there is no such switch or investor."""
        if name not in self._switches:
            raise KeyError(f"no switch named {name}; there are {', '.join(sorted(self._switches))}")
        if ucc:
            self._own_switches[ucc][name] = value
        else:
            self._switches[name] = value
        if name == "sales_lower_holdings_at_once":
            for investor in [self.investors[ucc]] if ucc else self.investors.values():
                investor.demat.sales_lower_holdings_at_once = bool(value)

    def fault_for(self, path: str, ucc: str) -> Fault | None:
        """The first fault that strikes this request; one that is used up is gone."""
        with self.lock:
            for fault in self.faults:
                if fault.strikes(path, ucc):
                    fault.use()
                    self.faults = [each for each in self.faults if each.is_left]
                    return fault
        return None


@dataclass(slots=True)
class Reply:
    """A JSON answer before it is sent."""

    document: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that the broker answers with an error: HTTP status, its own code, and a message."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}
