"""What may be asked at all: method, host and path. Everything else raises before a socket opens."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from .base import Endpoint, ForbiddenRequest


class Permits:
    """The allow-list of one trigger, ready to be asked. Knows the rate-limit family of each request."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        endpoints = tuple(endpoints)
        self._plain = {(e.method, e.path): e.family for e in endpoints if "{" not in e.path}
        self._templates = [(e.method, _pattern(e.path), e.family) for e in endpoints if "{" in e.path]

    def family(self, method: str, path: str) -> str:
        family = self._plain.get((method, path))
        if family is not None:
            return family
        for permitted, pattern, family in self._templates:
            if permitted == method and pattern.fullmatch(path):
                return family
        raise ForbiddenRequest(f"{method} {path[:100]} is not on the allow-list of this broker")


def _pattern(template: str) -> re.Pattern[str]:
    """`{name}` stands for one plain segment: no slash, no percent sign, and neither `.` nor `..`."""
    parts = re.split(r"\{\w+\}", template)
    return re.compile(r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+".join(map(re.escape, parts)))


def checked_address(url: str, setting: str) -> str:
    """The address of a broker without a slash at its end: a scheme, a host and perhaps a path, nothing more.

    `setting` is what would have to be corrected. The address itself is not told: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        is_whole = False
    if not is_whole or "@" in parts.netloc or parts.query or parts.fragment:
        raise ForbiddenRequest(
            f"the broker's address is not one: correct {setting}. It is https://, a host, and perhaps a port and a path"
        )
    return url.rstrip("/")
