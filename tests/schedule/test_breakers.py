"""A broker that fails for one account after the other is left alone, by all, and nothing is missed for it."""

import json
from typing import Any

import pytest

from portfolio import clock
from portfolio.models import AccountHead, BrokerAccount, BrokerType, Event, SyncBatch, SyncSlot
from portfolio.schedule.coverage import cover
from portfolio.schedule.tick import tick
from portfolio.sync import breakers
from portfolio.triggers.base import BrokerUnavailable, LeftAlone, LoginRequired, RateLimited
from tests import build
from tests.schedule.evening import At, batches, results, tick_at
from tests.schedule.test_coverage import MONDAY
from tests.sync.scripted import Broker, india

pytestmark = pytest.mark.database
EVENING = {"10-05 16:00": "complete", "10-05 19:00": "complete"}
UP: dict[str, Any] = {"holdings": []}


@pytest.fixture(autouse=True)
def monday_noon(at: At) -> None:
    at("2026-10-05 12:00")


@pytest.fixture
def accounts(broker: Broker) -> list[BrokerAccount]:
    """Eight of a broker that is down from 16:00 on, and nobody else."""
    broker.says = {"holdings": BrokerUnavailable("503")}
    portfolio = build.a_portfolio()
    return [build.an_account("SCRIPTED", f"C{number}", portfolio) for number in range(8)]


def opened(at: At) -> BrokerType:
    """At 16:00 everybody is asked, in vain."""
    assert tick_at(at, "2026-10-05 16:00") == [8]
    return BrokerType.objects.get(pk="SCRIPTED")


def told() -> list[str]:
    of_brokers = Event.objects.filter(broker_account=None, kind__startswith="broker.")
    return list(of_brokers.order_by("number").values_list("kind", flat=True))


def test_it_opens_once_for_all_and_is_told_once(accounts: list[BrokerAccount], at: At) -> None:
    broker = opened(at)
    assert (broker.failing_since, broker.probe_at) == (india("2026-10-05 16:00"), india("2026-10-05 16:01"))
    tick_at(at, "2026-10-05 16:01", "2026-10-05 16:02", "2026-10-05 16:03")
    event = Event.objects.get(broker_account=None, kind__startswith="broker.")
    assert (event.kind, json.loads(event.payload)) == ("broker.unavailable", {
        "broker": "SCRIPTED", "reason": "503", "since": "2026-10-05T10:30:00Z",
    })  # fmt: skip


def test_while_it_is_open_one_account_is_asked_a_minute(accounts: list[BrokerAccount], broker: Broker, at: At) -> None:
    opened(at)
    broker.asked.clear()
    at("2026-10-05 19:00:30")
    assert [tick() for _ in range(3)] == [1, 0, 0]
    assert tick_at(at, "2026-10-05 19:01:29", "2026-10-05 19:01:30") == [0, 1]
    assert len({client for client, _ in broker.asked}) == 2


def test_of_two_processes_one_tries(accounts: list[BrokerAccount], at: At) -> None:
    opened(at)
    at("2026-10-05 16:01")
    now = clock.refresh()
    assert [breakers.take_probe("SCRIPTED", now) for _ in range(2)] == [True, False]
    assert tick() == 0


def test_an_answer_closes_it_and_everybody_is_asked_at_once(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    opened(at)
    SyncSlot.objects.filter(attempts=1).update(next_attempt_at=india("2026-10-05 18:00"))
    first = SyncSlot.objects.filter(attempts=1, broker_account=accounts[3])
    first.update(next_attempt_at=india("2026-10-05 16:01"))
    broker.says = UP
    assert tick_at(at, "2026-10-05 16:01") == [8]
    assert BrokerType.objects.get(pk="SCRIPTED").failing_since is None
    assert told() == ["broker.unavailable", "broker.recovered"]
    tick_at(at, "2026-10-05 19:00")
    assert [results(account) for account in accounts] == [EVENING] * 8


def test_a_broker_that_comes_back_before_midnight_misses_nobody(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    opened(at)
    tick_at(at, *(f"2026-10-05 {hour}:{minute:02}" for hour in range(17, 23) for minute in range(0, 60, 20)))
    tick_at(at, "2026-10-05 23:20")
    broker.says = UP
    tick_at(at, "2026-10-05 23:28")
    assert [results(account) for account in accounts] == [EVENING] * 8


def test_that_nobody_has_logged_in_neither_closes_it_nor_keeps_it_closed(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    for number in (2, 4, 6):  # among five for which it is down
        broker.others[f"C{number}"] = {"holdings": LoginRequired("the day's login has not been made")}
    since = opened(at).failing_since
    assert since == india("2026-10-05 16:00")
    broker.says = {"holdings": LoginRequired("the day's login has not been made")}
    assert tick_at(at, "2026-10-05 16:01") == [1]
    assert (BrokerType.objects.get(pk="SCRIPTED").failing_since, told()) == (since, ["broker.unavailable"])


def test_an_account_that_needs_its_owner_is_not_what_a_broker_is_tried_with(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    opened(at)
    broker.asked.clear()
    needy = BrokerAccount.objects.exclude(pk=accounts[5].pk)
    needy.update(state=BrokerAccount.State.NEEDS_LOGIN)
    assert tick_at(at, "2026-10-05 16:01") == [1]
    assert {client for client, _ in broker.asked} == {"C5"}
    BrokerAccount.objects.update(state=BrokerAccount.State.NEEDS_LOGIN)
    assert tick_at(at, "2026-10-05 16:30") == [0]


def test_accounts_that_this_process_did_not_ask_for_say_nothing_of_their_broker_nor_of_themselves(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    broker.says = {"holdings": LeftAlone("the broker failed 20 times in a row and is left alone for a moment")}
    at("2026-10-05 16:00")
    assert tick() == 8
    assert BrokerType.objects.get(pk="SCRIPTED").failed_accounts == "[]"
    assert set(BrokerAccount.objects.values_list("state", flat=True)) == {"active"}
    assert SyncSlot.objects.filter(result=None, attempts=1, next_attempt_at__lte=india("2026-10-05 16:02")).count() == 8


def test_one_that_was_asked_in_vain_fails_though_the_rest_of_it_was_left_alone(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": BrokerUnavailable("503"), "positions": LeftAlone("left alone for a moment")}
    tick_at(at, "2026-10-05 16:00")
    account.refresh_from_db()
    failed = BrokerType.objects.get(pk="SCRIPTED").failed_accounts
    assert (account.state, failed) == ("failing", f'["{account.pk}"]')


def test_other_brokers_go_on(accounts: list[BrokerAccount], at: At) -> None:
    other = build.an_account("SAMPLE")
    assert tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00") == [9, 2]
    assert results(other) == EVENING


def test_accounts_that_fail_for_themselves_do_not_keep_the_others_waiting(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    for number in range(6):
        broker.others[f"C{number}"] = {"holdings": BrokerUnavailable("503")}
    opened(at)
    broker.says = UP
    moments = [f"2026-10-05 16:{minute:02}" for minute in range(1, 12)]
    tick_at(at, *moments)
    assert [results(account)["10-05 16:00"] for account in accounts[6:]] == ["complete", "complete"]


def test_a_sync_that_somebody_asks_for_is_not_made_either(
    accounts: list[BrokerAccount], broker: Broker, at: At
) -> None:
    opened(at)
    broker.asked.clear()
    at("2026-10-05 16:00:30")
    (result,) = build.synced(accounts[0])
    (problem,) = result.capture.problems
    assert (broker.asked, result.status, problem.kind) == ([], "FAILED", "left_alone")
    assert AccountHead.objects.get(account=accounts[0]).pause_until is None  # it is the broker's, not the account's
    assert problem.message == (
        "Scripted fails for one account after the other since 16:00 and is tried with one, minute after minute: 503; "
        "not before 16:01"
    )


def test_coverage_says_why_a_look_waits_and_a_missed_day_why_it_is_missed(
    accounts: list[BrokerAccount], at: At
) -> None:
    opened(at)
    (row,) = cover(accounts[:1], MONDAY, MONDAY, clock.now())
    why = "Scripted fails for one account after the other since 16:00 and is tried with one, minute after minute: 503"
    assert (row.days[0].result, row.days[0].reason) == ("waiting", why)
    tick_at(at, "2026-10-06 00:01")
    reasons = SyncSlot.objects.filter(attempts=0, result="missed").values_list("reason", flat=True).distinct()
    assert list(reasons) == [why]


def test_a_pause_within_a_minute_is_told_with_the_minute_by_which_it_is_over(broker: Broker, at: At) -> None:
    at("2026-10-05 16:00")
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": RateLimited("too many requests", 20)}
    build.synced(account)
    (result,) = build.synced(account)
    assert result.capture.problems[0].message == (
        "Scripted wants to be asked nothing for this account; not before 16:01"
    )


def test_a_pause_that_the_broker_asked_for_holds_every_run_of_the_account(broker: Broker, at: At) -> None:
    patient, other = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "OTHER")
    broker.others["S1"] = {"holdings": RateLimited("too many requests", 4 * 3600)}
    assert tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00") == [2, 1]
    broker.asked.clear()
    (result,) = build.synced(patient)
    assert (broker.asked, result.capture.problems[0].message) == (
        [], "Scripted wants to be asked nothing for this account; not before 20:00",
    )  # fmt: skip
    assert AccountHead.objects.get(account=patient).pause_until == india("2026-10-05 20:00")
    del broker.others["S1"]
    assert tick_at(at, "2026-10-05 19:59", "2026-10-05 20:35") == [0, 1]
    assert (results(patient), results(other)) == (EVENING, EVENING)
    assert batches(patient)[-1] == ("DAILY_PORTFOLIO", "COMPLETED")
    assert SyncBatch.objects.filter(broker_account=patient).count() == 3
