"""A broken policies.yaml stops every command that runs agents or delivers, with the place of each error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, writes
from tests.exhaustive import few
from tests.policies.broken_policies import ANCHORS, BROKEN, TEXTS, TWICE, TYPES, TYPOS, Broken

from aurora_cli.exits import ExitCode
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

ONE_OF_EACH = [TYPOS[0], TYPES[0], TWICE[0], ANCHORS[0], TEXTS[0]]


@pytest.fixture
def tasks(shop: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stands in a project with a task whose agent leaves a file."""
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    agent = {"kind": "command", "command": ["sh", "-c", f"touch {tmp_path}/it-ran; echo done"]}
    (folder / "config.yaml").write_text(f"tool: sh\nbackends: {json.dumps({'sh': agent})}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (shop / ".aurora").mkdir()
    (shop / "tasks.md").write_text("- [ ] 1 Do it\n")
    return shop


def check_stopped(outcome: CompletedProcess[str], case: Broken, ran: Path) -> None:
    assert outcome.returncode not in (ExitCode.DONE, ExitCode.NOT_REACHED)
    assert "Traceback" not in outcome.stderr
    place = "".join(f":{each}" for each in (case.line, case.column) if each is not None)
    assert f"policies.yaml{place}" in outcome.stderr
    assert not ran.exists()


@pytest.mark.parametrize("case", few(BROKEN, 6))
def test_a_broken_file_of_the_project_stops_the_run(aur: Aur, tasks: Path, tmp_path: Path, case: Broken) -> None:
    (tasks / ".aurora/policies.yaml").write_bytes(case.written)
    check_stopped(aur("spawn", "tasks.md", "--yes"), case, tmp_path / "it-ran")


@pytest.mark.parametrize("case", few(ONE_OF_EACH, 2))
def test_a_broken_file_of_the_user_stops_the_run(aur: Aur, tasks: Path, tmp_path: Path, case: Broken) -> None:
    (tmp_path / "config/aurora/policies.yaml").write_bytes(case.written)
    check_stopped(aur("spawn", "tasks.md", "--yes"), case, tmp_path / "it-ran")


@pytest.mark.parametrize("case", few(ONE_OF_EACH, 2))
def test_a_broken_file_stops_a_merge(aur: Aur, shed: Shed, case: Broken) -> None:
    run_id = shed.run(writes("a", "a.txt", "a"), merge=MergeMode.ASK).run_id
    (shed.path / ".aurora/policies.yaml").write_bytes(case.written)
    check_stopped(aur("merge", run_id, "--yes"), case, shed.path / "a.txt")


def test_without_errors_the_agent_runs(aur: Aur, tasks: Path, tmp_path: Path) -> None:
    (tasks / ".aurora/policies.yaml").write_text("safety: {auto_branch: true}\n")
    assert aur("spawn", "tasks.md", "--yes").returncode == ExitCode.DONE
    assert (tmp_path / "it-ran").exists()
