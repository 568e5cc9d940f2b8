"""Everything this package raises.

SpawnerError
├── TaskError          a task that cannot be built: the field says which part
├── TaskFileError      a task file that cannot be read: path and line
├── GraphError         dependencies that cannot be satisfied: the task, and its line where it came from a file
├── BackendError       an agent that no backend drives, or whose program is not there
│   └── MissingExtraError     a backend that needs an extra of this package which is not installed
├── JournalError       the journal cannot be read or written
│   ├── JournalLockedError    another process holds it longer than the wait
│   └── JournalCorruptError   it is not a journal, or its hash chain is broken
├── UnknownRunError    no run of that name in the journal
├── UnknownTaskError   no task of that name in the run
├── RunHeldError       another living coordinator works on the run
├── IllegalTransitionError    a state change that the table does not have; a defect of this package
├── RecoveryPolicyError    a policy that says something impossible: the field, and what it can be
├── ProviderStateError     the record of provider limits cannot be used: the path
├── PriceFileError     a user's table of prices that cannot be understood: path, line, field
├── WorkspaceError     a worktree cannot be made, committed or removed without losing work: the path
│   └── GitError       a git command failed: the command and git's own words
└── AttemptRecordError an attempt's folder holds something unreadable

A failed agent is no exception: it is a `SpawnResult`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


class SpawnerError(Exception):
    """The root of what this package raises."""


class TaskError(SpawnerError):
    """A task was given a value it cannot have."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class TaskFileError(SpawnerError):
    """A task file cannot be used; `line` counts from 1 and is None when the file as a whole is the matter."""

    def __init__(self, path: Path | str, line: int | None, problem: str, *, field: str | None = None) -> None:
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {problem}")
        self.path = path
        self.line = line
        self.field = field


class GraphError(SpawnerError):
    """Tasks that cannot be ordered: a duplicate id, an unknown dependency, or a cycle."""

    def __init__(
        self, task_id: str, problem: str, *, line: int | None = None, path: Path | str | None = None
    ) -> None:
        place = f"{path}:{line}: " if path and line else f"line {line}: " if line else ""
        super().__init__(f"{place}task {task_id}: {problem}")
        self.task_id = task_id
        self.problem = problem
        self.line = line
        self.path = path


class BackendError(SpawnerError):
    """No backend drives the agent, or its program cannot be found."""

    def __init__(self, agent: str, problem: str) -> None:
        super().__init__(f"agent {agent}: {problem}")
        self.agent = agent


class MissingExtraError(BackendError):
    """A backend needs packages that only an extra of aurora-spawner installs."""

    def __init__(self, agent: str, *, extra: str, packages: Sequence[str]) -> None:
        named = " and ".join(packages)
        super().__init__(agent, f"needs {named}, not installed here: pip install 'aurora-spawner[{extra}]'")
        self.extra = extra
        self.packages = tuple(packages)


class JournalError(SpawnerError):
    """The journal cannot be opened, read or written."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class JournalLockedError(JournalError):
    """Another process kept the journal locked for longer than the wait."""


class JournalCorruptError(JournalError):
    """The file is no journal, or what it says has been changed; `seq` is the first event that does not fit."""

    def __init__(self, path: Path | str, problem: str, *, seq: int | None = None) -> None:
        super().__init__(path, problem)
        self.seq = seq


class JournalChangedError(JournalCorruptError):
    """A run's part of the journal is not as it was written; nothing was started."""

    def __init__(self, path: Path | str, run_id: str, problem: str) -> None:
        advice = "restore the journal from a copy, or go on knowingly with --accept-changes (accept_changes=True)"
        super().__init__(path, f"run {run_id} was changed from outside: {problem}; nothing was started: {advice}")
        self.run_id = run_id
        self.problem = problem


class UnknownRunError(SpawnerError):
    """The journal knows no run of that name."""

    def __init__(self, run_id: str, known: tuple[str, ...] = ()) -> None:
        newest = f"; the newest are {', '.join(known)}" if known else ""
        super().__init__(f"no run named {run_id}{newest}")
        self.run_id = run_id


class UnknownTaskError(SpawnerError):
    """A run has no task of that name; `nearest` is the most similar one, None if none is similar."""

    def __init__(self, run_id: str, task_id: str, known: Collection[str]) -> None:
        super().__init__(f"run {run_id} has no task {task_id!r}")
        self.run_id = run_id
        self.task_id = task_id
        close = get_close_matches(task_id, known, n=1)
        self.nearest = close[0] if close else None


class RunHeldError(SpawnerError):
    """Another coordinator, alive, works on this run."""

    def __init__(self, run_id: str, holder: str) -> None:
        super().__init__(f"run {run_id} is held by {holder}; wait for it or cancel it there")
        self.run_id = run_id
        self.holder = holder


class IllegalTransitionError(SpawnerError):
    """A state change that the transition table does not know."""

    def __init__(self, state: object, event: object) -> None:
        super().__init__(f"{event} is not possible in state {state}")
        self.state = state
        self.event = event


class AttemptRecordError(SpawnerError):
    """A claim or exit record of an attempt cannot be read."""

    def __init__(self, path: Path | str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class PriceFileError(SpawnerError):
    """A table of prices cannot be used; `line` counts from 1 and is None where the file as a whole is the matter."""

    def __init__(self, path: object, line: int | None, field: str, problem: str) -> None:
        place = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{place}: {field}: {problem}" if field else f"{place}: {problem}")
        self.path = path
        self.line = line
        self.field = field


class RecoveryPolicyError(SpawnerError):
    """A recovery policy was given a field that it does not have, or a value that the field cannot have."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"recovery policy: {field} {problem}")
        self.field = field
        self.problem = problem


class ProviderStateError(SpawnerError):
    """The file that remembers provider limits cannot be opened, read or written."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}; provider limits are not shared between runs until that is put right")
        self.path = path


class WorkspaceError(SpawnerError):
    """A worktree or a merge cannot go on without losing somebody's work."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class GitError(WorkspaceError):
    """A git command failed."""

    def __init__(self, path: Path, command: Sequence[str], reason: str) -> None:
        super().__init__(path, f"git {' '.join(command[:2])}: {reason}")
        self.command = tuple(command)
        self.reason = reason
