"""Which brokers there are: code -> trigger class. Codes are upper case; look-ups take any case."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TypeVar

from .base import BaseTrigger

ENTRY_POINT_GROUP = "khata.triggers"
REGISTRY: dict[str, type[BaseTrigger]] = {}

TriggerClass = TypeVar("TriggerClass", bound=type[BaseTrigger])


def register(code: str) -> Callable[[TriggerClass], TriggerClass]:
    """Class decorator: this trigger serves the broker `code`."""

    def add(trigger: TriggerClass) -> TriggerClass:
        trigger.code = code.upper()
        REGISTRY[trigger.code] = trigger
        return trigger

    return add


def get_trigger_for_code(code: str) -> type[BaseTrigger] | None:
    """The trigger of a broker, or None. Packages that register by entry point are loaded when first missed."""
    code = code.upper()
    if code not in REGISTRY:
        for entry_point in entry_points(group=ENTRY_POINT_GROUP, name=code):
            REGISTRY.setdefault(code, entry_point.load())
    return REGISTRY.get(code)


def needs_person(code: str, login_method: str | None) -> bool:
    """Whether its owner has to log in every day. False for what is not known: then the broker will say so."""
    trigger = get_trigger_for_code(code)
    methods = trigger.login_methods if trigger else ()
    return any(method.needs_person for method in methods if method.name == login_method)
