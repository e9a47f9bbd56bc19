"""Trees and proofs beside pymerkle, an implementation of RFC 6962 that has nothing of ours."""

from hashlib import sha256

import pytest
from pymerkle import InmemoryTree

from ledger import merkle

LARGEST = 70
ENTRIES = [sha256(bytes([number])).digest() for number in range(LARGEST)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]


@pytest.fixture(scope="module")
def theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for entry in ENTRIES:
        tree.append_entry(entry)
    return tree


def node(level: int, index: int) -> bytes:
    return merkle.root(LEAVES[index << level : (index + 1) << level])


def test_every_tree_has_the_root_that_pymerkle_gives_it(theirs: InmemoryTree) -> None:
    grown, roots = merkle.Growing(), []
    for leaf in LEAVES:
        grown.append(leaf)
        roots.append(grown.root())

    assert roots == [theirs.get_root(size) for size in range(1, LARGEST + 1)]
    assert roots == [merkle.root(LEAVES[:size]) for size in range(1, LARGEST + 1)]


@pytest.mark.parametrize("size", range(1, LARGEST + 1, 3))
def test_every_inclusion_path_is_the_one_of_pymerkle(theirs: InmemoryTree, size: int) -> None:
    for place in range(size):
        leaf, *path = theirs.prove_inclusion(place + 1, size).path

        assert (leaf, path) == (LEAVES[place], merkle.inclusion_path(place, size, node))
        assert merkle.root_from_path(leaf, place, size, path) == theirs.get_root(size)


@pytest.mark.parametrize("new", range(1, LARGEST + 1, 3))
def test_every_consistency_path_joins_the_roots_of_pymerkle_and_no_others(theirs: InmemoryTree, new: int) -> None:
    for old in range(1, new + 1):
        path, roots = merkle.consistency_path(old, new, node), (theirs.get_root(old), theirs.get_root(new))

        assert merkle.is_consistent(old, new, *roots, path)
        assert not merkle.is_consistent(old, new, LEAVES[0] if old > 1 else LEAVES[1], roots[1], path)
