"""The one clock of everything that is recorded or compared with the calendar.

Without KHATA_CLOCK it is the system's. With an ISO instant it stands still there; with an http address (a
simulator's) it shows what that address said at the last `refresh`, which a tick or a batch asks for once.
Leases, deadlines, rate limits and back-off never ask here: they run on real time.
"""

import json
from datetime import UTC, date, datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from ledger.normalise import ist_date

TIMEOUT_SECONDS = 3
LONGEST_ANSWER = 10_000
_CHECK = "Is the simulator running? Unset KHATA_CLOCK for the system's clock."

_answers: dict[str, datetime] = {}  # what each address said last


class ClockError(Exception):
    """KHATA_CLOCK is set and gives no time; the message says what to set."""


def now() -> datetime:
    """The present instant, in UTC."""
    setting = _setting()
    if not setting:
        return datetime.now(UTC)
    if not _is_address(setting):
        return _instant(setting)
    return _answers[setting] if setting in _answers else refresh()


def refresh() -> datetime:
    """The present instant, asked anew where KHATA_CLOCK is an address. Blocks, for some seconds at most."""
    setting = _setting()
    if not _is_address(setting):
        return now()
    _answers[setting] = _ask(setting)
    return _answers[setting]


def forget() -> None:
    """Forgets what addresses said: after another simulator got the port of one that is gone."""
    _answers.clear()


def today() -> date:
    """The date in India."""
    return ist_date(now())


def _setting() -> str:
    return str(getattr(settings, "KHATA_CLOCK", "") or "").strip()


def _is_address(setting: str) -> bool:
    return setting.startswith(("http://", "https://"))


@lru_cache(maxsize=8)
def _instant(setting: str) -> datetime:
    instant = _parsed(setting)
    if instant is None:
        raise ClockError(
            f"KHATA_CLOCK is {setting!r}. Set it to an instant with its offset, such as 2026-11-20T16:00:00+05:30, "
            "or to the http address of a simulator; leave it unset for the system's clock."
        )
    return instant


def _parsed(text: str) -> datetime | None:
    """The instant in UTC; None when it is not one, or has no offset."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else None


def _ask(address: str) -> datetime:
    try:
        status, body = _get(urlsplit(address))
        told = json.loads(body)["now"] if status == 200 else None
    except (OSError, HTTPException, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClockError(f"KHATA_CLOCK: {address} gives no time ({type(error).__name__}: {error}). {_CHECK}") from error
    instant = _parsed(told) if isinstance(told, str) else None
    if instant is None:
        raise ClockError(f"KHATA_CLOCK: {address} answers with status {status} and no instant ({told!r}). {_CHECK}")
    return instant


def _get(parts: SplitResult) -> tuple[int, bytes]:
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{parts.path or '/'}{parts.query and '?' + parts.query}")
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_ANSWER)
    finally:
        connection.close()
