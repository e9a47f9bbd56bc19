"""Orders: a row a version, never edited, and what moved from one version to the next."""

from django.db import models
from django.db.models import Exists, OuterRef

from .account import BrokerAccount
from .base import BookRow, BrokerText, InstrumentRow
from .fields import money_field, price_field, quantity_field


class OrderVersion(InstrumentRow):
    """One observed state of one order. The current state is the highest version that is not late.

    `order_date` is India's date of the broker's creation time; without one, the first day it was seen.
    """

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="order_versions")
    groww_order_id = BrokerText(max_length=100)
    order_date = models.DateField()
    version = models.IntegerField()
    is_late = models.BooleanField(default=False)
    order_reference_id = BrokerText(max_length=100, blank=True, default="")
    segment = BrokerText(default="CASH")
    product = BrokerText()
    order_type = BrokerText()
    transaction_type = BrokerText()
    quantity = quantity_field()
    price = price_field(null=True)
    trigger_price = price_field(null=True)
    validity = BrokerText(blank=True, default="")
    order_status = BrokerText()
    status_raw = BrokerText(blank=True, default="")
    filled_quantity = quantity_field()
    remaining_quantity = quantity_field()
    average_fill_price = price_field(null=True)
    deliverable_quantity = quantity_field(null=True)
    amo_status = BrokerText(blank=True, default="")
    created_at = models.DateTimeField(null=True)
    exchange_time = models.DateTimeField(null=True)
    trade_date = models.DateTimeField(null=True)
    remark = models.CharField(max_length=500, blank=True, default="")
    changed_at = models.DateTimeField(null=True)

    batch = models.ForeignKey(
        "SyncBatch", models.PROTECT, db_column="sync_batch_id", db_index=False, related_name="order_versions"
    )

    class Meta:
        db_table = "order_history"
        constraints = [
            models.UniqueConstraint(
                fields=["broker_account", "groww_order_id", "order_date", "version"], name="order_version_once"
            )
        ]
        indexes = [
            models.Index(fields=["broker_account", "symbol"], name="idx_order_history_broker_symb"),
            models.Index(fields=["groww_order_id"], name="idx_order_history_groww_order"),
            models.Index(fields=["created_at"], name="idx_order_history_created_at"),
            models.Index(fields=["batch"], name="idx_order_history_sync_batch"),
            models.Index(fields=["broker_account", "order_date"], name="idx_order_history_account_day"),
        ]

    def __str__(self) -> str:
        return f"{self.groww_order_id} v{self.version} {self.order_status}"


class OrderQuantityChange(BookRow):
    """What moved between two versions: their deltas add up to the filled quantity of the current one."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="+")
    order_history = models.ForeignKey(OrderVersion, models.PROTECT, related_name="changes")
    isin = BrokerText(max_length=20, blank=True, default="")
    symbol = BrokerText()
    exchange = BrokerText(max_length=20, default="NSE")
    change_type = models.CharField(max_length=20)
    previous_quantity = quantity_field(null=True)
    new_quantity = quantity_field(null=True)
    quantity_delta = quantity_field()
    price_at_change = price_field(null=True)
    change_reason = models.CharField(max_length=100)

    batch = models.ForeignKey(
        "SyncBatch", models.PROTECT, db_column="sync_batch_id", db_index=False, related_name="quantity_changes"
    )

    class Meta:
        db_table = "order_quantity_changes"
        indexes = [
            models.Index(fields=["symbol"], name="idx_quantity_changes_symbol"),
            models.Index(fields=["detected_at"], name="idx_quantity_changes_detected"),
            models.Index(fields=["batch"], name="idx_quantity_changes_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.change_type} {self.quantity_delta.normalize():+f}"


class TransactionQuerySet(models.QuerySet["Transaction"]):
    def current(self) -> "TransactionQuerySet":
        """The highest revision of each source id, voids left out: what every sum reads."""
        return self.highest(Transaction.objects.all())

    def highest(self, among: "TransactionQuerySet") -> "TransactionQuerySet":
        """The same where there are no revisions but these."""
        later = among.filter(
            source_id=OuterRef("source_id"),
            broker_account=OuterRef("broker_account"),
            revision__gt=OuterRef("revision"),
        )
        return self.filter(~Exists(later), void_reason="")


class Transaction(InstrumentRow):
    """A fill, or what else moves quantity or cash. The highest revision of a source id counts."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="transactions")
    source = models.CharField(max_length=20)
    source_id = BrokerText(max_length=200)
    revision = models.IntegerField(default=1)
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, db_index=False, related_name="+")
    void_reason = models.CharField(max_length=200, blank=True, default="")
    transaction_type = BrokerText()
    segment = BrokerText(default="CASH")
    product = BrokerText(blank=True, default="")
    groww_order_id = BrokerText(max_length=100, blank=True, default="")
    trade_date = models.DateField()
    executed_at = models.DateTimeField(null=True)
    quantity = quantity_field()
    price = price_field()
    amount = money_field()
    currency = models.CharField(max_length=3, default="INR")
    is_delivery = models.BooleanField()
    is_synthesised = models.BooleanField(default=False)
    settlement_number = BrokerText(blank=True, default="")

    objects = TransactionQuerySet.as_manager()

    class Meta:
        db_table = "transactions"
        constraints = [
            models.UniqueConstraint(fields=["source_id", "broker_account", "revision"], name="transaction_once")
        ]
        indexes = [
            models.Index(fields=["broker_account", "trade_date"], name="idx_transactions_account_day"),
            models.Index(fields=["groww_order_id"], name="idx_transactions_order"),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_type} {self.quantity.normalize():f} {self.symbol} on {self.trade_date}"
