"""When the market is open and accounts are looked at, which an operator may change; and what became of each look.

Whatever is changed here takes effect at once for what is still to come.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from .. import models
from ..schedule.amendments import calendar_changed, schedule_changed
from .book import ACCOUNT, BROKER, BY_ACCOUNT
from .reading import read_only

if TYPE_CHECKING:
    _DayAdmin = admin.ModelAdmin[models.CalendarDay]
    _HoursAdmin = admin.ModelAdmin[models.SessionHours]
    _ScheduleAdmin = admin.ModelAdmin[models.Schedule]
    _Looks = admin.TabularInline[models.ScheduledLook, models.Schedule]
else:
    _DayAdmin = _HoursAdmin = _ScheduleAdmin = admin.ModelAdmin
    _Looks = admin.TabularInline


@admin.register(models.CalendarDay)
class CalendarDayAdmin(_DayAdmin):
    """Only what the calendar's own file does not say, or says wrongly."""

    list_display = ("date", "kind", "opens", "closes", "name", "source")
    list_filter = ("kind",)
    search_fields = ("name", "source")
    date_hierarchy = "date"
    ordering = ("-date",)

    def save_model(self, request: HttpRequest, obj: models.CalendarDay, form: Any, change: bool) -> None:
        before = form.initial.get("date")
        super().save_model(request, obj, form, change)
        calendar_changed({obj.date, before or obj.date})

    def delete_model(self, request: HttpRequest, obj: models.CalendarDay) -> None:
        super().delete_model(request, obj)
        calendar_changed({obj.date})

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[models.CalendarDay]) -> None:
        days = set(queryset.values_list("date", flat=True))
        super().delete_queryset(request, queryset)
        calendar_changed(days)


@admin.register(models.SessionHours)
class SessionHoursAdmin(_HoursAdmin):
    list_display = ("valid_from", "pre_open", "opens", "closes", "post_close_ends", "source")
    search_fields = ("source",)
    date_hierarchy = "valid_from"
    ordering = ("-valid_from",)

    def save_model(self, request: HttpRequest, obj: models.SessionHours, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        calendar_changed()

    def delete_model(self, request: HttpRequest, obj: models.SessionHours) -> None:
        super().delete_model(request, obj)
        calendar_changed()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[models.SessionHours]) -> None:
        super().delete_queryset(request, queryset)
        calendar_changed()


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

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        found, counts, forbidden, protected = super().get_deleted_objects(objs, request)
        defaults = [str(one) for one in objs if one.pk == models.Schedule.DEFAULT]
        return found, counts, forbidden, [*protected, *defaults]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        schedule_changed(form.instance.code)


read_only(
    models.ScheduledLook,
    list_display=("__str__", "schedule", "kind", "at", "days", "weekdays", "unattended_only"),
    list_filter=("schedule", "kind", "days"),
    list_select_related=("schedule",),
    ordering=("schedule", "at"),
)
read_only(
    models.SyncSlot,
    list_display=("kind", "broker_account", "trading_day", "due_at", "result", "is_late", "attempts",
                  "next_attempt_at", "reason"),
    list_filter=("result", "kind", "is_late", BROKER),
    search_fields=BY_ACCOUNT,
    date_hierarchy="trading_day",
    list_select_related=ACCOUNT,
)  # fmt: skip
