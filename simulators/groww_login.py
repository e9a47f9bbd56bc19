"""Groww's keys and tokens: TOTP, the approval checksum, and access tokens that all end at 06:00 IST.

Both ways are really verified, against the simulated clock. Never learns what an account holds.
"""

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from secrets import token_hex
from typing import Any

from .market import IST
from .stage import Refusal, Stage

STEP_SECONDS = 30
CHECKSUM_WINDOW_SECONDS = 600
TOKENS_END = time(6)


def totp(seed: str, at: datetime, step: int = 0) -> str:
    """The six digits of RFC 6238 (SHA-1, 30 s) for a base32 seed, `step` steps from `at`."""
    key = base64.b32decode(seed.upper() + "=" * (-len(seed) % 8))
    counter = int(at.timestamp()) // STEP_SECONDS + step
    digest = hmac.new(key, struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def checksum(secret: str, timestamp: str) -> str:
    return hashlib.sha256((secret + timestamp).encode()).hexdigest()


def next_token_end(now: datetime) -> datetime:
    end = datetime.combine(now.date(), TOKENS_END, IST)
    return end if now < end else end + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Keys:
    """What the user copies from Groww's keys page."""

    totp_token: str
    totp_seed: str
    api_key: str
    api_secret: str


def keys_of(ucc: str) -> Keys:
    def secret(kind: str) -> bytes:
        return hashlib.sha256(f"{ucc} {kind}".encode()).digest()

    return Keys(
        _jwt_shaped(secret("totp token")),
        base64.b32encode(secret("totp seed")[:20]).decode(),
        _jwt_shaped(secret("api key")),
        base64.urlsafe_b64encode(secret("api secret")[:24]).decode(),
    )


def _jwt_shaped(content: bytes) -> str:
    body = base64.urlsafe_b64encode(content * 3).decode().rstrip("=")
    return f"eyJraWQiOiJaTUtjVXciLCJhbGciOiJFUzI1NiJ9.{body}.{body[:43]}"


class Logins:
    """Who may log in, and which tokens are alive."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.keys = {ucc: keys_of(ucc) for ucc in stage.investors}
        self._owners = {key: ucc for ucc, keys in self.keys.items() for key in (keys.totp_token, keys.api_key)}
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._used_codes: set[tuple[str, str, int]] = set()
        self._run = token_hex(8)  # what one run of the simulator gave, no other run gives again
        self._issued = 0

    def whose_token(self, token: str) -> str:
        """The ucc of a token that is alive, or nothing."""
        ucc, end = self._tokens.get(token, ("", self.stage.now))
        return ucc if self.stage.now < end else ""

    def whose_key(self, key: str) -> str:
        return self._owners.get(key, "")

    def issue(self, ucc: str) -> tuple[str, datetime]:
        """A new access token and its end."""
        if self.stage.switch("new_token_ends_old", ucc):
            self._tokens = {token: held for token, held in self._tokens.items() if held[0] != ucc}
        self._issued += 1
        token = _jwt_shaped(hashlib.sha256(f"{ucc} {self._run} {self._issued}".encode()).digest())
        end = next_token_end(self.stage.now)
        self._tokens[token] = ucc, end
        return token, end

    def log_in(self, key: str, body: Any) -> dict[str, Any]:
        """The answer of the token endpoint, which has no envelope. Refusal otherwise."""
        ucc = self.whose_key(key)
        if not ucc:
            raise Refusal(401, "GA005", "Invalid API key")
        if not isinstance(body, dict) or body.get("key_type") not in ("totp", "approval"):
            raise Refusal(400, "GA001", "key_type must be totp or approval")
        keys = self.keys[ucc]
        is_totp = body["key_type"] == "totp"
        if key != (keys.totp_token if is_totp else keys.api_key):
            raise Refusal(403, "GA005", "This key cannot be used with the given key_type")
        if not self.stage.switch("subscription", ucc):
            raise Refusal(403, "GA005", "No active Trading API subscription")
        if is_totp:
            self._check_totp(ucc, keys.totp_seed, body.get("totp"))
        else:
            self._check_approval(ucc, keys.api_secret, body)
        return self._answer(ucc)

    def _check_totp(self, ucc: str, seed: str, code: Any) -> None:
        if not isinstance(code, str) or len(code) != 6:
            raise Refusal(400, "GA001", "totp must be a text of six digits")
        now = self.stage.now
        step = next((step for step in (0, -1, 1) if totp(seed, now, step) == code), None)
        if step is None:
            raise Refusal(401, "GA005", "Invalid TOTP")
        used = (ucc, code, int(now.timestamp()) // STEP_SECONDS + step)
        if self.stage.switch("totp_single_use", ucc) and used in self._used_codes:
            raise Refusal(400, "GA001", "TOTP has been used")
        self._used_codes.add(used)

    def _check_approval(self, ucc: str, secret: str, body: dict[str, Any]) -> None:
        """The timestamp is text in the documentation and an integer in the official client; both are taken."""
        timestamp = str(body.get("timestamp", ""))
        if not timestamp.isdigit():
            raise Refusal(400, "GA001", "timestamp must be epoch seconds")
        if abs(int(timestamp) - self.stage.now.timestamp()) > CHECKSUM_WINDOW_SECONDS:
            raise Refusal(400, "GA001", "timestamp is outside the accepted window")
        if not hmac.compare_digest(checksum(secret, timestamp), str(body.get("checksum", ""))):
            raise Refusal(401, "GA005", "Invalid checksum")
        if not self.stage.switch("approved_today", ucc):
            raise Refusal(403, "GA005", "API key has not been approved today")

    def _answer(self, ucc: str) -> dict[str, Any]:
        token, end = self.issue(ucc)
        return {
            "token": token,
            "tokenRefId": f"ref-{ucc}-{self._issued}",
            "sessionName": "khata",
            "expiry": f"{end:%Y-%m-%dT%H:%M:%S}",
            "isActive": True,
        }
