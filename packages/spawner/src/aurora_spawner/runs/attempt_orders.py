"""The orders for the attempts of a run."""

from __future__ import annotations

import itertools
import os
import uuid
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aurora_spawner.attempts.attempt_folder import SOCKET_NAME, AttemptFolder, attempt_folder, home_of
from aurora_spawner.attempts.executor import AttemptOrder, OrderedTree
from aurora_spawner.backends.base import AttemptRequest, with_events
from aurora_spawner.backends.sessions import (
    SESSION_RECORD,
    SessionRecord,
    continuation_prompt,
    handed_back_prompt,
    session_record_for,
)
from aurora_spawner.backends.time_limit import with_time_limit
from aurora_spawner.board.digest import prompt_with_posts
from aurora_spawner.gates.hook_command import HookCommand
from aurora_spawner.supervision.environment import (
    INBOX_VARIABLE,
    TOKEN_VARIABLE,
    attempt_variables,
    unattended_environment,
)
from aurora_spawner.tasks.file_claims import prompt_with_claims
from aurora_spawner.tasks.handover import handover_prompt
from aurora_spawner.tasks.lessons import prompt_with_lessons
from aurora_spawner.tasks.prompts import as_argument, prompt_after, prompt_for, prompt_with_hints
from aurora_spawner.workspaces.preparation import GIT_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aurora_spawner.backends.base import Backend, Invocation
    from aurora_spawner.board.digest import BoardOfTask
    from aurora_spawner.tasks.checked import CheckedWork
    from aurora_spawner.tasks.file_claims import FileClaim
    from aurora_spawner.tasks.handover import EarlierAttempt
    from aurora_spawner.tasks.lessons import GivenLesson
    from aurora_spawner.tasks.result import SpawnResult
    from aurora_spawner.tasks.returned import Returned
    from aurora_spawner.tasks.task import SpawnTask

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBuilder:
    """Makes orders from what all tasks of a run share."""

    run_id: str
    cwd: Path
    spool: Path
    """The folder of the run."""
    default_agent: str
    default_timeout_s: float | None
    environ: Mapping[str, str]
    """The environment that agents inherit, before variables that are not theirs are left out."""
    env_pass: tuple[str, ...] = ()
    """Names or patterns of further variables that checks and set-up inherit."""
    gate: Path | None = None
    """The socket at which the run judges tool calls, whatever spool an attempt has; None if it judges none."""
    inbox: Path | None = None
    """The socket at which agents reach the coordinator, whatever spool an attempt has; None for that in `spool`."""
    _passed: dict[tuple[object, ...], dict[str, str]] = field(default_factory=dict, repr=False)

    @property
    def command_environment(self) -> dict[str, str]:
        """The environment of checks, set-up and the commands of a merge: they run code that agents wrote."""
        return unattended_environment(self.environ, keep=self.env_pass)

    def agent_of(self, task: SpawnTask) -> str:
        """Returns the agent that a task is for."""
        return task.agent or self.default_agent

    def time_limit_s(self, task: SpawnTask, backend: Backend) -> float | None:
        """Returns the time limit that a task, its agent or the run asks for; None if none of them does."""
        return task.timeout_s or backend.timeout_s or self.default_timeout_s

    def order(
        self,
        task: SpawnTask,
        *,
        number: int,
        position: int,
        backend: Backend,
        cwd: Path,
        before: Sequence[SpawnResult],
        deadline_s: float | None,
        open_tasks: int,
        worktree: Path | None = None,
        variables: Mapping[str, str] = NO_VARIABLES,
        sent_back: CheckedWork | Returned | None = None,
        handed_back: bool = False,
        earlier: EarlierAttempt | None = None,
        claims: Sequence[FileClaim] = (),
        board: BoardOfTask | None = None,
        hints: Sequence[str] = (),
        lessons: Sequence[GivenLesson] = (),
    ) -> AttemptOrder:
        """Returns the order for one attempt.

        Args:
            number: Of the attempt, from 1.
            position: Of the task in its run; keeps folders apart whose names look the same.
            cwd: The folder in which the agent works.
            before: Results of the task's dependencies, for its prompt.
            deadline_s: The time limit of the attempt; None for none.
            open_tasks: Tasks of the run that are not settled.
            worktree: The checkout that `cwd` is in; None if the task has none.
            variables: Those of its worktree.
            sent_back: What the agent is told of its work so far; None if nothing was found.
            handed_back: The user has worked in the session of the agent, and in its folder.
            earlier: What the attempt before has left; for an agent that does not continue its session.
            claims: The files that other tasks have claimed, for an agent that begins.
            board: The posts that it may read; None for an agent that is given none.
            hints: What the policies say to such a task, for an agent that begins.
            lessons: Those of earlier work, for an agent that begins.

        Raises:
            BackendError: The agent's program cannot be found.
        """
        task_id = str(task.id)
        folder = attempt_folder(self.spool, position=position, task_id=task_id, number=number)
        record = session_record_for(
            self.spool,
            position=position,
            task_id=task_id,
            number=number,
            backend=backend,
            sent_back=sent_back is not None or handed_back,
        )
        own = {TOKEN_VARIABLE: new_token(), INBOX_VARIABLE: str(self.inbox or self.spool / SOCKET_NAME)}
        invocation = self._invocation(task, backend, folder, position=position, resume=record.session_id, own=own)
        prompt = prompt_for(task, before, instructed=invocation.instructed)
        if sent_back is not None:
            prompt = prompt_after(None if record.session_id else prompt, sent_back, task)
        elif record.session_id and handed_back:
            prompt = handed_back_prompt(prompt)
        elif record.session_id:
            prompt = continuation_prompt(prompt)
        elif earlier is not None:
            prompt = handover_prompt(prompt, earlier, as_json=task.prompt_format == "json")
        begins, as_json = sent_back is None and not record.session_id, task.prompt_format == "json"
        if claims and begins:
            prompt = prompt_with_claims(prompt, claims, as_json=as_json)
        if hints and begins:
            prompt = prompt_with_hints(prompt, hints, as_json=as_json)
        if lessons and begins:
            prompt = prompt_with_lessons(prompt, lessons, as_json=as_json)
        continues = record.session_id is not None
        if board is not None and (digest := board.digest(continues=continues)) is not None:
            # In a session, it is a text around the object.
            prompt = prompt_with_posts(prompt, digest, as_json=as_json and not continues)
        last = (as_argument(prompt, folder.prompt),) if invocation.prompt_last else ()
        token = own[TOKEN_VARIABLE]
        names = attempt_variables(token=token, run_id=self.run_id, task_id=task_id, number=number)
        inherited = self._inherited(invocation)
        if f"{GIT_SETTINGS}COUNT" in inherited:  # settings of the user's own, which are numbered
            variables = {name: value for name, value in variables.items() if not name.startswith(GIT_SETTINGS)}
        return AttemptOrder(
            run_id=self.run_id,
            task_id=task_id,
            number=number,
            agent=backend.name,
            model=task.model or getattr(backend, "model", None),
            token=token,
            folder=folder.path,
            prompt=prompt,
            command=(*invocation.command, *last),
            environment={**inherited, **variables, **with_time_limit(invocation.env, deadline_s), **names, **own},
            cwd=cwd,
            deadline_s=deadline_s,
            instructions=task.instructions if invocation.instructed else None,
            open_tasks=open_tasks,
            files={**invocation.files, **_session_record_file(folder, record, invocation, backend)},
            resumes=record.session_id,
            prompt_on_stdin=invocation.prompt_on_stdin,
            writes=invocation.writes,
            pool=task.pool or getattr(backend, "pool", None),
            labels=tuple(dict.fromkeys((*task.labels, *getattr(backend, "labels", ())))),
            priority=task.priority,
            tree=None if worktree is None else OrderedTree(path=worktree, title=task.headline),
        )

    def _invocation(
        self,
        task: SpawnTask,
        backend: Backend,
        folder: AttemptFolder,
        *,
        position: int,
        resume: str | None,
        own: Mapping[str, str],
    ) -> Invocation:
        speaking = with_events(backend)
        if speaking is None:
            return backend.invoke(task)
        home = home_of(self.spool, position=position, agent=backend.name)
        return speaking.request(
            AttemptRequest(
                task=task,
                folder=folder.path,
                prompt_file=folder.prompt,
                home=home,
                resume=resume,
                new_session=str(uuid.uuid4()) if speaking.resumes else "",
                hook=self._hook(own[TOKEN_VARIABLE]),
                own=own,
            )
        )

    def _hook(self, token: str) -> HookCommand | None:
        """Returns the hook of an attempt; None if the run has no gate."""
        return None if self.gate is None else HookCommand(socket=self.gate, token=token)

    def _inherited(self, invocation: Invocation) -> dict[str, str]:
        """Returns the environment for agents that need these variables; built once for each kind."""
        needs = (invocation.keep_env, invocation.own_env)
        if needs not in self._passed:
            self._passed[needs] = unattended_environment(
                self.environ, keep=invocation.keep_env, own=invocation.own_env
            )
        return self._passed[needs]


def _session_record_file(
    folder: AttemptFolder, record: SessionRecord, invocation: Invocation, backend: Backend
) -> dict[Path, str]:
    """Returns the session record for the next attempt; nothing for an agent that prints plain text."""
    speaking = with_events(backend)
    if speaking is None or speaking.dialect is None:
        return {}
    return {folder.path / SESSION_RECORD: record.of(speaking.dialect, new_session_id=invocation.session_id).to_text()}


_COUNTER: Final = itertools.count()


def new_token() -> str:
    """Returns a name for one attempt, unique among all attempts of all machines."""
    return f"{_process_token}-{next(_COUNTER):x}"


def process_token() -> str:
    """Returns the beginning of every token of this process."""
    return _process_token


def _name_process() -> None:
    """Gives this process a name that no other process has; a fork gets one of its own."""
    global _process_token  # noqa: PLW0603 -- the process has one name
    _process_token = f"{os.urandom(10).hex()}{os.getpid():x}"


_process_token = ""
_name_process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_name_process)
