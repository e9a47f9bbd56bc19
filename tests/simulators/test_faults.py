"""Each fault that can be injected does what its name says, where and as often as it was told."""

import gzip
import http.client
import json
import socket
import time
import urllib.error
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from simulators.faults import KINDS
from simulators.groww import GrowwSimulator, groww_simulator
from simulators.investor import Investor
from simulators.market import Market
from tests.simulators.asking import ask
from tests.simulators.build import UCC

HOLDINGS = "/holdings/user"


@pytest.fixture
def sim() -> Iterator[GrowwSimulator]:
    investors = [Investor(Market(), UCC), Investor(Market(), "2")]
    for symbol, quantity in (("TCS", 10), ("SBIN", 20), ("ITC", 30)):
        investors[0].start_with(symbol, quantity, "100")
    investors[1].start_with("GAIL", 7, "100")
    with groww_simulator(investors, limits=False) as running:
        yield running


def holdings(sim: GrowwSimulator) -> Any:
    return ask(sim, HOLDINGS).payload.get("holdings", "no list")


def quantities(sim: GrowwSimulator) -> list[Any]:
    return [row["quantity"] for row in holdings(sim)]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("401", 401, "GA005"),
        ("403", 403, "GA005"),
        ("404", 404, "GA004"),
        ("429", 429, "GA003"),
        ("500", 500, "GA000"),
        ("failure_200", 200, "GA000"),
    ],
)
def test_an_error_comes_in_groww_s_envelope(sim: GrowwSimulator, kind: str, status: int, code: str) -> None:
    sim.fault(kind, HOLDINGS)
    answer = ask(sim, HOLDINGS)
    assert (answer.status, answer.json["status"], answer.json["error"]["code"]) == (status, "FAILURE", code)


@pytest.mark.parametrize(("kind", "status"), [("502", 502), ("503_html", 503), ("504", 504), ("html_200", 200)])
def test_a_page_of_an_edge_server_comes_instead(sim: GrowwSimulator, kind: str, status: int) -> None:
    sim.fault(kind, HOLDINGS)
    answer = ask(sim, HOLDINGS)
    assert (answer.status, answer.headers["Content-Type"][:9], answer.text[:6]) == (status, "text/html", "<html>")


def test_too_many_requests_may_say_how_long_to_wait(sim: GrowwSimulator) -> None:
    sim.fault("429", HOLDINGS, times=1)
    sim.fault("429", HOLDINGS, times=1, retry_after=7)
    sim.fault("429", HOLDINGS, times=1, retry_after="date", seconds=90)
    first, second, third = [ask(sim, HOLDINGS).headers.get("Retry-After") for _ in range(3)]
    assert (first, second) == (None, "7")
    assert third is not None
    assert 80 < parsedate_to_datetime(third).timestamp() - time.time() <= 90


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("empty_list", {}, []),
        ("short_list", {}, [10, 20]),
        ("short_list", {"drop": 2}, [10]),
        ("short_list", {"drop": 9}, []),
        ("duplicate_rows", {}, [10, 10, 20, 20, 30, 30]),
        ("shuffled_rows", {}, [30, 20, 10]),
        ("zero_quantities", {}, [0, 0, 0]),
        ("negative_quantity", {}, [-10, 20, 30]),
        ("negative_quantity", {"row": 1}, [10, -20, 30]),
        ("null_number", {}, [None, 20, 30]),
        ("text_number", {}, ["ten", 20, 30]),
        ("long_integer", {}, [int("9" * 4000), 20, 30]),
    ],
)
def test_rows_are_spoilt(sim: GrowwSimulator, kind: str, options: dict[str, Any], expected: list[Any]) -> None:
    sim.fault(kind, HOLDINGS, **options)
    if kind == "long_integer":
        assert '"quantity": ' + "9" * 5000 in ask(sim, HOLDINGS).text
    else:
        assert quantities(sim) == expected


def test_a_list_may_be_null_or_missing(sim: GrowwSimulator) -> None:
    sim.fault("null_list", HOLDINGS, times=1)
    sim.fault("missing_list", HOLDINGS, times=1)
    assert [holdings(sim), holdings(sim)] == [None, "no list"]


@pytest.mark.parametrize(("kind", "text"), [("nan", "NaN"), ("infinity", "Infinity"), ("1e400", "1e400")])
def test_a_number_may_be_no_number(sim: GrowwSimulator, kind: str, text: str) -> None:
    sim.fault(kind, HOLDINGS, times=1)
    sim.fault(kind, HOLDINGS, times=1, field="average_price")
    assert f'"quantity": {text},' in ask(sim, HOLDINGS).text
    assert f'"average_price": {text},' in ask(sim, HOLDINGS).text


def test_fields_may_be_changed_added_and_lost(sim: GrowwSimulator) -> None:
    for kind in ("grouped_number", "unknown_field", "missing_field"):
        sim.fault(kind, HOLDINGS, times=1)
    assert holdings(sim)[0]["average_price"] == "1,234.50"
    assert holdings(sim)[0]["hologram"] == "new"
    assert "quantity" not in holdings(sim)[0]


def test_a_key_may_come_twice(sim: GrowwSimulator) -> None:
    sim.fault("duplicate_keys", HOLDINGS)
    assert '"quantity": 1, "quantity": 10,' in ask(sim, HOLDINGS).text


def test_orders_may_have_an_unknown_word_too_many_fills_and_a_time_far_off(sim: GrowwSimulator) -> None:
    sim.move_to("2026-10-06 11:00")
    sim.investors[UCC].buy("SBIN", 4)
    for kind in ("unknown_enum", "filled_above_quantity", "far_future"):
        sim.fault(kind, "/order/list", times=1)
    words, fills, times = [ask(sim, "/order/list").payload["order_list"][0] for _ in range(3)]
    assert words["order_status"] == "TELEPORTED"
    assert (fills["quantity"], fills["filled_quantity"]) == (4, 5)
    assert times["created_at"] == "2099-10-06T11:00:00"


def test_a_page_may_be_repeated_for_ever(sim: GrowwSimulator) -> None:
    sim.move_to("2026-10-06 11:00")
    for _ in range(3):
        sim.investors[UCC].buy("SBIN", 1)
    sim.fault("repeated_page", "/order/list")
    pages = [ask(sim, f"/order/list?page={number}&page_size=2").payload for number in (0, 1, 50)]
    assert pages[0] == pages[1] == pages[2]
    assert len(pages[0]["order_list"]) == 2


def test_another_clients_account_may_come(sim: GrowwSimulator) -> None:
    sim.fault("other_client", ucc=UCC)
    assert ask(sim, "/user/detail").payload["ucc"] == "9999999999"
    assert quantities(sim) == [7]


def test_a_body_may_be_cut_with_its_own_length_or_that_of_the_whole(sim: GrowwSimulator) -> None:
    whole = len(ask(sim, HOLDINGS).text)
    sim.fault("truncated", HOLDINGS, times=1)
    answer = ask(sim, HOLDINGS)
    assert (len(answer.text), answer.headers["Content-Length"]) == (whole // 2, str(whole // 2))
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    sim.fault("truncated_length", HOLDINGS, times=1)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        ask(sim, HOLDINGS)


def test_a_connection_may_be_reset(sim: GrowwSimulator) -> None:
    sim.fault("reset", HOLDINGS, times=1)
    with pytest.raises((ConnectionResetError, urllib.error.URLError, http.client.RemoteDisconnected)):
        ask(sim, HOLDINGS)
    assert quantities(sim) == [10, 20, 30]


def raw_bytes(sim: GrowwSimulator, seconds: float, most: int = 10**9) -> tuple[bytes, float]:
    """What comes for the holdings on a bare socket within so many seconds, and how long it took."""
    address = urlsplit(sim.url)
    token = sim.credentials(UCC)["access_token"]
    asked = f"GET /v1{HOLDINGS} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n"
    asked += "X-API-VERSION: 1.0\r\nConnection: close\r\n\r\n"
    began, received = time.monotonic(), b""
    with socket.create_connection((str(address.hostname), address.port)) as connection:
        connection.settimeout(seconds)
        connection.sendall(asked.encode())
        try:
            while len(received) < most and (some := connection.recv(1_000_000)):
                received += some
                if time.monotonic() - began > seconds:
                    break
        except TimeoutError:
            pass
    return received, time.monotonic() - began


def test_a_body_may_drip_byte_by_byte(sim: GrowwSimulator) -> None:
    sim.fault("slow_drip", HOLDINGS, seconds=0.05)
    received, _ = raw_bytes(sim, 0.5)
    body = received.partition(b"\r\n\r\n")[2]
    assert 3 <= len(body) <= 12


def test_an_answer_may_be_late(sim: GrowwSimulator) -> None:
    sim.fault("latency", HOLDINGS, seconds=0.2)
    received, seconds = raw_bytes(sim, 5)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert 0.2 <= seconds < 1


def test_a_body_may_be_huge(sim: GrowwSimulator) -> None:
    sim.fault("huge_body", HOLDINGS, bytes=20_000_000)
    text = ask(sim, HOLDINGS).text
    assert len(text) > 20_000_000
    assert len(json.loads(text)["payload"]["holdings"]) == 3


def test_a_body_may_be_huge_once_it_is_unpacked(sim: GrowwSimulator) -> None:
    sim.fault("gzip_bomb", HOLDINGS, bytes=20_000_000)
    received, _ = raw_bytes(sim, 10)
    header, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in header
    assert len(body) < 100_000
    assert len(gzip.decompress(body)) == 20_000_000


def test_a_body_may_be_nested_beyond_reason(sim: GrowwSimulator) -> None:
    sim.fault("deep_nesting", HOLDINGS)
    assert "[" * 100_000 in ask(sim, HOLDINGS).text


def test_a_fault_strikes_so_often_and_then_no_more(sim: GrowwSimulator) -> None:
    sim.fault("500", HOLDINGS, times=2)
    assert [ask(sim, HOLDINGS).status for _ in range(4)] == [500, 500, 200, 200]


def test_a_fault_without_a_number_stays_until_it_is_cleared(sim: GrowwSimulator) -> None:
    sim.fault("500", HOLDINGS)
    assert [ask(sim, HOLDINGS).status for _ in range(4)] == [500] * 4
    sim.clear_faults()
    assert ask(sim, HOLDINGS).status == 200


def test_a_fault_strikes_the_endpoints_of_its_pattern_and_its_client_alone(sim: GrowwSimulator) -> None:
    sim.fault("500", "/positions/*", ucc=UCC)
    other = sim.credentials("2")["access_token"]
    asked = [("/positions/user", ""), (HOLDINGS, ""), ("/positions/user", other)]
    assert [ask(sim, path, token=token).status for path, token in asked] == [500, 200, 200]


def test_the_token_endpoint_can_fail_too(sim: GrowwSimulator) -> None:
    sim.fault("503_html", "/token/api/access", ucc=UCC)
    keys = sim.credentials(UCC)
    assert ask(sim, "/token/api/access", token=keys["totp_token"], method="POST", body={}).status == 503


def test_the_log_tells_which_fault_struck(sim: GrowwSimulator) -> None:
    sim.fault("empty_list", HOLDINGS, times=1)
    ask(sim, HOLDINGS)
    ask(sim, HOLDINGS)
    assert [(served.status, served.fault) for served in sim.requests] == [(200, "empty_list"), (200, "")]


def test_a_fault_that_there_is_not_is_refused(sim: GrowwSimulator) -> None:
    with pytest.raises(ValueError, match="no fault named gremlins"):
        sim.fault("gremlins")


@pytest.mark.parametrize("kind", sorted(KINDS - {"slow_drip", "huge_body", "gzip_bomb", "reset", "truncated_length"}))
@pytest.mark.parametrize("path", [HOLDINGS, "/order/list", "/margins/detail/user", "/live-data/ltp", "/changelog"])
def test_every_fault_can_strike_every_kind_of_answer(sim: GrowwSimulator, kind: str, path: str) -> None:
    sim.fault(kind, seconds=0)
    answer = ask(sim, path)
    assert answer.text and "Server got itself in trouble" not in answer.text
