"""From what is owed to what became of it: ticks in simulated time, on the real database."""

import json
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portfolio import clock
from portfolio.ids import new_uuid
from portfolio.models import AccountHead, BrokerAccount, BrokerAccountCredential, Checkpoint, LedgerTree, SyncSlot
from portfolio.schedule.due import Due
from portfolio.schedule.owe import owe
from portfolio.schedule.tick import tick
from portfolio.triggers.base import BrokerUnavailable, LoginMethod, UnexpectedReply
from portfolio.triggers.registry import REGISTRY
from tests import build
from tests.schedule.evening import At, batches, kinds, results, tick_at
from tests.sync.scripted import Broker, india

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


def test_an_account_that_is_connected_after_the_last_look_is_owed_that_look(broker: Broker, at: At) -> None:
    at("2026-10-05 20:00")
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": BrokerUnavailable("down")}
    build.synced(account)
    broker.says = {"holdings": []}
    assert tick_at(at, "2026-10-05 20:00", "2026-10-05 20:02", "2026-10-05 20:03") == [0, 1, 0]
    assert results(account) == {"10-05 19:00": "complete"}


def test_one_that_was_connected_and_synced_late_is_not_synced_again(broker: Broker, at: At) -> None:
    at("2026-10-05 20:00")
    account = build.an_account("SCRIPTED")
    build.synced(account)
    assert tick_at(at, "2026-10-05 20:01", "2026-10-06 08:00") == [0, 0]
    assert results(account) == {"10-05 19:00": "complete", "10-06 16:00": None, "10-06 19:00": None}


def test_what_somebody_synced_while_nothing_ticked_is_not_missed(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    for moment in ("2026-10-05 16:30", "2026-10-05 19:30"):
        at(moment)
        build.synced(account)
    tick_at(at, "2026-10-06 08:00")
    assert results(account) == {**EVENING, "10-06 16:00": None, "10-06 19:00": None}


def test_pages_are_placed_at_the_time_after_the_wave_that_wrote_them(broker: Broker, at: At) -> None:
    def slowly() -> list[Any]:
        at("2026-10-05 16:20")
        return []

    build.an_account("SCRIPTED")
    broker.says["holdings"] = slowly
    assert tick_at(at, "2026-10-05 16:00") == [1]
    assert set(LedgerTree.objects.values_list("placed_at", flat=True)) == {india("2026-10-05 16:20")}
    assert Checkpoint.objects.get().signed_at == india("2026-10-05 16:20")


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


def day_told(account: BrokerAccount) -> tuple[str, dict[str, Any]]:
    event = account.events.get(kind__startswith="day.")
    told = json.loads(event.payload)
    return event.kind, {name: told[name] for name in ("days", "looks", "reason")}


def test_a_day_that_its_last_look_did_not_confirm_is_partial_and_not_missed(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 16:00", "2026-10-06 00:05")
    assert results(account)["10-05 19:00"] == "missed"
    assert day_told(account) == ("day.partial", {
        "days": ["2026-10-05"], "looks": ["2026-10-05 19:00"],
        "reason": "nobody came in time: Khata was not running, or did not get so far",
    })  # fmt: skip


def test_a_day_of_which_a_part_did_not_come_is_told_with_what_was_wrong(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["orders"] = UnexpectedReply("no orders in it")
    tick_at(at, *(f"2026-10-05 {hour}:{minute:02}" for hour in range(16, 24) for minute in (0, 20, 40)))
    assert results(account) == {"10-05 16:00": "partial", "10-05 19:00": "partial"}
    kind, told = day_told(account)
    assert (kind, told["days"], told["reason"].split(";")[0]) == (
        "day.partial", ["2026-10-05"], "orders: no orders in it",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("day", "looks"),
    [
        ("2026-10-04", {}),  # a Sunday
        ("2026-10-02", {}),  # Gandhi Jayanti, a Friday
        ("2026-02-01", {"02-01 16:00": "complete", "02-01 19:00": "complete"}),  # budget day, a Sunday
        ("2025-02-01", {"02-01 16:00": "complete", "02-01 19:00": "complete"}),  # budget day, a Saturday
        ("2026-11-08", {"11-08 19:40": "complete", "11-08 22:40": "complete"}),  # muhurat, a Sunday evening
        ("2025-10-21", {"10-21 16:00": "complete", "10-21 19:00": "complete"}),  # muhurat, in the afternoon
        ("2027-11-01", {"11-01 16:00": "complete", "11-01 19:00": "complete"}),  # nothing is known of that year
    ],
)
def test_the_evening_of_each_kind_of_day(broker: Broker, at: At, day: str, looks: dict[str, str]) -> None:
    at(f"{day} 00:01")
    account = build.an_account("SCRIPTED")
    AccountHead.objects.filter(account=account).update(opened_on=date(2024, 1, 1))  # no first capture any more
    tick_at(at, *(f"{day} {hour:02}:{minute:02}" for hour in range(1, 24) for minute in (0, 40)))
    assert results(account) == looks
    assert account.snapshots.count() == (1 if looks else 0)


def test_around_the_change_of_the_date_in_utc_nothing_is_owed_twice_or_to_another_day(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    moments = ["2026-10-05 19:00", "2026-10-05 23:50", "2026-10-06 00:10", "2026-10-06 05:29", "2026-10-06 05:31"]
    assert tick_at(at, *moments) == [1, 0, 0, 0, 0]
    looks = {"10-05 16:00": "complete", "10-05 19:00": "complete", "10-06 16:00": None, "10-06 19:00": None}
    assert results(account) == looks
    slots = SyncSlot.objects.filter(broker_account=account).order_by("due_at")
    assert [f"{slot.trading_day:%d}" for slot in slots] == ["05", "05", "05", "06", "06"]


@pytest.mark.parametrize(("moment", "day"), [("2026-10-06 00:10", 5), ("2026-10-06 05:29", 5), ("2026-10-06 05:31", 5),
                                             ("2026-10-06 08:59", 5), ("2026-10-06 09:00", 6)])  # fmt: skip
def test_a_run_outside_the_sessions_own_date_settles_nothing(broker: Broker, at: At, moment: str, day: int) -> None:
    account = build.an_account("SCRIPTED")
    at("2026-10-05 12:00")
    tick()
    at(moment)
    (result,) = build.synced(account)
    tick()
    assert result.capture.trading_day == date(2026, 10, day)
    assert [results(account)[f"10-05 {look}"] for look in ("16:00", "19:00")] == ["missed", "missed"]
    assert [results(account)[f"10-06 {look}"] for look in ("16:00", "19:00")] == [None, None]


def test_the_last_sweep_of_commodities_is_made_minutes_before_midnight(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    account.schedule_id = "commodities"
    account.save()
    assert tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-05 23:57") == [1, 1, 1]
    assert results(account) == {**EVENING, "10-05 23:57": "complete"}


def test_an_account_whose_run_was_killed_never_joins_a_run_that_goes_on(broker: Broker, at: At) -> None:
    accounts = [build.an_account("SCRIPTED", f"C{number}") for number in range(3)]
    tick_at(at, "2026-10-05 12:00")
    SyncSlot.objects.filter(broker_account=accounts[0]).update(lost_runs=1)
    at("2026-10-05 16:00")
    first, second = Due(1, lambda: False), Due(5, lambda: False)
    taken = [[capture.client_id for capture in first(new_uuid(), clock.now())] for _ in range(4)]
    assert sorted(taken) == [[], [], ["C1"], ["C2"]]
    assert [capture.client_id for capture in second(new_uuid(), clock.now())] == ["C0"]
    assert Due(5, lambda: True)(new_uuid(), clock.now()) == []


def test_an_accounts_trouble_is_told_when_it_begins_and_when_it_ends_however_often_it_is_tried(
    broker: Broker, at: At
) -> None:
    account = build.an_account("SCRIPTED")
    for day in ("05", "06"):
        broker.says = {"holdings": UnexpectedReply("no holdings in it")}
        assert sum(tick_at(at, *(f"2026-10-{day} {16 + n // 4}:{n % 4 * 15:02}" for n in range(12)))) > 3
        broker.says = {"holdings": []}
        assert sum(tick_at(at, f"2026-10-{day} 19:45", f"2026-10-{day} 21:00")) == 1
    assert kinds(account) == ["account.connected", *["account.failing", "account.recovered"] * 2]


def test_after_the_clock_was_put_back_days_that_were_ended_before_they_came_are_looked_at(
    broker: Broker, at: At
) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00", "2030-10-05 12:00")
    ahead = SyncSlot.objects.filter(result="missed").count()
    assert tick_at(at, "2026-10-05 16:01", "2026-10-05 19:00", "2026-10-06 16:00") == [1, 1, 1]
    assert (ahead > 2000, results(account)) == (True, {
        **EVENING, "10-06 16:00": "complete", "10-06 19:00": None,
    })  # fmt: skip


def test_after_the_clock_was_put_back_a_broker_that_failed_is_tried_again(broker: Broker, at: At) -> None:
    accounts = [build.an_account("SCRIPTED", f"S{number}") for number in range(5)]
    broker.says = {"holdings": BrokerUnavailable("down")}
    tick_at(at, "2030-10-04 16:01")
    broker.says = Broker().says
    tick_at(at, "2026-10-05 16:01", "2026-10-05 19:00")
    assert [results(account) for account in accounts] == [EVENING] * 5


def test_after_the_clock_was_put_back_a_broker_that_failed_before_it_was_ahead_is_tried_again(
    broker: Broker, at: At
) -> None:
    accounts = [build.an_account("SCRIPTED", f"S{number}") for number in range(5)]
    broker.says = {"holdings": BrokerUnavailable("down")}
    tick_at(at, "2026-10-05 16:00", "2030-10-04 16:01")
    broker.says = Broker().says
    tick_at(at, "2026-10-05 17:00", "2026-10-05 19:00")
    assert [results(account) for account in accounts] == [EVENING] * 5


def test_that_all_is_written_down_takes_one_query(broker: Broker, at: At) -> None:
    build.an_account("SCRIPTED")
    tick()
    with CaptureQueriesContext(connection) as asked:
        owe(clock.now())
    assert len(asked) == 1


def test_clocks_that_differ_by_seconds_around_midnight_take_nothing_back(broker: Broker, at: At) -> None:
    build.an_account("SCRIPTED")
    tick_at(at, "2026-10-06 00:00")
    slots = set(SyncSlot.objects.values_list("pk", flat=True))
    tick_at(at, "2026-10-05 23:59")
    assert (len(slots), set(SyncSlot.objects.values_list("pk", flat=True))) == (5, slots)
