"""Zerodha's apps, logins and sessions: a person in a browser, a token that is changed once, all ending at 06:00 IST.

Passwords, codes and checksums are really verified, against the simulated clock. Never learns what an account holds.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from secrets import token_hex
from urllib.parse import parse_qsl, urlencode

from .groww_login import next_token_end, totp
from .stage import Refusal, Stage
from .zerodha_forms import user_id_of

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PAGE = """<!doctype html><title>Simulated Kite login</title><h1>{title}</h1>
<form method="post" action="/connect/login">
<input type="hidden" name="api_key" value="{api_key}">
<input type="hidden" name="redirect_params" value="{redirect_params}">
<label>User id <input name="user_id"></label>
<label>Password <input name="password" type="password"></label>
<label>Code <input name="totp"></label>
<button>Log in</button> <button name="cancel" value="1">Cancel</button></form>"""


def token_ended() -> Refusal:
    return Refusal(403, "TokenException", "Incorrect `api_key` or `access_token`.")


@dataclass(frozen=True, slots=True)
class App:
    """What a client made on the developers' page, and how they themselves log in. One app serves one client."""

    ucc: str
    user_id: str
    api_key: str
    api_secret: str
    password: str
    totp_seed: str = SEED


def app_of(ucc: str) -> App:
    def secret(kind: str) -> str:
        return hashlib.sha256(f"{ucc} zerodha {kind}".encode()).hexdigest()

    return App(ucc, user_id_of(ucc), secret("key")[:16], secret("secret")[:32], secret("password")[:12])


@dataclass(frozen=True, slots=True)
class Session:
    ucc: str
    api_key: str
    ends: datetime


class Logins:
    """Who may log in, which request tokens are unused, and which sessions are alive."""

    def __init__(self, stage: Stage, redirect_url: str) -> None:
        self.stage, self.redirect_url = stage, redirect_url
        self.apps = {app.api_key: app for app in map(app_of, stage.investors)}
        self._requested: dict[str, Session] = {}
        self._sessions: dict[str, Session] = {}
        self._run = token_hex(8)  # what one run of the simulator gave, no other run gives again
        self._issued = 0

    # In the browser

    def page(self, api_key: str, redirect_params: str, title: str = "Log in") -> str:
        if api_key not in self.apps:
            raise Refusal(400, "InputException", "Invalid `api_key`.")
        return PAGE.format(title=title, api_key=escape(api_key), redirect_params=escape(redirect_params))

    def sent_back(self, form: dict[str, str]) -> str | None:
        """The address that the browser is sent to; None when the password or the code was wrong."""
        app = self.apps.get(form.get("api_key", ""))
        if app is None:
            raise Refusal(400, "InputException", "Invalid `api_key`.")
        if form.get("cancel"):
            return self._address(form, status="cancelled")
        is_right = (form.get("user_id"), form.get("password")) == (app.user_id, app.password)
        if not is_right or form.get("totp") != totp(app.totp_seed, self.stage.now):
            return None
        return self._address(form, status="success", request_token=self._request_token(app))

    def _request_token(self, app: App) -> str:
        lives = timedelta(minutes=self.stage.switch("request_token_minutes", app.ucc))
        token = self._new(app.ucc, "request")
        self._requested[token] = Session(app.ucc, app.api_key, self.stage.now + lives)
        return token

    def _address(self, form: dict[str, str], **said: str) -> str:
        params = {"action": "login", **said, **dict(parse_qsl(form.get("redirect_params", "")))}
        return f"{self.redirect_url}?{urlencode(params)}"

    # By the program

    def open_session(self, form: dict[str, str]) -> tuple[App, str]:
        """Changes a request token into an access token."""
        for name in ("api_key", "request_token", "checksum"):
            if not form.get(name):
                raise Refusal(400, "InputException", f"Missing `{name}`.")
        app = self.apps.get(form["api_key"])
        requested = self._requested.pop(form["request_token"], None)
        if app is None or requested is None or requested.api_key != app.api_key or requested.ends <= self.stage.now:
            raise Refusal(403, "TokenException", "Token is invalid or has expired.")
        wanted = hashlib.sha256(f"{app.api_key}{form['request_token']}{app.api_secret}".encode()).hexdigest()
        if not hmac.compare_digest(wanted, form["checksum"]):
            raise Refusal(403, "TokenException", "Invalid `checksum`.")
        return app, self._access_token(app)

    def _access_token(self, app: App) -> str:
        """Whether a second login gives the same token, or a new one that ends the first, is told both ways."""
        alive = [token for token, each in self._sessions.items() if each.api_key == app.api_key and self._lives(each)]
        if alive and self.stage.switch("second_login", app.ucc) == "same":
            return alive[0]
        self.end_sessions(app.ucc)
        token = self._new(app.ucc, "access")
        self._sessions[token] = Session(app.ucc, app.api_key, next_token_end(self.stage.now))
        return token

    def _new(self, ucc: str, kind: str) -> str:
        self._issued += 1
        return hashlib.sha256(f"{ucc} {kind} {self._run} {self._issued}".encode()).hexdigest()[:32]

    def _lives(self, session: Session) -> bool:
        return self.stage.now < session.ends

    def whose(self, authorization: str) -> str:
        """The ucc of a header `token api_key:access_token` that is right and alive, or nothing."""
        scheme, _, pair = authorization.partition(" ")
        api_key, _, token = pair.partition(":")
        session = self._sessions.get(token)
        is_good = scheme == "token" and session is not None and session.api_key == api_key and self._lives(session)
        return session.ucc if session and is_good else ""

    def log_out(self, api_key: str, token: str) -> None:
        session = self._sessions.pop(token, None)
        if session is None or session.api_key != api_key:
            raise token_ended()

    def end_sessions(self, ucc: str) -> None:
        """As the client's own "log out of all sessions" does."""
        self._sessions = {token: each for token, each in self._sessions.items() if each.ucc != ucc}
