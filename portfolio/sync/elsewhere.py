"""Where a setting gives a broker another address than its own, it may be that: then the setting is named.

Never decides whether it is right. What only the broker itself says, such as that a login has ended, is told as it is.
"""

from portfolio_project.settings import broker_url

from ..triggers.base import LeftAlone, LoginRequired, NothingThere, RateLimited, TriggerError, WrongAccount
from ..triggers.foreign import said

_OF_THE_BROKER = (LoginRequired, RateLimited, LeftAlone, WrongAccount)


def may_be_elsewhere(code: str, error: BaseException) -> bool:
    """Whether a setting that sends the requests of this broker elsewhere may be the cause."""
    is_of_the_broker = isinstance(error, _OF_THE_BROKER) and not isinstance(error, NothingThere)
    return isinstance(error, TriggerError) and not is_of_the_broker and bool(broker_url(code))


def words(code: str, error: BaseException) -> str:
    """What went wrong, with the setting to look at where it may be that."""
    text, setting = said(error) or type(error).__name__, f"{code}_API_URL"
    if not may_be_elsewhere(code, error):
        return text
    found = error.found if isinstance(error, NothingThere) else text
    return found if setting in found else f"{found}. {setting} is set: is it right?"
