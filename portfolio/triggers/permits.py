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


def checked_address(url: str) -> str:
    """The address of a broker without a slash at its end: a scheme, a host and perhaps a path, nothing more."""
    parts = urlsplit(url)
    is_plain = "@" not in parts.netloc and not parts.query and not parts.fragment
    if parts.scheme not in ("https", "http") or not parts.hostname or not is_plain:
        raise ForbiddenRequest(f"not the address of a broker: {parts.scheme}://{parts.hostname}")
    return url.rstrip("/")
