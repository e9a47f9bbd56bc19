"""What an operator knows of the market's days that the calendar's files do not say, or say wrongly."""

from django.core.exceptions import ValidationError
from django.db import models

from .base import Keyed


class CalendarDay(Keyed):
    """A day that differs. All rows of one date together take the place of what `calendar.csv` says of it."""

    class Kind(models.TextChoices):
        CLOSED = "closed", "No session"
        REGULAR = "regular", "A session with the regular hours"
        SPECIAL = "special", "A session with hours of its own"
        MUHURAT = "muhurat", "Muhurat session"
        SETTLEMENT_HOLIDAY = "settlement_holiday", "Nothing settles"

    date = models.DateField()
    kind = models.CharField(max_length=20, choices=Kind)
    opens = models.TimeField(null=True, blank=True, help_text="In India's time; empty: as in a regular session")
    closes = models.TimeField(null=True, blank=True)
    name = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, help_text="Who says so: a circular of the exchange, with its date")

    class Meta:
        db_table = "calendar_days"
        constraints = [models.UniqueConstraint(fields=["date", "kind"], name="calendar_day_once")]

    def __str__(self) -> str:
        return f"{self.date} {self.get_kind_display()}"

    def clean(self) -> None:
        timed = self.kind in (self.Kind.SPECIAL, self.Kind.MUHURAT)
        if (self.opens is None) != (self.closes is None) or (timed and self.opens is None):
            raise ValidationError("Enter both times, when it opens and when it closes.")
        if self.opens and self.closes and self.opens >= self.closes:
            raise ValidationError("It must open before it closes.")
        if self.opens and self.kind in (self.Kind.CLOSED, self.Kind.SETTLEMENT_HOLIDAY):
            raise ValidationError("Such a day has no times.")


class SessionHours(Keyed):
    """The hours of a regular session from a day on, in India's time; beside those of `hours.csv`, or in their place."""

    valid_from = models.DateField(unique=True)
    pre_open = models.TimeField()
    opens = models.TimeField()
    closes = models.TimeField(help_text="The end of continuous trading, or of the closing auction")
    post_close_ends = models.TimeField()
    source = models.CharField(max_length=200, help_text="Who says so: a circular of the exchange, with its date")

    class Meta:
        db_table = "session_hours"
        verbose_name_plural = "session hours"

    def __str__(self) -> str:
        return f"from {self.valid_from}: {self.opens:%H:%M} to {self.closes:%H:%M}"

    def clean(self) -> None:
        hours = (self.pre_open, self.opens, self.closes, self.post_close_ends)
        if None not in hours and list(hours) != sorted(set(hours)):
            raise ValidationError("Pre-open, opening, close and end of the post-close session must follow each other.")
