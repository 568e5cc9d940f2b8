"""The sessions of a project, in which its user talks with agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aurora_soar.aurora.parts import ProjectParts

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from aurora_spawner.conversations.session import Session
    from aurora_spawner.conversations.session_events import SessionEvent
    from aurora_spawner.conversations.stored import ReadSession

__all__ = ["Interaction"]


class Interaction(ProjectParts):
    """The part of `Aurora` that talks with agents."""

    @property
    def talking_agents(self) -> tuple[str, ...]:
        """The names of the agents that can be talked with."""
        from aurora_soar.taskruns.conversations import talking_agents

        return talking_agents(self.project_agents)

    def check_talks(self, agent: str, where: str = "--agent") -> None:
        """Refuses an agent that cannot be talked with; see `taskruns.conversations.check_talks`."""
        from aurora_soar.taskruns.conversations import check_talks

        check_talks(self.project_agents, agent, where)

    def new_session(
        self,
        goal: str,
        *,
        agent: str | None = None,
        mode: str = "interactive",
        team: bool = False,
        isolation: str | None = None,
    ) -> str:
        """Begins a session, and returns its id; nothing starts.

        Args:
            goal: what it is about, in the user's words; may be empty.
            agent: the one that is talked with; None takes the default agent.
            mode: interactive, or batch: nobody is asked, and stated defaults hold.
            team: it begins with a plan for the goal, whose tasks agents work on.
            isolation: where its team works: worktree, none or auto; None takes that of the configuration.

        Raises:
            UnknownAgentError, UntrustedAgentError, NoConversationError, OverLimitError: the agent cannot be had.
        """
        from aurora_soar.taskruns.conversations import new_session

        chosen = agent or self.project_agents.default_agent
        self.check_talks(chosen, "--agent" if agent else "the default agent")
        self.set_up()
        return new_session(self.project_agents, goal=goal, agent=chosen, mode=mode, team=team, isolation=isolation)

    def held_session(
        self,
        run_id: str,
        *,
        asks: bool,
        on_event: Callable[[SessionEvent], None],
        accept_changes: bool = False,
    ) -> AbstractAsyncContextManager[Session]:
        """Holds a session as its only process; see `aurora_spawner.conversations.held.held_session` for errors.

        Args:
            asks: a person can be asked; else the stated defaults hold at once.
            on_event: receives what happens.
            accept_changes: continue although the session's part of the journal was changed.
        """
        from aurora_soar.taskruns.conversations import question_notification, session_parts
        from aurora_spawner.conversations.held import held_session
        from aurora_spawner.conversations.session_events import Asked

        def tell(event: SessionEvent) -> None:
            if isinstance(event, Asked) and (notification := question_notification(run_id, event)):
                self.outbox.put(notification)
            on_event(event)

        started = self.read_session(run_id).transcript.started
        parts = session_parts(self.project_agents, run_id=run_id, started=started, asks=asks, on_event=tell)
        return held_session(self.project.runs_db, run_id, parts, accept_changes=accept_changes)

    def read_session(self, run_id: str) -> ReadSession:
        """Returns a session as the journal has it, also while another process works on it.

        Raises:
            UnknownRunError: there is none of that id.
        """
        from aurora_spawner.conversations.stored import read_session

        return read_session(self.project.runs_db, run_id)

    def all_sessions(self) -> list[ReadSession]:
        """Returns the sessions of the project, the newest first."""
        from aurora_spawner.conversations.stored import all_sessions

        return all_sessions(self.project.runs_db)
