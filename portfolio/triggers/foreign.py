"""Code of others: whatever a trigger or its package raises is an error of its own, and ends no run."""

from collections.abc import Callable
from typing import Any, TypeVar

Given = TypeVar("Given")


def told(method: Callable[..., Given], *arguments: Any) -> Given:
    """What a method of a trigger, or its class, gives at once. Ctrl-C is a person's, and stops the run."""
    try:
        return method(*arguments)
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise of_its_own(error) from error


def of_its_own(error: BaseException) -> Exception:
    """What ends that which it was raised in and nothing else, and what a future takes: a trigger that calls exit(), or
    whose library panics, ends no run, and `next()` of nothing is an error like all others."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"{type(error).__name__} {said(error)}".rstrip())


def said(error: BaseException) -> str:
    """Its own text; nothing where it has none, or where making it raises as well."""
    try:
        return told(str, error)
    except Exception:
        return ""
