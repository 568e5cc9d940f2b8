"""Phase 5: agents run concurrently under the spawner, each as soon as its dependencies are done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_soar.errors import AgentOutputError
from aurora_soar.evidence.agent_outputs import AgentOutput
from aurora_soar.evidence.claims import read_claims
from aurora_soar.evidence.evidence import Aspect, Evidence, LocalRequest, parse_evidence
from aurora_soar.phases.bundle import bundles_for
from aurora_soar.phases.prompts import subgoal_request
from aurora_soar.resumption.kinds import SUBGOALS_RUN
from aurora_soar.run_options import project_run_options
from aurora_spawner.journal.store import Journal
from aurora_spawner.recovery.report import recovery_report
from aurora_spawner.tasks.result import TaskState
from aurora_spawner.tasks.run_events import (
    BatchTripped,
    ProviderAnswers,
    ProviderLeft,
    ProviderPaused,
    TaskEnded,
    TaskEvent,
    TaskFellBack,
    TaskRestarted,
    TaskRetried,
)
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aurora_core import Hit, Project
    from aurora_soar.memory_port import SoarMemory
    from aurora_soar.phases.bundle import Bundle
    from aurora_soar.phases.decompose import Decomposition, Subgoal
    from aurora_soar.question.focus import Focus
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry
    from aurora_soar.resumption.record import Unrecorded
    from aurora_spawner import RecoverySettings, RunEvent, RunReport, SpawnResult
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.recovery.machine import TaskRecoveryState
    from aurora_spawner.runs.run import Run
    from aurora_spawner.runs.run_options import GateOptions

__all__ = ["CollectLimits", "Collected", "collect", "recoveries_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The outputs of all agents, in the order of the subgoals.

    Attributes:
        run_id: the run's id in the journal; None if no agent was needed.
        interrupted: True if a signal ended the run early.
        recoveries: the recovery state of each subgoal that started.
        bundles: the context that agents were given which read code themselves.
    """

    outputs: tuple[AgentOutput, ...]
    run_id: str | None
    duration_ms: float
    interrupted: bool
    recoveries: tuple[TaskRecoveryState, ...] = ()
    bundles: tuple[Bundle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectLimits:
    """Limits of a run of agents.

    Attributes:
        max_concurrent: number of agents that run at once.
        timeout_s: time limit of one agent, in seconds.
    """

    max_concurrent: int
    timeout_s: float


async def collect(
    question: Question,
    decomposition: Decomposition,
    focus: Focus,
    *,
    project: Project,
    registry: AgentRegistry,
    limits: CollectLimits,
    recovery: RecoverySettings,
    executor: Callable[[str | None], Executor],
    gate: GateOptions,
    places: Sequence[Hit],
    memory: SoarMemory,
    on_line: Callable[[str], None],
    record: Unrecorded,
    part: str = "subgoals",
    known: tuple[AgentOutput, ...] = (),
) -> Collected:
    """Runs every subgoal's agent; a failed agent is an output without success, never an exception.

    Args:
        recovery: settings for agents that fail.
        executor: returns what runs the agents' processes, given the run that is resumed, or None.
        gate: judges their tool calls.
        places: retrieved chunks, for agents that read the files themselves.
        memory: knows what stands beside them.
        on_line: called with a line for each agent that ends, `[Agent 2/5] local: completed (0.3 s)`, and for each
            retry, fallback and paused provider.
        record: of the question; a run that an earlier process started for these subgoals is taken up.
        part: names this run within the question.
        known: outputs of subgoals that are not run again.
    """
    done = {output.subgoal_index for output in known}
    open_ones = [index for index in range(len(decomposition.subgoals)) if index not in done]
    bundles = bundles_for(decomposition, places, memory, readers=open_ones)

    from aurora_spawner.runs.run import Run  # with the coordinator; a question that is looked up needs none

    def create() -> Run:
        options = project_run_options(
            project,
            kind=SUBGOALS_RUN,
            default_agent=decomposition.subgoals[open_ones[0]].assigned_agent,
            timeout_s=limits.timeout_s,
            recovery=recovery,
            executor=executor(None),
            state_dir=recovery.state_dir,
            gate=gate,
        )
        tasks = [_task(i, decomposition.subgoals[i], question, bundles.get(i), known) for i in open_ones]
        options = replace(options, max_concurrent=limits.max_concurrent)
        return Run.create(project.runs_db, tasks, registry.backends, options)

    def resume(run_id: str) -> Run:
        return Run.resume(
            project.runs_db,
            run_id,
            registry.backends,
            accept_changes=record.accept_changes,
            max_concurrent=limits.max_concurrent,
            recovery=recovery,
            executor=executor(run_id),
            state_dir=recovery.state_dir,
            **gate,
        )

    run = record.part(part, create, resume)
    report = await run.execute(on_event=_listener(len(open_ones), on_line))
    for sentence in report.trouble:
        on_line(f"warning: {sentence}")
    collected = _collected(report, decomposition, focus, project, known)
    return replace(collected, bundles=tuple(bundles.values()))


def recoveries_of(project: Project, run_id: str) -> tuple[TaskRecoveryState, ...]:
    """Returns the recovery state of each subgoal of a run that started, as the journal has it."""
    with Journal(project.runs_db) as journal:
        return recovery_report(journal, run_id).tasks


def _task(
    index: int, subgoal: Subgoal, question: Question, bundle: Bundle | None, known: Sequence[AgentOutput]
) -> SpawnTask:
    there = {output.subgoal_index for output in known}
    depends_on = tuple(str(other) for other in subgoal.depends_on if other not in there)
    if bundle is not None:
        return SpawnTask(
            subgoal_request(question, subgoal, bundle, [output for output in known if output.success]),
            subgoal.assigned_agent,
            id=str(index),
            title=subgoal.description,
            depends_on=depends_on,
            critical=subgoal.is_critical,
        )
    request = LocalRequest(question=question.text, aspect=subgoal.aspect, focus=subgoal.focus)
    return SpawnTask(
        request.model_dump_json(exclude={"dependency_results"}),
        subgoal.assigned_agent,
        id=str(index),
        title=subgoal.description,
        depends_on=depends_on,
        critical=subgoal.is_critical,
        prompt_format="json",
    )


_REPORTED: Final = (
    TaskRetried,
    TaskRestarted,
    TaskFellBack,
    ProviderPaused,
    ProviderLeft,
    ProviderAnswers,
    BatchTripped,
)
"""Events of the recovery that are reported."""


def _listener(total: int, on_line: Callable[[str], None]) -> Callable[[RunEvent], None]:
    done = 0

    def listen(event: RunEvent) -> None:
        nonlocal done
        if not isinstance(event, TaskEnded):
            if isinstance(event, _REPORTED):
                on_line(f"{event.agent}: {event.message}" if isinstance(event, TaskEvent) else event.message)
            return
        done += 1
        result = event.result
        word = "completed" if result.success else result.state.value
        on_line(f"[Agent {done}/{total}] {result.agent}: {word} ({result.execution_time:.1f} s)")

    return listen


def _collected(
    report: RunReport,
    decomposition: Decomposition,
    focus: Focus,
    project: Project,
    known: tuple[AgentOutput, ...],
) -> Collected:
    outputs = {output.subgoal_index: output for output in known}
    for index, subgoal in enumerate(decomposition.subgoals):
        if index not in outputs:
            outputs[index] = _output(index, report.results[str(index)], focus, subgoal.aspect, project.root)
    return Collected(
        outputs=tuple(outputs[index] for index in sorted(outputs)),
        run_id=report.run_id,
        duration_ms=report.duration_s * 1e3,
        interrupted=report.interrupted or report.cancelled_by_user,
        recoveries=recoveries_of(project, report.run_id),
    )


def _output(index: int, result: SpawnResult, focus: Focus, aspect: Aspect, root: Path) -> AgentOutput:
    evidence, error = _read(result, focus, aspect, root)
    spoken = " ".join(term for f in evidence.findings for term in f.terms) if evidence else ""
    reports = aspect is Aspect.REPORT
    return AgentOutput(
        subgoal_index=index,
        agent_id=result.agent,
        success=evidence is not None,
        evidence=evidence,
        confidence=round(focus.coverage(spoken).share, 4),
        duration_ms=result.execution_time * 1e3,
        exit_code=result.exit_code,
        termination_reason=result.termination_reason,
        error=error,
        words=result.output if reports and result.success else "",
        usage=result.usage,
        skipped=result.state is TaskState.SKIPPED,
        fallback=result.fallback,
        original_agent=result.original_agent,
        retry_count=result.retry_count,
    )


def _read(result: SpawnResult, focus: Focus, aspect: Aspect, root: Path) -> tuple[Evidence | None, str | None]:
    if not result.success:
        return None, result.error or result.termination_reason or result.state.value
    if aspect is Aspect.REPORT:
        return read_claims(result.output, focus, root), None
    try:
        return parse_evidence(result.agent, result.output), None
    except AgentOutputError as error:
        return None, str(error)
