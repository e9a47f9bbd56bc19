"""The one way to make data in tests: plain functions with sensible defaults."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings

from portfolio import accounts
from portfolio.models import BrokerAccount, Portfolio, User
from portfolio.sync.capture import DAILY
from portfolio.sync.pipeline import sync
from portfolio.sync.record import Result
from simulators.groww import GrowwSimulator, groww_simulator


def a_portfolio(name: str = "Mine", **values: Any) -> Portfolio:
    user = User.objects.create(username=f"user-{secrets.token_hex(4)}")
    return Portfolio.objects.create(user=user, name=name, **values)


def an_account(broker: str = "SAMPLE", client_id: str = "S1", portfolio: Portfolio | None = None) -> BrokerAccount:
    """A connected account; the sample broker's needs no network."""
    return accounts.connect(
        portfolio=portfolio or a_portfolio(),
        broker=broker,
        account_id=client_id,
        login_method="token",
        credentials={"token": "a token", "access_token": "a token"},
    )


def a_groww_account(simulator: GrowwSimulator, ucc: str, portfolio: Portfolio | None = None) -> BrokerAccount:
    """An account of a simulated investor, logged in by TOTP."""
    known = simulator.credentials(ucc)
    return accounts.connect(
        portfolio=portfolio or a_portfolio(),
        broker="GROWW",
        account_id=ucc,
        login_method="totp",
        credentials={"totp_token": known["totp_token"], "totp_secret": known["totp_seed"]},
    )


@contextmanager
def groww(*investors: Any, **options: Any) -> Iterator[GrowwSimulator]:
    """A local Groww that the sync asks, with its clock as Khata's clock."""
    before = os.environ.get("GROWW_API_URL"), settings.KHATA_CLOCK
    with groww_simulator(investors or None, **options) as simulator:
        os.environ["GROWW_API_URL"] = simulator.url
        settings.KHATA_CLOCK = f"{simulator.control_url}/clock"
        try:
            yield simulator
        finally:
            os.environ.pop("GROWW_API_URL")
            if before[0]:
                os.environ["GROWW_API_URL"] = before[0]
            settings.KHATA_CLOCK = before[1]


def synced(*synced_accounts: BrokerAccount, sync_type: str = DAILY) -> list[Result]:
    """Syncs these accounts; results in the order of the accounts."""
    results = {result.capture.account_id: result for result in sync([str(a.pk) for a in synced_accounts], sync_type)}
    return [results[str(account.pk)] for account in synced_accounts]
