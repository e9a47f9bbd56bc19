"""Start-up of the one Django app."""

import gc
import sys

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PortfolioConfig(AppConfig):
    name = "portfolio"
    verbose_name = "Khata"

    def ready(self) -> None:
        # A group of accounts is up to three hundred thousand small values that no cycle holds: looking for cycles in
        # every 100,000 of them took a twelfth of a sync. What cycles do hold, mostly of web requests, waits as long.
        gc.set_threshold(300_000, 50, 100)
        # Threads that work for the database let the loop that asks the brokers go on after 1 ms and not after 5: with
        # hundreds of requests under way its answers would wait for them.
        sys.setswitchinterval(0.001)
        from . import checks, seeds  # noqa: F401  checks register themselves

        # A migration may have rebuilt a table and dropped its guards without a word (SQLite does): put them back.
        post_migrate.connect(seeds.after_migrate, sender=self)
