"""Proofs of RFC 6962 trees: the public vectors of Certificate Transparency, and every proof of every small tree."""

import random
from hashlib import sha256

import pytest

from ledger import merkle
from tests.ledger.test_pages import INPUTS, ROOTS

LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]
N2 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
N4 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
L6, L8 = (
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
)
L2 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
# As the reference implementations have them; places from 0.
INCLUSION = {
    (0, 1): [],
    (0, 8): [L2, N2, N4],
    (5, 8): [L6, L8, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], N2, L6],
}
N56 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
CONSISTENCY = {(1, 1): [], (1, 8): [L2, N2, N4], (6, 8): [N56, L8, ROOTS[4]], (2, 5): [N2, L6]}


def node_of(leaves: list[bytes]) -> merkle.Node:
    return lambda level, index: merkle.root(leaves[index << level : (index + 1) << level])


@pytest.mark.parametrize(("place", "size"), INCLUSION)
def test_an_inclusion_path_is_that_of_certificate_transparency(place: int, size: int) -> None:
    path = merkle.inclusion_path(place, size, node_of(LEAVES))

    assert [node.hex() for node in path] == INCLUSION[place, size]


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_a_consistency_path_is_that_of_certificate_transparency(old: int, new: int) -> None:
    path = merkle.consistency_path(old, new, node_of(LEAVES))

    assert [node.hex() for node in path] == CONSISTENCY[old, new]
    assert merkle.is_consistent(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), path)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_proof_of_a_tree_holds_and_none_holds_for_another(size: int) -> None:
    leaves = [sha256(bytes([n])).digest() for n in range(size)]
    node, root = node_of(leaves), merkle.root(leaves)
    for place in range(size):
        path = merkle.inclusion_path(place, size, node)
        assert merkle.root_from_path(leaves[place], place, size, path) == root
        assert merkle.root_from_path(b"x" * 32, place, size, path) != root
        assert merkle.root_from_path(leaves[place], place, size, [*path, root]) is None
        assert not path or merkle.root_from_path(leaves[place], place, size, path[:-1]) != root
    for old in range(size + 1):
        path, was = merkle.consistency_path(old, size, node), merkle.root(leaves[:old])
        assert merkle.is_consistent(old, size, was, root, path)
        assert not merkle.is_consistent(old, size, was, root, [*path, root])
        if 0 < old < size:
            assert not merkle.is_consistent(old, size, b"x" * 32, root, path)
            assert not merkle.is_consistent(old, size, was, b"x" * 32, path)


def test_a_growing_tree_has_the_root_and_completes_the_nodes_of_a_whole_one() -> None:
    leaves = [random.Random(n).randbytes(32) for n in range(70)]
    growing, node = merkle.Growing(), node_of(leaves)
    for place, leaf in enumerate(leaves):
        completed = growing.append(leaf)
        assert completed == [node(level, place >> level) for level in range(1, len(completed) + 1)]
        assert growing.root() == merkle.root(leaves[: place + 1])
        assert growing.peaks == [node(*name) for name in merkle.peaks(place + 1)]


@pytest.mark.parametrize(("place", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_a_leaf_outside_the_tree_has_no_path(place: int, size: int) -> None:
    assert merkle.root_from_path(LEAVES[0], place, size, []) is None
