"""The one HTTP client: what it refuses, what it keeps, how long it waits, and when it tries again."""

import asyncio
import re
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from portfolio.triggers.base import (
    BrokerUnavailable,
    Endpoint,
    ForbiddenRequest,
    LeftAlone,
    LoginRequired,
    NotPermitted,
    Rate,
    RateLimited,
    Reply,
    TriggerError,
    UnexpectedReply,
)
from portfolio.triggers.client import Client
from portfolio.triggers.limits import SLACK, Limits

from .broker import (
    NOW,
    FakeTime,
    Kept,
    PlainTrigger,
    a_broker,
    a_client,
    a_raw_broker,
    a_transport,
    http_date,
    in_turn,
    page,
    status,
)

Asked = tuple[Any, Kept, list[str]]


def asked_once(
    answer: Any, *, time: FakeTime | None = None, chance: float = 0.0, path: str = "/things", **options: Any
) -> Asked:
    """(reply or error, what was kept, what the broker was asked) of one GET."""

    async def go() -> Asked:
        kept = Kept()
        async with a_broker(answer) as broker, a_transport(time, chance, **options) as transport:
            try:
                return await a_client(transport, broker.url, kept).get(path), kept, broker.asked
            except TriggerError as error:
                return error, kept, broker.asked

    return asyncio.run(go())


# What may be asked at all

FORBIDDEN = [
    ("GET", "/nothing"),
    ("GET", "/things/1/cancel"),
    ("GET", "/things/"),
    ("GET", "things"),
    ("GET", ""),
    ("GET", "//evil.example/things"),
    ("GET", "http://evil.example/things"),
    ("GET", "@evil.example/things"),
    ("GET", "/things/.."),
    ("GET", "/things/."),
    ("GET", "/things/../order/create"),
    ("GET", "/things/%2e%2e"),
    ("GET", "/things/1%2Fcancel"),
    ("GET", "/things/1?x=/../"),
    ("GET", "/things?segment=CASH"),
    ("GET", "/things#x"),
    ("GET", "/things/1\\cancel"),
    ("GET", "/things/1\n"),
    ("GET", "/things/१"),
    ("GET", "/THINGS"),
    ("POST", "/things"),
    ("POST", "/things/1"),
    ("GET", "/token"),
    ("POST", "/order/create"),
]


@pytest.mark.parametrize(("method", "path"), FORBIDDEN)
def test_what_is_not_on_the_allow_list_raises_before_a_socket_opens(method: str, path: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)

    async def go() -> None:
        async with a_transport() as transport:
            client = a_client(transport, f"http://127.0.0.1:{listening.getsockname()[1]}")
            with pytest.raises(ForbiddenRequest, match="not on the allow-list"):
                await (client.get(path) if method == "GET" else client.post(path, json={}))

    asyncio.run(go())
    with pytest.raises(BlockingIOError):
        listening.accept()
    listening.close()


@pytest.mark.parametrize(
    "address",
    ["ftp://broker.example", "file:///etc/passwd", "https://", "https://me@broker.example", "https://b.in?x=1"],
)
def test_an_address_that_is_no_brokers_is_refused(address: str) -> None:
    with pytest.raises(ForbiddenRequest):
        a_client(a_transport(), address)


def test_a_named_segment_of_a_path_may_hold_any_plain_id() -> None:
    reply, _, asked = asked_once(in_turn("{}"), path="/things/GMK39038RDT490CCVRO.v-1_~")
    assert (reply.status, asked) == (200, ["GET /things/GMK39038RDT490CCVRO.v-1_~"])


def test_only_the_declared_instrument_file_is_asked_at_its_own_address() -> None:
    async def go() -> tuple[Reply, list[str], list[str]]:
        answer = in_turn(lambda: web.Response(text="isin\n", content_type="text/csv"))
        async with a_broker(answer) as files, a_broker(answer) as broker, a_transport() as transport:
            client = transport.client(PlainTrigger, broker.url, "one", Kept(), f"{files.url}/instruments.csv")
            return await client.get_instruments(), files.asked, broker.asked

    reply, at_files, at_broker = asyncio.run(go())
    assert (reply.request, at_files, at_broker) == ("GET /instruments.csv", ["GET /instruments.csv"], [])


def test_a_broker_without_an_instrument_file_is_not_asked_for_one() -> None:
    with pytest.raises(ForbiddenRequest, match="declares no instrument file"):
        asyncio.run(a_client(a_transport(), "http://127.0.0.1:1").get_instruments())


# What is sent and what comes back


def test_a_reply_is_the_answer_exactly_with_the_request_but_no_header() -> None:
    async def go() -> tuple[Reply, list[dict[str, str]]]:
        async with a_broker(in_turn('{"a": 1.10}')) as broker, a_transport() as transport:
            params = [("segment", "CASH"), ("exchange_symbols", "NSE_M&M,NSE_TCS")]
            client = a_client(transport, broker.url)
            return await client.get(
                "/things", params=params, headers={"Authorization": "Bearer secret"}
            ), broker.headers

    reply, headers = asyncio.run(go())
    assert reply[:4] == ("GET /things?segment=CASH&exchange_symbols=NSE_M%26M,NSE_TCS", 200, b'{"a": 1.10}', NOW)
    assert headers[0]["Authorization"] == "Bearer secret"


def test_a_post_sends_json_or_a_form() -> None:
    async def go() -> list[str]:
        sent: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            sent.append(f"{request.content_type} {await request.text()}")
            return web.json_response({})

        async with a_broker(answer) as broker, a_transport() as transport:
            client = a_client(transport, broker.url)
            await client.post("/token", json={"totp": "123456"})
            await client.post("/token", form={"totp": "123456"})
        return sent

    assert asyncio.run(go()) == [
        'application/json {"totp": "123456"}',
        "application/x-www-form-urlencoded totp=123456",
    ]


def test_the_base_address_keeps_its_path() -> None:
    async def go() -> list[str]:
        async with a_broker(in_turn("{}")) as broker, a_transport() as transport:
            await a_client(transport, f"{broker.url}/v1/").get("/things")
            return broker.asked

    assert asyncio.run(go()) == ["GET /v1/things"]


def test_nothing_of_one_account_reaches_another() -> None:
    async def go() -> list[bool]:
        answer = in_turn(status(200, Set_Cookie="session=of-one; Path=/"))
        async with a_broker(answer) as broker, a_transport() as transport:
            await a_client(transport, broker.url, account="one").get("/things")
            await a_client(transport, broker.url, account="two").get("/things")
            return ["Cookie" in headers for headers in broker.headers]

    assert asyncio.run(go()) == [False, False]


# What is kept


def test_a_reply_is_kept_before_anybody_looks_at_it() -> None:
    order: list[str] = []

    class Looking(PlainTrigger):
        @classmethod
        def classify(cls, reply: Reply) -> TriggerError | None:
            order.append("looked at")
            return None

    async def keep(reply: Reply) -> None:
        await asyncio.sleep(0.01)
        order.append("kept")

    async def go() -> None:
        async with a_broker(in_turn("{}")) as broker, a_transport() as transport:
            await transport.client(Looking, broker.url, "one", keep).get("/things")
            order.append("handed back")

    asyncio.run(go())
    assert order == ["kept", "looked at", "handed back"]


def test_a_reply_that_could_not_be_kept_is_not_handed_back() -> None:
    async def keep(reply: Reply) -> None:
        raise RuntimeError("the batch is closed")

    async def go() -> None:
        async with a_broker(in_turn("{}")) as broker, a_transport() as transport:
            await transport.client(PlainTrigger, broker.url, "one", keep).get("/things")

    with pytest.raises(RuntimeError, match="the batch is closed"):
        asyncio.run(go())


def test_every_attempt_is_kept_and_so_is_what_cannot_be_read() -> None:
    _, kept, _ = asked_once(in_turn(status(503), page(502), "[" * 100))
    assert kept.seen == [("GET /things", 503), ("GET /things", 502), ("GET /things", 200)]


def test_the_answer_of_a_login_is_not_kept() -> None:
    async def go() -> list[tuple[str, int]]:
        kept = Kept()
        async with a_broker(in_turn('{"token": "secret"}')) as broker, a_transport() as transport:
            await a_client(transport, broker.url, kept).post("/token", json={}, keep=False)
        return kept.seen

    assert asyncio.run(go()) == []


# What an answer can be wrong in


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (page(200), UnexpectedReply, "a web page where data was expected"),
        (page(403), BrokerUnavailable, "a web page where data was expected"),
        (page(503), BrokerUnavailable, "it is down or under maintenance"),
        (status(200, "  <html></html>"), UnexpectedReply, "a web page where data was expected"),
        (status(500), BrokerUnavailable, "answered 500"),
        (status(504), BrokerUnavailable, "answered 504"),
        (status(429), RateLimited, "too many requests"),
        (status(301, Location="/other"), UnexpectedReply, "a redirect, which is never followed"),
        (status(307, Location="http://evil.example/"), UnexpectedReply, "a redirect, which is never followed"),
        (status(200, "[" * 65 + "]" * 65), UnexpectedReply, "nested deeper than 64 levels"),
        (status(400), UnexpectedReply, "Plain broker answered 400"),
        (status(401), LoginRequired, "Plain broker answered 401: the login is wrong or has ended"),
        (status(403), NotPermitted, "Plain broker answered 403: this login may not read that"),
    ],
)
def test_each_wrong_answer_raises_its_own_error(answer: Any, kind: type[TriggerError], words: str) -> None:
    error, _, _ = asked_once(in_turn(answer))
    assert (type(error), words in str(error)) == (kind, True)


def test_a_redirect_is_not_followed() -> None:
    _, _, asked = asked_once(in_turn(status(302, Location="/other")))
    assert asked == ["GET /things"]


def test_64_levels_are_read() -> None:
    reply, _, _ = asked_once(in_turn("[" * 64 + "]" * 64))
    assert reply.status == 200


def test_a_body_over_the_limit_is_not_read_to_its_end() -> None:
    error, _, _ = asked_once(in_turn('"' + "x" * 100_000 + '"'), byte_limit=50_000)
    assert (type(error), "more than 50000 bytes" in str(error)) == (UnexpectedReply, True)


def test_a_small_body_that_unpacks_to_a_large_one_is_refused() -> None:
    def bomb() -> web.Response:
        response = web.Response(body=b"0" * 20_000_000, content_type="application/json")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    error, kept, _ = asked_once(in_turn(bomb))
    assert (type(error), kept.seen) == (UnexpectedReply, [])


# What goes wrong on the way


def raw(*chunks: bytes, pause: float = 0.0, reset: bool = False) -> Any:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)
        if reset:
            writer.transport.abort()

    return script


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def failed_on_the_way(script: Any, **options: Any) -> tuple[str, int]:
    """(the error's class and words, number of attempts)"""

    async def go() -> tuple[str, int]:
        async with a_raw_broker(script) as broker, a_transport(**options) as transport:
            with pytest.raises(BrokerUnavailable) as caught:
                await a_client(transport, broker.url).get("/things")
            assert caught.value.__cause__ is None
            return str(caught.value), len(broker.asked)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (raw(HEAD + b"Content-Length: 100\r\n\r\n{"), "the answer broke off"),
        (raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"), "the answer broke off"),
        (raw(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), "the answer broke off"),
        (raw(b"SSH-2.0-OpenSSH\r\n\r\n"), "the connection failed"),
        (raw(), "the connection failed (ServerDisconnectedError)"),
        (raw(HEAD[:20], reset=True), "the connection failed"),
    ],
)
def test_what_breaks_on_the_way_is_tried_again_and_then_said(script: Any, words: str) -> None:
    said, attempts = failed_on_the_way(script)
    assert (words in said, attempts >= 3) == (True, True)


def test_a_body_that_drips_a_byte_at_a_time_ends_at_the_deadline() -> None:
    drip = raw(HEAD + b"Content-Length: 1000\r\n\r\n", *([b" "] * 1000), pause=0.02)
    loop_time = asyncio.new_event_loop().time
    started = loop_time()
    said, _ = failed_on_the_way(drip, deadline=0.3, attempts=1)
    assert said == "GET /things: no whole answer within 0.3 s"
    assert loop_time() - started < 1


def test_headers_that_never_end_end_at_the_deadline() -> None:
    said, _ = failed_on_the_way(raw(*([b"X: y\r\n"] * 1000), pause=0.02), deadline=0.3, attempts=1)
    assert said.startswith("GET /things: ")


def test_nobody_listening_is_said_without_the_query() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def go() -> None:
        async with a_transport() as transport:
            await a_client(transport, f"http://127.0.0.1:{port}").get("/things", params=[("secret", "1")])

    with pytest.raises(BrokerUnavailable, match=re.escape("GET /things: no connection to 127.0.0.1")):
        asyncio.run(go())


def test_a_name_that_does_not_exist_is_the_brokers_absence() -> None:
    async def go() -> None:
        async with a_transport(attempts=1) as transport:
            await a_client(transport, "http://broker.invalid").get("/things")

    with pytest.raises(BrokerUnavailable, match=re.escape("no connection to broker.invalid")):
        asyncio.run(go())


# When it tries again


def test_a_broker_that_recovers_is_asked_again_after_a_growing_chance_pause() -> None:
    time = FakeTime()
    reply, _, asked = asked_once(in_turn(status(503), status(503), "{}"), time=time, chance=0.5)
    assert (reply.status, len(asked), time.slept) == (200, 3, [0.5, 1.0])


def test_attempts_are_counted() -> None:
    time = FakeTime()
    error, _, asked = asked_once(in_turn(status(500)), time=time, chance=1.0, attempts=5)
    assert (type(error), len(asked), time.slept) == (BrokerUnavailable, 5, [1, 2, 4, 8])


def test_attempts_end_with_the_patience() -> None:
    time = FakeTime()
    error, _, asked = asked_once(in_turn(status(500)), time=time, chance=1.0, attempts=50, patience=20)
    assert (type(error), len(asked), sum(time.slept)) == (BrokerUnavailable, 5, 15)


@pytest.mark.parametrize("code", [400, 401, 403, 404])
def test_what_will_not_get_better_is_asked_once(code: int) -> None:
    _, _, asked = asked_once(in_turn(status(code)))
    assert asked == ["GET /things"]


def test_a_post_is_never_sent_twice() -> None:
    async def go() -> list[str]:
        async with a_broker(in_turn(status(503))) as broker, a_transport() as transport:
            with pytest.raises(BrokerUnavailable):
                await a_client(transport, broker.url).post("/token", json={})
            return broker.asked

    assert asyncio.run(go()) == ["POST /token"]


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_retry_after_in_seconds_is_waited_for(code: int) -> None:
    time = FakeTime()
    reply, _, _ = asked_once(in_turn(status(code, Retry_After="7"), "{}"), time=time)
    assert (reply.status, time.slept[0]) == (200, 7)


@pytest.mark.parametrize("code", [429, 503])
def test_a_retry_after_date_is_measured_on_the_brokers_own_clock(code: int) -> None:
    moment = datetime(2031, 1, 1, 12, tzinfo=UTC)
    answer = status(code, Date=http_date(moment), Retry_After=http_date(moment, after=30))
    time = FakeTime()
    asked_once(in_turn(answer, "{}"), time=time)
    assert time.slept[0] == 30


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "Wed, 99 Foo 2026", "٣", "9" * 5000])
def test_a_retry_after_that_says_nothing_gives_a_growing_pause(value: str) -> None:
    time = FakeTime()
    reply, _, _ = asked_once(in_turn(status(429, Retry_After=value), status(429), "{}"), time=time)
    assert (reply.status, time.slept) == (200, [1, 2])


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimited), (503, BrokerUnavailable)])
def test_a_retry_after_longer_than_the_patience_is_handed_on_at_once(code: int, kind: type[TriggerError]) -> None:
    time = FakeTime()
    error, _, asked = asked_once(in_turn(status(code, Retry_After="3600")), time=time)
    assert (type(error), error.retry_after, len(asked), time.slept) == (kind, 3600, 1, [])


def test_one_account_that_was_told_to_wait_holds_its_family_but_not_the_rest() -> None:
    async def go() -> tuple[list[str], RateLimited]:
        async def answer(request: web.Request) -> web.StreamResponse:
            too_many = request.path == "/things" and request.headers["Account"] == "one"
            return status(429, Retry_After="600")() if too_many else web.json_response({})

        async with a_broker(answer) as broker, a_transport() as transport:
            one, two = a_client(transport, broker.url, account="one"), a_client(transport, broker.url, account="two")
            with pytest.raises(RateLimited):
                await one.get("/things", headers={"Account": "one"})
            with pytest.raises(RateLimited) as held:
                await one.get("/things/1", headers={"Account": "one"})
            await one.get("/other", headers={"Account": "one"})
            await two.get("/things", headers={"Account": "two"})
            return broker.asked, held.value

    asked, held = asyncio.run(go())
    assert (asked, held.retry_after) == (["GET /things", "GET /other", "GET /things"], 600)


@pytest.mark.parametrize("code", [429, 503])
def test_a_pause_that_the_broker_asked_for_outlasts_the_run(code: int) -> None:
    """Also when the broker is down and says for how long."""
    time = FakeTime()
    limits = Limits(time.timer, time.sleep)

    async def run(url: str) -> float | None:
        async with a_transport(time, shared=limits) as transport:
            with pytest.raises(TriggerError) as told:
                await a_client(transport, url).get("/things")
            return told.value.retry_after

    async def runs() -> tuple[list[float | None], list[str]]:
        async with a_broker(in_turn(status(code, Retry_After="600"), "{}")) as broker:
            found = [await run(broker.url)]
            time.now += 100
            found.append(await run(broker.url))
            time.now += 500
            async with a_transport(time, shared=limits) as transport:
                await a_client(transport, broker.url).get("/things")
            return found, broker.asked

    assert asyncio.run(runs()) == ([600, 500], ["GET /things", "GET /things"])


def test_after_many_failures_of_a_broker_no_account_asks_it_for_a_while() -> None:
    async def go() -> tuple[int, str]:
        async with a_broker(in_turn(status(500))) as broker, a_transport(attempts=1) as transport:
            for number in range(20):
                with pytest.raises(BrokerUnavailable):
                    await a_client(transport, broker.url, account=str(number)).get("/things")
            with pytest.raises(LeftAlone) as caught:
                await a_client(transport, broker.url, account="another").get("/things")
            return len(broker.asked), str(caught.value)

    asked, words = asyncio.run(go())
    assert (asked, "left alone for a moment" in words) == (20, True)


def test_an_account_that_was_asked_is_told_how_the_broker_failed_and_not_that_it_is_left_alone() -> None:
    async def go() -> tuple[int, TriggerError]:
        async with a_broker(in_turn(status(500))) as broker, a_transport(attempts=3) as transport:
            for number in range(7):  # the last one is left alone after two attempts
                with pytest.raises(BrokerUnavailable) as caught:
                    await a_client(transport, broker.url, account=str(number)).get("/things")
            return len(broker.asked), caught.value

    asked, error = asyncio.run(go())
    assert (asked, type(error), str(error)) == (
        20, BrokerUnavailable, "GET /things: the broker answered 500, it is down or under maintenance",
    )  # fmt: skip


@pytest.mark.parametrize("seconds", [1e12, float("inf"), float("nan")])
def test_a_pause_that_a_trigger_reads_from_a_body_is_no_longer_than_one_from_a_header(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainTrigger, "classify", lambda reply: RateLimited("come back in years", seconds))
    error, _, asked = asked_once(in_turn("{}"))
    assert (type(error), error.retry_after, len(asked)) == (RateLimited, 6 * 3600, 1)


# How often, and how many at once


class LimitedTrigger(PlainTrigger):
    limits = {"reading": (Rate(2, 1),)}
    broker_limits = (Rate(3, 10),)


def test_an_account_and_the_broker_have_their_own_limits() -> None:
    async def go() -> list[float]:
        time = FakeTime()
        async with a_broker(in_turn("{}")) as broker, a_transport(time) as transport:
            for account in ("one", "one", "one", "two"):
                await transport.client(LimitedTrigger, broker.url, account, Kept()).get("/things")
        return time.slept

    assert asyncio.run(go()) == [1 + SLACK, 10 - 1]


def test_no_more_requests_are_in_flight_than_the_transport_allows() -> None:
    in_flight, most = 0, 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.01)
        in_flight -= 1
        return web.json_response({})

    async def go() -> None:
        async with a_broker(answer) as broker, a_transport(concurrency=4) as transport:
            await asyncio.gather(*(a_client(transport, broker.url, account=str(n)).get("/things") for n in range(30)))

    asyncio.run(go())
    assert most == 4


def test_an_endpoint_template_permits_as_many_segments_as_it_names() -> None:
    class Deep(PlainTrigger):
        allowed = (Endpoint("GET", "/a/{one}/b/{two}"),)

    async def go() -> list[str]:
        async with a_broker(in_turn("{}")) as broker, a_transport() as transport:
            client = Client(transport, Deep, broker.url, "one", Kept())
            await client.get("/a/1/b/2")
            for path in ("/a/1/b", "/a/1/b/2/3", "/a/../b/2", "/a/1/b/.."):
                with pytest.raises(ForbiddenRequest):
                    await client.get(path)
            return broker.asked

    assert asyncio.run(go()) == ["GET /a/1/b/2"]
