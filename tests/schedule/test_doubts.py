"""Fills on a day that the calendar calls closed are taken, and said."""

import json

import pytest

from portfolio import doctor
from portfolio.models import SyncBatch, Transaction
from portfolio.schedule import amendments
from tests import build
from tests.schedule.evening import At, kinds
from tests.schedule.test_amendments import MONDAY, amend
from tests.sync.scripted import Broker, india

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def a_monday_that_the_calendar_calls_closed(at: At) -> None:
    at("2026-10-05 16:05")
    amend(MONDAY, "closed")


def test_fills_on_a_closed_day_are_taken_and_told_once(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=10)
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    (result,) = build.synced(account)
    at("2026-10-05 17:00")
    build.synced(account)
    assert result.status == "COMPLETED"
    assert Transaction.objects.get().trade_date == MONDAY
    assert kinds(account) == ["account.connected", "calendar.doubted"]
    told = json.loads(account.events.get(kind="calendar.doubted").payload)
    assert told == {"account": str(account.pk), "days": ["2026-10-05"]}
    noted = json.loads(SyncBatch.objects.filter(broker_account=account).earliest("pk").metadata)["calendar"]
    assert noted == "fills on 2026-10-05, when the calendar has no session"


def test_fills_of_commodities_say_nothing_about_the_calendar(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=10, segment="COMMODITY", product="NRML", isin=None)
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    build.synced(account)
    assert kinds(account) == ["account.connected"]


def test_the_doctor_names_the_day_until_the_calendar_is_put_right(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    order = build.an_order(filled=10)
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    build.synced(account)
    (finding,) = doctor.the_calendars_truth(india("2026-10-05 17:00"))
    assert (finding.level, finding.says) == (
        "warning", "1 fills on Monday 2026-10-05, a day without a session by the calendar",
    )  # fmt: skip
    from portfolio.models import CalendarDay

    CalendarDay.objects.all().delete()
    amendments.refresh()
    assert list(doctor.the_calendars_truth(india("2026-10-05 17:00"))) == []
