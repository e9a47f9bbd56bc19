"""One account's trouble is its own: others in the same run, and in the same group, are written whole."""

import asyncio
import threading
import time
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections

from ledger import entries
from ledger.entries import Price
from portfolio.models import AccountKey, AccountMemory, BrokerAccount, BrokerAccountCredential, BrokerType, SyncBatch
from portfolio.models import Price as StoredPrice
from portfolio.sync import fetch, master
from portfolio.sync.capture import DAILY, SECTIONS
from portfolio.triggers.base import Answer, BaseTrigger, BrokerUnavailable, LoginRequired, Reply
from portfolio.triggers.registry import REGISTRY
from tests import build
from tests.sync import recomputed
from tests.sync.scripted import Broker
from tests.sync.test_writers import claimed, let_the_lease_run_out

pytestmark = pytest.mark.database


def synced_with_a_sound_one(broker: Broker, account: BrokerAccount) -> Any:
    """The result of `account`, after checking that another one of the same run came through whole."""
    sound = build.an_account("SCRIPTED", "SOUND")
    broker.others["SOUND"] = {"holdings": [build.a_holding()]}
    result, other = build.synced(account, sound)
    assert (other.status, sound.holdings.get().symbol) == ("COMPLETED", "TCS")
    recomputed.check_all_pages()
    return result


def only_problem(result: Any) -> tuple[str, str, str]:
    (problem,) = result.capture.problems
    assert problem.next
    assert "Traceback" not in problem.message
    return problem.section, problem.kind, problem.message


NONSENSE: list[tuple[Any, str]] = [
    ("many shares", "fetch_holdings() gave str where a list is wanted"),
    (None, "fetch_holdings() gave NoneType where a list is wanted"),
    (42, "fetch_holdings() gave int where a list is wanted"),
    ({"symbol": "TCS"}, "fetch_holdings() gave dict where a list is wanted"),
    ([1, 2, 3], "fetch_holdings() gave rows of int; dicts or ledger.entries.Holding are wanted"),
    (
        [{"symbol": "TCS", "quantity": 1}, "TCS"],
        "fetch_holdings() gave rows of dict, str; dicts or ledger.entries.Holding are wanted",
    ),
    ([build.an_order()], "fetch_holdings() gave rows of Order; dicts or ledger.entries.Holding are wanted"),
    (build.a_holding(), "fetch_holdings() gave Holding where a list is wanted"),
]


@pytest.mark.parametrize(("answer", "message"), NONSENSE)
def test_a_trigger_that_returns_nonsense_is_told_what_is_wanted(broker: Broker, answer: Any, message: str) -> None:
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": answer}
    result = synced_with_a_sound_one(broker, account)
    assert only_problem(result) == ("holdings", "unexpected_reply", message)
    assert result.status == "PARTIAL"


def test_a_plain_dict_tells_units_cost_and_price_by_any_of_their_names_and_what_it_lacks_is_unknown(
    broker: Broker,
) -> None:
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": [
        {"symbol": "ITC", "quantity": 10},
        {"symbol": "INFY", "quantity": 3, "avg_price": 1400.5, "last_price": "1500.05", "exchange": "BSE"},
        {"symbol": "TCS", "quantity": "2.5", "average_price": Decimal(2900), "current_price": 3000},
    ]}  # fmt: skip
    synced_with_a_sound_one(broker, account)
    kept = account.holdings.order_by("symbol").values_list(
        "symbol", "exchange", "owned_quantity", "average_price", "current_price"
    )
    assert list(kept) == [
        ("INFY", "BSE", 3, Decimal("1400.5"), Decimal("1500.05")),
        ("ITC", "NSE", 10, None, None),
        ("TCS", "NSE", Decimal("2.5"), 2900, 3000),
    ]


class Wordless(Exception):
    """Whose own text cannot be made."""

    def __str__(self) -> str:
        raise ValueError("no text")


class WordlessOutage(Wordless, BrokerUnavailable):
    """One that says what to do next."""


class WordlessEnd(SystemExit):
    """Whose text ends the run as well."""

    def __str__(self) -> str:
        raise SystemExit("no text")


@pytest.mark.parametrize("section", ["holdings", "positions", "orders", "trades", "funds", "prices"])
def test_a_section_whose_trigger_raises_fails_alone(broker: Broker, section: str) -> None:
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": [build.a_holding()], section: KeyError("data")}
    result = synced_with_a_sound_one(broker, account)
    problems = [problem for problem in result.capture.problems if problem.kind != "not_asked"]
    assert [(each.section, each.kind, each.message) for each in problems] == [
        (section, "trigger_failed", "KeyError: 'data'")
    ]
    assert result.status == "PARTIAL"
    assert account.holdings.count() == (section != "holdings")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (TimeoutError(), "timed_out", "no answer within 180 s"),
        (TimeoutError("the desk did not answer"), "timed_out", "the desk did not answer"),
        (BrokerUnavailable(), "broker_unavailable", "BrokerUnavailable"),
        (RuntimeError(), "trigger_failed", "RuntimeError: RuntimeError"),
        (StopIteration(), "trigger_failed", "RuntimeError: StopIteration"),
        (SystemExit("no licence"), "trigger_failed", "RuntimeError: SystemExit no licence"),
        (asyncio.CancelledError(), "trigger_failed", "RuntimeError: CancelledError"),
        (Wordless(), "trigger_failed", "Wordless: Wordless"),
        (WordlessEnd(), "trigger_failed", "RuntimeError: WordlessEnd"),
        (WordlessOutage(), "broker_unavailable", "WordlessOutage"),
    ],
)
def test_an_error_says_its_own_text_and_without_one_what_it_is(
    broker: Broker, error: BaseException, kind: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SECTION_SECONDS", 180 if isinstance(error, TimeoutError) else 5)
    broker.others["S1"] = {"funds": error}
    result = synced_with_a_sound_one(broker, build.an_account("SCRIPTED"))
    assert only_problem(result) == ("funds", kind, message)


def test_an_answer_whose_reading_raises_fails_its_section_alone(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    reply = Reply("GET /holdings", 200, b"odd", build.MORNING)

    def misread(replies: Any) -> Any:
        raise IndexError("row 7")

    broker.others["S1"] = {"holdings": Answer([reply], misread), "orders": Answer([reply], misread)}
    result = synced_with_a_sound_one(broker, account)
    assert {(problem.section, problem.kind) for problem in result.capture.problems} == {
        ("holdings", "trigger_failed"),
        ("orders", "trigger_failed"),
    }


def test_replies_that_a_trigger_got_by_itself_are_kept_as_well(broker: Broker) -> None:
    from portfolio.models import RawReply
    from portfolio.sync.evidence import read_body

    account = build.an_account("SCRIPTED")
    reply = Reply("GET /mine", 200, b'{"my": "own way"}', build.MORNING)
    broker.says = {"holdings": Answer([reply], lambda replies: ([build.a_holding()], []))}
    (result,) = build.synced(account)
    assert result.status == "COMPLETED"
    assert [(row.request, read_body(row)) for row in RawReply.objects.all()] == [("GET /mine", reply.body)]


async def _raises(self: BaseTrigger) -> Any:
    raise RuntimeError("lost")


async def _login(self: BaseTrigger) -> Any:
    raise LoginRequired("log in first")


async def _exits(self: BaseTrigger) -> Any:
    raise SystemExit("no licence")


@pytest.mark.parametrize(
    ("method", "kind"), [(_raises, "trigger_failed"), (_login, "login_required"), (_exits, "trigger_failed")]
)
def test_an_async_trigger_that_raises_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, broker: Broker, method: Any, kind: str
) -> None:
    trigger = type("Async", (BaseTrigger,), {"fetch_holdings": method, "code": "ASYNC"})
    monkeypatch.setitem(REGISTRY, "ASYNC", trigger)
    result = synced_with_a_sound_one(broker, build.an_account("ASYNC"))
    assert only_problem(result)[1] == kind
    assert result.status == "FAILED"


def _cannot_begin(self: BaseTrigger, *given: Any) -> None:
    raise KeyError(self.code)


def _exits_at_once(self: BaseTrigger, *given: Any) -> None:
    raise SystemExit(3)


def _asks_for_a_login(self: BaseTrigger, *given: Any) -> None:
    raise LoginRequired("log in first")


@pytest.mark.parametrize(
    ("begin", "message", "next_step"),
    [
        (_cannot_begin, "KeyError: 'UNMADE'", "a fault of the trigger; report it with this message"),
        (_exits_at_once, "RuntimeError: SystemExit 3", "a fault of the trigger; report it with this message"),
        (_asks_for_a_login, "log in first", "log in at the broker, then run the sync again"),
        (None, "", "a fault of the trigger; report it with this message"),
    ],
    ids=["raises", "exits", "wants a login", "has no fetch_holdings"],
)
def test_a_trigger_that_cannot_be_made_is_told_as_one_that_fails_when_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    broker: Broker,
    begin: Any,
    message: str,
    next_step: str,
) -> None:
    methods = {"__init__": begin, "fetch_holdings": _raises} if begin else {"fetch_funds": _raises}
    trigger: Any = type("Unmade", (BaseTrigger,), {"code": "UNMADE", **methods})
    monkeypatch.setitem(REGISTRY, "UNMADE", trigger)
    if not begin:
        with pytest.raises(TypeError, match="fetch_holdings") as lacking:
            trigger(None)
        message = f"TypeError: {lacking.value}"  # Python's words, which differ by version
    result = synced_with_a_sound_one(broker, build.an_account("UNMADE"))
    (problem,) = result.capture.problems
    assert (problem.section, problem.message, problem.next) == ("account", message, next_step)
    assert (result.status, caplog.text) == ("FAILED", "")


def test_a_plain_trigger_that_takes_long_to_be_made_holds_up_nobody_else(
    monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    others_were_asked = threading.Event()
    waited_well: list[bool] = []

    def logs_in(self: BaseTrigger, *given: Any) -> None:
        waited_well.append(others_were_asked.wait(10))

    def holdings() -> list[Any]:
        others_were_asked.set()
        return [build.a_holding()]

    broker.says["holdings"] = holdings
    slow, sound = _odd(monkeypatch, __init__=logs_in), build.an_account("SCRIPTED")
    results = build.synced(slow, sound)
    assert ([result.status for result in results], waited_well) == (["COMPLETED", "COMPLETED"], [True])


def test_a_plain_trigger_that_is_never_made_has_its_time_and_no_more(
    monkeypatch: pytest.MonkeyPatch, broker: Broker
) -> None:
    monkeypatch.setattr(fetch, "SECTION_SECONDS", 0.05)
    the_end = threading.Event()

    def hangs(self: BaseTrigger, *given: Any) -> None:
        the_end.wait(10)

    result = synced_with_a_sound_one(broker, _odd(monkeypatch, __init__=hangs))
    the_end.set()
    assert only_problem(result) == ("account", "timed_out", "no answer within 0.05 s")


def _odd(monkeypatch: pytest.MonkeyPatch, **methods: Any) -> BrokerAccount:
    """An account at a broker whose trigger has these methods of its own."""
    trigger = type("Odd", (BaseTrigger,), {"code": "ODD", "fetch_holdings": lambda _: [build.a_holding()], **methods})
    monkeypatch.setitem(REGISTRY, "ODD", trigger)
    return build.an_account("ODD")


def test_a_trigger_that_cannot_say_what_reads_its_replies_fails_its_accounts_alone(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def parser(*_: Any) -> str:
        raise KeyError("version")

    result = synced_with_a_sound_one(broker, _odd(monkeypatch, parser=parser))
    (problem,) = result.capture.problems
    assert (problem.section, problem.kind, problem.message, problem.next) == (
        "account", "trigger_failed", "parser() of the trigger of ODD raised KeyError: 'version'",
        "a fault of the trigger; report it with this message",
    )  # fmt: skip
    assert (result.status, caplog.text) == ("FAILED", "")


def test_a_section_of_which_a_trigger_cannot_say_whether_it_has_it_fails_alone(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def offers(_: Any, section: str) -> bool:
        if section == "orders":
            raise RuntimeError("lost")
        return section == "holdings"

    account = _odd(monkeypatch, offers=classmethod(offers))
    result = synced_with_a_sound_one(broker, account)
    assert only_problem(result) == (
        "orders", "trigger_failed", "offers() of the trigger of ODD raised RuntimeError: lost",
    )  # fmt: skip
    assert (result.status, account.holdings.get().symbol, caplog.text) == ("PARTIAL", "TCS", "")


class Panic(BaseException):
    """What a library in another language raises, past all that expects an Exception."""


def _ends(error: BaseException) -> Any:
    def ends(*_: Any) -> Any:
        raise error

    return ends


def _ends_async(error: BaseException) -> Any:
    async def ends(*_: Any) -> Any:
        raise error

    return ends


def _ends_reading(error: BaseException) -> Any:
    reply = Reply("GET /holdings", 200, b"odd", build.MORNING)
    return lambda _: Answer([reply], _ends(error))


@pytest.mark.parametrize("error", [Panic("at line 7"), SystemExit("at line 7"), asyncio.CancelledError("at line 7")])
@pytest.mark.parametrize(
    ("method", "ends", "section"),
    [
        ("__init__", _ends, "account"), ("parser", _ends, "account"), ("offers", _ends, None),
        ("identify", _ends_async, "account"), ("fetch_holdings", _ends, "holdings"),
        ("fetch_holdings", _ends_async, "holdings"), ("fetch_holdings", _ends_reading, "holdings"),
    ],
    ids=["constructor", "parser", "offers", "identity", "plain", "async", "reading"],
)  # fmt: skip
def test_whatever_a_trigger_raises_ends_neither_the_run_nor_other_accounts(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, error: BaseException, method: str, ends: Any, section: str | None
) -> None:
    monkeypatch.setattr(fetch, "SECTION_SECONDS", 5)
    result = synced_with_a_sound_one(broker, _odd(monkeypatch, **{method: ends(error)}))
    said = {problem.section: (problem.kind, problem.message) for problem in result.capture.problems}
    sections = [section] if section else [*SECTIONS[DAILY]]
    assert (result.status, list(said)) == ("FAILED", sections)
    assert {kind for kind, _ in said.values()} == {"trigger_failed"}
    assert {message.endswith(f"{type(error).__name__} at line 7") for _, message in said.values()} == {True}


def test_a_trigger_of_which_nobody_can_say_whether_it_has_an_instrument_file_stops_no_sync(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def offers(*_: Any) -> bool:
        raise RuntimeError("lost")

    _odd(monkeypatch, offers=classmethod(offers))
    master.refresh(BrokerAccount.objects.all())
    assert "offers() of the trigger of ODD raised RuntimeError: lost\n" in caplog.text


def test_a_trigger_that_hangs_is_left_behind(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECTION_SECONDS", 0.3)
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": lambda: time.sleep(20), "positions": lambda: time.sleep(20)}
    began = time.monotonic()
    result = synced_with_a_sound_one(broker, account)
    assert time.monotonic() - began < 5
    assert sorted((problem.section, problem.kind, problem.message) for problem in result.capture.problems) == [
        ("holdings", "timed_out", "no answer within 0.3 s"),
        ("positions", "timed_out", "no answer within 0.3 s"),
    ]


def test_a_trigger_that_asks_the_database_leaves_no_session_there(broker: Broker) -> None:
    """Each of its methods has a thread of its own, which would have left one."""
    opened = []

    def holdings() -> list[Any]:
        opened.append((connections["default"], BrokerType.objects.count()))
        return [build.a_holding()]

    broker.says = {"holdings": holdings}
    (result,) = build.synced(build.an_account("SCRIPTED"))
    assert (result.status, [wrapper.connection for wrapper, _ in opened]) == ("COMPLETED", [None])


def test_hanging_triggers_of_many_accounts_do_not_hold_up_the_sound_one(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than any pool of threads has."""
    monkeypatch.setattr(fetch, "SECTION_SECONDS", 1)
    stuck = [build.an_account("SCRIPTED", f"STUCK{number}") for number in range(12)]
    sound = build.an_account("SCRIPTED", "SOUND")
    broker.says = {"holdings": lambda: time.sleep(20)}
    broker.others["SOUND"] = {"holdings": [build.a_holding()]}
    results = build.synced(*stuck, sound)
    assert [result.status for result in results] == ["FAILED"] * 12 + ["COMPLETED"]


def test_an_unknown_broker_is_named(broker: Broker) -> None:
    BrokerType.objects.create(code="NOWHERE", name="Nowhere")
    result = synced_with_a_sound_one(broker, build.an_account("NOWHERE"))
    assert only_problem(result) == ("account", "unknown_broker", "no trigger is registered for NOWHERE")
    assert result.status == "FAILED"


def test_an_account_without_credentials_is_told_how_to_enter_them(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    BrokerAccountCredential.objects.all().delete()
    result = synced_with_a_sound_one(broker, account)
    assert only_problem(result) == ("account", "no_credentials", "the account has no credentials")
    assert result.capture.problems[0].next == "enter them: manage.py connect scripted"


def test_credentials_that_cannot_be_opened_ask_nothing_of_the_broker(broker: Broker) -> None:
    account, other = build.an_account("SCRIPTED"), build.an_account("SCRIPTED", "OTHER")
    sealed = BrokerAccountCredential.objects.get(account=other).sealed
    BrokerAccountCredential.objects.filter(account=account).update(sealed=sealed)
    result = synced_with_a_sound_one(broker, account)
    assert only_problem(result)[1] == "credential_error"
    assert {client for client, _ in broker.asked} == {"SOUND"}


@pytest.mark.parametrize("is_kept", [True, False], ids=["empty", "without a row"])
def test_an_account_whose_evidence_key_is_gone_asks_nothing_and_stops_nobody(broker: Broker, is_kept: bool) -> None:
    account = build.an_account("SCRIPTED")
    keys = AccountKey.objects.filter(account=account)
    keys.update(wrapped=b"") if is_kept else keys.delete()
    result = synced_with_a_sound_one(broker, account)
    assert only_problem(result)[:2] == ("account", "credential_error")
    assert result.status == "FAILED"
    assert {client for client, _ in broker.asked} == {"SOUND"}


def test_a_wrong_address_of_the_broker_is_a_broker_that_is_not_there(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROWW_API_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("GROWW_INSTRUMENTS_URL", "http://127.0.0.1:9/instrument.csv")
    monkeypatch.setattr("portfolio.triggers.client.FIRST_PAUSE", 0.01)
    result = synced_with_a_sound_one(broker, build.an_account("GROWW", "1000000001"))
    assert only_problem(result) == (
        "account",
        "broker_unavailable",
        "GET /user/detail: no connection to 127.0.0.1. GROWW_API_URL is set: is it right?",
    )
    assert result.capture.problems[0].next == "correct the setting if it is wrong; else it is tried again later"


def test_a_wrong_path_at_which_one_cannot_log_in_is_told_with_the_setting_to_correct() -> None:
    with build.groww() as simulator, pytest.MonkeyPatch.context() as patch:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        patch.setenv("GROWW_API_URL", f"{simulator.url}/v2")
        (result,) = build.synced(account)
    assert only_problem(result) == (
        "account",
        "wrong_address",
        "Groww finds nothing where one logs in: Requested entity does not exist. GROWW_API_URL is set: is it right?",
    )
    assert result.capture.problems[0].next == "correct the setting, then run the sync again"
    account.refresh_from_db()
    assert (result.status, account.state) == ("FAILED", "failing")


def test_a_broker_that_fails_once_it_has_answered_is_not_looked_for_elsewhere() -> None:
    with build.groww() as simulator:
        (ucc,) = simulator.investors
        account = build.a_groww_account(simulator, ucc)
        simulator.fault("500", "/holdings/user")
        (result,) = build.synced(account)
    assert "GROWW_API_URL" not in only_problem(result)[2]
    assert result.capture.problems[0].next == "nothing to do: it is tried again later"


def test_an_address_that_is_none_is_told_with_the_setting_to_correct(
    broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GROWW_API_URL", "groww.in")
    monkeypatch.setenv("GROWW_INSTRUMENTS_URL", "http://127.0.0.1:9/instrument.csv")
    monkeypatch.setattr("portfolio.triggers.client.FIRST_PAUSE", 0.01)
    result = synced_with_a_sound_one(broker, build.an_account("GROWW", "1000000001"))
    assert only_problem(result)[:2] == ("account", "wrong_address")
    assert only_problem(result)[2].startswith("the broker's address is not one: correct GROWW_API_URL. ")
    assert "Traceback" not in caplog.text


def told(section: str, *rows: Any) -> Answer:
    """These rows, as a trigger of its own makes them: nobody has looked at them yet."""
    return Answer([Reply(f"GET /{section}", 200, section.encode(), build.MORNING)], lambda replies: (rows, []))


HALF = "\ud800"  # half of a pair: no database takes it
NO_NUMBER: Any = None
POISON = {
    "read, as it is no fill": ("trades", [17]),
    "read, by an odd order id": ("orders", [build.an_order()._replace(order_id=HALF)]),
    "named, as it is no holding": ("holdings", [17]),
    "named by a text that cannot be kept": ("holdings", [build.a_holding()._replace(symbol=HALF)]),
    "named by a text that is too long": ("holdings", [build.a_holding()._replace(symbol="S" * 65)]),
    "decided, as it is no quantity": ("positions", [entries.Position(*build.a_position()[:5], NO_NUMBER)]),
    "sent, as it has no digits": ("holdings", [build.a_holding()._replace(quantity=Decimal("NaN"))]),
    "kept, as it is too large": ("holdings", [build.a_holding()._replace(quantity=Decimal(10) ** 30)]),
}


@pytest.mark.parametrize(("section", "rows"), POISON.values(), ids=[f"cannot be {reason}" for reason in POISON])
def test_a_row_that_nothing_can_be_done_with_fails_its_account_alone(
    broker: Broker, section: str, rows: list[Any]
) -> None:
    account = build.an_account("SCRIPTED")
    orders = [build.an_order(filled=10)] if section == "trades" else []
    broker.others["S1"] = {"orders": orders, section: told(section, *rows)}
    result = synced_with_a_sound_one(broker, account)
    assert (result.status, only_problem(result)[:2]) == ("FAILED", ("account", "internal_error"))
    assert (account.holdings.count(), account.positions.count(), account.transactions.count()) == (0, 0, 0)
    assert SyncBatch.objects.filter(status="STARTED").count() == 0


@pytest.mark.parametrize("parse", [lambda replies: 17, lambda replies: (None, []), lambda replies: ([], ["odd"])])
def test_an_answer_that_is_read_as_nothing_known_fails_its_section_alone(broker: Broker, parse: Any) -> None:
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"orders": Answer([Reply("GET /orders", 200, b"odd", build.MORNING)], parse)}
    result = synced_with_a_sound_one(broker, account)
    assert {(problem.section, problem.kind) for problem in result.capture.problems} == {("orders", "trigger_failed")}
    assert result.status == "PARTIAL"


def a_broken_book(broker: Broker) -> BrokerAccount:
    """Its holding has a day that is none: something wrote behind our back. PostgreSQL takes no such day."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite takes it")
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": [build.a_holding()]}
    build.synced(account)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE real_holdings SET price_day = '2026-13-45'")
    return account


def test_a_book_that_cannot_be_read_fails_its_account_alone(broker: Broker) -> None:
    account = a_broken_book(broker)
    broker.others["S1"] = {"holdings": [build.a_holding(quantity=11)]}
    result = synced_with_a_sound_one(broker, account)
    assert (result.status, only_problem(result)[1]) == ("FAILED", "internal_error")


def test_a_run_that_died_is_closed_though_the_book_cannot_be_read(broker: Broker) -> None:
    account = a_broken_book(broker)
    claimed(account)
    let_the_lease_run_out(account)
    broker.others["S1"] = {"holdings": [build.a_holding(quantity=11)]}
    synced_with_a_sound_one(broker, account)
    statuses = SyncBatch.objects.filter(broker_account=account).order_by("started_at", "pk")
    assert [batch.status for batch in statuses] == ["COMPLETED", "FAILED", "FAILED"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counts": 7}'])
def test_a_head_that_remembers_nonsense_compares_with_the_book_instead(broker: Broker, text: str) -> None:
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": [build.a_holding()]}
    build.synced(account)
    AccountMemory.objects.filter(head__account=account).update(content=text)
    assert synced_with_a_sound_one(broker, account).status == "COMPLETED"
    assert account.holding_versions.count() == 1


def test_a_memory_that_is_lost_is_written_anew(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    broker.others["S1"] = {"holdings": [build.a_holding()]}
    build.synced(account)
    AccountMemory.objects.filter(head__account=account).delete()
    assert synced_with_a_sound_one(broker, account).status == "COMPLETED"
    assert AccountMemory.objects.filter(head__account=account).count() == 1
    assert account.holding_versions.count() == 1


def test_prices_that_cannot_be_kept_are_left_out_and_their_account_is_recorded(broker: Broker) -> None:
    """A price beyond all bounds, of what was only ordered: no row of the account itself has it."""
    account = build.an_account("SCRIPTED")
    broker.prices = {"TCS": Decimal(3000), "INFY": Decimal(1500)}
    impossible = told(
        "prices", Price("INFY", "NSE", "CASH", Decimal(1500)), Price("ITC", "NSE", "CASH", Decimal(10) ** 30)
    )
    broker.others["S1"] = {
        "holdings": [build.a_holding("INFY")], "orders": [build.an_order(symbol="ITC")], "prices": impossible,
    }  # fmt: skip
    result = synced_with_a_sound_one(broker, account)
    section, kind, message = only_problem(result)
    assert (result.status, section, kind) == ("PARTIAL", "prices", "not_shared")
    assert message.startswith("the prices could not be kept for the day: ")
    assert (account.holdings.get().current_price, account.snapshots.get().total_holdings_value) == (1500, 15000)
    assert list(StoredPrice.objects.values_list("symbol", flat=True)) == ["TCS"]
    broker.others["S1"]["prices"] = []
    result = synced_with_a_sound_one(broker, account)
    assert result.status == "COMPLETED"
    assert set(StoredPrice.objects.values_list("symbol", flat=True)) == {"TCS", "INFY"}


def test_one_account_that_the_database_refuses_is_failed_and_its_group_is_written(broker: Broker) -> None:
    account = build.an_account("SCRIPTED")
    long = build.a_holding()._replace(doubt="x" * 65, symbol="S" * 65)
    reply = Reply("GET /holdings", 200, b"too long", build.MORNING)
    broker.others["S1"] = {"holdings": Answer([reply], lambda replies: ([long], []))}
    result = synced_with_a_sound_one(broker, account)
    assert (result.status, only_problem(result)[1]) == ("FAILED", "internal_error")
    assert account.holdings.count() == 0
    assert SyncBatch.objects.filter(status="STARTED").count() == 0


AT_ONCE = 8  # accounts that answer at the same moment, so that the database is asked for some of them at once


def synced_with_many(broker: Broker, reply: Reply, odd: entries.Order) -> list[str]:
    """How an account ended that answers so, then the sound ones that answered at the same moment."""
    everybody = threading.Barrier(AT_ONCE + 1)

    def orders(reply: Reply, order: entries.Order) -> Answer:
        everybody.wait(30)
        return Answer([reply], lambda replies: ([order], []))

    broker.says = {"holdings": [], "trails": [], "trades": []}
    broker.says["orders"] = lambda: orders(Reply("GET /orders", 200, b"sound", build.MORNING), build.an_order())
    broker.others["ODD"] = {"orders": lambda: orders(reply, odd)}
    portfolio = build.a_portfolio()
    names = ["ODD", *(f"C{number}" for number in range(AT_ONCE))]
    return [
        result.status for result in build.synced(*(build.an_account("SCRIPTED", name, portfolio) for name in names))
    ]


def a_reply(**values: Any) -> Reply:
    return Reply("GET /orders", 200, b"odd", build.MORNING)._replace(**values)


ODD_ORDERS: list[dict[str, Any]] = [
    {"order_id": ["A"]}, {"order_id": "A\x00"}, {"order_id": "A\ud800"}, {"filled_quantity": Decimal("sNaN")}
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_ORDERS)
def test_an_order_that_the_book_cannot_be_asked_for_fails_no_other_account(broker: Broker, odd: dict[str, Any]) -> None:
    _, *others = synced_with_many(broker, a_reply(), build.an_order()._replace(**odd))
    assert others == ["COMPLETED"] * AT_ONCE


@pytest.mark.parametrize("odd", [{"fetched_at": None}, {"status": 10**30}, {"request": "GET /\x00"}])
def test_a_reply_that_cannot_be_kept_fails_no_other_account(broker: Broker, odd: dict[str, Any]) -> None:
    _, *others = synced_with_many(broker, a_reply(**odd), build.an_order())
    assert others == ["COMPLETED"] * AT_ONCE
