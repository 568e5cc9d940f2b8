"""How many workers a pool should have: the rules, and the figures that they rest on."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.postgres import PostgresServer
from tests.spawner.test_spawner_pool_turns import Queue, shut

from aurora_spawner.distributed.advice import (
    Advice,
    AdviceSettings,
    PoolFigures,
    advised,
    hook_is_due,
    wanted_workers,
)
from aurora_spawner.distributed.advice_store import AdviceStore
from aurora_spawner.distributed.attempt_store import AttemptStore
from aurora_spawner.distributed.database import Database
from aurora_spawner.distributed.pool_limits import LimitStore
from aurora_spawner.rate_limits.gate import GateState, ProviderGate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTINGS = AdviceSettings(within_s=100.0, slots=2, cool_down_s=60.0, down_after_s=300.0)
QUIET = PoolFigures(pool="p", queued=0, held=0, oldest_s=0.0, running=0, workers=0, slots=0, mean_s=None)


@pytest.mark.parametrize(
    ("figures", "wanted", "because"),
    [
        ({}, 0, "0 slots for running attempts"),
        ({"running": 5}, 3, "5 slots for running attempts, 0 for 0 waiting ones, 2 per worker"),
        ({"queued": 7}, 4, "no attempt has ended yet"),
        ({"queued": 100, "mean_s": 10.0, "oldest_s": 5.0}, 5, "attempts take 10.0 s"),
        ({"queued": 100, "mean_s": 10.0, "oldest_s": 101.0}, 50, "the oldest has waited 101 s, over 100 s"),
        ({"queued": 3, "mean_s": 0.01}, 1, "attempts take 0.0 s"),
        ({"held": 9}, 0, "9 more wait for a limit or a provider"),
    ],
)
def test_what_is_wanted_follows_the_depth_and_the_age_of_the_queue(
    figures: dict[str, float], wanted: int, because: str
) -> None:
    found, reasons = wanted_workers(replace(QUIET, **figures), SETTINGS)  # type: ignore[arg-type]
    assert found == wanted
    assert because in "; ".join(reasons)


def test_workers_that_are_there_tell_the_slots_of_one() -> None:
    there = replace(QUIET, queued=16, workers=2, slots=8)
    assert wanted_workers(there, replace(SETTINGS, slots=None))[0] == 4
    assert wanted_workers(there, replace(SETTINGS, most=3))[0] == 3
    assert wanted_workers(QUIET, replace(SETTINGS, least=2)) == (
        2,
        ("0 slots for running attempts, 0 for 0 waiting ones, 2 per worker", "the least is 2, not 0"),
    )


def follow(wanted: list[int], *, every_s: float = 20.0) -> list[int]:
    """Returns what is advised at each look, if so many were wanted at each."""
    advice: Advice | None = None
    found = []
    for at, each in enumerate(wanted):
        advice = advised(advice, each, now=1000.0 + at * every_s, settings=SETTINGS)
        found.append(advice.desired)
    return found


def test_it_goes_up_at_once_and_down_after_a_while_to_the_most_of_that_while() -> None:
    looks = follow([2, *[2] * 3, 8, *[3, 1, 5, 2] * 4])
    assert looks[:5] == [2, 2, 2, 2, 8]
    assert looks[5:20] == [8] * 15, "300 s are over at the 16th look after the first lower one"
    assert looks[20] == 5
    assert follow([1, 9, 9, 9]) == [1, 1, 1, 9], "the first change has its cool-down, too"


def test_a_queue_that_comes_and_goes_moves_nothing() -> None:
    looks = follow([5, *[0, 5, 1, 5] * 50])
    assert set(looks) == {5}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.floats(1.0, 200.0))
def test_two_changes_are_never_closer_than_the_cool_down(wanted: list[int], every_s: float) -> None:
    looks = follow(wanted, every_s=every_s)
    changes = [at for at in range(1, len(looks)) if looks[at] != looks[at - 1]]
    apart = [(after - before) * every_s for before, after in pairwise(changes)]
    assert all(each >= SETTINGS.cool_down_s - 1e-6 for each in apart)
    falls = [at for at in changes if looks[at] < looks[at - 1]]
    for at in falls:
        enough = [
            each for back, each in enumerate(reversed(wanted[: at + 1])) if back * every_s < SETTINGS.down_after_s
        ]
        assert max(enough) <= looks[at], "what was wanted in that while is there"


def test_the_hook_is_told_once_for_each_change_and_not_before_its_cool_down() -> None:
    advice = Advice(desired=3, changed_at=0.0)
    assert hook_is_due(advice, now=0.0, settings=SETTINGS)
    assert not hook_is_due(replace(advice, told=3, hook_at=0.0), now=1e6, settings=SETTINGS)
    failed = replace(advice, told=2, hook_at=10.0)
    assert not hook_is_due(failed, now=69.0, settings=SETTINGS)
    assert hook_is_due(failed, now=70.0, settings=SETTINGS)


@pytest.fixture
async def queue(server: PostgresServer) -> AsyncIterator[Queue]:
    database = Database(server.new_database())
    await database.make_tables()
    yield Queue(AttemptStore(database))
    database.close()


async def test_the_figures_are_those_of_the_queue(queue: Queue) -> None:
    store, database = AdviceStore(queue.store.database), queue.store.database
    assert await store.pools() == []
    for name, concurrency in (("busy", 4), ("idle", 2)):
        announced = {"pool": "p", "concurrency": concurrency, "agents": ["a"], "labels": [], "new": True}
        await queue.store.announce("w" if name == "busy" else name, name=name, **announced)  # type: ignore[arg-type]
    for at in range(6):
        await queue.put(f"a-{at}", agent="a")
        await queue.put(f"b-{at}", agent="b")
        await queue.put(f"x-{at}", agent="x", provider="x")
    await LimitStore(database).set("p", "b", 2)
    await shut(queue, ProviderGate(provider="x", state=GateState.PAUSED, since=0.0, until=4e9))
    await queue.finish(await queue.take())
    assert await queue.take()
    (pool,) = await store.pools()
    found = await store.advise(pool, SETTINGS, with_hook=False)
    figures = found.figures
    assert (figures.running, figures.workers, figures.slots, figures.idle) == (1, 2, 6, ("idle",))
    assert figures.queued + figures.held == 16
    assert figures.held in {6 + 4, 6 + 3}, "the provider holds six, and the limit all but two of an agent's"
    assert figures.mean_s is not None
    assert 0 < figures.mean_s < 60
    assert 0 < figures.oldest_s < 60
    await LimitStore(database).set("p", "", 1)
    assert (await store.advise(pool, SETTINGS, with_hook=False)).figures.queued == 0


async def test_of_two_that_advise_at_once_one_runs_the_hook(queue: Queue) -> None:
    await queue.put("1")
    first = AdviceStore(queue.store.database)
    asked = [await first.advise("p", SETTINGS, with_hook=True) for _ in range(3)]
    assert [each.hook_due for each in asked] == [True, False, False]
    await first.told("p", asked[0].desired)
    again = await first.advise("p", replace(SETTINGS, cool_down_s=0.0), with_hook=True)
    assert (again.hook_due, again.before, again.desired) == (False, 1, 1)
