"""Asks a simulated Groww over HTTP with the standard library alone, so that no client's tolerance hides a fault."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from simulators.groww import GrowwSimulator
from tests.simulators.build import UCC


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def payload(self) -> Any:
        return self.json["payload"]


def ask(
    sim: GrowwSimulator, path: str, *, token: str = "", method: str = "GET", body: Any = None, version: str = "1.0"
) -> Answer:
    """One request as UCC, or with another `token`. Errors come back as answers."""
    headers = {"Authorization": f"Bearer {token or sim.credentials(UCC)['access_token']}"}
    if version:
        headers["X-API-VERSION"] = version
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(sim.url + path, data, headers, method=method)
    return _send(request)


def control(sim: GrowwSimulator, path: str, *, method: str = "GET", body: Any = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    return _send(urllib.request.Request(sim.control_url + path, data, method=method))


def _send(request: urllib.request.Request) -> Answer:
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return Answer(reply.status, reply.read().decode(), dict(reply.headers))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), dict(error.headers))


def orders_of(sim: GrowwSimulator, query: str = "segment=CASH&page=0&page_size=100") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(sim, f"/order/list?{query}").payload["order_list"]
    return found


def trades_of(sim: GrowwSimulator, order: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    path = f"/order/trades/{order['groww_order_id']}?segment={order['segment']}{query}"
    found: list[dict[str, Any]] = ask(sim, path).payload["trade_list"]
    return found
