"""The command that opens the session of a task's agent in the user's terminal, under the run's policy gate."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_core.private_files import private_folder, write_private
from aurora_soar.errors import UnknownAgentError
from aurora_spawner import CliBackend, SpawnTask
from aurora_spawner.attempts.attempt_folder import SOCKET_NAME as INBOX
from aurora_spawner.backends.base import AttemptRequest
from aurora_spawner.backends.time_limit import with_time_limit
from aurora_spawner.errors import BackendError
from aurora_spawner.gates.hook_command import SOCKET_NAME, HookCommand
from aurora_spawner.supervision.environment import INBOX_VARIABLE, agent_environment, attempt_variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aurora_soar.taskruns.agents import ProjectAgents
    from aurora_spawner.control.taking_over import TakenTask

__all__ = ["TerminalCommand", "opened_session"]

NUMBER: Final = 0
"""The number of a take-over among the attempts at its task: it is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalCommand:
    """A command for the user's terminal.

    Attributes:
        judged: each tool call is judged by the policies, and a denied one does not happen.
    """

    command: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    judged: bool


def opened_session(agents: ProjectAgents, taken: TakenTask) -> TerminalCommand:
    """Returns the command that opens the session of a task that was taken over; its files are written.

    Raises:
        UnknownAgentError: the agent is not configured any more, or not trusted.
        BackendError: it cannot open a session, or its program is not installed.
    """
    backend = agents.backends.get(taken.agent)
    if backend is None:
        raise UnknownAgentError(taken.agent, f"task {taken.task_id}", sorted(agents.backends))
    if not isinstance(backend, CliBackend):
        raise BackendError(taken.agent, "has no session that can be opened in a terminal")
    judged = not backend.gate_problem and (taken.spool / SOCKET_NAME).exists()
    hook = HookCommand(socket=taken.spool / SOCKET_NAME, token=taken.token) if judged else None
    opened = backend.opened(
        AttemptRequest(
            task=SpawnTask(taken.task_id, taken.agent, id=taken.task_id),
            folder=taken.folder,
            prompt_file=taken.folder / "prompt",
            home=taken.home,
            resume=taken.session,
            new_session="",
            hook=hook,
        )
    )
    for path, content in opened.files.items():
        private_folder(path.parent)
        write_private(path, content.encode())
    names = attempt_variables(token=taken.token, run_id=taken.run_id, task_id=taken.task_id, number=NUMBER)
    names[INBOX_VARIABLE] = str(taken.spool / INBOX)
    inherited = agent_environment(os.environ, keep=opened.keep_env, own=opened.own_env)
    return TerminalCommand(
        command=opened.command,
        cwd=taken.cwd,
        environment={**inherited, **taken.variables, **with_time_limit(opened.env, None), **names},
        judged=judged,
    )
