"""The Celery app. Messages are a wake-up; what is owed stands in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_project.settings")

TICK_SECONDS = 30

app = Celery("khata")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# The one entry of the timetable: what is owed is computed from the calendar, not from beat's table. A tick that
# nobody took in time is no loss: the next one finds the same slots.
app.conf.beat_schedule = {
    "tick": {"task": "portfolio.tasks.tick_task", "schedule": TICK_SECONDS, "options": {"expires": TICK_SECONDS}},
}
