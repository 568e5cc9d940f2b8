"""Checks and set-up commands run in the sandbox of their agent: they run code that the agent has written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests.spawner.sandbox.mechanism import force

from aurora_spawner.sandbox.commands import ConfinedCommands
from aurora_spawner.sandbox.settings import SandboxSettings
from aurora_spawner.workspaces.checks import CommandRunner
from aurora_spawner.workspaces.errors import WorkspaceError


def runner(**settings: object) -> CommandRunner:
    confined = ConfinedCommands(settings=SandboxSettings(**settings))  # type: ignore[arg-type]
    return CommandRunner(environment=dict(os.environ), timeout_s=60.0, confined=confined)


@pytest.mark.parametrize("mechanism", ["landlock", "bubblewrap"])
def test_a_command_changes_its_folder_and_nothing_else(
    mechanism: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, mechanism)
    inside, opened = tmp_path / "work", tmp_path / "cache"
    inside.mkdir()
    opened.mkdir()
    before = set(Path(tempfile.gettempdir()).glob("aurora-*-*"))
    write = f'echo 1 >in; echo 1 >"$TMPDIR/t"; echo 1 >{opened}/c; touch {tmp_path}/out || echo kept'
    (run,) = runner(required=True, writable=(opened,)).run([write], inside)
    assert (run.status, run.output.splitlines()[-1]) == (0, "kept")
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["c", "cache", "in", "work"]
    new = set(Path(tempfile.gettempdir()).glob("aurora-*-*")) - before
    assert not [each for each in new if each.name.startswith(("aurora-profile", "aurora-check"))]


def test_a_command_does_not_run_if_a_required_sandbox_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force(monkeypatch, "none")
    with pytest.raises(WorkspaceError, match="must run in a sandbox, and it does not hold"):
        runner(required=True).run(["touch ran"], tmp_path)
    assert not (tmp_path / "ran").exists()
    (run,) = runner().run(["touch ran"], tmp_path)
    assert (run.passed, (tmp_path / "ran").exists()) == (True, True)


def test_an_answer_of_the_command_is_that_without_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch, "landlock")
    (run,) = runner().run(["echo said; exit 7"], tmp_path)
    assert (run.status, run.output) == (7, "said\n")
    (run,) = runner().run(["no-such-program"], tmp_path)
    assert run.status == 127
