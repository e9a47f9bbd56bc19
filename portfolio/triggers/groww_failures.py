"""What Groww means when it says no: pure. The body is judged before the HTTP code.

A failure may come with HTTP 200, and an empty book may come as a failure.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

import msgspec

from ledger.normalise import scrubbed

from .base import BrokerUnavailable, LoginRequired, NotPermitted, Reply, TriggerError, UnexpectedReply
from .decode import exact, saying

SUCCESS = ("status", "SUCCESS")
REFUSED = b'"FAILURE"'  # stands in every refusal of Groww's own
PASSING = ("GA000", "GA003")  # Groww's own trouble, whatever was asked
NOTHING_THERE = re.compile(r"\bno \w+ found\b|\bnot found\b", re.IGNORECASE)
FUNDS = "GET /margins/"  # every account has some
OPTIONAL = re.compile(r"GET /(user/detail$|order/trades/)")  # where a bare 404 may be Groww's own way to say nothing


class Failure(msgspec.Struct):
    code: str | None = None
    message: str | None = None
    displayMessage: str | None = None  # on the token endpoint


class Envelope(msgspec.Struct):
    status: str = ""
    error: Failure | None = None


def failure(reply: Reply) -> Failure | None:
    """The refusal in a reply, whatever its HTTP code; None when it carries what was asked for."""
    if reply.status < 400 and REFUSED not in reply.body:
        return None
    try:
        envelope = msgspec.json.decode(reply.body, type=Envelope)
    except (ValueError, RecursionError):
        envelope = Envelope()
    return envelope.error or Failure() if reply.status >= 400 or envelope.status == "FAILURE" else None


def says_nothing_there(reply: Reply) -> bool:
    """In Groww's own form. A 404 without it comes from whoever else is at that address: it says nothing of a book."""
    said = failure(reply) or Failure()
    if reply.status == 404 and (REFUSED in reply.body or OPTIONAL.match(reply.request)):
        return True
    return said.code == "GA004" or bool(NOTHING_THERE.search(said.message or ""))


def is_passing(reply: Reply) -> bool:
    """Trouble of Groww's own; with a 401 or a 403 it is the login or the permission all the same."""
    said = failure(reply) or Failure()
    return said.code in PASSING and reply.status not in (401, 403)


def reason(reply: Reply) -> str:
    said = failure(reply) or Failure()
    if reply.status == 404 and REFUSED not in reply.body:
        return "HTTP 404, and not in Groww's form: is GROWW_API_URL right?"
    return scrubbed(said.displayMessage or said.message, limit=200) or f"HTTP {reply.status}"


def refusal(reply: Reply) -> TriggerError | None:
    """What a failure means for whoever asked; None where there is something to read, if only "nothing there"."""
    said = failure(reply)
    if said is None or reply.request.startswith("POST "):  # a login reads its own answer
        return None
    words = f"Groww refused {reply.request.split('?')[0]}: {reason(reply)}"
    if reply.status == 403:
        return NotPermitted(words)
    if reply.status == 401 or said.code == "GA005":
        return LoginRequired(words)
    if is_passing(reply):
        return BrokerUnavailable(words)
    is_answer = says_nothing_there(reply)
    if is_answer and reply.request.startswith(FUNDS):
        return UnexpectedReply(f"{words}. Every account has funds: is GROWW_API_URL right?")
    return None if is_answer or reply.request.startswith("GET /live-data/") else UnexpectedReply(words)


def with_rows(replies: Iterable[Reply]) -> Iterator[Reply]:
    """The replies that carry rows. A refusal that means "nothing there" carries none."""
    for reply in replies:
        if failure(reply) is None:
            yield reply
        elif not says_nothing_there(reply):
            raise UnexpectedReply(f"Groww refused: {reason(reply)}")


def payload(reply: Reply) -> dict[str, Any]:
    found = saying(SUCCESS, exact(reply.body)).get("payload") or {}
    if not isinstance(found, dict):
        raise UnexpectedReply("the broker's format has changed: payload is not an object")
    return found


def asked(reply: Reply, parameter: str) -> str:
    return parse_qs(reply.request.partition("?")[2]).get(parameter, [""])[0]


def asked_order(reply: Reply) -> str:
    """The order whose fills were asked for: the end of the path."""
    return reply.request.partition("?")[0].rpartition("/")[2]
