"""RFC 6962 Merkle trees over SHA-256: roots, what a growing tree must keep, and its two proofs.

A node is named by (level, index): the hash over leaves index * 2**level up to the next node's first. Only nodes whose
leaves are all there are ever named, so a node never changes once the tree has reached it.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]  # the hash of a complete subtree, by level and index


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each: to copy what has begun is cheaper than to begin anew, and there are millions."""
    begun = sha256(b"\x00").copy
    return [(hash_ := begun()).update(entry) or hash_.digest() for entry in entries]  # type: ignore[func-returns-value]


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, in order. Pairing upwards, an odd last node unchanged, gives the RFC's split."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        odd, nodes = level[len(level) & ~1 :], iter(level)
        level = [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes, nodes)]  # noqa: B905  odd ones
        level += odd
    return level[0]


class Growing:
    """A tree that is only ever appended to, by the roots of its complete subtrees, the largest first."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)

    def append(self, leaf: bytes) -> list[bytes]:
        """Returns the nodes above the leaf that it completes, the lowest first."""
        completed, node = [], leaf
        rest = self.size
        while rest & 1:
            node = node_hash(self.peaks.pop(), node)
            completed.append(node)
            rest >>= 1
        self.peaks.append(node)
        self.size += 1
        return completed

    def root(self) -> bytes:
        return _joined(self.peaks) if self.peaks else EMPTY_ROOT


def peaks(size: int) -> list[tuple[int, int]]:
    """The complete subtrees that a tree of this size consists of, the largest first: what `Growing` needs to go on."""
    return _complete(0, size)


def root_at(size: int, node: Node) -> bytes:
    """The root of the tree as it was at this size."""
    return _subtree(0, size, node) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """PATH(index, D[size]) of the RFC, the lowest first: proves one leaf of the tree at this size."""
    spans, start, end = [], 0, size
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            spans.append((split, end))
            end = split
        else:
            spans.append((start, split))
            start = split
    return [_subtree(*span, node) for span in reversed(spans)]


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]) of the RFC: proves that the tree of the old size is the beginning of the new one."""
    if old in (0, new):
        return []
    spans, start, end = [], 0, new
    while old != end:
        split = _split(start, end)
        if old <= split:
            spans.append((split, end))
            end = split
        else:
            spans.append((start, split))
            start = split
    if start:
        spans.append((start, end))
    return [_subtree(*span, node) for span in reversed(spans)]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that this path leads to (RFC 9162, 2.1.3.2); None when it cannot be a path of that leaf."""
    if not 0 <= index < size:
        return None
    place, last, node = index, size - 1, leaf
    for other in path:
        if not last:
            return None
        if place & 1 or place == last:
            node = node_hash(other, node)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, other)
        place, last = place >> 1, last >> 1
    return node if not last else None


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether this path proves that the old tree is the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and old_root == (EMPTY_ROOT if not old else new_root)
    nodes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not nodes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    was = now = nodes[0]
    for other in nodes[1:]:
        if not last:
            return False
        if place & 1 or place == last:
            was, now = node_hash(other, was), node_hash(other, now)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            now = node_hash(now, other)
        place, last = place >> 1, last >> 1
    return not last and (was, now) == (old_root, new_root)


def _split(start: int, end: int) -> int:
    """Where the RFC divides these leaves: after the largest power of two below their number."""
    return start + (1 << (end - start - 1).bit_length() - 1)


def _complete(start: int, end: int) -> list[tuple[int, int]]:
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def _subtree(start: int, end: int, node: Node) -> bytes:
    return _joined([node(*name) for name in _complete(start, end)])


def _joined(parts: Sequence[bytes]) -> bytes:
    *rest, joined = parts
    for part in reversed(rest):
        joined = node_hash(part, joined)
    return joined
