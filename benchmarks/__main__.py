"""`python -m benchmarks [what ...]`: each prints its ratio beside what it is compared to, in one run.

sync (ours, naive, limit), leaves (on against off), depth (0 against 1,000,000 order versions), fetch, verify and
proof (in a book of 1,000,000 rows), bridge, import.
"""

import argparse
import asyncio
import subprocess
import sys

from . import database

KINDS = ("postgresql", "sqlite")
ALL = ("sync", "leaves", "depth", "fetch", "verify", "proof", "bridge", "import")
ON_ONE = {"fetch": ("postgresql",), "bridge": ("sqlite",)}  # what is the same on both, or slow on both


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=list(ALL), help=f"of {', '.join(ALL)}; all without it")
    parser.add_argument("--database", choices=KINDS, help="on this kind alone")
    parser.add_argument("--versions", type=int, default=0, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()  # the rest is the benchmark's own
    options.rest = rest
    return options


def _run(what: str, kind: str, versions: int) -> None:
    """One benchmark on one database, in this process."""
    with database.fresh(kind):
        from . import bridge, depth, fetch, leaves, statements, sync, verify

        if what == "depth-worker":
            depth.worker(versions)
        elif what in ("verify", "proof"):
            verify.main(what)
        else:
            {
                "sync": sync.main, "leaves": leaves.main, "fetch": fetch.main, "bridge": bridge.main,
                "import": statements.main, "import-worker": statements.worker,
            }[what]()  # fmt: skip


def main() -> None:
    options = _options()
    if options.what == ["fetch-broker"]:
        with database.fresh("sqlite"):
            from . import fetch

            asyncio.run(fetch.serve())
        return
    kinds = (options.database,) if options.database else KINDS
    if len(options.what) == 1 and len(kinds) == 1:
        if options.what == ["depth"]:
            from .depth_report import main as report

            report(kinds[0])
        else:
            _run(options.what[0], kinds[0], options.versions)
        return
    for what in options.what:
        for kind in ON_ONE.get(what, kinds):
            command = [sys.executable, "-m", "benchmarks", what, "--database", kind, *options.rest]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
