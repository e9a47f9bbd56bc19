"""An operator's rows of the calendar: what they put right, and what that does to looks written down already."""

import json
from collections.abc import Iterator
from datetime import date, time

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledger.normalise import IST
from portfolio import accounts, clock
from portfolio.models import (
    BrokerAccount,
    CalendarDay,
    Portfolio,
    Schedule,
    ScheduledLook,
    SessionHours,
    SyncSlot,
    User,
)
from portfolio.schedule import amendments, calendar
from portfolio.schedule.calendar import previous_session, session
from portfolio.schedule.coverage import cover
from portfolio.triggers.base import BrokerUnavailable, LoginRequired
from tests import build
from tests.schedule.evening import At, batches, kinds, results, tick_at
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database
MONDAY, TUESDAY = date(2026, 10, 5), date(2026, 10, 6)


@pytest.fixture(autouse=True)
def monday_noon(at: At) -> None:
    at("2026-10-05 12:00")


@pytest.fixture
def operator() -> Iterator[Client]:
    """Django's own tables are emptied by nobody else."""
    user = User.objects.create(username="operator", is_staff=True, is_superuser=True)
    client = Client(SERVER_NAME="localhost")
    client.force_login(user)
    yield client
    LogEntry.objects.all().delete()
    Session.objects.all().delete()


def amend(day: date, kind: str, opens: time | None = None, closes: time | None = None) -> None:
    CalendarDay.objects.create(date=day, kind=kind, opens=opens, closes=closes, source="a test")
    amendments.refresh()


def hours_of(day: date) -> list[str]:
    found = session(day)
    return [f"{moment.astimezone(IST):%H:%M}" for moment in found[2:]] if found else []


def test_a_row_adds_a_closure_that_the_file_does_not_have() -> None:
    amend(MONDAY, "closed")
    assert (session(MONDAY), previous_session(TUESDAY)) == (None, date(2026, 10, 1))


def test_a_row_takes_the_place_of_what_the_file_says_of_its_day() -> None:
    amend(date(2026, 11, 8), "muhurat", time(17, 30), time(18, 30))
    amend(date(2026, 11, 24), "regular")
    assert hours_of(date(2026, 11, 8)) == ["17:15", "17:30", "18:30", "18:55"]
    assert hours_of(date(2026, 11, 24)) == ["09:00", "09:15", "15:35", "16:00"]


def test_a_session_on_a_sunday_has_regular_hours_unless_told() -> None:
    amend(date(2026, 10, 4), "regular")
    assert hours_of(date(2026, 10, 4)) == ["09:00", "09:15", "15:35", "16:00"]


def test_hours_change_from_a_day_on() -> None:
    SessionHours.objects.create(
        valid_from=date(2026, 12, 1),
        pre_open=time(8, 45),
        opens=time(9),
        closes=time(17),
        post_close_ends=time(17, 30),
        source="a test",
    )
    amendments.refresh()
    assert hours_of(date(2026, 11, 30)) == ["09:00", "09:15", "15:35", "16:00"]
    assert hours_of(date(2026, 12, 1)) == ["08:45", "09:00", "17:00", "17:30"]


def test_a_row_that_is_gone_leaves_the_file_as_it_was() -> None:
    amend(MONDAY, "closed")
    CalendarDay.objects.all().delete()
    amendments.refresh()
    assert session(MONDAY) is not None


def test_a_year_becomes_known_when_its_closures_are_entered() -> None:
    for month in range(1, 13):
        amend(date(2027, month, 5), "closed")
    assert calendar.known_until(date(2026, 10, 5)) == date(2027, 12, 31)


@pytest.mark.parametrize(
    ("kind", "opens", "closes", "said"),
    [
        ("special", None, None, "Enter both times"),
        ("regular", time(9), None, "Enter both times"),
        ("muhurat", time(19), time(18), "opens? before it closes|open before it closes"),
        ("closed", time(9), time(10), "no times"),
    ],
)
def test_a_day_that_cannot_be_is_refused(kind: str, opens: time | None, closes: time | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CalendarDay(date=MONDAY, kind=kind, opens=opens, closes=closes, source="a test").full_clean()


def test_hours_out_of_order_are_refused() -> None:
    hours = SessionHours(
        valid_from=MONDAY, pre_open=time(9), opens=time(8), closes=time(15), post_close_ends=time(16), source="a test"
    )
    with pytest.raises(ValidationError, match="must follow each other"):
        hours.full_clean()


# What the admin changes


def enter(operator: Client, day: date, kind: str, opens: str = "", closes: str = "") -> None:
    form = {"date": day.isoformat(), "kind": kind, "opens": opens, "closes": closes, "name": "", "source": "a circular"}
    answer = operator.post(reverse("admin:portfolio_calendarday_add"), form)
    assert answer.status_code == 302, answer.context["adminform"].form.errors


def test_a_holiday_declared_at_noon_takes_the_evening_away(broker: Broker, at: At, operator: Client) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00")
    enter(operator, MONDAY, "closed")
    assert tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-06 00:10") == [0, 0, 0]
    assert results(account) == {
        "10-05 16:00": "holiday", "10-05 19:00": "holiday", "10-06 16:00": None, "10-06 19:00": None,
    }  # fmt: skip
    assert kinds(account) == ["account.connected"]


def test_a_missed_day_that_was_closed_after_all_is_a_holiday(broker: Broker, at: At, operator: Client) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00", "2026-10-06 00:10")
    enter(operator, MONDAY, "closed")
    assert {moment: results(account)[moment] for moment in ("10-05 16:00", "10-05 19:00")} == {
        "10-05 16:00": "holiday", "10-05 19:00": "holiday",
    }  # fmt: skip


def test_a_session_that_the_calendar_learns_of_the_same_day_is_looked_at(
    broker: Broker, at: At, operator: Client
) -> None:
    at("2026-10-03 11:00")  # a Saturday
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-04 12:00")
    at("2026-10-04 16:30")
    enter(operator, date(2026, 10, 4), "special", "09:15", "15:30")
    assert tick_at(at, "2026-10-04 16:31", "2026-10-04 19:00") == [1, 1]
    assert results(account) == {"10-04 16:00": "complete", "10-04 19:00": "complete"}


def test_a_session_that_the_calendar_learns_of_too_late_is_missed(broker: Broker, at: At, operator: Client) -> None:
    at("2026-10-03 11:00")
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-03 12:00", "2026-10-05 09:30")
    enter(operator, date(2026, 10, 4), "regular")
    tick_at(at, "2026-10-05 09:31")
    assert results(account) == {
        "10-04 16:00": "missed", "10-04 19:00": "missed", "10-05 16:00": None, "10-05 19:00": None,
    }  # fmt: skip


def test_an_old_day_that_is_put_right_leaves_the_days_since_as_they_were(
    broker: Broker, at: At, operator: Client
) -> None:
    at("2026-09-30 20:00")
    account = build.an_account("SCRIPTED")
    accounts.disable(account, "away")
    tick_at(at, "2026-09-30 20:00", "2026-10-05 12:00")
    accounts.enable(account, "back")
    tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00")
    ScheduledLook.objects.filter(schedule="default", at=time(19)).update(at=time(20))
    at("2026-10-06 07:00")
    before = results(account)
    enter(operator, date(2026, 10, 1), "regular")  # it was one, and the account was disabled
    enter(operator, MONDAY, "regular")
    tick_at(at, "2026-10-06 07:01")
    assert before == {"10-05 16:00": "complete", "10-05 19:00": "complete"}
    assert results(account) == {**before, "10-06 16:00": None, "10-06 20:00": None}


def of_day(account: BrokerAccount, day: date) -> list[tuple[str, str | None, str]]:
    """When each of its looks was due in India, what became of it, and why."""
    slots = SyncSlot.objects.filter(broker_account=account, trading_day=day).order_by("due_at")
    return [(f"{slot.due_at.astimezone(IST):%H:%M}", slot.result, slot.reason) for slot in slots]


@pytest.mark.parametrize(
    ("connected", "schedule", "looks"),
    [
        ("2026-10-01 20:00", "commodities", ["16:00", "19:00", "23:57"]),  # which looked on that evening, for Thursday
        ("2026-10-02 11:00", "default", ["16:00", "19:00"]),
        ("2026-10-02 17:00", "default", ["19:00"]),
        ("2026-10-02 20:00", "default", ["19:00"]),
        ("2026-10-03 00:01", "default", []),
    ],
)
def test_a_day_that_is_put_right_is_owed_to_whoever_was_there_and_has_none_of_it(
    broker: Broker, at: At, operator: Client, connected: str, schedule: str, looks: list[str]
) -> None:
    at(connected)
    account = build.an_account("SCRIPTED")
    BrokerAccount.objects.update(schedule=schedule)
    tick_at(at, connected, "2026-10-02 23:58", "2026-10-03 12:00")
    enter(operator, date(2026, 10, 2), "regular")
    tick_at(at, "2026-10-03 12:01")
    reason = "the calendar had no session on that day"
    assert of_day(account, date(2026, 10, 2)) == [(look, "missed", reason) for look in looks]


def test_a_look_that_a_closure_by_mistake_took_away_is_owed_when_it_is_taken_back(
    broker: Broker, at: At, operator: Client
) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 16:00", "2026-10-05 17:00")
    enter(operator, MONDAY, "closed")
    tick_at(at, "2026-10-05 19:00", "2026-10-06 10:00")
    CalendarDay.objects.all().delete()
    amendments.calendar_changed({MONDAY})
    tick_at(at, "2026-10-06 10:01")
    assert of_day(account, MONDAY) == [
        ("16:00", "complete", ""), ("19:00", "missed", "the calendar had no session on that day"),
    ]  # fmt: skip
    (row,) = cover([account], MONDAY, MONDAY, clock.now())
    assert row.days[0].result == "partial"


def test_a_day_that_was_closed_by_mistake_and_is_a_late_session_has_the_looks_of_that(
    broker: Broker, at: At, operator: Client
) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00")
    enter(operator, MONDAY, "closed")
    tick_at(at, "2026-10-05 12:30")
    CalendarDay.objects.update(kind="muhurat", opens=time(18), closes=time(19))
    amendments.calendar_changed({MONDAY})
    tick_at(at, "2026-10-05 12:31")
    assert of_day(account, MONDAY) == [("19:25", None, ""), ("22:25", None, "")]


def test_a_day_that_is_declared_closed_after_it_was_tried_is_a_holiday(
    broker: Broker, at: At, operator: Client
) -> None:
    account, whole = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "WHOLE")
    broker.others["S1"] = dict.fromkeys(broker.says, BrokerUnavailable("down"))
    tick_at(at, "2026-10-05 16:00")
    at("2026-10-05 17:00")
    enter(operator, MONDAY, "closed")
    assert tick_at(at, "2026-10-05 19:00", "2026-10-06 00:10") == [0, 0]
    assert (results(account)["10-05 16:00"], results(whole)["10-05 16:00"]) == ("holiday", "complete")
    assert kinds(account) == ["account.connected", "account.failing"]


@pytest.mark.parametrize(
    ("moment", "result", "told"),
    [("2026-10-05 19:10", "complete", []), ("2026-10-06 00:10", "missed", ["day.missed"])],
)
def test_a_day_that_was_closed_by_mistake_is_looked_at_as_long_as_it_can_be(
    broker: Broker, at: At, operator: Client, moment: str, result: str, told: list[str]
) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00")
    at("2026-10-05 19:05")
    enter(operator, MONDAY, "closed")
    at(moment)
    address = reverse("admin:portfolio_calendarday_delete", args=[CalendarDay.objects.get().pk])
    assert operator.post(address, {"post": "yes"}).status_code == 302
    tick_at(at, moment)
    assert {results(account)[look] for look in ("10-05 16:00", "10-05 19:00")} == {result}
    assert kinds(account) == ["account.connected", *told]


@pytest.mark.parametrize(("tried", "told"), [("2026-10-05 12:00", "day.missed"), ("2026-10-05 16:00", "day.partial")])
def test_a_day_is_told_once_however_often_the_calendar_closes_and_opens_it(
    broker: Broker, at: At, operator: Client, tried: str, told: str
) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, tried, "2026-10-06 00:10", "2026-10-06 09:30")
    before = of_day(account, MONDAY)
    for hour in ("10", "11"):
        at(f"2026-10-06 {hour}:00")
        enter(operator, MONDAY, "closed")
        tick_at(at, f"2026-10-06 {hour}:20")
        CalendarDay.objects.all().delete()
        amendments.calendar_changed({MONDAY})
        tick_at(at, f"2026-10-06 {hour}:40")
    assert (of_day(account, MONDAY), kinds(account)) == (before, ["account.connected", told])


@pytest.mark.parametrize("is_disabled_meanwhile", [False, True])
def test_a_day_that_was_told_in_the_evening_is_tried_again_once_it_is_opened_and_not_told_again(
    broker: Broker, at: At, operator: Client, is_disabled_meanwhile: bool
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = dict.fromkeys(broker.says, LoginRequired("log in"))
    tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-05 23:31")
    before, told = kinds(account), kinds(account).count("day.missed")
    at("2026-10-05 23:35")
    enter(operator, MONDAY, "closed")
    if is_disabled_meanwhile:
        at("2026-10-05 23:40")
        accounts.disable(account, "away")
        accounts.enable(account, "back")
    at("2026-10-05 23:50")
    CalendarDay.objects.all().delete()
    amendments.calendar_changed({MONDAY})
    assert tick_at(at, "2026-10-05 23:51", "2026-10-06 00:10") == [1, 0]
    assert results(account) == {
        "10-05 16:00": "missed", "10-05 19:00": "missed", "10-06 16:00": None, "10-06 19:00": None,
    }  # fmt: skip
    assert (told, kinds(account)[: len(before)], kinds(account).count("day.missed")) == (1, before, 1)


@pytest.mark.parametrize("back", ["2026-10-07 12:00", ""])
@pytest.mark.parametrize(("first", "begun"), [("2026-10-05 12:00", []), ("2026-10-05 16:00", ["account.failing"])])
def test_a_closed_day_is_not_owed_to_who_was_disabled_on_it_when_it_is_put_right(
    broker: Broker, at: At, operator: Client, first: str, begun: list[str], back: str
) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = dict.fromkeys(broker.says, BrokerUnavailable("down"))
    tick_at(at, first)
    enter(operator, MONDAY, "closed")
    at("2026-10-05 18:00")
    accounts.disable(account, "away")
    if back:
        at(back)
        accounts.enable(account, "back")
    at("2026-10-08 10:00")
    CalendarDay.objects.all().delete()
    amendments.calendar_changed({MONDAY})
    tick_at(at, "2026-10-08 10:01")
    (row,) = cover([account], MONDAY, date(2026, 10, 6), clock.now())
    assert [day.result for day in row.days] == ["not_owed", "not_owed"]
    enabled = ["account.enabled", "day.missed"] if back else []  # the evening of that day, when nothing ticked
    assert kinds(account) == ["account.connected", *begun, "account.disabled", *enabled]


@pytest.mark.parametrize("switch", ["account", "portfolio"])
def test_days_on_which_an_account_was_not_to_be_asked_are_not_owed_also_where_nothing_ticked(
    broker: Broker, at: At, switch: str
) -> None:
    account = build.an_account("SCRIPTED")
    portfolio = account.portfolio
    tick_at(at, "2026-10-05 12:00")
    for moment, active in (("2026-10-07 10:00", False), ("2026-10-09 10:00", True)):
        at(moment)
        if switch == "account":
            (accounts.enable if active else accounts.disable)(account, "a test")
        else:
            Portfolio.objects.filter(pk=portfolio.pk).update(active=active)
            portfolio.refresh_from_db()
            amendments.portfolio_changed(portfolio)
    tick_at(at, "2026-10-10 00:10")
    (row,) = cover([account], MONDAY, date(2026, 10, 9), clock.now())
    assert [day.result for day in row.days] == ["missed", "missed", "not_owed", "not_owed", "missed"]
    told = json.loads(account.events.get(kind="day.missed").payload)
    assert told["days"] == ["2026-10-05", "2026-10-06", "2026-10-09"]


def test_an_account_that_is_enabled_in_the_evening_is_owed_that_evenings_look(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = dict.fromkeys(broker.says, BrokerUnavailable("down"))
    tick_at(at, "2026-10-05 16:00")
    accounts.disable(account, "away")
    at("2026-10-05 20:00")
    accounts.enable(account, "back")
    broker.says = Broker().says
    assert tick_at(at, "2026-10-05 20:01") == [1]
    assert results(account) == {"10-05 16:00": "complete", "10-05 19:00": "complete"}


def test_an_account_that_is_enabled_after_the_last_attempt_is_owed_that_evenings_look(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = dict.fromkeys(broker.says, BrokerUnavailable("down"))
    tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00")
    accounts.disable(account, "away")
    at("2026-10-05 23:40")
    accounts.enable(account, "back")
    broker.says = Broker().says
    assert tick_at(at, "2026-10-05 23:41") == [1]
    assert results(account) == {"10-05 16:00": "complete", "10-05 19:00": "complete"}


def test_accounts_that_are_taken_up_together_are_locked_together(broker: Broker) -> None:
    """Not those of one schedule first: everybody locks heads in the order of their ids."""
    account = build.an_account("SCRIPTED")
    with CaptureQueriesContext(connection) as asked:
        amendments.portfolio_changed(account.portfolio)
    heads = [query["sql"] for query in asked.captured_queries if 'FROM "account_heads"' in query["sql"]]
    assert "schedule" not in heads[0]


def schedule_form(schedule: Schedule, **changes: str) -> dict[str, str]:
    looks = list(schedule.looks.order_by("at"))
    form = {"name": schedule.name, "zone": schedule.zone, "retries_until": "23:30",
            "looks-TOTAL_FORMS": str(len(looks)), "looks-INITIAL_FORMS": str(len(looks))}  # fmt: skip
    for number, look in enumerate(looks):
        form |= {
            f"looks-{number}-id": str(look.pk), f"looks-{number}-schedule": schedule.pk,
            f"looks-{number}-at": f"{look.at:%H:%M}", f"looks-{number}-kind": look.kind,
            f"looks-{number}-days": look.days, f"looks-{number}-weekdays": look.weekdays,
        }  # fmt: skip
    return form | changes


def test_a_changed_schedule_holds_from_the_next_look_on(broker: Broker, at: At, operator: Client) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 16:00")
    schedule = Schedule.objects.get(code="default")
    form = schedule_form(schedule, **{"looks-2-at": "21:15"})
    assert operator.post(reverse("admin:portfolio_schedule_change", args=["default"]), form).status_code == 302
    assert tick_at(at, "2026-10-05 19:00", "2026-10-05 21:15") == [0, 1]
    assert results(account) == {"10-05 16:00": "complete", "10-05 21:15": "complete"}


def test_a_schedule_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        Schedule(code="x", name="X", zone="Mars/Olympus").full_clean()
    with pytest.raises(ValidationError, match="from 1, Monday"):
        ScheduledLook(
            schedule=Schedule.objects.get(code="default"), at=time(9), kind="ORDER_HISTORY", weekdays="8"
        ).full_clean()


def test_an_account_with_a_schedule_of_its_own_follows_it(broker: Broker, at: At, operator: Client) -> None:
    account, other = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "OTHER")
    schedule = Schedule.objects.create(code="noon", name="Noon")
    ScheduledLook.objects.create(schedule=schedule, at=time(13), kind="ORDER_HISTORY")
    tick_at(at, "2026-10-05 12:00")
    form = {"portfolio": str(account.portfolio_id), "label": "", "schedule": "noon"}
    assert operator.post(reverse("admin:portfolio_brokeraccount_change", args=[account.pk]), form).status_code == 302
    assert tick_at(at, "2026-10-05 13:00", "2026-10-05 16:00") == [1, 1]
    assert (batches(account), results(account)) == ([("ORDER_HISTORY", "COMPLETED")], {})
    assert results(other) == {"10-05 16:00": "complete", "10-05 19:00": None}


def test_a_portfolio_that_is_switched_off_is_owed_nothing_until_it_is_on_again(
    broker: Broker, at: At, operator: Client
) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00")
    address = reverse("admin:portfolio_portfolio_change", args=[account.portfolio_id])
    form = {"user": str(account.user_id), "name": "Mine", "base_currency": "INR"}
    assert operator.post(address, form).status_code == 302
    tick_at(at, "2026-10-05 16:00", "2026-10-06 00:10")
    assert (SyncSlot.objects.count(), kinds(account)) == (0, ["account.connected", "account.switched_off"])
    at("2026-10-06 17:00")
    assert operator.post(address, {**form, "active": "on"}).status_code == 302
    assert tick_at(at, "2026-10-06 17:01", "2026-10-06 19:00") == [0, 1]
    assert results(account) == {"10-06 19:00": "complete"}
    assert kinds(account)[2:] == ["account.switched_on"]


def test_the_default_schedule_is_not_taken_away(operator: Client) -> None:
    action = {"action": "delete_selected", "_selected_action": ["default"], "post": "yes"}
    operator.post(reverse("admin:portfolio_schedule_delete", args=["default"]), {"post": "yes"})
    operator.post(reverse("admin:portfolio_schedule_changelist"), action)
    assert Schedule.objects.filter(code="default").exists()
