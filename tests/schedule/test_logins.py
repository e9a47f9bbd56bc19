"""Logins that a person makes: known ends, one notice, one reminder a day, and what a login sets going."""

import json
from datetime import datetime
from typing import Any

import pytest

from portfolio import accounts
from portfolio.models import BrokerAccount, BrokerAccountCredential, SyncSlot
from portfolio.schedule.tick import tick
from portfolio.triggers.base import LoginMethod, LoginRequired
from portfolio.triggers.registry import REGISTRY
from tests import build
from tests.schedule.evening import At, kinds, results, tick_at
from tests.sync.scripted import Broker, india

pytestmark = pytest.mark.database
ENDED = india("2026-10-06 06:00")  # a Tuesday


@pytest.fixture(autouse=True)
def monday_noon(at: At) -> None:
    at("2026-10-05 12:00")


@pytest.fixture
def account(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> BrokerAccount:
    """Its owner logs in by hand, and did so on Monday."""
    monkeypatch.setattr(REGISTRY["SCRIPTED"], "login_methods", (LoginMethod("browser", "", (), needs_person=True),))
    broker.says = {"holdings": LoginRequired("log in")}
    account = build.an_account("SCRIPTED")
    log_in(account, ENDED)
    SyncSlot.objects.all().delete()
    return account


def log_in(account: BrokerAccount, until: datetime) -> None:
    credentials = {"access_token": "another token"}
    accounts.connect(
        portfolio=account.portfolio, broker="SCRIPTED", account_id=account.account_id, login_method="browser",
        credentials=credentials,
    )  # fmt: skip
    BrokerAccount.objects.filter(pk=account.pk).update(token_expires_at=until)


def standing(account: BrokerAccount) -> tuple[str, str]:
    account.refresh_from_db()
    return account.state, f"{account.state_since:%d %H:%M}"


def told(account: BrokerAccount, after: int = 2) -> list[Any]:
    return kinds(account)[after:]


def test_from_its_known_end_on_the_account_says_that_it_needs_a_login(account: BrokerAccount, at: At) -> None:
    tick_at(at, "2026-10-06 05:59")
    assert standing(account)[0] == "active"
    tick_at(at, "2026-10-06 06:01", "2026-10-06 09:00")
    assert standing(account) == ("needs_login", "06 00:30")
    assert told(account) == ["day.missed", "account.login_required"]
    assert account.state_reason == (
        f"the login ended on 06 Oct at 06:00; log in again: manage.py connect scripted --account {account.pk}"
    )


def test_its_owner_is_reminded_once_a_day_before_the_close(account: BrokerAccount, at: At) -> None:
    tick_at(at, "2026-10-06 07:00", "2026-10-06 14:34")
    assert told(account)[1:] == ["account.login_required"]
    tick_at(at, "2026-10-06 14:35", "2026-10-06 14:36", "2026-10-06 16:00", "2026-10-06 19:00")
    assert told(account)[1:] == ["account.login_required", "account.login_reminder"]
    reminder = json.loads(account.events.get(kind="account.login_reminder").payload)
    assert (reminder["account"], reminder["since"]) == (str(account.pk), "2026-10-06T00:30:00Z")
    tick_at(at, "2026-10-06 23:31", "2026-10-07 10:00", "2026-10-07 15:00")
    assert told(account)[3:] == ["day.missed", "account.login_reminder"]


def test_on_a_day_without_a_session_nobody_is_asked_to_log_in(account: BrokerAccount, at: At) -> None:
    BrokerAccount.objects.update(token_expires_at=india("2026-10-03 06:00"))
    at("2026-10-03 12:00")  # a Saturday
    tick()
    assert (standing(account)[0], told(account)) == ("active", [])


def test_a_login_that_renews_itself_is_nobodys_business(account: BrokerAccount, at: At) -> None:
    BrokerAccountCredential.objects.update(login_method="token")
    tick_at(at, "2026-10-06 07:00", "2026-10-06 15:00")
    assert (standing(account)[0], told(account)) == ("active", ["day.missed"])


def test_a_login_sets_going_what_waits_for_it_and_ends_the_trouble(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    tick_at(at, "2026-10-06 07:00", "2026-10-06 16:00")
    assert results(account)["10-06 16:00"] is None
    broker.says = {"holdings": []}
    at("2026-10-06 17:00")
    log_in(account, india("2026-10-07 06:00"))
    assert standing(account) == ("active", "06 11:30")
    assert told(account)[3:] == ["account.recovered", "account.connected"]
    assert tick() == 1
    assert results(account)["10-06 16:00"] == "complete"
    assert len(told(account)) == 5


def test_a_refused_login_stops_that_account_alone_with_one_event(
    account: BrokerAccount, broker: Broker, at: At
) -> None:
    other = build.an_account("SCRIPTED", "OTHER")
    broker.others["OTHER"] = {"holdings": []}
    BrokerAccount.objects.update(token_expires_at=None)
    tick_at(at, "2026-10-06 16:00", "2026-10-06 16:30", "2026-10-06 18:00", "2026-10-06 19:00", "2026-10-06 23:31")
    asked = [client for client, section in broker.asked if section == "holdings"]
    assert (asked.count("S1"), asked.count("OTHER")) == (2, 2)
    assert [kind for kind in told(account) if kind == "account.login_required"] == ["account.login_required"]
    missed = json.loads(account.events.filter(kind="day.missed").latest("number").payload)
    assert (missed["days"], missed["reason"]) == (["2026-10-06"], "holdings: log in")
    assert results(other)["10-06 19:00"] == "complete"
