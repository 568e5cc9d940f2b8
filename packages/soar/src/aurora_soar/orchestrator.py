"""The orchestrator: takes a question through the table of phases, with its record, session and cache."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from aurora_soar.adapted_memory import as_soar_memory
from aurora_soar.models.recorded_model import RecordedModel
from aurora_soar.phase_runner import Findings, PhaseTimer, run_steps
from aurora_soar.phase_table import FIRST_PHASES, PHASES, SIMPLE_PHASES
from aurora_soar.phase_values import Assessed, Context, Responded
from aurora_soar.phases.assess import Complexity
from aurora_soar.question.follow_up import Resolved, resolve
from aurora_soar.question.question import read_question
from aurora_soar.recall import keep_answer
from aurora_soar.report.conversation_log import write_log
from aurora_soar.report.execution import Execution, Phase, Verbosity
from aurora_soar.report.result import SoarEvent, SoarResult
from aurora_soar.report.turn import keep_turn, subject_of, turn_of
from aurora_soar.resumption.record import AskedTurn, asked_question
from aurora_soar.resumption.recorder import QuestionRecorder
from aurora_soar.sessions import SessionStore
from aurora_soar.telemetry import send_telemetry
from aurora_spawner import RecoveryPolicy, RecoverySettings
from aurora_spawner.supervision.local_executor import LocalExecutor
from aurora_spawner.tasks.result import RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from aurora_core import Project
    from aurora_policies import PoliciesEngine
    from aurora_policies.budget import BudgetStatus
    from aurora_soar.answer_cache import AnswerCache
    from aurora_soar.memory_port import SearchedMemory, SoarMemory
    from aurora_soar.models.language_model import LanguageModel
    from aurora_soar.registry import AgentRegistry
    from aurora_soar.resumption.record import Unrecorded
    from aurora_soar.sessions import Conversation
    from aurora_spawner.attempts.executor import Executor
    from aurora_spawner.runs.run_options import GateOptions

__all__ = ["SOAROrchestrator"]

DEFAULT_MAX_CONCURRENT: Final = 4


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
        executor: returns what runs agents, given the run that is resumed, or None; None runs them here, and they
            outlive this process, so that a resume of the question can adopt them.
        tool: the name under which a resume finds the model again; None if that is up to the caller.
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
        executor: Callable[[str | None], Executor] | None = None,
        tool: str | None = None,
        budget: Callable[[], BudgetStatus | None] | None = None,
        gate: GateOptions | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        self._project = project
        self._model = model
        recovery = recovery or _default_recovery(policies)
        self._recorder = QuestionRecorder(
            project=project,
            tool=tool,
            max_concurrent=max_concurrent,
            fresh=cache is not None and cache.fresh,
            state_dir=recovery.state_dir,
        )
        self._context = partial(
            Context,
            project=project,
            memory=as_soar_memory(memory),
            policies=policies,
            registry=registry,
            max_concurrent=max_concurrent,
            recovery=recovery,
            shared=shared,
            executor=executor or _on_this_machine,
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
        text, turn = _read(query, conversation)
        with self._recorder.new(text, turn) as record:
            return await self._answered(
                text, record, verbosity=verbosity, on_event=on_event, conversation=conversation, turn=turn
            )

    def create(self, query: str, *, conversation: Conversation | None = None) -> str:
        """Writes a question into the journal, and returns its id; another process answers it by `resume`.

        Args:
            conversation: the session that the question is asked in.

        Raises:
            EmptyQuestionError: nothing in the query can be looked up.
            JournalError: the journal cannot be written.
        """
        return self._recorder.create(*_read(query, conversation))

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
        finished, and agents that still work are adopted. It is a turn of the session that it was asked in, and sees
        the turns before it alone.

        Args:
            accept_changes: continue although the question's part of the journal was changed.

        Raises:
            UnknownRunError: the journal has no such question.
            NotResumableError: it has its answer.
            RunHeldError: another process works on it.
            JournalChangedError: its part of the journal is not as it was written.
        """
        asked = asked_question(self._project.runs_db, query_id)
        turn = asked.turn
        conversation = SessionStore(self._project).conversation_after(turn.session, turn.after) if turn else None
        with self._recorder.again(query_id, accept_changes=accept_changes) as record:
            return await self._answered(
                asked.text, record, verbosity=verbosity, on_event=on_event, conversation=conversation, turn=turn
            )

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
        *,
        verbosity: Verbosity,
        on_event: Callable[[SoarEvent], None] | None,
        conversation: Conversation | None,
        turn: AskedTurn | None,
    ) -> SoarResult:
        """Takes a question through the phases, and ends its record: with its answer, or to be resumed."""
        timer = PhaseTimer(on_event, started_at=record.started_at, elapsed_ms=record.elapsed_ms)
        model = RecordedModel(self._model, record) if self._model is not None else None
        context = self._context(
            query=text,
            asked=turn.words if turn else text,
            verbosity=verbosity,
            timer=timer,
            record=record,
            model=model,
            conversation=conversation,
        )
        if record.problem:
            timer.emit(Phase.ASSESS, "progress", record.problem)
        state = RunState.INTERRUPTED
        try:
            found = await run_steps(FIRST_PHASES, context, Findings({}), timer, record)
            simple = found.of(Assessed).assessment.complexity is Complexity.SIMPLE
            rest = (SIMPLE_PHASES if simple else PHASES)[len(FIRST_PHASES) :]
            found = await run_steps(rest, context, found, timer, record)
            responded = found.of(Responded)
            execution = replace(responded.execution, duration_ms=timer.elapsed_ms)
            _keep(context, execution, turn.subject if turn else "")
            result = self._logged(execution, responded.response, again=record.resumed)
            if not result.interrupted:
                state = RunState.SUCCEEDED if result.ok else RunState.FAILED
        finally:
            record.keep_phases(timer.traced())
            notice = record.end(state)
        unsent = () if notice else await asyncio.to_thread(send_telemetry, self._project.runs_db, record.query_id)
        notices = [*filter(None, (result.log_error, notice)), *unsent]
        return replace(result, log_error="; ".join(notices)) if notices else result

    def _logged(self, execution: Execution, response: str, *, again: bool) -> SoarResult:
        path, error = None, None
        try:
            path = write_log(execution, self._project.conversation_logs, again=again)
        except OSError as raised:
            error = f"the conversation log was not written: {raised}"
        parts = {field.name: getattr(execution, field.name) for field in fields(execution)}
        return SoarResult(**parts, response=response, log_path=path, log_error=error)


def _read(query: str, conversation: Conversation | None) -> tuple[str, AskedTurn | None]:
    """Returns a question with what its words refer to, and its place in its session."""
    resolved = resolve(query, conversation.turns if conversation else ())
    turn = _asked_turn(query, resolved, conversation) if conversation else None
    return read_question(resolved.text).text, turn


def _asked_turn(query: str, resolved: Resolved, conversation: Conversation) -> AskedTurn:
    after = conversation.turns[-1].query_id if conversation.turns else ""
    return AskedTurn(session=conversation.id, after=after, words=query, subject=resolved.subject)


def _keep(context: Context, execution: Execution, subject: str) -> None:
    """Keeps the answer for the same question, and the turn for the next one; a resume keeps neither twice."""
    notes = []
    if (cache := context.cache_for(execution.cache_key)) is not None:
        notes.append(keep_answer(cache, execution.cache_key, execution, context.memory))
    if context.conversation is not None and not execution.interrupted:
        turn = turn_of(execution, subject or subject_of(execution, context.memory))
        notes.append(keep_turn(context.conversation, turn))
    for note in filter(None, notes):
        context.timer.emit(Phase.RESPOND, "progress", note)


def _on_this_machine(_resumed: str | None) -> Executor:
    return LocalExecutor()


def _default_recovery(policies: PoliciesEngine) -> RecoverySettings:
    """Returns recovery as the policies say; too many failures skip the rest, because nobody is asked."""
    policy = RecoveryPolicy.from_config({"agent_recovery": asdict(policies.recovery)})
    return RecoverySettings(policy=policy, on_batch_held=lambda _reason: False)
