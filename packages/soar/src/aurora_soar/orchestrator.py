"""The orchestrator: a question through the eight phases, as a table of steps that one runner times and records."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.local_agent.lookup import look_up
from aurora_soar.models.recorded_model import RecordedModel
from aurora_soar.phase_conditions import (
    collected,
    no_faults,
    not_collectable,
    nothing_new,
    nothing_to_replan,
    planning_interrupted,
)
from aurora_soar.phase_runner import Findings, PhaseTimer, Step, run_steps
from aurora_soar.phases.assess import Assessment, Complexity, assess
from aurora_soar.phases.assess_with_model import assess_with_model
from aurora_soar.phases.collect import Collected, CollectLimits, collect
from aurora_soar.phases.criticise import Criticised, criticise
from aurora_soar.phases.decompose import decompose
from aurora_soar.phases.decompose_with_model import Planned, plan_with_model
from aurora_soar.phases.record import NOT_RECORDED, Recorded
from aurora_soar.phases.record import record as record_answer
from aurora_soar.phases.replan import Replanned, replan
from aurora_soar.phases.retrieve import RetrievedContext, retrieve
from aurora_soar.phases.synthesize import Synthesis, synthesize
from aurora_soar.phases.synthesize_with_model import AnswerContext, answer_with_model
from aurora_soar.phases.verify import Verification, verify
from aurora_soar.question.focus import Focus
from aurora_soar.question.presence import Presence, find_presence
from aurora_soar.question.question import Question, read_question
from aurora_soar.report.conversation_log import write_log
from aurora_soar.report.execution import Execution, Phase, Verbosity
from aurora_soar.report.respond import render
from aurora_soar.report.result import SoarEvent, SoarResult
from aurora_soar.resumption.record import asked_question
from aurora_soar.resumption.recorder import QuestionRecorder
from aurora_spawner import RecoveryPolicy, RecoverySettings
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_core import Memory, Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import BudgetStatus
    from aurora_soar.evidence.agent_outputs import AgentOutput
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phases.decompose import Decomposition
    from aurora_soar.registry import AgentRegistry
    from aurora_soar.resumption.record import Unrecorded
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.runs.run_options import GateOptions

__all__ = ["PHASES", "SIMPLE_PHASES", "SOAROrchestrator"]

DEFAULT_MAX_CONCURRENT: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that is the same for all phases of one execution; see `SOAROrchestrator` for the parts."""

    query: str
    verbosity: Verbosity
    timer: PhaseTimer
    project: Project
    memory: Memory
    policies: PoliciesEngine
    registry: AgentRegistry
    max_concurrent: int
    recovery: RecoverySettings
    shared: Memory | None
    model: LanguageModel | None
    executor: Callable[[str | None], Executor]
    budget: Callable[[], BudgetStatus | None] | None
    gate: GateOptions
    record: Unrecorded

    @property
    def query_id(self) -> str:
        """The execution's name: `soar-` and its start in milliseconds."""
        return self.record.query_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """The result of phase 1.

    Attributes:
        calls: the model's answers if the rules were not sure.
    """

    question: Question
    assessment: Assessment
    calls: tuple[Completion, ...] = ()

    @property
    def interrupted(self) -> bool:
        """True if a signal ended a call of the model."""
        return any(call.interrupted for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The result of phase 2."""

    focus: Focus
    presence: Presence
    context: RetrievedContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesized:
    """The result of phase 6.

    Attributes:
        calls: the model's answers when it was asked to write.
    """

    synthesis: Synthesis
    calls: tuple[Completion, ...] = ()

    @property
    def interrupted(self) -> bool:
        """True if a signal ended a call of the model."""
        return any(call.interrupted for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Responded:
    """The result of phase 8."""

    execution: Execution
    response: str


async def _assess(context: Context, _found: Findings) -> Assessed:
    question = read_question(context.query)
    assessment = assess(question)
    if context.model is None:
        return Assessed(question=question, assessment=assessment)
    judged, calls = await assess_with_model(question, assessment, context.model)
    return Assessed(question=question, assessment=judged, calls=calls)


def _retrieve(context: Context, found: Findings) -> Retrieved:
    assessed = found.of(Assessed)
    focus = Focus.of(context.memory, assessed.question.terms)
    retrieved = retrieve(
        context.memory, assessed.question, focus, assessed.assessment.complexity, shared=context.shared
    )
    presence = find_presence(context.memory, assessed.question, focus)
    return Retrieved(focus=focus, presence=presence, context=retrieved)


async def _decompose(context: Context, found: Findings) -> Planned:
    """Plans with the model if there is one, else by rules."""
    question, retrieved = found.of(Assessed).question, found.of(Retrieved).context
    if context.model is None:
        return Planned(decomposition=decompose(question, retrieved, context.registry))
    planned = await plan_with_model(question, retrieved, context.registry, context.model)
    if planned.note:
        context.timer.emit(Phase.DECOMPOSE, "progress", planned.note)
    return planned


def _verify(context: Context, found: Findings) -> Verification:
    retrieved = found.of(Retrieved)
    return verify(found.of(Planned).decomposition, retrieved.focus, retrieved.context, context.registry)


async def _criticise(context: Context, found: Findings) -> Criticised:
    """Has the plan of a critical request attacked by the model; without one it says that nobody did."""
    return await criticise(
        found.of(Assessed).question,
        found.of(Planned).decomposition,
        found.of(Retrieved).context,
        context.model,
        on_line=partial(context.timer.emit, Phase.VERIFY, "progress"),
    )


async def _plan_again(context: Context, found: Findings) -> Planned:
    """Plans again without the faults that were found; the former plan stands if that gives none."""
    question, retrieved, former = found.of(Assessed).question, found.of(Retrieved).context, found.of(Planned)
    assert context.model is not None
    faults = found.of(Criticised).findings
    planned = await plan_with_model(question, retrieved, context.registry, context.model, faults=faults)
    if planned.note:
        context.timer.emit(Phase.VERIFY, "progress", planned.note)
    return replace(planned if planned.planned_by else former, calls=(*former.calls, *planned.calls))


def _verify_again(context: Context, found: Findings) -> Verification:
    return _verify(context, found)


async def _collect(context: Context, found: Findings) -> Collected:
    return await _run_agents(context, found, found.of(Planned).decomposition, (), part="subgoals")


async def _replan(context: Context, found: Findings) -> Replanned:
    """Plans anew, once, what a critical failure has left undone."""
    return await replan(
        found.of(Assessed).question,
        found.of(Retrieved).context,
        context.registry,
        context.model,
        decomposition=found.of(Planned).decomposition,
        outputs=found.of(Collected).outputs,
        on_line=partial(context.timer.emit, Phase.COLLECT, "progress"),
    )


async def _collect_again(context: Context, found: Findings) -> Collected:
    """Runs what was planned anew; what the first agents found stays."""
    first, replanned = found.of(Collected), found.of(Replanned)
    if replanned.interrupted:
        return replace(first, interrupted=True)
    known, plan = replanned.outputs, replanned.decomposition
    again = await _run_agents(context, found, plan, known, part="subgoals again")
    return replace(
        again,
        duration_ms=first.duration_ms + again.duration_ms,
        recoveries=(*first.recoveries, *again.recoveries),
    )


async def _run_agents(
    context: Context, found: Findings, decomposition: Decomposition, known: tuple[AgentOutput, ...], *, part: str
) -> Collected:
    retrieved = found.of(Retrieved)
    timeout_s = float(context.policies.recovery.timeout_seconds)
    return await collect(
        found.of(Assessed).question,
        decomposition,
        retrieved.focus,
        project=context.project,
        registry=context.registry,
        limits=CollectLimits(max_concurrent=context.max_concurrent, timeout_s=timeout_s),
        recovery=context.recovery,
        executor=context.executor,
        gate=context.gate,
        places=retrieved.context.code,
        on_line=partial(context.timer.emit, Phase.COLLECT, "progress"),
        record=context.record,
        part=part,
        known=known,
    )


def _look_up(context: Context, found: Findings) -> Collected:
    """Answers from the memory directly, without agents; with nothing if the planning was interrupted."""
    if planning_interrupted(found):
        return Collected(outputs=(), run_id=None, duration_ms=0.0, interrupted=True)
    outputs = look_up(context.memory, found.of(Assessed).question)
    took = sum(output.duration_ms for output in outputs)
    return Collected(outputs=outputs, run_id=None, duration_ms=took, interrupted=False)


async def _synthesize(context: Context, found: Findings) -> Synthesized:
    """Writes with the model if there is one; the findings stand as they are if its answer cannot be used."""
    question, retrieved, collected = found.of(Assessed).question, found.of(Retrieved), found.of(Collected)
    citations = CitationChecker(context.project.root)
    extracted = synthesize(question, retrieved.focus, collected.outputs, citations, retrieved.presence)
    if context.model is None or collected.interrupted:
        return Synthesized(synthesis=extracted)
    material = AnswerContext(
        question=question,
        focus=retrieved.focus,
        outputs=collected.outputs,
        retrieved=retrieved.context,
        citations=citations,
        root=context.project.root,
        extracted=extracted,
    )
    written = await answer_with_model(material, context.model)
    if written.synthesis.written_by is None:
        reason = written.errors[-1]
        message = f"{context.model.name} gave no usable answer ({reason}); the findings stand as they are"
        context.timer.emit(Phase.SYNTHESIZE, "progress", message)
    return Synthesized(synthesis=written.synthesis, calls=written.calls)


def _record(context: Context, found: Findings) -> Recorded:
    """Records the answer, unless it was interrupted: a part of an answer must not pass for one later."""
    question, written = found.of(Assessed).question, found.of(Synthesized)
    synthesis = written.synthesis
    if found.of(Collected).interrupted or any(call.interrupted for call in written.calls):
        return NOT_RECORDED
    return record_answer(context.memory, question, synthesis, context.query_id, shared=context.shared)


def _respond(context: Context, found: Findings) -> Responded:
    assessed, planned, synthesized = found.of(Assessed), found.get(Planned), found.of(Synthesized)
    criticised, replanned = found.get(Criticised), found.get(Replanned)
    decomposition = replanned.decomposition if replanned else planned.decomposition if planned else None
    others = (assessed, *(each for each in (criticised, replanned) if each is not None))
    execution = Execution(
        query_id=context.query_id,
        question=assessed.question,
        started_at=context.timer.started_at,
        duration_ms=context.timer.elapsed_ms,
        budget=context.budget() if context.budget else None,
        verbosity=context.verbosity,
        assessment=assessed.assessment,
        context=found.of(Retrieved).context,
        decomposition=decomposition,
        verification=found.get(Verification),
        collected=found.of(Collected),
        synthesis=synthesized.synthesis,
        recorded=found.of(Recorded),
        plan_calls=planned.calls if planned else (),
        answer_calls=synthesized.calls,
        other_calls=tuple(call for each in others for call in each.calls),
        criticised=criticised,
        replanned=replanned,
        timings=context.timer.timings,
    )
    return Responded(execution=execution, response=render(execution, context.verbosity))


def _not_critical(found: Findings) -> bool:
    """Returns True for a plan that is not to be attacked: only critical requests are worth a further call."""
    return found.of(Assessed).assessment.complexity is not Complexity.CRITICAL or not_collectable(found)


_check: Final = partial(Step, None, part_of=Phase.VERIFY)
_recovery: Final = partial(Step, None, part_of=Phase.COLLECT)
_START: Final[tuple[Step[Context], ...]] = (
    Step(Phase.ASSESS, _assess, (), Assessed),
    Step(Phase.RETRIEVE, _retrieve, (Assessed,), Retrieved),
)
_AGENTS: Final[tuple[Step[Context], ...]] = (
    Step(Phase.DECOMPOSE, _decompose, (Assessed, Retrieved), Planned),
    Step(Phase.VERIFY, _verify, (Planned, Retrieved), Verification, unless=planning_interrupted),
    _check(_criticise, (Assessed, Retrieved, Planned), Criticised, unless=_not_critical),
    _check(_plan_again, (Assessed, Retrieved, Planned, Criticised), Planned, unless=no_faults),
    _check(_verify_again, (Planned, Retrieved), Verification, unless=no_faults),
    Step(Phase.COLLECT, _collect, (Assessed, Retrieved, Planned), Collected, unless=not_collectable),
    _recovery(_replan, (Assessed, Retrieved, Planned, Collected), Replanned, unless=nothing_to_replan),
    _recovery(_collect_again, (Assessed, Retrieved, Collected, Replanned), Collected, unless=nothing_new),
)
_END: Final[tuple[Step[Context], ...]] = (
    Step(None, _look_up, (Assessed,), Collected, may_take=(Planned,), unless=collected),
    Step(Phase.SYNTHESIZE, _synthesize, (Assessed, Retrieved, Collected), Synthesized),
    Step(Phase.RECORD, _record, (Assessed, Collected, Synthesized), Recorded),
    Step(
        Phase.RESPOND,
        _respond,
        (Assessed, Retrieved, Collected, Synthesized, Recorded),
        Responded,
        may_take=(Planned, Verification, Criticised, Replanned),
        kept=False,
    ),
)
PHASES: Final = (*_START, *_AGENTS, *_END)
"""Name, function, types in, type out. An unsound plan skips the agents: the memory answers directly."""
SIMPLE_PHASES: Final = (*_START, *_END)
"""The phases of a simple question."""


class SOAROrchestrator:
    """Answers questions about one project.

    Args:
        project: where the journal and the logs are kept.
        memory: the project's memory, indexed; its owner closes it.
        policies: the policies in force; they give each agent's time limit and the budget.
        registry: the agents that subgoals may go to.
        max_concurrent: agents at once.
        recovery: how agents that fail are recovered; None does as the policies' `agent_recovery` says.
        shared: a memory of answers that the user's projects share; None without consent.
        model: plans and writes the answer; without one, rules plan and the answer is composed from findings.
        executor: returns what runs agents, given the run that is resumed, or None; None runs them here, and they
            outlive this process, so that a resume of the question can adopt them.
        tool: the name under which a resume finds the model again; None if that is up to the caller.
        budget: reads the status of the user's ledger; None without a ledger.
        gate: judges the tool calls of agents; None lets their CLIs decide alone.
    """

    def __init__(
        self,
        *,
        project: Project,
        memory: Memory,
        policies: PoliciesEngine,
        registry: AgentRegistry,
        max_concurrent: int = DEFAULT_MAX_CONCURRENT,
        recovery: RecoverySettings | None = None,
        shared: Memory | None = None,
        model: LanguageModel | None = None,
        executor: Callable[[str | None], Executor] | None = None,
        tool: str | None = None,
        budget: Callable[[], BudgetStatus | None] | None = None,
        gate: GateOptions | None = None,
    ) -> None:
        self._project = project
        self._model = model
        recovery = recovery or _default_recovery(policies)
        self._recorder = QuestionRecorder(
            project=project, tool=tool, max_concurrent=max_concurrent, state_dir=recovery.state_dir
        )
        self._context = partial(
            Context,
            project=project,
            memory=memory,
            policies=policies,
            registry=registry,
            max_concurrent=max_concurrent,
            recovery=recovery,
            shared=shared,
            executor=executor or _on_this_machine,
            budget=budget,
            gate=gate or {},
        )

    def execute(
        self,
        query: str,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> SoarResult:
        """Answers a question; see `aexecute`. Must not be called where an event loop runs."""
        return asyncio.run(self.aexecute(query, verbosity=verbosity, on_event=on_event))

    async def aexecute(
        self,
        query: str,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> SoarResult:
        """Answers a question from the project's memory.

        Agents that fail lower the answer's confidence, they do not raise. The conversation log is written last; if it
        cannot be written, `SoarResult.log_error` says why.

        Args:
            on_event: receives each event of the phases.

        Raises:
            EmptyQuestionError: nothing in the query can be looked up.
            AuroraCoreError: the memory cannot be read.
            SpawnerError: agents cannot be started at all.
        """
        text = read_question(query).text
        with self._recorder.new(text) as record:
            return await self._answered(text, record, verbosity, on_event)

    async def aresume(
        self,
        query_id: str,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        on_event: Callable[[SoarEvent], None] | None = None,
        accept_changes: bool = False,
    ) -> SoarResult:
        """Continues a question that was cut off, from the step at which it was.

        What was journalled is not done again: no model is asked what it has answered, finished subgoals stay
        finished, and agents that still work are adopted.

        Args:
            accept_changes: continue although the question's part of the journal was changed.

        Raises:
            UnknownRunError: the journal has no such question.
            NotResumableError: it has its answer.
            RunHeldError: another process works on it.
            JournalChangedError: its part of the journal is not as it was written.
        """
        asked = asked_question(self._project.runs_db, query_id)
        with self._recorder.again(query_id, accept_changes=accept_changes) as record:
            return await self._answered(asked.text, record, verbosity, on_event)

    def resume(
        self,
        query_id: str,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        on_event: Callable[[SoarEvent], None] | None = None,
        accept_changes: bool = False,
    ) -> SoarResult:
        """Continues a question that was cut off; see `aresume`. Must not be called where an event loop runs."""
        return asyncio.run(
            self.aresume(query_id, verbosity=verbosity, on_event=on_event, accept_changes=accept_changes)
        )

    async def _answered(
        self,
        text: str,
        record: Unrecorded,
        verbosity: Verbosity,
        on_event: Callable[[SoarEvent], None] | None,
    ) -> SoarResult:
        """Takes a question through the phases, and ends its record: with its answer, or to be resumed."""
        timer = PhaseTimer(on_event, started_at=record.started_at, elapsed_ms=record.elapsed_ms)
        model = RecordedModel(self._model, record) if self._model is not None else None
        context = self._context(query=text, verbosity=verbosity, timer=timer, record=record, model=model)
        if record.problem:
            timer.emit(Phase.ASSESS, "progress", record.problem)
        state = RunState.INTERRUPTED
        try:
            found = await run_steps(PHASES[:1], context, Findings({}), timer, record)
            simple = found.of(Assessed).assessment.complexity is Complexity.SIMPLE
            found = await run_steps((SIMPLE_PHASES if simple else PHASES)[1:], context, found, timer, record)
            responded = found.of(Responded)
            execution = replace(responded.execution, duration_ms=timer.elapsed_ms)
            result = self._logged(execution, responded.response, again=record.resumed)
            if not result.interrupted:
                state = RunState.SUCCEEDED if result.ok else RunState.FAILED
        finally:
            notice = record.end(state)
        return result if notice is None else replace(result, log_error=result.log_error or notice)

    def _logged(self, execution: Execution, response: str, *, again: bool) -> SoarResult:
        path, error = None, None
        try:
            path = write_log(execution, self._project.conversation_logs, again=again)
        except OSError as raised:
            error = f"the conversation log was not written: {raised}"
        parts = {field.name: getattr(execution, field.name) for field in fields(execution)}
        return SoarResult(**parts, response=response, log_path=path, log_error=error)


def _on_this_machine(_resumed: str | None) -> Executor:
    return LocalExecutor()


def _default_recovery(policies: PoliciesEngine) -> RecoverySettings:
    """Returns recovery as the policies say; too many failures skip the rest, because nobody is asked."""
    policy = RecoveryPolicy.from_config({"agent_recovery": asdict(policies.recovery)})
    return RecoverySettings(policy=policy, on_batch_held=lambda _reason: False)
