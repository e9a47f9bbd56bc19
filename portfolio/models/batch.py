"""One attempt to sync one account: opened before the first request, sealed when it ends."""

from django.db import models
from django.db.models import Q

from .account import BrokerAccount
from .base import Keyed


class SyncBatch(Keyed):
    """What went wrong last night stands here. It may change only while STARTED; then a page seals it.

    `error_details` and `metadata` are canonical JSON text: errors as {section, kind, message, next}, and
    for each request its status, time and keyed digest.
    """

    guard = "while_started"

    class Type(models.TextChoices):
        DAILY_PORTFOLIO = "DAILY_PORTFOLIO"
        ORDER_HISTORY = "ORDER_HISTORY"
        REALTIME_UPDATE = "REALTIME_UPDATE"
        HOLDINGS_LOOK = "HOLDINGS_LOOK"
        SHARED = "SHARED"
        IMPORT = "IMPORT"
        ANSWER = "ANSWER"
        REPARSE = "REPARSE"
        CORRECTION = "CORRECTION"
        RETENTION = "RETENTION"

    # What a broker is asked for; the others are written without asking anybody.
    ASKED = (Type.DAILY_PORTFOLIO, Type.ORDER_HISTORY, Type.REALTIME_UPDATE, Type.HOLDINGS_LOOK)

    class Status(models.TextChoices):
        STARTED = "STARTED"
        COMPLETED = "COMPLETED"
        PARTIAL = "PARTIAL"
        FAILED = "FAILED"

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, null=True, db_index=False, related_name="batches")
    sync_type = models.CharField(max_length=50, choices=Type)
    trading_day = models.DateField()
    status = models.CharField(max_length=20, choices=Status)
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    holdings_fetched = models.IntegerField(default=0)
    positions_fetched = models.IntegerField(default=0)
    orders_fetched = models.IntegerField(default=0)
    holdings_updated = models.IntegerField(default=0)
    positions_updated = models.IntegerField(default=0)
    orders_created = models.IntegerField(default=0)
    quantity_changes_detected = models.IntegerField(default=0)
    errors_count = models.IntegerField(default=0)
    error_details = models.TextField(default="[]")
    metadata = models.TextField(default="{}")

    class Meta:
        db_table = "sync_batches"
        verbose_name_plural = "sync batches"
        indexes = [
            models.Index(fields=["broker_account"], name="idx_sync_batches_broker"),
            models.Index(fields=["started_at"], name="idx_sync_batches_started_at"),
            models.Index(fields=["status"], name="idx_sync_batches_status"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["STARTED", "COMPLETED", "PARTIAL", "FAILED"]), name="batch_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(status="STARTED", completed_at__isnull=True)
                | (~Q(status="STARTED") & Q(completed_at__isnull=False)),
                name="batch_ends_when_closed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sync_type} {self.trading_day} {self.status}"
