"""The Zerodha trigger: its login, what it asks and does not ask, and what a refusal without a reason means.

How replies are read stands in `tests/replies/zerodha`, and with Zerodha's own samples in `tests/sync`.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from ledger.entries import Listing, Order
from portfolio.triggers.base import (
    Account,
    Answer,
    Credential,
    ForbiddenRequest,
    LoginRequired,
    NotPermitted,
    TriggerError,
    UnexpectedReply,
    WrongAccount,
)
from portfolio.triggers.zerodha import ZerodhaTrigger
from portfolio.triggers.zerodha_login import checksum, login_address, request_token_of
from tests import build

from .broker import NOW, Broker, Kept, Tokens, a_broker, a_transport, in_turn, status

KEY, SECRET, REQUEST = "an_api_key", "an_api_secret", "a_request_token"
OWN = {"api_key": KEY, "api_secret": SECRET, "login_method": "browser"}
GRANTED = '{"status": "success", "data": {"user_id": "AB1234", "access_token": "the_days_token"}}'
PROFILE = '{"status": "success", "data": {"user_id": "AB1234"}}'


def refused(kind: str, message: str = "No.", code: int = 403) -> Callable[[], web.Response]:
    typed = f', "error_type": "{kind}"' if kind else ""
    return status(code, f'{{"status": "error", "message": "{message}"{typed}}}')


Outcome = tuple[Any, Broker, Tokens, Kept]


def asked(
    ask: Callable[[ZerodhaTrigger], Any],
    *answers: Any,
    token: str | None = "a_token",
    client_id: str = "AB1234",
    **credentials: str,
) -> Outcome:
    """What the trigger makes of these answers, in turn: the result or the error, and what was asked and kept."""

    async def go() -> Outcome:
        tokens, kept = Tokens(token), Kept()
        async with a_broker(in_turn(*answers)) as broker, a_transport() as transport:
            client = transport.client(ZerodhaTrigger, broker.url, "one", kept)
            trigger = ZerodhaTrigger(Account("one", client_id, Credential(OWN | credentials, NOW), NOW), client, tokens)
            try:
                return await ask(trigger), broker, tokens, kept
            except TriggerError as error:
                return error, broker, tokens, kept

    return asyncio.run(go())


# The login


def test_the_owner_is_sent_to_zerodhas_own_page_and_what_is_said_comes_back() -> None:
    page = ZerodhaTrigger.login_page
    assert login_address(page, OWN) == "https://kite.zerodha.com/connect/login?v=3&api_key=an_api_key"
    assert ZerodhaTrigger.login_address(page, OWN, "one use") == (
        "https://kite.zerodha.com/connect/login?v=3&api_key=an_api_key&redirect_params=state%3Done%2Buse"
    )


def test_the_checksum_is_of_key_token_and_secret() -> None:
    """As `printf keytokensecret | sha256sum` says it."""
    assert checksum("key", "token", "secret") == "08a03d928417ea4085557933d3b187ff2a3515b039d6054dbd230c95d978a17a"


@pytest.mark.parametrize(
    ("pasted", "token"),
    [
        ("abcDEF123", "abcDEF123"),
        ("  abcDEF123\n", "abcDEF123"),
        ("http://127.0.0.1/back?action=login&status=success&request_token=abcDEF123&state=x", "abcDEF123"),
        ("127.0.0.1/back?request_token=abcDEF123", "abcDEF123"),
        ("request_token=abcDEF123&status=success", "abcDEF123"),
        ("http://127.0.0.1/back?action=login&status=cancelled", ""),
        ("", ""),
        ("abc", ""),
        ("abc DEF", ""),
        ("x" * 129, ""),
    ],
)
def test_what_is_pasted_is_the_token_or_the_address_that_has_it(pasted: str, token: str) -> None:
    assert request_token_of(pasted) == token


def test_a_pasted_request_token_becomes_the_days_token_once_and_ends_at_six() -> None:
    forms: list[str] = []

    async def go() -> tuple[str, Tokens, Kept, Broker]:
        tokens, kept = Tokens(), Kept()

        async def answer(request: web.Request) -> web.StreamResponse:
            forms.append(await request.text())
            body = GRANTED if request.path == "/session/token" else PROFILE
            return web.Response(text=body, content_type="application/json")

        async with a_broker(answer) as broker, a_transport() as transport:
            client = transport.client(ZerodhaTrigger, broker.url, "one", kept)
            credential = Credential(OWN | {"request_token": f"http://127.0.0.1/?request_token={REQUEST}"}, NOW)
            trigger = ZerodhaTrigger(Account("one", "", credential, NOW), client, tokens)
            return await trigger.identify(), tokens, kept, broker

    named, tokens, kept, broker = asyncio.run(go())
    assert (named, broker.asked) == ("AB1234", ["POST /session/token", "GET /user/profile"])
    assert forms[0] == f"api_key={KEY}&request_token={REQUEST}&checksum={checksum(KEY, REQUEST, SECRET)}"
    assert tokens.puts == [("the_days_token", datetime(2026, 10, 6, 0, 30, tzinfo=UTC))]
    assert kept.seen == [("GET /user/profile", 200)]  # what the token came in is not kept
    assert "Authorization" not in broker.headers[0]
    assert (broker.headers[1]["Authorization"], broker.headers[1]["X-Kite-Version"]) == (
        f"token {KEY}:the_days_token", "3",
    )  # fmt: skip


@pytest.mark.parametrize("answer", [
    refused("TokenException", f"Invalid `checksum` for {SECRET}."), refused("InputException", "Missing.", 400),
    '{"status": "success", "data": {}}', '{"status": "success", "data": {"user_id": "AB1234"}}',
])  # fmt: skip
def test_a_login_that_is_refused_is_told_once_in_words_without_a_secret(answer: Any) -> None:
    error, broker, tokens, _ = asked(lambda one: one.identify(), answer, token=None, request_token=REQUEST)
    assert (type(error), broker.asked, tokens.puts) == (LoginRequired, ["POST /session/token"], [])
    assert (SECRET in str(error), "manage.py connect zerodha --account one" in str(error)) == (False, True)


@pytest.mark.parametrize("credentials", [{}, {"request_token": "no"}, {"api_key": ""}])
def test_without_the_days_login_nothing_is_asked(credentials: dict[str, str]) -> None:
    error, broker, *_ = asked(lambda one: one.fetch_holdings(), "{}", token=None, **credentials)
    assert (type(error), broker.asked) == (LoginRequired, [])


def test_the_login_of_another_client_is_refused_and_its_token_not_kept() -> None:
    error, _, tokens, _ = asked(
        lambda one: one.identify(), GRANTED, token=None, client_id="ZZ9999", request_token=REQUEST
    )
    assert (type(error), tokens.puts) == (WrongAccount, [])


# What it asks


def orders(*filled: int) -> list[Order]:
    return [build.an_order(f"2510{number}", 10, units) for number, units in enumerate(filled)]


ASKS: list[tuple[Callable[[ZerodhaTrigger], Any], list[str]]] = [
    (lambda one: one.fetch_holdings(), ["GET /portfolio/holdings"]),
    (lambda one: one.fetch_positions(), ["GET /portfolio/positions"]),
    (lambda one: one.fetch_orders(), ["GET /orders"]),
    (lambda one: one.fetch_funds(), ["GET /user/margins"]),
    (lambda one: one.fetch_trades(orders(0, 0)), []),
    (lambda one: one.fetch_trades(orders(0, 4, 10)), ["GET /trades"]),
    (lambda one: one.fetch_trails([]), []),
    (lambda one: one.fetch_trails([*orders(10), build.an_order("../orders", 1, 1)]), ["GET /orders/25100"]),
    (
        lambda one: one.fetch_prices([Listing(None, "M&M"), Listing(None, "NIFTY26OCTFUT", "NSE", "FNO"),
                                      Listing(None, "X", "NOWHERE")]),
        ["GET /quote/ltp?i=NSE%3AM%26M&i=NFO%3ANIFTY26OCTFUT"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "requests"), ASKS)
def test_each_section_asks_what_it_needs_with_the_days_token(ask: Any, requests: list[str]) -> None:
    answer, broker, *_ = asked(ask, '{"status": "success", "data": []}')
    assert (type(answer), broker.asked) == (Answer, requests)
    assert {headers["Authorization"] for headers in broker.headers} <= {f"token {KEY}:a_token"}


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/orders/regular"), ("GET", "/orders/1/2"), ("GET", "/gtt/triggers"), ("POST", "/portfolio/positions"),
    ("GET", "/session/token"), ("GET", "/user/profile/full"),
])  # fmt: skip
def test_it_cannot_trade(method: str, path: str) -> None:
    error, broker, *_ = asked(
        lambda one: one.client.get(path) if method == "GET" else one.client.post(path, form={}), "{}"
    )
    assert (type(error), broker.asked) == (ForbiddenRequest, [])


def test_two_hundred_prices_are_asked_at_a_time() -> None:
    listings = [Listing(None, f"SHARE{number}") for number in range(201)]
    _, broker, *_ = asked(lambda one: one.fetch_prices(listings), '{"status": "success", "data": {}}')
    assert sorted(each.count("i=NSE") for each in broker.asked) == [1, 200]


# What a refusal means


def test_a_plan_without_quotes_is_no_reason_to_log_in_again() -> None:
    error, broker, *_ = asked(lambda one: one.fetch_prices([Listing(None, "TCS")]), refused("PermissionException"))
    assert (type(error), len(broker.asked)) == (NotPermitted, 1)


def test_a_session_that_ended_asks_for_its_owner() -> None:
    error, broker, *_ = asked(lambda one: one.fetch_holdings(), refused("TokenException", "Token is invalid."))
    assert (type(error), broker.asked) == (LoginRequired, ["GET /portfolio/holdings"])
    assert str(error).startswith("The day's login at Zerodha has not been made.")


@pytest.mark.parametrize(("profile", "meant"), [(PROFILE, NotPermitted), (refused(""), LoginRequired)])
def test_a_403_without_a_reason_is_told_apart_by_the_profile(profile: Any, meant: type[TriggerError]) -> None:
    error, broker, *_ = asked(lambda one: one.fetch_holdings(), refused(""), profile)
    assert (type(error), broker.asked[:2]) == (meant, ["GET /portfolio/holdings", "GET /user/profile"])


def test_a_profile_that_names_nobody_is_not_taken() -> None:
    error, *_ = asked(lambda one: one.identify(), '{"status": "success", "data": {}}')
    assert type(error) is UnexpectedReply
