"""One tick: what is owed is written down, what is over is ended, what is due is run. Everybody may tick at any time.

Cron, Celery beat and the built-in loop all come here, together or alone; the slots and the leases make that one run a
slot.
"""

from collections.abc import Callable

from .. import clock, startup
from ..proof import sealer
from ..sync.pipeline import sync_due
from ..sync.record import Result
from . import amendments
from .due import Due, is_any_due
from .ends import end
from .logins import see_to_logins
from .owe import owe

WAVE = 500  # accounts at a time


def tick(
    report: Callable[[Result], None] = lambda result: None,
    is_stopping: Callable[[], bool] = lambda: False,
    simulated: bool = False,
) -> int:
    """Runs all that is due now: of the demo's accounts, whose time is another, when `simulated`, else of all others.
    Returns how many runs that were. What has begun is finished."""
    startup.require_guards()
    count = 0
    while not is_stopping():
        now = clock.refresh()
        amendments.refresh()
        owe(now, simulated)
        end(now, simulated)
        see_to_logins(now, simulated)
        due = Due(WAVE, is_stopping, simulated)
        done = sync_due(due, report, simulated) if is_any_due(now, simulated) else 0
        count += done
        sealer.seal(clock.now())  # not the time before the wave: pages are placed after it
        if not done:
            break
    return count
