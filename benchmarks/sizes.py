"""How large a benchmark is: its own sizes, each of which an option of its name changes."""

import argparse


def sizes(**usual: int) -> argparse.Namespace:
    """What the command line says, and else the usual. The options of others are left alone."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, value in usual.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_known_args()[0]
