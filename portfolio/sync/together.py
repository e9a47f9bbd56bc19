"""What many accounts want of the database at the same time is done at once.

What goes wrong for one of them stays its own: where a turn fails that was shared, each is worked on alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar

from django.db import InterfaceError, OperationalError

Wish = TypeVar("Wish")
Outcome = TypeVar("Outcome")
Asking = tuple[Wish, asyncio.Future[Outcome]]

# After a turn that many shared the next one waits for more: many cost little more than a few. One account alone seldom
# has as many answers at once, and does not feel it.
MANY, GATHERING_SECONDS = 9, 0.02


class Together(Generic[Wish, Outcome]):
    """`work` is given what many asked for, and gives an outcome for each, in order: nothing, where it is enough that it
    was done. Whoever asks while it is at work shares the next turn. What was asked for may be asked again after a
    failure, so it must do no harm twice."""

    def __init__(
        self,
        in_database: Callable[..., Awaitable[Any]],
        work: Callable[[Sequence[Wish]], Sequence[Outcome] | None],
    ) -> None:
        self._in_database, self._work = in_database, work
        self._waiting: list[Asking[Wish, Outcome]] = []
        self._turns: asyncio.Task[None] | None = None
        self._is_over = False

    def ask(self, wish: Wish) -> asyncio.Future[Outcome]:
        """Its outcome; it is worked on whether or not anybody waits."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if self._is_over:
            _tell([(wish, outcome)], _given_up())
            return outcome
        self._waiting.append((wish, outcome))
        if self._turns is None:
            self._turns = asyncio.create_task(self._take_turns())
        return outcome

    async def end(self) -> None:
        """Returns once all that was asked for is worked on, and the database is left alone from then on."""
        self._is_over = True
        if self._turns:
            await asyncio.wait([self._turns])

    async def _take_turns(self) -> None:
        group: list[Asking[Wish, Outcome]] = []
        try:
            while self._waiting:
                if len(group) >= MANY:
                    await asyncio.sleep(GATHERING_SECONDS)
                group, self._waiting = self._waiting, []
                await self._take_turn(group)
        finally:  # nobody waits for ever, whatever ended the turns
            _tell([*group, *self._waiting], _given_up())
            self._waiting, self._turns = [], None

    async def _take_turn(self, group: Sequence[Asking[Wish, Outcome]]) -> None:
        try:
            await self._work_on(group)
        except Exception as error:
            if len(group) > 1:
                await self._one_by_one(group)
            else:
                _tell(group, error)

    async def _one_by_one(self, group: Sequence[Asking[Wish, Outcome]]) -> None:
        """A database that failed twice in a row is not there: those that are left are told so, and wait for it no
        longer."""
        failures = 0
        for place, one in enumerate(group):
            try:
                await self._work_on([one])
                failures = 0
            except Exception as error:
                failures = failures + 1 if isinstance(error, OperationalError | InterfaceError) else 0
                _tell(group[place:] if failures > 1 else [one], error)
                if failures > 1:
                    return

    async def _work_on(self, group: Sequence[Asking[Wish, Outcome]]) -> None:
        found = await self._in_database(self._work, [wish for wish, _ in group])
        for (_, outcome), value in zip(group, repeat(None) if found is None else found, strict=False):
            if not outcome.done():
                outcome.set_result(value)


def _given_up() -> InterruptedError:
    return InterruptedError("the work was given up")


def _tell(group: Sequence[Asking[Any, Any]], error: Exception) -> None:
    for _, outcome in group:
        if not outcome.done():
            outcome.set_exception(error)
