"""One clock: the system's, one that stands still, or a simulator's."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings

from portfolio import clock


@pytest.fixture(autouse=True)
def _forget_answers() -> Iterator[None]:
    clock.forget()
    yield
    clock.forget()


def set_clock(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setattr(settings, "KHATA_CLOCK", value, raising=False)


class Simulator:
    """A real server on loopback that tells the time it was given, and counts how often it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, b"", 0

    def says(self, now: str) -> None:
        self.body = json.dumps({"now": now}).encode()


@contextmanager
def serving(simulator: Simulator) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            simulator.asked += 1
            self.send_response(simulator.status if self.path == "/control/clock?of=market" else 404)
            self.send_header("Content-Length", str(len(simulator.body)))
            self.end_headers()
            self.wfile.write(simulator.body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/control/clock?of=market"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
def address(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(simulator) as url:
        set_clock(monkeypatch, url)
        yield url


def test_without_the_setting_it_is_the_systems_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, "")
    before = datetime.now(UTC)

    told = clock.now()

    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC
    assert clock.refresh() - before < timedelta(seconds=5)


def test_an_instant_stands_still_and_is_given_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, "2026-11-20T16:00:00+05:30")

    assert clock.now() == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.refresh() == clock.now()


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-20T18:29:59+00:00", date(2026, 11, 20)),
        ("2026-11-20T18:30:00Z", date(2026, 11, 21)),
        ("2026-11-20T00:00:00+05:30", date(2026, 11, 20)),
    ],
)
def test_today_is_the_date_in_india(monkeypatch: pytest.MonkeyPatch, instant: str, day: date) -> None:
    set_clock(monkeypatch, instant)

    assert clock.today() == day


@pytest.mark.parametrize("bad", ["2026-11-20T16:00:00", "2026-11-20", "noon", "ftp://x/clock", "16:00+05:30"])
def test_a_setting_that_is_no_instant_says_what_to_set(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    set_clock(monkeypatch, bad)

    with pytest.raises(clock.ClockError, match=r"KHATA_CLOCK is .*Set it to an instant with its offset"):
        clock.now()


def test_an_address_is_asked_once_a_refresh(address: str, simulator: Simulator) -> None:
    simulator.says("2026-11-20T16:00:00+05:30")
    first = [clock.now(), clock.now(), clock.now()]
    simulator.says("2026-11-20T17:00:00+05:30")
    remembered = clock.now()
    refreshed = clock.refresh()

    assert first == [datetime(2026, 11, 20, 10, 30, tzinfo=UTC)] * 3
    assert remembered == first[0]
    assert refreshed == clock.now() == datetime(2026, 11, 20, 11, 30, tzinfo=UTC)
    assert simulator.asked == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"now": null}',
        b'{"now": 5}',
        b'{"now": "2026-11-20T16:00:00"}',
        b"<html>",
        b"\xff\xfe",
        b"[" * 9000,
    ],
)
def test_an_address_that_tells_no_instant_is_a_clear_error(address: str, simulator: Simulator, body: bytes) -> None:
    simulator.body = body

    with pytest.raises(clock.ClockError, match=f"KHATA_CLOCK: {address.partition('?')[0]}.*Is the simulator running"):
        clock.now()


def test_an_address_that_fails_is_a_clear_error(address: str, simulator: Simulator) -> None:
    simulator.says("2026-11-20T16:00:00+05:30")
    assert clock.now() == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    simulator.status = 500

    with pytest.raises(clock.ClockError, match="status 500"):
        clock.refresh()


def test_an_address_where_nobody_listens_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Simulator()) as url:
        gone = url
    set_clock(monkeypatch, gone)

    with pytest.raises(clock.ClockError, match="Connection refused"):
        clock.refresh()
