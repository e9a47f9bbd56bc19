"""The hashed form of every schema, against vectors made by other means; and the columns against the models."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import canonical
from ledger.canonical import BOOK, SYNC_BATCH, encode, json_text, leaf, leaves, render, render_rows, schema
from ledger.normalise import IST

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("vectors.json").read_text(encoding="utf-8"))
SCHEMAS = {**BOOK, SYNC_BATCH.name: SYNC_BATCH}

KINDS: dict[str, Callable[[str], Any]] = {
    "quantity": lambda text: Decimal(text),
    "price": lambda text: Decimal(text),
    "money": lambda text: Decimal(text),
    "percent": lambda text: Decimal(text),
    "integer": int,
    "boolean": lambda text: text == "true",
    "date": date.fromisoformat,
    "instant": datetime.fromisoformat,
    "digest": bytes.fromhex,
}


_ANY_TEXT = st.none() | st.text(max_size=3) | st.sampled_from(["", '"', "\\", "\x02", "null", "1.50", "\u00a0", "a\tb"])


def test_there_is_a_vector_for_every_schema() -> None:
    assert {(each["schema"], each["version"]) for each in VECTORS} == {(s.name, s.version) for s in SCHEMAS.values()}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["schema"])
def test_a_row_is_rendered_encoded_and_hashed_as_ever(vector: dict[str, Any]) -> None:
    table = SCHEMAS[vector["schema"]]
    values = [
        None if text is None else KINDS.get(kind, str)(text)
        for text, (_, kind) in zip(vector["row"], table.fields, strict=True)
    ]
    rendered = render(table, values)
    assert rendered == vector["row"]
    assert encode(table, rendered) == vector["canonical"].encode()
    assert leaf(table, rendered).hex() == vector["leaf"]
    assert render_rows(table, [values, values]) == [tuple(vector["row"])] * 2
    assert [each.hex() for each in leaves(table, render_rows(table, [values, values]))] == [vector["leaf"]] * 2


@pytest.mark.parametrize("first", [0, 1, 2])
def test_an_instant_has_one_text_whichever_zone_it_is_said_in_and_who_says_it_first(first: int) -> None:
    at = datetime(2026, 10, 5, 4, 30, first, tzinfo=UTC)
    said = [at, at.astimezone(IST), at.astimezone(IST).replace(tzinfo=None)]
    told = [render(schema("a", 1, "at:instant"), [moment]) for moment in (said[first], *said)]
    assert told == [[f"2026-10-05T04:30:0{first}.000000+00:00"]] * 4


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="has 12 fields, not 1"):
        render(BOOK["funds_versions"], ["one"])


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=6))
def test_the_canonical_bytes_are_those_of_json_whatever_the_text(values: list[str | None]) -> None:
    table = schema("some_table", 3, " ".join(f"c{number}" for number in range(len(values))))
    expected = json.dumps(["some_table", "3", *values], ensure_ascii=False, separators=(",", ":")).encode()
    assert encode(table, values) == expected
    assert leaf(table, values) == sha256(b"\x00" + expected).digest()
    plain = ["plain"] * len(values)
    assert leaves(table, [values, plain]) == [leaf(table, values), leaf(table, plain)]


@given(st.lists(st.tuples(_ANY_TEXT, _ANY_TEXT, _ANY_TEXT), min_size=1, max_size=4))
def test_rows_that_come_together_have_the_bytes_of_each(rows: list[tuple[str | None, ...]]) -> None:
    table = schema("t", 1, "id a b")
    columns = list(zip(*rows, strict=True))
    assert canonical.encode_columns(table, columns, range(3), range(3)) == [encode(table, row) for row in rows]
    assert leaves(table, rows) == [leaf(table, row) for row in rows]


def test_columns_that_are_said_to_be_plain_and_full_are_taken_as_they_are() -> None:
    table = schema("t", 1, "id a b")
    columns = [("1", "2"), ("x", "y"), ("0.5", None)]
    assert canonical.encode_columns(table, columns, texts=(1,), nulls=(2,)) == [
        b'["t","1","1","x","0.5"]', b'["t","1","2","y",null]'
    ]  # fmt: skip


def test_equal_numbers_have_one_form() -> None:
    table = schema("t", 1, "q:quantity p:price m:money r:percent")
    for text in ("1400.5", "1400.50", "1.4005E+3"):
        value = Decimal(text)
        assert render(table, [value] * 4) == ["1400.5000000000", "1400.50000000", "1400.500000", "1400.5000"]


def test_an_integer_has_its_own_text_whatever_equal_value_was_rendered_before() -> None:
    table = schema("t", 1, "e:integer")
    render(table, [Decimal("987654321.0")])  # a number that no other test has

    assert render(table, [987654321]) == ["987654321"]


def test_the_other_kinds_have_one_form_each() -> None:
    table = schema("t", 1, "a:boolean b:boolean c:instant d:date e:integer f:digest g:json h")
    row = [True, False, datetime(2026, 10, 5, tzinfo=UTC), date(2026, 10, 5), -7, b"\x00\xff", "[]", "x"]
    assert render(table, row) == [
        "true", "false", "2026-10-05T00:00:00.000000+00:00", "2026-10-05", "-7", "00ff", "[]", "x",
    ]  # fmt: skip


def test_json_has_sorted_keys_no_spaces_and_no_odd_floats() -> None:
    value = {"b": [1, None, True], "a": "é₹", "c": Decimal("1.50"), "d": date(2026, 10, 5)}
    assert json_text(value) == '{"a":"é₹","b":[1,null,true],"c":"1.50","d":"2026-10-05"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text(float("nan"))


def test_a_schema_names_its_columns_in_the_order_that_is_hashed() -> None:
    table = schema("t", 2, "id:uuid name quantity:quantity")
    assert table.columns == ("id", "name", "quantity")
    assert table.fields == (("id", "uuid"), ("name", "text"), ("quantity", "quantity"))
    assert (table.name, table.version) == ("t", 2)


@pytest.mark.parametrize("table", BOOK.values(), ids=lambda table: table.name)
def test_a_book_table_has_the_columns_of_its_schema_and_the_leaf(table: canonical.Schema) -> None:
    """No column outside the leaf: what is not hashed could be changed behind its back."""
    from tests.sync.recomputed import model_of

    columns = [str(field.column) for field in model_of(table)._meta.concrete_fields if not field.generated]
    assert sorted(columns) == sorted([*table.columns, "leaf"])
    assert table.columns[0] == "id"


def test_the_header_of_a_batch_has_every_column_of_the_batch() -> None:
    from portfolio.models import SyncBatch

    columns = [str(field.column) for field in SyncBatch._meta.concrete_fields]
    assert sorted(columns) == sorted(SYNC_BATCH.columns)


def test_every_model_of_the_book_has_a_schema() -> None:
    from portfolio.models.base import BookRow

    def leaves_of(model: Any) -> list[Any]:
        below = [found for child in model.__subclasses__() for found in leaves_of(child)]
        return below if below or model._meta.abstract else [model]

    assert sorted(model._meta.db_table for model in leaves_of(BookRow)) == sorted(BOOK)
