"""The orchestrator: a question through the eight phases, as a table of steps that one runner times and records."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_soar.adapted_memory import as_soar_memory
from aurora_soar.answer_cache import key_of
from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.local_agent.lookup import look_up
from aurora_soar.phase_runner import Findings, PhaseTimer, Step, run_steps
from aurora_soar.phases.assess import Assessment, Complexity, assess
from aurora_soar.phases.background import Background
from aurora_soar.phases.collect import Collected, CollectLimits, collect
from aurora_soar.phases.decompose import decompose
from aurora_soar.phases.decompose_with_model import Planned, plan_with_model
from aurora_soar.phases.record import NOT_RECORDED, Recorded, record
from aurora_soar.phases.retrieve import RetrievedContext, retrieve
from aurora_soar.phases.synthesize import Synthesis, synthesize
from aurora_soar.phases.synthesize_with_model import AnswerContext, answer_with_model
from aurora_soar.phases.verify import Verdict, Verification, verify
from aurora_soar.question.focus import Focus
from aurora_soar.question.follow_up import resolve
from aurora_soar.question.presence import Presence, find_presence
from aurora_soar.question.question import Question, read_question
from aurora_soar.recall import Recalled, keep_answer, keep_plan, recall, recall_plan
from aurora_soar.report.conversation_log import write_log
from aurora_soar.report.execution import Execution, Phase, Verbosity
from aurora_soar.report.respond import render
from aurora_soar.report.result import SoarEvent, SoarResult
from aurora_soar.report.turn import keep_turn, subject_of, turn_of
from aurora_spawner import RecoveryPolicy, RecoverySettings
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_core import Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import BudgetStatus
    from aurora_soar.answer_cache import AnswerCache
    from aurora_soar.memory_port import SearchedMemory, SoarMemory
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.registry import AgentRegistry
    from aurora_soar.sessions import Conversation, Turn
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
    memory: SoarMemory
    policies: PoliciesEngine
    registry: AgentRegistry
    max_concurrent: int
    recovery: RecoverySettings
    shared: SoarMemory | None
    model: LanguageModel | None
    executor: Callable[[], Executor]
    budget: Callable[[], BudgetStatus | None] | None
    gate: GateOptions
    conversation: Conversation | None
    asked: str
    cache: AnswerCache | None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The earlier turns of the session."""
        return self.conversation.turns if self.conversation else ()

    @property
    def query_id(self) -> str:
        """The execution's name: `soar-` and its start in milliseconds."""
        return f"soar-{int(self.timer.started_at.timestamp() * 1e3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed:
    """The result of phase 1."""

    question: Question
    assessment: Assessment


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """The result of phase 2."""

    focus: Focus
    presence: Presence
    context: RetrievedContext
    carried: Background


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesized:
    """The result of phase 6.

    Attributes:
        calls: the model's answers when it was asked to write.
    """

    synthesis: Synthesis
    calls: tuple[Completion, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Responded:
    """The result of phase 8."""

    execution: Execution
    response: str


def _assess(context: Context, _found: Findings) -> Assessed:
    question = read_question(context.query)
    return Assessed(question=question, assessment=assess(question))


def _retrieve(context: Context, found: Findings) -> Retrieved:
    assessed = found.of(Assessed)
    focus = Focus.of(context.memory, assessed.question.terms)
    retrieved = retrieve(
        context.memory, assessed.question, focus, assessed.assessment.complexity, shared=context.shared
    )
    presence = find_presence(context.memory, assessed.question, focus)
    carried = Background.of(context.turns, retrieved.similar)
    return Retrieved(focus=focus, presence=presence, context=retrieved, carried=carried)


def _recall(context: Context, _found: Findings) -> Recalled:
    """Looks the question up in the cache; what is found there rests on exactly what is there now."""
    if context.cache is None:
        return Recalled()
    key = key_of(
        context.query,
        index=context.memory.state(),
        model=context.model.name if context.model else None,
        registry=context.registry,
        policies=context.policies,
        turns=context.turns,
    )
    recalled = recall(context.cache, key, context.memory.root)
    if recalled.note:
        context.timer.emit(Phase.RETRIEVE, "progress", recalled.note)
    return recalled


async def _decompose(context: Context, found: Findings) -> Planned:
    """Plans with the model if there is one, else by rules, as does an earlier answer that can be used again."""
    question, retrieved = found.of(Assessed).question, found.of(Retrieved)
    critical = found.of(Assessed).assessment.complexity is Complexity.CRITICAL
    if context.model is None:
        return Planned(decomposition=decompose(question, retrieved.context, context.registry))
    if (pattern := None if critical else retrieved.context.pattern) is not None and pattern.reasoning is not None:
        before = pattern.reasoning.run_id
        note = f"no plan is asked for: {before} has answered this, and what it cites is as it was"
        context.timer.emit(Phase.DECOMPOSE, "progress", note)
        plan = decompose(question, retrieved.context, context.registry)
        return Planned(decomposition=plan, note=note, reused=before)
    key = found.of(Recalled).key
    if context.cache and (cached := recall_plan(context.cache, key)) is not None:
        return cached
    background = retrieved.carried.text
    planned = await plan_with_model(question, retrieved.context, context.registry, context.model, background)
    note = planned.note or (keep_plan(context.cache, key, planned) if context.cache else "")
    if note:
        context.timer.emit(Phase.DECOMPOSE, "progress", note)
    return planned


def _verify(context: Context, found: Findings) -> Verification:
    retrieved = found.of(Retrieved)
    return verify(found.of(Planned).decomposition, retrieved.focus, retrieved.context, context.registry)


async def _collect(context: Context, found: Findings) -> Collected:
    retrieved = found.of(Retrieved)
    timeout_s = float(context.policies.recovery.timeout_seconds)
    return await collect(
        found.of(Assessed).question,
        found.of(Planned).decomposition,
        retrieved.focus,
        project=context.project,
        registry=context.registry,
        limits=CollectLimits(max_concurrent=context.max_concurrent, timeout_s=timeout_s),
        recovery=context.recovery,
        executor=context.executor(),
        gate=context.gate,
        places=retrieved.context.code,
        memory=context.memory,
        on_line=partial(context.timer.emit, Phase.COLLECT, "progress"),
    )


def _collect_cached(_context: Context, _found: Findings) -> Collected:
    """Collects nothing: the cached answer needs no agent."""
    return Collected(outputs=(), run_id=None, duration_ms=0.0, interrupted=False)


def _synthesize_cached(_context: Context, found: Findings) -> Synthesized:
    """Returns the cached answer."""
    answer = found.of(Recalled).answer
    assert answer is not None, "the step is left out without one"
    return Synthesized(synthesis=answer.synthesis)


def _look_up(context: Context, found: Findings) -> Collected:
    """Answers from the memory directly, without agents; with nothing if the planning was interrupted."""
    if _planning_interrupted(found):
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
        background=retrieved.carried.text,
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
    if found.of(Recalled).answer is not None:  # it was recorded when it was given
        context.memory.record_access(synthesis.chunk_ids)
        return NOT_RECORDED
    return record(context.memory, question, synthesis, context.query_id, shared=context.shared)


def _respond(context: Context, found: Findings) -> Responded:
    assessed, planned, synthesized = found.of(Assessed), found.get(Planned), found.of(Synthesized)
    recalled = found.of(Recalled)
    cached = recalled.answer.decomposition if recalled.answer else None
    execution = Execution(
        query_id=context.query_id,
        question=assessed.question,
        started_at=context.timer.started_at,
        duration_ms=context.timer.elapsed_ms,
        budget=context.budget() if context.budget else None,
        verbosity=context.verbosity,
        assessment=assessed.assessment,
        context=found.of(Retrieved).context,
        decomposition=planned.decomposition if planned else cached,
        verification=found.get(Verification),
        collected=found.of(Collected),
        synthesis=synthesized.synthesis,
        recorded=found.of(Recorded),
        plan_calls=planned.calls if planned else (),
        answer_calls=synthesized.calls,
        timings=context.timer.timings,
        asked=context.asked,
        session=context.conversation.id if context.conversation else None,
        carried=found.of(Retrieved).carried,
        cache_key=recalled.key,
        cached_from=recalled.answer.query_id if recalled.answer else "",
        plan_cached=planned is not None and planned.cached,
        plan_reused=planned.reused if planned else "",
    )
    return Responded(execution=execution, response=render(execution, context.verbosity))


def _planning_interrupted(found: Findings) -> bool:
    planned = found.get(Planned)
    return planned is not None and planned.interrupted


def _not_collectable(found: Findings) -> bool:
    verification = found.get(Verification)
    return verification is None or verification.verdict is Verdict.FAIL


def _collected(found: Findings) -> bool:
    return found.get(Collected) is not None


def _cached(found: Findings) -> bool:
    return found.of(Recalled).answer is not None


def _not_cached(found: Findings) -> bool:
    return not _cached(found)


def _not_plannable(found: Findings) -> bool:
    return _cached(found) or _planning_interrupted(found)


_START: Final[tuple[Step[Context], ...]] = (
    Step(Phase.ASSESS, _assess, (), Assessed),
    Step(Phase.RETRIEVE, _retrieve, (Assessed,), Retrieved),
    Step(None, _recall, (), Recalled),
    Step(None, _collect_cached, (), Collected, unless=_not_cached),
)
_AGENTS: Final[tuple[Step[Context], ...]] = (
    Step(Phase.DECOMPOSE, _decompose, (Assessed, Retrieved, Recalled), Planned, unless=_cached),
    Step(Phase.VERIFY, _verify, (Planned, Retrieved), Verification, unless=_not_plannable),
    Step(Phase.COLLECT, _collect, (Assessed, Retrieved, Planned), Collected, unless=_not_collectable),
)
_END: Final[tuple[Step[Context], ...]] = (
    Step(None, _look_up, (Assessed,), Collected, may_take=(Planned,), unless=_collected),
    Step(Phase.SYNTHESIZE, _synthesize, (Assessed, Retrieved, Collected), Synthesized, unless=_cached),
    Step(None, _synthesize_cached, (Recalled,), Synthesized, unless=_not_cached),
    Step(Phase.RECORD, _record, (Assessed, Recalled, Collected, Synthesized), Recorded),
    Step(
        Phase.RESPOND,
        _respond,
        (Assessed, Retrieved, Recalled, Collected, Synthesized, Recorded),
        Responded,
        may_take=(Planned, Verification),
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
        memory: the project's memory, indexed; its owner closes it. One of your own needs `root` and `search` only.
        policies: the policies in force; they give each agent's time limit and the budget.
        registry: the agents that subgoals may go to.
        max_concurrent: agents at once.
        recovery: how agents that fail are recovered; None does as the policies' `agent_recovery` says.
        shared: a memory of answers that the user's projects share; None without consent.
        model: plans and writes the answer; without one, rules plan and the answer is composed from findings.
        executor: builds the executor of agents; None runs them here and ends them with this process, however it ends,
            because a question cannot be resumed.
        budget: reads the status of the user's ledger; None without a ledger.
        gate: judges the tool calls of agents; None lets their CLIs decide alone.
        cache: keeps plans and answers; None asks for each anew.
    """

    def __init__(
        self,
        *,
        project: Project,
        memory: SoarMemory | SearchedMemory,
        policies: PoliciesEngine,
        registry: AgentRegistry,
        max_concurrent: int = DEFAULT_MAX_CONCURRENT,
        recovery: RecoverySettings | None = None,
        shared: SoarMemory | None = None,
        model: LanguageModel | None = None,
        executor: Callable[[], Executor] | None = None,
        budget: Callable[[], BudgetStatus | None] | None = None,
        gate: GateOptions | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        self._project = project
        self._context = partial(
            Context,
            project=project,
            memory=as_soar_memory(memory),
            policies=policies,
            registry=registry,
            max_concurrent=max_concurrent,
            recovery=recovery or _default_recovery(policies),
            shared=shared,
            model=model,
            executor=executor or partial(LocalExecutor, detached=False),
            budget=budget,
            gate=gate or {},
            cache=cache,
        )

    def execute(
        self,
        query: str,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        on_event: Callable[[SoarEvent], None] | None = None,
        conversation: Conversation | None = None,
    ) -> SoarResult:
        """Answers a question; see `aexecute`. Must not be called where an event loop runs."""
        return asyncio.run(self.aexecute(query, verbosity=verbosity, on_event=on_event, conversation=conversation))

    async def aexecute(
        self,
        query: str,
        *,
        verbosity: Verbosity = Verbosity.NORMAL,
        on_event: Callable[[SoarEvent], None] | None = None,
        conversation: Conversation | None = None,
    ) -> SoarResult:
        """Answers a question from the project's memory.

        Agents that fail lower the answer's confidence, they do not raise. The conversation log is written last; if it
        cannot be written, `SoarResult.log_error` says why.

        Args:
            on_event: receives each event of the phases.
            conversation: the session that the question is asked in; its earlier turns are carried as context.

        Raises:
            EmptyQuestionError: nothing in the query can be looked up.
            AuroraCoreError: the memory cannot be read.
            SpawnerError: agents cannot be started at all.
        """
        timer = PhaseTimer(on_event)
        resolved = resolve(query, conversation.turns if conversation else ())
        context = self._context(
            query=resolved.text, asked=query, verbosity=verbosity, timer=timer, conversation=conversation
        )
        found = await run_steps(PHASES[:1], context, Findings({}), timer)
        simple = found.of(Assessed).assessment.complexity is Complexity.SIMPLE
        found = await run_steps((SIMPLE_PHASES if simple else PHASES)[1:], context, found, timer)
        responded = found.of(Responded)
        execution = replace(responded.execution, duration_ms=timer.elapsed_ms)
        self._keep(context, execution, resolved.subject)
        return self._logged(execution, responded.response)

    def _keep(self, context: Context, execution: Execution, subject: str) -> None:
        """Keeps the answer for the same question, and the turn for the next one."""
        notes = []
        if context.cache is not None:
            notes.append(keep_answer(context.cache, execution.cache_key, execution, context.memory))
        if context.conversation is not None and not execution.interrupted:
            turn = turn_of(execution, subject or subject_of(execution, context.memory))
            notes.append(keep_turn(context.conversation, turn))
        for note in filter(None, notes):
            context.timer.emit(Phase.RESPOND, "progress", note)

    def _logged(self, execution: Execution, response: str) -> SoarResult:
        path, error = None, None
        try:
            path = write_log(execution, self._project.conversation_logs)
        except OSError as raised:
            error = f"the conversation log was not written: {raised}"
        parts = {field.name: getattr(execution, field.name) for field in fields(execution)}
        return SoarResult(**parts, response=response, log_path=path, log_error=error)


def _default_recovery(policies: PoliciesEngine) -> RecoverySettings:
    """Returns recovery as the policies say; too many failures skip the rest, because no user resumes a question."""
    policy = RecoveryPolicy.from_config({"agent_recovery": asdict(policies.recovery)})
    return RecoverySettings(policy=policy, on_batch_held=lambda _reason: False)
