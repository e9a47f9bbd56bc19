"""A simulated year of ten accounts at two brokers: outages, restarts, a scheduler that is down, logins that are missed.

Every look ends as what was possible, by the plan of what went wrong and by what the simulators served; on every day
that is complete each fill stands in the book as it was.
"""

import random
import time as real_time
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time

import pytest

from ledger.normalise import IST
from portfolio.models import SyncSlot, Transaction
from portfolio.schedule.tick import tick
from portfolio.triggers import client
from portfolio.triggers.limits import OF_THIS_PROCESS
from simulators.faults import Fault
from simulators.market import trading_days
from tests import build
from tests.faults import oracle
from tests.faults.process import Process, Stop
from tests.faults.runs import one_tick
from tests.faults.test_kills import DAILY, FIRST, POINTS
from tests.faults.world import World, world
from tests.faults.year import COMPLETE, HOLDINGS_PATHS, LOOKS, MORNING, Day, a_day, as_served, is_within

pytestmark = pytest.mark.database
OPENED = datetime(2026, 1, 1, tzinfo=IST)
KILLS = [point for name, point in POINTS.items() if name not in (FIRST, DAILY) and "record" not in name]
Key = tuple[str, date, time]


@pytest.mark.seeds(3)
def test_every_look_of_a_year_ends_as_what_was_possible(
    seed: int, is_full: bool, short_leases: float, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.01)
    chance = random.Random(seed)
    with world(seed, 5, 5, OPENED) as here:
        brokers = {ucc: account.broker_id for ucc, account in here.accounts.items()}
        days = trading_days(OPENED.date(), 246 if is_full else 6)
        planned = [a_day(chance, day, brokers, is_bad=not is_full) for day in days]
        planned[0] = Day(days[0], logged_in={ucc: time(9) for ucc in here.by_login})  # connecting is a login
        for day in planned:
            live(here, day, chance, short_leases)
        here.move_to(trading_days(days[-1], 2)[1], "10:00")
        tick()
        served = here.served
        looks = [(ucc, day, look) for ucc in brokers for day in planned for look in LOOKS]
        mornings = [(ucc, day, MORNING) for ucc in brokers for day in planned[1:] if ucc not in here.by_login]
        by_plan = {(ucc, day.day, look): day.must_be(ucc, brokers[ucc], look) for ucc, day, look in [*looks, *mornings]}
        by_log = {(ucc, day, look): as_served(served[day], ucc, look) for ucc, day, look in by_plan}
        became = results(here)
        assert {key: became.get(key) for key in by_plan} == by_plan
        assert by_log == by_plan
        assert not SyncSlot.objects.filter(result=None, ends_at__lte=here.stage.now).exists()
        check_fills(here, [(ucc, day) for ucc, day, look in looks if by_plan[ucc, day.day, look] == COMPLETE])
    oracle.check_at_rest()
    told = ", ".join(f"{count} {result}" for result, count in sorted(Counter(by_plan.values()).items()))
    tell(f"year, seed {seed}: {len(days)} trading days of {len(brokers)} accounts, {told}: as was possible, every one")


def live(here: World, day: Day, chance: random.Random, lease: float) -> None:
    """One trading day: the owners log in, the faults come and go, and the scheduler ticks when it is up."""
    begins = here.stage.now
    for at in sorted({*day.ticks, *(each for each in day.logged_in.values() if each)}):
        if datetime.combine(day.day, at, IST) < begins:
            continue  # before all begins
        here.move_to(day.day, at.isoformat())
        OF_THIS_PROCESS.forget()  # which left a broker alone for seconds: more than that has passed
        here.stage.faults[:] = faults(here, day, at)
        for ucc, logged_in in day.logged_in.items():
            if logged_in == at:
                build.log_in(here.zerodha, ucc, here.accounts[ucc])
        if at == day.killed_at and at in day.ticks:
            Process(one_tick, stop=Stop(chance.choice(KILLS)), lease=lease).end()
            real_time.sleep(lease)
        if at in day.ticks:
            tick()


def faults(here: World, day: Day, at: time) -> list[Fault]:
    found = []
    for ucc, account in here.accounts.items():
        if is_within(at, day.broker_down.get(account.broker_id)):
            found.append(Fault("503_html", ucc=ucc))
        elif is_within(at, day.holdings_down.get(ucc)):
            found.append(Fault("503_html", HOLDINGS_PATHS[account.broker_id], ucc=ucc))
    return found


def results(here: World) -> dict[Key, str | None]:
    """By the day and the hour of the look, in India."""
    uccs = {account.pk: ucc for ucc, account in here.accounts.items()}
    rows = [
        (uccs[pk], due_at.astimezone(IST), result)
        for pk, due_at, result in SyncSlot.objects.values_list("broker_account", "due_at", "result")
    ]
    return {(ucc, due_at.date(), due_at.time()): result for ucc, due_at, result in rows}


def check_fills(here: World, complete: list[tuple[str, Day]]) -> None:
    """No row that was accepted is lost, and none stands twice: a complete day's fills are the day's fills."""
    for ucc, day in {(ucc, each.day) for ucc, each in complete}:
        rows = Transaction.objects.current().filter(broker_account=here.accounts[ucc], trade_date=day)
        ours = sorted(rows.values_list("executed_at", "symbol", "transaction_type", "quantity", "price"))
        theirs = here.stage.investors[ucc].truth.fills_on(day)
        assert ours == sorted((f.at, o.instrument.symbol, o.side, f.quantity, f.price) for o, f in theirs)
