"""Runner of phases: takes a table of steps, runs each on the findings so far, times it and emits its events."""

from __future__ import annotations

import inspect
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from aurora_soar.report.execution import Phase, PhaseTiming
from aurora_soar.report.result import SoarEvent
from aurora_soar.resumption.record import StepTimes, Unrecorded
from aurora_spawner.telemetry.phases import TracedPhase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

__all__ = ["Findings", "PhaseTimer", "Step", "run_steps"]

_Kind = TypeVar("_Kind")
_Context = TypeVar("_Context")


class PhaseTimer:
    """The clock of one execution: times phases and emits events.

    Attributes:
        started_at: the execution's start, UTC.
        timings: one for each phase that has ended.
    """

    def __init__(
        self,
        on_event: Callable[[SoarEvent], None] | None,
        *,
        started_at: datetime | None = None,
        elapsed_ms: float = 0.0,
    ) -> None:
        """Starts the clock.

        Args:
            started_at: the time of the start; now if None.
            elapsed_ms: the time that earlier processes have worked on it.
        """
        self.started_at = started_at or datetime.now(UTC)
        self.timings: dict[Phase, PhaseTiming] = {}
        self._clock = time.perf_counter() - elapsed_ms / 1e3
        self._on_event = on_event

    @property
    def elapsed_ms(self) -> float:
        """The time that was worked on the execution since it started."""
        return (time.perf_counter() - self._clock) * 1e3

    def traced(self) -> tuple[TracedPhase, ...]:
        """Returns the phases that have ended, as they are traced: without the words of an error."""
        return tuple(
            TracedPhase(
                name=phase.value.partition("_")[2],
                start=timing.started_at,
                end=timing.started_at + timing.duration_ms / 1e3,
                error=timing.error.partition(":")[0] if timing.error else None,
            )
            for phase, timing in self.timings.items()
            if timing.started_at is not None
        )

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Times the block as a phase, and emits its start and its end."""
        self.emit(phase, "started", "")
        start_ms, at = self.elapsed_ms, time.time()
        error: str | None = None
        try:
            yield
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            raise
        finally:
            took = self.elapsed_ms - start_ms
            self.timings[phase] = PhaseTiming(duration_ms=took, started_at=at, error=error)
            self.emit(phase, "finished", error or f"{took:.0f} ms")

    @contextmanager
    def more_of(self, phase: Phase) -> Iterator[None]:
        """Adds the time of the block to a phase that has ended."""
        start_ms = self.elapsed_ms
        try:
            yield
        finally:
            before = self.timings.get(phase, PhaseTiming())
            took = self.elapsed_ms - start_ms
            self.timings[phase] = replace(before, duration_ms=before.duration_ms + took)

    def emit(self, phase: Phase, kind: str, message: str) -> None:
        """Emits an event of a phase."""
        if self._on_event is not None:
            self._on_event(SoarEvent(phase=phase.value, kind=kind, message=message, elapsed_ms=self.elapsed_ms))


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of the steps so far, each by its type."""

    by_type: Mapping[type, object]

    def get(self, kind: type[_Kind]) -> _Kind | None:
        """Returns the result of a type; None if no step has produced it."""
        found = self.by_type.get(kind)
        return found if isinstance(found, kind) else None

    def of(self, kind: type[_Kind]) -> _Kind:
        """Returns the result of a type.

        Raises:
            LookupError: no step has produced it; the table of steps is wrong.
        """
        found = self.get(kind)
        if found is None:
            raise LookupError(f"no step before this one gives a {kind.__name__}")
        return found

    def only(self, needed: Sequence[type], optional: Sequence[type] = ()) -> Findings:
        """Returns the findings of these types alone.

        Raises:
            LookupError: a needed one is not there.
        """
        for kind in needed:
            self.of(kind)
        return Findings({kind: found for kind, found in self.by_type.items() if kind in (*needed, *optional)})

    def with_result(self, result: object) -> Findings:
        """Returns the findings with one more result, which replaces an earlier one of its type."""
        return Findings({**self.by_type, type(result): result})


@dataclass(frozen=True, slots=True)
class Step(Generic[_Context]):
    """A row of a table of phases.

    Attributes:
        phase: its name in events and in the log; None for a step that is no phase of its own.
        run: makes the result, from what is the same for all steps and the findings so far; may be async.
        takes: types of the findings that it needs; it sees no others.
        gives: the type of its result.
        may_take: types of findings that it also sees if they are there.
        unless: skips the step if it returns True for all findings so far.
        part_of: of a step that is no phase of its own, the phase that its time is added to.
        kept: False for a step that a resume runs again, since it costs nothing and changes nothing.
    """

    phase: Phase | None
    run: Callable[[_Context, Findings], Awaitable[object] | object]
    takes: tuple[type, ...]
    gives: type
    may_take: tuple[type, ...] = ()
    unless: Callable[[Findings], bool] = lambda _found: False
    part_of: Phase | None = None
    kept: bool = True

    @property
    def name(self) -> str:
        """The name of the step in the record of an execution."""
        return self.run.__name__.lstrip("_")


async def run_steps(
    steps: Sequence[Step[_Context]],
    context: _Context,
    findings: Findings,
    timer: PhaseTimer,
    record: Unrecorded | None = None,
) -> Findings:
    """Runs steps in order, and returns the findings with their results.

    Args:
        record: keeps each result, and has those of an earlier process, whose steps do not run again.

    Raises:
        LookupError: a step lacks what it takes, or gives something else; the table is wrong.
    """
    record = record or Unrecorded()
    for step in steps:
        if step.unless(findings):
            continue
        given: tuple[object, StepTimes] | None = record.given(step.name, step.gives)
        if given is not None:
            result, times = given
            _restore_timing(step, times, timer)
        else:
            record.step = step.name
            seen = findings.only(step.takes, step.may_take)
            with _timed(step, timer):
                result = await _result(step, context, seen)
            if step.kept:
                record.keep(step.name, result, _times_of(step, timer))
        findings = findings.with_result(result)
        findings.of(step.gives)
    return findings


def _timed(step: Step[_Context], timer: PhaseTimer) -> AbstractContextManager[None]:
    if step.phase is not None:
        return timer.phase(step.phase)
    return timer.more_of(step.part_of) if step.part_of is not None else nullcontext()


def _times_of(step: Step[_Context], timer: PhaseTimer) -> StepTimes:
    phase = step.phase or step.part_of
    timing = timer.timings[phase] if phase is not None else PhaseTiming()
    return StepTimes(elapsed_ms=timer.elapsed_ms, duration_ms=timing.duration_ms, started_at=timing.started_at)


def _restore_timing(step: Step[_Context], times: StepTimes, timer: PhaseTimer) -> None:
    phase = step.phase or step.part_of
    if phase is not None:
        timer.timings[phase] = PhaseTiming(duration_ms=times.duration_ms, started_at=times.started_at)


async def _result(step: Step[_Context], context: _Context, findings: Findings) -> object:
    result = step.run(context, findings)
    return await result if inspect.isawaitable(result) else result
