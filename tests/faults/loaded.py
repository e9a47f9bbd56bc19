"""What the fork server of `process` has loaded before it forks: a process of Khata begins in milliseconds."""

import django

django.setup()

from portfolio.management.commands import run_due  # noqa: E402, F401
