"""The true answer of a broker with its content spoilt: rows lost, doubled or changed, numbers that are none.

Rows are found by shape, in whatever envelope, so that it serves every broker. Options are those of the fault.
"""

import json
from collections.abc import Callable
from typing import Any

Options = dict[str, Any]
Spoiler = Callable[[Any, Options], None]


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


def _row(document: Any, options: Options) -> dict[str, Any]:
    """The row to spoil (`row`, the first when not said), or the content itself where there are no rows."""
    place = rows_of(document)
    rows = [row for row in place[0][place[1]] if isinstance(row, dict)] if place else []
    if rows:
        found: dict[str, Any] = rows[options.get("row", 0) % len(rows)]
        return found
    holder, key = payload_of(document)
    return holder[key] if isinstance(holder[key], dict) else {}


def _field(row: dict[str, Any], options: Options, *names: str) -> str:
    """The field to spoil: the one asked for, else the first of `names`, else the first number."""
    if chosen := options.get("field"):
        return str(chosen)
    numbers = [name for name, value in row.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    return next((name for name in (*names, *numbers) if name in row), "quantity")


def _set(*names: str, value: Any) -> Spoiler:
    def spoil(document: Any, options: Options) -> None:
        row = _row(document, options)
        row[_field(row, options, *names)] = options.get("value", value)

    return spoil


def _change_rows(change: Callable[[list[Any], Options], Any]) -> Spoiler:
    def spoil(document: Any, options: Options) -> None:
        if place := rows_of(document):
            holder, key = place
            holder[key] = change(holder[key], options)

    return spoil


def _missing_list(document: Any, options: Options) -> None:
    if place := rows_of(document):
        holder, key = place
        holder.pop(key)


def _missing_field(document: Any, options: Options) -> None:
    row = _row(document, options)
    row.pop(_field(row, options, "quantity"), None)


def _all_zero(rows: list[Any], options: Options) -> list[Any]:
    def emptied(row: dict[str, Any]) -> dict[str, Any]:
        return {name: 0 if "quantity" in name else value for name, value in row.items()}

    return [emptied(row) for row in rows]


def _negative(document: Any, options: Options) -> None:
    row = _row(document, options)
    name = _field(row, options, "quantity")
    row[name] = -abs(row.get(name) or 1)


def _filled_above(document: Any, options: Options) -> None:
    row = _row(document, options)
    row["filled_quantity"] = (row.get("quantity") or 0) + 1


def _far_future(document: Any, options: Options) -> None:
    row = _row(document, options)
    for name, value in row.items():
        if isinstance(value, str) and value[:2] == "20" and value[10:11] == "T":
            row[name] = f"2099{value[4:]}"


def _other_client(document: Any, options: Options) -> None:
    """The name on the account; the server shows another client's rows where it has one."""
    row = _row(document, options)
    for name in ("ucc", "vendor_user_id", "user_id"):
        if name in row:
            row[name] = options.get("value", "9999999999")


# Written into the JSON as a string, then taken out of its quotes: no JSON library writes these by itself.
NOT_JSON_NUMBERS = {"nan": "NaN", "infinity": "Infinity", "1e400": "1e400", "long_integer": "9" * 5000}

SPOILT: dict[str, Spoiler] = {
    "empty_list": _change_rows(lambda rows, options: []),
    "short_list": _change_rows(lambda rows, options: rows[: max(0, len(rows) - options.get("drop", 1))]),
    "null_list": _change_rows(lambda rows, options: None),
    "missing_list": _missing_list,
    "shuffled_rows": _change_rows(lambda rows, options: rows[::-1]),
    "duplicate_rows": _change_rows(lambda rows, options: [row for row in rows for _ in range(2)]),
    "zero_quantities": _change_rows(_all_zero),
    "missing_field": _missing_field,
    "null_number": _set("quantity", value=None),
    "text_number": _set("quantity", value="ten"),
    "grouped_number": _set("average_price", "price", value="1,234.50"),
    "unknown_enum": _set("order_status", "trade_status", "status", "product", "exchange", value="TELEPORTED"),
    "unknown_field": lambda document, options: _row(document, options).update(
        {options.get("field", "hologram"): options.get("value", "new")}
    ),
    "negative_quantity": _negative,
    "filled_above_quantity": _filled_above,
    "far_future": _far_future,
    "other_client": _other_client,
    **{kind: _set("quantity", value=f"@{kind}@") for kind in NOT_JSON_NUMBERS},
}

DUPLICATE_KEYS = "duplicate_keys"
SPOILT_KINDS = {*SPOILT, DUPLICATE_KEYS}


def spoil(kind: str, body: str, options: Options) -> str:
    """The body of a JSON answer, spoilt."""
    if kind == DUPLICATE_KEYS:
        return body.replace('"quantity": ', '"quantity": 1, "quantity": ', 1)
    document = json.loads(body)
    SPOILT[kind](document, options)
    text = json.dumps(document)
    if number := NOT_JSON_NUMBERS.get(kind):
        text = text.replace(f'"@{kind}@"', number)
    return text
