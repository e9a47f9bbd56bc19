"""Runs every test on SQLite, then those marked `database` on PostgreSQL, and adds both up: `python -m tests`.

Where no PostgreSQL is at hand its half is skipped, with the reason; with CI=true that is a failure.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests import databases

WORKERS = "4"  # on two cores: tests wait for leases, simulators and the database


def main(arguments: Sequence[str]) -> int:
    """`arguments` are pytest's own."""
    with databases.templates():
        return both(arguments)


def both(arguments: Sequence[str]) -> int:
    counts, failed = run("SQLite", *arguments)
    try:
        databases.postgres_server()
    except databases.NoPostgres as error:
        skipped = f"SKIPPED: the database tests on PostgreSQL, since none is at hand ({error})"
        failed = failed or os.environ.get("CI") == "true"
    else:
        more, failed_too = run("PostgreSQL", "--database=postgresql", "-m", "database", *arguments)
        counts, failed, skipped = counts + more, failed or failed_too, ""
    print(f"\n{skipped}" if skipped else "")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return int(failed)


def run(title: str, *arguments: str) -> tuple[Counter[str], bool]:
    """Its counts, and whether anything at all went wrong."""
    print(f"\n== {title} ==", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-n", WORKERS, f"--junitxml={report}", *arguments]
        code = subprocess.run(command, check=False).returncode
        return (counted(report) if report.exists() else Counter()), code != 0


def counted(report: Path) -> Counter[str]:
    counts: Counter[str] = Counter(passed=0, failed=0, skipped=0)
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        counts.update(failed=failed, skipped=skipped, passed=int(suite.get("tests", 0)) - failed - skipped)
    return counts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
