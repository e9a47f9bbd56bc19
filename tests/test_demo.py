"""The demo: a few of its days, then more, on the database of the tests, against a simulator of its own."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from portfolio import demo
from portfolio.models import (
    AccountHead,
    BrokerAccount,
    Checkpoint,
    LedgerPage,
    OrderVersion,
    Portfolio,
    PortfolioSnapshot,
    SyncBatch,
    SyncSlot,
    Transaction,
    User,
)
from portfolio.schedule import calendar
from portfolio.schedule.tick import tick
from portfolio.triggers.registry import REGISTRY
from tests import build
from tests.proof import tampering
from tests.test_commands import run

pytestmark = pytest.mark.database
ROOT = Path(__file__).parents[1]
TRADING, SAVINGS, FAMILY = "8100000001", "8100000002", "FW0003"


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer looks a day, for tests of what does not hang on their number: each costs a sync of three accounts."""
    monkeypatch.setattr(demo, "TICKS", (demo.LOGIN_AT, time(19), demo.LAST_TICK))


def days(count: int) -> tuple[int, dict[str, Any]]:
    """Takes so many days. Exit code, and the document that was printed."""
    code, out, _ = run("demo", "--once", "--json", "--days", count)
    return code, json.loads(out)


def account_of(document: dict[str, Any], client_id: str) -> dict[str, Any]:
    (found,) = [account for account in document["accounts"] if account["client_id"] == client_id]
    return dict(found)


def states(account: dict[str, Any], kind: str) -> list[tuple[str, list[str]]]:
    """Symbol and states of the orders of this kind that were seen in more than one state."""
    told = [order for order in account["orders"] if kind in order["kinds"] and len(order["states"]) > 1]
    return [(order["symbol"], [f"{each['status']} {each['filled']}" for each in order["states"]]) for order in told]


def results(document: dict[str, Any], client_id: str) -> dict[str, str]:
    """What became of each day that was taken."""
    (row,) = [row for row in document["coverage"]["accounts"] if row["client_id"] == client_id]
    return {day["day"]: day["result"] for day in row["days"]}


def book() -> dict[str, set[Any]]:
    """What may never be written twice, by what makes it unique."""
    return {
        "versions": set(OrderVersion.objects.values_list("groww_order_id", "order_date", "version")),
        "fills": set(Transaction.objects.values_list("broker_account", "source_id", "revision")),
        "snapshots": set(PortfolioSnapshot.objects.values_list("broker_account", "snapshot_date", "revision")),
    }


def test_three_days_show_what_became_of_the_orders() -> None:
    code, document = days(3)
    trading = account_of(document, TRADING)
    assert code == 0
    assert [(day["number"], day["day"]) for day in document["days"]] == [
        (1, "2026-10-05"), (2, "2026-10-06"), (3, "2026-10-07"),
    ]  # fmt: skip
    assert {batch["status"] for day in document["days"] for batch in day["batches"]} == {"COMPLETED"}
    assert states(trading, "partly filled first")[0] == ("SBIN", ["PARTIALLY_FILLED 40", "EXECUTED 100"])
    assert states(trading, "modified") == [("TCS", ["OPEN 0", "EXECUTED 5"])]
    assert states(trading, "cancelled") == [("CIPLA", ["OPEN 0", "CANCELLED 0"])]
    assert trading["fetched"]["batches"] == {"STARTED": 0, "COMPLETED": 14, "PARTIAL": 0, "FAILED": 0}
    assert (trading["label"], trading["changed"]["snapshots"], trading["snapshot"]["snapshot_date"]) == (
        "Trading", 3, "2026-10-07",
    )  # fmt: skip
    assert len(trading["holdings"]) == trading["snapshot"]["holdings_count"]


def test_the_next_run_takes_the_next_day_and_doubles_nothing() -> None:
    days(2)
    before = book()
    code, document = days(1)
    after = book()
    dates = dict(OrderVersion.objects.values_list("groww_order_id", "order_date"))
    new_orders = {key[0] for key in after["versions"] - before["versions"]}
    assert (code, [day["day"] for day in document["days"]]) == (0, ["2026-10-07"])
    assert {name: before[name] - after[name] for name in before} == {name: set() for name in before}
    assert {dates[order] for order in new_orders} == {date(2026, 10, 7)}
    assert account_of(document, TRADING)["fetched"]["batches"]["COMPLETED"] == 5
    assert BrokerAccount.objects.count() == 3


def test_the_pages_of_each_account_run_on_without_a_gap() -> None:
    days(1)
    days(1)
    for account in BrokerAccount.objects.all():
        looks = 9 if account.broker_id == "GROWW" else 8  # at Zerodha nobody has logged in yet at 08:30
        pages = LedgerPage.objects.filter(head=account.head).order_by("number")
        assert list(pages.values_list("number", flat=True)) == list(range(1, looks + 1))
        assert [bytes(page.previous_hash) for page in pages[1:]] == [bytes(page.hash) for page in pages[: looks - 1]]


@pytest.mark.parametrize(("earlier", "day"), [([], "2026-10-05"), ([1], "2026-10-06")], ids=["first", "later"])
def test_a_run_that_ended_in_the_middle_of_a_day_goes_on_there(
    monkeypatch: pytest.MonkeyPatch, earlier: list[int], day: str
) -> None:
    for count in earlier:
        days(count)
    with monkeypatch.context() as until_noon:
        until_noon.setattr(demo, "TICKS", demo.TICKS[:4])
        days(1)
    code, document = days(1)
    (rest,) = document["days"]
    assert (code, rest["day"], {each["status"] for each in rest["batches"]}) == (0, day, {"COMPLETED"})
    assert len(rest["batches"]) == 6


@pytest.mark.usefixtures("seldom")
def test_the_first_run_tells_the_whole_story_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "STORY_DAYS", 20)  # what comes later is as random as what comes after the story
    code, out, _ = run("demo", "--once", "--json")
    document = json.loads(out)
    moves = [(move["kind"], move["symbol"], move["as_of"]) for move in account_of(document, TRADING)["moves"]]
    questions = [(each["symbol"], each["unexplained"]) for each in account_of(document, TRADING)["questions"]]
    assert (code, len(document["days"]), document["days"][-1]["day"]) == (0, 20, "2026-11-02")
    assert [move for move in moves if move[0] != "settled after T+1"] == [
        ("sold out", "WIPRO", "2026-10-14"),
        ("pledged", "HDFCBANK", "2026-10-15"),
        ("released from pledge", "HDFCBANK", "2026-10-22"),
        ("sold out", "TATAPOWER", "2026-10-29"),
    ]
    assert next(move for move in moves if move[1] == "SBIN") == ("settled after T+1", "SBIN", "2026-10-07")
    assert states(account_of(document, SAVINGS), "seen on two days") == [("GAIL", ["ACKED 0", "EXECUTED 100"])]
    assert results(document, FAMILY).pop("2026-10-21") == "missed"
    assert {each for client in (TRADING, SAVINGS) for each in results(document, client).values()} == {
        "complete", "holiday",
    }  # fmt: skip
    assert questions == [("MARUTI", "-27"), ("MARUTI", "135"), ("ITC", "161"), ("KOTAKBANK", "30"), ("TITAN", "-5")]
    code, out, _ = run("demo", "--once", "--json")
    assert (code, [(day["number"], day["day"]) for day in json.loads(out)["days"]]) == (0, [(21, "2026-11-03")])


def test_the_text_has_a_line_a_day_and_a_part_for_each_account() -> None:
    code, out, _ = run("demo", "--once", "--days", 1)
    lines = out.splitlines()
    assert code == 0
    assert lines[5].endswith("holdings moved      Trading, INR      Savings, INR       Family, INR")
    figures = ["6", "22", "45", "3,767,265.00", "5,109,897.95", "2,634,816.50"]
    assert lines[6].split() == ["1", "Mon", "05", "Oct", "12", "ok", *figures]
    assert [line for line in lines if ", client " in line] == [
        f"GROWW Trading, client {TRADING}", f"GROWW Savings, client {SAVINGS}", f"ZERODHA Family, client {FAMILY}",
    ]  # fmt: skip
    assert lines[-5] == "GROWW Trading   .--- #    --      --  -   --      -"
    (told,) = [line for line in lines if line.startswith("    SBIN          BUY")]
    assert told.split(" -> ")[0].endswith("05 Oct 10:50 partially filled 40/100 at 780.00")


@pytest.mark.usefixtures("seldom")
def test_the_report_verifies_the_book_and_prints_its_checkpoint() -> None:
    code, document = days(1)
    sealed = document["book"]
    pages = LedgerPage.objects.count()
    assert (code, sealed["findings"], sealed["pages"], sealed["last_checkpoint"]) == (0, [], pages, pages)
    assert sealed["checkpoint"] == Checkpoint.objects.get(size=pages).note
    _, out, _ = run("demo", "--once", "--days", 1)
    (looked,) = [line for line in out.splitlines() if line.endswith("all as it was sealed.")]
    note = Checkpoint.objects.get(size=LedgerPage.objects.count()).note
    assert looked.split(" rows, ")[1].startswith(f"{LedgerPage.objects.count()} pages, ")
    assert "".join(f"    {line}\n" for line in note.splitlines()) in out


@pytest.mark.usefixtures("seldom")
def test_a_book_that_is_not_as_it_was_sealed_gives_exit_code_1() -> None:
    days(1)
    with tampering.unguarded():
        tampering.run("UPDATE portfolio_snapshots SET holdings_count = holdings_count + 1")
    code, document = days(1)
    assert (code, {finding["table"] for finding in document["book"]["findings"]}) == (1, {"portfolio_snapshots"})


@pytest.mark.usefixtures("seldom")
def test_a_batch_that_does_not_complete_gives_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(REGISTRY, "GROWW")
    code, document = days(1)
    ended = {(each["broker"], each["status"]) for each in document["days"][0]["batches"]}
    assert (code, ended) == (1, {("GROWW", "FAILED"), ("ZERODHA", "COMPLETED")})


@pytest.mark.usefixtures("seldom")
def test_the_login_that_its_owner_forgets_is_a_missed_day_and_no_failure_of_the_demo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo, "FORGOTTEN", 2)
    code, document = days(3)
    ended = {day["day"]: {(each["broker"], each["status"]) for each in day["batches"]} for day in document["days"]}
    (row,) = [row for row in document["coverage"]["accounts"] if row["client_id"] == FAMILY]
    assert (code, row["state"]) == (0, "active")
    assert ended["2026-10-06"] == {("GROWW", "COMPLETED"), ("ZERODHA", "FAILED")}
    assert ended["2026-10-07"] == {("GROWW", "COMPLETED"), ("ZERODHA", "COMPLETED")}
    assert [(day["day"], day["result"], day["must_be_imported"]) for day in row["days"]] == [
        ("2026-10-05", "complete", False), ("2026-10-06", "missed", True), ("2026-10-07", "complete", False),
    ]  # fmt: skip
    assert "login at Zerodha has not been made" in row["days"][1]["reason"]
    assert BrokerAccount.objects.get(account_id=FAMILY).events.filter(kind="day.missed").count() == 1


def test_a_problem_that_every_capture_of_a_day_met_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(REGISTRY, "GROWW")
    _, out, _ = run("demo", "--once", "--days", 1)
    assert out.count("\n      account: no trigger is registered for GROWW") == 1


@pytest.mark.usefixtures("seldom")
def test_a_day_that_failed_is_missed_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without_a_trigger:
        without_a_trigger.delitem(REGISTRY, "GROWW")
        _, document = days(1)
    assert results(document, TRADING) == {"2026-10-05": "missed"}
    code, document = days(1)
    (day,) = document["days"]
    assert (code, day["day"], {batch["status"] for batch in day["batches"]}) == (0, "2026-10-06", {"COMPLETED"})


def test_the_market_of_the_demo_has_no_evening_sessions() -> None:
    with demo.opened():
        assert calendar.session(date(2026, 11, 8)) is None
    calendar.amend((), ())  # as in a process that has just begun
    with demo.opened():
        assert calendar.session(date(2026, 11, 8)) is None


@pytest.mark.usefixtures("seldom")
def test_a_tick_of_another_time_leaves_the_demos_accounts_alone(set_clock: Callable[[str], None]) -> None:
    days(1)

    def all_there_is() -> tuple[list[Any], ...]:
        slots = SyncSlot.objects.order_by("pk").values_list("pk", "result", "attempts")
        return list(slots), list(AccountHead.objects.order_by("pk").values_list("owed_until", "token"))

    before = all_there_is()
    set_clock("2026-11-20T19:05:00+05:30")
    assert (tick(), all_there_is()) == (0, before)
    code, document = days(1)
    assert (code, results(document, TRADING)) == (0, {"2026-10-06": "complete"})


def test_no_other_sync_asks_for_the_demos_accounts() -> None:
    days(1)
    assert run("sync_holdings") == (
        2, "", "no account to sync yet; add one with: manage.py connect groww "
        "(the demo's own accounts are synced by make demo alone)",
    )  # fmt: skip
    assert run("sync_holdings", "--portfolio", Portfolio.objects.get().pk)[0] == 2
    assert SyncBatch.objects.filter(broker_account__isnull=False).count() == 12


def test_the_addresses_of_the_simulators_are_forgotten_at_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "address").write_text("https://groww.example/v1", "utf-8")
    monkeypatch.setenv("GROWW_API_URL_FILE", str(tmp_path / "address"))
    monkeypatch.delenv("GROWW_API_URL", raising=False)
    before = {name: value for name, value in os.environ.items() if name.startswith(("GROWW_", "ZERODHA_"))}
    clock = settings.KHATA_CLOCK
    with demo.opened():
        for name in ("GROWW_API_URL", "GROWW_INSTRUMENTS_URL", "ZERODHA_API_URL", "ZERODHA_LOGIN_URL"):
            assert os.environ[name].startswith("http://127.0.0.1:")
        assert "GROWW_API_URL_FILE" not in os.environ
    after = {name: value for name, value in os.environ.items() if name.startswith(("GROWW_", "ZERODHA_"))}
    assert (after, settings.KHATA_CLOCK) == (before, clock)


def test_it_does_not_run_beside_real_accounts() -> None:
    build.an_account()
    code, out, error = run("demo", "--once")
    assert (code, out) == (2, "")
    assert error.startswith("This database holds accounts that are not the demo's")
    assert not User.objects.filter(username="demo").exists()


def test_connecting_a_real_account_after_the_demo_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    with demo.opened():
        pass
    monkeypatch.setattr("sys.stdin", io.StringIO("a token\n"))
    code, _, errors = run("connect", "sample")
    assert (code, errors.split(":")[0]) == (0, "The demo has been in this database")


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_a_number_of_days_that_is_none_is_refused(count: str) -> None:
    code, _, error = run("demo", f"--days={count}")
    assert (code > 0, error) == (True, "Error: argument --days: a whole number, 1 or more")


def test_the_simulators_end_when_whoever_started_it_is_gone() -> None:
    command = [sys.executable, "-m", "simulators", "--ends-with-input"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdin and child.stdout
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(timeout=20) == 0
