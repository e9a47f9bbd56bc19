"""Side by side, and nobody goes on asking unseen when one has failed."""

import asyncio

import pytest

from portfolio.triggers.asking import in_batches, side_by_side
from portfolio.triggers.base import BrokerUnavailable


def test_results_come_in_the_order_of_the_asks() -> None:
    async def ask(number: int) -> int:
        await asyncio.sleep(0.003 * (3 - number))
        return number

    async def go() -> list[int]:
        return await side_by_side(ask(number) for number in range(3))

    assert asyncio.run(go()) == [0, 1, 2]


def test_when_one_ask_fails_the_others_are_stopped() -> None:
    finished: list[int] = []

    async def ask(number: int) -> None:
        if number > 1:
            await asyncio.Event().wait()  # as long as it takes: only being stopped ends it
        if number == 1:
            raise BrokerUnavailable("down")
        finished.append(number)

    async def go() -> None:
        with pytest.raises(BrokerUnavailable):
            await side_by_side(ask(number) for number in range(4))
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(go())
    assert finished == [0]


def test_batches_hold_each_item_once_and_in_order() -> None:
    assert in_batches(["a", "b", "a", "c"], 2) == [["a", "b"], ["c"]]
    assert in_batches([], 2) == []
