"""What is held and traded. Identity is the ISIN where there is one; symbols change, so they are dated."""

from django.db import models

from .base import Keyed


class Instrument(Keyed):
    """One security. Two listings of one ISIN are one instrument; rows are never re-pointed, only linked."""

    isin = models.CharField(max_length=20, null=True, unique=True)
    symbol = models.CharField(max_length=64)
    name = models.CharField(max_length=200, blank=True)
    segment = models.CharField(max_length=20, default="CASH")

    class Meta:
        db_table = "instruments"

    def __str__(self) -> str:
        return self.symbol


class Listing(Keyed):
    """What an exchange called an instrument, from a day on."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="listings")
    exchange = models.CharField(max_length=20)
    segment = models.CharField(max_length=20, default="CASH")
    symbol = models.CharField(max_length=64)
    listed_from = models.DateField()
    listed_until = models.DateField(null=True)

    class Meta:
        db_table = "listings"
        constraints = [
            models.UniqueConstraint(fields=["symbol", "exchange", "segment", "listed_from"], name="listing_once_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol}"
