"""The installation's one tree over all pages (RFC 6962), as `ledger_tree` keeps it: appends to it and reads its nodes.

A node stands in the row of the leaf that completed it, so that any proof reads a few dozen rows by their key, however
large the tree is. Nothing here is ever changed, and nothing here signs.
"""

from datetime import datetime
from functools import cache
from uuid import UUID

from django.db import transaction
from django.db.models import F, Max

from ledger import merkle
from ledger.canonical import Rendered, render

from ..models import AccountHead, LedgerPage, LedgerTree
from ..sync import bulk
from ..sync.bulk import schema
from . import kinds

PAGES_AT_ONCE = 10_000
LEAF = schema("ledger_tree", 1, "position:integer page_id:uuid page_hash:digest nodes:digest placed_at:instant")
PLACED = schema("account_heads", 1, "id:uuid placed_number:integer")


class Gap(Exception):
    """A position of the tree is gone, so that nothing can be put on top of it or proved with it."""

    def __init__(self, position: int) -> None:
        super().__init__(f"Position {position} of the tree is gone: somebody changed the database.")


def size() -> int:
    return LedgerTree.objects.aggregate(last=Max("position"))["last"] or 0


def stored_nodes() -> merkle.Node:
    """Reads each node once; a Gap is raised where one is gone. The tree may grow meanwhile: a node never changes."""

    @cache
    def row(position: int) -> tuple[bytes, bytes]:
        found = LedgerTree.objects.values_list("page_hash", "nodes").filter(pk=position).first()
        if found is None:
            raise Gap(position)
        return kinds.octets(found[0]), kinds.octets(found[1])

    def node(level: int, index: int) -> bytes:
        page_hash, nodes = row((index + 1) << level)
        return nodes[32 * (level - 1) : 32 * level] if level else merkle.leaf_hash(page_hash)

    return node


def as_it_is() -> merkle.Growing:
    reached, node = size(), stored_nodes()
    return merkle.Growing(reached, [node(*name) for name in merkle.peaks(reached)])


def is_any_unplaced() -> bool:
    return AccountHead.objects.filter(page_number__gt=F("placed_number")).exists()


def place(now: datetime) -> None:
    """Gives every committed page its position. The caller is the sealer: see `sealer`."""
    while _place_some(now):
        pass


def _place_some(now: datetime) -> bool:
    """Whether there was any. Heads that somebody is just writing are left for the next time: their new page is not
    committed anyway."""
    with transaction.atomic(durable=True):
        waiting = AccountHead.objects.select_for_update(skip_locked=True).filter(page_number__gt=F("placed_number"))
        heads = list(waiting.order_by("pk").values_list("pk", flat=True))
        # Within a head in the order of its numbers, whatever else is waiting.
        pages = LedgerPage.objects.filter(head__among=heads, number__gt=F("head__placed_number")).order_by(
            "number", "pk"
        )
        tree, rows, reached = as_it_is(), list[Rendered](), dict[UUID, int]()
        columns = pages.values_list("pk", "head_id", "number", "hash", "place__position")[:PAGES_AT_ONCE]
        for page_id, head_id, number, page_hash, position in columns:
            reached[head_id] = number
            if position is None:  # else somebody changed what the head says, which is set right
                nodes = tree.append(merkle.leaf_hash(bytes(page_hash)))
                rows.append(render(LEAF, (tree.size, str(page_id), bytes(page_hash), b"".join(nodes), now)))
        bulk.insert(LEAF, rows)
        bulk.update(PLACED, [render(PLACED, (str(head), number)) for head, number in reached.items()])
    return bool(reached)
