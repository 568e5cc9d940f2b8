"""The orders for the processes of a session's agents."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import SOCKET_NAME, attempt_folder, home_of
from aurora_spawner.attempts.executor import AttemptOrder
from aurora_spawner.backends.base import AttemptRequest, with_events
from aurora_spawner.backends.time_limit import with_time_limit
from aurora_spawner.gates.hook_command import SOCKET_NAME as GATE_SOCKET
from aurora_spawner.gates.hook_command import HookCommand
from aurora_spawner.runs.attempt_orders import new_token
from aurora_spawner.supervision.environment import INBOX_VARIABLE, attempt_variables, unattended_environment
from aurora_spawner.tasks.prompts import as_argument
from aurora_spawner.tasks.task import SpawnTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.backends.base import Backend, Said
    from aurora_spawner.conversations.transcript import Turn

PART: Final = "talk"
"""The place of the task in folders and variables: a session has no tasks."""


@dataclass(slots=True, kw_only=True)
class SessionOrders:
    """Makes the orders of one session.

    Attributes:
        spool: the folder of the session.
        started: the processes that it has had.
        turns: what was said, up to the turn that runs; it grows.
        hooked: agents whose hook asks the session before each tool call.
    """

    run_id: str
    cwd: Path
    spool: Path
    environ: Mapping[str, str]
    started: int = 0
    turns: Sequence[Turn] = ()
    hooked: set[str] = field(default_factory=set)

    @property
    def gate(self) -> Path:
        """The socket at which hooks ask."""
        return self.spool / GATE_SOCKET

    def order(
        self,
        backend: Backend,
        *,
        prompt: str = "",
        resume: str | None = None,
        arguments: tuple[str, ...] = (),
        earlier: tuple[Said, ...] = (),
    ) -> AttemptOrder:
        """Returns the order for the next process.

        Args:
            prompt: of a process that answers once; "" for one that is talked with.
            resume: the agent's own session to go on with.
            arguments: further words of the command.
            earlier: what was said before the prompt, for an agent that keeps nothing itself.

        Raises:
            BackendError: The agent's program cannot be found.
        """
        self.started += 1
        token = new_token()
        folder = attempt_folder(self.spool, position=0, task_id=backend.name, number=self.started)
        task = SpawnTask(PART, backend.name, id=PART)
        speaking = with_events(backend)
        request = AttemptRequest(
            task=task,
            folder=folder.path,
            prompt_file=folder.path / "prompt",
            home=home_of(self.spool, position=0, agent=backend.name),
            resume=resume,
            new_session=str(uuid.uuid4()) if speaking is not None and speaking.resumes else "",
            hook=HookCommand(socket=self.gate, token=token) if backend.name in self.hooked else None,
            earlier=earlier,
        )
        invocation = backend.invoke(task) if speaking is None else speaking.request(request)
        last = (as_argument(prompt, folder.prompt),) if invocation.prompt_last else ()
        names = attempt_variables(token=token, run_id=self.run_id, task_id=PART, number=self.started)
        names[INBOX_VARIABLE] = str(self.spool / SOCKET_NAME)
        inherited = unattended_environment(self.environ, keep=invocation.keep_env, own=invocation.own_env)
        return AttemptOrder(
            run_id=self.run_id,
            task_id=PART,
            number=self.started,
            agent=backend.name,
            model=getattr(backend, "model", None),
            token=token,
            folder=folder.path,
            prompt=prompt,
            command=(*invocation.command, *arguments, *last),
            environment={**inherited, **with_time_limit(invocation.env, None), **names},
            cwd=self.cwd,
            deadline_s=None,
            files=dict(invocation.files),
            resumes=resume,
            prompt_on_stdin=invocation.prompt_on_stdin,
            writes=invocation.writes,
        )

    def talking(self, backend: Backend, *, resume: str | None, arguments: tuple[str, ...] = ()) -> AttemptOrder:
        """Returns the order for a process that is talked with; errors as `order`."""
        return replace(self.order(backend, resume=resume, arguments=arguments), talks=True)
