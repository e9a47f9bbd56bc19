"""From what is owed to what became of it: ticks in simulated time, on the real database."""

import pytest

from portfolio.models import BrokerAccountCredential, SyncSlot
from portfolio.schedule.tick import tick
from portfolio.triggers.base import BrokerUnavailable, LoginMethod
from portfolio.triggers.registry import REGISTRY
from tests import build
from tests.schedule.evening import At, batches, kinds, results, tick_at
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database
EVENING = {"10-05 16:00": "complete", "10-05 19:00": "complete"}


@pytest.fixture(autouse=True)
def monday_noon(at: At) -> None:
    at("2026-10-05 12:00")


def test_an_evening_is_two_runs_and_the_morning_one_more(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["holdings"] = [build.a_holding()]
    assert tick_at(at, "2026-10-05 15:59", "2026-10-05 16:00", "2026-10-05 16:01", "2026-10-05 19:00") == [0, 1, 0, 1]
    assert tick_at(at, "2026-10-05 23:59", "2026-10-06 08:29", "2026-10-06 08:30", "2026-10-06 08:31") == [0, 0, 1, 0]
    assert results(account) == {**EVENING, "10-06 16:00": None, "10-06 19:00": None}
    assert results(account, "HOLDINGS_LOOK") == {"10-06 08:30": "complete"}
    assert batches(account) == [("DAILY_PORTFOLIO", "COMPLETED")] * 2 + [("HOLDINGS_LOOK", "COMPLETED")]
    assert kinds(account) == ["account.connected"]


@pytest.mark.parametrize("moment", ["2026-10-05 16:05", "2026-10-05 19:30", "2026-10-05 23:50"])
def test_who_comes_late_the_same_evening_runs_once_and_says_so(broker: Broker, at: At, moment: str) -> None:
    account = build.an_account("SCRIPTED")
    assert tick_at(at, moment, moment) == [1, 0]
    done = SyncSlot.objects.filter(result="complete").order_by("due_at")
    assert [slot.is_late for slot in done] == ([True] if moment.endswith("16:05") else [True, True])
    assert {str(slot.trading_day) for slot in done} == {"2026-10-05"}
    assert account.snapshots.count() == 1


@pytest.mark.parametrize("moment", ["2026-10-06 00:10", "2026-10-06 08:00", "2026-10-06 14:30"])
def test_a_day_that_nobody_asked_for_is_missed_and_never_made_up_for(broker: Broker, at: At, moment: str) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00", moment, moment)
    assert results(account)["10-05 16:00"] == results(account)["10-05 19:00"] == "missed"
    assert kinds(account) == ["account.connected", "day.missed"]
    assert batches(account) == []
    assert account.snapshots.count() == 0


def test_a_tick_without_accounts_does_nothing() -> None:
    assert (tick(), SyncSlot.objects.count()) == (0, 0)


def test_a_look_before_the_market_is_not_owed_where_a_person_must_log_in(
    broker: Broker, at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = LoginMethod("token", "renews itself", ()), LoginMethod("browser", "by hand", (), needs_person=True)
    monkeypatch.setattr(REGISTRY["SCRIPTED"], "login_methods", methods)
    unattended, attended = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "BY HAND")
    BrokerAccountCredential.objects.filter(account=attended).update(login_method="browser")
    tick_at(at, "2026-10-06 08:30")
    assert results(unattended, "HOLDINGS_LOOK") == {"10-06 08:30": "complete"}
    assert results(attended, "HOLDINGS_LOOK") == {}
    assert [*results(attended)] == ["10-05 16:00", "10-05 19:00", "10-06 16:00", "10-06 19:00"]


def test_a_broker_that_comes_back_at_the_last_moment_is_caught(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": BrokerUnavailable("down")}
    every_five_minutes = [f"2026-10-05 {16 + n // 12:02}:{n % 12 * 5:02}" for n in range(90)]
    tick_at(at, *every_five_minutes)
    broker.says = {"holdings": []}
    assert tick_at(at, "2026-10-05 23:30") == [1]
    assert results(account) == EVENING
