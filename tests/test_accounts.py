"""What people do to accounts is told downstream, in the same transaction, and numbered with all that syncs tell."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from ledger.normalise import IST
from portfolio import accounts, clock, keys
from portfolio.ids import new_uuid
from portfolio.installation import key_ring
from portfolio.models import BrokerAccount, BrokerAccountCredential, Event
from portfolio.secret import Secret
from portfolio.sync.capture import DAILY, Capture
from portfolio.sync.claim import claim
from portfolio.sync.normalise import normalise
from portfolio.sync.pipeline import _decided, settle
from portfolio.sync.record import record
from tests import build

pytestmark = pytest.mark.database


def told(account: BrokerAccount) -> list[tuple[int, str]]:
    return list(account.events.order_by("number").values_list("number", "kind"))


def last(account: BrokerAccount) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(account.events.latest("number").payload)
    return payload


def reconnect(account: BrokerAccount) -> None:
    build.an_account(account.broker_id, account.account_id, account.portfolio)


def claimed(account: BrokerAccount) -> Capture:
    """An account that a run has asked, ready to be decided."""
    (capture,) = claim([str(account.pk)], DAILY, new_uuid(), clock.now())
    return normalise([capture])[0]


def test_a_new_account_is_told() -> None:
    account = build.an_account()
    assert told(account) == [(1, "account.connected")]
    assert last(account) == {"account": str(account.pk), "login_method": "token", "is_new": True}


def test_new_credentials_are_told_and_none_of_them() -> None:
    account = build.an_account()
    reconnect(account)
    assert told(account) == [(1, "account.connected"), (2, "account.connected")]
    assert (last(account)["is_new"], "a token" in account.events.latest("number").payload) == (False, False)


def test_disabling_and_enabling_are_told_with_the_reason() -> None:
    account = build.an_account()
    assert (accounts.disable(account, "closed"), last(account)["reason"]) == (True, "closed")
    assert (accounts.enable(account, "opened again"), last(account)["reason"]) == (True, "opened again")
    assert told(account)[1:] == [(2, "account.disabled"), (3, "account.enabled")]


def test_an_enabled_account_is_synced_again() -> None:
    account = build.an_account()
    accounts.disable(account, "closed")
    accounts.enable(account, "opened again")
    account.refresh_from_db()
    assert (account.state, account.state_reason, account.is_active) == ("active", "", True)
    assert [result.status for result in build.synced(account)] == ["COMPLETED"]


def test_what_is_so_already_is_not_told_twice() -> None:
    account = build.an_account()
    assert accounts.enable(account, "for nothing") is False
    accounts.disable(account, "closed")
    since = BrokerAccount.objects.get(pk=account.pk).state_since
    assert accounts.disable(account, "closed again") is False
    assert told(account) == [(1, "account.connected"), (2, "account.disabled")]
    assert BrokerAccount.objects.get(pk=account.pk).state_since == since


def test_credentials_for_a_disabled_account_enable_it_and_say_so() -> None:
    account = build.an_account()
    accounts.disable(account, "closed")
    reconnect(account)
    assert [kind for _, kind in told(account)][2:] == ["account.enabled", "account.connected"]


def test_a_change_that_is_undone_is_not_told() -> None:
    account = build.an_account()
    with transaction.atomic():
        accounts.disable(account, "closed")
        transaction.set_rollback(True)
    assert (told(account), BrokerAccount.objects.get(pk=account.pk).state) == ([(1, "account.connected")], "active")


def test_a_sync_goes_on_where_people_left_off() -> None:
    account = build.an_account()
    build.synced(account)
    accounts.disable(account, "closed")
    accounts.enable(account, "opened again")
    build.synced(account)
    assert [number for number, _ in told(account)] == list(range(1, len(told(account)) + 1))
    assert told(account)[-1][1] == "sync.completed"


def test_an_account_that_is_disabled_while_it_is_synced_is_decided_again() -> None:
    """What was fetched is written, under a number after that of the disabling, and the account stays disabled."""
    account = build.an_account()
    waiting = _decided([claimed(account)])
    accounts.disable(account, "closed")
    recorded = record(waiting)
    assert (recorded.written, recorded.refused, len(recorded.moved)) == ([], [], 1)
    (result,) = settle([recorded.moved[0].made.to_decide_again()])
    assert result.page.number == 1
    assert [kind for _, kind in told(account)][:2] == ["account.connected", "account.disabled"]
    assert BrokerAccount.objects.get(pk=account.pk).state == "disabled"
    assert Event.objects.filter(broker_account=account, kind="account.recovered").count() == 0


HALF_PAST_MIDNIGHT = datetime(2026, 10, 6, 0, 30, tzinfo=UTC)
SIX_IN_INDIA = datetime(2026, 10, 6, 6, tzinfo=IST)


@pytest.mark.parametrize("ends", [HALF_PAST_MIDNIGHT, SIX_IN_INDIA, SIX_IN_INDIA.replace(tzinfo=None)])
def test_a_token_ends_at_the_moment_that_was_said_in_whatever_zone(ends: datetime) -> None:
    account = build.an_account()
    accounts.store_tokens([accounts.NewToken(str(account.pk), Secret("a token"), ends)])
    account.refresh_from_db()
    assert account.token_expires_at == HALF_PAST_MIDNIGHT


@pytest.mark.parametrize("others", [0, 1, 40])
def test_of_several_tokens_of_one_account_the_last_one_counts(others: int) -> None:
    portfolio = build.a_portfolio()
    account = build.an_account(portfolio=portfolio)
    more = [build.an_account(client_id=f"C{number}", portfolio=portfolio) for number in range(others)]
    days = [datetime(2035, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    news = [accounts.NewToken(str(account.pk), Secret(f"token {ends.day}"), ends) for ends in days]
    accounts.store_tokens([*news, *(accounts.NewToken(str(other.pk), Secret("other"), days[0]) for other in more)])
    account.refresh_from_db()
    sealed = bytes(BrokerAccountCredential.objects.get(account=account).sealed_token or b"")
    token = keys.unseal(key_ring(), sealed, accounts.context(account.pk, "token"))
    assert (token, account.token_expires_at) == (b"token 3", days[2])


def test_every_time_that_is_recorded_of_an_account_is_khatas(set_clock: Callable[[datetime], None]) -> None:
    account = build.an_account()
    made = clock.now()
    set_clock(made + timedelta(days=1))
    accounts.disable(account, "closed")
    kept = BrokerAccount.objects.select_related("credential", "portfolio__user").get(pk=account.pk)
    assert {kept.created_at, kept.credential.entered_at, kept.credential.updated_at} == {made}
    assert {kept.portfolio.created_at, kept.portfolio.user.date_joined} == {made}
    assert {kept.updated_at, kept.state_since, kept.events.latest("number").created_at} == {made + timedelta(days=1)}
    kept.label = "Renamed"
    set_clock(made + timedelta(days=2))
    kept.save()
    assert BrokerAccount.objects.get(pk=account.pk).updated_at == made + timedelta(days=2)
