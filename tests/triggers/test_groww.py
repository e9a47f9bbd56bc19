"""What the Groww trigger asks, page after page, and how it logs in, against a tiny broker told what to answer."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from ledger.entries import CASH, FNO, Listing, Order, Position, Price, SetAside, Trade
from ledger.normalise import IST
from portfolio.triggers import groww_fills, groww_replies
from portfolio.triggers.base import (
    Answer,
    BrokerUnavailable,
    LoginRequired,
    NotPermitted,
    RateLimited,
    TriggerError,
    UnexpectedReply,
)
from portfolio.triggers.groww import GrowwTrigger
from portfolio.triggers.groww_instruments import parse_instruments
from portfolio.triggers.login import totp

from .broker import NOW, Kept, Tokens, a_broker, a_reply, a_transport, an_account

SECRET = "GEZDGNBVGY3TQOJQ"
TOTP = {"totp_token": "totp-key", "totp_secret": SECRET}
APPROVAL = {"api_key": "the-key", "api_secret": "the-secret"}
PASTED = {"access_token": "pasted"}

Maker = Callable[[web.Request], Any]


def success(**payload: Any) -> dict[str, Any]:
    return {"status": "SUCCESS", "payload": payload}


def failed(status: int, code: str, message: str, name: str = "message") -> web.Response:
    error = {"code": code, name: message, "metadata": None}
    return web.json_response({"status": "FAILURE", "error": error}, status=status)


def grant(token: str = "fresh", **fields: Any) -> dict[str, Any]:
    return {
        "token": token,
        "tokenRefId": "r",
        "sessionName": "s",
        "expiry": "2026-10-06T06:00:00",
        "isActive": True,
    } | fields


@dataclass
class Groww:
    """A broker that takes one token and answers each path with what it is told; remembers logins and requests."""

    answers: dict[str, Any] = field(default_factory=dict)
    good_token: str = "fresh"
    grants: list[Any] = field(default_factory=lambda: [grant()])
    logins: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path == "/token/api/access":
            self.logins.append((bearer, await request.json()))
            return sent(self.grants.pop(0) if len(self.grants) > 1 else self.grants[0])
        assert request.headers["X-API-VERSION"] == "1.0"
        if bearer != self.good_token:
            return failed(401, "GA005", "Token expired or invalid")
        self.asked.append(request.raw_path)
        answer = self.answers[request.path]
        return sent(answer(request) if callable(answer) else answer)


def sent(answer: Any) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    return web.Response(text=answer if isinstance(answer, str) else json.dumps(answer), content_type="application/json")


USER = success(vendor_user_id="x", ucc="1234567890", active_segments=["CASH", "FNO"])


def run(groww: Groww, ask: Callable[[GrowwTrigger], Awaitable[Any]], **options: Any) -> Any:
    """What `ask` gives of a trigger that is logged in, unless told otherwise."""
    tokens = options.get("tokens", Tokens("fresh"))
    groww.answers.setdefault("/user/detail", USER)

    async def go() -> Any:
        async with a_broker(groww) as broker, a_transport() as transport:
            kept = options.get("kept", Kept())
            client = transport.client(GrowwTrigger, broker.url, "one", kept)
            account = an_account(entered_at=options.get("entered_at", NOW), **options.get("credentials", TOTP))
            return await ask(GrowwTrigger(account, client, tokens))

    return asyncio.run(go())


def rows(answer: Answer) -> tuple[Sequence[Any], Sequence[SetAside]]:
    return answer.rows


# Login


def test_totp_logs_in_with_the_code_of_now_and_keeps_the_token_until_six() -> None:
    groww, tokens, kept = Groww(), Tokens(), Kept()
    assert run(groww, lambda trigger: trigger.identify(), tokens=tokens, kept=kept) == "1234567890"
    assert groww.logins == [("totp-key", {"key_type": "totp", "totp": totp(SECRET, NOW)})]
    assert tokens.puts == [("fresh", datetime(2026, 10, 6, 0, 30, tzinfo=UTC))]
    assert kept.seen == [("GET /user/detail", 200)]


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_code_is_followed_by_that_of_the_next_half_minute(status: int) -> None:
    groww = Groww(grants=[failed(status, "GA001", "TOTP has been used", "displayMessage"), grant()])
    assert run(groww, lambda trigger: trigger.identify(), tokens=Tokens()) == "1234567890"
    later = NOW + timedelta(seconds=30)
    assert [body["totp"] for _, body in groww.logins] == [totp(SECRET, NOW), totp(SECRET, later)]


def refused_login(grants: list[Any], credentials: dict[str, str]) -> tuple[str, int]:
    groww = Groww(grants=grants)
    with pytest.raises(LoginRequired) as caught:
        run(groww, lambda trigger: trigger.identify(), tokens=Tokens(), credentials=credentials)
    return str(caught.value), len(groww.logins)


@pytest.mark.parametrize("code", ["GA000", "GA003"])
@pytest.mark.parametrize(("status", "credentials"), [(200, TOTP), (404, TOTP), (200, APPROVAL), (400, APPROVAL)])
def test_trouble_of_growws_own_at_the_login_passes_and_waits_for_no_person(
    code: str, status: int, credentials: dict[str, str]
) -> None:
    groww = Groww(grants=[failed(status, code, "Unable to serve now")])
    with pytest.raises(BrokerUnavailable) as caught:
        run(groww, lambda trigger: trigger.identify(), tokens=Tokens(), credentials=credentials)
    assert (str(caught.value), len(groww.logins)) == ("Groww could not log in: Unable to serve now", 1)


@pytest.mark.parametrize(
    ("answer", "credentials", "words", "logins"),
    [
        (lambda: failed(401, "GA005", "Invalid TOTP"), TOTP, "Invalid TOTP. Check the TOTP token", 2),
        (lambda: failed(400, "GA001", "TOTP has been used", "displayMessage"), TOTP, "TOTP has been used.", 2),
        (lambda: failed(403, "GA005", "No active subscription"), TOTP, "No active subscription. Check the TOTP", 1),
        (lambda: failed(403, "GA005", "not approved today"), APPROVAL, "Approve today's key at https://groww.in/", 1),
        (lambda: failed(401, "GA005", "Invalid checksum"), APPROVAL, "Invalid checksum", 1),
        (lambda: failed(200, "GA005", "Invalid checksum"), APPROVAL, "Invalid checksum", 1),
        (lambda: failed(404, "GA004", "Not found"), TOTP, "Not found", 1),
        (lambda: grant(isActive=False), TOTP, "the token it gave is not active", 1),
        (lambda: grant(token=""), TOTP, "token is missing", 1),
        (lambda: failed(403, "GA005", "key the-key is not approved"), APPROVAL, "key *** is not approved", 1),
    ],
)
def test_a_refused_login_says_what_to_do_and_is_not_repeated(
    answer: Callable[[], Any], credentials: dict[str, str], words: str, logins: int
) -> None:
    said, count = refused_login([answer(), answer(), answer()], credentials)
    assert (words in said, count) == (True, logins)


def test_approval_sends_the_plain_hash_of_secret_and_time() -> None:
    groww = Groww()
    run(groww, lambda trigger: trigger.identify(), tokens=Tokens(), credentials=APPROVAL)
    timestamp = str(int(NOW.timestamp()))
    checksum = hashlib.sha256(f"the-secret{timestamp}".encode()).hexdigest()
    assert groww.logins == [("the-key", {"key_type": "approval", "checksum": checksum, "timestamp": timestamp})]


@pytest.mark.parametrize(
    ("expiry", "end"),
    [
        ("2026-10-05T20:00:00", "2026-10-05T20:00:00+05:30"),
        ("2026-10-05T20:00:00Z", "2026-10-05T20:00:00+00:00"),
        ("2027-01-01T00:00:00", "2026-10-06T06:00:00+05:30"),
        ("soon", "2026-10-06T06:00:00+05:30"),
        (None, "2026-10-06T06:00:00+05:30"),
    ],
)
def test_a_token_ends_at_six_or_earlier_when_groww_says_so(expiry: str | None, end: str) -> None:
    tokens = Tokens()
    run(Groww(grants=[grant(expiry=expiry)]), lambda trigger: trigger.identify(), tokens=tokens)
    assert tokens.puts == [("fresh", datetime.fromisoformat(end))]


def test_a_pasted_token_is_used_as_it_is() -> None:
    groww = Groww(good_token="pasted")
    assert run(groww, lambda trigger: trigger.identify(), tokens=Tokens(), credentials=PASTED) == "1234567890"
    assert groww.logins == []


@pytest.mark.parametrize(
    ("pasted", "end"),
    [
        ("2026-10-05T16:05:00+05:30", "2026-10-06T06:00:00+05:30"),
        ("2026-10-05T06:00:00+05:30", "2026-10-06T06:00:00+05:30"),
        ("2026-10-05T09:00:00+05:30", "2026-10-06T06:00:00+05:30"),
    ],
)
def test_a_pasted_token_ends_at_six_after_it_was_pasted(pasted: str, end: str) -> None:
    tokens, entered_at = Tokens(), datetime.fromisoformat(pasted)
    ask = run(Groww(good_token="pasted"), lambda trigger: trigger.identify(), tokens=tokens, credentials=PASTED,
              entered_at=entered_at)  # fmt: skip
    assert (ask, tokens.puts) == ("1234567890", [("pasted", datetime.fromisoformat(end))])


@pytest.mark.parametrize("pasted", ["2026-10-05T05:59:59+05:30", "2026-10-04T16:05:00+05:30"])
def test_a_pasted_token_does_not_live_on_by_being_used_again(pasted: str) -> None:
    groww, tokens, entered_at = Groww(good_token="pasted"), Tokens(), datetime.fromisoformat(pasted)
    with pytest.raises(
        LoginRequired, match=r"ended on 05 Oct at 06:00\. New tokens .*\. Paste one: manage\.py connect groww"
    ):
        run(groww, lambda trigger: trigger.identify(), tokens=tokens, credentials=PASTED, entered_at=entered_at)
    assert (groww.asked, tokens.puts) == ([], [])


def test_a_pasted_token_that_has_ended_asks_for_a_new_one() -> None:
    with pytest.raises(LoginRequired, match="New tokens are made"):
        run(Groww(), lambda trigger: trigger.identify(), tokens=Tokens(), credentials=PASTED)


@pytest.mark.parametrize("credentials", [{}, {"totp_token": "x"}, {"api_key": "x", "access_token": ""}])
def test_credentials_that_allow_no_login_say_how_to_enter_them(credentials: dict[str, str]) -> None:
    with pytest.raises(LoginRequired, match=re.escape("run manage.py connect groww")):
        run(Groww(), lambda trigger: trigger.identify(), tokens=Tokens(), credentials=credentials)


def all_sections(trigger: GrowwTrigger) -> Awaitable[Any]:
    sections = (trigger.fetch_holdings(), trigger.fetch_positions(), trigger.fetch_orders(), trigger.fetch_funds())
    return asyncio.gather(trigger.identify(), *sections, return_exceptions=True)


EMPTY = {
    "/holdings/user": success(holdings=[]),
    "/positions/user": success(positions=[]),
    "/order/list": success(order_list=[]),
    "/margins/detail/user": success(clear_cash=1),
}


def test_a_token_that_died_is_renewed_once_for_all_sections_side_by_side() -> None:
    groww = Groww(dict(EMPTY))
    assert [type(each).__name__ for each in run(groww, all_sections, tokens=Tokens("dead"))] == ["str"] + ["Answer"] * 4
    assert len(groww.logins) == 1


def test_no_section_is_asked_with_a_token_that_was_refused_when_new() -> None:
    groww = Groww(dict(EMPTY), good_token="never given")
    results = run(groww, all_sections, tokens=Tokens("dead"))
    assert [type(each) for each in results] == [LoginRequired] * 5
    assert (len(groww.logins), groww.asked) == (1, [])


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimited), (503, BrokerUnavailable)])
def test_a_token_endpoint_in_trouble_is_asked_once(status: int, kind: type[Exception]) -> None:
    groww = Groww(dict(EMPTY), grants=[failed(status, "GA003", "Unable to serve")])
    assert [type(each) for each in run(groww, all_sections, tokens=Tokens())] == [kind] * 5
    assert len(groww.logins) == 1


# Identity and segments


@pytest.mark.parametrize(
    ("user", "code", "segments"),
    [
        (USER, "1234567890", ["CASH", "FNO"]),
        (success(ucc="1", active_segments=["COMMODITY", "CASH"]), "1", ["CASH", "COMMODITY"]),
        (success(ucc="1", active_segments=None), "1", ["CASH", "FNO"]),
        (success(ucc="1", active_segments=["MARS"]), "1", ["CASH", "FNO"]),
        (success(ucc=1234567890), "1234567890", ["CASH", "FNO"]),
        (failed(404, "GA004", "Requested entity does not exist"), "", ["CASH", "FNO"]),
    ],
)
def test_the_active_segments_are_asked_and_the_usual_two_when_unknown(
    user: Any, code: str, segments: list[str]
) -> None:
    groww = Groww({**EMPTY, "/user/detail": user})

    async def ask(trigger: GrowwTrigger) -> str:
        client_code = await trigger.identify()
        await trigger.fetch_positions()
        return client_code

    assert run(groww, ask) == code
    assert [path for path in groww.asked if path.startswith("/positions")] == [
        f"/positions/user?segment={segment}" for segment in segments
    ]


def not_there(request: web.Request) -> web.Response:
    return failed(404, "GA004", "Requested entity does not exist")


def nowhere(request: web.Request) -> web.Response:
    return web.Response(status=404, text="404: Not Found")


def not_permitted(request: web.Request) -> web.Response:
    return failed(403, "GA005", "not subscribed")


@pytest.mark.parametrize(
    ("funds", "is_groww"),
    [(success(clear_cash=1), True), (not_permitted, True), (not_there, False), (nowhere, False)],
)
def test_where_the_account_has_no_name_its_funds_tell_whether_groww_is_there(funds: Any, is_groww: bool) -> None:
    groww = Groww({**EMPTY, "/user/detail": not_there, "/margins/detail/user": funds})
    if is_groww:
        assert run(groww, lambda trigger: trigger.identify()) == ""
        return
    with pytest.raises(UnexpectedReply, match="is GROWW_API_URL right"):
        run(groww, lambda trigger: trigger.identify())


@pytest.mark.parametrize("user", [success(), success(ucc=" "), {"status": "SUCCESS", "payload": []}, "nonsense"])
def test_an_account_that_groww_does_not_name_is_unexpected(user: Any) -> None:
    with pytest.raises(UnexpectedReply):
        run(Groww({"/user/detail": user}), lambda trigger: trigger.identify())


def test_sections_that_come_before_identify_ask_for_the_segments_once() -> None:
    groww = Groww(dict(EMPTY))
    run(groww, lambda trigger: asyncio.gather(trigger.fetch_positions(), trigger.fetch_orders()))
    assert groww.asked.count("/user/detail") == 1


def by_segment(**answers: Any) -> Maker:
    return lambda request: answers[request.query["segment"]]


def test_a_derivatives_segment_that_is_not_permitted_holds_nothing() -> None:
    refused = failed(403, "GA005", "Segment not enabled")
    groww = Groww({"/positions/user": by_segment(CASH=success(positions=[POSITION]), FNO=refused)})
    entries, aside = rows(run(groww, lambda trigger: trigger.fetch_positions()))
    assert ([each.symbol for each in entries], aside) == (["WIPRO"], [])


def test_shares_that_are_not_permitted_make_the_section_absent() -> None:
    refused = failed(403, "GA005", "User not authorised")
    with pytest.raises(NotPermitted):
        run(Groww({"/positions/user": refused}), lambda trigger: trigger.fetch_positions())


# Positions, orders and trades

POSITION = {
    "trading_symbol": "WIPRO",
    "exchange": "NSE",
    "product": "CNC",
    "quantity": 5,
    "symbol_isin": "INE075A01022",
}


def test_a_position_without_a_segment_has_that_which_was_asked_for() -> None:
    option = POSITION | {"trading_symbol": "NIFTY26OCT24100PE", "symbol_isin": "NIFTY26OCT24100PE", "product": "NRML"}
    answers = by_segment(CASH=success(positions=[POSITION]), FNO=success(positions=[option]))
    entries, _ = rows(run(Groww({"/positions/user": answers}), lambda trigger: trigger.fetch_positions()))
    assert [(each.symbol, each.segment, each.isin) for each in entries] == [
        ("WIPRO", CASH, "INE075A01022"),
        ("NIFTY26OCT24100PE", FNO, None),
    ]


def test_a_position_that_both_segments_give_is_one_position() -> None:
    given = success(positions=[POSITION | {"segment": "CASH"}])
    entries, aside = rows(run(Groww({"/positions/user": given}), lambda trigger: trigger.fetch_positions()))
    assert ([type(each) for each in entries], aside) == ([Position], [])


def order_row(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "groww_order_id": f"GMK{number}",
        "trading_symbol": "WIPRO",
        "exchange": "NSE",
        "segment": "CASH",
        "product": "CNC",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "order_status": "OPEN",
        "quantity": 10,
        "filled_quantity": 0,
    } | fields


def paged(order_rows: Sequence[dict[str, Any]], clamp: int = 100, key: str = "order_list") -> Maker:
    """Zero-based pages, never more than `clamp` rows, an empty list beyond the end; shares only."""

    def answer(request: web.Request) -> Any:
        size = min(int(request.query["page_size"]), clamp)
        start = int(request.query["page"]) * size
        return success(**{key: order_rows[start : start + size] if request.query["segment"] == "CASH" else []})

    return answer


def order_ids(groww: Groww) -> list[str]:
    return [each.order_id for each in rows(run(groww, lambda trigger: trigger.fetch_orders()))[0]]


@pytest.mark.parametrize("clamp", [100, 25, 7])
@pytest.mark.parametrize("count", [0, 1, 25, 100, 101, 260])
def test_all_orders_come_however_short_the_pages(count: int, clamp: int) -> None:
    groww = Groww({"/order/list": paged([order_row(n) for n in range(count)], clamp)})
    assert order_ids(groww) == [f"GMK{n}" for n in range(count)]
    shares = [path for path in groww.asked if "segment=CASH" in path]
    assert len(shares) == -(-count // clamp) + 1
    assert shares[0] == "/order/list?segment=CASH&page=0&page_size=100"


def test_orders_that_shift_between_pages_come_once() -> None:
    pages = [[order_row(2), order_row(1)], [order_row(1), order_row(0)], []]
    groww = Groww({"/order/list": lambda request: success(order_list=pages[int(request.query["page"])])})
    assert order_ids(groww) == ["GMK2", "GMK1", "GMK0"]


def test_a_page_that_comes_again_and_again_ends_the_pages() -> None:
    groww = Groww({"/order/list": success(order_list=[order_row(1)])})
    assert order_ids(groww) == ["GMK1"]
    assert len([path for path in groww.asked if "segment=CASH" in path]) == 2


def test_pages_that_never_end_are_unexpected() -> None:
    groww = Groww({"/order/list": lambda request: success(order_list=[order_row(int(request.query["page"]))])})
    with pytest.raises(UnexpectedReply, match="still new rows after 100 pages"):
        run(groww, lambda trigger: trigger.fetch_orders())


def test_a_page_with_a_bad_row_does_not_end_the_pages() -> None:
    pages = [[order_row(0), order_row(1, quantity=None)], [order_row(2)], []]
    groww = Groww({"/order/list": lambda request: success(order_list=pages[int(request.query["page"])])})
    entries, aside = rows(run(groww, lambda trigger: trigger.fetch_orders()))
    assert [each.order_id for each in entries] == ["GMK0", "GMK2"]
    assert {(each.subject, each.reason) for each in aside} == {("GMK1", "quantity is missing")}


@pytest.mark.parametrize("refused", [(404, "GA004", "x"), (400, "GA006", "No orders found"), (200, "GA004", "x")])
def test_an_empty_book_that_comes_as_an_error_is_empty(refused: tuple[int, str, str]) -> None:
    def answer(request: web.Request) -> Any:
        return failed(*refused)

    groww = Groww({"/order/list": answer, "/positions/user": answer, "/holdings/user": answer})

    async def ask(trigger: GrowwTrigger) -> Any:
        asks = (trigger.fetch_holdings(), trigger.fetch_positions(), trigger.fetch_orders())
        return [rows(await each) for each in asks]

    assert run(groww, ask) == [([], [])] * 3


def test_a_login_that_is_not_found_is_one_to_make_again_at_growws_own_address() -> None:
    groww = Groww(grants=[failed(404, "GA004", "Requested entity does not exist")])
    with pytest.raises(LoginRequired) as raised:
        run(groww, lambda trigger: trigger.fetch_holdings(), tokens=None)
    assert str(raised.value).startswith(
        "Groww refused the login: Requested entity does not exist. Check the TOTP token and the subscription at "
    )


def test_a_404_that_is_not_growws_is_no_empty_book() -> None:
    sections = ("holdings", "positions", "orders", "funds")
    paths = ("/holdings/user", "/positions/user", "/order/list", "/margins/detail/user")
    groww = Groww(dict.fromkeys(paths, nowhere))

    async def ask(trigger: GrowwTrigger) -> list[str]:
        said = []
        for section in sections:
            with pytest.raises(UnexpectedReply) as raised:
                await getattr(trigger, f"fetch_{section}")()
            said.append(str(raised.value))
        return said

    assert run(groww, ask) == [
        f"Groww refused GET {path}: HTTP 404, and not in Groww's form: is GROWW_API_URL right?" for path in paths
    ]


def test_a_failure_with_200_is_a_failure() -> None:
    groww = Groww({"/holdings/user": lambda request: failed(200, "GA000", "Internal error occurred")})
    with pytest.raises(BrokerUnavailable, match="Internal error occurred"):
        run(groww, lambda trigger: trigger.fetch_holdings())
    assert len(groww.asked) == 3


QUARTER_PAST_TEN = datetime(2026, 10, 5, 10, 15, tzinfo=IST)


def an_order(order_id: str = "GMK1", filled: int = 10, segment: str = CASH, average: str | None = "250") -> Order:
    zero = Decimal(0)
    return Order(
        order_id, "", None, "WIPRO", "NSE", segment, "CNC", "LIMIT", "BUY", Decimal(10), None, None, "DAY",
        "EXECUTED", "EXECUTED", Decimal(filled), zero, Decimal(average) if average else None, None, "NA",
        QUARTER_PAST_TEN, None, None, "",
    )  # fmt: skip


def trade_row(number: Any, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "groww_order_id": "GMK1",
        "groww_trade_id": "",
        "exchange_trade_id": number,
        "trading_symbol": "WIPRO",
        "exchange": "NSE",
        "segment": "CASH",
        "product": "CNC",
        "transaction_type": "BUY",
        "isin": "INE075A01022",
        "price": 250,
        "quantity": quantity,
        "trade_status": "EXECUTED",
        "trade_date_time": "2026-10-05T10:15:30",
    } | fields


def fills(groww: Groww, *orders: Order) -> tuple[Sequence[Trade], Sequence[SetAside]]:
    return rows(run(groww, lambda trigger: trigger.fetch_trades(orders)))


def test_fills_that_add_up_need_no_further_page() -> None:
    groww = Groww({"/order/trades/GMK1": success(trade_list=[trade_row("1", 4), trade_row("2", 6)])})
    entries, aside = fills(groww, an_order())
    assert ([(each.trade_id, each.quantity) for each in entries], aside) == ([("1", 4), ("2", 6)], [])
    assert groww.asked == ["/order/trades/GMK1?segment=CASH&page=0&page_size=50"]


def test_fills_are_asked_until_they_add_up() -> None:
    trades = [trade_row(str(number)) for number in range(120)]
    groww = Groww({"/order/trades/GMK1": paged(trades, 50, "trade_list")})
    entries, _ = fills(groww, an_order(filled=120)._replace(quantity=Decimal(120)))
    assert (len(entries), len(groww.asked)) == (120, 3)


def test_fills_that_never_add_up_end_with_an_empty_page() -> None:
    groww = Groww({"/order/trades/GMK1": paged([trade_row("1")], 50, "trade_list")})
    entries, _ = fills(groww, an_order())
    assert (len(entries), len(groww.asked)) == (1, 2)


def test_fills_without_a_number_are_told_apart_and_a_repeated_page_is_not_counted_twice() -> None:
    groww = Groww({"/order/trades/GMK1": success(trade_list=[trade_row("", 2), trade_row("", 2), trade_row(None, 3)])})
    entries, _ = fills(groww, an_order())
    assert ([each.quantity for each in entries], len(groww.asked)) == ([2, 2, 3], 2)


def test_a_fill_of_no_number_is_set_aside_and_does_not_stop_the_pages() -> None:
    good = json.dumps(trade_row("1", 10))
    bad = json.dumps(trade_row("2")).replace('"quantity": 1', '"quantity": NaN')
    groww = Groww({"/order/trades/GMK1": f'{{"status": "SUCCESS", "payload": {{"trade_list": [{bad}, {good}]}}}}'})
    entries, aside = fills(groww, an_order())
    assert [each.trade_id for each in entries] == ["1"]
    assert [(each.subject, each.reason) for each in aside] == [("GMK1", "not a number")]


def test_orders_without_a_fill_are_not_asked_for_fills() -> None:
    groww = Groww()
    assert fills(groww, an_order(filled=0)) == ([], [])
    assert groww.asked == []


@pytest.mark.parametrize("order_id", ["GMK1/cancel", "..", "GMK 1", "GMK1?x=1", "ü"])
def test_an_order_id_that_cannot_be_asked_for_is_left_out(order_id: str) -> None:
    assert fills(Groww(), an_order(order_id)) == ([], [])


NOT_LISTED = (404, "GA004", "Requested entity does not exist")


def test_a_derivatives_order_whose_fills_are_not_listed_gives_one_from_itself() -> None:
    groww = Groww({"/order/trades/GMKFO1": failed(*NOT_LISTED)})
    entries, aside = fills(groww, an_order("GMKFO1", segment=FNO))
    assert aside == []
    assert [(each.order_id, each.quantity, each.price, each.is_synthesised, each.trade_id) for each in entries] == [
        ("GMKFO1", 10, 250, True, "")
    ]
    assert (entries[0].executed_at, str(entries[0].trade_date)) == (QUARTER_PAST_TEN, "2026-10-05")


def test_a_derivatives_order_that_says_too_little_is_set_aside() -> None:
    groww = Groww({"/order/trades/GMKFO1": failed(*NOT_LISTED)})
    entries, aside = fills(groww, an_order("GMKFO1", segment=FNO, average=None))
    assert ([*entries], [each.subject for each in aside]) == ([], ["GMKFO1"])


def test_no_fill_is_made_up_for_shares() -> None:
    assert fills(Groww({"/order/trades/GMK1": failed(*NOT_LISTED)}), an_order()) == ([], [])


# Prices


def prices(known: dict[str, Any], bad: set[str] = frozenset()) -> Maker:  # type: ignore[assignment]
    def answer(request: web.Request) -> Any:
        keys = request.query["exchange_symbols"].split(",")
        assert len(keys) <= 50
        if bad & set(keys):
            return failed(400, "GA001", "Invalid trading symbol")
        return success(**{key: known[key] for key in keys if key in known})

    return answer


def priced(groww: Groww, *listings: Listing) -> tuple[Sequence[Price], Sequence[SetAside]]:
    return rows(run(groww, lambda trigger: trigger.fetch_prices(listings)))


def test_one_bad_symbol_of_120_costs_only_its_own_price() -> None:
    symbols = [f"S{number}" for number in range(120)]
    groww = Groww({"/live-data/ltp": prices({f"NSE_{each}": 10 for each in symbols}, {"NSE_S77", "BSE_S77"})})
    entries, aside = priced(groww, *(Listing(None, symbol) for symbol in symbols))
    assert [each.symbol for each in entries] == [symbol for symbol in symbols if symbol != "S77"]
    assert aside == [SetAside("prices", "BSE_S77", "Invalid trading symbol")]
    assert len(groww.asked) <= 3 + 2 * 6 + 1


def test_what_has_no_price_at_its_exchange_is_asked_at_the_other() -> None:
    groww = Groww({"/live-data/ltp": prices({"NSE_A": "1.10", "BSE_B": 2, "BSE_C": 3, "NSE_D": 4}, {"NSE_C"})})
    listings = [
        Listing(None, "A"),
        Listing(None, "B"),
        Listing(None, "C"),
        Listing(None, "D", "BSE"),
        Listing(None, "E"),
    ]
    entries, aside = priced(groww, *listings)
    found = {(each.symbol, each.exchange, each.segment, str(each.price)) for each in entries}
    assert found == {
        ("A", "NSE", CASH, "1.10000000"),
        ("B", "BSE", CASH, "2.00000000"),
        ("C", "BSE", CASH, "3.00000000"),
        ("D", "NSE", CASH, "4.00000000"),
    }
    assert aside == []


def test_each_segment_is_asked_for_itself_and_each_symbol_once() -> None:
    groww = Groww({"/live-data/ltp": prices({"NSE_M&M": 1, "NSE_NIFTY26OCT24100PE": 2})})
    option = Listing(None, "NIFTY26OCT24100PE", "NSE", FNO)
    entries, _ = priced(groww, Listing(None, "M&M"), option, Listing(None, "M&M"))
    assert [(each.symbol, each.segment) for each in entries] == [("M&M", CASH), ("NIFTY26OCT24100PE", FNO)]
    assert groww.asked == [
        "/live-data/ltp?segment=CASH&exchange_symbols=NSE_M%26M",
        "/live-data/ltp?segment=FNO&exchange_symbols=NSE_NIFTY26OCT24100PE",
    ]


def test_nothing_held_asks_for_no_price() -> None:
    groww = Groww()
    assert (priced(groww), groww.asked) == (([], []), [])


PARSERS = {
    "holdings": groww_replies.parse_holdings,
    "positions": groww_replies.parse_positions,
    "order_list": groww_replies.parse_orders,
    "trade_list": groww_fills.parse_trades,
}


@pytest.mark.parametrize("status", [200, 401, 500, 503])
def test_a_refusal_among_kept_replies_is_never_read_as_an_empty_book(status: int) -> None:
    refused = a_reply('{"status": "FAILURE", "error": {"code": "GA000", "message": "Internal error"}}', status=status)
    for parse in PARSERS.values():
        with pytest.raises(UnexpectedReply, match="Internal error"):
            parse([refused])


# Whatever comes, only typed errors and rows set aside

ALL_PARSERS = (
    *PARSERS.values(),
    groww_replies.parse_funds,
    groww_replies.parse_prices,
    parse_instruments,
)
ROWS = (groww_replies.HOLDING_ROW, groww_replies.POSITION_ROW, groww_replies.ORDER_ROW, groww_fills.TRADE_ROW)
FIELDS = sorted({name for row in ROWS for name in row.__struct_fields__})
ODD = ["NSE", "BUY", "1e400", "NaN", "-1", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59", "INE002A01018", "\ud800"]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80) | st.sampled_from(ODD)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
)
sound = {name: st.just(value) for name, value in (POSITION | order_row(1) | trade_row("1")).items()}
any_row = st.fixed_dictionaries(sound).flatmap(
    lambda base: st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6).map(lambda changed: base | changed)
)


@given(st.sampled_from(sorted(PARSERS)), st.lists(any_row | anything, max_size=4))
def test_any_rows_are_read_or_set_aside(key: str, given_rows: list[Any]) -> None:
    reply = a_reply(json.dumps(success(**{key: given_rows})), "GET /order/trades/GMK1?segment=CASH")
    try:
        entries, aside = PARSERS[key]([reply])
    except UnexpectedReply:
        return
    assert len(entries) + len(aside) <= len(given_rows)
    assert all(0 < len(each.reason) <= 200 for each in aside)


@given(anything, st.sampled_from([200, 400, 404, 500]))
def test_any_payload_is_read_or_refused_by_every_parser(payload: Any, status: int) -> None:
    for envelope in ({"status": "SUCCESS", "payload": payload}, {"status": "FAILURE", "error": payload}, payload):
        reply = a_reply(json.dumps(envelope), "GET /live-data/ltp?segment=CASH&exchange_symbols=NSE_A", status)
        GrowwTrigger.classify(reply)
        for parse in ALL_PARSERS:
            with suppress(TriggerError):
                parse([reply])
        with suppress(TriggerError):
            groww_replies.user(reply)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_by_every_parser(body: bytes) -> None:
    for parse in ALL_PARSERS:
        with suppress(TriggerError):
            parse([a_reply(body)])
