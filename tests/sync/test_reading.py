"""Rows are read as one text a column, and become named tuples without their constructors."""

from itertools import repeat

import pytest

from ledger.page import Entry
from portfolio.models import AccountHead, AccountMemory, BrokerAccount, BrokerAccountCredential
from portfolio.sync.head import read_heads
from portfolio.sync.reading import each
from tests import build


def test_columns_become_named_tuples_a_row_each() -> None:
    assert [*each(Entry, repeat("orders"), ["a", "b"], [b"1", b"2"])] == [
        Entry("orders", "a", b"1"),
        Entry("orders", "b", b"2"),
    ]


def test_a_column_that_is_missing_is_no_named_tuple() -> None:
    with pytest.raises(ValueError, match="Entry has 3 fields, not 2"):
        each(Entry, ["orders"], ["a"])


@pytest.mark.database
def test_what_people_write_and_what_is_sealed_is_read_as_it_is() -> None:
    """The label holds the very character that stands between two rows when they are read."""
    account = build.an_account("SAMPLE", "S1")
    BrokerAccount.objects.filter(pk=account.pk).update(label="Mother\x01's \x02 book")
    BrokerAccountCredential.objects.filter(pk=account.pk).update(sealed=b"\x00\x01\xff", sealed_token=None)
    other = build.an_account("SAMPLE", "S2", account.portfolio)
    BrokerAccountCredential.objects.filter(pk=other.pk).delete()
    AccountMemory.objects.filter(head__account=other).delete()

    first, second = sorted(read_heads(AccountHead.objects.exclude(account=None)), key=lambda head: head.client_id)

    assert (first.account_id, first.label, first.remembered) == (str(account.pk), "Mother 's \x02 book", "{}")
    assert first.login is not None
    assert (first.login.account_id, first.login.sealed, first.login.sealed_token) == (
        str(account.pk), b"\x00\x01\xff", None,
    )  # fmt: skip
    assert (second.account_id, second.login, second.remembered) == (str(other.pk), None, None)
    assert (first.wrapped, second.wrapped) == tuple(bytes(one.key.wrapped) for one in (account, other))
