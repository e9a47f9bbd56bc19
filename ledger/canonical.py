"""The hashed form of a row of the book, and nothing else's business.

A row is a JSON array of strings without spaces: schema name, schema version, then the fields in the
schema's order, the row's id first. Decimals stand at the column's scale, instants in UTC with
microseconds, dates as ISO dates, booleans as true or false, digests in hex; null is JSON null. The leaf is
the RFC 6962 leaf hash of those bytes in UTF-8. A schema here is never edited, only succeeded by one with a
higher version: old rows keep verifying by the old one. `tests/ledger/vectors.json` pins the bytes.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from .merkle import leaf_hash
from .normalise import MONEY_SCALE, PERCENT_SCALE, PRICE_SCALE, QUANTITY_SCALE, as_ist

Rendered = Sequence[str | None]

_NULL = "\x02"  # until it is written as null
_quoted: Callable[[str], str] = json.encoder.encode_basestring  # what json.dumps makes of a text, without its detours


class _Texts(dict[Any, str | None]):
    """The text of each value, worked out once: the same few stand in thousands of rows. That of None is None."""

    def __init__(self, text: Callable[[Any], str]) -> None:
        super().__init__()
        self.text = text

    def __missing__(self, value: Any) -> str | None:
        if len(self) >= 65_536:
            self.clear()
        text = self[value] = None if value is None else self.text(value)
        return text


def _fixed(scale: int) -> Callable[[Decimal], str]:
    """Text at a scale. Equal numbers have one text, minus zero has zero's."""
    text = f"{{:.{scale}f}}".format
    zero = text(0)
    return lambda value: text(value) if value else zero


def _instant(value: datetime) -> str:
    """In UTC, in whatever zone it was said: equal instants share one text."""
    return as_ist(value).isoformat(timespec="microseconds")


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _integer(value: int | None) -> str | None:
    """Not kept like the others: True and 1.0 equal 1, and have another text."""
    return None if value is None else str(value)


def _digest(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


Renderer = Callable[[Any], str | None]
RENDERERS: dict[str, Renderer | None] = {
    "text": None,
    "uuid": None,  # ids are text already: lower case, with hyphens
    "json": None,  # canonical JSON text, see `json_text`
    "quantity": _Texts(_fixed(QUANTITY_SCALE)).__getitem__,
    "price": _Texts(_fixed(PRICE_SCALE)).__getitem__,
    "money": _Texts(_fixed(MONEY_SCALE)).__getitem__,
    "percent": _Texts(_fixed(PERCENT_SCALE)).__getitem__,
    "integer": _integer,
    "boolean": _Texts(_boolean).__getitem__,
    "date": _Texts(date.isoformat).__getitem__,
    "instant": _Texts(_instant).__getitem__,
    "digest": _digest,
}


class Schema(NamedTuple):
    """One table of the book: its name, version, and (column, kind) in the order that is hashed.

    `renderers` are those of the columns that are not text already, by place; `texts` are the places of the others.
    """

    name: str
    version: int
    fields: tuple[tuple[str, str], ...]
    renderers: tuple[tuple[int, Renderer], ...]
    texts: tuple[int, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column for column, _ in self.fields)


def schema(name: str, version: int, fields: str) -> Schema:
    pairs = tuple((column, kind or "text") for column, _, kind in (word.partition(":") for word in fields.split()))
    renderers = [(place, RENDERERS[kind]) for place, (_, kind) in enumerate(pairs)]
    texts = tuple(place for place, renderer in renderers if not renderer)
    return Schema(name, version, pairs, tuple((place, each) for place, each in renderers if each), texts)


def render(schema: Schema, values: Iterable[Any]) -> Rendered:
    """Each value once, as text: what the leaf hashes is also what is sent to the database."""
    row = list(values)
    _require_fields(schema, len(row))
    for place, renderer in schema.renderers:
        row[place] = renderer(row[place])
    return row


def render_rows(schema: Schema, rows: Sequence[Sequence[Any]]) -> list[Rendered]:
    """The same for many rows of one table, a column at a time."""
    if not rows:
        return []
    columns: list[Any] = list(zip(*rows, strict=True))
    _require_fields(schema, len(columns))
    for place, renderer in schema.renderers:
        columns[place] = map(renderer, columns[place])
    return list(zip(*columns, strict=True))


def _require_fields(schema: Schema, count: int) -> None:
    if count != len(schema.fields):
        raise ValueError(f"{schema.name} has {len(schema.fields)} fields, not {count}")


def encode(schema: Schema, rendered: Rendered) -> bytes:
    """The canonical bytes, of whatever texts."""
    values = ["null" if value is None else _quoted(value) for value in (schema.name, str(schema.version), *rendered)]
    return f"[{','.join(values)}]".encode()


def encode_columns(
    schema: Schema, columns: Sequence[Sequence[str | None]], texts: Iterable[int], nulls: Iterable[int]
) -> list[bytes]:
    """The same of all the rows that have these columns. Only the columns at `texts` may hold what is to be escaped,
    only those at `nulls` None: no other value is looked at."""
    if not _is_plain("".join(["".join(filter(None, columns[place])) for place in texts])):
        return [encode(schema, row) for row in zip(*columns, strict=True)]
    marked: list[Any] = list(columns)
    for place in nulls:
        marked[place] = [_NULL if value is None else value for value in marked[place]]
    return _written(schema, map('","'.join, zip(*marked, strict=True)))


def leaves(schema: Schema, rows: Sequence[Rendered]) -> list[bytes]:
    """The leaf of each of these rows, as `render_rows` made them: what it made of numbers and times needs no look."""
    if not rows:
        return []
    columns = list(zip(*rows, strict=True))
    if _is_plain("".join(["".join(filter(None, columns[place])) for place in schema.texts])):
        return [leaf_hash(encoded) for encoded in _written(schema, map(_row_text, rows))]
    return [leaf_hash(encode(schema, rendered)) for rendered in rows]


def _is_plain(text: str) -> bool:
    """Nothing in it is to be escaped. Nearly all is so: then joining is the same, and faster."""
    return text.isprintable() and "\\" not in text and '"' not in text


def _row_text(rendered: Rendered) -> str:
    return '","'.join([_NULL if value is None else value for value in rendered])


def _written(schema: Schema, rows: Iterable[str]) -> list[bytes]:
    """At least one row. All in one text, which ends no line but between them."""
    begin = f'["{schema.name}","{schema.version}","'
    text = f'"]\n{begin}'.join(rows)
    return f'{begin}{text}"]'.replace(f'"{_NULL}"', "null").encode().split(b"\n")


def leaf(schema: Schema, rendered: Rendered) -> bytes:
    return leaf_hash(encode(schema, rendered))


def json_text(value: Any) -> str:
    """The one text of a JSON value: sorted keys, no spaces, no floats (numbers travel as strings)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)


_INSTRUMENT = "instrument_id:uuid isin symbol exchange"
_SEALED = "detected_at:instant sync_batch_id:uuid"

SYNC_BATCH = schema(
    "sync_batches",
    1,
    "id:uuid broker_account_id:uuid sync_type trading_day:date status started_at:instant completed_at:instant "
    "holdings_fetched:integer positions_fetched:integer orders_fetched:integer holdings_updated:integer "
    "positions_updated:integer orders_created:integer quantity_changes_detected:integer errors_count:integer "
    "error_details:json metadata:json",
)
RAW_REPLY = schema(
    "raw_replies",
    1,
    "id:uuid broker_account_id:uuid request status:integer fetched_at:instant body_digest:digest "
    f"ciphertext_digest:digest size:integer {_SEALED}",
)
ORDER = schema(
    "order_history",
    1,
    "id:uuid broker_account_id:uuid groww_order_id order_date:date version:integer is_late:boolean "
    f"{_INSTRUMENT} order_reference_id segment product order_type transaction_type quantity:quantity price:price "
    "trigger_price:price validity order_status status_raw filled_quantity:quantity remaining_quantity:quantity "
    "average_fill_price:price deliverable_quantity:quantity amo_status created_at:instant exchange_time:instant "
    f"trade_date:instant remark changed_at:instant {_SEALED}",
)
QUANTITY_CHANGE = schema(
    "order_quantity_changes",
    1,
    "id:uuid broker_account_id:uuid order_history_id:uuid isin symbol exchange change_type "
    "previous_quantity:quantity new_quantity:quantity quantity_delta:quantity price_at_change:price "
    f"change_reason {_SEALED}",
)
TRANSACTION = schema(
    "transactions",
    1,
    "id:uuid broker_account_id:uuid source source_id revision:integer supersedes_id:uuid void_reason "
    f"transaction_type {_INSTRUMENT} segment product groww_order_id trade_date:date executed_at:instant "
    "quantity:quantity price:price amount:money currency is_delivery:boolean is_synthesised:boolean "
    f"settlement_number {_SEALED}",
)
HOLDING_VERSION = schema(
    "holding_versions",
    1,
    f"id:uuid broker_account_id:uuid as_of:date {_INSTRUMENT} lot is_gone:boolean quantity:quantity "
    "owned_quantity:quantity free_quantity:quantity t1_quantity:quantity pledge_quantity:quantity "
    "repledge_quantity:quantity demat_locked_quantity:quantity groww_locked_quantity:quantity "
    f"average_price:price doubt unconfirmed_since:date fetched_at:instant {_SEALED}",
)
POSITION_VERSION = schema(
    "position_versions",
    1,
    f"id:uuid broker_account_id:uuid as_of:date {_INSTRUMENT} segment product is_gone:boolean quantity:quantity "
    "credit_quantity:quantity credit_price:price debit_quantity:quantity debit_price:price "
    "carry_forward_credit_quantity:quantity carry_forward_credit_price:price "
    "carry_forward_debit_quantity:quantity carry_forward_debit_price:price average_price:price "
    f"realised_pnl:money multiplier:quantity fetched_at:instant {_SEALED}",
)
FUNDS_VERSION = schema(
    "funds_versions",
    1,
    "id:uuid broker_account_id:uuid as_of:date cash_balance:money margin_used:money margin_available:money "
    f"collateral:money currency is_derived:boolean fetched_at:instant {_SEALED}",
)
HOLDING_CHANGE = schema(
    "holding_changes",
    1,
    f"id:uuid broker_account_id:uuid as_of:date {_INSTRUMENT} lot new_version_id:uuid previous_quantity:quantity "
    f"new_quantity:quantity quantity_delta:quantity unexplained_quantity:quantity question_number:integer {_SEALED}",
)
EXPLANATION = schema(
    "change_explanations",
    1,
    f"id:uuid broker_account_id:uuid change_id:uuid supersedes_id:uuid {_INSTRUMENT} lot kind dated:date "
    f"quantity:quantity cost_price:price {_SEALED}",
)
SNAPSHOT = schema(
    "portfolio_snapshots",
    1,
    "id:uuid broker_account_id:uuid snapshot_date:date revision:integer total_holdings_value:money "
    "total_positions_value:money total_portfolio_value:money cash_balance:money margin_used:money "
    "margin_available:money day_change:money day_change_percent:percent net_purchases:money "
    "holdings_count:integer positions_count:integer orders_count:integer trades_count:integer "
    f"stale_prices:integer created_at:instant {_SEALED}",
)
PRICE = schema(
    "prices",
    1,
    f"id:uuid {_INSTRUMENT} price_date:date source revision:integer price:price observed_at:instant "
    f"is_close:boolean {_SEALED}",
)

LINK = schema(
    "instrument_links",
    1,
    f"id:uuid broker_account_id:uuid kind {_INSTRUMENT} successor_id:uuid successor_isin successor_symbol "
    f"effective_on:date units_before:integer units_after:integer cost_percent:percent is_withdrawn:boolean {_SEALED}",
)
ACT = schema(
    "acts",
    1,
    f"id:uuid broker_account_id:uuid subject words_digest:digest ciphertext_digest:digest {_SEALED}",
)
DROPPED_BODY = schema("dropped_bodies", 1, f"id:uuid broker_account_id:uuid reply_id:uuid {_SEALED}")

# The tables whose rows have a leaf, by name. A batch enters its page as the header, not as a leaf.
BOOK: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        RAW_REPLY, ORDER, QUANTITY_CHANGE, TRANSACTION, HOLDING_VERSION, POSITION_VERSION, FUNDS_VERSION,
        HOLDING_CHANGE, EXPLANATION, SNAPSHOT, PRICE, LINK, ACT, DROPPED_BODY,
    )
}  # fmt: skip
