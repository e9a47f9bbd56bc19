"""Coverage: what became of each day, what is missing, and whether it can still be had."""

import io
import json
from calendar import monthrange
from datetime import date, time
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portfolio import accounts, clock, doctor, grid
from portfolio.ids import new_uuid
from portfolio.models import BrokerAccount, Portfolio, ScheduledLook
from portfolio.schedule.coverage import Day, Row, cover
from portfolio.triggers.base import Account, BrokerUnavailable, Credential, LoginRequired
from portfolio.triggers.groww_login import ADVICE
from portfolio.triggers.zerodha_login import ZerodhaLogin
from tests import build
from tests.schedule.evening import At, batches, kinds, tick_at
from tests.sync.scripted import Broker

pytestmark = pytest.mark.database
MONDAY = date(2026, 10, 5)


@pytest.fixture(autouse=True)
def monday_noon(at: At) -> None:
    at("2026-10-05 12:00")


def monday(account: BrokerAccount) -> Day:
    (row,) = cover([account], MONDAY, MONDAY, clock.now())
    return row.days[0]


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("coverage", *arguments, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_day_is_provisional_until_its_last_look_and_then_complete(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    seen = []
    for moment in ("2026-10-05 12:00", "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-06 10:00"):
        tick_at(at, moment)
        seen.append(monday(account).result)
    assert seen == ["to_come", "provisional", "complete", "complete"]


def test_a_day_that_failed_waits_while_it_can_be_fetched_and_is_missed_afterwards(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": BrokerUnavailable("down")}
    tick_at(at, "2026-10-05 16:00")
    waiting = monday(account)
    assert (waiting.result, str(waiting.fetch_until)) == ("waiting", "2026-10-05 18:30:00+00:00")
    tick_at(at, "2026-10-05 23:29", "2026-10-05 23:31")
    missed = monday(account)
    assert (missed.result, missed.reason) == ("missed", "holdings: down")
    tick_at(at, "2026-10-06 09:00")
    assert monday(account).fetch_until is None
    assert monday(account).missing == ("holdings", "positions", "orders", "trades", "funds")


def test_the_grid_has_a_mark_a_day_and_says_what_is_missing(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-06 00:01", "2026-10-07 09:30")
    code, out = run("--month", "2026-10")
    lines = out.splitlines()
    assert code == 1
    assert lines[:5] == [
        "October 2026",
        "             TFSS MTWTFSS MTWTFSS MTWTFSS MTWTFS",
        "                       11 1111111 1222222 222233",
        "             1234 5678901 2345678 9012345 678901",
        "SCRIPTED S1  .--- #X   --      --  -   --      -",
    ]  # two days after a holiday and a weekend; then what is to come
    assert max(map(len, lines[:7])) < 80
    assert out.count("\n2026-10-06  SCRIPTED S1  missed; missing: holdings, positions, orders, trades, funds\n") == 1
    assert str(account.pk) not in out


@pytest.mark.parametrize("month", range(1, 13))
def test_each_mark_stands_under_its_day_whatever_the_month_begins_with(month: int) -> None:
    account = build.an_account("SCRIPTED")
    numbers = range(1, monthrange(2026, month)[1] + 1)
    results = ["complete" if number % 3 else "to_come" for number in numbers]
    results[0] = "to_come"
    told = [Day(date(2026, month, number), result) for number, result in zip(numbers, results, strict=True)]
    _, *lines = grid.text([Row(account, told)]).splitlines()[:5]
    initials, tens, ones, marks = (f"{line:80}"[len(str(account)) :] for line in lines)
    places = [place for place, digit in enumerate(ones) if digit != " "]
    assert [int(tens[place] + ones[place]) for place in places] == [*numbers]
    assert [initials[place] for place in places] == [f"{day.day:%a}"[0] for day in told]
    assert [marks[place] for place in places] == [grid.MARKS[result] for result in results]
    assert marks.count("#") == results.count("complete")


def test_what_can_still_be_fetched_is_fetched_by_a_login_where_that_is_what_is_wanting(broker: Broker, at: At) -> None:
    account, told = build.an_account("SCRIPTED"), []
    for clock_time, trouble in (("16:00", BrokerUnavailable("down")), ("16:05", LoginRequired("log in"))):
        broker.says = {"holdings": trouble}
        tick_at(at, f"2026-10-05 {clock_time}")
        told.append(run("--month", "2026-10")[1].splitlines()[-1].strip())
    until = "-> can still be fetched until 06 Oct 00:00 in India:"
    assert told == [
        f"{until} manage.py sync_holdings --account {account.pk}",
        f"{until} manage.py connect scripted --account {account.pk}",
    ]


def test_how_to_log_in_is_said_once_an_account(broker: Broker, at: At) -> None:
    account, told = build.an_account("SCRIPTED"), []
    how = f"manage.py connect scripted --account {account.pk}"
    broker.says = {"holdings": LoginRequired(f"The day's login has not been made. Log in there: {how}")}
    for moments in (["2026-10-05 16:00"], ["2026-10-05 19:00", "2026-10-06 00:10"]):
        tick_at(at, *moments)
        told.append([line.strip() for line in run("--month", "2026-10")[1].splitlines()[7:] if line])
    since, why = "SCRIPTED S1  needs your login since 05 Oct 16:00", "The day's login has not been made"
    missing = "missing: holdings, positions, orders, trades, funds"
    assert told == [
        [since, why, f"2026-10-05  SCRIPTED S1  waiting; {missing}", f"holdings: {why}",
         f"-> can still be fetched until 06 Oct 00:00 in India: {how}"],
        [since, f"{why}. Log in there: {how}", f"2026-10-05  SCRIPTED S1  missed; {missing}", f"holdings: {why}",
         "-> the broker has that day no more: orders and fills must be imported from its statement"],
    ]  # fmt: skip


LOGINS: list[tuple[str, str, dict[str, str]]] = [
    ("GROWW", "token", {"access_token": "pasted yesterday"}), ("GROWW", "token", {}),
    ("ZERODHA", "browser", {"api_key": "a", "api_secret": "b"}),
    ("ZERODHA", "browser", {"api_key": "a", "api_secret": "b", "request_token": "not one"}), ("SAMPLE", "token", {}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "method", "credentials"), LOGINS)
def test_the_brokers_own_words_of_how_to_log_in_are_said_once_by_coverage_and_by_the_doctor(
    at: At, code: str, method: str, credentials: dict[str, str]
) -> None:
    at("2026-10-04 12:00")
    account = accounts.connect(
        portfolio=build.a_portfolio(), broker=code, account_id="S1", login_method=method, credentials=credentials
    )
    told = []
    for moments in (["2026-10-05 16:00"], ["2026-10-05 19:00", "2026-10-06 00:10"]):
        tick_at(at, *moments)
        told.append(run("--month", "2026-10")[1].count("manage.py connect"))
    (finding,) = doctor.the_accounts(clock.now())
    assert told == [1, 1]
    assert (finding.says.partition(": ")[2] != "", "manage.py" in finding.says) == (True, False)
    assert finding.remedy == f"Log in: {account.login_command}"


NOBODY: Any = None  # for an adapter that is asked for its advice alone
AN_ID = "01a229e9-6969-7535-a1e5-de72e81682f3"


@pytest.mark.parametrize(
    "advice", [*ADVICE.values(), ZerodhaLogin(Account(AN_ID, "", Credential({}), NOBODY), NOBODY).advice]
)
def test_what_each_section_was_refused_with_gives_no_command_wherever_it_is_cut_off(advice: str) -> None:
    said = "; ".join(
        f"{name}: refused GET /{name}: no such token. {advice}" for name in ("holdings", "orders", "trades")
    )
    rests = [grid.without_login(said[:length]) for length in range(len(said) + 1)]
    assert [rest for rest in rests if "manage.py connect" in rest or " --" in rest] == []
    assert all(f"{name}: refused GET /{name}: no such token" in rests[-1] for name in ("holdings", "orders", "trades"))


def remedy_of(account: BrokerAccount) -> str:
    return run("--month", "2026-10", "--account", str(account.pk))[1].splitlines()[-1].partition("-> ")[2]


def test_what_cannot_be_asked_says_what_is_to_be_done_before(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says = {"holdings": BrokerUnavailable("down")}
    tick_at(at, "2026-10-05 16:00")
    accounts.disable(account, "sold")
    until = "can still be fetched until 06 Oct 00:00 in India, once the"
    assert remedy_of(account) == f"{until} account is enabled again in the admin"
    accounts.enable(account, "not sold")
    Portfolio.objects.filter(pk=account.portfolio_id).update(active=False)
    assert remedy_of(account) == f"{until} portfolio is switched on again in the admin"


def test_of_a_day_that_came_whole_and_was_not_confirmed_nothing_must_be_imported(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 16:00", "2026-10-06 00:01", "2026-10-06 10:00")
    assert (monday(account).result, monday(account).missing) == ("partial", ())
    assert remedy_of(account) == "the broker has that day no more: its statement tells whether more came of it"


def test_a_day_that_was_seen_between_its_looks_and_not_confirmed_is_no_missed_one(broker: Broker, at: At) -> None:
    at("2026-10-05 16:20")
    account = build.an_account("SCRIPTED")
    build.synced(account)
    assert monday(account).result == "provisional"
    tick_at(at, "2026-10-06 00:01", "2026-10-06 10:00")
    assert (monday(account).result, monday(account).missing) == ("partial", ())
    assert kinds(account) == ["account.connected", "day.partial"]


def test_what_is_seen_between_the_looks_leaves_the_next_one_due(broker: Broker, at: At) -> None:
    at("2026-10-05 16:20")
    account = build.an_account("SCRIPTED")
    build.synced(account)
    tick_at(at, "2026-10-05 19:00")
    assert ([status for _, status in batches(account)], monday(account).result) == (["COMPLETED"] * 2, "complete")


def test_a_look_during_the_session_is_never_taken_for_its_end(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    ScheduledLook.objects.create(schedule_id="default", at=time(13), kind="DAILY_PORTFOLIO")
    tick_at(at, "2026-10-05 13:00")
    assert (batches(account), monday(account).result) == ([("DAILY_PORTFOLIO", "COMPLETED")], "to_come")
    tick_at(at, "2026-10-06 00:01")
    assert (monday(account).result, kinds(account)) == ("missed", ["account.connected", "day.missed"])


def test_a_day_whose_order_list_is_short_is_in_part_and_says_what_is_missing(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    broker.says["positions"] = [build.a_position("TCS", 10)]
    tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-06 00:01")
    day = monday(account)
    assert (day.result, day.missing) == ("partial", ("orders",))
    assert day.reason.startswith("orders: the order list may be short: positions show what no fill explains, TCS 10")
    code, out = run("--month", "2026-10")
    assert (code, out.count("2026-10-05  SCRIPTED S1  partial; missing: orders\n")) == (1, 1)


def test_what_is_found_short_later_was_short_before(broker: Broker, at: At) -> None:
    account = build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 16:00")
    broker.says["positions"] = [build.a_position("TCS", 10)]
    tick_at(at, "2026-10-05 19:00", "2026-10-06 00:01")
    assert (monday(account).result, monday(account).missing) == ("partial", ("orders",))


def test_a_short_list_is_asked_again_the_same_evening_and_a_whole_one_completes_the_day(broker: Broker, at: At) -> None:
    account, order = build.an_account("SCRIPTED"), build.an_order(filled=10)
    broker.says["positions"] = [build.a_position("TCS", 10)]
    tick_at(at, "2026-10-05 19:00")
    broker.says.update(orders=[order], trades=[build.a_trade(order)])
    assert tick_at(at, "2026-10-05 19:10") == [1]
    assert (monday(account).result, monday(account).missing) == ("complete", ())


def test_json_has_what_the_grid_has(broker: Broker, at: At) -> None:
    build.an_account("SCRIPTED")
    tick_at(at, "2026-10-05 12:00", "2026-10-06 00:10")
    told: dict[str, Any] = json.loads(run("--json")[1])["accounts"][0]
    assert [
        (day["day"], day["result"], day["must_be_imported"]) for day in told["days"] if day["result"] != "holiday"
    ] == [("2026-10-05", "missed", True)]


def days(out: str) -> list[list[tuple[str, str]]]:
    """Of each account the trading days that have a result."""
    told: list[dict[str, Any]] = json.loads(out)["accounts"]
    return [[(d["day"], d["result"]) for d in each["days"] if d["result"] != "holiday"] for each in told]


def test_an_account_that_is_asked_no_more_keeps_the_days_before(broker: Broker, at: At) -> None:
    disabled, inactive = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "S2", build.a_portfolio("Old"))
    tick_at(at, "2026-10-05 16:00", "2026-10-05 19:00", "2026-10-06 10:00", "2026-10-07 00:10")
    accounts.disable(disabled, "sold")
    Portfolio.objects.filter(pk=inactive.portfolio_id).update(active=False)
    tick_at(at, "2026-10-08 10:00", "2026-10-09 00:10")
    known = [("2026-10-05", "complete"), ("2026-10-06", "missed")]  # what was to come is not owed by who is disabled
    owed = [*known, ("2026-10-07", "missed")]
    code, out = run("--month", "2026-10", "--json")
    assert (code, days(out)) == (1, [known, owed])
    assert days(run("--json", "--month", "2026-10", "--account", str(disabled.pk))[1]) == [known]
    assert days(run("--json", "--month", "2026-10", "--portfolio", str(inactive.portfolio_id))[1]) == [owed]
    assert run("--month", "2026-10")[1].splitlines()[4] == "SCRIPTED S1  .--- #X...-- .....-- .-...-- .....-"


@pytest.mark.parametrize("which", ["--account", "--portfolio"])
def test_an_id_that_is_not_known_is_refused(which: str) -> None:
    account, unknown = build.an_account(), str(new_uuid())
    known = str(account.pk if which == "--account" else account.portfolio_id)
    with pytest.raises(CommandError, match=unknown) as refused:
        run(which, known, which, unknown)
    assert refused.value.returncode == 2


def test_the_demos_accounts_are_left_out_and_it_says_so(broker: Broker) -> None:
    assert run() == (0, "No accounts yet; add one with: manage.py connect groww\n")
    demos = build.an_account("SCRIPTED", portfolio=build.a_portfolio(simulated=True))
    none = "No accounts but the demo's, whose days manage.py demo shows; add one of your own with: "
    assert run() == (0, f"{none}manage.py connect groww\n")
    for words in (("--account", str(demos.pk)), ("--portfolio", str(demos.portfolio_id))):
        with pytest.raises(CommandError, match=f"of the demo, whose days it alone shows: {words[1]}"):
            run(*words)
    mine = build.an_account("SCRIPTED", "MINE")
    assert "MINE" in run("--account", str(mine.pk))[1]
