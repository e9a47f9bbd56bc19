"""Asks one broker for one account, all sections side by side. No transaction is open here.

Every reply is committed before it is looked at: the client hands it on to be kept first. A section that
fails leaves the others alone; only a refused login, or an answer for somebody else, ends the run.
"""

import asyncio
import contextlib
import inspect
import json
import threading
from collections.abc import Awaitable, Callable, Container, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from django.db import Error, connections

from ledger import diff
from ledger.entries import BUY, CASH, Holding, Listing, Order, Position
from ledger.normalise import as_ist
from ledger.reconcile import is_delivery
from ledger.retries import LEFT_ALONE, NOT_ASKED

from ..triggers.base import (
    Answer,
    BaseTrigger,
    BrokerUnavailable,
    ForbiddenRequest,
    LeftAlone,
    LoginRequired,
    NothingThere,
    NotPermitted,
    RateLimited,
    Reply,
    TriggerError,
    UnexpectedReply,
    WrongAccount,
)
from ..triggers.foreign import of_its_own, said, told
from . import dicts
from .capture import DAILY, FUNDS, HOLDINGS, ORDERS, POSITIONS, PRICES, SECTIONS, TRADES, TRAILS, Capture
from .elsewhere import may_be_elsewhere, words

SECTION_SECONDS = 180.0  # a plain trigger may hang; the client's own calls end long before

_LATER = "nothing to do: it is tried again later"
NEXT_STEPS: dict[type[BaseException], tuple[str, str]] = {
    LoginRequired: ("login_required", "log in at the broker, then run the sync again"),
    WrongAccount: ("wrong_account", "nothing was taken; connect the account again with its own credentials"),
    RateLimited: ("rate_limited", _LATER),
    LeftAlone: (LEFT_ALONE, _LATER),  # before what it is a kind of
    BrokerUnavailable: ("broker_unavailable", _LATER),
    UnexpectedReply: ("unexpected_reply", "the answer is kept; report it, and try again later"),
    NotPermitted: (
        "not_permitted",
        "see at the broker that its API is subscribed to and may read this, then sync again",
    ),
    ForbiddenRequest: ("forbidden_request", "a fault of the trigger: it asked for what it may not; report it"),
    TimeoutError: ("timed_out", _LATER),
}
_WITH_THEM = "they are asked once the orders have come"
_LATER_ELSE = "correct the setting if it is wrong; else it is tried again later"
_WRONG_ADDRESS = ("wrong_address", "correct the setting, then run the sync again")
_NOT_KEPT = "report it, and try again later"  # what a login answers may be the token
_OUR_FAULT = ("trigger_failed", "a fault of the trigger; report it with this message")

Keep = Callable[[Capture, Reply], Awaitable[None]]
AskBook = Callable[[Capture, Sequence[Order]], Awaitable[Sequence[Order]]]


class Lacking(NamedTuple):
    """Which of these orders the book has not whole: their fills, or the states that they passed. Of those that lack
    fills, the second ones were listed in full, and a person set a fill right since."""

    fills: Callable[[Capture, Sequence[Order]], Awaitable[tuple[Sequence[Order], Sequence[Order]]]]
    states: AskBook


async def made(capture: Capture, kind: type[BaseTrigger], make: Callable[[], BaseTrigger]) -> BaseTrigger | None:
    """The trigger, or None with the reason: what it raises before it is asked is its own fault as well. A plain one may
    log in as it is made, so it is made where it is asked: in a thread, and not for ever."""
    try:
        return await called(make) if _is_plain(kind) else told(make)
    except Exception as error:
        blame(capture, "account", of_its_own(error))
        return None


async def fetch(capture: Capture, trigger: BaseTrigger, keep: Keep, lacking: Lacking) -> None:
    """Fills `capture.answers`, and `capture.problems` with what did not come. Raises nothing of the broker's."""
    run = _Run(capture, trigger, keep, lacking)
    try:
        capture.metadata["parser"] = str(told(trigger.parser))
    except Exception as error:
        _blame_method(capture, "account", "parser", error)
        return
    if not await run.is_the_right_account():
        return
    wanted = _offered(capture, trigger)
    first = [section for section in (HOLDINGS, POSITIONS, ORDERS, FUNDS) if section in wanted]
    await asyncio.gather(*(run.ask(section) for section in first))
    later = {TRAILS: run.ask_trails, TRADES: run.ask_trades, PRICES: run.ask_prices}
    await asyncio.gather(*(ask() for section, ask in later.items() if section in wanted))
    if HOLDINGS in capture.absent and not capture.answers and not capture.problems:
        blame(capture, "account", NotPermitted(f"nothing that was asked is permitted: {run.refusal}"))


def _offered(capture: Capture, trigger: BaseTrigger) -> list[str]:
    """The sections that the trigger has; the others are absent, but for those of which it cannot say it."""
    offered: list[str] = []
    for section in SECTIONS[capture.sync_type]:
        try:
            (offered.append if told(trigger.offers, section) else capture.absent.add)(section)
        except Exception as error:
            _blame_method(capture, section, "offers", error)
    return offered


def _blame_method(capture: Capture, section: str, method: str, error: Exception) -> None:
    """For what a trigger says of itself, and cannot: of these nobody expects that they raise."""
    kind, next_step = _OUR_FAULT
    message = f"{method}() of the trigger of {capture.broker} raised {type(error).__name__}: {said(error)}"
    capture.blame(section, kind, message, next_step)


class _Run:
    def __init__(self, capture: Capture, trigger: BaseTrigger, keep: Keep, lacking: Lacking) -> None:
        self.capture, self.trigger, self.keep, self.lacking = capture, trigger, keep, lacking
        self.refusal = ""  # why the first section that is not permitted is not
        self.has_answered = False  # whose account it is: the broker's address is the right one
        self.is_over = False  # the login is refused: no further section is asked with a dead token

    async def is_the_right_account(self) -> bool:
        """Compares the client id that the broker names with ours, before anything of its is taken."""
        if not hasattr(self.trigger, "identify"):
            return True
        try:
            named = await called(self.trigger.identify)
            if named and named != self.capture.client_id:
                raise WrongAccount("the broker answered for another client than this account's")
        except Exception as error:
            self._blame("account", error)
            return False
        self.has_answered = True
        return True

    async def ask(self, section: str, *arguments: Any) -> None:
        if self.is_over:
            return
        try:
            answer = await called(getattr(self.trigger, f"fetch_{section}"), *arguments)
            self.capture.answers[section] = await self._as_answer(section, answer)
        except NotPermitted as error:
            if self._was_permitted(section):  # its owner must hear of it
                self._blame(section, error)
                return
            self.capture.absent.add(section)
            self.refusal = self.refusal or said(error)
            self.capture.metadata[f"{section}_absent"] = self.capture.scrub(said(error))
        except Exception as error:
            self._blame(section, error)

    def _was_permitted(self, section: str) -> bool:
        """An account that was opened has had its holdings accepted, whatever its head has forgotten."""
        return section in self.capture.memory.counts or (section == HOLDINGS and not self.capture.is_first)

    async def ask_trades(self) -> None:
        """Fills are asked an order at a time at some brokers: only of orders whose fills the book lacks."""
        orders = self._orders(TRADES, "their fills")
        if orders is not None:
            self.capture.lacking, self.capture.set_right = (
                await self.lacking.fills(self.capture, orders) if orders else ((), ())
            )
            await self.ask(TRADES, self.capture.lacking)

    async def ask_trails(self) -> None:
        """The states that an order has passed are asked an order at a time: where the book lacks any."""
        orders = self._orders(TRAILS, "the states they passed")
        if orders is not None:
            await self.ask(TRAILS, await self.lacking.states(self.capture, orders) if orders else ())

    def _orders(self, section: str, what: str) -> Sequence[Order] | None:
        """The orders that came; None, with the reason, where this section cannot be asked without them."""
        if ORDERS in self.capture.absent:
            self.capture.absent.add(section)
            return None
        if ORDERS not in self.capture.answers:
            self.capture.blame(section, NOT_ASKED, f"the orders did not come, so {what} were not asked", _WITH_THEM)
            return None
        return diff.each_once([order for order in self._entries(ORDERS) if isinstance(order, Order)])

    async def ask_prices(self) -> None:
        rows = [
            row for name in (HOLDINGS, POSITIONS) for row in self._entries(name) if isinstance(row, Holding | Position)
        ]
        named = {row.symbol for row in rows}
        listings = {_listing(row): None for row in [*rows, *self._bought(named)]}
        if listings:
            await self.ask(PRICES, list(listings))
        else:
            self.capture.absent.add(PRICES)

    def _bought(self, named: Container[str]) -> list[Order]:
        """What was bought and neither holdings nor positions tell of: it is owned as well."""
        orders = [o for o in self._entries(ORDERS) if isinstance(o, Order) and o.transaction_type == BUY]
        filled = [order for order in orders if order.filled_quantity and is_delivery(order.segment, order.product)]
        return [order for order in filled if order.symbol not in named]

    def _entries(self, section: str) -> Sequence[Any]:
        """What a section says, so far as it can be read; why it cannot is said in `normalise`."""
        with contextlib.suppress(Exception):
            return tuple(self.capture.answers[section].entries)
        return ()

    async def _as_answer(self, section: str, answer: Any) -> Answer:
        """An Answer as it is; a plain list becomes one. Replies that no client of ours has seen are kept here."""
        is_one = isinstance(answer, Answer)
        found = replace(answer, parse=partial(told, answer.parse)) if is_one else self._from_list(section, answer)
        kept = {note.request for note in self.capture.replies}
        for reply in found.replies:
            if reply.request not in kept:
                await self.keep(self.capture, reply._replace(fetched_at=as_ist(reply.fetched_at)))
        return found

    def _from_list(self, section: str, rows: Any) -> Answer:
        body = json.dumps(rows, default=str).encode()
        return Answer(
            [Reply(f"fetch_{section}()", 200, body, self.capture.started_at)], lambda _: dicts.read(section, rows)
        )

    def _blame(self, section: str, error: Exception) -> None:
        self.is_over = self.is_over or isinstance(error, LoginRequired | WrongAccount)
        is_kept = getattr(self.trigger, "client", None) is not None  # which hands on nothing that is not kept
        blame(self.capture, section, error, is_there=self.has_answered, is_kept=is_kept)


def blame(capture: Capture, section: str, error: Exception, is_there: bool = True, is_kept: bool = True) -> None:
    """Says what went wrong, and what happens or is to be done next. Where nobody knows yet whether the broker is there
    at all (`is_there`), its address may be wrong. What a trigger asked without our client is kept when it is handed
    over, and what it could not read (`is_kept`) never was."""
    kind, next_step = next((step for known, step in NEXT_STEPS.items() if isinstance(error, known)), _OUR_FAULT)
    message = said(error) or type(error).__name__
    if isinstance(error, UnexpectedReply) and not (is_kept and capture.replies):
        next_step = _NOT_KEPT
    if not is_there and may_be_elsewhere(capture.broker, error):
        message = words(capture.broker, error)
        kind, next_step = _WRONG_ADDRESS if isinstance(error, NothingThere) else (kind, next_step)
        next_step = _LATER_ELSE if next_step == _LATER else next_step
    if kind == "trigger_failed":
        message = f"{type(error).__name__}: {message}"
    elif kind == "timed_out" and not said(error):
        message = f"no answer within {SECTION_SECONDS:g} s"
    if isinstance(error, TriggerError) and error.retry_after is not None:
        capture.retry_after = max(error.retry_after, capture.retry_after or 0)
    capture.blame(section, kind, message, next_step)


def _is_plain(kind: type[BaseTrigger]) -> bool:
    methods = (getattr(kind, f"fetch_{section}", None) for section in SECTIONS[DAILY])
    return not any(map(inspect.iscoroutinefunction, methods))


async def called(method: Callable[..., Any], *arguments: Any) -> Any:
    """What a trigger's method gives, be it `async def` or plain."""
    async with asyncio.timeout(SECTION_SECONDS):
        if not inspect.iscoroutinefunction(method):
            return await _in_thread(method, *arguments)
        try:
            return await method(*arguments)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            task = asyncio.current_task()
            if task and task.cancelling():  # its time is over, or the run itself is stopping
                raise
            raise of_its_own(error) from error


async def _in_thread(method: Callable[..., Any], *arguments: Any) -> Any:
    """Runs a plain method in a thread of its own: one that hangs for ever holds up neither others nor the end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(value)

    def run() -> None:
        outcome: tuple[Any, Exception | None]
        try:
            outcome = method(*arguments), None
        except BaseException as error:  # in this thread nobody else would hear of it
            outcome = None, of_its_own(error)
        with contextlib.suppress(Error):
            connections.close_all()  # this thread's own: somebody's trigger may use Django, and would leave a session
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="trigger", daemon=True).start()
    return await done


def _listing(row: Holding | Position | Order) -> Listing:
    return Listing(row.isin, row.symbol, row.exchange, CASH if isinstance(row, Holding) else row.segment)
