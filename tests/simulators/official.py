"""The brokers' official clients, each in an environment of its own, made on first use from its hashed requirements.

Where the packages cannot be had the tests are skipped; with CI=true they must run.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
INSTALL_SECONDS = 600


def python_of(client: str) -> str:
    """The interpreter that has this client; skips the test where it cannot be installed."""
    try:
        _make_environment(client)
    except (subprocess.SubprocessError, OSError) as error:
        reason = f"the official client {client} cannot be installed: {error} {getattr(error, 'stderr', '')}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return str(_environment(client) / "bin" / "python")


def session(client: str, told: dict[str, Any]) -> dict[str, Any]:
    """Runs `<client>_session.py` there: what it is told goes in, and what the client understood comes out."""
    command = [python_of(client), str(Path(__file__).with_name(f"{client}_session.py"))]
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"}  # compiled once for all
    run = subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, timeout=120, env=own)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def _environment(client: str) -> Path:
    return ROOT / f".venv-{client}"


def _make_environment(client: str) -> None:
    """Made anew when the requirements have changed; one process at a time."""
    requirements = ROOT / "requirements" / f"{client}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    made = _environment(client) / "made-from.sha256"
    with requirements.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if made.exists() and made.read_text() == wanted:
            return
        for command in _commands(_environment(client), requirements):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
        made.write_text(wanted)


def _commands(environment: Path, requirements: Path) -> list[list[str]]:
    """Every package is named in the requirements, and only what is used is compiled: that is most of the time."""
    python, exactly = str(environment / "bin" / "python"), ["--no-deps", "--require-hashes", "-r", str(requirements)]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        make = [uv, "venv", "--clear", "--python", sys.executable, str(environment)]
        return [make, [uv, "pip", "install", "--python", python, *exactly]]
    make = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(environment)]
    return [make, [sys.executable, "-m", "pip", "--python", python, "install", "--no-compile", *exactly]]
