"""Zerodha, Kite Connect 3: https://kite.trade/docs/connect/v3/

Login: its owner, in a browser, every trading day; a token ends at 06:00 IST and nothing renews it. One app serves one
client. Limits a key: 10/s, quotes 1/s and on the paid plan alone; without them prices come with the holdings.
Units: shares and rupees. Times are India's, without a zone. Orders and trades are today's only; nothing is paged.
Oddities: what is owned stands in several fields of a holding, and its exchange flips from day to day. Positions,
orders and trades have no ISIN. 403 may mean a dead session or a plan that does not include the call, and 429 calls
itself a network error. How replies read stands in `zerodha_holdings.py` and `zerodha_replies.py`, pure.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from ledger.entries import Listing, Order, SetAside

from . import zerodha_replies as replies
from .asking import in_batches, side_by_side
from .base import (
    Account,
    Answer,
    BaseTrigger,
    BrokerUnavailable,
    Endpoint,
    HttpClient,
    LoginRequired,
    NotPermitted,
    Rate,
    RateLimited,
    Reply,
    TokenStore,
    TriggerError,
    UnexpectedReply,
)
from .login import DayToken
from .registry import register
from .zerodha_failures import PROFILE, is_unclear, reason, refusal
from .zerodha_holdings import parse_holdings
from .zerodha_login import LOGIN_METHODS, LOGIN_PAGE, ZerodhaLogin, headers, login_address
from .zerodha_words import KITE_EXCHANGES

PRICES_AT_ONCE = 200
ASKABLE_ID = re.compile(r"[A-Za-z0-9_-]+")


@register("ZERODHA")
class ZerodhaTrigger(BaseTrigger):
    name = "Zerodha"
    base_url = "https://api.kite.trade"
    login_page = LOGIN_PAGE
    instruments_of = "GROWW"  # Zerodha's own file has no ISIN
    allowed = (
        Endpoint("POST", "/session/token", "login"),
        Endpoint("GET", PROFILE, "reading"),
        Endpoint("GET", "/user/margins", "reading"),
        Endpoint("GET", "/portfolio/holdings", "reading"),
        Endpoint("GET", "/portfolio/positions", "reading"),
        Endpoint("GET", "/orders", "reading"),
        Endpoint("GET", "/orders/{order_id}", "reading"),
        Endpoint("GET", "/trades", "reading"),
        Endpoint("GET", "/quote/ltp", "quotes"),
    )
    # Half of what Zerodha allows in a second, see decision 0017.
    limits = {"reading": (Rate(5, 1),), "quotes": (Rate(1, 2),), "login": (Rate(1, 2), Rate(10, 60))}
    login_methods = LOGIN_METHODS
    parse_holdings = staticmethod(parse_holdings)
    parse_positions = staticmethod(replies.parse_positions)
    parse_orders = staticmethod(replies.parse_orders)
    parse_trails = staticmethod(replies.parse_trails)
    parse_trades = staticmethod(replies.parse_trades)
    parse_funds = staticmethod(replies.parse_funds)
    parse_prices = staticmethod(replies.parse_prices)

    client: HttpClient

    def __init__(
        self, broker_account: Account, client: HttpClient | None = None, tokens: TokenStore | None = None
    ) -> None:
        super().__init__(broker_account, client, tokens)
        login = ZerodhaLogin(broker_account, self.client)
        self._token = DayToken(tokens, login.log_in, login.advice)

    async def identify(self) -> str:
        return replies.user_id(await self._get(PROFILE))

    async def fetch_holdings(self) -> Answer:
        return Answer([await self._get("/portfolio/holdings")], self.parse_holdings, ("data",))

    async def fetch_positions(self) -> Answer:
        return Answer([await self._get("/portfolio/positions")], self.parse_positions, ("data", "net"))

    async def fetch_orders(self) -> Answer:
        return Answer([await self._get("/orders")], self.parse_orders, ("data",))

    async def fetch_trails(self, orders: Sequence[Order]) -> Answer:
        """An order at a time. One that does not come is named, and the others count."""
        asked = [order.order_id for order in orders if ASKABLE_ID.fullmatch(order.order_id)]
        found = await side_by_side(self._trail(order_id) for order_id in asked)
        came = [each for each in found if isinstance(each, Reply)]
        failed = [(order_id, each) for order_id, each in zip(asked, found, strict=True) if not isinstance(each, Reply)]
        if failed and not came:
            raise failed[0][1]
        missing = [SetAside("trails", order_id, f"its trail did not come: {error}") for order_id, error in failed]
        return Answer(came, partial(self.parse_trails, missing=missing))

    async def _trail(self, order_id: str) -> Reply | TriggerError:
        try:
            return await self._get(f"/orders/{order_id}")
        except (BrokerUnavailable, RateLimited, UnexpectedReply) as error:
            return error

    async def fetch_trades(self, orders: Sequence[Order]) -> Answer:
        """All of the day in one call, where any is lacking."""
        found = [await self._get("/trades")] if any(order.filled_quantity for order in orders) else []
        return Answer(found, self.parse_trades)

    async def fetch_funds(self) -> Answer:
        return Answer([await self._get("/user/margins")], self.parse_funds)

    async def fetch_prices(self, listings: Sequence[Listing]) -> Answer:
        """NotPermitted on the free plan."""
        keys = [f"{KITE_EXCHANGES[each[2:]]}:{each.symbol}" for each in listings if each[2:] in KITE_EXCHANGES]
        pages = await side_by_side(self._prices(batch) for batch in in_batches(keys, PRICES_AT_ONCE))
        return Answer(pages, self.parse_prices)

    async def _prices(self, keys: Sequence[str]) -> Reply:
        return await self._get("/quote/ltp", [("i", key) for key in keys])

    async def _get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Reply:
        reply = await self._token.use(lambda token: self._ask(token, path, params))
        if is_unclear(reply):
            await self._token.use(lambda token: self._ask(token, PROFILE))  # LoginRequired, if that is what it meant
            raise NotPermitted(f"Zerodha refused {path}: {reason(reply)}")
        return reply

    async def _ask(self, token: str, path: str, params: Sequence[tuple[str, str]] = ()) -> Reply:
        api_key = self.broker_account.credential.credentials.get("api_key")
        if not api_key:  # a token without the key that it was made for
            raise LoginRequired("No Zerodha login is stored: run manage.py connect zerodha")
        return await self.client.get(path, params=params, headers=headers(api_key, token))

    @classmethod
    def login_address(cls, page: str, credentials: Mapping[str, str], state: str = "") -> str:
        return login_address(page, credentials, state)

    @classmethod
    def classify(cls, reply: Reply) -> TriggerError | None:
        return refusal(reply)
