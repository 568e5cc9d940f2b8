"""The table of phases fits together, and its runner times, skips and checks each step."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from aurora_soar import Phase, SoarEvent
from aurora_soar.phase_runner import Findings, PhaseTimer, Step, run_steps
from aurora_soar.phase_table import PHASES, SIMPLE_PHASES
from aurora_soar.phase_values import Context


@dataclass(frozen=True)
class Doubled:
    number: int


@dataclass(frozen=True)
class Halved:
    number: int


def double(context: int, _found: Findings) -> Doubled:
    return Doubled(context * 2)


async def halve(_context: int, found: Findings) -> Halved:
    return Halved(found.of(Doubled).number // 2)


DOUBLE: Step[int] = Step(Phase.ASSESS, double, (), Doubled)
HALVE: Step[int] = Step(Phase.RETRIEVE, halve, (Doubled,), Halved)


async def run(*steps: Step[int]) -> tuple[Findings, list[SoarEvent], PhaseTimer]:
    events: list[SoarEvent] = []
    timer = PhaseTimer(events.append)
    return await run_steps(steps, 21, Findings({}), timer), events, timer


@pytest.mark.parametrize("table", [PHASES, SIMPLE_PHASES], ids=["all", "simple"])
def test_each_step_takes_what_earlier_steps_give(table: tuple[Step[Context], ...]) -> None:
    given: set[type] = set()
    for step in table:
        assert set(step.takes) <= given, step
        assert step.run.__annotations__["return"] == step.gives.__name__
        given.add(step.gives)


def test_the_table_has_every_phase_once_and_in_order() -> None:
    assert [step.phase for step in PHASES if step.phase] == list(Phase)


async def test_steps_are_timed_and_reported_and_their_results_kept() -> None:
    found, events, timer = await run(DOUBLE, HALVE)
    assert (found.of(Doubled), found.of(Halved)) == (Doubled(42), Halved(21))
    assert list(timer.timings) == [Phase.ASSESS, Phase.RETRIEVE]
    assert [event.kind for event in events] == ["started", "finished"] * 2


async def test_a_step_that_is_no_phase_of_its_own_is_not_timed() -> None:
    found, events, timer = await run(Step(None, double, (), Doubled))
    assert (found.of(Doubled).number, events, timer.timings) == (42, [], {})


async def test_a_step_is_skipped_where_its_row_says_so() -> None:
    found, events, _ = await run(DOUBLE, Step(Phase.RETRIEVE, halve, (Doubled,), Halved, unless=lambda _: True))
    assert found.get(Halved) is None
    assert len(events) == 2


async def test_a_step_sees_only_what_its_row_names() -> None:
    with pytest.raises(LookupError, match="Doubled"):
        await run(DOUBLE, Step(Phase.RETRIEVE, halve, (), Halved))
    found, _, _ = await run(DOUBLE, Step(Phase.RETRIEVE, halve, (), Halved, may_take=(Doubled,)))
    assert found.of(Halved).number == 21


async def test_a_table_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(LookupError, match="Doubled"):
        await run(HALVE)
    with pytest.raises(LookupError, match="Halved"):
        await run(Step(Phase.ASSESS, double, (), Halved))


async def test_a_phase_that_raises_is_timed_with_its_error() -> None:
    def fail(_context: int, _found: Findings) -> Doubled:
        raise ValueError("no")

    events: list[SoarEvent] = []
    timer = PhaseTimer(events.append)
    with pytest.raises(ValueError, match="no"):
        await run_steps([Step(Phase.ASSESS, fail, (), Doubled)], 1, Findings({}), timer)
    assert timer.timings[Phase.ASSESS].error == "ValueError: no"
    assert events[-1].message == "ValueError: no"
