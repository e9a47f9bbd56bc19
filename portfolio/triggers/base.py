"""The whole contract of a broker adapter ("trigger").

A trigger fetches and parses; it knows no models, no settings, no clock but the one handed to it.
The smallest trigger is a class with a plain `def fetch_holdings` that returns a list of dicts: see
`sample.py`. A richer one also offers positions, orders, trades, funds and prices; what it does not
offer is absent, which is not an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from ledger.entries import Listing, Order, SetAside

LONGEST_ASKED: Final = 6 * 3600.0  # seconds; more is a slip of the broker's, and would cost whole days


class TriggerError(Exception):
    """What went wrong at a broker. The class says what happens next; the message says what a person can do."""

    is_retryable: ClassVar[bool] = False
    _asked: float | None = None

    @property
    def retry_after(self) -> float | None:
        """Seconds that the broker asked for; None when it did not say. At most six hours, whoever read them: who asks
        for more is tried again then, and may ask again."""
        return self._asked

    @retry_after.setter
    def retry_after(self, seconds: float | None) -> None:
        self._asked = None if seconds is None else max(0.0, min(LONGEST_ASKED, seconds))


class LoginRequired(TriggerError):
    """The broker wants its owner to log in. Not retried: the account waits, with one notice."""


class NothingThere(LoginRequired):
    """Nothing is found where one logs in. A login that the broker does not know; but a wrong address where a setting
    gave it: then `found` is what is told, and no advice on the login."""

    def __init__(self, message: str, found: str) -> None:
        super().__init__(message)
        self.found = found


class RateLimited(TriggerError):
    """Asked too often. Retried after `retry_after` seconds, or after a growing pause when that is None."""

    is_retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BrokerUnavailable(TriggerError):
    """The broker, or the way to it, is down. Retried."""

    is_retryable = True


class LeftAlone(BrokerUnavailable):
    """Nothing was asked, since the broker failed for others a moment ago. Says nothing new of it. Retried."""


class UnexpectedReply(TriggerError):
    """An answer that cannot be read. It is kept, the section is marked, and nothing is believed."""


class NotPermitted(TriggerError):
    """The plan or the segment does not include this call: the section is absent."""


class WrongAccount(TriggerError):
    """The broker answered for another client. Nothing of the answer is taken."""


class ForbiddenRequest(TriggerError):
    """The adapter asked for something outside its allow-list. A fault of ours; no socket was opened."""


class Endpoint(NamedTuple):
    """One permitted request. `{name}` in `path` stands for one path segment; `family` shares a rate limit."""

    method: str
    path: str
    family: str = "default"


class Rate(NamedTuple):
    """At most `calls` in any `seconds`."""

    calls: int
    seconds: float


class Reply(NamedTuple):
    """One answer, exactly as it came. `request` is method, path and query: never a header, never a secret."""

    request: str
    status: int
    body: bytes
    fetched_at: datetime
    took_ms: int = 0


Rows = tuple[Sequence[Any], Sequence[SetAside]]


@dataclass(slots=True)
class Answer:
    """What was asked for one section: the replies, and how to read them. Read once, when first looked at.

    `parse(replies)` gives (entries, rows set aside), or raises UnexpectedReply. Where every row is read by itself,
    `rows_at` may say where the list of rows stands in a reply's JSON: rows that are byte for byte as they were when
    accepted last are then not read again. `doubt`: what of it may be read wrongly; the batch notes it.
    """

    replies: Sequence[Reply]
    parse: Callable[[Sequence[Reply]], Rows]
    rows_at: Sequence[str] = ()
    doubt: str = ""
    _rows: Rows | None = field(default=None, repr=False)

    @property
    def rows(self) -> Rows:
        if self._rows is None:
            self._rows = self.parse(self.replies)
        return self._rows

    @property
    def entries(self) -> Sequence[Any]:
        return self.rows[0]


class CredentialField(NamedTuple):
    """One thing that `manage.py connect` asks for. Secret fields are never echoed; what counts once is not kept."""

    name: str
    label: str
    is_secret: bool = True
    is_kept: bool = True


class LoginMethod(NamedTuple):
    """One way to log in: a name, one line for the person, and what to ask for.

    `needs_person`: nothing renews it; its owner has to do something every trading day.
    """

    name: str
    label: str
    fields: tuple[CredentialField, ...]
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Credential:
    """What a trigger sees of the stored credentials: plain values, never a model."""

    credentials: Mapping[str, Any] = field(repr=False)
    entered_at: datetime | None = None  # when its owner gave them, UTC


@dataclass(frozen=True, slots=True)
class Account:
    """What a trigger sees of a broker account: plain values, never a model."""

    id: str
    account_id: str  # the client id at the broker; "" while connecting, before it is known
    credential: Credential
    now: datetime  # when this capture began, UTC


class TokenStore(Protocol):
    """Where a day's access token lives between runs and workers: encrypted, with its end."""

    def get(self) -> str | None:
        """The token that is still good now, or None."""

    async def put(self, token: str, expires_at: datetime) -> None:
        """Keep a new token until `expires_at` (UTC)."""


class HttpClient(Protocol):
    """The one HTTP client, as a trigger sees it. Every reply is kept before it is handed back."""

    async def get(
        self, path: str, *, params: Iterable[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> Reply: ...

    async def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        keep: bool = True,
    ) -> Reply: ...

    async def get_instruments(self) -> Reply:
        """The public file at the trigger's `instruments_url`, or at the setting that replaces it."""

    def clock(self) -> datetime:
        """The present instant of the book, UTC."""


class BaseTrigger(ABC):
    """One broker account, as seen by the adapter of its broker.

    `fetch_*` may be `async def` or plain `def` (run in a thread) and returns one of: a list of
    `ledger.entries`, of holdings also of plain dicts, or an `Answer` (which keeps asking and reading apart). Errors
    are `TriggerError`s. `client` and `tokens` are None for a trigger that declares no `base_url`.
    """

    code: ClassVar[str] = ""
    name: ClassVar[str] = ""
    base_url: ClassVar[str] = ""  # the default; the setting <CODE>_API_URL replaces it
    allowed: ClassVar[tuple[Endpoint, ...]] = ()
    limits: ClassVar[Mapping[str, tuple[Rate, ...]]] = {}  # by family, an account
    broker_limits: ClassVar[tuple[Rate, ...]] = ()  # over all accounts and families
    instruments_url: ClassVar[str] = ""  # a public file on another host; <CODE>_INSTRUMENTS_URL replaces it
    instruments_of: ClassVar[str] = ""  # the code of a broker whose public file says which ISINs this one's names have
    login_page: ClassVar[str] = ""  # where its owner logs in, in a browser; <CODE>_LOGIN_URL replaces it
    login_methods: ClassVar[tuple[LoginMethod, ...]] = ()  # without any, `connect` asks for names and values
    parser_version: ClassVar[int] = 1  # counted up when replies are read otherwise; every batch says by which

    def __init__(
        self, broker_account: Account, client: HttpClient | None = None, tokens: TokenStore | None = None
    ) -> None:
        self.broker_account = broker_account
        self.client = client
        self.tokens = tokens

    @abstractmethod
    def fetch_holdings(self) -> Any:
        """What the account holds in demat."""
        raise NotImplementedError

    # A richer trigger also has, each optional:
    #   identify() -> str                      the client id at the broker; checked on every run
    #   fetch_positions()                      today's positions, all segments
    #   fetch_orders()                         today's orders, all segments and pages
    #   fetch_trails(orders: Sequence[Order])  the states that these orders passed, as [Order], oldest first
    #   fetch_trades(orders: Sequence[Order])  the fills of these orders
    #   fetch_funds()                          [Funds]
    #   fetch_prices(listings: Sequence[Listing])
    #   fetch_instruments()                    the broker's instrument file, as [Listing]

    @classmethod
    def login_address(cls, page: str, credentials: Mapping[str, str], state: str = "") -> str:
        """The address for the owner's browser, where the broker has a `login_page`, at `page`. `state` comes back."""
        return ""

    @classmethod
    def classify(cls, reply: Reply) -> TriggerError | None:
        """What a reply means that is neither 429, 5xx nor a web page; None when it is to be read. After it is kept."""
        if reply.status < 400:
            return None
        kind, more = ANSWERED.get(reply.status, (UnexpectedReply, ""))
        return kind(f"{cls.name or cls.code} answered {reply.status}{more}")

    @classmethod
    def parser(cls) -> str:
        """What reads its replies, as batches name it."""
        return f"{cls.code} {cls.parser_version}"

    @classmethod
    def offers(cls, section: str) -> bool:
        return hasattr(cls, f"fetch_{section}")


ANSWERED: dict[int, tuple[type[TriggerError], str]] = {
    401: (LoginRequired, ": the login is wrong or has ended; enter it again as the broker shows it"),
    403: (NotPermitted, ": this login may not read that; see at the broker what it is subscribed to"),
}

__all__ = [
    "Account",
    "Answer",
    "BaseTrigger",
    "BrokerUnavailable",
    "Credential",
    "CredentialField",
    "Endpoint",
    "ForbiddenRequest",
    "HttpClient",
    "LeftAlone",
    "Listing",
    "LoginMethod",
    "LoginRequired",
    "NotPermitted",
    "NothingThere",
    "Order",
    "Rate",
    "RateLimited",
    "Reply",
    "Rows",
    "TokenStore",
    "TriggerError",
    "UnexpectedReply",
    "WrongAccount",
]
