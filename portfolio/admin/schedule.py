"""When accounts are looked at, which an operator may change, and what became of each look, which nobody changes."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from .. import models
from .book import ACCOUNT, BROKER, BY_ACCOUNT
from .reading import read_only

if TYPE_CHECKING:
    _ScheduleAdmin = admin.ModelAdmin[models.Schedule]
    _LookAdmin = admin.ModelAdmin[models.ScheduledLook]
    _Looks = admin.TabularInline[models.ScheduledLook, models.Schedule]
else:
    _ScheduleAdmin = _LookAdmin = admin.ModelAdmin
    _Looks = admin.TabularInline


@admin.register(models.ScheduledLook)
class ScheduledLookAdmin(_LookAdmin):
    list_display = ("__str__", "schedule", "kind", "at", "days", "weekdays", "unattended_only")
    list_filter = ("schedule", "kind", "days")
    list_select_related = ("schedule",)
    ordering = ("schedule", "at")


class Looks(_Looks):
    model = models.ScheduledLook
    extra = 0


@admin.register(models.Schedule)
class ScheduleAdmin(_ScheduleAdmin):
    """The default one can be changed and not be taken away: accounts without one follow it."""

    list_display = ("name", "code", "zone", "retries_until")
    search_fields = ("name", "code")
    ordering = ("name",)
    inlines = (Looks,)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return ("code",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return obj is None or obj.pk != models.Schedule.DEFAULT


read_only(
    models.SyncSlot,
    list_display=("kind", "broker_account", "trading_day", "due_at", "result", "is_late", "attempts",
                  "next_attempt_at", "reason"),
    list_filter=("result", "kind", "is_late", BROKER),
    search_fields=BY_ACCOUNT,
    date_hierarchy="trading_day",
    list_select_related=ACCOUNT,
)  # fmt: skip
