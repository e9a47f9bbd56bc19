"""What the local Groww can do wrong, in each section: a stated end, the reply kept, nothing of the old state lost.

Each fault strikes one section of one account each, in one evening; a further account is left in peace.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models import Model

from portfolio import accounts
from portfolio.models import (
    BrokerAccount,
    HoldingVersion,
    OrderVersion,
    PortfolioSnapshot,
    PositionVersion,
    RawReply,
    RealHolding,
    RealPosition,
    SyncBatch,
    Transaction,
)
from portfolio.sync.evidence import read_body
from portfolio.triggers import client
from simulators.market import Market
from simulators.scripts import random_investor
from tests import build
from tests.sync import recomputed

pytestmark = pytest.mark.database

SECTIONS = {
    "holdings": "/holdings/user",
    "positions": "/positions/user",
    "orders": "/order/list",
    "trades": "/order/trades/*",
    "funds": "/margins/detail/user",
    "prices": "/live-data/ltp",
}
# What the batch says of the section, by the fault. Sections where another word is right are named beside it.
FAILS = {
    "401": "login_required",
    "429": "rate_limited",
    "500": "broker_unavailable",
    "502": "broker_unavailable",
    "503_html": "broker_unavailable",
    "504": "broker_unavailable",
    "failure_200": "broker_unavailable",
    "html_200": "unexpected_reply",
    "deep_nesting": "unexpected_reply",
    "truncated": "unexpected_reply",
    "truncated_length": "broker_unavailable",
    "reset": "broker_unavailable",
    "slow_drip": "broker_unavailable",
    "huge_body": "unexpected_reply",
    "gzip_bomb": "unexpected_reply",
}
TABLES: dict[str, tuple[type[Model], ...]] = {
    "holdings": (RealHolding, HoldingVersion),
    "positions": (RealPosition, PositionVersion),
    "orders": (OrderVersion,),
    "trades": (Transaction,),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of the client, shortened; sizes of the hostile bodies are cut in the faults' options."""
    monkeypatch.setattr(client, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(client, "LONGEST_PAUSE", 0.001)
    limit_attempts(monkeypatch, 2)


def limit_attempts(monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    """The deadline of each is real time: long enough for every sound answer, whatever else the machine does."""
    fields = client.Transport.__init__.__defaults__
    assert fields is not None
    monkeypatch.setattr(client.Transport.__init__, "__defaults__", (64, 5.0, 10.0, attempts, 200_000, *fields[5:]))


SOUND = "none"
PRICE_COLUMNS = ("current_price", "current_value", "price_day", "last_updated_at")


@dataclass
class Struck:
    """One account of the evening: what the book had of the section before, and what became of it."""

    account: BrokerAccount
    before: list[Any]
    result: Any
    orders: int
    owned: dict[str, int]

    def told(self, section: str) -> list[Any]:
        return [problem for problem in self.result.capture.problems if problem.section == section]

    def state(self, section: str) -> str:
        return str(self.result.made.section(section).state)


def rows_of(section: str, account: BrokerAccount) -> list[Any]:
    """What the book has of this section; prices come and go with another one."""
    found: list[Any] = []
    for model in TABLES.get(section, ()):
        for row in model._default_manager.filter(broker_account=account).order_by("pk").values():
            found.append({name: value for name, value in row.items() if name not in PRICE_COLUMNS})
    return found


def evening(kind: str, sections: Iterable[str] = SECTIONS, **options: Any) -> dict[str, Struck]:
    """A sound Monday, and a Tuesday on which the fault strikes each section of another account."""
    market = Market()
    wanted = [*sections, SOUND]
    people = [
        random_investor(market, f"100000000{n}", n, holdings=4, positions=2, orders=6) for n in range(len(wanted))
    ]
    with build.groww(*people) as simulator:
        portfolio = build.a_portfolio()
        accounts = {
            section: build.a_groww_account(simulator, person.ucc, portfolio)
            for section, person in zip(wanted, people, strict=True)
        }
        build.synced(*accounts.values())
        before = {section: rows_of(section, account) for section, account in accounts.items()}
        simulator.move_to("2026-10-06 16:05")
        for section in sections:
            simulator.fault(kind, SECTIONS[section], ucc=accounts[section].account_id, **options)
        results = build.synced(*accounts.values())
    return {
        section: Struck(
            accounts[section], before[section], result, len(person.orders), {h.isin: h.total for h in person.holdings}
        )
        for section, result, person in zip(wanted, results, people, strict=True)
    }


@pytest.mark.parametrize("kind", FAILS)
def test_a_fault_ends_its_section_and_no_other(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "slow_drip":  # waits for the whole deadline
        limit_attempts(monkeypatch, 1)
    options: dict[str, Any] = {"retry_after": 0} if kind == "429" else {}  # longer ones: test_patience
    struck = evening(kind, bytes=1_000_000, depth=1_500, **options)
    sound = struck.pop(SOUND)
    assert (sound.result.status, sound.result.capture.problems) == ("COMPLETED", [])
    assert {section: [each.kind for each in one.told(section)] for section, one in struck.items()} == {
        section: [FAILS[kind]] for section in SECTIONS
    }
    assert {section: one.state(section) for section, one in struck.items()} == dict.fromkeys(SECTIONS, "failed")
    assert {section: rows_of(section, one.account) for section, one in struck.items()} == {
        section: one.before for section, one in struck.items()
    }
    stored = {str(batch.pk): batch.status for batch in SyncBatch.objects.all()}
    assert {stored[one.result.capture.batch_id] for one in struck.values()} == {"PARTIAL"}
    assert all(each.next for one in struck.values() for each in one.result.capture.problems)
    for section, one in struck.items():
        assert_others_are_whole(section, kind, one)
        assert_kept(section, kind, one)
    recomputed.check_all_pages()


def assert_others_are_whole(section: str, kind: str, one: Struck) -> None:
    """All but what hangs on this section: trades on orders, the snapshot on holdings and positions."""
    if kind != "401":  # a dead token ends the run
        others = set(SECTIONS) - {section} - ({"trades"} if section == "orders" else set())
        assert {one.state(name) for name in others} <= {"accepted", "unchanged"}
        days = PortfolioSnapshot.objects.filter(broker_account=one.account).count()
        assert days == (1 if section in ("holdings", "positions") else 2)


NEVER_ARRIVED = ("reset", "slow_drip", "truncated_length", "huge_body", "gzip_bomb")
SHOWS = {"html_200": b"nginx", "503_html": b"nginx", "deep_nesting": b"[" * 1000, "500": b"GA000", "401": b"GA005"}


def assert_kept(section: str, kind: str, one: Struck) -> None:
    """The bad reply stands in the batch's facts, and its very bytes are kept."""
    capture, asked = one.result.capture, SECTIONS[section].rstrip("*")
    noted = [note for note in capture.replies if asked in note.request]
    if kind in NEVER_ARRIVED:
        assert noted == []
        return
    row = RawReply.objects.get(body_digest=noted[-1].digest, broker_account=one.account)
    body = read_body(row)
    assert capture.evidence_key.digest(body) == bytes(row.body_digest)
    assert SHOWS.get(kind, b"") in body


def test_what_was_permitted_before_and_is_not_now_is_told_and_nothing_is_lost() -> None:
    struck = evening("403")
    sound = struck.pop(SOUND)
    assert (sound.result.status, sound.result.capture.problems) == ("COMPLETED", [])
    for section, one in struck.items():
        assert rows_of(section, one.account) == one.before
        assert (one.result.status, one.state(section)) == ("PARTIAL", "failed")
        assert [each.kind for each in one.told(section)] == ["not_permitted"]


NO_NUMBERS = ["null_number", "text_number", "nan", "infinity", "1e400", "long_integer", "negative_quantity"]


@pytest.mark.parametrize("kind", [*NO_NUMBERS, "missing_field", "grouped_number"])
def test_a_row_that_cannot_be_right_is_set_aside_and_the_rest_is_stored(kind: str) -> None:
    struck = evening(kind, ["holdings", "orders"])
    for section in ("holdings", "orders"):
        one = struck[section]
        assert [each.kind for each in one.told(section)] == ["set_aside"]
        assert (one.result.status, one.state(section)) == ("PARTIAL", "accepted")
        fetched = one.result.made.section(section)
        assert (len(fetched.set_aside), len(fetched.entries) > 0) == (1, True)
    assert RealHolding.objects.filter(broker_account=struck["holdings"].account).count() == 4
    one = struck["orders"]
    written = OrderVersion.objects.filter(batch_id=one.result.capture.batch_id).count()
    assert (written, struck[SOUND].result.status) == (one.orders - 1, "COMPLETED")


def test_a_number_that_is_none_costs_its_row_alone_in_every_section() -> None:
    struck = evening("nan")
    assert struck.pop(SOUND).result.status == "COMPLETED"
    for section, one in struck.items():
        told = [each for each in one.told(section) if each.kind != "fills_missing"]
        assert {(each.kind, each.message.rpartition(": ")[2]) for each in told} == {("set_aside", "not a number")}
        assert {each.section for each in one.result.capture.problems} == {section}
        assert (one.result.status, one.state(section)) == ("PARTIAL", "accepted")
        assert len(rows_of(section, one.account)) >= len(one.before)
    (of_funds,) = struck["funds"].told("funds")
    assert of_funds.message == "not a number"
    recomputed.check_all_pages()


def test_an_order_filled_above_its_quantity_is_set_aside() -> None:
    one = evening("filled_above_quantity", ["orders"])["orders"]
    (problem,) = one.told("orders")
    assert "ordered" in problem.message
    assert OrderVersion.objects.filter(batch_id=one.result.capture.batch_id).count() == one.orders - 1


@pytest.mark.parametrize(
    "kind", ["shuffled_rows", "duplicate_rows", "unknown_field", "duplicate_keys", "repeated_page"]
)
def test_what_is_only_odd_changes_nothing(kind: str) -> None:
    struck = evening(kind, ["holdings", "positions", "orders"])
    for one in struck.values():
        assert (one.result.status, one.result.capture.problems) == ("COMPLETED", [])
        ours = RealHolding.objects.filter(broker_account=one.account).values_list("isin", "owned_quantity")
        assert dict(ours) == one.owned
        assert OrderVersion.objects.filter(batch_id=one.result.capture.batch_id).count() == one.orders


def test_an_unknown_word_for_a_status_is_kept_as_it_is() -> None:
    one = evening("unknown_enum", ["orders"])["orders"]
    odd = OrderVersion.objects.get(broker_account=one.account, status_raw="TELEPORTED")
    assert (odd.order_status, one.result.status) == ("UNKNOWN", "COMPLETED")
    told = json.loads(one.account.events.get(kind="orders.unknown_status").payload)
    assert told == {"account": str(one.account.pk), "words": ["TELEPORTED"]}
    assert "orders in a state that is not known: TELEPORTED" in odd.batch.metadata


@pytest.mark.parametrize("kind", ["empty_list", "null_list", "missing_list", "zero_quantities"])
def test_an_empty_holdings_answer_is_suspect_and_kept(kind: str) -> None:
    struck = evening(kind, ["holdings"])
    one = struck["holdings"]
    assert RealHolding.objects.filter(broker_account=one.account).count() == 4
    assert [(each.section, each.kind) for each in one.result.capture.problems] == [("holdings", "suspect")]
    assert (one.result.status, struck[SOUND].result.status) == ("PARTIAL", "COMPLETED")
    assert_kept("holdings", kind, one)


def test_another_clients_data_is_refused_whole() -> None:
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        simulator.fault("other_client", "/user/detail")
        (result,) = build.synced(account)
    assert [(each.section, each.kind) for each in result.capture.problems] == [("account", "wrong_account")]
    assert (result.status, RealHolding.objects.count(), OrderVersion.objects.count()) == ("FAILED", 0, 0)
    assert "security.wrong_account" in set(account.events.values_list("kind", flat=True))


def test_an_address_at_which_groww_finds_nothing_at_all_is_no_empty_book() -> None:
    """A wrong path of the right host: each answer is the very one that an empty book of positions or orders gives."""
    person = random_investor(Market(), "1000000001", 1, holdings=4, positions=2, orders=6)
    with build.groww(person) as simulator:
        account = build.a_groww_account(simulator, person.ucc)
        build.synced(account)
        before = {section: rows_of(section, account) for section in TABLES}
        simulator.move_to("2026-10-06 16:05")
        for path in ("/user/detail", *SECTIONS.values()):
            simulator.fault("404", path)
        (result,) = build.synced(account)
    (problem,) = result.capture.problems
    assert (result.status, problem.section, problem.kind) == ("FAILED", "account", "unexpected_reply")
    assert "is GROWW_API_URL right?" in problem.message
    assert {section: rows_of(section, account) for section in TABLES} == before
    assert RawReply.objects.filter(batch__pk=result.capture.batch_id).count() == 1  # one body, to both requests


def test_wrong_credentials_say_to_log_in_and_are_not_tried_again_and_again() -> None:
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        simulator.fault("401", "/token/api/access")
        (result,) = build.synced(account)
        tries = [served for served in simulator.requests if served.path == "/token/api/access"]
    assert [(each.section, each.kind) for each in result.capture.problems] == [("account", "login_required")]
    assert (result.status, BrokerAccount.objects.get(pk=account.pk).state) == ("FAILED", "needs_login")
    assert len(tries) <= 2  # a code counts once: the next one is tried as well
    assert [event.kind for event in account.events.order_by("number")] == [
        "account.connected", "sync.failed", "account.login_required",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/token/api/access", "/user/detail"])
def test_of_what_cannot_be_read_it_says_that_it_is_kept_where_it_is(path: str) -> None:
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        simulator.fault("truncated", path)
        (result,) = build.synced(account)
    (problem,) = result.capture.problems
    is_kept = RawReply.objects.filter(broker_account=account).exists()
    assert (result.status, problem.kind, is_kept) == ("FAILED", "unexpected_reply", path == "/user/detail")
    assert problem.next == ("the answer is kept; " if is_kept else "") + "report it, and try again later"


def test_a_token_pasted_yesterday_has_its_own_end_and_asks_for_a_new_one() -> None:
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        pasted = {"access_token": simulator.credentials(ucc)["access_token"]}
        account = accounts.connect(
            portfolio=build.a_portfolio(), broker="GROWW", account_id=ucc, login_method="token", credentials=pasted
        )
        (monday,) = build.synced(account)
        simulator.move_to("2026-10-06 16:05")
        asked = len(simulator.requests)
        (tuesday,) = build.synced(account)
        asked_again = [served.path for served in simulator.requests[asked:]]
    account.refresh_from_db()
    assert (monday.status, tuesday.status, asked_again) == ("COMPLETED", "FAILED", ["/instruments/instrument.csv"])
    assert [problem.kind for problem in tuesday.capture.problems] == ["login_required"]
    assert account.state_reason.startswith("The pasted token ended on 06 Oct at 06:00. New tokens are made at groww.in")
    assert account.token_expires_at == datetime(2026, 10, 6, 0, 30, tzinfo=UTC)
