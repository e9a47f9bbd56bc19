"""Celery's way in: a task is a name and one call. Arguments are ids alone, never a secret."""

from collections.abc import Sequence
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.management import call_command


@shared_task(bind=True)  # type: ignore[untyped-decorator]
def sync_holdings_task(self: Any, account_ids: Sequence[str] = (), sync_type: str = "daily") -> None:
    """Runs `manage.py sync_holdings`. Accounts that did not complete are told by their batches, not by this task."""
    arguments = [f"--account={account_id}" for account_id in account_ids]
    try:
        call_command("sync_holdings", *arguments, f"--type={sync_type}")
    except SystemExit as exit_:
        if exit_.code not in (0, 1):
            raise


@shared_task(acks_late=False)  # type: ignore[untyped-decorator]
def tick_task() -> None:
    """Runs `manage.py run_due`. Several at once share what is due among them; one that is lost is followed by the
    next. It begins nothing more when its time limit comes near."""
    try:
        call_command("run_due", f"--within={settings.CELERY_TASK_SOFT_TIME_LIMIT // 2}")
    except SystemExit as exit_:
        if exit_.code not in (0, 1):
            raise
