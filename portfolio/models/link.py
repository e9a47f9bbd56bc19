"""What became of instruments: splits, bonuses, new ISINs, mergers. Instruments are never re-pointed, only linked."""

from django.db import models

from .account import BrokerAccount
from .base import BrokerText, InstrumentRow
from .fields import percent_field
from .instrument import Instrument


class InstrumentLink(InstrumentRow):
    """So many units of an instrument became so many of its successor on a day; in a bonus it is its own successor.

    Written by the answer of one account, and offered to the others that hold the same. `cost_percent`: how much of the
    cost went along, where the old one stays. `is_withdrawn` takes an earlier row of the same content back.
    """

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="+")
    kind = models.CharField(max_length=30)
    successor = models.ForeignKey(Instrument, models.PROTECT, db_index=False, related_name="+")
    successor_isin = BrokerText(max_length=20, blank=True, default="")
    successor_symbol = BrokerText()
    effective_on = models.DateField()
    units_before = models.IntegerField()
    units_after = models.IntegerField()
    cost_percent = percent_field(null=True)
    is_withdrawn = models.BooleanField(default=False)

    class Meta:
        db_table = "instrument_links"
        indexes = [
            models.Index(fields=["instrument"], name="idx_links_instrument"),
            models.Index(fields=["successor"], name="idx_links_successor"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.symbol} {self.units_before}:{self.units_after} on {self.effective_on}"
