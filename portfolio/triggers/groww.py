"""Groww: https://groww.in/trade-api/docs

Login: TOTP (renews itself), key and secret (its owner approves the key every day), or a pasted token.
A token ends at 06:00 IST. Limits an account: 20/s and 500/min; live data 10/s and 300/min.
Units: shares and rupees. Times are IST when they carry no zone, and sometimes when they carry a `Z`.
Oddities: orders and trades are today's only, and trades are listed order by order. A failure may come
with HTTP 200; an empty book may come as a failure. Whether `quantity` of a holding includes the T+1
shares differs by row. Pages may be shorter than asked for. One bad symbol spoils a batch of prices.
How replies read stands in `groww_replies.py` and `groww_fills.py`, pure; what is asked, and with which
login, stands here.
"""

import re
from asyncio import Lock
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from ledger.entries import CASH, COMMODITY, FNO, Listing, Order, SetAside

from . import groww_fills as fills
from . import groww_replies as replies
from . import times
from .asking import all_pages, in_batches, in_halves, nothing_new, side_by_side
from .base import (
    Account,
    Answer,
    BaseTrigger,
    BrokerUnavailable,
    Endpoint,
    HttpClient,
    NotPermitted,
    Rate,
    Reply,
    TokenStore,
    TriggerError,
    UnexpectedReply,
)
from .groww_failures import failure, refusal
from .groww_instruments import parse_instruments
from .groww_login import LOGIN_METHODS, GrowwLogin, headers
from .login import DayToken
from .registry import register

Ask = Callable[[str], Awaitable[list[Reply]]]  # of one segment

PRICES_AT_ONCE = 50
SEGMENTS = (CASH, FNO, COMMODITY)
OTHER_EXCHANGE = {"NSE": "BSE", "BSE": "NSE"}
ASKABLE_ID = re.compile(r"[A-Za-z0-9_-]+")


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
    limits = {  # half of what Groww allows in a second, see decision 0017
        "non_trading": (Rate(8, 1), Rate(500, 60)),
        "live_data": (Rate(5, 1), Rate(300, 60)),
        "login": (Rate(1, 1), Rate(10, 60)),
    }
    login_methods = LOGIN_METHODS
    parse_holdings = staticmethod(replies.parse_holdings)
    parse_positions = staticmethod(replies.parse_positions)
    parse_orders = staticmethod(replies.parse_orders)
    parse_trades = staticmethod(fills.parse_trades)
    parse_funds = staticmethod(replies.parse_funds)
    parse_prices = staticmethod(replies.parse_prices)
    parse_instruments = staticmethod(parse_instruments)

    client: HttpClient

    def __init__(
        self, broker_account: Account, client: HttpClient | None = None, tokens: TokenStore | None = None
    ) -> None:
        super().__init__(broker_account, client, tokens)
        login = GrowwLogin(broker_account.credential, self.client)
        self._token = DayToken(tokens, login.log_in, login.advice)
        self._segments: Sequence[str] = ()
        self._segments_lock = Lock()

    async def identify(self) -> str:
        """The unique client code; empty where the API does not tell it."""
        reply = await self._get("/user/detail")
        if failure(reply):
            with suppress(NotPermitted):  # every account has funds: not found either, it is not Groww that answers
                await self.fetch_funds()
        client_code, active = replies.user(reply)
        self._segments = [segment for segment in SEGMENTS if segment in active] or [CASH, FNO]
        return client_code

    async def fetch_holdings(self) -> Answer:
        asked = [await self._get("/holdings/user")]
        return Answer(asked, self.parse_holdings, replies.rows_at("holdings", asked))

    async def fetch_positions(self) -> Answer:
        asked = await self._of_each_segment(self._positions)
        return Answer(asked, self.parse_positions, replies.rows_at("positions", asked))

    async def fetch_orders(self) -> Answer:
        asked = await self._of_each_segment(self._orders)
        return Answer(asked, self.parse_orders, replies.rows_at("order_list", asked), times.doubt(asked))

    async def fetch_trades(self, orders: Sequence[Order]) -> Answer:
        """What cannot be had of one order costs the others nothing: they are listed on this day alone."""
        filled = [order for order in orders if order.filled_quantity]
        askable = [order for order in filled if ASKABLE_ID.fullmatch(order.order_id)]
        found = await side_by_side(self._fills_or_error(order) for order in askable)
        errors = {order.order_id: error for order, (_, error) in zip(askable, found, strict=True) if error}
        if errors and len(errors) == len(found):
            raise next(iter(errors.values()))
        asked = [reply for pages, _ in found for reply in pages]
        told = [order for order in filled if order.order_id not in errors]
        lost = [SetAside("trades", order_id, str(error)) for order_id, error in errors.items()]
        return Answer(asked, partial(self.parse_trades, orders=told, lost=lost), doubt=times.doubt(asked))

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
        return Answer(first + second, self.parse_prices, replies.PRICES_AT)

    async def fetch_instruments(self) -> Answer:
        return Answer([await self.client.get_instruments()], self.parse_instruments)

    async def _get(self, path: str, **params: object) -> Reply:
        query = [(key, str(value)) for key, value in params.items()]
        return await self._token.use(lambda token: self.client.get(path, params=query, headers=headers(token)))

    async def _of_each_segment(self, ask: Ask) -> list[Reply]:
        async with self._segments_lock:
            if not self._segments:
                await self.identify()
        pages = await side_by_side(self._where_enabled(ask, segment) for segment in self._segments)
        return [reply for each in pages for reply in each]

    async def _where_enabled(self, ask: Ask, segment: str) -> list[Reply]:
        """A derivatives segment that the account may not use holds nothing; for shares a refusal is a refusal."""
        try:
            return await ask(segment)
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
            fills.fills_end(order.filled_quantity),
        )

    async def _fills_or_error(self, order: Order) -> tuple[list[Reply], TriggerError | None]:
        try:
            return await self._fills(order), None
        except (BrokerUnavailable, NotPermitted, UnexpectedReply) as error:
            return [], error

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

        return await in_halves(keys, ask, failure)

    @classmethod
    def classify(cls, reply: Reply) -> TriggerError | None:
        return refusal(reply)
