"""Groww: https://groww.in/trade-api/docs

Login: TOTP (renews itself), key and secret (its owner approves the key every day), or a pasted token.
A token ends at 06:00 IST. Limits an account: 20/s and 500/min; live data 10/s and 300/min.
Units: shares and rupees. Times are IST when they carry no zone, and sometimes when they carry a `Z`.
Oddities: orders and trades are today's only, and trades are listed order by order. A failure may come
with HTTP 200; an empty book may come as a failure. Whether `quantity` of a holding includes the T+1
shares differs by row. Pages may be shorter than asked for. One bad symbol spoils a batch of prices.
How replies read stands in `groww_replies.py`, pure; what is asked, and with which login, stands here.
"""

import hashlib
import re
from asyncio import Lock
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ledger.entries import CASH, COMMODITY, FNO, Listing, Order

from . import groww_replies as replies
from .asking import all_pages, in_batches, in_halves, nothing_new, side_by_side
from .base import (
    Account,
    Answer,
    BaseTrigger,
    CredentialField,
    Endpoint,
    HttpClient,
    LoginMethod,
    LoginRequired,
    NotPermitted,
    Rate,
    Reply,
    TokenStore,
    TriggerError,
)
from .login import DayToken, next_ist, totp
from .registry import register

KEYS_PAGE = "https://groww.in/trade-api/api-keys"
PRICES_AT_ONCE = 50
SEGMENTS = (CASH, FNO, COMMODITY)
OTHER_EXCHANGE = {"NSE": "BSE", "BSE": "NSE"}
ASKABLE_ID = re.compile(r"[A-Za-z0-9_-]+")
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
    ),
    LoginMethod("token", "an access token that you paste every day", (CredentialField("access_token", "Token"),)),
)
ADVICE = {
    "totp": f"Check the TOTP token and the subscription at {KEYS_PAGE}, and this machine's clock",
    "approval": f"Approve today's key at {KEYS_PAGE}, check the subscription there, then sync again",
    "token": "Paste a new access token (each ends at 06:00): groww.in, profile, settings, Trading APIs",
    "": "No Groww login is stored: run manage.py connect groww",
}


@register("GROWW")
class GrowwTrigger(BaseTrigger):
    name = "Groww"
    base_url = "https://api.groww.in/v1"
    instruments_url = "https://growwapi-assets.groww.in/instruments/instrument.csv"
    allowed = (
        Endpoint("POST", "/token/api/access", "login"),
        Endpoint("GET", "/user/detail", "non_trading"),
        Endpoint("GET", "/holdings/user", "non_trading"),
        Endpoint("GET", "/positions/user", "non_trading"),
        Endpoint("GET", "/order/list", "non_trading"),
        Endpoint("GET", "/order/trades/{groww_order_id}", "non_trading"),
        Endpoint("GET", "/margins/detail/user", "non_trading"),
        Endpoint("GET", "/live-data/ltp", "live_data"),
    )
    limits = {
        "non_trading": (Rate(20, 1), Rate(500, 60)),
        "live_data": (Rate(10, 1), Rate(300, 60)),
        "login": (Rate(1, 1), Rate(10, 60)),
    }
    login_methods = LOGIN_METHODS
    parse_holdings = staticmethod(replies.parse_holdings)
    parse_positions = staticmethod(replies.parse_positions)
    parse_orders = staticmethod(replies.parse_orders)
    parse_trades = staticmethod(replies.parse_trades)
    parse_funds = staticmethod(replies.parse_funds)
    parse_prices = staticmethod(replies.parse_prices)
    parse_instruments = staticmethod(replies.parse_instruments)

    client: HttpClient

    def __init__(
        self, broker_account: Account, client: HttpClient | None = None, tokens: TokenStore | None = None
    ) -> None:
        super().__init__(broker_account, client, tokens)
        self._secrets = broker_account.credential.credentials
        has = [each.name for each in LOGIN_METHODS if all(self._secrets.get(f.name) for f in each.fields)]
        self._method = has[0] if has else ""
        self._token = DayToken(tokens, self._log_in, ADVICE[self._method])
        self._segments: Sequence[str] = ()
        self._segments_lock = Lock()

    async def identify(self) -> str:
        """The unique client code; empty where the API does not tell it."""
        reply = await self._get("/user/detail")
        client_code, active = replies.user(reply)
        self._segments = [segment for segment in SEGMENTS if segment in active] or [CASH, FNO]
        return client_code

    async def fetch_holdings(self) -> Answer:
        return Answer([await self._get("/holdings/user")], self.parse_holdings)

    async def fetch_positions(self) -> Answer:
        return Answer(await self._of_each_segment(self._positions), self.parse_positions)

    async def fetch_orders(self) -> Answer:
        return Answer(await self._of_each_segment(self._orders), self.parse_orders)

    async def fetch_trades(self, orders: Sequence[Order]) -> Answer:
        filled = [order for order in orders if order.filled_quantity]
        pages = await side_by_side(self._fills(order) for order in filled if ASKABLE_ID.fullmatch(order.order_id))
        return Answer([reply for each in pages for reply in each], partial(self.parse_trades, orders=filled))

    async def fetch_funds(self) -> Answer:
        return Answer([await self._get("/margins/detail/user")], self.parse_funds)

    async def fetch_prices(self, listings: Sequence[Listing]) -> Answer:
        """At the exchange of the listing first; what has no price there is asked at the other one."""
        first = await self._prices((each.segment, each.exchange, each.symbol) for each in listings)
        priced = {each.symbol for each in self.parse_prices(first)[0]}
        second = await self._prices(
            (each.segment, OTHER_EXCHANGE[each.exchange], each.symbol)
            for each in listings
            if each.symbol not in priced and each.segment == CASH and each.exchange in OTHER_EXCHANGE
        )
        return Answer(first + second, self.parse_prices)

    async def fetch_instruments(self) -> Answer:
        return Answer([await self.client.get_instruments()], self.parse_instruments)

    async def _get(self, path: str, **params: object) -> Reply:
        query = [(key, str(value)) for key, value in params.items()]
        return await self._token.use(lambda token: self.client.get(path, params=query, headers=headers(token)))

    async def _of_each_segment(self, ask: Callable[[str], Any]) -> list[Reply]:
        async with self._segments_lock:
            if not self._segments:
                await self.identify()
        pages = await side_by_side(self._where_enabled(ask, segment) for segment in self._segments)
        return [reply for each in pages for reply in each]

    async def _where_enabled(self, ask: Callable[[str], Any], segment: str) -> list[Reply]:
        """A derivatives segment that the account may not use holds nothing; for shares a refusal is a refusal."""
        try:
            return list(await ask(segment))
        except NotPermitted:
            if segment == CASH:
                raise
            return []

    async def _positions(self, segment: str) -> list[Reply]:
        return [await self._get("/positions/user", segment=segment)]

    async def _orders(self, segment: str) -> list[Reply]:
        return await all_pages(
            lambda page: self._get("/order/list", segment=segment, page=page, page_size=100),
            nothing_new(replies.order_ids),
        )

    async def _fills(self, order: Order) -> list[Reply]:
        path = f"/order/trades/{order.order_id}"
        return await all_pages(
            lambda page: self._get(path, segment=order.segment, page=page, page_size=50),
            replies.fills_end(order.filled_quantity),
        )

    async def _prices(self, wanted: Iterable[tuple[str, str, str]]) -> list[Reply]:
        keys: dict[str, list[str]] = {}
        for segment, exchange, symbol in wanted:
            keys.setdefault(segment, []).append(f"{exchange}_{symbol}")
        batches = [(segment, batch) for segment in keys for batch in in_batches(keys[segment], PRICES_AT_ONCE)]
        pages = await side_by_side(self._batch(segment, batch) for segment, batch in batches)
        return [reply for each in pages for reply in each]

    async def _batch(self, segment: str, keys: Sequence[str]) -> list[Reply]:
        async def ask(some: Sequence[str]) -> Reply:
            return await self._get("/live-data/ltp", segment=segment, exchange_symbols=",".join(some))

        return await in_halves(keys, ask, replies.failure)

    async def _log_in(self) -> tuple[str, datetime]:
        """A new access token and its end: the next 06:00 IST, or earlier when Groww says so."""
        now = self.client.clock()
        if self._method == "totp":
            reply = await self._by_totp(now)
        elif self._method == "approval":
            reply = await self._by_approval(str(int(now.timestamp())))
        elif self._method == "token":
            return self._secrets["access_token"], next_ist(now, 6)
        else:
            raise LoginRequired(ADVICE[""])
        try:
            token, told_end = replies.granted(reply, self._secrets.values())
        except ValueError as refused:
            raise LoginRequired(f"Groww refused the login: {refused}. {ADVICE[self._method]}") from None
        end = next_ist(now, 6)
        return token, min(end, told_end or end)

    async def _by_totp(self, now: datetime) -> Reply:
        """A code counts once, so a refused one is followed by that of the next 30 s, and by no third."""
        secret = self._secrets["totp_secret"]
        reply = await self._ask_token("totp_token", key_type="totp", totp=totp(secret, now))
        if reply.status in (400, 401):
            later = now + timedelta(seconds=30)
            reply = await self._ask_token("totp_token", key_type="totp", totp=totp(secret, later))
        return reply

    async def _by_approval(self, timestamp: str) -> Reply:
        checksum = hashlib.sha256((self._secrets["api_secret"] + timestamp).encode()).hexdigest()
        return await self._ask_token("api_key", key_type="approval", checksum=checksum, timestamp=timestamp)

    async def _ask_token(self, key: str, **body: str) -> Reply:
        """Never kept: the answer is the token."""
        return await self.client.post("/token/api/access", json=body, headers=headers(self._secrets[key]), keep=False)

    @classmethod
    def classify(cls, reply: Reply) -> TriggerError | None:
        return replies.refusal(reply)


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "X-API-VERSION": "1.0"}
