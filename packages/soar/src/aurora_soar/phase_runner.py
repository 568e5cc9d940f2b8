"""Runner of phases: takes a table of steps, runs each on the findings so far, times it and emits its events."""

from __future__ import annotations

import inspect
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from aurora_soar.report.execution import Phase, PhaseTiming
from aurora_soar.report.result import SoarEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

__all__ = ["Findings", "PhaseTimer", "Step", "run_steps"]

_Kind = TypeVar("_Kind")
_Context = TypeVar("_Context")


class PhaseTimer:
    """The clock of one execution: times phases and emits events.

    Attributes:
        started_at: the execution's start, UTC.
        timings: one for each phase that has ended.
    """

    def __init__(self, on_event: Callable[[SoarEvent], None] | None) -> None:
        self.started_at = datetime.now(UTC)
        self.timings: dict[Phase, PhaseTiming] = {}
        self._clock = time.perf_counter()
        self._on_event = on_event

    @property
    def elapsed_ms(self) -> float:
        """The time since the execution started."""
        return (time.perf_counter() - self._clock) * 1e3

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
    """

    phase: Phase | None
    run: Callable[[_Context, Findings], Awaitable[object] | object]
    takes: tuple[type, ...]
    gives: type
    may_take: tuple[type, ...] = ()
    unless: Callable[[Findings], bool] = lambda _found: False


async def run_steps(
    steps: Sequence[Step[_Context]], context: _Context, findings: Findings, timer: PhaseTimer
) -> Findings:
    """Runs steps in order, and returns the findings with their results.

    Raises:
        LookupError: a step lacks what it takes, or gives something else; the table is wrong.
    """
    for step in steps:
        if step.unless(findings):
            continue
        seen = findings.only(step.takes, step.may_take)
        if step.phase is None:
            result = await _result(step, context, seen)
        else:
            with timer.phase(step.phase):
                result = await _result(step, context, seen)
        findings = findings.with_result(result)
        findings.of(step.gives)
    return findings


async def _result(step: Step[_Context], context: _Context, findings: Findings) -> object:
    result = step.run(context, findings)
    return await result if inspect.isawaitable(result) else result
