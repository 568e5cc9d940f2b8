"""From an exception to what the person reads: one line, a hint, an exit status."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aurora_cli.errors import CliError
from aurora_cli.exits import ExitCode
from aurora_cli.render.words import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is told about an error.

    Attributes:
        message: one line, or one for each problem of a file.
        hint: what to do next; empty where the message says it.
    """

    exit_code: ExitCode
    message: str
    hint: str = ""


_OS_HINTS: Final[Mapping[int, str]] = {
    errno.EACCES: "check the permissions of that path",
    errno.EPERM: "check the permissions of that path",
    errno.EROFS: "the disk is mounted read-only; work on a copy elsewhere",
    errno.ENOSPC: "make room on that disk and run the command again",
    errno.EDQUOT: "make room within your quota and run the command again",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


def diagnose(error: Exception) -> Diagnosis:
    """Say what an error means to the person at the terminal; an unknown one is told as a fault of Aurora."""
    if isinstance(error, CliError):
        return Diagnosis(exit_code=error.exit_code, message=_text(error), hint=error.hint)
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, ImportError):
        return Diagnosis(
            exit_code=ExitCode.ENVIRONMENT,
            message=f"this installation is not complete: {_text(error)}",
            hint="install aurora-aur again; the five Aurora packages belong together",
        )
    return _of_a_library(error) or _defect(error)


def _of_the_system(error: OSError) -> Diagnosis:
    path = f"{error.filename}: " if error.filename else ""
    return Diagnosis(
        exit_code=ExitCode.ENVIRONMENT,
        message=f"{path}{error.strerror or _text(error)}",
        hint=_OS_HINTS.get(error.errno or 0, ""),
    )


def _of_a_library(error: Exception) -> Diagnosis | None:
    exit_code = next((code for kind, code in _library_errors() if isinstance(error, kind)), None)
    if exit_code is None:
        return None
    if isinstance(error.__cause__, OSError):  # a file that is fine, on a machine that is not
        hint = _OS_HINTS.get(error.__cause__.errno or 0, "")
        return Diagnosis(exit_code=ExitCode.ENVIRONMENT, message=_text(error), hint=hint)
    return Diagnosis(exit_code=exit_code, message=_text(error))


def _library_errors() -> tuple[tuple[type[Exception], ExitCode], ...]:
    """Return what the libraries' errors mean, the special ones before their roots."""
    from aurora_core import AuroraCoreError, ConfigError, ProjectError
    from aurora_policies import PoliciesError, PolicyFileError
    from aurora_soar import EmptyQuestionError, SoarError
    from aurora_spawner import GraphError, SpawnerError, TaskError, TaskFileError, UnknownRunError

    wrong_input = (
        ConfigError,
        ProjectError,
        PolicyFileError,
        EmptyQuestionError,
        GraphError,
        TaskError,
        TaskFileError,
        UnknownRunError,
    )
    roots = (AuroraCoreError, PoliciesError, SoarError, SpawnerError)
    return (
        *((kind, ExitCode.USAGE) for kind in wrong_input),
        *((kind, ExitCode.ENVIRONMENT) for kind in roots),
    )


def _defect(error: Exception) -> Diagnosis:
    return Diagnosis(
        exit_code=ExitCode.NOT_REACHED,
        message=f"a fault in Aurora itself: {type(error).__name__}: {_text(error)}",
        hint="run it again with AURORA_DEBUG=1 for the traceback, and report it",
    )


def _text(error: Exception) -> str:
    """The error's own words: a line, or a line for each problem of a file, without steering characters."""
    return "\n".join(" ".join(line.split()) for line in printable(str(error)).splitlines())
