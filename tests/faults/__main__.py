"""The fault campaigns at full size, on both databases: `python -m tests.faults [campaign ...] [--seed N]`.

A campaign is a test file of this folder: `kills` is test_kills.py. Without any, all of them run. The seed is printed:
with the same one, the same faults strike at the same places.
"""

import argparse
import random
import sys
from pathlib import Path

from tests.__main__ import main

HERE = Path(__file__).resolve().parent
CAMPAIGNS = {path.stem.removeprefix("test_"): path for path in sorted(HERE.glob("test_*.py"))}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("campaigns", nargs="*", metavar="campaign", help=f"of {', '.join(CAMPAIGNS)}")
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="what all chances follow from")
    parser.add_argument("--size", choices=("small", "full"), default="full")
    chosen = parser.parse_args()
    if unknown := set(chosen.campaigns) - set(CAMPAIGNS):
        parser.error(f"no campaign named {', '.join(sorted(unknown))}; there are {', '.join(CAMPAIGNS)}")
    return chosen


def run() -> int:
    chosen = options()
    print(f"fault campaigns, seed {chosen.seed}, size {chosen.size}", flush=True)
    files = [str(CAMPAIGNS[name]) for name in chosen.campaigns or CAMPAIGNS]
    return main([*files, "--size", chosen.size, "--seed", str(chosen.seed)])


if __name__ == "__main__":
    sys.exit(run())
