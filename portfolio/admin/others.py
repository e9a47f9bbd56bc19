"""What is not ours: what people did in the admin, and the timetable of Celery beat."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from .reading import ReadOnly


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnly):
    list_display = ("__str__", "user", "content_type", "action_time")
    list_filter = ("action_flag", "content_type")
    search_fields = ("object_repr", "change_message", "user__username")
    date_hierarchy = "action_time"
    list_select_related = ("user", "content_type")
