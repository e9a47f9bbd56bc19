"""The last versions of holdings or positions at a moment, each with the last price that was known: one statement.

Goes from key to key in the index, so that a long history costs no more than a short one, and hands the columns out
as a whole, as `sync.reading` reads them. Decides nothing beyond which version is the last.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any
from uuid import UUID

from django.db import connection

from ledger.canonical import Schema

from .sync import reading

_PRICED = {"version_id": "key", "last_updated_at": "instant", "current_price": "price", "price_day": "date"}


def last(
    table: Schema, key: tuple[str, ...], columns: tuple[str, ...], accounts: Iterable[UUID | str], day: date | None,
    known_at: datetime | None,
) -> dict[str, list[Any]]:  # fmt: skip
    """`columns` of the last version of each key, but for those that are gone, by account, symbol and key; beside
    them `version_id`, when it was recorded as `last_updated_at`, and `current_price` of `price_day`.

    A later day counts before a later recording: an old day may be read anew. `day`: the last one that counts;
    `known_at`: what was recorded later, or got its place in the tree only later, does not count.
    """
    ops, ids = connection.ops, sorted({UUID(str(account)).hex for account in accounts})
    limits = [] if day is None else [ops.adapt_datefield_value(day)]
    limits += [] if known_at is None else [ops.adapt_datetimefield_value(known_at)] * 2
    array = json.dumps(ids) if connection.vendor == "sqlite" else "{" + ",".join(ids) + "}"
    statement = _statement(connection.vendor, table.name, key, columns, day is not None, known_at is not None)
    kinds = ["integer", *_PRICED.values(), *(_kinds(table)[column] for column in columns)]
    found = reading.columns(statement, [array, *limits, *limits], kinds)
    ordered = zip(*sorted(zip(*found, strict=True)), strict=True)  # no two have one place
    return dict(zip(["place", *_PRICED, *columns], map(list, ordered), strict=True)) if found[0] else {}


@cache
def _kinds(table: Schema) -> dict[str, str]:
    return {column: "key" if kind == "uuid" else kind for column, kind in table.fields}


@cache
def _statement(
    vendor: str, table: str, key: tuple[str, ...], columns: tuple[str, ...], is_of_day: bool, is_known_at: bool
) -> str:
    limits = " AND {0}.{1} <= %s" * is_of_day + (" AND {0}.detected_at <= %s" + _NOT_PLACED_LATER) * is_known_at
    return (_POSTGRESQL if vendor == "postgresql" else _SQLITE).format(
        table=table, key=_of("", key), of_next=_of("next.", key), of_seen=_of("seen.", key), of_last=_of("last.", key),
        next=_next_on_sqlite(table, key), known=limits.format("last", "as_of"), columns=_of("version.", columns),
        by=_of("version.", ("broker_account_id", "symbol", *key)), known_price=limits.format("price", "price_date"),
    )  # fmt: skip


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}{name}" for name in names)


# A value and no EXISTS: that would be a join, for which all that was placed later may be gathered first.
_NOT_PLACED_LATER = """
              AND ((SELECT place.placed_at FROM ledger_pages page JOIN ledger_tree place ON place.page_id = page.id
                     WHERE page.sync_batch_id = {0}.sync_batch_id) > %s) IS NOT TRUE"""
_POSTGRESQL = """
WITH RECURSIVE seen AS (
  SELECT account.id, account.broker_name, first.* FROM broker_accounts account, LATERAL (
         SELECT {key} FROM {table} WHERE broker_account_id = account.id ORDER BY {key} LIMIT 1) first
   WHERE account.id = ANY(%s::uuid[])
  UNION ALL
  SELECT seen.id, seen.broker_name, further.* FROM seen, LATERAL (
         SELECT {key} FROM {table} next WHERE next.broker_account_id = seen.id AND ({of_next}) > ({of_seen})
          ORDER BY {key} LIMIT 1) further
)
SELECT row_number() OVER (ORDER BY {by}), version.id, version.detected_at, known.price, known.price_date, {columns}
  FROM seen, LATERAL (
       SELECT * FROM {table} last
        WHERE last.broker_account_id = seen.id AND ({of_last}) = ({of_seen}){known}
        ORDER BY last.as_of DESC, last.detected_at DESC, last.id DESC LIMIT 1) version
  LEFT JOIN LATERAL (
       SELECT price.price, price.price_date FROM prices price
        WHERE price.instrument_id = version.instrument_id AND price.source = seen.broker_name{known_price}
        ORDER BY price.price_date DESC, price.revision DESC LIMIT 1) known ON TRUE
 WHERE NOT version.is_gone
"""
# Without LATERAL: only where rows stand is looked for, and then the rows themselves.
_SQLITE = """
WITH RECURSIVE first(place) AS (
  SELECT (SELECT rowid FROM {table} WHERE broker_account_id = account.value ORDER BY {key} LIMIT 1)
    FROM json_each(%s) account
  UNION ALL
  SELECT {next} FROM first JOIN {table} seen ON seen.rowid = first.place
), latest AS MATERIALIZED (
  SELECT (SELECT last.rowid FROM {table} last
           WHERE last.broker_account_id = seen.broker_account_id AND ({of_last}) = ({of_seen}){known}
           ORDER BY last.as_of DESC, last.detected_at DESC, last.id DESC LIMIT 1) AS place
    FROM first JOIN {table} seen ON seen.rowid = first.place
), version AS MATERIALIZED (
  SELECT row.*, (SELECT price.rowid FROM prices price
                  WHERE price.instrument_id = row.instrument_id AND price.source = account.broker_name{known_price}
                  ORDER BY price.price_date DESC, price.revision DESC LIMIT 1) AS price_place
    FROM {table} row JOIN broker_accounts account ON account.id = row.broker_account_id
   WHERE NOT row.is_gone AND row.rowid IN (SELECT place FROM latest)
)
SELECT row_number() OVER (ORDER BY {by}), version.id, version.detected_at,
       (SELECT price FROM prices WHERE rowid = price_place),
       (SELECT price_date FROM prices WHERE rowid = price_place), {columns}
  FROM version
"""


def _next_on_sqlite(table: str, key: Sequence[str]) -> str:
    """The first row of the next key. Column by column from the last: SQLite looks a row of values up by its first
    column alone, and would go through the whole history of each instrument."""
    found = []
    for place in range(len(key) - 1, -1, -1):
        same = "".join(f" AND next.{name} = seen.{name}" for name in key[:place])
        found.append(
            f"(SELECT next.rowid FROM {table} next WHERE next.broker_account_id = seen.broker_account_id{same}"
            f" AND next.{key[place]} > seen.{key[place]} ORDER BY {_of('next.', key)} LIMIT 1)"
        )
    return f"coalesce({', '.join(found)})"
