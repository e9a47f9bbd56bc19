"""A local Groww and a local Zerodha over one market and one clock, with the demo's investors: `python -m simulators`.

Two of them are at Groww, the third is at Zerodha. Each broker's own module runs it alone, with other investors.
"""

import argparse
import json

from .groww import BASE, MASTER_PATH, GrowwServer
from .groww_api import SWITCHES as GROWW_SWITCHES
from .market import Market
from .scripts import demo_investors, third_investor
from .server import HOST, run_forever
from .serving import in_india
from .stage import Stage
from .zerodha import LOGIN_PATH, ZerodhaServer
from .zerodha_api import SWITCHES as ZERODHA_SWITCHES


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    parser.add_argument("--start", help="ISO time; IST when it has no offset")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-limits", action="store_true")
    parser.add_argument("--ends-with-input", action="store_true", help="end when whoever holds the input's pipe ends")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    market = Market(arguments.seed)
    at_groww, at_zerodha = demo_investors(market), [third_investor(market)]
    switches = GROWW_SWITCHES | ZERODHA_SWITCHES | {"limits": not arguments.no_limits}
    start = in_india(arguments.start) if arguments.start else None
    stage = Stage([*at_groww, *at_zerodha], start, switches)

    def say_ready(groww: int, zerodha: int) -> None:
        roots = [f"http://{HOST}:{port}" for port in (groww, zerodha)]
        print(json.dumps({
            "groww": {
                "url": roots[0] + BASE, "control": f"{roots[0]}/control", "instruments": roots[0] + MASTER_PATH,
                "clients": [each.ucc for each in at_groww],
            },
            "zerodha": {
                "url": roots[1], "control": f"{roots[1]}/control", "login": roots[1] + LOGIN_PATH,
                "clients": [each.ucc for each in at_zerodha],
            },
        }), flush=True)  # fmt: skip

    servers = (GrowwServer(stage), ZerodhaServer(stage))
    run_forever([server.application() for server in servers], 0, say_ready, arguments.ends_with_input)


if __name__ == "__main__":
    main()
