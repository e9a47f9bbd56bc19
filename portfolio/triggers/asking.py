"""What adapters share to ask: side by side, page by page, and in halves when one item spoils a batch."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from typing import Any, Final, TypeVar

from .base import Reply, UnexpectedReply

Result = TypeVar("Result")

PAGE_LIMIT: Final = 100


async def side_by_side(asks: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results in order. When one fails, the others are stopped and none goes on asking unseen."""
    tasks = [asyncio.ensure_future(ask) for ask in asks]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def all_pages(ask: Callable[[int], Awaitable[Reply]], is_last: Callable[[Reply], bool]) -> list[Reply]:
    """Page after page from 0. Short pages prove nothing: brokers give fewer rows than asked for."""
    replies: list[Reply] = []
    for page in range(PAGE_LIMIT):
        replies.append(await ask(page))
        if is_last(replies[-1]):
            return replies
    raise UnexpectedReply(f"{replies[0].request.split('?')[0]}: still new rows after {PAGE_LIMIT} pages")


def nothing_new(keys: Callable[[Reply], Iterable[Hashable]]) -> Callable[[Reply], bool]:
    """A test for the last page: it is empty, or repeats what earlier pages said."""
    seen: set[Hashable] = set()

    def is_last(reply: Reply) -> bool:
        known = len(seen)
        seen.update(keys(reply))
        return len(seen) == known

    return is_last


async def in_halves(
    items: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[Reply]], is_refused: Callable[[Reply], object]
) -> list[Reply]:
    """A refused batch is asked again in halves, until what spoils it stands alone."""
    reply = await ask(items)
    if len(items) == 1 or not is_refused(reply):
        return [reply]
    middle = len(items) // 2
    halves = (await in_halves(half, ask, is_refused) for half in (items[:middle], items[middle:]))
    return [reply async for half in halves for reply in half]


def in_batches(items: Iterable[str], size: int) -> list[list[str]]:
    """Each item once, in order, at most `size` together."""
    unique = list(dict.fromkeys(items))
    return [unique[start : start + size] for start in range(0, len(unique), size)]
