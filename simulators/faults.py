"""Faults that a broker, or what stands between, has been seen to commit: injected by endpoint, number of times, client.

Three kinds: an answer in the place of the true one, the true one with its content spoilt, and the true one sent badly.
Broker-neutral: rows are found by shape, in whatever envelope, and each broker's manner says how it refuses.
"""

import asyncio
import gzip
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from aiohttp import web

from .spoilt import SPOILT_KINDS, spoil

HTML = "<html><head><title>503 Service Temporarily Unavailable</title></head><body><h1>nginx</h1></body></html>"
MEGABYTE = 1_000_000


@dataclass(slots=True)
class Fault:
    """`endpoint` is a pattern on the path, such as /order/trades/*; `times` None means until it is cleared."""

    kind: str
    endpoint: str = "*"
    times: int | None = None
    ucc: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault named {self.kind}; there are {', '.join(sorted(KINDS))}")

    @property
    def is_left(self) -> bool:
        return self.times is None or self.times > 0

    def strikes(self, path: str, ucc: str) -> bool:
        return self.is_left and fnmatchcase(path, self.endpoint) and self.ucc in ("", ucc)

    def use(self) -> None:
        if self.times is not None:
            self.times -= 1


# An answer in the place of the true one


class Refused(NamedTuple):
    """HTTP status, the broker's own code, and a message."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Manner:
    """How one broker says that something is wrong. `refused` by the kind of fault; `before_content` opens an answer."""

    refused: Mapping[str, Refused]
    body: Callable[[str, str], dict[str, Any]]  # of a code and a message
    before_content: str

    def response(self, refused: Refused, **headers: str) -> web.Response:
        return web.json_response(self.body(refused.code, refused.message), status=refused.status, headers=headers)


def _headers(fault: Fault) -> dict[str, str]:
    """`retry_after`: seconds, or "date" for an HTTP date `seconds` (60) from now, in real time as all waiting is."""
    wait = fault.options.get("retry_after")
    if wait == "date":
        wait = format_datetime(datetime.now(UTC) + timedelta(seconds=fault.options.get("seconds", 60)), usegmt=True)
    return {} if wait is None else {"Retry-After": str(wait)}


def _too_many(fault: Fault, manner: Manner) -> web.Response:
    return manner.response(manner.refused["429"], **_headers(fault))


def _html(status: int, fault: Fault) -> web.Response:
    return web.Response(text=HTML, status=status, content_type="text/html", headers=_headers(fault))


def _failure_with_200(fault: Fault, manner: Manner) -> web.Response:
    usual = manner.refused["failure_200"]
    code, message = fault.options.get("code", usual.code), fault.options.get("message", usual.message)
    return manner.response(Refused(200, code, message))


def _deep_nesting(fault: Fault, manner: Manner) -> web.Response:
    depth = fault.options.get("depth", 100_000)
    body = manner.before_content + "[" * depth + "]" * depth + "}"
    return web.Response(text=body, content_type="application/json")


def _gzip_bomb(fault: Fault, manner: Manner) -> web.Response:
    """Small on the wire, `bytes` (200 MB) when unpacked."""
    block = gzip.compress(b" " * MEGABYTE, compresslevel=6)
    body = block * (fault.options.get("bytes", 200 * MEGABYTE) // MEGABYTE)
    return web.Response(body=body, content_type="application/json", headers={"Content-Encoding": "gzip"})


REFUSALS = ("401", "403", "404", "500")  # each as its broker says it
IN_PLACE: dict[str, Callable[[Fault, Manner], web.Response]] = {
    **dict.fromkeys(REFUSALS, lambda fault, manner: manner.response(manner.refused[fault.kind])),
    "429": _too_many,
    "502": lambda fault, manner: _html(502, fault),
    "503_html": lambda fault, manner: _html(503, fault),
    "504": lambda fault, manner: _html(504, fault),
    "html_200": lambda fault, manner: _html(200, fault),
    "failure_200": _failure_with_200,
    "deep_nesting": _deep_nesting,
    "gzip_bomb": _gzip_bomb,
}


# The true answer sent badly


def _reset(request: web.Request) -> None:
    """Ends the connection with a reset, not a close."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


async def _stream(request: web.Request, true: web.Response, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(status=true.status)
    response.content_type = true.content_type
    if length is not None:
        response.content_length = length
    await response.prepare(request)
    return response


async def _cut(request: web.Request, true: web.Response, fault: Fault) -> web.StreamResponse:
    """Half of the body, then a reset; the length given was that of the whole."""
    body = true.body if isinstance(true.body, bytes) else b""
    response = await _stream(request, true, len(body))
    await response.write(body[: len(body) // 2])
    _reset(request)
    return response


async def _drip(request: web.Request, true: web.Response, fault: Fault) -> web.StreamResponse:
    """One byte every `seconds` (1)."""
    body = true.body if isinstance(true.body, bytes) else b""
    response = await _stream(request, true, len(body))
    for number in range(len(body)):
        await response.write(body[number : number + 1])
        await asyncio.sleep(fault.options.get("seconds", 1))
    return response


async def _huge(request: web.Request, true: web.Response, fault: Fault) -> web.StreamResponse:
    """The true answer with `bytes` (200 MB) of blanks before its end."""
    body = true.body if isinstance(true.body, bytes) else b""
    response = await _stream(request, true, None)
    await response.write(body[:-1])
    for _ in range(fault.options.get("bytes", 200 * MEGABYTE) // MEGABYTE):
        await response.write(b" " * MEGABYTE)
    await response.write(body[-1:])
    return response


async def _reset_at_once(request: web.Request, true: web.Response, fault: Fault) -> web.StreamResponse:
    _reset(request)
    return true


async def _late(request: web.Request, true: web.Response, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.options.get("seconds", 1))
    return true


async def _truncated(request: web.Request, true: web.Response, fault: Fault) -> web.StreamResponse:
    """Half of the body, with the length of that half."""
    body = true.body if isinstance(true.body, bytes) else b""
    return web.Response(body=body[: len(body) // 2], status=true.status, content_type="application/json")


BADLY_SENT: dict[str, Callable[[web.Request, web.Response, Fault], Any]] = {
    "truncated": _truncated,
    "truncated_length": _cut,
    "slow_drip": _drip,
    "huge_body": _huge,
    "reset": _reset_at_once,
    "latency": _late,
}

# A page asked for again and again answers with the first: the endpoint's own code looks at this one.
REPEATED_PAGE = "repeated_page"
OTHER_CLIENT = "other_client"  # likewise: it shows another client's account
KINDS = {*IN_PLACE, *SPOILT_KINDS, *BADLY_SENT, REPEATED_PAGE}


async def strike(request: web.Request, fault: Fault, true: web.Response | None, manner: Manner) -> web.StreamResponse:
    """The answer that `fault` makes of the true one (which is None only where it was not asked for)."""
    if fault.kind in IN_PLACE:
        return IN_PLACE[fault.kind](fault, manner)
    assert true is not None
    if fault.kind in BADLY_SENT:
        answer: web.StreamResponse = await BADLY_SENT[fault.kind](request, true, fault)
        return answer
    if fault.kind == REPEATED_PAGE or true.content_type != "application/json":
        return true
    text = spoil(fault.kind, true.text or "", fault.options)
    return web.Response(text=text, status=true.status, content_type="application/json")
