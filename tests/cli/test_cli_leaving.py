"""The end of a talk or an attachment: what is over, what fails beside it, and what is ended with it."""

from __future__ import annotations

import asyncio

import pytest

from aurora_cli.interaction.leaving import Leaving, until_over


async def never() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    pass


async def failing(problem: str) -> None:
    raise ValueError(problem)


def within_a_second(work: object) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(1):
            await work  # type: ignore[misc]

    asyncio.run(bounded())


def test_a_talk_ends_when_what_reads_its_input_fails() -> None:
    with pytest.raises(ValueError, match="no input"):
        within_a_second(Leaving().until_left(never(), failing("no input")))


def test_what_works_beside_it_may_be_over_first_and_is_ended_with_it() -> None:
    async def in_three_steps() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    within_a_second(until_over(asyncio.Event(), in_three_steps(), at_once(), never()))


def test_the_user_leaves_what_never_ends() -> None:
    async def left_soon() -> None:
        left = asyncio.Event()
        asyncio.get_running_loop().call_soon(left.set)
        await until_over(left, never(), never())

    within_a_second(left_soon())


def test_of_two_failures_none_is_lost() -> None:
    with pytest.raises(ValueError, match="first") as raised:
        within_a_second(until_over(asyncio.Event(), failing("first"), failing("second")))
    assert raised.value.__notes__ == ["also: second"]
