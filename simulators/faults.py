"""Faults that a broker, or what stands between, has been seen to commit: injected by endpoint, number of times, client.

Three kinds: an answer in the place of the true one, the true one with its content spoilt, and the true one sent badly.
Broker-neutral: rows are found by shape, in whatever envelope.
"""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import web

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


def _failure(status: int, code: str, message: str, **headers: str) -> web.Response:
    body = {"status": "FAILURE", "error": {"code": code, "message": message, "metadata": None}}
    return web.json_response(body, status=status, headers=headers)


def _too_many(fault: Fault, now: datetime) -> web.Response:
    """`retry_after`: seconds, or "date" for an HTTP date that many `seconds` (60) from the simulated now."""
    wait = fault.options.get("retry_after")
    if wait == "date":
        wait = format_datetime(now + timedelta(seconds=fault.options.get("seconds", 60)))
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return _failure(429, "GA003", "Rate limit exceeded", **headers)


def _html(status: int) -> web.Response:
    return web.Response(text=HTML, status=status, content_type="text/html")


def _failure_with_200(fault: Fault, now: datetime) -> web.Response:
    code = fault.options.get("code", "GA000")
    return _failure(200, code, fault.options.get("message", "Internal error occurred"))


def _deep_nesting(fault: Fault, now: datetime) -> web.Response:
    depth = fault.options.get("depth", 100_000)
    body = '{"status": "SUCCESS", "payload": ' + "[" * depth + "]" * depth + "}"
    return web.Response(text=body, content_type="application/json")


def _gzip_bomb(fault: Fault, now: datetime) -> web.Response:
    """Small on the wire, `bytes` (200 MB) when unpacked."""
    block = gzip.compress(b" " * MEGABYTE, compresslevel=6)
    body = block * (fault.options.get("bytes", 200 * MEGABYTE) // MEGABYTE)
    return web.Response(body=body, content_type="application/json", headers={"Content-Encoding": "gzip"})


IN_PLACE: dict[str, Callable[[Fault, datetime], web.Response]] = {
    "401": lambda fault, now: _failure(401, "GA005", "Token expired or invalid"),
    "403": lambda fault, now: _failure(403, "GA005", "User not authorised to perform this operation"),
    "404": lambda fault, now: _failure(404, "GA004", "Requested entity does not exist"),
    "429": _too_many,
    "500": lambda fault, now: _failure(500, "GA000", "Internal error occurred"),
    "502": lambda fault, now: _html(502),
    "503_html": lambda fault, now: _html(503),
    "504": lambda fault, now: _html(504),
    "html_200": lambda fault, now: _html(200),
    "failure_200": _failure_with_200,
    "deep_nesting": _deep_nesting,
    "gzip_bomb": _gzip_bomb,
}


# The true answer with its content spoilt


def payload_of(document: Any) -> tuple[Any, str]:
    """Where the content hangs: (holder, key) inside whatever envelope there is."""
    for key in ("payload", "data"):
        if isinstance(document, dict) and key in document:
            return document, key
    return {"": document}, ""


def rows_of(document: Any) -> tuple[Any, str] | None:
    """(holder, key) of the first list in the content, or None."""
    holder, key = payload_of(document)
    content = holder[key]
    if isinstance(content, list):
        return holder, key
    if isinstance(content, dict):
        for name, value in content.items():
            if isinstance(value, list):
                return content, name
    return None


def _row(document: Any, fault: Fault) -> dict[str, Any]:
    """The row to spoil (`row`, the first when not said), or the content itself where there are no rows."""
    place = rows_of(document)
    rows = [row for row in place[0][place[1]] if isinstance(row, dict)] if place else []
    if rows:
        found: dict[str, Any] = rows[fault.options.get("row", 0) % len(rows)]
        return found
    holder, key = payload_of(document)
    return holder[key] if isinstance(holder[key], dict) else {}


def _field(row: dict[str, Any], fault: Fault, *names: str) -> str:
    """The field to spoil: the one asked for, else the first of `names`, else the first number."""
    if chosen := fault.options.get("field"):
        return str(chosen)
    numbers = [name for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    return next((name for name in (*names, *numbers) if name in row), "quantity")


def _set(*names: str, value: Any) -> "Spoiler":
    def spoil(document: Any, fault: Fault) -> None:
        row = _row(document, fault)
        row[_field(row, fault, *names)] = fault.options.get("value", value)

    return spoil


def _change_rows(change: Callable[[list[Any], Fault], Any]) -> "Spoiler":
    def spoil(document: Any, fault: Fault) -> None:
        if place := rows_of(document):
            holder, key = place
            holder[key] = change(holder[key], fault)

    return spoil


def _missing_list(document: Any, fault: Fault) -> None:
    if place := rows_of(document):
        holder, key = place
        holder.pop(key)


def _missing_field(document: Any, fault: Fault) -> None:
    row = _row(document, fault)
    row.pop(_field(row, fault, "quantity"), None)


def _all_zero(rows: list[Any], fault: Fault) -> list[Any]:
    def emptied(row: dict[str, Any]) -> dict[str, Any]:
        return {name: 0 if "quantity" in name else value for name, value in row.items()}

    return [emptied(row) for row in rows]


def _negative(document: Any, fault: Fault) -> None:
    row = _row(document, fault)
    name = _field(row, fault, "quantity")
    row[name] = -abs(row.get(name) or 1)


def _filled_above(document: Any, fault: Fault) -> None:
    row = _row(document, fault)
    row["filled_quantity"] = (row.get("quantity") or 0) + 1


def _far_future(document: Any, fault: Fault) -> None:
    row = _row(document, fault)
    for name, value in row.items():
        if isinstance(value, str) and value[:2] == "20" and value[10:11] == "T":
            row[name] = f"2099{value[4:]}"


def _other_client(document: Any, fault: Fault) -> None:
    row = _row(document, fault)
    for name in ("ucc", "vendor_user_id", "user_id"):
        if name in row:
            row[name] = fault.options.get("value", "9999999999")


Spoiler = Callable[[Any, Fault], None]
# Written into the JSON as a string, then taken out of its quotes: no JSON library writes these by itself.
NOT_JSON_NUMBERS = {"nan": "NaN", "infinity": "Infinity", "1e400": "1e400", "long_integer": "9" * 5000}

SPOILT: dict[str, Spoiler] = {
    "empty_list": _change_rows(lambda rows, fault: []),
    "short_list": _change_rows(lambda rows, fault: rows[: -fault.options.get("drop", 1)]),
    "null_list": _change_rows(lambda rows, fault: None),
    "missing_list": _missing_list,
    "shuffled_rows": _change_rows(lambda rows, fault: rows[::-1]),
    "duplicate_rows": _change_rows(lambda rows, fault: [row for row in rows for _ in range(2)]),
    "zero_quantities": _change_rows(_all_zero),
    "missing_field": _missing_field,
    "null_number": _set("quantity", value=None),
    "text_number": _set("quantity", value="ten"),
    "grouped_number": _set("average_price", "price", value="1,234.50"),
    "unknown_enum": _set("order_status", "trade_status", "status", "product", "exchange", value="TELEPORTED"),
    "unknown_field": lambda document, fault: _row(document, fault).update(
        {fault.options.get("field", "hologram"): fault.options.get("value", "new")}
    ),
    "negative_quantity": _negative,
    "filled_above_quantity": _filled_above,
    "far_future": _far_future,
    "other_client": _other_client,
    **{kind: _set("quantity", value=f"@{kind}@") for kind in NOT_JSON_NUMBERS},
}


def spoil(body: str, fault: Fault) -> str:
    document = json.loads(body)
    SPOILT[fault.kind](document, fault)
    text = json.dumps(document)
    if number := NOT_JSON_NUMBERS.get(fault.kind):
        text = text.replace(f'"@{fault.kind}@"', number)
    return text


def duplicate_keys(body: str, fault: Fault) -> str:
    """The first quantity of the answer is there twice, with two values."""
    return body.replace('"quantity": ', '"quantity": 1, "quantity": ', 1)


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
KINDS = {*IN_PLACE, *SPOILT, *BADLY_SENT, REPEATED_PAGE, "duplicate_keys"}


async def strike(request: web.Request, fault: Fault, now: datetime, true: web.Response | None) -> web.StreamResponse:
    """The answer that `fault` makes of the true one (which is None only where it was not asked for)."""
    if fault.kind in IN_PLACE:
        return IN_PLACE[fault.kind](fault, now)
    assert true is not None
    if fault.kind in BADLY_SENT:
        answer: web.StreamResponse = await BADLY_SENT[fault.kind](request, true, fault)
        return answer
    if fault.kind == REPEATED_PAGE:
        return true
    change = duplicate_keys if fault.kind == "duplicate_keys" else spoil
    return web.Response(text=change(true.text or "", fault), status=true.status, content_type="application/json")
