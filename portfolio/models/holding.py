"""What is in demat: the present, how it came to be, and why it moved."""

from django.db import models
from django.db.models import Exists, OuterRef, Subquery, Sum

from .account import BrokerAccount
from .base import BrokerText, InstrumentRow, Keyed
from .fields import money_field, price_field, quantity_field
from .instrument import Instrument


class HoldingFigures(models.Model):
    """The parts of a holding, as observed. `owned_quantity` is all of them as this broker means them."""

    lot = models.CharField(max_length=20, default="DELIVERY")
    quantity = quantity_field()
    owned_quantity = quantity_field()
    free_quantity = quantity_field(default=0)
    t1_quantity = quantity_field(default=0)
    pledge_quantity = quantity_field(default=0)
    repledge_quantity = quantity_field(default=0)
    demat_locked_quantity = quantity_field(default=0)
    groww_locked_quantity = quantity_field(default=0)
    average_price = price_field(null=True)
    doubt = models.CharField(max_length=200, blank=True, default="")
    unconfirmed_since = models.DateField(null=True)

    class Meta:
        abstract = True


class RealHolding(Keyed, HoldingFigures):
    """The present state, a projection of `holding_versions`: `rebuild` can make it again."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="holdings")
    instrument = models.ForeignKey(Instrument, models.PROTECT, db_index=False, related_name="+")
    isin = BrokerText(max_length=20, blank=True, default="")
    symbol = BrokerText()
    exchange = BrokerText(max_length=20, default="NSE")
    current_price = price_field(null=True)
    current_value = money_field(null=True)
    price_day = models.DateField(null=True)
    version = models.ForeignKey("HoldingVersion", models.PROTECT, db_index=False, related_name="+")
    last_updated_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        db_table = "real_holdings"
        constraints = [
            models.UniqueConstraint(fields=["broker_account", "instrument", "lot"], name="holding_once_an_account")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.owned_quantity.normalize():f}"


class HoldingVersion(InstrumentRow, HoldingFigures):
    """One observed state of one holding; a row when it changes, and an end row when it is gone."""

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="holding_versions")
    as_of = models.DateField()
    is_gone = models.BooleanField(default=False)
    fetched_at = models.DateTimeField()

    class Meta:
        db_table = "holding_versions"
        indexes = [
            models.Index(fields=["broker_account", "as_of"], name="idx_holding_versions_day"),
            models.Index(
                fields=["broker_account", "instrument", "lot", "as_of", "detected_at", "id"],
                name="idx_holding_versions_last",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {'gone' if self.is_gone else f'{self.owned_quantity.normalize():f}'} on {self.as_of}"


class HoldingChange(InstrumentRow):
    """How much of an instrument is owned moved, or did not although fills say so: then there is no new version.

    What no explanation covered when it was written is an open question with a number.
    """

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="holding_changes")
    as_of = models.DateField()
    lot = models.CharField(max_length=20, default="DELIVERY")
    new_version = models.ForeignKey(HoldingVersion, models.PROTECT, null=True, db_index=False, related_name="+")
    previous_quantity = quantity_field()
    new_quantity = quantity_field()
    quantity_delta = quantity_field()
    unexplained_quantity = quantity_field()
    question_number = models.IntegerField(null=True)

    class Meta:
        db_table = "holding_changes"
        indexes = [models.Index(fields=["broker_account", "as_of"], name="idx_holding_changes_day")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.quantity_delta.normalize():+f} on {self.as_of}"


class ExplanationQuerySet(models.QuerySet["ChangeExplanation"]):
    def current(self) -> "ExplanationQuerySet":
        """Those that no later one has taken the place of."""
        return self.filter(~Exists(ChangeExplanation.objects.filter(supersedes=OuterRef("pk"))))


def explained_quantity() -> Subquery:
    """For a query of changes: how much of each is explained, in units; null where nothing is."""
    pieces = ChangeExplanation.objects.current().filter(change=OuterRef("pk")).values("change")
    return Subquery(pieces.annotate(total=Sum("quantity")).values("total"))


class ChangeExplanation(InstrumentRow):
    """One piece of why a holding moved. `dated` is the day the piece belongs to; an opening has no change."""

    class Kind(models.TextChoices):
        OPENING = "OPENING"
        FILLS = "FILLS"
        LATE = "LATE"  # fills that holdings showed a day or more after they were expected to
        SPLIT = "SPLIT"
        BONUS = "BONUS"
        ISIN_CHANGE = "ISIN_CHANGE"
        MERGER = "MERGER"
        DEMERGER = "DEMERGER"
        TRANSFER_IN = "TRANSFER_IN"
        TRANSFER_OUT = "TRANSFER_OUT"
        MOVED_BACK = "MOVED_BACK"  # two questions that cancel each other out
        LOT_MOVED = "LOT_MOVED"  # from one lot of an instrument to the other
        NOTED = "NOTED"  # for a reason that only the person's words tell

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="explanations")
    change = models.ForeignKey(HoldingChange, models.PROTECT, null=True, related_name="explanations")
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, db_index=False, related_name="+")
    lot = models.CharField(max_length=20, default="DELIVERY")
    kind = models.CharField(max_length=30)
    dated = models.DateField()
    quantity = quantity_field()
    cost_price = price_field(null=True)

    objects = ExplanationQuerySet.as_manager()

    class Meta:
        db_table = "change_explanations"
        indexes = [
            models.Index(fields=["broker_account", "dated"], name="idx_explanations_account_day"),
            # Few supersede another: an index of these alone costs the others nothing.
            models.Index(
                fields=["supersedes"], name="idx_explanations_supersedes", condition=models.Q(supersedes__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol} {self.quantity.normalize():+f} of {self.dated}"
