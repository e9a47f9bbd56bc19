"""Merkle trees against the public vectors of Certificate Transparency, and pages against hashes made here."""

from hashlib import sha256

import pytest

from ledger import merkle, page
from ledger.page import FIRST_PREVIOUS, Entry

# The well-known inputs of the CT reference implementations (RFC 6962), and the roots over the first n of them.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_certificate_transparency(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS[:size]]
    assert merkle.root(leaves).hex() == ROOTS[size]


@pytest.mark.parametrize("size", [*range(20), 100])
def test_the_root_is_the_split_of_the_rfc(size: int) -> None:
    def split_root(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        k = 1
        while 2 * k < len(leaves):
            k *= 2
        return sha256(b"\x01" + split_root(leaves[:k]) + split_root(leaves[k:])).digest()

    leaves = [sha256(bytes([0, number])).digest() for number in range(size)]
    assert merkle.root(leaves) == (split_root(leaves) if leaves else sha256(b"").digest())


HEAD, HEADER = "01a1fd04-8a6b-7c64-abc1-b9000cbc3530", sha256(b"header").digest()
ENTRIES = [Entry("prices", "b", b"2" * 32), Entry("order_history", "c", b"3" * 32), Entry("prices", "a", b"1" * 32)]


def test_a_page_holds_its_leaves_in_the_order_of_table_and_id() -> None:
    sealed = page.seal(HEAD, 7, ENTRIES, HEADER, b"p" * 32)
    assert sealed.root == merkle.root([b"3" * 32, b"1" * 32, b"2" * 32])
    assert (sealed.head_id, sealed.number, sealed.entries_count) == (HEAD, 7, 3)
    assert (sealed.header_digest, sealed.previous_hash) == (HEADER, b"p" * 32)


def test_the_hash_of_a_page_is_over_all_that_it_says() -> None:
    sealed = page.seal(HEAD, 1, ENTRIES, HEADER, FIRST_PREVIOUS)
    parts = ["ledger_pages", "1", HEAD, "1", "3", sealed.root.hex(), HEADER.hex(), "00" * 32]
    text = "[" + ",".join(f'"{part}"' for part in parts) + "]"
    assert sealed.hash == sha256(text.encode()).digest()
    assert sealed.hash == page.page_hash(*sealed[:-1])


@pytest.mark.parametrize("field", range(6))
def test_another_value_anywhere_is_another_hash(field: int) -> None:
    sealed = page.seal(HEAD, 1, ENTRIES, HEADER, FIRST_PREVIOUS)
    others = (HEAD[:-1] + "1", 2, 4, b"r" * 32, b"h" * 32, b"q" * 32)
    changed = [others[place] if place == field else value for place, value in enumerate(sealed[:-1])]
    assert page.page_hash(*changed) != sealed.hash  # type: ignore[arg-type]


def test_an_empty_page_has_the_root_of_nothing() -> None:
    assert page.seal(HEAD, 1, [], HEADER, FIRST_PREVIOUS).root.hex() == ROOTS[0]


def test_the_digest_of_a_header_is_over_its_canonical_bytes() -> None:
    assert page.header_digest(["a", None]) == sha256(b'["sync_batches","1","a",null]').digest()
