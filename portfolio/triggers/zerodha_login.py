"""How one logs in to Zerodha: in a browser, every trading day; what comes back is changed into the day's token here.

It ends at 06:00 IST and nothing renews it. Never done here: the web login itself, which belongs to its owner alone.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from ledger.errors import BadValue
from ledger.normalise import name, scrubbed

from .base import Account, CredentialField, HttpClient, LoginMethod, LoginRequired, NothingThere, Reply, WrongAccount
from .decode import one, row_type
from .login import next_ist
from .zerodha_failures import data, failure, reason

LOGIN_PAGE = "https://kite.zerodha.com/connect/login"
LOGIN_METHODS = (
    LoginMethod(
        "browser",
        "your app's key and secret; you log in at Zerodha in a browser every trading day",
        (
            CredentialField("api_key", "API key"),
            CredentialField("api_secret", "API secret"),
            CredentialField(
                "request_token",
                "The address that Zerodha sent you to, or the request_token in it",
                is_secret=False,
                is_kept=False,
            ),
        ),
        needs_person=True,
    ),
)
VERSION = {"X-Kite-Version": "3"}
SESSION_ROW = row_type(texts="user_id access_token")
_TOKEN = re.compile(r"[\w-]{4,128}", re.ASCII)


class ZerodhaLogin:
    """Changes what a login in the browser brought back into the day's access token, once."""

    def __init__(self, account: Account, client: HttpClient) -> None:
        self._secrets, self._account, self._client = account.credential.credentials, account, client
        again = f" --account {account.id}" if account.id else ""
        self.advice = f"Log in at Zerodha: manage.py connect zerodha{again}"

    async def log_in(self) -> tuple[str, datetime]:
        """The access token and its end, 06:00 IST. LoginRequired where nobody has logged in since the last end."""
        secrets = self._secrets
        if not all(secrets.get(field) for field in ("api_key", "api_secret", "request_token")):
            raise LoginRequired(f"The day's login at Zerodha has not been made. {self.advice}")
        request_token = request_token_of(secrets["request_token"])
        if not request_token:
            raise LoginRequired(f"What was pasted has no request_token, so the login was not finished. {self.advice}")
        reply = await self._client.post(
            "/session/token",
            form={
                "api_key": secrets["api_key"],
                "request_token": request_token,
                "checksum": checksum(secrets["api_key"], request_token, secrets["api_secret"]),
            },
            headers=VERSION,
            keep=False,  # the answer is the token
        )
        user_id, token = self._granted(reply)
        if self._account.account_id and user_id != self._account.account_id:
            raise WrongAccount("the login at Zerodha was another client's than this account's")
        return token, next_ist(self._client.clock(), 6)

    def _granted(self, reply: Reply) -> tuple[str, str]:
        """The client id and the access token; LoginRequired, in Zerodha's words, when it gave none."""
        if reply.status != 200 or failure(reply):
            said = scrubbed(reason(reply), tuple(map(str, self._secrets.values())))
            message = f"Zerodha refused the login: {said}. It counts once and for a few minutes. {self.advice}"
            if reply.status == 404:
                raise NothingThere(message, f"Zerodha finds nothing where one logs in: {said}")
            raise LoginRequired(message)
        try:
            row: Any = one(data(reply), SESSION_ROW)
            return name(row.user_id), row.access_token
        except (BadValue, ValueError):
            raise LoginRequired(f"Zerodha gave no token for the login. {self.advice}") from None


def login_address(page: str, credentials: Mapping[str, str], state: str = "") -> str:
    """Where the owner logs in. `state` comes back unchanged with the request_token."""
    more = {"redirect_params": urlencode({"state": state})} if state else {}
    return f"{page}?{urlencode({'v': '3', 'api_key': credentials['api_key'], **more})}"


def request_token_of(pasted: str) -> str:
    """The token in the address that the browser was sent to, or the token itself; "" where there is none."""
    pasted = pasted.strip()
    found = parse_qs(urlsplit(pasted).query or pasted.partition("?")[2] or pasted).get("request_token")
    candidate = found[0] if found else pasted
    return candidate if _TOKEN.fullmatch(candidate) else ""


def checksum(api_key: str, request_token: str, api_secret: str) -> str:
    return hashlib.sha256(f"{api_key}{request_token}{api_secret}".encode()).hexdigest()


def headers(api_key: str, token: str) -> dict[str, str]:
    return {**VERSION, "Authorization": f"token {api_key}:{token}"}
