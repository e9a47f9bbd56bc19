"""Tests a login before anything of it is stored, and binds the account to the client the broker names."""

import asyncio
import inspect
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portfolio_project.settings import broker_url

from . import accounts, clock
from .models import BrokerAccount, Portfolio
from .triggers.base import Account, BaseTrigger, Credential, Reply, TriggerError
from .triggers.client import Transport


class Refused(Exception):
    """The login was not accepted, or does not say whose account it is; the message says what to do."""


class _OneToken:
    """Holds a new token until the account is stored."""

    def __init__(self) -> None:
        self.token: tuple[str, datetime] | None = None

    def get(self) -> str | None:
        return self.token[0] if self.token else None

    async def put(self, token: str, expires_at: datetime) -> None:
        self.token = (token, expires_at)


def try_login(
    trigger: type[BaseTrigger],
    login_method: str,
    credentials: Mapping[str, str],
    portfolio: Portfolio,
    client_id: str | None = None,
    label: str = "",
) -> BrokerAccount:
    """Logs in, learns the client id, and stores the account with its sealed credentials and token."""
    tokens = _OneToken()
    try:
        named = asyncio.run(_identify(trigger, {**credentials, "login_method": login_method}, tokens))
    except TriggerError as error:
        raise Refused(f"{trigger.name or trigger.code} did not accept the login: {error}") from None
    if named and client_id and named != client_id:
        raise Refused(f"these credentials belong to another client than {client_id}")
    account = accounts.connect(
        portfolio=portfolio, broker=trigger.code, account_id=named or client_id or trigger.code.lower(),
        login_method=login_method, credentials=credentials, label=label,
    )  # fmt: skip
    if tokens.token:
        accounts.store_token(account.pk, *tokens.token)
    return account


async def _identify(trigger: type[BaseTrigger], credentials: Mapping[str, Any], tokens: _OneToken) -> str | None:
    """The client id that the broker names; None where it does not, after one look at the holdings instead."""

    async def keep(reply: Reply) -> None:
        """Nothing is kept of a trial: the first sync asks again, in a batch."""

    account = Account("", "", Credential(credentials), clock.now())
    async with Transport(clock.now) as transport:
        url, more = broker_url(trigger.code), broker_url(trigger.code, "INSTRUMENTS")
        client = transport.client(trigger, url, "", keep, more) if trigger.base_url else None
        made = trigger(account, client, tokens)
        ask: Any = getattr(made, "identify", None) or made.fetch_holdings
        answer = await ask() if inspect.iscoroutinefunction(ask) else await asyncio.to_thread(ask)
    return answer if isinstance(answer, str) else None
