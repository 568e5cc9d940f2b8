"""The orchestrator: a question through the eight phases, each timed, told of and recorded."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.local_agent.lookup import look_up
from aurora_soar.log.conversation_log import write_log
from aurora_soar.log.execution import Execution, Phase, PhaseTiming, Verbosity
from aurora_soar.phases.assess import Complexity, assess
from aurora_soar.phases.collect import Collected, CollectLimits, collect
from aurora_soar.phases.decompose import decompose
from aurora_soar.phases.decompose_with_model import plan_with_model
from aurora_soar.phases.record import record
from aurora_soar.phases.respond import render
from aurora_soar.phases.retrieve import retrieve
from aurora_soar.phases.synthesize import synthesize
from aurora_soar.phases.synthesize_with_model import AnswerContext, answer_with_model
from aurora_soar.phases.verify import Verdict, verify
from aurora_soar.question.focus import Focus
from aurora_soar.question.question import read_question
from aurora_soar.result import SoarEvent, SoarResult
from aurora_spawner import RecoveryPolicy, RecoverySettings
from aurora_spawner.supervision.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aurora_core import Memory, Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import BudgetStatus
    from aurora_soar.models.language_model import Completion, LanguageModel
    from aurora_soar.phases.assess import Assessment
    from aurora_soar.phases.decompose import Decomposition
    from aurora_soar.phases.retrieve import RetrievedContext
    from aurora_soar.phases.synthesize import Synthesis
    from aurora_soar.phases.verify import Verification
    from aurora_soar.question.question import Question
    from aurora_soar.registry import AgentRegistry
    from aurora_spawner.attempts.executor import Executor

__all__ = ["SOAROrchestrator"]

DEFAULT_MAX_CONCURRENT: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inquiry:
    """What phases 1 and 2 know of a question."""

    question: Question
    assessment: Assessment
    focus: Focus
    context: RetrievedContext


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What phases 3 to 5 made of it; a simple question has neither plan nor judgement."""

    decomposition: Decomposition | None
    verification: Verification | None
    collected: Collected
    calls: tuple[Completion, ...] = ()
    """What the model was asked for the plan."""


class _Journey:
    """One execution's clock: times phases and tells the listener."""

    def __init__(self, on_event: Callable[[SoarEvent], None] | None) -> None:
        self.started_at = datetime.now(UTC)
        self.timings: dict[Phase, PhaseTiming] = {}
        self._clock = time.perf_counter()
        self._on_event = on_event

    @property
    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._clock) * 1e3

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        self.tell(phase, "started", "")
        began, at = self.elapsed_ms, time.time()
        error: str | None = None
        try:
            yield
        except BaseException as raised:
            error = f"{type(raised).__name__}: {raised}"
            raise
        finally:
            took = self.elapsed_ms - began
            self.timings[phase] = PhaseTiming(duration_ms=took, started_at=at, error=error)
            self.tell(phase, "finished", error or f"{took:.0f} ms")

    def tell(self, phase: Phase, kind: str, message: str) -> None:
        if self._on_event is not None:
            self._on_event(SoarEvent(phase=phase.value, kind=kind, message=message, elapsed_ms=self.elapsed_ms))


class SOAROrchestrator:
    """Answers questions about one project.

    Args:
        project: where the journal and the logs are kept.
        memory: the project's memory, indexed; its owner closes it.
        policies: the policies in force; they give each agent's time limit and the budget.
        registry: the agents that subgoals may go to.
        max_concurrent: agents at once.
        recovery: what is done about agents that fail; None does as the policies' `agent_recovery` says.
        shared: a memory that other projects of the user leave answers in and find them; None without consent.
        model: plans and writes the answer; without one, rules plan and the answer is put together from findings.
        executor: makes what runs a run of agents; None runs them here, and ends them with this process, however it
            ends, for nobody takes a question up again.
        budget: reads how the user's ledger stands; None where nobody keeps one.
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
        executor: Callable[[], Executor] | None = None,
        budget: Callable[[], BudgetStatus | None] | None = None,
    ) -> None:
        self._project = project
        self._memory = memory
        self._policies = policies
        self._registry = registry
        self._max_concurrent = max_concurrent
        self._recovery = recovery or _recovery_of(policies)
        self._shared = shared
        self._model = model
        self._executor = executor or _ending_with_us
        self._budget = budget

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

        Agents that fail lower the answer's worth, they do not raise. The conversation log is written last; a log
        that cannot be written is told in `SoarResult.log_error`, and the answer is returned all the same.

        Raises:
            EmptyQuestionError: nothing in the query can be looked up.
            AuroraCoreError: the memory cannot be read.
            SpawnerError: agents cannot be started at all.
        """
        journey = _Journey(on_event)
        inquiry = self._inquire(query, journey)
        work = await self._work(inquiry, journey)
        query_id = f"soar-{int(journey.started_at.timestamp() * 1e3)}"
        with journey.phase(Phase.SYNTHESIZE):
            synthesis, written = await self._synthesize(inquiry, work, journey)
        with journey.phase(Phase.RECORD):
            recorded = record(self._memory, inquiry.question, synthesis, query_id, shared=self._shared)
        execution = Execution(
            query_id=query_id,
            question=inquiry.question,
            started_at=journey.started_at,
            duration_ms=journey.elapsed_ms,
            budget=self._budget() if self._budget else None,
            verbosity=verbosity,
            assessment=inquiry.assessment,
            context=inquiry.context,
            decomposition=work.decomposition,
            verification=work.verification,
            collected=work.collected,
            synthesis=synthesis,
            recorded=recorded,
            plan_calls=work.calls,
            answer_calls=written,
            timings=journey.timings,
        )
        with journey.phase(Phase.RESPOND):
            response = render(execution, verbosity)
        return self._logged(replace(execution, duration_ms=journey.elapsed_ms), response)

    def _inquire(self, query: str, journey: _Journey) -> _Inquiry:
        with journey.phase(Phase.ASSESS):
            question = read_question(query)
            assessment = assess(question)
        with journey.phase(Phase.RETRIEVE):
            focus = Focus.of(self._memory, question.terms)
            context = retrieve(self._memory, question, focus, assessment.complexity, shared=self._shared)
        return _Inquiry(question=question, assessment=assessment, focus=focus, context=context)

    async def _work(self, inquiry: _Inquiry, journey: _Journey) -> _Work:
        """Phases 3 to 5; a simple question, or one whose plan is unsound, goes to the memory directly."""
        if inquiry.assessment.complexity is Complexity.SIMPLE:
            return self._directly(inquiry, None, None)
        with journey.phase(Phase.DECOMPOSE):
            plan, calls = await self._plan(inquiry, journey)
        if any(call.interrupted for call in calls):
            return self._interrupted(plan, calls)
        with journey.phase(Phase.VERIFY):
            verification = verify(plan, inquiry.focus, inquiry.context, self._registry)
        if verification.verdict is Verdict.FAIL:
            return replace(self._directly(inquiry, plan, verification), calls=calls)
        with journey.phase(Phase.COLLECT):
            collected = await collect(
                inquiry.question,
                plan,
                inquiry.focus,
                project=self._project,
                registry=self._registry,
                limits=self._limits(),
                recovery=self._recovery,
                executor=self._executor(),
                places=inquiry.context.code,
                on_line=lambda line: journey.tell(Phase.COLLECT, "progress", line),
            )
        return _Work(decomposition=plan, verification=verification, collected=collected, calls=calls)

    async def _plan(self, inquiry: _Inquiry, journey: _Journey) -> tuple[Decomposition, tuple[Completion, ...]]:
        """A plan by the model where there is one; the rules plan where its plan cannot be used."""
        calls: tuple[Completion, ...] = ()
        if self._model is not None:
            reply = await plan_with_model(inquiry.question, inquiry.context, self._registry, self._model)
            calls = reply.calls
            if reply.value is not None:
                return reply.value, calls
            told = f"{self._model.name} gave no plan that can be used ({reply.errors[-1]}); planned by rules"
            journey.tell(Phase.DECOMPOSE, "progress", told)
        return decompose(inquiry.question, inquiry.context, self._registry), calls

    async def _synthesize(
        self, inquiry: _Inquiry, work: _Work, journey: _Journey
    ) -> tuple[Synthesis, tuple[Completion, ...]]:
        """The answer by the model where there is one; what was found, as it is, where its answer cannot be used."""
        citations = CitationChecker(self._project.root)
        extracted = synthesize(inquiry.question, inquiry.focus, work.collected.outputs, citations)
        if self._model is None or work.collected.interrupted:
            return extracted, ()
        context = AnswerContext(
            question=inquiry.question,
            focus=inquiry.focus,
            outputs=work.collected.outputs,
            retrieved=inquiry.context,
            citations=citations,
            root=self._project.root,
            extracted=extracted,
        )
        written = await answer_with_model(context, self._model)
        if written.synthesis.written_by is None:
            told = f"{self._model.name} gave no answer that can be used ({written.errors[-1]}); told as it was found"
            journey.tell(Phase.SYNTHESIZE, "progress", told)
        return written.synthesis, written.calls

    def _interrupted(self, plan: Decomposition, calls: tuple[Completion, ...]) -> _Work:
        collected = Collected(outputs=(), run_id=None, duration_ms=0.0, interrupted=True)
        return _Work(decomposition=plan, verification=None, collected=collected, calls=calls)

    def _directly(self, inquiry: _Inquiry, plan: Decomposition | None, verification: Verification | None) -> _Work:
        outputs = look_up(self._memory, inquiry.question)
        took = sum(output.duration_ms for output in outputs)
        collected = Collected(outputs=outputs, run_id=None, duration_ms=took, interrupted=False)
        return _Work(decomposition=plan, verification=verification, collected=collected)

    def _limits(self) -> CollectLimits:
        timeout_s = float(self._policies.recovery.timeout_seconds)
        return CollectLimits(max_concurrent=self._max_concurrent, timeout_s=timeout_s)

    def _logged(self, execution: Execution, response: str) -> SoarResult:
        path, error = None, None
        try:
            path = write_log(execution, self._project.conversation_logs)
        except OSError as raised:
            error = f"the conversation log was not written: {raised}"
        parts = {field.name: getattr(execution, field.name) for field in fields(execution)}
        return SoarResult(**parts, response=response, log_path=path, log_error=error)


def _ending_with_us() -> Executor:
    return LocalExecutor(detached=False)


def _recovery_of(policies: PoliciesEngine) -> RecoverySettings:
    """As the policies say; too many failures skip the rest, for nobody takes a question up again."""
    policy = RecoveryPolicy.from_config({"agent_recovery": asdict(policies.recovery)})
    return RecoverySettings(policy=policy, on_batch_held=lambda _reason: False)
