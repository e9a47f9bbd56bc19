"""What adapters share to log in: the day's access token, renewed at most once a run; its end; TOTP codes."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from ledger.normalise import IST

from .base import LoginRequired, Reply, TokenStore, TriggerError

LogIn = Callable[[], Awaitable[tuple[str, datetime]]]  # a new token and when it ends, UTC

TOTP_STEP_SECONDS = 30


def totp(secret: str, at: datetime, digits: int = 6) -> str:
    """The code of RFC 6238 (SHA-1, 30 s) for a base32 secret; spaces, hyphens and lower case are taken."""
    compact = secret.replace(" ", "").replace("-", "").rstrip("=").upper()
    try:
        key = base64.b32decode(compact + "A" * (-len(compact) % 8))[: len(compact) * 5 // 8]
    except ValueError:
        raise LoginRequired("the TOTP secret is not base32 text: enter it again as the broker shows it") from None
    step = int(at.timestamp()) // TOTP_STEP_SECONDS
    digest = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def next_ist(now: datetime, hour: int) -> datetime:
    """The next time that it is `hour` o'clock in India, UTC: when a broker's tokens end."""
    end = now.astimezone(IST).replace(hour=hour, minute=0, second=0, microsecond=0)
    return (end if end > now else end + timedelta(days=1)).astimezone(UTC)


class DayToken:
    """One access token for all sections of a run. Whoever finds it refused first renews it; the others wait and use it.

    Renewed once, and a login that failed is not tried again in this run: brokers lock out who hammers
    their token endpoint. `advice` tells the owner what to do when a token that is new is refused.
    """

    def __init__(self, tokens: TokenStore | None, log_in: LogIn, advice: str) -> None:
        self._tokens, self._log_in, self._advice = tokens, log_in, advice
        self._lock = asyncio.Lock()
        self._current: str | None = None
        self._is_renewed = False
        self._failure: TriggerError | None = None

    async def use(self, ask: Callable[[str], Awaitable[Reply]]) -> Reply:
        """What `ask(token)` gives; asked once more with a new token when the first one is refused."""
        token = await self._get()
        try:
            return await ask(token)
        except LoginRequired as refusal:
            token = await self._instead_of(token, refusal)
        try:
            return await ask(token)
        except LoginRequired as refusal:
            self._failure = self._advised(refusal)
            raise self._failure from None

    def _advised(self, refusal: LoginRequired) -> LoginRequired:
        """In the broker's words, and what its owner can do."""
        return LoginRequired(f"{refusal}. {self._advice}")

    async def _get(self) -> str:
        if self._current is not None and not self._failure and not self._lock.locked():
            return self._current
        async with self._lock:
            if self._failure:
                raise self._failure
            if self._current is None and self._tokens is not None:
                self._current = self._tokens.get()
            return self._current or await self._renew()

    async def _instead_of(self, refused: str, refusal: LoginRequired) -> str:
        async with self._lock:
            if self._current is not None and self._current != refused:
                return self._current
            new = refused if self._is_renewed else await self._renew()
            self._is_renewed = True
            if new == refused:
                self._failure = self._failure or self._advised(refusal)
                raise self._failure
            return new

    async def _renew(self) -> str:
        if self._failure:
            raise self._failure
        try:
            self._current, ends = await self._log_in()
        except TriggerError as failure:
            self._failure = failure
            raise
        if self._tokens is not None:
            await self._tokens.put(self._current, ends)
        return self._current
