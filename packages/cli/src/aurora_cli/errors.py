"""Errors that the command line itself finds, each with its exit status and what to do next."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = [
    "CliError",
    "CoordinatorLostError",
    "LimitFileError",
    "MissingPathError",
    "NoProjectError",
    "NotResumableError",
    "OverLimitError",
    "StartingElsewhereError",
    "TaskFileAtWorkError",
    "TaskFileChangedError",
    "UnknownAgentError",
    "UnknownTaskError",
    "UntrustedAgentError",
]


class CliError(Exception):
    """The root of the errors of aurora_cli.

    Attributes:
        exit_code: what the process exits with.
        hint: what to do next, one line; empty where the message says it.
    """

    exit_code = ExitCode.ENVIRONMENT
    hint = ""


class NoProjectError(CliError):
    """The command needs a project and there is none here."""

    hint = "run `aur init` in the project's folder first"

    def __init__(self, start: Path, *, worktree: Path | None = None) -> None:
        self.start = start
        reach = "or above it" if worktree is None else f"or above it in the git worktree {worktree}"
        super().__init__(f"no project at {start} {reach} (there is no .aurora folder)")


class MissingPathError(CliError):
    """A path on the command line does not exist."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        super().__init__(f"no such {kind}: {path}")
        nearest = get_close_matches(path.name, _names_beside(path), n=1)
        if nearest:
            self.hint = f"did you mean {path.with_name(nearest[0])}?"


class UnknownAgentError(CliError):
    """A task or an option names an agent that nothing here can run.

    Attributes:
        agent: the name as it was written.
        where: what names it, for example "tasks.md:12" or "--tool".
    """

    exit_code = ExitCode.USAGE

    def __init__(self, agent: str, where: str, known: Collection[str]) -> None:
        self.agent = agent
        self.where = where
        from aurora_spawner.backends.profiles import PROFILES

        if agent in PROFILES:
            super().__init__(f"{where}: {agent} is not on PATH")
            self.hint = f"install it, or give its path: `backends:` {agent}: {{kind: {agent}, command: [PATH]}}"
            return
        super().__init__(f"{where}: no agent named {agent!r}")
        nearest = get_close_matches(agent, known, n=1)
        guess = f"did you mean {nearest[0]!r}? " if nearest else ""
        self.hint = (
            f"{guess}known here: {', '.join(sorted(known))}; add others under `backends:` in .aurora/config.yaml"
        )


class UntrustedAgentError(CliError):
    """A task or an option names an agent that the project brings along, and the user does not trust the project.

    Attributes:
        agent: the name as it was written.
        where: what names it, for example "tasks.md:12" or "--tool".
    """

    exit_code = ExitCode.REFUSED
    hint = "`aur trust` shows what it would run, and asks"

    def __init__(self, agent: str, where: str) -> None:
        self.agent = agent
        self.where = where
        super().__init__(f"{where}: agent {agent!r} comes with the project, which you do not trust yet")


class UnknownTaskError(CliError):
    """A run has no task of that name."""

    exit_code = ExitCode.USAGE

    def __init__(self, run_id: str, task_id: str, known: Collection[str]) -> None:
        self.run_id = run_id
        self.task_id = task_id
        super().__init__(f"run {run_id} has no task {task_id!r}")
        nearest = get_close_matches(task_id, known, n=1)
        guess = f"did you mean {nearest[0]!r}? " if nearest else ""
        self.hint = f"{guess}`aur runs show {run_id}` names them"


class LimitFileError(CliError):
    """What a run may cost was noted, and the note cannot be read.

    Attributes:
        path: the note.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: does not say what the run may cost")
        self.hint = "write the limit in US dollars into it, or remove it to go on without one"


class OverLimitError(CliError):
    """A run would pass a budget or a cap, and was not begun."""

    exit_code = ExitCode.REFUSED

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.hint = hint


class NotResumableError(CliError):
    """A run whose results are part of something larger cannot go on by itself."""

    exit_code = ExitCode.USAGE
    hint = 'ask the question again: aur soar "…"'

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"run {run_id} answered a question; only runs of task files can be resumed")


class CoordinatorLostError(CliError):
    """The process that should have gone on with a run in the background ended at once.

    Attributes:
        log: what it said.
    """

    def __init__(self, run_id: str, log: Path) -> None:
        self.run_id = run_id
        self.log = log
        super().__init__(f"run {run_id} did not start in the background")
        self.hint = f"see {log}; or run it here: aur resume {run_id}"


def _names_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []


class TaskFileAtWorkError(CliError):
    """A run works on the task file already."""

    hint = "wait for it, end it with `aur cancel`, or run the file all the same with --force"

    def __init__(self, run_id: str, file: Path) -> None:
        self.run_id = run_id
        super().__init__(f"{run_id} works on {file} now; what it has not done yet would be done twice")


class TaskFileChangedError(CliError):
    """The task file is not what it was when its tasks were read."""

    hint = "start it again"

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} has changed since it was read, by another run perhaps; nothing was started")


class StartingElsewhereError(CliError):
    """Another process is about to start a run and does not come to an end with it."""

    hint = "see which `aur` still runs in this project"

    def __init__(self, root: Path) -> None:
        super().__init__(f"another aur has been starting a run in {root} for long; nothing was started")
