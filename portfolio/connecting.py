"""Tests a login before anything of it is stored, and binds the account to the client that the broker names."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from ledger.normalise import scrubbed
from portfolio_project.settings import broker_url

from . import accounts, clock
from .models import BrokerAccount, Portfolio, User
from .secret import Secret, revealed
from .sync import fetch
from .sync.capture import SHORTEST_SECRET
from .sync.elsewhere import words
from .triggers.base import Account, Answer, BaseTrigger, Credential, Reply, TriggerError
from .triggers.client import Transport
from .triggers.foreign import told
from .triggers.limits import OF_THIS_PROCESS

FIRST_PORTFOLIO = "My portfolio"
FIRST_USER = "me"


class Refused(Exception):
    """The login was not accepted, or is not for the account that was meant; the message says what to do."""


class Login(NamedTuple):
    """A login that the broker accepted. `client_id` is the broker's own name for the account."""

    broker: str
    method: str
    credentials: Mapping[str, Secret]
    client_id: str
    token: tuple[str, datetime] | None

    def __repr__(self) -> str:
        return f"Login({self.broker}, {self.method}, {self.client_id})"


class _OneToken:
    """Holds a new token until the account is stored."""

    def __init__(self) -> None:
        self.token: tuple[str, datetime] | None = None

    def get(self) -> str | None:
        return self.token[0] if self.token else None

    async def put(self, token: str, expires_at: datetime) -> None:
        self.token = (token, expires_at)


def try_login(
    trigger: type[BaseTrigger], method: str, credentials: Mapping[str, Secret], client_id: str | None = None
) -> Login:
    """Logs in and learns the client id; stores nothing. A broker that does not tell it leaves it to the caller, or
    to the broker's own name: then there is one account. What counts once is used here, and is not in the result."""
    tokens = _OneToken()
    try:
        named = asyncio.run(_identify(trigger, {**revealed(credentials), "login_method": method}, tokens))
    except TriggerError as error:
        raise Refused(_said(trigger, words(trigger.code, error), credentials)) from None
    except Exception as error:
        slow = f"no answer within {fetch.SECTION_SECONDS:g} s" if isinstance(error, TimeoutError) else ""
        message = f"the trigger failed with {type(error).__name__}: {str(error) or slow}"
        raise Refused(_said(trigger, message, credentials)) from None
    if named and client_id and named != client_id:
        raise Refused(f"these credentials belong to another client than {client_id}")
    once = {field.name for way in trigger.login_methods for field in way.fields if not field.is_kept}
    kept = {name: value for name, value in credentials.items() if name not in once}
    return Login(trigger.code, method, kept, named or client_id or trigger.code.lower(), tokens.token)


def _said(trigger: type[BaseTrigger], message: str, credentials: Mapping[str, Secret]) -> str:
    secrets = tuple(secret for secret in revealed(credentials).values() if len(secret) >= SHORTEST_SECRET)
    name, clean = trigger.name or trigger.code, scrubbed(message, secrets)
    return clean if clean.startswith(name) else f"{name}: {clean}"


def login_address(trigger: type[BaseTrigger], credentials: Mapping[str, Secret], state: str = "") -> str:
    """Where its owner logs in, in a browser; "" at a broker where that is not the way."""
    return trigger.login_address(broker_url(trigger.code, "LOGIN") or trigger.login_page, revealed(credentials), state)


def check_it_stays(account: BrokerAccount, portfolio_name: str | None, username: str | None = None) -> None:
    """Refused where an account that is there is named with another portfolio than its own, or another user."""
    if username and username != account.user.username:
        raise Refused(
            f"{account} is an account of {account.user.username}, and connecting does not give it to {username}: leave "
            "--user out"
        )
    if portfolio_name and portfolio_name != account.portfolio.name:
        raise Refused(
            f"{account} is in the portfolio {account.portfolio.name!r}, and connecting does not move it: leave "
            "--portfolio out, and choose another one in the admin"
        )


def renew(account: BrokerAccount, login: Login, label: str = "") -> BrokerAccount:
    """Stores the new login of an account that is there, and its label where one is given."""
    with transaction.atomic():
        renewed = accounts.connect(
            portfolio=account.portfolio, broker=login.broker, account_id=login.client_id,
            login_method=login.method, credentials=revealed(login.credentials), label=label,
        )  # fmt: skip
        _store_token(renewed, login)
    return renewed


def _store_token(account: BrokerAccount, login: Login) -> None:
    if login.token:
        token, ends = login.token
        accounts.store_tokens([accounts.NewToken(str(account.pk), Secret(token), ends)])


def store(login: Login, username: str, portfolio_name: str | None, label: str = "") -> BrokerAccount:
    """Writes the account with its sealed credentials and token; the user and the portfolio, when they are new. One that
    is there stays in its portfolio."""
    known = BrokerAccount.objects.filter(user__username=username, broker=login.broker, account_id=login.client_id)
    if account := known.select_related("portfolio").first():
        check_it_stays(account, portfolio_name)
        return renew(account, login, label)
    with transaction.atomic():
        user, is_new = User.objects.get_or_create(username=username)
        if is_new:
            user.set_unusable_password()
            user.save()
        portfolio, _ = Portfolio.objects.get_or_create(user=user, name=portfolio_name or FIRST_PORTFOLIO)
        account = accounts.connect(
            portfolio=portfolio, broker=login.broker, account_id=login.client_id, login_method=login.method,
            credentials=revealed(login.credentials), label=label,
        )  # fmt: skip
        _store_token(account, login)
    return account


async def _identify(trigger: type[BaseTrigger], credentials: Mapping[str, Any], tokens: _OneToken) -> str | None:
    """The client id that the broker names; None where it does not, once it let us in."""

    async def keep(reply: Reply) -> None:
        """Nothing is kept of a trial: the first sync asks again, in a batch."""

    now = clock.now()
    account = Account("", "", Credential(credentials, now), now)
    async with Transport(clock.now, shared=OF_THIS_PROCESS) as transport:
        url, more = broker_url(trigger.code), broker_url(trigger.code, "INSTRUMENTS")
        client = transport.client(trigger, url, "", keep, more) if trigger.base_url else None
        made = told(trigger, account, client, tokens)
        named = await fetch.called(made.identify) if hasattr(made, "identify") else ""
        if not named:
            await _is_let_in(made)
    return named or None


async def _is_let_in(trigger: BaseTrigger) -> None:
    """Looks at what nobody sees without a login. At the funds, where they are offered: every account has some, while
    a list that is empty may also come from a wrong address."""
    answer = await fetch.called(getattr(trigger, "fetch_funds", None) or trigger.fetch_holdings)
    if isinstance(answer, Answer):
        told(lambda: answer.rows)  # refused when it cannot be read
