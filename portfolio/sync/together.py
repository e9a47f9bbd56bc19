"""What many accounts want of the database at the same time is done at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar

Wish = TypeVar("Wish")
Outcome = TypeVar("Outcome")

GATHERING_SECONDS = 0.02  # after a turn that was shared the next one waits for more: many cost little more than a few


class Together(Generic[Wish, Outcome]):
    """`work` is given what many asked for, and gives an outcome for each, in order: nothing, where it is enough that it
    was done. Whoever asks while it is at work shares the next turn."""

    def __init__(
        self,
        in_database: Callable[..., Awaitable[Any]],
        work: Callable[[Sequence[Wish]], Sequence[Outcome] | None],
    ) -> None:
        self._in_database, self._work = in_database, work
        self._waiting: list[tuple[Wish, asyncio.Future[Outcome]]] = []
        self._turns: asyncio.Task[None] | None = None

    def ask(self, wish: Wish) -> asyncio.Future[Outcome]:
        """Its outcome; it is worked on whether or not anybody waits. Everybody in a turn that failed is told so."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((wish, outcome))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return outcome

    async def _take_turns(self) -> None:
        is_shared = False
        try:
            while self._waiting:
                if is_shared:
                    await asyncio.sleep(GATHERING_SECONDS)
                group, self._waiting = self._waiting, []
                is_shared = len(group) > 1
                await self._take_turn([wish for wish, _ in group], [outcome for _, outcome in group])
        finally:
            self._turns = None

    async def _take_turn(self, wishes: Sequence[Wish], outcomes: Sequence[asyncio.Future[Outcome]]) -> None:
        try:
            found = await self._in_database(self._work, wishes)
        except Exception as error:
            _tell(outcomes, error)
        except BaseException:
            _tell(outcomes, InterruptedError("the work was given up"))
            raise
        else:
            for outcome, value in zip(outcomes, repeat(None) if found is None else found, strict=False):
                if not outcome.done():
                    outcome.set_result(value)


def _tell(outcomes: Iterable[asyncio.Future[Any]], error: Exception) -> None:
    for outcome in outcomes:
        if not outcome.done():
            outcome.set_exception(error)
