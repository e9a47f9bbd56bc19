"""10,000 accounts that are due at 16:00, embedded: all complete, with time and memory. `python -m benchmarks crowd`.

One process and SQLite, as one loop of `manage.py serve`; the broker is a process of its own that answers after 20 ms,
since what is asked here is what Khata itself takes. 50 holdings, 10 positions, 50 orders and 39 requests an account.
"""

from portfolio.schedule.tick import tick

from .evening import load, memory_mb, require_complete, with_slots
from .fetch import local_broker
from .sizes import sizes
from .sync import timed

ACCOUNTS, LATENCY = 10_000, 0.02
WITHIN_SECONDS = 3600


def main() -> None:
    count = sizes(accounts=ACCOUNTS).accounts
    with local_broker(LATENCY):
        accounts = with_slots(count)
        before = memory_mb()
        seconds = timed(tick)
    require_complete(accounts)
    print(
        f"crowd: {count} accounts due at once, all complete after {seconds:.0f} s (at most {WITHIN_SECONDS} s), "
        f"{1000 * seconds / count:.1f} ms an account; peak {memory_mb():.0f} MB, {before:.0f} MB before; load {load()}"
    )
