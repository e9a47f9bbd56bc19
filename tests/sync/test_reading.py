"""Columns that were read become named tuples, without their constructors."""

from itertools import repeat

import pytest

from ledger.page import Entry
from portfolio.sync.reading import each


def test_columns_become_named_tuples_a_row_each() -> None:
    assert [*each(Entry, repeat("orders"), ["a", "b"], [b"1", b"2"])] == [
        Entry("orders", "a", b"1"),
        Entry("orders", "b", b"2"),
    ]


def test_a_column_that_is_missing_is_no_named_tuple() -> None:
    with pytest.raises(ValueError, match="Entry has 3 fields, not 2"):
        each(Entry, ["orders"], ["a"])
