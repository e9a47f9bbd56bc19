"""Facts for whoever listens downstream, written in the same transaction as what they tell of."""

from django.db import models

from .account import BrokerAccount
from .base import Keyed
from .batch import SyncBatch


class Event(Keyed):
    """An outbox row, not part of the book. `number` runs within the account; `position` is given once, later."""

    guard = "position_once"

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, null=True, db_index=False, related_name="events")
    number = models.BigIntegerField()
    kind = models.CharField(max_length=64)
    payload = models.TextField()
    created_at = models.DateTimeField()
    batch = models.ForeignKey(SyncBatch, models.PROTECT, null=True, db_column="sync_batch_id", related_name="events")
    position = models.BigIntegerField(null=True, unique=True)

    class Meta:
        db_table = "events"
        constraints = [models.UniqueConstraint(fields=["broker_account", "number"], name="event_once_an_account")]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"
