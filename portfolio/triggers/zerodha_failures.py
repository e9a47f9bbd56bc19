"""What Zerodha means when it says no: pure. The kind of error in the body decides, never its words.

403 has two meanings (a session that ended, a call that the plan does not include), and a body without a kind leaves
both open. An order of another day has no trail, and that comes as an error too.
"""

import re
from typing import Any

import msgspec

from ledger.normalise import scrubbed

from .base import BrokerUnavailable, LoginRequired, NotPermitted, Reply, TriggerError, UnexpectedReply
from .decode import exact, saying

SUCCESS = ("status", "success")
PROFILE = "/user/profile"
KINDS: dict[str, type[TriggerError]] = {
    **dict.fromkeys(("TokenException", "UserException", "TwoFAException"), LoginRequired),
    **dict.fromkeys(("PermissionException", "PermissionError"), NotPermitted),
    **dict.fromkeys(("InputException", "OrderException", "MarginException", "HoldingException"), UnexpectedReply),
}
FINAL_CODES = {404, 405, 410, 428}
_OF_A_TRAIL = re.compile(r"GET /orders/\S+")


class Failure(msgspec.Struct):
    status: str | None = None
    message: str | None = None
    error_type: str | None = None


def failure(reply: Reply) -> Failure | None:
    """The refusal in a reply, whatever its HTTP code; None when it carries what was asked for."""
    if reply.status < 400 and b'"error' not in reply.body:
        return None
    try:
        said = msgspec.json.decode(reply.body, type=Failure)
    except (ValueError, RecursionError):
        said = Failure()
    return said if reply.status >= 400 or said.status == "error" or said.error_type else None


def reason(reply: Reply) -> str:
    said = failure(reply) or Failure()
    return scrubbed(said.message, limit=200) or f"HTTP {reply.status}"


def refusal(reply: Reply) -> TriggerError | None:
    """What a failure means for whoever asked; None where the asker has to look at it: a login, an order that has no
    trail, a 403 that does not say which of the two it means."""
    said = failure(reply)
    if said is None or reply.request.startswith("POST ") or is_without_trail(reply):
        return None
    words = f"Zerodha refused {reply.request.split('?')[0]}: {reason(reply)}"
    if said.error_type in KINDS:
        return KINDS[said.error_type](words)
    if reply.status == 403 and not said.error_type:
        return LoginRequired(words) if reply.request == f"GET {PROFILE}" else None
    is_final = reply.status in FINAL_CODES or (reply.status >= 400 and not said.error_type)
    return UnexpectedReply(words) if is_final else BrokerUnavailable(words)


def is_unclear(reply: Reply) -> bool:
    """A 403 that does not say whether the session ended or the plan does not include the call."""
    return reply.status == 403


def is_without_trail(reply: Reply) -> bool:
    """An order that the day's book does not have."""
    said = failure(reply)
    if said is None or not _OF_A_TRAIL.fullmatch(reply.request):
        return False
    return (
        reply.status < 500 and reply.status != 403 and said.error_type in (None, "GeneralException", "InputException")
    )


def data(reply: Reply) -> Any:
    return saying(SUCCESS, exact(reply.body)).get("data") or {}
