"""The supervisor starts again what dies, and leaves nothing behind however it ends itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from portfolio.management.commands.serve import free_address, jobs
from portfolio.supervisor import Job, jobs_of, words_of

ROOT = Path(__file__).resolve().parent.parent
# A child that starts a child of its own, and writes both ids down each time it begins.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(1000)
"""
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


class Running:
    """A supervisor of one such child."""

    def __init__(self, folder: Path, code: str) -> None:
        self._notes = folder / "notes"
        (folder / "sleeper.py").write_text(code)
        command = [sys.executable, "-m", "portfolio.supervisor", "sleeper", "sleeper", str(self._notes)]
        paths = f"{ROOT}{os.pathsep}{folder}"
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, stderr=-1)

    def begun(self, times: int = 1) -> list[int]:
        """The ids of the child and of its child, when it has begun so often."""
        wait_until(lambda: self._notes.exists() and len(self._notes.read_text().splitlines()) >= times)
        return [int(word) for word in self._notes.read_text().splitlines()[times - 1].split()]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    made: list[Running] = []

    def start(code: str = PARENT) -> Running:
        made.append(Running(tmp_path, code))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()


def wait_until(is_so: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def is_there(pid: int) -> bool:
    """A process that has ended and was not waited for yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_dies_is_started_again_and_what_it_started_is_gone(running: Callable[..., Running]) -> None:
    supervisor = running()
    child, grandchild = supervisor.begun()
    os.kill(child, signal.SIGKILL)
    again, _ = supervisor.begun(2)
    assert again != child
    wait_until(lambda: not is_there(grandchild))


@pytest.mark.parametrize("code", [PARENT, DEAF + PARENT], ids=["", "deaf to a polite end"])
def test_a_supervisor_that_is_killed_leaves_nothing_behind(running: Callable[..., Running], code: str) -> None:
    supervisor = running(code)
    pids = supervisor.begun()
    supervisor.process.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_there, pids)), seconds=3)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_supervisor_that_is_asked_ends_with_all_of_its_children(
    running: Callable[..., Running], name: signal.Signals
) -> None:
    supervisor = running()
    pids = supervisor.begun()
    supervisor.process.send_signal(name)
    assert supervisor.process.wait(10) == 0
    wait_until(lambda: not any(map(is_there, pids)))


def test_a_child_that_cannot_begin_is_tried_less_and_less_often(running: Callable[..., Running]) -> None:
    supervisor = running("raise SystemExit(3)")
    assert supervisor.process.stderr
    said = [supervisor.process.stderr.readline().decode() for _ in range(2)]
    assert said == [f"sleeper ended with 3; it is started again in {pause} s\n" for pause in (1, 2)]


def test_jobs_travel_as_words() -> None:
    jobs = [Job("web", "granian", ("--port", "80")), Job("schedule", "django", ("run_due",))]
    assert list(jobs_of(words_of(jobs))) == jobs


def test_serve_is_the_pages_and_as_many_loops_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "KHATA_LOOPS", 3)
    loop = Job("schedule", "django", ("run_due", "--every", "15"))
    pages, *loops = jobs("127.0.0.1", 8000, 15)
    assert (pages.name, loops) == ("web", [loop, loop, loop])


LATE = """
import socket, sys, time
time.sleep(1)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(1000)
"""


def test_the_address_is_told_when_it_takes_connections(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    words = ["--welcome", "127.0.0.1", port, "Come in", "late", "late", port]
    paths = f"{ROOT}{os.pathsep}{tmp_path}"
    command = [sys.executable, "-m", "portfolio.supervisor", *words]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, stdout=-1) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"Come in\n"
            socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
        finally:
            process.terminate()


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--port", "65536", "argument --port: a port is a number from 1 to 65535"),
    ("--port", "-4", "argument --port: a whole number, 1 or more"),
    ("--port", "http", "argument --port: a whole number, 1 or more"),
    ("--every", "0", "argument --every: a whole number, 1 or more"),
])  # fmt: skip
def test_serve_refuses_what_cannot_be_before_it_begins(option: str, value: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("serve", f"{option}={value}")


def test_serve_listens_where_a_name_leads() -> None:
    assert free_address("localhost", 8000) == "127.0.0.1"


@pytest.mark.parametrize("host", ["", "192.0.2.1", "a..b"], ids=["none", "of another machine", "no name"])
def test_serve_says_where_it_cannot_listen(host: str) -> None:
    with pytest.raises(CommandError, match=f"^cannot listen on {host} port 8000: ") as refused:
        free_address(host, 8000)
    assert refused.value.returncode == 2
