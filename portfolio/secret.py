"""Text that shows itself only when asked: how a credential travels through the program.

A guard against accidents (a log line, a traceback, a task argument), not against code that means to look.
"""

import hmac
from collections.abc import Mapping
from typing import NoReturn


class Secret:
    """Text that shows itself only to `reveal()`: print, log, format, json and pickle never see it."""

    __slots__ = ("__hidden",)

    def __init__(self, value: str) -> None:
        self.__hidden = value

    def reveal(self) -> str:
        return self.__hidden

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self.__hidden)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__hidden.encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash(self.__hidden)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled; pass the id of the account instead")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


def hidden(texts: Mapping[str, str]) -> dict[str, Secret]:
    return {name: Secret(text) for name, text in texts.items()}


def revealed(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """For the two who must have the text: what seals it, and the trigger that logs in with it."""
    return {name: secret.reveal() for name, secret in secrets.items()}
