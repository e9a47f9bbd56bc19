"""When accounts are looked at, and what is owed to each: the database's queue of record."""

from datetime import time
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from .account import BrokerAccount
from .base import Keyed
from .batch import SyncBatch


def is_a_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError(f"{name} is no time zone; write it as Asia/Kolkata")


class Schedule(models.Model):
    """The looks that the accounts of this schedule get. An account without one follows the schedule `default`."""

    DEFAULT = "default"

    code = models.SlugField(max_length=50, primary_key=True)
    name = models.CharField(max_length=100)
    zone = models.CharField(max_length=50, default="Asia/Kolkata", validators=[is_a_zone])
    retries_until = models.TimeField(default=time(23, 30))

    class Meta:
        db_table = "schedules"

    def __str__(self) -> str:
        return self.name


class ScheduledLook(Keyed):
    """One time of day, on which days, and what is asked then."""

    class Days(models.TextChoices):
        SESSIONS = "sessions", "Trading days of NSE and BSE"
        EVERY_DAY = "every_day", "Every day"

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="looks")
    at = models.TimeField()
    kind = models.CharField(max_length=50, choices=[(kind, kind) for kind in SyncBatch.ASKED])
    days = models.CharField(max_length=20, choices=Days, default=Days.SESSIONS)
    weekdays = models.CharField(
        max_length=7, default="1234567", help_text="Of these, 1 being Monday and 7 Sunday",
        validators=[RegexValidator("^[1-7]+$", "Digits from 1, Monday, to 7, Sunday.")],
    )  # fmt: skip
    unattended_only = models.BooleanField(default=False, help_text="Only accounts whose login needs no person")

    class Meta:
        db_table = "schedule_looks"
        constraints = [models.UniqueConstraint(fields=["schedule", "at", "kind"], name="look_once_a_schedule")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%H:%M}"


class SyncSlot(Keyed):
    """One look that is owed: open while `result` is null. `standing` is what the result would be if it ended now.

    `next_attempt_at` is null while nothing but a person can help. Tried again until `retry_until`, tried at all
    until `ends_at`: then the broker has that day no more. `told_at`: when it was said to have ended as it stood.
    """

    class Result(models.TextChoices):
        COMPLETE = "complete"
        PARTIAL = "partial"
        MISSED = "missed"
        HOLIDAY = "holiday"
        BACK_FILLED = "back_filled"

    broker_account = models.ForeignKey(BrokerAccount, models.PROTECT, db_index=False, related_name="slots")
    trading_day = models.DateField()
    kind = models.CharField(max_length=50)
    due_at = models.DateTimeField()
    retry_until = models.DateTimeField()
    ends_at = models.DateTimeField()
    attempts = models.IntegerField(default=0)
    lost_runs = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    is_late = models.BooleanField(default=False)
    standing = models.CharField(max_length=20, choices=Result, default=Result.MISSED)
    result = models.CharField(max_length=20, choices=Result, null=True)
    reason = models.CharField(max_length=500, blank=True, default="")
    told_at = models.DateTimeField(null=True)
    batch = models.ForeignKey(SyncBatch, models.PROTECT, null=True, db_index=False, related_name="+")

    class Meta:
        db_table = "sync_slots"
        constraints = [
            models.UniqueConstraint(fields=["broker_account", "trading_day", "kind", "due_at"], name="slot_once"),
            models.CheckConstraint(
                condition=Q(result__in=["complete", "partial", "missed", "holiday", "back_filled"]),
                name="slot_result_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="idx_sync_slots_open", condition=Q(result=None)),
            models.Index(fields=["retry_until"], name="idx_sync_slots_ending", condition=Q(result=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.trading_day} {self.result or 'open'}"
