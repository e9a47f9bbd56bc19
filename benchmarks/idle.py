"""What `manage.py serve` takes while nothing is due, all of its processes together. `python -m benchmarks idle`.

Memory is each process's share (PSS): pages that several of them map count once.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from portfolio import clock
from tests import build

from .evening import load
from .sizes import sizes

WARM_UP_SECONDS, SECONDS = 20, 90
MOST_CPU_PERCENT, MOST_MB = 1.0, 250
ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    size = sizes(warmup=WARM_UP_SECONDS, seconds=SECONDS)
    seconds = size.seconds
    for number in range(10):
        build.an_account(client_id=f"C{number}")
    command = [sys.executable, "manage.py", "serve", "--port", str(free_port())]
    environment = {**os.environ, "KHATA_CLOCK": quiet_time()}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as serving:
        try:
            time.sleep(size.warmup)
            began, cpu = time.monotonic(), sum(map(cpu_seconds, family(serving.pid)))
            time.sleep(seconds)
            if serving.poll() is not None:
                raise RuntimeError("serve ended; the reason stands above")
            members = list(family(serving.pid))
            percent = 100 * (sum(map(cpu_seconds, members)) - cpu) / (time.monotonic() - began)
            memory = sum(map(memory_mb, members))
        finally:
            serving.send_signal(signal.SIGTERM)
            serving.wait(30)
    print(
        f"idle: {len(members)} processes over {seconds} s: {percent:.2f} % of a core (at most {MOST_CPU_PERCENT} %), "
        f"{memory:.0f} MB (at most {MOST_MB} MB); load {load()}"
    )


def quiet_time() -> str:
    """An hour in which nothing is due: the clock stands there, and ticks go on."""
    return clock.now().replace(hour=6, minute=0).isoformat()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
