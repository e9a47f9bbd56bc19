"""The commands, as a person and a timer use them: what they print, what they store, and how they end."""

import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from portfolio import accounts, clock, startup
from portfolio.ids import new_uuid
from portfolio.installation import key_ring
from portfolio.keys import KeyRing
from portfolio.models import BrokerAccount, BrokerAccountCredential, Portfolio, SyncBatch, User
from portfolio.secret import revealed
from portfolio.sync import fetch
from portfolio.sync.claim import claim
from portfolio.tasks import sync_holdings_task
from portfolio.triggers.base import BaseTrigger
from portfolio.triggers.registry import REGISTRY, register
from portfolio.triggers.sample import SampleTrigger
from simulators.groww import GrowwSimulator
from simulators.market import Market
from simulators.scripts import random_investor
from simulators.zerodha import ZerodhaSimulator
from tests import build

pytestmark = pytest.mark.database
Type = Callable[..., None]


def run(*arguments: Any, **options: Any) -> tuple[int, str, str]:
    """Exit code, output, errors."""
    out, errors = io.StringIO(), io.StringIO()
    try:
        call_command(*map(str, arguments), stdout=out, stderr=errors, **options)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue(), errors.getvalue()
    return 0, out.getvalue(), errors.getvalue()


def synced_accounts() -> list[str]:
    """Client ids of the accounts that have a batch, in order."""
    batches = SyncBatch.objects.filter(broker_account__isnull=False)
    return sorted(batches.values_list("broker_account__account_id", flat=True))


def break_credentials(account: BrokerAccount) -> None:
    BrokerAccountCredential.objects.filter(account=account).delete()


# sync_holdings


def test_all_accounts_are_synced_and_told_in_a_line_each() -> None:
    portfolio = build.a_portfolio()
    build.an_account(client_id="S1", portfolio=portfolio)
    build.an_account(client_id="S2", portfolio=portfolio)
    code, out, errors = run("sync_holdings")
    line = "2026-10-05  2 holdings, 0 positions, 0 orders; 2 changes"
    assert (code, errors) == (0, "")
    assert sorted(out.splitlines()) == [f"ok    SAMPLE S1  {line}", f"ok    SAMPLE S2  {line}"]


def test_the_same_again_says_that_nothing_changed() -> None:
    build.an_account()
    run("sync_holdings")
    assert run("sync_holdings")[1] == "ok    SAMPLE S1  2026-10-05  2 holdings, 0 positions, 0 orders; no change\n"


@pytest.mark.parametrize(
    ("kind", "figures"), [("orders", "0 orders"), ("realtime", "2 holdings, 0 positions, 0 orders")]
)
def test_only_what_was_asked_for_is_counted(kind: str, figures: str) -> None:
    build.an_account()
    run("sync_holdings")
    assert run("sync_holdings", "--type", kind)[1] == f"ok    SAMPLE S1  2026-10-05  {figures}; no change\n"


def test_json_is_one_document_with_a_result_an_account() -> None:
    account = build.an_account()
    code, out, _ = run("sync_holdings", "--json")
    (result,) = json.loads(out)["results"]
    assert code == 0
    assert result["account"] == str(account.pk)
    assert (result["status"], result["sync_type"], result["trading_day"]) == (
        "COMPLETED", "DAILY_PORTFOLIO", "2026-10-05",
    )  # fmt: skip
    assert (result["holdings_fetched"], result["holdings_updated"], result["page"], result["errors"]) == (2, 2, 1, [])


@pytest.mark.parametrize(
    ("word", "sync_type"),
    [("daily", "DAILY_PORTFOLIO"), ("orders", "ORDER_HISTORY"), ("realtime", "REALTIME_UPDATE")],
)
def test_the_type_of_sync_is_chosen_by_a_word(word: str, sync_type: str) -> None:
    build.an_account()
    run("sync_holdings", "--type", word)
    assert SyncBatch.objects.get(broker_account__isnull=False).sync_type == sync_type


def test_one_account_that_fails_gives_exit_code_1_and_the_others_complete() -> None:
    portfolio = build.a_portfolio()
    break_credentials(build.an_account(client_id="S1", portfolio=portfolio))
    build.an_account(client_id="S2", portfolio=portfolio)
    code, out, _ = run("sync_holdings")
    assert code == 1
    assert SyncBatch.objects.get(broker_account__account_id="S2").status == "COMPLETED"
    assert "account: the account has no credentials\n        -> enter them: manage.py connect sample" in out


def test_an_account_that_another_run_holds_is_named_and_gives_exit_code_1() -> None:
    account = build.an_account()
    claim([str(account.pk)], "DAILY_PORTFOLIO", new_uuid(), clock.now())
    assert run("sync_holdings") == (1, "", "SAMPLE S1: another run holds this account; it is left to that run\n")


def test_json_has_the_ids_of_accounts_that_another_run_holds() -> None:
    held, free = build.an_account(), build.an_account(client_id="S2")
    claim([str(held.pk)], "DAILY_PORTFOLIO", new_uuid(), clock.now())
    code, out, errors = run("sync_holdings", "--json")
    told = json.loads(out)
    assert (code, errors) == (1, "SAMPLE S1: another run holds this account; it is left to that run\n")
    assert ([result["account"] for result in told["results"]], told["held"]) == ([str(free.pk)], [str(held.pk)])


def test_only_the_named_accounts_are_synced() -> None:
    first, _, third = (build.an_account(client_id=f"S{number}") for number in (1, 2, 3))
    code, _, _ = run("sync_holdings", "--account", str(first.pk).upper(), "--account", third.pk)
    assert (code, synced_accounts()) == (0, ["S1", "S3"])


def test_only_the_accounts_of_the_named_portfolio_are_synced() -> None:
    portfolio = build.a_portfolio()
    build.an_account(client_id="S1")
    build.an_account(client_id="S2", portfolio=portfolio)
    code, _, _ = run("sync_holdings", "--portfolio", portfolio.pk)
    assert (code, synced_accounts()) == (0, ["S2"])


def test_accounts_that_are_disabled_or_in_an_inactive_portfolio_are_left_out() -> None:
    build.an_account(client_id="S1")
    accounts.disable(build.an_account(client_id="S2"), "closed")
    build.an_account(client_id="S3", portfolio=build.a_portfolio(active=False))
    code, _, _ = run("sync_holdings")
    assert (code, synced_accounts()) == (0, ["S1"])


def test_naming_a_disabled_account_is_bad_input() -> None:
    account = build.an_account()
    accounts.disable(account, "closed")
    code, out, error = run("sync_holdings", "--account", account.pk)
    assert (code, out) == (2, "")
    assert error == f"no account to sync with the id {account.pk}: unknown, disabled, or in an inactive portfolio"


def test_an_unknown_account_is_bad_input_and_nothing_is_synced() -> None:
    known, unknown = build.an_account(), "01900000-0000-7000-8000-000000000000"
    code, _, error = run("sync_holdings", "--account", known.pk, "--account", unknown)
    assert (code, synced_accounts()) == (2, [])
    assert error == f"no account to sync with the id {unknown}: unknown, disabled, or in an inactive portfolio"


@pytest.mark.parametrize("why", ["unknown", "inactive", "empty", "disabled"])
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_portfolio_without_an_account_to_sync_is_bad_input_also_beside_one_that_has(why: str, is_alone: bool) -> None:
    known, other = build.a_portfolio(), build.a_portfolio(active=why != "inactive")
    build.an_account(client_id="S1", portfolio=known)
    if why in ("inactive", "disabled"):
        account = build.an_account(client_id="S2", portfolio=other)
    if why == "disabled":
        accounts.disable(account, "closed")
    named = "01900000-0000-7000-8000-000000000000" if why == "unknown" else str(other.pk)
    beside = [] if is_alone else ["--portfolio", known.pk]
    code, out, error = run("sync_holdings", *beside, "--portfolio", named.upper())
    assert (code, out, synced_accounts()) == (2, "", [])
    assert error == (
        f"no account to sync in the portfolio {named}: unknown, inactive or empty, or its accounts are disabled"
    )


def test_without_any_account_it_says_how_to_add_one() -> None:
    assert run("sync_holdings") == (2, "", "no account to sync yet; add one with: manage.py connect groww")


def test_accounts_of_which_none_is_to_be_synced_are_not_said_to_be_missing() -> None:
    build.an_account(portfolio=build.a_portfolio())
    Portfolio.objects.update(active=False)
    assert run("sync_holdings") == (2, "", "no account to sync: all are disabled, or in an inactive portfolio")


@pytest.mark.parametrize("option", ["--account", "--portfolio"])
def test_what_is_not_an_id_is_refused_by_name(option: str) -> None:
    code, out, error = run("sync_holdings", option, "groww")
    assert (code > 0, out) == (True, "")
    assert error == f"Error: argument {option}: 'groww' is not an id; the admin shows the ids"


def test_a_clock_that_gives_no_time_is_told_without_a_traceback(set_clock: Callable[[str], None]) -> None:
    build.an_account()
    set_clock("yesterday")
    code, _, error = run("sync_holdings")
    assert (code, error.split(".")[0]) == (2, "KHATA_CLOCK is 'yesterday'")


# sync_holdings_task


def test_the_task_really_syncs_the_accounts_it_is_given() -> None:
    account = build.an_account(client_id="S1")
    build.an_account(client_id="S2")
    sync_holdings_task.apply(args=([str(account.pk)],)).get()
    assert synced_accounts() == ["S1"]


def test_the_task_syncs_all_accounts_when_it_is_given_none() -> None:
    build.an_account(client_id="S1")
    build.an_account(client_id="S2")
    sync_holdings_task.apply(kwargs={"sync_type": "orders"}).get()
    assert synced_accounts() == ["S1", "S2"]


def test_the_task_does_not_fail_for_an_account_that_does() -> None:
    account = build.an_account()
    break_credentials(account)
    assert sync_holdings_task.apply(args=([str(account.pk)],)).successful()
    assert SyncBatch.objects.get(broker_account=account).status == "FAILED"


def test_the_task_fails_for_an_account_that_does_not_exist() -> None:
    assert sync_holdings_task.apply(args=(["01900000-0000-7000-8000-000000000000"],)).failed()


# connect


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Lines on standard input, which is a pipe then."""

    def type_lines(*lines: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))

    return type_lines


def nothing_stored() -> bool:
    return not (BrokerAccount.objects.exists() or Portfolio.objects.exists() or User.objects.exists())


def test_connecting_stores_the_account_syncs_it_and_shows_what_it_holds(typed: Type) -> None:
    typed("my token")
    code, out, errors = run("connect", "sample", "--label", "Mine")
    account = BrokerAccount.objects.get()
    assert (code, errors) == (0, "")
    assert (account.broker_id, account.label, account.portfolio.name, account.user.username) == (
        "SAMPLE", "Mine", "My portfolio", "me",
    )  # fmt: skip
    assert out.splitlines()[:4] == [
        "Trying the login at Sample broker ...",
        f"Added SAMPLE Mine with the id {account.pk}. Its first sync ...",
        "ok    SAMPLE Mine  2026-10-05  2 holdings, 0 positions, 0 orders; 2 changes",
        "  2 holdings, units and value in INR",
    ]
    assert "my token" not in out


@pytest.fixture
def unsaid() -> Iterator[None]:
    """A trigger that does not say what it wants to log in."""

    @register("PLAIN")
    class Plain(BaseTrigger):
        def fetch_holdings(self) -> list[dict[str, Any]]:
            credentials = self.broker_account.credential.credentials
            held = len(credentials.get("api_key", "")) + len(credentials.get("access_token", ""))
            return [{"symbol": "TCS", "quantity": held or 1, "avg_price": 2200.0, "asset_type": "stock"}]

    yield
    del REGISTRY["PLAIN"]


def holding_line(out: str) -> str:
    return next(line for line in out.splitlines() if line.startswith("    TCS "))


@pytest.mark.usefixtures("unsaid")
def test_of_a_trigger_that_does_not_say_what_it_reads_whoever_connects_names_it(typed: Type) -> None:
    typed("api_key, access_token", "a key", "a token")
    code, out, errors = run("connect", "plain", "--client-id", "P1")
    account = BrokerAccount.objects.get()
    kept = revealed(accounts.open_credentials(BrokerAccountCredential.objects.get(account=account)))
    assert (code, errors, kept) == (0, "", {"api_key": "a key", "access_token": "a token"})
    assert holding_line(out).split()[:2] == ["TCS", "12"]

    typed("access_token", "another token")
    assert (run("connect", "plain", "--account", account.pk)[0], BrokerAccount.objects.count()) == (0, 1)
    kept = revealed(accounts.open_credentials(BrokerAccountCredential.objects.get(account=account)))
    assert kept == {"access_token": "another token"}


@pytest.mark.usefixtures("unsaid")
def test_a_trigger_that_reads_no_credentials_is_connected_without_any(typed: Type) -> None:
    typed("")
    code, out, errors = run("connect", "plain")
    assert (code, errors, holding_line(out).split()[:2]) == (0, "", ["TCS", "1"])


@pytest.mark.usefixtures("unsaid")
def test_it_has_no_other_way_to_log_in() -> None:
    assert run("connect", "plain", "--method", "face") == (2, "", "no way 'face' to log in; there are: credentials")


def test_the_login_of_a_new_owner_cannot_be_guessed(typed: Type) -> None:
    typed("my token")
    run("connect", "sample")
    assert not User.objects.get().has_usable_password()


@pytest.fixture
def groww() -> Any:
    with build.groww(random_investor(Market(), "1000000001", 1, holdings=3, positions=1, orders=2)) as simulator:
        yield simulator


def secrets_of(simulator: GrowwSimulator, method: str) -> list[str]:
    known = simulator.credentials(next(iter(simulator.investors)))
    names = {
        "totp": ("totp_token", "totp_seed"),
        "approval": ("api_key", "api_secret"),
        "token": ("access_token",),
    }
    return [known[name] for name in names[method]]


@pytest.mark.parametrize("method", ["totp", "approval", "token"])
def test_groww_is_connected_in_each_of_its_three_ways(groww: GrowwSimulator, typed: Type, method: str) -> None:
    secrets = secrets_of(groww, method)
    typed(*secrets)
    code, out, errors = run("connect", "groww", "--method", method)
    account = BrokerAccount.objects.get()
    assert (code, errors, account.account_id) == (0, "", next(iter(groww.investors)))
    assert account.credential.login_method == method
    assert f"ok    GROWW {account.account_id}  2026-10-05  3 holdings" in out
    assert [secret for secret in secrets if secret in out] == []


def test_the_token_of_the_trial_is_used_by_the_first_sync(groww: GrowwSimulator, typed: Type) -> None:
    typed(*secrets_of(groww, "totp"))
    run("connect", "GROWW", "--method", "totp")
    assert [served.path for served in groww.requests].count("/token/api/access") == 1


def test_the_way_to_log_in_is_asked_for_and_the_first_is_the_default(groww: GrowwSimulator, typed: Type) -> None:
    typed("", *secrets_of(groww, "totp"))
    assert run("connect", "groww")[0] == 0
    assert BrokerAccount.objects.get().credential.login_method == "totp"


def test_wrong_credentials_are_refused_in_words_and_nothing_is_stored(groww: GrowwSimulator, typed: Type) -> None:
    typed("wrong-token-00112233", "JBSWY3DPEHPK3PXP")
    code, out, error = run("connect", "groww", "--method", "totp")
    assert (code, nothing_stored()) == (2, True)
    assert error.startswith("Groww refused the login: ")
    assert error.endswith("Nothing was stored.")
    assert [secret for secret in ("wrong-token-00112233", "JBSWY3DPEHPK3PXP") if secret in out + error] == []


def test_what_is_tried_stands_before_what_came_of_it_in_a_file_too(groww: GrowwSimulator, typed: Type) -> None:
    typed("wrong-token-00112233")
    log = io.BytesIO()
    with pytest.raises(CommandError):
        call_command("connect", "groww", "--method", "token", stdout=io.TextIOWrapper(log))
    assert log.getvalue() == b"Trying the login at Groww ...\n"


def test_a_secret_that_cannot_be_one_is_not_shown(groww: GrowwSimulator, typed: Type) -> None:
    typed("wrong-token-00112233", "not base 32, 0189!")
    code, out, error = run("connect", "groww", "--method", "totp")
    assert (code, nothing_stored(), "not base 32, 0189!" in out + error) == (2, True, False)


@pytest.mark.parametrize(("address", "said"), [
    ("http://{host}/v2", "Groww refused GET /margins/detail/user: Requested entity does not exist. {has_funds}"),
    ("http://127.0.0.1:9", "Groww: GET /user/detail: no connection to 127.0.0.1. {is_set}"),
    ("groww.in", "Groww: {no_address}"),
    ("https://api.groww.in:99999/v1", "Groww: {no_address}"),
    ("https://me:a-password@api.groww.in/v1", "Groww: {no_address}"),
])  # fmt: skip
def test_a_wrong_address_of_the_broker_is_told_and_nothing_is_stored(
    groww: GrowwSimulator, typed: Type, monkeypatch: pytest.MonkeyPatch, address: str, said: str
) -> None:
    typed(*secrets_of(groww, "token"))
    monkeypatch.setenv("GROWW_API_URL", address.format(host=urlsplit(groww.url).netloc))
    told = said.format(
        has_funds="Every account has funds: is GROWW_API_URL right?",
        is_set="GROWW_API_URL is set: is it right?",
        no_address="the broker's address is not one: correct GROWW_API_URL. It is https://, a host, and perhaps a port "
        "and a path",
    )
    assert run("connect", "groww", "--method", "token")[::2] == (2, f"{told}\nNothing was stored.")
    assert nothing_stored()


def test_a_wrong_path_is_no_login_that_groww_refuses(
    groww: GrowwSimulator, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(*secrets_of(groww, "totp"))
    monkeypatch.setenv("GROWW_API_URL", f"http://{urlsplit(groww.url).netloc}/v2")
    code, _, error = run("connect", "groww", "--method", "totp")
    found = "Groww finds nothing where one logs in: Requested entity does not exist."
    assert (code, error) == (2, f"{found} GROWW_API_URL is set: is it right?\nNothing was stored.")


@pytest.mark.parametrize("token", ["no-token-of-groww", "x"])
def test_a_pasted_token_that_is_refused_is_said_to_be(groww: GrowwSimulator, typed: Type, token: str) -> None:
    typed(token)
    code, _, error = run("connect", "groww", "--method", "token")
    assert (code, nothing_stored()) == (2, True)
    assert error.startswith("Groww refused GET /user/detail: Token expired or invalid. New tokens are made at groww.in")


def test_credentials_of_another_client_than_the_one_named_are_refused(groww: GrowwSimulator, typed: Type) -> None:
    typed(*secrets_of(groww, "token"))
    code, _, error = run("connect", "groww", "--method", "token", "--client-id", "9999999999")
    assert (code, nothing_stored()) == (2, True)
    assert error.splitlines()[0] == "these credentials belong to another client than 9999999999"


@pytest.fixture
def zerodha() -> Iterator[ZerodhaSimulator]:
    with build.zerodha(random_investor(Market(), "1000000001", 1, holdings=3, positions=1, orders=2)) as simulator:
        yield simulator


def back_from(zerodha: ZerodhaSimulator) -> str:
    """The address that the owner's browser was sent to after the login."""
    (ucc,) = zerodha.investors
    return zerodha.log_in(ucc)


def test_zerodha_is_connected_with_what_the_login_in_the_browser_came_back_with(
    zerodha: ZerodhaSimulator, typed: Type
) -> None:
    (ucc,) = zerodha.investors
    known, pasted = zerodha.credentials(ucc), back_from(zerodha)
    typed(known["api_key"], known["api_secret"], pasted)
    code, out, errors = run("connect", "zerodha")
    account = BrokerAccount.objects.get()
    assert (code, errors, account.account_id) == (0, "", known["user_id"])
    assert f"Log in here, in a browser:\n\n  {zerodha.login_url}?v=3&api_key={known['api_key']}\n" in out
    assert f"ok    ZERODHA {known['user_id']}  2026-10-05  3 holdings" in out
    stored = revealed(accounts.open_credentials(account.credential))
    assert stored == {"api_key": known["api_key"], "api_secret": known["api_secret"]}
    assert account.credential.login_method == "browser"
    assert f"{account.token_expires_at}" == "2026-10-06 00:30:00+00:00"
    assert [secret for secret in (known["api_secret"], pasted) if secret in out] == []


def test_a_wrong_path_is_no_login_that_zerodha_refuses(
    zerodha: ZerodhaSimulator, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = zerodha.credentials(next(iter(zerodha.investors)))
    typed(known["api_key"], known["api_secret"], back_from(zerodha))
    monkeypatch.setenv("ZERODHA_API_URL", f"http://{urlsplit(zerodha.url).netloc}/v2")
    code, _, error = run("connect", "zerodha")
    found = "Zerodha finds nothing where one logs in: Route not found."
    assert (code, error) == (2, f"{found} ZERODHA_API_URL is set: is it right?\nNothing was stored.")


def test_the_next_days_login_at_zerodha_asks_for_no_key_and_counts_once(zerodha: ZerodhaSimulator, typed: Type) -> None:
    (ucc,) = zerodha.investors
    account = build.a_zerodha_account(zerodha, ucc)
    zerodha.move_to("2026-10-06 09:30")
    pasted = back_from(zerodha)
    typed(pasted)
    assert run("connect", "zerodha", "--account", account.pk)[0] == 0
    assert SyncBatch.objects.filter(broker_account=account).latest("started_at").status == "COMPLETED"
    typed(pasted)
    code, _, error = run("connect", "zerodha", "--account", account.pk)
    assert (code, error.splitlines()[0].partition(":")[0]) == (2, "Zerodha refused the login")


def test_the_login_of_another_client_does_not_become_this_accounts(zerodha: ZerodhaSimulator, typed: Type) -> None:
    (ucc,) = zerodha.investors
    known = zerodha.credentials(ucc)
    typed(known["api_key"], known["api_secret"], back_from(zerodha))
    assert run("connect", "zerodha", "--client-id", "ZZ9999")[0] == 2
    assert nothing_stored()


@pytest.mark.parametrize("is_named", [True, False])
def test_connecting_again_takes_the_label_that_is_given_and_keeps_it_when_none_is(typed: Type, is_named: bool) -> None:
    typed("old token")
    run("connect", "sample", "--portfolio", "Family")
    account = BrokerAccount.objects.get()
    named = ["--account", account.pk] if is_named else []
    for words in (["--label", "Mine"], []):
        typed("new token")
        code, out, _ = run("connect", "sample", *named, *words)
        assert (code, out.splitlines()[1].partition(" with ")[0]) == (0, "Renewed the login of SAMPLE Mine")
        kept = BrokerAccount.objects.get()
        assert (kept.label, kept.portfolio.name, Portfolio.objects.count()) == ("Mine", "Family", 1)


@pytest.mark.parametrize("is_named", [True, False])
def test_connecting_again_into_another_portfolio_is_refused_and_changes_nothing(typed: Type, is_named: bool) -> None:
    typed("old token")
    run("connect", "sample", "--portfolio", "Family")
    account = BrokerAccount.objects.get()
    named = ["--account", account.pk] if is_named else []
    typed("new token")
    code, _, error = run("connect", "sample", *named, "--portfolio", "Other", "--label", "Mine")
    assert (code, error) == (
        2, "SAMPLE sample is in the portfolio 'Family', and connecting does not move it: leave --portfolio out, and "
        "choose another one in the admin\nNothing was stored.",
    )  # fmt: skip
    account = BrokerAccount.objects.get()
    stored = accounts.open_credentials(account.credential)["token"].reveal()
    assert (account.label, account.portfolio.name, Portfolio.objects.count(), stored) == (
        "", "Family", 1, "old token",
    )  # fmt: skip
    typed("new token")
    assert run("connect", "sample", *named, "--portfolio", "Family")[0] == 0


def test_connecting_again_as_another_user_is_refused_and_changes_nothing(typed: Type) -> None:
    typed("old token")
    run("connect", "sample", "--user", "asha")
    account = BrokerAccount.objects.get()
    for user, told in (("ravi", "ravi"), ("", None), ("asha", None)):
        typed("new token")
        code, _, error = run("connect", "sample", "--account", account.pk, *(("--user", user) if user else ()))
        assert (code, error) == ((2, (
            "SAMPLE sample is an account of asha, and connecting does not give it to ravi: leave --user out\n"
            "Nothing was stored."
        )) if told else (0, ""))  # fmt: skip
        stored = accounts.open_credentials(BrokerAccount.objects.get().credential)["token"].reveal()
        assert stored == ("old token" if told else "new token")
    assert User.objects.filter(username="ravi").count() == 0


def test_connecting_again_renews_the_credentials_and_enables_the_account(typed: Type) -> None:
    typed("old token")
    run("connect", "sample")
    account = BrokerAccount.objects.get()
    accounts.disable(account, "closed")
    typed("new token")
    code, out, _ = run("connect", "sample")
    account = BrokerAccount.objects.get()
    assert (code, out.splitlines()[1]) == (
        0, f"Renewed the login of SAMPLE sample with the id {account.pk}. A sync ...",
    )  # fmt: skip
    assert "no change" in out
    assert (account.state, accounts.open_credentials(account.credential)["token"].reveal()) == ("active", "new token")


@pytest.mark.parametrize("state", ["needs_login", "failing", "disabled"])
def test_new_credentials_make_an_account_active_before_it_is_synced(state: str) -> None:
    portfolio = build.a_portfolio()
    account = build.an_account(portfolio=portfolio)
    BrokerAccount.objects.filter(pk=account.pk).update(state=state, state_reason="some reason")
    build.an_account(portfolio=portfolio)
    account.refresh_from_db()
    assert (account.state, account.state_reason) == ("active", "")


@pytest.fixture
def keys_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A directory of keys that is not there yet, as for a process that has just begun."""
    monkeypatch.setattr(settings, "KHATA_KEYS", str(tmp_path / "keys"))
    key_ring.cache_clear()
    startup.require_keys.cache_clear()
    yield tmp_path / "keys"
    key_ring.cache_clear()


def test_a_directory_of_keys_that_was_lost_is_not_made_anew(typed: Type, keys_elsewhere: Path) -> None:
    build.an_account(client_id="S1")
    (key,) = keys_elsewhere.glob("*.key")
    keys_elsewhere.rename(keys_elsewhere.with_name("lost"))
    key_ring.cache_clear()
    startup.require_keys.cache_clear()
    typed("a token")

    code, out, error = run("connect", "sample", "--client-id", "S2")

    assert (code, out, keys_elsewhere.exists(), BrokerAccount.objects.count()) == (2, "", False, 1)
    assert error.startswith(
        f"{key.name}: not in {keys_elsewhere}, and accounts of this database are sealed with it. Put"
    )
    assert error.endswith("Nothing was stored.")


def test_keys_of_another_installation_are_not_taken_for_the_lost_ones(typed: Type, keys_elsewhere: Path) -> None:
    build.an_account(client_id="S1")
    keys_elsewhere.rename(keys_elsewhere.with_name("lost"))
    KeyRing(keys_elsewhere).load()
    key_ring.cache_clear()
    startup.require_keys.cache_clear()
    typed("a token")

    assert (run("connect", "sample", "--client-id", "S2")[0], BrokerAccount.objects.count()) == (2, 1)


def test_after_a_rotation_accounts_are_connected_as_before(typed: Type, keys_elsewhere: Path) -> None:
    build.an_account(client_id="S1")
    KeyRing(keys_elsewhere).rotate()
    key_ring.cache_clear()
    startup.require_keys.cache_clear()
    typed("a token")

    assert (run("connect", "sample", "--client-id", "S2")[0], BrokerAccount.objects.count()) == (0, 2)


def test_an_unknown_broker_is_refused_with_those_there_are(typed: Type) -> None:
    typed("a token")
    code, _, error = run("connect", "zerodhaa")
    known = ", ".join(sorted(REGISTRY))
    assert (code, error) == (2, f"no broker 'zerodhaa' is known; there are: {known}")


def test_an_unknown_way_to_log_in_is_refused_with_those_there_are() -> None:
    code, _, error = run("connect", "groww", "--method", "face")
    assert (code, error) == (2, "no way 'face' to log in; there are: totp, approval, token")


def test_an_empty_answer_is_asked_for_by_name(typed: Type) -> None:
    typed("")
    assert run("connect", "sample") == (2, "", "Token is needed")


def test_what_cannot_be_seen_is_no_part_of_a_secret(typed: Type) -> None:
    typed("a \x01token")
    assert run("connect", "sample") == (
        2, "", "Token: there is a character in it that cannot be seen; paste it again",
    )  # fmt: skip


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--label", "x" * 101, "--label: Ensure this value has at most 100 characters (it has 101)."),
    ("--user", "x" * 151, "--user: Ensure this value has at most 150 characters (it has 151)."),
    ("--user", "", "--user: This field cannot be blank."),
    ("--portfolio", "x" * 101, "--portfolio: Ensure this value has at most 100 characters (it has 101)."),
    ("--client-id", "x" * 101, "--client-id: Ensure this value has at most 100 characters (it has 101)."),
])  # fmt: skip
def test_a_name_that_does_not_fit_is_refused_before_anything_is_asked(
    typed: Type, option: str, value: str, said: str
) -> None:
    typed("a token")
    assert (run("connect", "sample", option, value), nothing_stored()) == ((2, "", said), True)


def test_ctrl_c_in_the_first_sync_says_how_to_go_on(
    typed: Type, press_ctrl_c: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(SampleTrigger):
        def identify(self) -> str:
            if self.broker_account.id:
                press_ctrl_c()
            return "S1"

    monkeypatch.setitem(REGISTRY, "SAMPLE", Stopped)
    typed("a token")
    code, _, error = run("connect", "sample")
    again = f"manage.py sync_holdings --account {BrokerAccount.objects.get().pk}"
    assert (code, error) == (1, f"stopped; the account is stored. To sync it: {again}")


@pytest.mark.parametrize("broker", ["sample", "groww"])
def test_without_any_input_nothing_is_stored(monkeypatch: pytest.MonkeyPatch, broker: str) -> None:
    monkeypatch.setattr("sys.stdin", None)
    code, _, error = run("connect", broker)
    assert (code, error, nothing_stored()) == (2, "stopped; nothing was stored", True)


def test_input_that_ends_too_soon_stores_nothing(typed: Type) -> None:
    typed("only the token")
    assert run("connect", "groww", "--method", "totp") == (2, "", "stopped; nothing was stored")
    assert nothing_stored()


def test_a_trigger_that_raises_is_told_in_words_and_shows_no_secret(
    typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any) -> None:
        raise KeyError(self.broker_account.credential.credentials["token"])

    monkeypatch.setattr(REGISTRY["SAMPLE"], "fetch_holdings", broken)
    typed("my-secret-token")
    code, out, error = run("connect", "sample")
    assert (code, nothing_stored(), "my-secret-token" in out + error) == (2, True, False)
    assert error == "Sample broker: the trigger failed with KeyError: '***'\nNothing was stored."


def _exits(self: Any) -> None:
    raise SystemExit("no licence")


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (_exits, "RuntimeError: SystemExit no licence"),
        (lambda _: next(iter(())), "RuntimeError: StopIteration"),
        (lambda _: time.sleep(20), "TimeoutError: no answer within 0.3 s"),
    ],
    ids=["exits", "next of nothing", "hangs"],
)
def test_connecting_ends_whatever_a_trigger_does(
    typed: Type, monkeypatch: pytest.MonkeyPatch, method: Any, says: str
) -> None:
    monkeypatch.setattr(fetch, "SECTION_SECONDS", 0.3 if "Timeout" in says else 5)
    monkeypatch.setattr(REGISTRY["SAMPLE"], "fetch_holdings", method)
    typed("my-secret-token")
    code, _, error = run("connect", "sample")
    assert (code, nothing_stored()) == (2, True)
    assert error == f"Sample broker: the trigger failed with {says}\nNothing was stored."


def test_an_account_whose_first_sync_fails_is_stored_and_gives_exit_code_1(groww: GrowwSimulator, typed: Type) -> None:
    typed(*secrets_of(groww, "totp"))
    groww.fault("500", "/holdings/user")
    code, out, _ = run("connect", "groww", "--method", "totp")
    assert (code, BrokerAccount.objects.count(), SyncBatch.objects.get(broker_account__isnull=False).status) == (
        1, 1, "PARTIAL",
    )  # fmt: skip
    assert out.splitlines()[2].startswith("part  GROWW ")
