"""What leaves and pages cost: the same first sync with and without them, taking turns. At most 1.35x is wanted."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from ledger import canonical, merkle

from .sizes import sizes
from .sync import fresh_numbers, make_accounts, ours, stage_replies, timed

ACCOUNTS, ROUNDS = 100, 7
_NOTHING = bytes(32)


@contextmanager
def without_leaves() -> Iterator[None]:
    """Rows get 32 zero bytes in place of a leaf, and pages a root of nothing."""
    leaf, leaves, root = canonical.leaf, canonical.leaves, merkle.root
    canonical.leaf = lambda schema, rendered: _NOTHING
    canonical.leaves = lambda schema, rows: [_NOTHING] * len(rows)
    merkle.root = lambda leaves: _NOTHING
    try:
        yield
    finally:
        canonical.leaf, canonical.leaves, merkle.root = leaf, leaves, root


def _first_sync(accounts: int) -> float:
    clients = fresh_numbers(accounts)
    prepared = [stage_replies("first sync", number) for number in clients]
    batch = list(zip(make_accounts(clients), (one for one, _ in prepared), strict=True))
    return timed(lambda: ours(batch, prepared[0][1]))


def main() -> None:
    size = sizes(accounts=ACCOUNTS, rounds=ROUNDS)
    on, off = [], []
    for _ in range(size.rounds + 1):  # the first round warms up
        on.append(_first_sync(size.accounts))
        with without_leaves():
            off.append(_first_sync(size.accounts))
    ratio = statistics.median(a / b for a, b in zip(on[1:], off[1:], strict=True))
    with_them, without = (1000 * statistics.median(seconds[1:]) / size.accounts for seconds in (on, off))
    print(
        f"{connection.vendor}: leaves and pages on {with_them:.2f} ms an account, off {without:.2f}: {ratio:.2f}x "
        "(at most 1.35x)"
    )
