"""Where each page of an export stands in the tree that was signed: another place, or none, is told with its line."""

from collections.abc import Sequence

import pytest

from ledger.exported import UNPLACED
from ledger.findings import TREE
from ledger.preamble import Checked
from portfolio.models import BrokerAccount
from tests.proof.test_leaving import a_signed_book, checked, exported, kept_notes

pytestmark = pytest.mark.database


def lines_of(*accounts: BrokerAccount) -> tuple[list[bytes], list[int]]:
    """The lines of an export, and which of them are places."""
    found = exported(*accounts).splitlines(keepends=True)
    return found, [number for number, line in enumerate(found) if line.startswith(b'["place"')]


def of(found: Sequence[bytes]) -> Checked:
    return checked(b"".join(found), *kept_notes())


def test_pages_of_an_account_that_changed_places_are_told_apart_by_their_paths() -> None:
    account, *_ = a_signed_book()
    found, (one, other, *_) = lines_of(account)
    found[one], found[other] = found[other], found[one]
    assert [(each.says, each.page, each.table, each.line) for each in of(found).findings] == [
        ("the page is not at this position of the tree that was signed", page, TREE, line + 1)
        for page, line in ((1, one), (2, other))
    ]
    assert {each.account for each in of(found).findings} == {str(account.pk)}


def test_what_is_wrong_with_a_chain_names_the_account_as_commands_do() -> None:
    account, *_ = a_signed_book()
    whole, (one, other, *_) = lines_of(account)
    without_first = [*whole[:one], *whole[other:]]
    unreadable = [line.replace(b'["sync_batches",', b'["sync_batch",', 1) for line in without_first]
    assert {each.account for each in of(without_first).findings if each.page} == {str(account.pk)}
    assert {each.account for each in of(unreadable).findings} == {""}  # nothing says whose it is


def test_a_page_of_an_account_that_has_no_place_is_named_and_not_said_to_be_elsewhere() -> None:
    account, *_ = a_signed_book()
    found, (first, *_) = lines_of(account)
    found[first] = b'["place","",""]\n'
    assert [(each.says, each.page, each.line) for each in of(found).findings] == [(UNPLACED, 1, first + 1)]


def test_a_position_of_the_tree_that_is_left_out_is_told() -> None:
    a_signed_book()
    found, places = lines_of()
    place = places[1]
    assert found[place] == b'["place","2",""]\n'
    found[place] = b'["place","3",""]\n'
    said = {each.says: each for each in of(found).findings}
    missing = said["position 2 of the tree is missing: 3 comes next"]
    assert (missing.table, missing.row, missing.line) == (TREE, "3", place + 1)


@pytest.mark.parametrize("place", [b'["place","two",""]', b'["place","2","?"]', b'["place","2","QQ=="]', b'["place"]'])
def test_a_place_that_cannot_be_read_is_told_with_its_line(place: bytes) -> None:
    a_signed_book()
    found, places = lines_of()
    found[places[1]] = place + b"\n"
    damaged = [each.line for each in of(found).findings if each.says == "the place of this page is damaged"]
    assert damaged == [places[1] + 1]
