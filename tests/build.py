"""The one way to make data in tests: plain functions with sensible defaults."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from ledger import entries, normalise
from ledger.normalise import ist_date
from portfolio import accounts
from portfolio.clock import refresh
from portfolio.connecting import renew, try_login
from portfolio.models import BrokerAccount, Portfolio, User
from portfolio.secret import hidden
from portfolio.sync.capture import DAILY
from portfolio.sync.pipeline import sync
from portfolio.sync.record import Result
from portfolio.triggers import client
from portfolio.triggers.limits import OF_THIS_PROCESS
from portfolio.triggers.zerodha import ZerodhaTrigger
from simulators.groww import GrowwSimulator, groww_simulator
from simulators.groww import serving as groww_stage
from simulators.stage import Stage
from simulators.zerodha import ZerodhaSimulator, zerodha_simulator
from simulators.zerodha import serving as zerodha_stage

SHORT_PAUSE = 0.01  # seconds before a simulated broker is asked again


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
def groww(*investors: Any, stage: Stage | None = None, **options: Any) -> Iterator[GrowwSimulator]:
    """A local Groww that the sync asks, with its clock as Khata's clock; over `stage` where others stand there. Neither
    side keeps to rate limits, and what failed is asked again soon: waiting is real time."""
    started = groww_stage(stage) if stage else groww_simulator(investors or None, limits=False, **options)
    with started as simulator, OF_THIS_PROCESS.lifted(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROWW_API_URL", simulator.url)
        patch.setenv("GROWW_INSTRUMENTS_URL", simulator.instruments_url)
        patch.setattr(settings, "KHATA_CLOCK", f"{simulator.control_url}/clock")
        patch.setattr(client, "FIRST_PAUSE", SHORT_PAUSE)
        yield simulator


@contextmanager
def zerodha(*investors: Any, stage: Stage | None = None, **options: Any) -> Iterator[ZerodhaSimulator]:
    """A local Zerodha, as `groww`. Where no Groww is served too, nobody has the instrument file."""
    started = zerodha_stage(stage) if stage else zerodha_simulator(investors or None, limits=False, **options)
    with started as simulator, OF_THIS_PROCESS.lifted(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZERODHA_API_URL", simulator.url)
        patch.setenv("ZERODHA_LOGIN_URL", simulator.login_url)
        if "GROWW_INSTRUMENTS_URL" not in os.environ:
            patch.setenv("GROWW_INSTRUMENTS_URL", "http://127.0.0.1:9/instrument.csv")
        patch.setattr(settings, "KHATA_CLOCK", f"{simulator.control_url}/clock")
        patch.setattr(client, "FIRST_PAUSE", SHORT_PAUSE)
        yield simulator


def a_zerodha_account(simulator: ZerodhaSimulator, ucc: str, portfolio: Portfolio | None = None) -> BrokerAccount:
    """An account of a simulated investor, logged in for the day."""
    account = accounts.connect(
        portfolio=portfolio or a_portfolio(),
        broker="ZERODHA",
        account_id=simulator.credentials(ucc)["user_id"],
        login_method="browser",
        credentials={name: simulator.credentials(ucc)[name] for name in ("api_key", "api_secret")},
    )
    log_in(simulator, ucc, account)
    return account


def log_in(simulator: ZerodhaSimulator, ucc: str, account: BrokerAccount) -> None:
    """What its owner does in the morning: the login page, and what it came back with."""
    refresh()
    known = simulator.credentials(ucc)
    came_back = {"request_token": simulator.log_in(ucc)}
    app = {name: known[name] for name in ("api_key", "api_secret")}
    login = try_login(ZerodhaTrigger, "browser", hidden(app | came_back))
    renew(account, login)


def synced(*synced_accounts: BrokerAccount, sync_type: str = DAILY) -> list[Result]:
    """Syncs these accounts; results in the order of the accounts."""
    results = {result.capture.account_id: result for result in sync([str(a.pk) for a in synced_accounts], sync_type)}
    return [results[str(account.pk)] for account in synced_accounts]


# What a broker says, as values: shares of TCS unless told otherwise. Numbers may be int or text.

ISINS = {"TCS": "INE467B01029", "INFY": "INE009A01021", "ITC": "INE154A01025", "SBIN": "INE062A01020"}
MORNING = datetime(2026, 10, 5, 4, 30, tzinfo=UTC)  # 10:00 in India, a Monday with a session


def a_holding(symbol: str = "TCS", quantity: Any = 10, average: Any = 2200, **values: Any) -> entries.Holding:
    """`owned` is the quantity unless told otherwise."""
    owned = values.pop("owned", quantity)
    held = entries.Holding(ISINS.get(symbol), symbol, "NSE", quantity, owned, average)
    return fitted_to(held, values)


def a_position(symbol: str = "TCS", bought: Any = 0, sold: Any = 0, **values: Any) -> entries.Position:
    net = Decimal(bought) - Decimal(sold)
    position = entries.Position(ISINS.get(symbol), symbol, "NSE", entries.CASH, "CNC", net, Decimal(bought))
    return fitted_to(position._replace(debit_quantity=Decimal(sold)), values)


def an_order(order_id: str = "O1", quantity: Any = 10, filled: Any = 0, **values: Any) -> entries.Order:
    """A limit order to buy, given on a Monday morning; what is filled is filled at its price."""
    status = entries.EXECUTED if filled == quantity else entries.PARTIALLY_FILLED if filled else entries.OPEN
    order = entries.Order(
        order_id, "", None, "TCS", "NSE", entries.CASH, "CNC", "LIMIT", entries.BUY, quantity, Decimal(3000), None,
        "DAY", status, "", filled, Decimal(quantity) - Decimal(filled), Decimal(3000) if filled else None, None, "NA",
        MORNING, None, None, "",
    )  # fmt: skip
    return fitted_to(order, values)


def a_trade(order: entries.Order, quantity: Any = None, trade_id: str = "T1", **values: Any) -> entries.Trade:
    """A fill of this order; the whole of what is filled unless told otherwise."""
    units = order.filled_quantity if quantity is None else quantity
    when = order.created_at
    trade = entries.Trade(
        trade_id, order.order_id, order.isin, order.symbol, order.exchange, order.segment, order.product,
        order.transaction_type, units, order.price or Decimal(0), when, ist_date(when or MORNING),
    )  # fmt: skip
    return fitted_to(trade, values)


def fitted_to(entry: Any, values: dict[str, Any]) -> Any:
    numbers = {name: Decimal(value) for name, value in values.items() if isinstance(value, int) and value is not True}
    return normalise.fitted(entry._replace(**{**values, **numbers}))
