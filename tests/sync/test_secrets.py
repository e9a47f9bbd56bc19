"""No secret anywhere in the clear: canaries are looked for in every table, log, report, event and error."""

import io
import logging
import pickle
from collections.abc import Iterable
from typing import Any, NoReturn

import pytest
from django.core.management import call_command
from django.db import connection

from portfolio import report
from portfolio.accounts import connect, open_credentials
from portfolio.connecting import try_login
from portfolio.models import BrokerAccount, BrokerAccountCredential
from portfolio.secret import hidden, revealed
from portfolio.triggers.base import Account, Answer, Credential, LoginRequired
from portfolio.triggers.sample import SampleTrigger
from portfolio.values import as_values
from tests import build
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database

CANARY = "canary-7f3a91c2-secret"
ENDPOINTS = (
    "/user/detail",
    "/holdings/user",
    "/positions/user",
    "/order/list",
    "/margins/detail/user",
    "/live-data/ltp",
)


def whole_database() -> str:
    """Every value of every row of every table, bytes as they are and in hex."""
    with connection.cursor() as cursor:
        found: list[str] = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            found += [_text(value) for row in cursor.fetchall() for value in row]
    return "\n".join(found)


def _text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return f"{bytes(value)!r} {bytes(value).hex()}"
    return str(value)


def assert_none_of(secrets: Iterable[str], *sinks: str) -> None:
    text = "\n".join(sinks)
    for secret in secrets:
        assert secret not in text
        assert secret.encode().hex() not in text


def reported(account: BrokerAccount, results: list[Any]) -> str:
    out = io.StringIO()
    for result in results:
        report.write_line(out, result, account)
        out.write(f"{as_values(result)} {result!r} {result.capture!r}")
    report.write_account(out, account)
    return out.getvalue()


def test_nothing_of_a_groww_login_is_readable_after_good_and_bad_days(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        results = build.synced(account)
        for kind in ("401", "500", "html_200", "reset"):
            for endpoint in ENDPOINTS:
                simulator.fault(kind, endpoint, times=1)
            results += build.synced(account)
            simulator.clear_faults()
        simulator.fault("401", "/token/api/access")
        simulator.move_to("2026-10-06 16:05")
        results += build.synced(account)
        keys = simulator.credentials(ucc)
        tokens = simulator.logins._tokens
    assert {result.status for result in results} >= {"COMPLETED", "FAILED"}
    secrets = [keys["totp_token"], keys["totp_seed"], keys["api_secret"], *tokens]
    assert_none_of(secrets, whole_database(), caplog.text, reported(account, results))
    assert ucc not in whole_database().replace(_text(ucc), "", 1)  # in broker_accounts alone


@pytest.mark.parametrize("error", [RuntimeError, LoginRequired, ValueError, OSError])
def test_a_trigger_that_puts_the_secret_into_its_error_does_not_spread_it(
    broker: Broker, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    caplog.set_level(logging.DEBUG)
    account = build.an_account("SCRIPTED", "CLIENT77")
    connect(
        portfolio=account.portfolio, broker="SCRIPTED", account_id="CLIENT77", login_method="token",
        credentials={"token": CANARY},
    )  # fmt: skip
    broker.says["holdings"] = error(f"client CLIENT77 could not log in with {CANARY}")
    broker.says["funds"] = [CANARY]
    (result,) = build.synced(account)
    assert "client *** could not log in with ***" in " ".join(each.message for each in result.capture.problems)
    assert_none_of([CANARY], whole_database(), caplog.text, reported(account, [result]))


class NoRow:
    """What no trigger may give, and what Khata stumbles over."""

    def __getattr__(self, name: str) -> NoReturn:
        raise IndexError(f"no place {CANARY}")


def test_an_internal_error_tells_its_trace_without_the_secret(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    account = build.an_account("SCRIPTED")
    connect(
        portfolio=account.portfolio, broker="SCRIPTED", account_id="S1", login_method="token", credentials={"t": CANARY}
    )
    broker.says["holdings"] = Answer((), lambda _: ([NoRow()], []))
    (result,) = build.synced(account)
    assert (result.status, result.capture.problems[0].kind) == ("FAILED", "internal_error")
    assert "IndexError: no place ***" in caplog.text
    assert_none_of([CANARY], whole_database(), caplog.text)


def test_what_a_trigger_is_handed_does_not_show_the_secret() -> None:
    credential = Credential({"token": CANARY})
    account = Account("1", "S1", credential, build.MORNING)
    assert CANARY not in f"{credential!r} {account!r} {account}"


def test_credentials_that_are_opened_or_tried_show_themselves_to_whoever_asks_alone() -> None:
    account = build.an_account()
    opened = open_credentials(BrokerAccountCredential.objects.get(account=account))
    tried = try_login(SampleTrigger, "token", hidden({"token": CANARY}))
    assert (revealed(opened)["token"], tried.credentials["token"].reveal()) == ("a token", CANARY)
    assert [text for text in ("a token", CANARY) if text in f"{opened} {tried.credentials} {tried!r}"] == []
    with pytest.raises(TypeError, match="a secret cannot be pickled"):
        pickle.dumps(opened)


def test_the_stored_credentials_cannot_be_read_without_the_key() -> None:
    account = build.an_account()
    stored = BrokerAccountCredential.objects.get(account=account)
    assert b"token" not in bytes(stored.sealed)
    assert stored.encrypted is True


def test_the_command_prints_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    account = build.an_account()
    call_command("sync_holdings", account=[str(account.pk)])
    call_command("sync_holdings", account=[str(account.pk)], json=True)
    assert_none_of(["a token"], "".join(capsys.readouterr()))
