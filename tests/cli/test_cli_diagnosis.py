"""Each library's errors mean an exit status, and the message says what to do."""

import errno
from pathlib import Path

import pytest

from aurora_cli.error_messages import error_report
from aurora_cli.exits import ExitCode
from aurora_core import AuroraCoreError, ConfigError, ProjectError, StoreBusyError, StoreCorruptError, StoreError
from aurora_policies import PoliciesError, PolicyFileError, Problem
from aurora_soar import EmptyQuestionError, SoarError
from aurora_spawner import SpawnerError
from aurora_spawner.errors import (
    BackendError,
    GraphError,
    JournalCorruptError,
    RunHeldError,
    TaskFileError,
    UnknownRunError,
    first_failure,
)

HERE = Path("somewhere")


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("config.yaml", 3, "tool", "is empty"),
        PolicyFileError(HERE, [Problem(line=1, column=1, field="budget", reason="is missing")]),
        TaskFileError(HERE, 4, "has no text"),
        GraphError("1", "depends on itself", line=3, path=HERE),
        ProjectError(HERE, "is not in the project"),
        EmptyQuestionError("?"),
        UnknownRunError("spawn-1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_person_wrote_is_a_usage_error(error: Exception) -> None:
    found = error_report(error)
    assert found.exit_code == ExitCode.USAGE
    assert found.message == str(error)


@pytest.mark.parametrize(
    "error",
    [
        StoreCorruptError(HERE, "is damaged"),
        StoreBusyError(HERE, "is locked"),
        StoreError(HERE, "cannot be opened"),
        JournalCorruptError(HERE, "is no journal"),
        BackendError("claude", "is not on PATH"),
        RunHeldError("spawn-1", "process 7"),
        AuroraCoreError("?"),
        PoliciesError("?"),
        SoarError("?"),
        SpawnerError("?"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_machine_lacks_is_an_environment_error(error: Exception) -> None:
    assert error_report(error).exit_code == ExitCode.ENVIRONMENT


def test_a_good_file_that_cannot_be_read_is_the_machines_matter() -> None:
    error = TaskFileError(HERE, None, "cannot be read: Permission denied")
    error.__cause__ = PermissionError(errno.EACCES, "Permission denied")
    found = error_report(error)
    assert found.exit_code == ExitCode.ENVIRONMENT
    assert "permissions" in found.hint


def test_every_problem_of_a_policy_file_has_its_place() -> None:
    problems = [Problem(line=line, column=3, field=f"f{line}", reason="is wrong") for line in (2, 5)]
    assert error_report(PolicyFileError(HERE, problems)).message.splitlines() == [
        "somewhere:2:3: f2: is wrong",
        "somewhere:5:3: f5: is wrong",
    ]


def test_a_missing_module_is_an_incomplete_installation() -> None:
    found = error_report(ModuleNotFoundError("No module named 'numpy'"))
    assert found.exit_code == ExitCode.ENVIRONMENT
    assert "numpy" in found.message
    assert "install aurora-aur" in found.hint


def test_anything_else_is_a_fault_of_aurora() -> None:
    found = error_report(ZeroDivisionError("division by zero"))
    assert found.exit_code == ExitCode.NOT_REACHED
    assert "ZeroDivisionError" in found.message


def test_of_failures_at_once_the_first_is_reported_and_the_others_are_named() -> None:
    report = error_report(first_failure([JournalCorruptError(HERE, "is damaged"), OSError("the disk is full")]))
    assert report.message.splitlines() == [str(JournalCorruptError(HERE, "is damaged")), "also: the disk is full"]
