"""A run is put to sleep until its lease has run out and somebody else has done its work: it writes nothing any more."""

import signal
import time
from collections.abc import Callable

import pytest
from django.apps import apps
from django.db.models import Model

from portfolio.schedule.tick import tick
from simulators.market import trading_days
from tests.faults import oracle
from tests.faults.process import Process, Stop, wait_until
from tests.faults.runs import one_tick
from tests.faults.test_kills import POINTS, is_done
from tests.faults.world import World, world

pytestmark = pytest.mark.database

# Outside of transactions: whoever sleeps inside one keeps its locks, and the others wait.
SLEEPS = ("all is fetched", "a reply has come", "before the record", "leased, batch opened", "parsed")
# A login that the sleeper made is everybody's; it is not of the book.
APART = ("broker_account_credentials", "broker_types")
OF_A_LOGIN = ("token_expires_at", "updated_at")


@pytest.mark.seeds(3)
def test_a_run_that_slept_past_its_lease_writes_nothing_when_it_goes_on(
    seed: int, is_full: bool, short_leases: float, tell: Callable[[str], None]
) -> None:
    names = SLEEPS if is_full else SLEEPS[:2]
    with world(seed) as here:
        for day, name in zip(trading_days(here.stage.now.date(), len(names)), names, strict=True):
            here.move_to(day, "16:00")
            here.log_in()
            sleep_through(here, Stop(POINTS[name], sends=signal.SIGSTOP), short_leases)
    tell(f"pauses, seed {seed}: {len(names)} runs slept past their lease, and none wrote a row afterwards")


def sleep_through(here: World, stop: Stop, lease: float) -> None:
    sleeper = Process(one_tick, stop=stop, lease=lease)
    wait_until(sleeper.is_asleep)
    time.sleep(lease)
    here.move_to(here.stage.now.date(), "19:00")
    wait_until(lambda: (tick(), is_done(here))[1])
    written = everything()
    sleeper.wake()
    assert sleeper.end() == 0
    assert everything() == written
    oracle.check_at_rest()
    for ucc, account in here.accounts.items():
        oracle.check_truth(account, here.stage.investors[ucc])


def everything() -> dict[str, list[object]]:
    """Every row of every table of ours."""
    models = apps.get_app_config("portfolio").get_models(include_auto_created=True)
    return {model._meta.db_table: rows_of(model) for model in models if model._meta.db_table not in APART}


def rows_of(model: type[Model]) -> list[object]:
    columns = [field.attname for field in model._meta.concrete_fields if field.attname not in OF_A_LOGIN]
    return list(model._default_manager.order_by("pk").values_list(*columns))
