"""`aur spawn --conflicts`: who resolves conflicts, what is shown of it, and what a stranger may not choose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.spawner.workspaces.repository import write

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

AGENT = """task=$(cat)
case $task in
*"conflict in a merge"*) sed -i -e '/^|||||||/,/^=======/d' -e '/^<<<<<<</d' -e '/^>>>>>>>/d' same.txt ;;
*first*) echo first > same.txt ;;
*second*) echo second > same.txt ;;
esac
case $task in *"careful person"*) echo careful ;; *) echo done ;; esac"""
TASKS = "- [ ] 1 Write the first\n- [ ] 2 Write the second\n"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"same.txt": "none\n", "tasks.md": TASKS})
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    command = json.dumps(["sh", "-c", AGENT])
    (folder / "config.yaml").write_text(
        "tool: writer\nbackends:\n"
        f"  writer: {{kind: command, command: {command}}}\n  mender: {{kind: command, command: {command}}}\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def test_an_agent_resolves_and_every_view_tells_who(aur: Aur, shed: Shed) -> None:
    done = aur("spawn", "tasks.md", "--yes", "--conflicts", "mender")
    assert done.returncode == ExitCode.DONE, done.stdout + done.stderr
    assert "; mender resolves conflicts" in done.stderr + done.stdout
    assert shed.repository.shown("main", "same.txt") == "first\nsecond"
    said = "same.txt (1 hunk combined) resolved by mender (task resolve-2)"
    assert f"task 2: {said}" in done.stdout + done.stderr
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    assert said in aur("runs", "show", run_id).stdout
    shown = {each["id"]: each for each in json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]}
    assert shown["2"]["work"]["resolved"] == [
        {"path": "same.txt", "kind": "agent", "by": "mender (task resolve-2)", "hunks": ["combined"]}
    ]
    assert shown["resolve-2"]["agent"] == "mender"
    assert (shed.path / "tasks.md").read_text() == TASKS.replace("[ ]", "[x]")


def test_by_default_a_conflict_is_left(aur: Aur, shed: Shed) -> None:
    done = aur("spawn", "tasks.md", "--yes")
    assert done.returncode == ExitCode.NOT_REACHED
    assert "task 2 is unmerged: it conflicts with task 1 in same.txt" in done.stdout + done.stderr


def test_the_configuration_can_ask_for_it_and_a_stranger_s_cannot(
    aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shed.path, {".aurora/config.yaml": "conflicts: agent\n"})

    def resolver() -> object:
        return json.loads(aur("spawn", "tasks.md", "--dry-run", "--json").stdout)["isolation"]["resolver"]

    assert resolver() == "writer"
    monkeypatch.delenv("AURORA_TRUST")
    assert resolver() is None
    assert "conflicts of finished work are resolved by agent, at your cost" in aur("trust").stdout


def test_a_persona_resolves_as_the_default_agent(aur: Aur, shed: Shed) -> None:
    write(shed.path, {
        ".claude/agents/mediator.md": "---\nname: mediator\ndescription: Joins work\n---\nYou are a careful person.\n"
    })  # fmt: skip
    done = aur("spawn", "tasks.md", "--yes", "--conflicts", "@mediator", "--json")
    assert done.returncode == ExitCode.DONE, done.stdout + done.stderr
    results = {each["id"]: each for each in json.loads(done.stdout)["tasks"]}
    assert results["resolve-2"]["output"] == "careful\n"
    assert results["resolve-2"]["agent"] == "writer"


def test_a_name_that_is_none_and_a_run_without_worktrees_are_refused(aur: Aur, shed: Shed) -> None:
    wrong = aur("spawn", "tasks.md", "--yes", "--conflicts", "mendr")
    assert wrong.returncode != ExitCode.DONE
    assert "--conflicts: no agent named 'mendr'" in wrong.stderr
    assert "did you mean 'mender'" in wrong.stderr
    none = aur("spawn", "tasks.md", "--yes", "--conflicts", "agent", "--isolation", "none")
    assert none.returncode == ExitCode.USAGE
    assert not shed.journal.exists()
