"""How one logs in to Groww: with TOTP, with a key that is approved every day, or with a pasted token.

All end at 06:00 IST. A refused login is not repeated: hammering the token endpoint locks the account out.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from ledger.normalise import IST, as_ist, scrubbed

from .base import (
    BrokerUnavailable,
    Credential,
    CredentialField,
    HttpClient,
    LoginMethod,
    LoginRequired,
    NothingThere,
    Reply,
)
from .decode import exact, one
from .groww_failures import failure, is_passing, reason
from .login import next_ist, totp

KEYS_PAGE = "https://groww.in/trade-api/api-keys"
LOGIN_METHODS = (
    LoginMethod(
        "totp",
        "TOTP token: renews itself every day (recommended)",
        (CredentialField("totp_token", "TOTP token"), CredentialField("totp_secret", "TOTP secret (base32)")),
    ),
    LoginMethod(
        "approval",
        "API key and secret: you approve the key every day",
        (CredentialField("api_key", "API key"), CredentialField("api_secret", "API secret")),
        needs_person=True,
    ),
    LoginMethod(
        "token",
        "an access token that you paste every day",
        (CredentialField("access_token", "Token"),),
        needs_person=True,
    ),
)
ADVICE = {
    "totp": f"Check the TOTP token and the subscription at {KEYS_PAGE}, and this machine's clock",
    "approval": f"Approve today's key at {KEYS_PAGE}, check the subscription there, then sync again",
    "token": "New tokens are made at groww.in, profile, settings, Trading APIs; each ends at 06:00. "
    "Paste one: manage.py connect groww",
    "": "No Groww login is stored: run manage.py connect groww",
}


class Grant(msgspec.Struct):
    """Not in an envelope."""

    token: str
    expiry: str | None = None
    isActive: bool = True


class GrowwLogin:
    """The login that an account's credentials allow, the one that needs a person least first."""

    def __init__(self, credential: Credential, client: HttpClient) -> None:
        self._secrets, self._entered_at, self._client = credential.credentials, credential.entered_at, client
        possible = (each.name for each in LOGIN_METHODS if all(self._secrets.get(field.name) for field in each.fields))
        self.method = next(possible, "")
        self.advice = ADVICE[self.method]

    async def log_in(self) -> tuple[str, datetime]:
        """A new access token and its end: the next 06:00 IST, or earlier when Groww says so."""
        if not self.method:
            raise LoginRequired(self.advice)
        now = self._client.clock()
        if self.method == "token":
            return self._secrets["access_token"], self._end_of_pasted(now)
        end = next_ist(now, 6)
        reply = await (self._by_totp(now) if self.method == "totp" else self._by_approval(now))
        if is_passing(reply):  # what is well again later is no reason to wait for a person
            raise BrokerUnavailable(f"Groww could not log in: {_said(reply, self._secrets.values())}")
        try:
            token, told_end = granted(reply, self._secrets.values())
        except ValueError as refused:
            message = f"Groww refused the login: {refused}. {self.advice}"
            if reply.status == 404:
                raise NothingThere(message, f"Groww finds nothing where one logs in: {refused}") from None
            raise LoginRequired(message) from None
        return token, min(end, told_end or end)

    def _end_of_pasted(self, now: datetime) -> datetime:
        """06:00 IST after it was pasted, however often it is used. LoginRequired when that is over."""
        end = next_ist(self._entered_at or now, 6)
        if end <= now:
            raise LoginRequired(f"The pasted token ended on {end.astimezone(IST):%d %b at 06:00}. {self.advice}")
        return end

    async def _by_totp(self, now: datetime) -> Reply:
        """A code counts once, so a refused one is followed by that of the next 30 s, and by no third."""
        secret = self._secrets["totp_secret"]
        reply = await self._ask_token("totp_token", key_type="totp", totp=totp(secret, now))
        if reply.status in (400, 401):
            later = now + timedelta(seconds=30)
            reply = await self._ask_token("totp_token", key_type="totp", totp=totp(secret, later))
        return reply

    async def _by_approval(self, now: datetime) -> Reply:
        timestamp = str(int(now.timestamp()))
        checksum = hashlib.sha256((self._secrets["api_secret"] + timestamp).encode()).hexdigest()
        return await self._ask_token("api_key", key_type="approval", checksum=checksum, timestamp=timestamp)

    async def _ask_token(self, key: str, **body: str) -> Reply:
        """Never kept: the answer is the token."""
        return await self._client.post("/token/api/access", json=body, headers=headers(self._secrets[key]), keep=False)


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-API-VERSION": "1.0"}


def _said(reply: Reply, secrets: Iterable[str]) -> str:
    return scrubbed(reason(reply), tuple(map(str, secrets)))


def granted(reply: Reply, secrets: Iterable[str]) -> tuple[str, datetime | None]:
    """The access token and the end that Groww gives it. ValueError, in Groww's words, when it gave none."""
    if reply.status != 200 or failure(reply):
        raise ValueError(_said(reply, secrets))
    grant: Any = one(exact(reply.body), Grant)
    if not grant.isActive:
        raise ValueError("the token it gave is not active")
    try:
        return grant.token, as_ist(datetime.fromisoformat(grant.expiry)) if grant.expiry else None
    except ValueError:
        return grant.token, None
