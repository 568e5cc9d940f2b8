"""Messages for exceptions: one line, a hint and an exit status."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from aurora_cli.errors import CliError
from aurora_cli.exits import ExitCode
from aurora_cli.render.words import printable
from aurora_cli.run_names import named_in

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ErrorReport", "error_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReport:
    """The message about an error.

    Attributes:
        message: one line, or one line per problem of a file.
        hint: the next step; "" if the message names it.
    """

    exit_code: ExitCode
    message: str
    hint: str = ""


_OS_HINTS: Final[Mapping[int, str]] = {
    errno.EACCES: "check the permissions of that path",
    errno.EPERM: "check the permissions of that path",
    errno.EROFS: "the disk is mounted read-only; work on a copy elsewhere",
    errno.ENOSPC: "free some space on that disk and run the command again",
    errno.EDQUOT: "free some space within your quota and run the command again",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
}

_NO_REPOSITORY: Final = "not a git repository"
"""Git's own words."""
_HERE_AND_ELSEWHERE: Final = (
    "`aur runs list` lists the runs of this project",
    "`aur runs list --all` lists the runs of all workspaces",
)


def error_report(error: Exception, *, workspace: str = "") -> ErrorReport:
    """Returns the report of an error for the user; an unknown error is reported as a bug in Aurora.

    Args:
        workspace: the one that the command is about, with which runs are named; "" for the current folder's project.
    """
    found = _report_of(error)
    if not workspace:
        return found
    message, hint = found.message, found.hint.replace(*_HERE_AND_ELSEWHERE)
    for run_id in filter(None, (getattr(error, "run_id", ""), *getattr(error, "known", ()))):
        message, hint = named_in(workspace, message, run_id), named_in(workspace, hint, run_id)
    return replace(found, message=message, hint=hint)


def _report_of(error: Exception) -> ErrorReport:
    if isinstance(error, CliError):
        return ErrorReport(exit_code=error.exit_code, message=_text(error), hint=error.hint)
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, ImportError):
        return ErrorReport(
            exit_code=ExitCode.ENVIRONMENT,
            message=f"the installation is incomplete: {_text(error)}",
            hint="reinstall aurora-aur; the five Aurora packages must have the same version",
        )
    return _of_soar(error) or _of_a_library(error) or _defect(error)


def _of_the_system(error: OSError) -> ErrorReport:
    path = f"{error.filename}: " if error.filename else ""
    return ErrorReport(
        exit_code=ExitCode.ENVIRONMENT,
        message=f"{path}{error.strerror or _text(error)}",
        hint=_OS_HINTS.get(error.errno or 0, ""),
    )


def _of_soar(error: Exception) -> ErrorReport | None:
    from aurora_soar import errors

    if not isinstance(error, errors.SoarError):
        return None
    refused = (
        errors.NoSandboxError,
        errors.OverLimitError,
        errors.RetentionError,
        errors.UntrustedAgentError,
        errors.UserOnlyError,
    )
    misused = (
        errors.EmptyQuestionError,
        errors.UnknownAgentError,
        errors.UnknownPlanError,
        errors.NotReplannableError,
        errors.NotResumableError,
        errors.ReplannedBeforeError,
        errors.NoConversationError,
        errors.NoRetentionError,
        errors.IncludeDirtyError,
        errors.SearchByMeaningError,
        errors.SessionIdError,
        errors.NoSessionError,
    )
    exit_code = ExitCode.ENVIRONMENT
    if isinstance(error, refused):
        exit_code = ExitCode.REFUSED
    if isinstance(error, misused):
        exit_code = ExitCode.USAGE
    return ErrorReport(exit_code=exit_code, message=_text(error), hint=error.hint)


def _of_a_library(error: Exception) -> ErrorReport | None:
    for kinds, exit_code, hint in _library_errors():
        if isinstance(error, kinds):
            if isinstance(error.__cause__, OSError):  # the system failed, not the file's content
                return replace(_of_the_system(error.__cause__), message=_text(error))
            return ErrorReport(exit_code=exit_code, message=_text(error), hint=hint or _hint_about(error))
    return None


def _hint_about(error: Exception) -> str:
    from aurora_spawner.errors import UnknownTaskError

    if _NO_REPOSITORY in str(error):
        return "tasks have worktrees, and work that can be merged, only in a git repository"
    if not isinstance(error, UnknownTaskError):
        return ""
    guess = f"did you mean {error.nearest!r}? " if error.nearest else ""
    return f"{guess}`aur runs show {error.run_id}` names them"


def _library_errors() -> tuple[tuple[tuple[type[Exception], ...], ExitCode, str], ...]:
    """Returns exit status and hint for the libraries' errors; specific errors come before their base classes."""
    from aurora_core import (
        AuroraCoreError,
        ConfigError,
        NotInMemoryError,
        ProjectError,
        StoreBusyError,
        StoreCorruptError,
        StoreError,
    )
    from aurora_core.errors import UnknownWorkspaceError, WorkspaceNameError
    from aurora_policies import PoliciesError, PolicyFileError
    from aurora_spawner.errors import (
        AgentActsError,
        AgentAnswersError,
        GraphError,
        NoShapeError,
        NotAQuestionError,
        NotInsideAgentError,
        NotPickableError,
        NoWorkError,
        PostRefusedError,
        PriceFileError,
        ReplayError,
        SpawnerError,
        TaskError,
        TaskFileError,
        UnknownApprovalError,
        UnknownLineageError,
        UnknownRunError,
        UnknownSessionError,
        UnknownTaskError,
    )
    from aurora_spawner.workspaces.errors import PreparationError

    wrong_files = (
        ConfigError,
        PolicyFileError,
        TaskFileError,
        GraphError,
        TaskError,
        PreparationError,
        PriceFileError,
    )
    wrong_words = (
        ProjectError,
        NotInMemoryError,
        UnknownTaskError,
        NoWorkError,
        UnknownApprovalError,
        NoShapeError,
        NotAQuestionError,
        ReplayError,
        UnknownWorkspaceError,
        WorkspaceNameError,
    )
    return (
        ((NotPickableError,), ExitCode.NOT_REACHED, ""),
        ((*wrong_files, *wrong_words), ExitCode.USAGE, ""),
        (
            (AgentActsError, AgentAnswersError, UnknownLineageError),
            ExitCode.REFUSED,
            "do it from a terminal of your own on this machine",
        ),
        ((NotInsideAgentError,), ExitCode.USAGE, "an agent that `aur spawn` has started can call it"),
        ((PostRefusedError,), ExitCode.REFUSED, ""),
        ((UnknownSessionError,), ExitCode.USAGE, "`aur interact --list` lists the sessions of this project"),
        ((UnknownRunError,), ExitCode.USAGE, "`aur runs list` lists the runs of this project"),
        ((StoreCorruptError,), ExitCode.ENVIRONMENT, ""),
        ((StoreBusyError,), ExitCode.ENVIRONMENT, "another aur process is writing there; try again later"),
        ((StoreError,), ExitCode.ENVIRONMENT, "check that .aurora is writable and that the disk has free space"),
        ((AuroraCoreError, PoliciesError, SpawnerError), ExitCode.ENVIRONMENT, ""),
    )


def _defect(error: Exception) -> ErrorReport:
    return ErrorReport(
        exit_code=ExitCode.NOT_REACHED,
        message=f"bug in Aurora: {type(error).__name__}: {_text(error)}",
        hint="run it again with AURORA_DEBUG=1 to get a traceback, and report the bug",
    )


def _text(error: Exception) -> str:
    """Returns an error's text without control characters: a line, or one per problem of a file, then its notes."""
    text = "\n".join([str(error), *getattr(error, "__notes__", ())])
    return "\n".join(" ".join(line.split()) for line in printable(text).splitlines())
