"""Makes the metrics of a run: tokens, cost, durations of agents, waits and pauses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_spawner.control.timeline import SpanKind
from aurora_spawner.telemetry.conventions import provider_attribute, provider_of
from aurora_spawner.telemetry.spans import reason_without_quotes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from aurora_spawner.control.timeline import RunTimeline
    from aurora_spawner.journal.views import TaskRow
    from aurora_spawner.telemetry.phases import TracedPhase
    from aurora_spawner.telemetry.spans import Value

__all__ = ["INSTRUMENTS", "Instrument", "Measure", "measures_of", "measures_of_phases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The unit and meaning of a metric; all are histograms."""

    unit: str
    description: str


INSTRUMENTS: Final[Mapping[str, Instrument]] = {
    "gen_ai.client.token.usage": Instrument(unit="{token}", description="Tokens that the agent of a task used"),
    "gen_ai.client.operation.duration": Instrument(unit="s", description="Duration of an attempt of an agent"),
    "aurora.phase.duration": Instrument(unit="s", description="Duration of a phase of a question"),
    "aurora.cost": Instrument(unit="USD", description="Cost of a task, where it is known"),
    "aurora.task.duration": Instrument(unit="s", description="Duration of a task, waits included"),
    "aurora.task.wait": Instrument(unit="s", description="Time that a task waited, by reason"),
    "aurora.provider.pause": Instrument(unit="s", description="Duration of a provider's pause"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One value of a metric.

    Attributes:
        name: one of INSTRUMENTS.
    """

    name: str
    value: float
    attributes: Mapping[str, Value]


def measures_of(timeline: RunTimeline, tasks: Sequence[TaskRow], *, latest: bool = False) -> list[Measure]:
    """Returns the measures of a run; what was not measured is left out.

    Args:
        latest: use the newest names of the GenAI conventions.
    """
    found = [
        Measure(
            name="aurora.provider.pause",
            value=span.seconds,
            attributes={"aurora.wait.reason": reason_without_quotes(span)},
        )
        for span in timeline.spans
        if span.kind is SpanKind.PROVIDER
    ]
    for row in tasks:
        found += _of_result(row, latest=latest)
    for task in timeline.tasks:
        for span in task.spans:
            if span.kind is SpanKind.ATTEMPT:
                agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": task.agent}
                failed = {"error.type": "failed"} if span.failed else {}
                found.append(
                    Measure(
                        name="gen_ai.client.operation.duration", value=span.seconds, attributes={**agent, **failed}
                    )
                )
            elif span.kind.waits:
                reason = {"aurora.wait.kind": str(span.kind)}
                found.append(Measure(name="aurora.task.wait", value=span.seconds, attributes=reason))
        if task.spans:
            seconds = max(span.end for span in task.spans) - min(span.start for span in task.spans)
            state = {"aurora.task.state": task.state}
            found.append(Measure(name="aurora.task.duration", value=seconds, attributes=state))
    return found


def measures_of_phases(phases: Sequence[TracedPhase]) -> list[Measure]:
    """Returns the duration of each phase."""
    return [
        Measure(name="aurora.phase.duration", value=each.end - each.start, attributes={"aurora.phase": each.name})
        for each in phases
    ]


def _of_result(row: TaskRow, *, latest: bool) -> Iterator[Measure]:
    result = row.result
    if result is None or result.usage is None:
        return
    usage = result.usage
    common: dict[str, Value] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": result.agent}
    if provider := provider_of(result.agent):
        common[provider_attribute(latest=latest)] = provider
    if result.model:
        common["gen_ai.response.model"] = result.model
    read = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    for kind, tokens in (("input", read), ("output", usage.output_tokens)):
        attributes = {**common, "gen_ai.token.type": kind}
        yield Measure(name="gen_ai.client.token.usage", value=tokens, attributes=attributes)
    if usage.cost_usd is not None:
        yield Measure(name="aurora.cost", value=usage.cost_usd, attributes=common)
