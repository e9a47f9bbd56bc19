"""Accounts that are disabled, or whose portfolio is switched off, and what they are owed then and afterwards."""

from datetime import date

import pytest

from portfolio import accounts, clock, retention
from portfolio.models import AccountHead, BrokerAccount, CalendarDay, Portfolio, SyncSlot
from portfolio.schedule import amendments
from portfolio.schedule.coverage import cover
from portfolio.triggers.base import BrokerUnavailable
from tests import build
from tests.schedule.evening import At, kinds, results, tick_at
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database
HOLIDAY, MONDAY, TUESDAY = date(2026, 10, 2), date(2026, 10, 5), date(2026, 10, 6)


def turn(account: BrokerAccount, is_on: bool, switch: str = "portfolio") -> None:
    if switch == "account":
        (accounts.enable if is_on else accounts.disable)(account, "a test")
        return
    Portfolio.objects.filter(pk=account.portfolio_id).update(active=is_on)
    amendments.portfolio_changed(Portfolio.objects.get(pk=account.portfolio_id))


def put_right(day: date, kind: str = "regular") -> None:
    CalendarDay.objects.update_or_create(date=day, defaults={"kind": kind, "source": "a test"})
    amendments.calendar_changed({day})


def covered(account: BrokerAccount, first: date, last: date) -> list[str]:
    (row,) = cover([account], first, last, clock.now())
    return [day.result for day in row.days]


def owed_on(account: BrokerAccount, day: date) -> dict[str, str | None]:
    return {look: result for look, result in results(account).items() if look.startswith(f"{day:%m-%d}")}


@pytest.mark.parametrize("then", ["enabled", "changed", "put right"])
def test_an_account_that_is_disabled_is_owed_nothing_when_its_portfolio_is_switched_on(
    broker: Broker, at: At, then: str
) -> None:
    at("2026-10-05 10:00")
    account = build.an_account("SCRIPTED")
    other = build.an_account("SCRIPTED", "S2", account.portfolio)
    turn(account, False, "account")
    turn(account, False)
    at("2026-10-05 11:00")
    turn(account, True)
    at("2026-10-07 10:00")
    if then == "enabled":
        turn(account, True, "account")
    elif then == "changed":
        amendments.account_changed(account)
    else:
        put_right(MONDAY)
    tick_at(at, "2026-10-07 10:01")
    assert covered(account, MONDAY, TUESDAY) == ["not_owed", "not_owed"]
    assert covered(other, MONDAY, TUESDAY) == ["missed", "missed"]
    assert "day.missed" not in kinds(account)


@pytest.mark.parametrize("act", ["portfolio", "calendar"])
def test_the_evening_of_an_account_that_is_disabled_is_not_tried_again_nor_told(
    broker: Broker, at: At, act: str
) -> None:
    at("2026-10-05 12:00")
    account = build.an_account("SCRIPTED")
    broker.says = dict.fromkeys(broker.says, BrokerUnavailable("down"))
    tick_at(at, "2026-10-05 16:00")
    turn(account, False, "account")
    at("2026-10-05 20:00")
    if act == "portfolio":
        turn(account, False)
        turn(account, True)
    else:
        put_right(MONDAY, "closed")
        put_right(MONDAY)
    assert results(account) == {"10-05 16:00": "missed"}
    tick_at(at, "2026-10-06 00:10")
    assert kinds(account) == ["account.connected", "account.failing", "account.disabled"]


def test_nothing_is_owed_to_who_was_erased(broker: Broker, at: At) -> None:
    at("2026-10-01 12:00")
    account = build.an_account("SCRIPTED")
    for is_on in (False, True):
        turn(account, is_on, "account")
    tick_at(at, "2026-10-01 12:00")
    at("2026-10-01 12:10")
    retention.shred(account, "Asha", "she asked for it")
    assert AccountHead.objects.get(account=account).owed_until is None
    at("2026-10-05 12:00")
    assert not accounts.enable(account, "a test")
    put_right(HOLIDAY)
    tick_at(at, "2026-10-05 12:01")
    assert SyncSlot.objects.count() == 0
    assert "day.missed" not in kinds(account)


@pytest.mark.parametrize("switch", ["account", "portfolio"])
@pytest.mark.parametrize(
    ("off", "on", "owed"),
    [
        ("2026-10-06 10:00", "2026-10-06 11:00", ["16:00", "19:00"]),
        ("2026-10-06 10:00", "", ["16:00", "19:00"]),
        ("2026-10-01 10:00", "2026-10-02 09:00", ["16:00", "19:00"]),
        ("2026-10-01 10:00", "2026-10-02 20:00", ["19:00"]),
        ("2026-10-01 10:00", "2026-10-03 00:01", []),
        ("2026-10-02 10:00", "", []),
    ],
)
def test_a_day_that_is_put_right_is_owed_to_who_was_to_be_asked_when_it_ended_whatever_came_later(
    broker: Broker, at: At, switch: str, off: str, on: str, owed: list[str]
) -> None:
    at("2026-09-30 10:00")
    account = build.an_account("SCRIPTED")
    for moment, is_on in ((off, False), (on, True)):
        if moment:
            tick_at(at, moment)
            turn(account, is_on, switch)
    tick_at(at, "2026-10-07 09:00")
    put_right(HOLIDAY)
    tick_at(at, "2026-10-07 09:01")
    assert owed_on(account, HOLIDAY) == {f"10-02 {look}": "missed" for look in owed}
    assert covered(account, HOLIDAY, HOLIDAY) == ["missed" if owed else "not_owed"]


@pytest.mark.parametrize("is_on_again", [False, True])
def test_a_day_that_is_put_right_is_not_owed_where_nothing_tells_since_when_the_portfolio_was_off(
    broker: Broker, at: At, is_on_again: bool
) -> None:
    at("2026-09-30 10:00")
    account = build.an_account("SCRIPTED")
    Portfolio.objects.update(active=False)  # by an older version, which told nothing
    AccountHead.objects.filter(account=account).update(owed_until=None)
    at("2026-10-06 10:00")
    if is_on_again:
        turn(account, True)
    put_right(HOLIDAY)
    assert owed_on(account, HOLIDAY) == {}


def test_switches_of_both_kinds_are_told_so_that_it_is_known_when_nobody_was_to_be_asked(
    broker: Broker, at: At
) -> None:
    at("2026-10-01 10:00")
    account = build.an_account("SCRIPTED", portfolio=build.a_portfolio(active=False))
    for is_on in (False, True):  # what the portfolio is decides
        turn(account, is_on, "account")
    off = kinds(account)
    amendments.account_changed(account)  # it got another schedule, say
    put_right(HOLIDAY)
    at("2026-10-03 10:00")
    turn(account, True)
    put_right(HOLIDAY)
    assert off == ["account.connected", "account.switched_off", "account.disabled", "account.enabled",
                   "account.switched_off"]  # fmt: skip
    assert kinds(account) == [*off, "account.switched_on"]
    assert owed_on(account, HOLIDAY) == {}


def test_who_logs_in_while_the_portfolio_is_off_is_not_told_so_again(broker: Broker, at: At) -> None:
    at("2026-10-05 12:00")
    account = build.an_account("SCRIPTED")
    broker.says = dict.fromkeys(broker.says, BrokerUnavailable("down"))
    tick_at(at, "2026-10-05 16:00")
    turn(account, False)
    before = kinds(account)
    build.an_account("SCRIPTED", account.account_id, account.portfolio)
    assert kinds(account)[len(before) :] == ["account.recovered", "account.connected"]


def test_an_account_that_was_enabled_today_is_owed_no_look_from_before_when_the_day_is_put_right(
    broker: Broker, at: At
) -> None:
    at("2026-10-03 10:00")
    account = build.an_account("SCRIPTED")
    turn(account, False, "account")
    tick_at(at, "2026-10-05 09:00")
    at("2026-10-05 17:00")
    turn(account, True, "account")
    tick_at(at, "2026-10-05 17:01")
    at("2026-10-05 18:00")
    put_right(MONDAY)
    tick_at(at, "2026-10-05 18:01")
    slots = SyncSlot.objects.filter(broker_account=account).values_list("kind", "result")
    assert (list(slots), results(account)) == ([("DAILY_PORTFOLIO", None)], {"10-05 19:00": None})
