"""The totals of an account on a trading day, and the prices they were worked out with."""

from django.db import models

from .account import BrokerAccount
from .base import BookRow, InstrumentRow
from .fields import money_field, percent_field, price_field


class PortfolioSnapshot(BookRow):
    """The totals of one account on one trading day; the highest revision is current. Money in `INR`.

    `created_at` is when the capture began that the figures come from.
    """

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, related_name="snapshots", db_index=False)
    snapshot_date = models.DateField()
    revision = models.IntegerField(default=1)
    total_holdings_value = money_field()
    total_positions_value = money_field()
    total_portfolio_value = money_field()
    cash_balance = money_field(null=True)
    margin_used = money_field(null=True)
    margin_available = money_field(null=True)
    day_change = money_field(null=True)
    day_change_percent = percent_field(null=True)
    net_purchases = money_field()
    holdings_count = models.IntegerField()
    positions_count = models.IntegerField()
    orders_count = models.IntegerField()
    trades_count = models.IntegerField()
    stale_prices = models.IntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "portfolio_snapshots"
        constraints = [
            models.UniqueConstraint(fields=["broker_account", "snapshot_date", "revision"], name="snapshot_once")
        ]
        indexes = [
            models.Index(fields=["snapshot_date"], name="idx_portfolio_snapshots_date"),
            models.Index(fields=["broker_account"], name="idx_portfolio_snapshots_broker"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_date}, revision {self.revision}"


class Price(InstrumentRow):
    """What an instrument cost on a day, shared by all accounts. The highest revision of a source is current."""

    price_date = models.DateField()
    source = models.CharField(max_length=50)
    revision = models.IntegerField(default=1)
    price = price_field()
    observed_at = models.DateTimeField()
    is_close = models.BooleanField()

    class Meta:
        db_table = "prices"
        constraints = [
            models.UniqueConstraint(fields=["instrument", "price_date", "source", "revision"], name="price_once")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.price.normalize():f} on {self.price_date}"
