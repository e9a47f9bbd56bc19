"""The ways to tick: the built-in loop, one tick by hand, and Celery's."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection

from portfolio import tasks
from portfolio.models import Schedule
from portfolio.schedule import loop
from portfolio.schedule.loop import Loop
from portfolio.schedule.tick import tick
from portfolio.triggers.base import BrokerUnavailable
from portfolio_project.celery import app
from tests import build
from tests.schedule.evening import At, batches, tick_at
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def monday_noon(at: At) -> None:
    at("2026-10-05 12:00")


def run_due(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("run_due", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, str(error)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_beat_loop_and_hand_together_make_one_run_a_slot(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    for moment in ("2026-10-05 16:00", "2026-10-05 19:00"):
        at(moment)
        told: list[int] = []
        looping = Loop(60, lambda result: None, told.append)
        looping._tick()
        run_due()
        tasks.tick_task()
        tick()
    assert batches(account) == [("DAILY_PORTFOLIO", "COMPLETED")] * 2


def test_the_timetable_of_beat_has_one_entry_and_it_ticks(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    (entry,) = app.conf.beat_schedule.values()
    at("2026-10-05 16:00")
    current_app.tasks[entry["task"]]()
    assert batches(account) == [("DAILY_PORTFOLIO", "COMPLETED")]
    assert entry["options"]["expires"] <= entry["schedule"]


def test_run_due_tells_each_account_and_its_exit_code_whether_all_completed(broker: Broker, at: At) -> None:
    build.an_account("SCRIPTED", "GOOD")
    build.an_account("SCRIPTED", "BAD")
    broker.others["BAD"] = {"holdings": BrokerUnavailable("down")}
    assert run_due() == (0, "")
    at("2026-10-05 16:00")
    code, out = run_due()
    assert (code, sorted(line.split()[0] for line in out.splitlines() if "2026-10-05" in line)) == (1, ["ok", "part"])


def test_a_tick_that_may_begin_nothing_more_leaves_it_to_the_next(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-05 16:00")
    assert tick(is_stopping=lambda: True) == 0
    assert tick() == 1
    assert batches(account) == [("DAILY_PORTFOLIO", "COMPLETED")]


def test_a_tick_that_fails_is_told_and_the_next_one_comes(
    broker: Broker, at: At, set_clock: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    account = build.an_account("SCRIPTED")
    looping = Loop(60, lambda result: None, lambda count: None)
    set_clock("nonsense")
    looping._tick()
    at("2026-10-05 16:00")
    Schedule.objects.update(zone="Mars/Olympus")
    looping._tick()
    Schedule.objects.update(zone="Asia/Kolkata")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE schedules RENAME TO schedules_elsewhere")
    looping._tick()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE schedules_elsewhere RENAME TO schedules")
    looping._tick()
    said = [record.getMessage() for record in caplog.records if record.name == loop.__name__]
    assert [words.partition(" ")[0] for words in said] == ["KHATA_CLOCK", "a", "The"]
    assert batches(account) == [("DAILY_PORTFOLIO", "COMPLETED")]


def test_the_loop_ticks_in_a_process_of_its_own_and_ends_when_asked(broker: Broker, at: At) -> None:
    """The sample broker's account is due at 16:00: that process has its clock at five past."""
    account = build.an_account("SAMPLE")
    tick_at(at, "2026-10-05 12:00")
    environment = {**os.environ, "KHATA_CLOCK": "2026-10-05T16:05:00+05:30"}
    command = [sys.executable, "manage.py", "run_due", "--every", "1"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"1 capture: 1 ok\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert batches(account) == [("DAILY_PORTFOLIO", "COMPLETED")]
