"""Asks a simulated Groww over HTTP with the standard library alone, so that no client's tolerance hides a fault."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from simulators.groww import GrowwSimulator

UCC = "1000000001"


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
