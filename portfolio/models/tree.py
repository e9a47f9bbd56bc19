"""Where each page stands in the installation's one tree, and what was signed of it."""

from django.db import models

from .base import Keyed
from .page import LedgerPage


class LedgerTree(models.Model):
    """One leaf of the tree (RFC 6962): a page's hash at its position, which runs from 1 without a gap.

    `nodes`: the nodes above the leaf that it completes, the lowest first, 32 bytes each. What was known at an instant
    is what had its position by then.
    """

    guard = "append_only"

    position = models.BigIntegerField(primary_key=True)
    page = models.OneToOneField(LedgerPage, models.PROTECT, related_name="place")
    page_hash = models.BinaryField(max_length=32)
    nodes = models.BinaryField()
    placed_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "ledger_tree"

    def __str__(self) -> str:
        return f"Position {self.position}"


class Checkpoint(Keyed):
    """A signed note of the tree's size and root. The copies that count are kept outside the database."""

    guard = "append_only"

    size = models.BigIntegerField(db_index=True)
    root = models.BinaryField(max_length=32)
    note = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        db_table = "checkpoints"

    def __str__(self) -> str:
        return f"Checkpoint of {self.size} pages"
