"""The sealed record of a batch: which rows it wrote, chained to the account's page before."""

from django.db import models

from .account import AccountHead
from .base import Keyed
from .batch import SyncBatch


class LedgerPage(Keyed):
    """One closed batch, FAILED ones included. Numbers run without a gap within a head. Hashes are 32 bytes."""

    guard = "append_only"

    head = models.ForeignKey(AccountHead, models.PROTECT, db_index=False, related_name="pages")
    batch = models.OneToOneField(SyncBatch, models.PROTECT, db_column="sync_batch_id", related_name="page")
    number = models.BigIntegerField()
    entries_count = models.IntegerField()
    root = models.BinaryField(max_length=32)
    header_digest = models.BinaryField(max_length=32)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        db_table = "ledger_pages"
        constraints = [models.UniqueConstraint(fields=["head", "number"], name="page_once_a_head")]

    def __str__(self) -> str:
        return f"Page {self.number}"
