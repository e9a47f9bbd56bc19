"""What is open today, and the account's cash and margin."""

from decimal import Decimal

from django.db import models
from django.db.models import Case, F, Value, When

from .account import BrokerAccount
from .base import BookRow, BrokerText, InstrumentRow, Keyed
from .fields import money_field, price_field, quantity_field
from .instrument import Instrument


class PositionFigures(models.Model):
    """A position as observed. `quantity` is the broker's own net figure, signed: it is what we use."""

    segment = BrokerText(default="CASH")
    product = BrokerText()
    quantity = quantity_field()
    credit_quantity = quantity_field(default=0)
    credit_price = price_field(default=0)
    debit_quantity = quantity_field(default=0)
    debit_price = price_field(default=0)
    carry_forward_credit_quantity = quantity_field(default=0)
    carry_forward_credit_price = price_field(default=0)
    carry_forward_debit_quantity = quantity_field(default=0)
    carry_forward_debit_price = price_field(default=0)
    average_price = price_field(null=True)
    realised_pnl = money_field(null=True)
    multiplier = quantity_field(default=1)

    class Meta:
        abstract = True


class RealPosition(Keyed, PositionFigures):
    """The present state, a projection of `position_versions`. The net columns are the day's own, bought less sold."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="positions")
    instrument = models.ForeignKey(Instrument, models.PROTECT, db_index=False, related_name="+")
    isin = BrokerText(max_length=20, blank=True, default="")
    symbol = BrokerText()
    exchange = BrokerText(max_length=20, default="NSE")
    net_quantity = models.GeneratedField(
        expression=F("credit_quantity") - F("debit_quantity"), output_field=quantity_field(), db_persist=True
    )
    net_price = models.GeneratedField(
        expression=Case(
            When(credit_quantity__gt=F("debit_quantity"), then=F("credit_price")),
            When(credit_quantity__lt=F("debit_quantity"), then=F("debit_price")),
            default=Value(Decimal(0), output_field=price_field()),
            output_field=price_field(),
        ),
        output_field=price_field(),
        db_persist=True,
    )
    current_price = price_field(null=True)
    price_day = models.DateField(null=True)
    last_updated_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "real_positions"
        constraints = [
            models.UniqueConstraint(
                fields=["broker_account", "instrument", "segment", "product"], name="position_once_an_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.product} {self.quantity.normalize():f}"


class PositionVersion(InstrumentRow, PositionFigures):
    """One observed state of one position; an end row when it is gone."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="position_versions")
    as_of = models.DateField()
    is_gone = models.BooleanField(default=False)
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "position_versions"
        indexes = [
            models.Index(fields=["broker_account", "as_of"], name="idx_position_versions_day"),
            models.Index(
                fields=["broker_account", "instrument", "segment", "product", "as_of", "detected_at", "id"],
                name="idx_position_versions_last",
            ),
        ]

    def __str__(self) -> str:
        state = "gone" if self.is_gone else f"{self.quantity.normalize():f}"
        return f"{self.symbol} {self.product} {state} on {self.as_of}"


class FundsVersion(BookRow):
    """Cash and margin as the broker showed them; a row when they change."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="funds_versions")
    as_of = models.DateField()
    cash_balance = money_field(null=True)
    margin_used = money_field(null=True)
    margin_available = money_field(null=True)
    collateral = money_field(null=True)
    currency = models.CharField(max_length=3, default="INR")
    is_derived = models.BooleanField(default=False)
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "funds_versions"
        indexes = [models.Index(fields=["broker_account", "fetched_at"], name="idx_funds_versions_account")]

    def __str__(self) -> str:
        return f"Funds on {self.as_of}"
