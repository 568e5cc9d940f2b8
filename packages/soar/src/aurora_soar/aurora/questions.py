"""The questions of a project: asked, continued in a session, and resumed where they were cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.aurora.parts import ProjectParts

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from aurora_core import Memory
    from aurora_soar.orchestrator import SOAROrchestrator
    from aurora_soar.report.execution import Verbosity
    from aurora_soar.report.result import SoarEvent, SoarResult
    from aurora_soar.sessions import SessionStore

__all__ = ["Questions"]


class Questions(ProjectParts):
    """The part of `Aurora` that answers questions."""

    def ask(
        self,
        question: str,
        *,
        index: bool = True,
        verbosity: Verbosity | str = "normal",
        on_event: Callable[[SoarEvent], None] | None = None,
        session_id: str | None = None,
        continue_session: bool = False,
        fresh: bool = False,
    ) -> SoarResult:
        """Answers a question; see `aask`. Must not be called while an event loop runs."""
        import asyncio

        asked = self.aask(
            question,
            index=index,
            verbosity=verbosity,
            on_event=on_event,
            session_id=session_id,
            continue_session=continue_session,
            fresh=fresh,
        )
        return asyncio.run(asked)

    async def aask(
        self,
        question: str,
        *,
        index: bool = True,
        verbosity: Verbosity | str = "normal",
        on_event: Callable[[SoarEvent], None] | None = None,
        session_id: str | None = None,
        continue_session: bool = False,
        fresh: bool = False,
    ) -> SoarResult:
        """Answers a question about the project, with sources; a project that was never set up is set up.

        Args:
            index: bring the memory up to date first.
            on_event: receives each event of the phases.
            session_id: the session that it is asked in, new or not; its earlier turns are carried as context.
            continue_session: ask it in the session of the latest question.
            fresh: take no plan and no answer from the cache.

        Raises:
            EmptyQuestionError: the question holds no word to look for.
            SessionIdError, NoSessionError: the session has no valid name, or there is none to continue.
            UnknownAgentError, UntrustedAgentError: `tool` names an agent that is not there, or not trusted.
            OverLimitError: nothing is left of the budget for it.
        """
        from aurora_soar.aurora.changes_meanwhile import achanges_told
        from aurora_soar.question.question import read_question
        from aurora_soar.report.execution import Verbosity

        conversation = self.sessions.conversation(session_id, latest=continue_session)
        text = question if conversation.turns else read_question(question).text
        self.set_up()
        with self.open_memory() as memory:  # its own, because several questions may be asked at once
            orchestrator = self.orchestrator(memory, fresh=fresh)
            if index:
                await memory.aindex()
            async with achanges_told(self.project.root, self.config.tool, self.notify):
                return await orchestrator.aexecute(
                    text, verbosity=Verbosity(verbosity), on_event=on_event, conversation=conversation
                )

    def resume_question(
        self,
        query_id: str,
        *,
        index: bool = True,
        verbosity: Verbosity | str = "normal",
        accept_changes: bool = False,
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> SoarResult:
        """Continues a question that was cut off; see `aresume_question`. Must not be called in an event loop."""
        import asyncio

        return asyncio.run(
            self.aresume_question(
                query_id, index=index, verbosity=verbosity, accept_changes=accept_changes, on_event=on_event
            )
        )

    async def aresume_question(
        self,
        query_id: str,
        *,
        index: bool = True,
        verbosity: Verbosity | str = "normal",
        accept_changes: bool = False,
        on_event: Callable[[SoarEvent], None] | None = None,
    ) -> SoarResult:
        """Continues a question that was cut off, with the model and the agents at once that it had; see `aask`.

        Args:
            accept_changes: continue although the question's part of the journal was changed.

        Raises:
            UnknownRunError: the journal has no such question.
            NotResumableError: it has its answer.
            RunHeldError: another process works on it.
        """
        from aurora_soar.aurora.changes_meanwhile import achanges_told
        from aurora_soar.aurora.question_orchestrator import settle_parts
        from aurora_soar.registry import LOCAL_AGENT  # with the spawner
        from aurora_soar.report.execution import Verbosity
        from aurora_soar.resumption.record import asked_question

        asked = asked_question(self.project.runs_db, query_id)
        with self.open_memory() as memory:
            orchestrator = self.orchestrator(
                memory,
                tool=asked.tool or LOCAL_AGENT,
                fresh=asked.fresh,
                max_concurrent=self._max_concurrent or asked.max_concurrent,
            )
            if index:
                await memory.aindex()
            await settle_parts(self.project_agents, query_id)
            async with achanges_told(self.project.root, asked.tool, self.notify):
                return await orchestrator.aresume(
                    query_id, verbosity=Verbosity(verbosity), on_event=on_event, accept_changes=accept_changes
                )

    def changes_told(self) -> AbstractContextManager[None]:
        """Tells at the end of the block which files have changed, if an agent answers: it works in the folder."""
        from aurora_soar.aurora.changes_meanwhile import changes_told

        return changes_told(self.project.root, self.config.tool, self.notify)

    def orchestrator(
        self,
        memory: Memory | None = None,
        *,
        tool: str | None = None,
        fresh: bool = False,
        max_concurrent: int | None = None,
    ) -> SOAROrchestrator:
        """Builds the orchestrator of this project's questions; errors as `aask`.

        Args:
            memory: answers one question at a time; `self.memory` if None.
            tool: the agent that is its model; the configured one if None.
            fresh: take no plan and no answer from the cache.
            max_concurrent: agents at once; the configured number if None.
        """
        from aurora_soar.aurora.question_orchestrator import build_orchestrator

        return build_orchestrator(
            self.project_agents,
            memory or self.memory,
            self.shared_answers,
            tool=tool,
            fresh=fresh,
            max_concurrent=max_concurrent,
        )

    @property
    def sessions(self) -> SessionStore:
        """The sessions of the project's questions."""
        from aurora_soar.sessions import SessionStore

        return SessionStore(self.project)
