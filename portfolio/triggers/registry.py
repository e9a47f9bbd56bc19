"""Which brokers there are: code -> trigger class. Codes are upper case; look-ups take any case."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from .base import BaseTrigger
from .foreign import told

ENTRY_POINT_GROUP = "khata.triggers"
REGISTRY: dict[str, type[BaseTrigger]] = {}
_broken: dict[str, str] = {}  # why what should be a trigger cannot be used

TriggerClass = TypeVar("TriggerClass", bound=type[BaseTrigger])


def register(code: str) -> Callable[[TriggerClass], TriggerClass]:
    """Class decorator: this trigger serves the broker `code`."""

    def add(trigger: TriggerClass) -> TriggerClass:
        if _is_one(code.upper(), trigger):
            trigger.code = code.upper()
            REGISTRY[trigger.code] = trigger
        return trigger

    return add


def _is_one(code: str, found: object) -> bool:
    """What is none stops nobody but the accounts of its broker."""
    if isinstance(found, type) and issubclass(found, BaseTrigger):
        return True
    _broken[code] = f"what is registered for {code} is no trigger: a class is wanted that is made from BaseTrigger"
    return False


def known_codes() -> list[str]:
    """Of all triggers, those that cannot be used, and those of packages that are not loaded yet, among them."""
    packages = {entry_point.name.upper() for entry_point in entry_points(group=ENTRY_POINT_GROUP)}
    return sorted(REGISTRY.keys() | _broken.keys() | packages)


def get_trigger_for_code(code: str) -> type[BaseTrigger] | None:
    """The trigger of a broker, or None: see `why_missing`. Packages that register by entry point are loaded when first
    missed."""
    code = code.upper()
    if code not in REGISTRY:
        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            if entry_point.name.upper() == code:
                _load(code, entry_point)
    return REGISTRY.get(code)


def why_missing(code: str) -> str:
    """Of a code that has no trigger."""
    return _broken.get(code.upper()) or f"no trigger is registered for {code}"


def _load(code: str, entry_point: EntryPoint) -> None:
    """A package that cannot be imported stops nobody but the accounts of its broker."""
    try:
        trigger: type[BaseTrigger] = told(entry_point.load)
    except Exception as error:
        _broken[code] = f"the package of {code} cannot be loaded: {type(error).__name__}: {error}"
        return
    if _is_one(code, trigger):
        trigger.code = trigger.code or code
        REGISTRY.setdefault(code, trigger)


def needs_person(code: str, login_method: str | None) -> bool:
    """Whether its owner has to log in every day. False for what is not known: then the broker will say so."""
    trigger = get_trigger_for_code(code)
    methods = trigger.login_methods if trigger else ()
    return any(method.needs_person for method in methods if method.name == login_method)
