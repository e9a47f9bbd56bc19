"""What many accounts want of the database at the same time is done at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError

from portfolio.sync.together import Together


class Database:
    """Takes a moment for each turn, and fails at some of them."""

    def __init__(self, fails: dict[int, BaseException] | None = None) -> None:
        self.turns: list[Sequence[int]] = []
        self._fails = fails or {}

    async def __call__(self, work: Any, wishes: Sequence[int]) -> Any:
        self.turns.append(wishes)
        turn = len(self.turns)
        await asyncio.sleep(0.01)
        if turn in self._fails:
            raise self._fails[turn]
        return work(wishes)


def negated(wishes: Sequence[int]) -> list[int]:
    return [-wish for wish in wishes]


def asked(database: Database, work: Any = negated) -> list[Any]:
    """What five get of whom three ask while the first two are worked on."""

    async def all_of_them() -> list[Any]:
        together: Together[int, Any] = Together(database, work)
        first = [together.ask(1), together.ask(2)]
        await asyncio.sleep(0)
        return await asyncio.gather(*first, *map(together.ask, (3, 4, 5)), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_whoever_asks_while_the_database_is_at_work_shares_the_next_turn() -> None:
    database = Database()
    assert (asked(database), database.turns) == ([-1, -2, -3, -4, -5], [[1, 2], [3, 4, 5]])


def said(told: list[Any]) -> list[Any]:
    return [str(each) if isinstance(each, Exception) else each for each in told]


def negated_but_for_4(wishes: Sequence[int]) -> list[int]:
    if 4 in wishes:
        raise ValueError("4 cannot be negated")
    return negated(wishes)


def test_what_cannot_be_done_for_one_is_done_for_the_others_of_its_turn() -> None:
    assert said(asked(Database(), negated_but_for_4)) == [-1, -2, -3, "4 cannot be negated", -5]


def test_a_turn_that_failed_for_a_moment_hurts_nobody() -> None:
    assert asked(Database({2: OperationalError("deadlock detected"), 4: OperationalError("locked")}))[-1] == -5


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_when_the_database_is_gone_everybody_of_the_turn_is_told_so_before_long(error: type[Exception]) -> None:
    database = Database(dict.fromkeys(range(2, 10), error("the connection is closed")))
    assert said(asked(database)) == [-1, -2, *["the connection is closed"] * 3]
    assert database.turns == [[1, 2], [3, 4, 5], [3], [4]]


def test_nobody_waits_for_ever_whatever_ends_the_work() -> None:
    class Panic(BaseException):
        """As a library raises that is no Exception."""

    async def before_long(database: Database) -> list[Any]:
        together: Together[int, Any] = Together(database, negated)
        first = together.ask(1)
        await asyncio.sleep(0)
        told = asyncio.gather(first, together.ask(2), return_exceptions=True)
        return [*await asyncio.wait_for(told, 5), await together.ask(3)]

    given_up = "the work was given up"
    assert said(asyncio.run(before_long(Database({1: Panic()})))) == [given_up, given_up, -3]


def test_where_it_is_enough_that_it_was_done_nothing_is_given() -> None:
    assert asked(Database(), lambda wishes: None) == [None] * 5


def test_what_was_asked_is_done_though_its_asker_gave_up() -> None:
    database = Database()

    async def given_up() -> Any:
        together: Together[int, Any] = Together(database, lambda wishes: None)
        outcome = together.ask(1)
        await asyncio.sleep(0)
        outcome.cancel()
        return await together.ask(2)

    assert (asyncio.run(given_up()), database.turns) == (None, [[1], [2]])


def turns_with(first: int) -> list[int]:
    """How many each turn has: of so many who ask first, one who asks meanwhile, and one as soon as they are done."""
    database = Database()

    async def one_after_the_other() -> None:
        together: Together[int, Any] = Together(database, negated)
        begun = [together.ask(wish) for wish in range(first)]
        await asyncio.sleep(0)
        meanwhile = together.ask(first)
        await begun[-1]
        await asyncio.gather(meanwhile, together.ask(first + 1))

    asyncio.run(one_after_the_other())
    return [len(turn) for turn in database.turns]


def test_after_a_turn_that_many_shared_the_next_one_waits_for_more() -> None:
    assert turns_with(9) == [9, 2]


def test_what_was_asked_before_the_end_is_done_and_nothing_after_it() -> None:
    """It ends in the pause after a turn that many shared, before the one who asked meanwhile is worked on."""
    database = Database()

    async def ended() -> tuple[list[Any], int]:
        together: Together[int, Any] = Together(database, negated)
        begun = [together.ask(wish) for wish in range(9)]
        await asyncio.sleep(0)
        meanwhile = together.ask(9)
        await begun[-1]
        await together.end()
        turns = len(database.turns)
        late = await asyncio.gather(meanwhile, together.ask(10), return_exceptions=True)
        await together.end()
        return said([*late]), turns

    assert (asyncio.run(ended()), len(database.turns)) == (([-9, "the work was given up"], 2), 2)


@pytest.mark.parametrize("first", [1, 8])
def test_after_a_turn_that_few_shared_the_next_one_waits_for_nobody(first: int) -> None:
    assert turns_with(first) == [first, 1, 1]
