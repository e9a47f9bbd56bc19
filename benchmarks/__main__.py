"""`python -m benchmarks [what ...]`: each prints its ratio beside what it is compared to, in one run.

sync (ours, naive, limit), leaves (on against off), depth (0 against 1,000,000 order versions), fetch, verify and
proof (in a book of 1,100,000 rows), known (the past against the present), bridge, import, evening (1,000 accounts,
beside its parts), crowd (10,000 accounts), idle (what serve takes), ticks (0 against 1,000,000 past slots).

The sizes are options: what stands in `sizes(...)` of each, such as `evening --accounts 10 --rounds 1`.
"""

import argparse
import asyncio
import importlib
import signal
import subprocess
import sys

from . import database

KINDS = ("postgresql", "sqlite")
ALL = (
    "sync",
    "leaves",
    "depth",
    "fetch",
    "verify",
    "proof",
    "known",
    "bridge",
    "import",
    "evening",
    "crowd",
    "idle",
    "ticks",
)
# What is the same on both, or slow on both.
ON_ONE = {"fetch": ("postgresql",), "bridge": ("sqlite",), "crowd": ("sqlite",), "idle": ("sqlite",)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=list(ALL), help=f"of {', '.join(ALL)}; all without it")
    parser.add_argument("--database", choices=KINDS, help="on this kind alone")
    parser.add_argument("--latency", type=float, default=0, help=argparse.SUPPRESS)
    options, rest = parser.parse_known_args()  # the rest is the benchmark's own
    options.rest = rest
    return options


def _run(what: str, kind: str) -> None:
    """One benchmark on one database, in this process."""
    with database.fresh(kind):
        if what == "depth-worker":
            from . import depth

            depth.worker()
        elif what in ("verify", "proof"):
            from . import verify

            verify.main(what)
        elif what in ("import", "import-worker"):
            from . import statements

            (statements.main if what == "import" else statements.worker)()
        else:
            importlib.import_module(f"benchmarks.{what}").main()


def main() -> None:
    options = _options()
    if options.what == ["fetch-broker"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        with database.fresh("sqlite"):
            from . import fetch

            asyncio.run(fetch.serve(options.latency))
        return
    kinds = (options.database,) if options.database else KINDS
    if len(options.what) == 1 and len(kinds) == 1:
        if options.what == ["depth"]:
            from .depth_report import main as report

            report(kinds[0])
        else:
            _run(options.what[0], kinds[0])
        return
    for what in options.what:
        for kind in ON_ONE.get(what, kinds):
            command = [sys.executable, "-m", "benchmarks", what, "--database", kind, *options.rest]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
