"""How the links of a chain of pages are judged: what is gone, doubled or replaced is named, and the chain goes on."""

import pytest

from ledger.findings import Chain, Finding
from ledger.page import FIRST_PREVIOUS

HASHES = [FIRST_PREVIOUS, *(bytes([number]) * 32 for number in range(1, 9))]


def told(*numbers: int, previous: bytes | None = None) -> list[str]:
    """What is said of the last of these pages, each linked to the one before its number unless told otherwise."""
    chain, said = Chain("H"), list[Finding]()
    for number in numbers:
        said = list(chain.follow(number, previous or HASHES[number - 1], HASHES[number]))
    return [str(finding) for finding in said]


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((1,), []),
        ((1, 2, 3), []),
        ((2,), ["account H, page 2, ledger_pages: page 1 of the chain is gone"]),
        ((1, 3), ["account H, page 3, ledger_pages: page 2 of the chain is gone"]),
        ((1, 4), ["account H, page 4, ledger_pages: page 2 to 3 of the chain is gone"]),
        ((1, 6), ["account H, page 6, ledger_pages: page 2 to 5 of the chain is gone"]),
        ((1, 2, 2), ["account H, page 2, ledger_pages: the number of this page is there twice"]),
        ((1, 2, 3, 1), ["account H, page 1, ledger_pages: the number of this page is there twice"]),
        ((1, 4, 5), []),
        ((1, 2, 1, 2), []),
    ],
)
def test_a_page_that_is_gone_or_there_twice_is_named_and_the_chain_goes_on(
    numbers: tuple[int, ...], says: list[str]
) -> None:
    assert told(*numbers) == says


def test_a_page_that_names_another_one_before_it_was_replaced_or_follows_one_that_was() -> None:
    says = "it does not follow the page before it: one of the two was replaced"
    assert told(1, previous=HASHES[5]) == [f"account H, page 1, ledger_pages: {says}"]
