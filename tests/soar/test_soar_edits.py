"""The after-gate catches dangerous work that is done by editing files, and lets harmless edits pass."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.soar.edit_scenarios import BASE, DANGEROUS, HARMLESS, Change, Executable, Link
from tests.spawner.workspaces.repository import ALONE, Repository, make_repository

from aurora_policies import PoliciesEngine
from aurora_soar.taskruns.diff_gate import PolicyDiffGate, PolicyFinding
from aurora_spawner.tasks.diff_gate import WorkDiff
from aurora_spawner.workspaces.diff_reading import read_diff

GATE = PolicyDiffGate(policies=PoliciesEngine.load(None))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        for name, value in ALONE.items():
            patch.setenv(name, value)
        yield make_repository(tmp_path_factory.mktemp("edits") / "project", dict(BASE))


def findings(repository: Repository, change: Change) -> tuple[PolicyFinding, ...]:
    """Makes the change as a commit, and returns what the gate says to its diff."""
    base = repository("rev-parse", "main")
    repository("checkout", "-q", "--detach", base)
    for name, content in change.items():
        put(repository.path / name, content)
    repository("add", "--all")
    repository("commit", "-q", "-m", "change")
    commit = repository("rev-parse", "HEAD")
    files = read_diff(repository.git, base, commit, folder=".")
    assert sorted(each.path for each in files) == sorted(change)
    planned = ("deploy/*.sh",) if "deploy/install.sh" in change else ()
    return GATE.judge(WorkDiff(task_id="1", agent="a", planned=planned, files=files))


def put(path: Path, content: str | Link | Executable | None) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Link):
        path.symlink_to(content.target)
    elif content is not None:
        path.write_text(content.content if isinstance(content, Executable) else content)
        path.chmod(0o755 if isinstance(content, Executable) else 0o644)


def test_dangerous_edits_are_caught_and_harmless_ones_are_not(repository: Repository) -> None:
    missed = [name for name, change in DANGEROUS.items() if not findings(repository, change)]
    alarms = {name: found for name, change in HARMLESS.items() if (found := findings(repository, change))}
    assert (missed, alarms) == ([], {})


def test_a_finding_names_the_line_and_what_it_does(repository: Repository) -> None:
    (found,) = findings(repository, DANGEROUS["a recipe that pushes by force"])
    assert (found.rule, found.subject) == ("git_force_push", "Makefile:8")
    assert found.reason == "adds a command that overwrites a branch of the remote"
    assert found.shape == "", "each command is asked about by itself"
