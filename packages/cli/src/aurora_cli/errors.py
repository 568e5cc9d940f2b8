"""Errors of the command line, each with its exit status and the next step."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

__all__ = [
    "CliError",
    "ClientFileError",
    "CommentsKeptError",
    "CoordinatorLostError",
    "InstructionsError",
    "IsQuestionError",
    "IsSessionError",
    "MissingPathError",
    "NoResultError",
    "NoRunError",
    "PortError",
    "RunAtWorkError",
    "UnknownPersonaError",
    "WorkspaceUnusableError",
]


class CliError(Exception):
    """The root of the errors of aurora_cli.

    Attributes:
        exit_code: what the process exits with.
        hint: the next step, in one line; "" if the message names it.
    """

    exit_code = ExitCode.ENVIRONMENT
    hint = ""


class IsSessionError(CliError):
    """A conversation was named where a run with tasks is needed."""

    exit_code = ExitCode.USAGE

    def __init__(self, run_id: str) -> None:
        super().__init__(f"{run_id} is a session, which has no tasks; all that was said: aur interact --log {run_id}")


class IsQuestionError(CliError):
    """A question was named where a run with tasks is needed."""

    exit_code = ExitCode.USAGE

    def __init__(self, run_id: str) -> None:
        super().__init__(f"{run_id} is a question, which has no tasks; its answer: aur runs show {run_id}")


class NoResultError(CliError):
    """A task has no result yet.

    Attributes:
        task_id: the task.
        state: its state.
    """

    exit_code = ExitCode.NOT_REACHED

    def __init__(self, run_id: str, task_id: str, state: str) -> None:
        self.run_id = run_id
        self.task_id = task_id
        self.state = state
        super().__init__(f"task {task_id} of {run_id} has no result: it is {state}")
        self.hint = f"aur logs {run_id}/{task_id} shows its agent's output, aur resume {run_id} continues the run"


class NoRunError(CliError):
    """A command about the newest run finds none."""

    exit_code = ExitCode.USAGE
    hint = "start one with `aur spawn`"

    def __init__(self) -> None:
        super().__init__("this project has no run of tasks")


class MissingPathError(CliError):
    """A path on the command line does not exist."""

    exit_code = ExitCode.USAGE

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        super().__init__(f"no such {kind}: {path}")
        nearest = get_close_matches(path.name, _names_beside(path), n=1)
        if path.is_symlink():
            target = path.readlink()
            itself = path.parent / target == path
            self.hint = f"{path} is a link to {'itself' if itself else f'{target}, which is not there'}"
        elif nearest:
            self.hint = f"did you mean {path.with_name(nearest[0])}?"


class CoordinatorLostError(CliError):
    """The process that runs a run in the background ended at once.

    Attributes:
        log: its output.
    """

    def __init__(self, run_id: str, log: Path) -> None:
        self.run_id = run_id
        self.log = log
        super().__init__(f"run {run_id} did not start in the background")
        how = "aur interact --resume" if run_id.startswith("interact-") else "aur resume"
        self.hint = f"see {log}, or run it in the foreground: {how} {run_id}"


class RunAtWorkError(CliError):
    """A run that a process works on was to be resumed with options that could not reach that process.

    Attributes:
        options: those options, as the user writes them.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, run_id: str, options: Sequence[str]) -> None:
        self.run_id = run_id
        self.options = tuple(options)
        super().__init__(f"a process works on {run_id}; no effect there: {', '.join(options)}")
        self.hint = f"`aur resume {run_id}` alone ends a pause; after `aur cancel {run_id}` the options take effect"


class UnknownPersonaError(CliError):
    """A command names a persona that no file defines."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, known: Collection[str], *, is_agent: bool) -> None:
        self.name = name
        super().__init__(f"no persona named {name!r}")
        nearest = get_close_matches(name, known, n=1)
        if is_agent:
            self.hint = f"{name} is an agent, and no persona: see `aur agents doctor`"
        elif nearest:
            self.hint = f"did you mean {nearest[0]!r}? `aur agents list` lists them"
        else:
            self.hint = "`aur agents list` lists them; one of your own is a Markdown file in .aurora/agents"


class WorkspaceUnusableError(CliError):
    """The folder of a workspace is gone, is another one, or is not the user's; nothing in it was read.

    Attributes:
        name: the workspace.
    """

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"workspace {name}: {problem}")


class CommentsKeptError(CliError):
    """Comments on a task's work could not be sent.

    Attributes:
        path: the file that has them.
    """

    exit_code = ExitCode.NOT_REACHED

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"the comments were not sent: {problem}")
        self.hint = f"your comments are in {path}"


class InstructionsError(CliError):
    """The instructions for agents cannot be written into a file, or removed from it; the file is as it was.

    Attributes:
        path: the file.
    """

    hint = "correct the file by hand, or use --no-instructions"

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


class PortError(CliError):
    """A port of this machine cannot be listened on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        super().__init__(f"port {port} cannot be used on {host}: {error.strerror}")
        self.hint = "choose another one: --port"


class ClientFileError(CliError):
    """The configuration of an MCP client cannot be changed.

    Attributes:
        path: its file, which is as it was.
    """

    def __init__(self, path: Path, problem: str, entry: str = "") -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")
        if entry:
            self.hint = f"add this there by hand:\n{entry}"


def _names_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return []
