"""Exact numbers, rows that are set aside one by one."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import SetAside
from ledger.errors import BadValue
from ledger.normalise import name, quantity
from portfolio.triggers.base import Reply, UnexpectedReply
from portfolio.triggers.decode import (
    ListReader,
    Section,
    csv_rows,
    exact,
    is_deeper_than,
    isin,
    number,
    row_type,
)
from portfolio.triggers.times import Times

from .broker import a_reply


class Share(NamedTuple):
    symbol: str
    quantity: Decimal
    note: str


ROW = row_type(texts="symbol", numbers="quantity", more_texts="note", more_numbers="price")
READER: ListReader[Any] = ListReader("holdings", ("payload", "rows"), ROW, "symbol", ("status", "OK"))


def share(row: Any, reply: Reply, times: Times) -> Share:
    return Share(name(row.symbol), quantity(row.quantity), row.note or "")


def wrong(row: Share) -> str | None:
    return "less than nothing" if row.quantity < 0 else None


SHARES = Section(READER, share, wrong, lambda row, _: row.symbol)


def parsed(rows: str) -> tuple[list[Share], list[SetAside]]:
    return SHARES.parse([a_reply(f'{{"status": "OK", "payload": {{"rows": {rows}}}}}')])


def numbers(rows: str) -> list[tuple[str, Decimal]]:
    return [(row.symbol, row.quantity) for row in parsed(rows)[0]]


def reasons(rows: str) -> list[tuple[str, str]]:
    return [(row.subject, row.reason) for row in parsed(rows)[1]]


GOOD = '{"symbol": "GOOD", "quantity": 1}'


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.10", "1.1"),
        ('"1.10"', "1.1"),
        ('" 7 "', "7"),
        ("1e2", "100"),
        ("-0.0", "0"),
        ("99725.05000000002", "99725.05"),
        ("0.1", "0.1"),
        ("123456789.0123456789", "123456789.0123456789"),
    ],
)
def test_a_number_is_exactly_what_was_written(text: str, value: str) -> None:
    assert numbers(f'[{{"symbol": "A", "quantity": {text}}}]') == [("A", Decimal(value))]


BAD_VALUES = [
    ("NaN", "not a number"),
    ("Infinity", "not a number that fits"),
    ("-Infinity", "not a number that fits"),
    ('"NaN"', "not a number"),
    ('"sNaN"', "not a number that fits"),
    ("1e400", "not a number that fits"),
    ("1e999999999999999999999", "not a number"),
    ("9" * 5000, "not a number that fits"),
    ('"1,234.50"', "quantity cannot be read: '1,234.50'"),
    ('"ten"', "quantity cannot be read: 'ten'"),
    ("true", "quantity cannot be read: 'True'"),
    ("[]", "quantity cannot be read: '[]'"),
    ("{}", "quantity cannot be read: '{}'"),
    ("null", "quantity is missing"),
    ('""', "quantity is missing"),
    ("-1", "less than nothing"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_VALUES)
def test_one_bad_row_is_set_aside_with_its_reason_and_the_others_stay(text: str, reason: str) -> None:
    entries, aside = parsed(f'[{GOOD}, {{"symbol": "BAD", "quantity": {text}}}]')
    assert [row.symbol for row in entries] == ["GOOD"]
    assert [(row.section, row.subject, reason in row.reason) for row in aside] == [("holdings", "BAD", True)]
    assert len(aside[0].reason) <= 200


@pytest.mark.parametrize("row", ["null", "5", '"text"', "[]", "[[]]"])
def test_a_row_that_is_no_object_is_set_aside(row: str) -> None:
    assert reasons(f"[{row}, {GOOD}]") == [("", "not an object")]


def test_a_missing_field_sets_its_row_aside() -> None:
    assert reasons(f'[{GOOD}, {{"symbol": "BAD"}}]') == [("BAD", "quantity is missing")]


@pytest.mark.parametrize("row", ['{"symbol": "A", "qty": 1}', '{"symbol": "A", "quantity": null}'])
def test_a_field_that_is_missing_in_every_row_means_that_the_format_has_changed(row: str) -> None:
    with pytest.raises(UnexpectedReply, match="the broker's format has changed: quantity is missing in every row"):
        parsed(f"[{row}, {row}]")


def test_unknown_fields_are_ignored_and_the_last_of_two_like_keys_wins() -> None:
    assert numbers('[{"symbol": "A", "new": {"x": [1]}, "quantity": 1, "quantity": 2}]') == [("A", Decimal(2))]


def test_an_id_that_comes_as_a_number_is_still_that_id() -> None:
    assert numbers('[{"symbol": 500325, "quantity": 1}]') == [("500325", Decimal(1))]


def test_null_and_empty_text_are_not_given() -> None:
    entries, aside = parsed('[{"symbol": "A", "quantity": 1, "note": null, "price": ""}]')
    assert (entries, aside) == ([Share("A", Decimal(1), "")], [])


@pytest.mark.parametrize("payload", ["null", "{}", '{"rows": null}', '{"rows": []}'])
def test_a_list_that_is_null_or_absent_is_empty(payload: str) -> None:
    assert SHARES.parse([a_reply(f'{{"status": "OK", "payload": {payload}}}')]) == ([], [])


UNREADABLE = [
    "",
    "nonsense",
    "null",
    "[]",
    "5",
    "{}",
    '{"status": "NO", "payload": {"rows": []}}',
    '{"status": "OK", "payload": []}',
    '{"status": "OK", "payload": "x"}',
    '{"status": "OK", "payload": {"rows": {}}}',
    '{"status": "OK", "payload": {"rows": "x"}}',
    '{"status": "OK", "payload": {"rows": [',
    '{"status": "OK", "payload": {"rows": []}} x',
    '{"status": "OK", "payload": {"rows": ' + "[" * 100_000,
    '{"status": "OK", "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_reply_of_another_shape_is_unexpected_and_never_empty(body: str) -> None:
    with pytest.raises(UnexpectedReply):
        SHARES.parse([a_reply(body)])


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b'{"status": "OK", "payload": {"rows": [{"symbol": "\xff"}]}}'])
def test_bytes_that_are_no_text_are_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedReply, match="not JSON"):
        SHARES.parse([a_reply(body)])


def test_characters_that_cannot_be_kept_set_only_their_row_aside() -> None:
    rows = [f'{{"symbol": "{symbol}", "quantity": 1}}' for symbol in ("GOOD", "\\ud800", "a\\u0000")]
    found, set_aside = parsed(f"[{', '.join(rows)}]")
    assert [row.symbol for row in found] == ["GOOD"]
    assert [row.reason for row in set_aside] == ["text with characters that cannot be kept"] * 2


def test_like_rows_collapse_and_unlike_rows_of_one_identity_are_set_aside() -> None:
    other = '{"symbol": "GOOD", "quantity": 2}'
    entries, aside = parsed(f"[{GOOD}, {GOOD}, {other}]")
    assert entries == [Share("GOOD", Decimal(1), "")]
    assert aside == [SetAside("holdings", "GOOD", "given twice with different content; the first one stands")]


# Depth without parsing


@pytest.mark.parametrize(
    ("body", "is_deeper"),
    [
        ("[" * 3 + "]" * 3, False),
        ("[" * 4 + "]" * 4, True),
        ('{"a":' * 4 + "1" + "}" * 4, True),
        ('{"a":[' * 2 + "]}" * 2, True),
        ("[" + "[]," * 50 + "[]]", False),
        ("[" * 4, True),
        ('["[[[[[[", "]]]"]', False),
        ('["]",["]",["]",["]",["]"]]]]]', True),
        (r'["\"[[[[[["]', False),
        (r'["\\",[["\\"]]]', False),
        (r'["\\\"[[[[[["]', False),
    ],
)
def test_depth_is_counted_outside_of_text(body: str, is_deeper: bool) -> None:
    assert is_deeper_than(3, body.encode()) is is_deeper


nested: st.SearchStrategy[Any] = st.recursive(
    st.text(alphabet='[]{}\\"a', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
)


def depth(value: Any) -> int:
    if isinstance(value, list | dict):
        inner = value if isinstance(value, list) else list(value.values())
        return 1 + max(map(depth, inner), default=0)
    return 0


@given(nested, st.integers(0, 6))
def test_depth_agrees_with_a_parser_on_any_json(value: Any, limit: int) -> None:
    assert is_deeper_than(limit, json.dumps(value).encode()) is (depth(value) > limit)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_unexpected(body: bytes) -> None:
    is_deeper_than(3, body)
    for read in (exact, READER.read):
        with suppress(UnexpectedReply):
            read(body)


# Single values


@pytest.mark.parametrize(("value", "read"), [(None, None), ("", None), (Decimal("1.50"), "1.50"), ("1.50", "1.50")])
def test_a_number_may_be_text(value: Any, read: str | None) -> None:
    assert number(value) == (Decimal(read) if read else None)


@pytest.mark.parametrize("value", ["ten", True, [], {}])
def test_what_is_no_number_says_so(value: Any) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number(value)


@pytest.mark.parametrize("value", ["INE002A0101", "ine002a01018", "NIFTY25APR24100PE", "INE002A01018 "])
def test_what_is_no_isin_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match="not an ISIN"):
        isin(value)


# Files


def test_columns_are_found_by_their_names() -> None:
    body = b'\xef\xbb\xbfsymbol,extra,isin\r\n"A, B",x,I1\r\nshort\r\nC,,I2\r\n'
    assert list(csv_rows(body, ("isin", "symbol"))) == [["I1", "A, B"], ["I2", "C"]]


@pytest.mark.parametrize("body", [b"", b"symbol\nA\n", b"\x00\x01", b"<html>"])
def test_a_file_without_the_columns_is_unexpected(body: bytes) -> None:
    with pytest.raises(UnexpectedReply, match="has no columns"):
        list(csv_rows(body, ("isin", "symbol")))
