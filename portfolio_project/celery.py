"""The Celery app. Messages are a wake-up; what is owed stands in the database."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portfolio_project.settings")

app = Celery("khata")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
