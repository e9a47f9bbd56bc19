"""What a process of a campaign does."""

import os
import time
from pathlib import Path
from typing import Any

from django.core.management import call_command

from portfolio import tasks
from portfolio.schedule import tick as ticking
from portfolio.triggers.base import BaseTrigger
from portfolio.triggers.registry import REGISTRY

RACED = "RACED"


def one_tick() -> None:
    ticking.tick()


def by_message() -> None:
    """As a worker does that was sent the tick."""
    tasks.tick_task()


def by_hand() -> None:
    """Whatever its exit code: that not all completed is for the campaign to find."""
    call_command("run_due")


def for_ever() -> None:
    """Until SIGTERM."""
    call_command("run_due", every=1)


def race(folder: str, wave: int) -> None:
    """Ticks until nothing is left, a few accounts at a time. Their broker notes in `folder` who was there when."""
    REGISTRY[RACED] = type("Raced", (Raced,), {"folder": Path(folder)})
    ticking.WAVE = wave
    while ticking.tick():
        pass


class Raced(BaseTrigger):
    """A broker that notices when two ask for one account at the same time."""

    code, name = RACED, "Raced broker"
    folder: Path

    def fetch_holdings(self) -> Any:
        account = self.broker_account.account_id
        inside = self.folder / f"{account}.inside"
        try:
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            note(self.folder / "met", account)
            return []
        note(self.folder / "runs", account)
        time.sleep(0.002)
        inside.unlink()
        return []


def note(path: Path, line: str) -> None:
    """One line, whoever else writes."""
    with path.open("a") as file:
        file.write(f"{line}\n")
