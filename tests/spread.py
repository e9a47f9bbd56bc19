"""How tests are spread over the workers of pytest-xdist: the longest first, and what shares a long preparation in one.

By file: the process that hands them out knows no more of a test than where it stands.
"""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# What a fixture of the module prepares takes seconds: one worker goes through the file, not each.
TOGETHER = (
    "tests/sync/test_month.py",
    "tests/simulators/test_growwapi.py",
    "tests/simulators/test_kiteconnect.py",
    "tests/sync/test_compared.py",
)
# Begun first, and in this order: at the end only short ones are left, and the workers end together.
FIRST = (
    *TOGETHER,
    "tests/faults/test_kills.py",
    "tests/faults/test_claims.py",
    "tests/faults/test_year.py",
    "tests/faults/test_pauses.py",
    "tests/faults/test_schedulers.py",
    "tests/test_demo.py",
    "tests/test_supervisor.py",
    "tests/test_outage.py",
    "tests/test_admin.py",
    "tests/sync/test_faults.py",
)


def place(nodeid: str) -> int:
    """Where in the order a test begins."""
    return FIRST.index(_file(nodeid)) if _file(nodeid) in FIRST else len(FIRST)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class Spread(LoadScopeScheduling):  # type: ignore[misc]
    """One test after the other to whichever worker is free, in their order; each file of TOGETHER as if it were one."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return _file(nodeid) if _file(nodeid) in TOGETHER else nodeid
