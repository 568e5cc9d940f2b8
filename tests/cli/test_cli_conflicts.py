"""`aur spawn --conflicts`: who resolves conflicts, what is shown of it, and what a stranger may not choose."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.spawner.workspaces.repository import write

from aurora_cli.exits import ExitCode
from aurora_soar import Aurora, UntrustedAgentError
from aurora_soar.taskruns.isolation import WantedIsolation
from aurora_spawner import CommandBackend, Run, RunOptions, SpawnTask
from aurora_spawner.tasks.run_events import RunEvent, TaskEnded
from aurora_spawner.workspaces.isolation import MergeMode, isolation_of

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
HOOKED = """import json, os, subprocess, sys
settings = json.loads(sys.argv[sys.argv.index("--settings") + 1]) if "--settings" in sys.argv else {}
sys.stdin.read()
call = {"tool_name": "Bash", "tool_input": {"command": "git push --force"}, "cwd": os.getcwd()}
hooks = [hook["command"] for each in settings.get("hooks", {}).get("PreToolUse", []) for hook in each["hooks"]]
asked = [subprocess.run(each, shell=True, input=json.dumps(call), text=True, check=False) for each in hooks]
open("same.txt", "w").write("first and second\\n")
said = f"hooks: {[each.returncode for each in asked]}"
end = {"type": "result", "subtype": "success", "is_error": False, "result": said, "session_id": "s"}
print(json.dumps({"type": "system", "subtype": "init", "cwd": os.getcwd(), "session_id": "s", "model": "m"}))
print(json.dumps(end))
"""
"""A stand-in for Claude Code that resolves a conflict after it has asked its hooks about a command."""


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"same.txt": "none\n", "tasks.md": TASKS})
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    command = json.dumps(["sh", "-c", AGENT])
    (tmp_path / "hooked.py").write_text(HOOKED)
    hooked = json.dumps([sys.executable, str(tmp_path / "hooked.py")])
    (folder / "config.yaml").write_text(
        "tool: writer\nbackends:\n"
        f"  writer: {{kind: command, command: {command}}}\n  mender: {{kind: command, command: {command}}}\n"
        f"  hooked: {{kind: claude, command: {hooked}}}\n"
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
    for named in ("mender", "@mender"):
        plan = json.loads(aur("spawn", "tasks.md", "--conflicts", named, "--dry-run", "--json").stdout)
        assert plan["isolation"]["resolver"] == "mender"
    monkeypatch.delenv("AURORA_TRUST")
    assert resolver() is None
    assert "conflicts of finished work are resolved by agent, at your cost" in aur("trust").stdout


def test_the_preview_of_the_delivery_counts_the_agent_that_resolves_conflicts(aur: Aur, shed: Shed) -> None:
    """Its work would be part of what is delivered."""
    rules = "destructive: {git_merge_main: {action: allow}}\n"
    section = "agents: {mender: {destructive: {git_merge_main: {action: deny}}}}\n"
    (shed.path / ".aurora/policies.yaml").write_text(rules + section)
    words = ("spawn", "tasks.md", "--merge", "auto", "--dry-run")
    denied = "not merged into main, because the policies deny it"
    assert denied not in aur(*words).stdout
    assert denied in aur(*words, "--conflicts", "mender").stdout


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


def test_tool_calls_of_the_agent_that_resolves_are_judged(aur: Aur, shed: Shed) -> None:
    shown = aur("spawn", "tasks.md", "--dry-run", "--conflicts", "hooked")
    assert "policy gate for hooked is on" in shown.stdout
    done = aur("spawn", "tasks.md", "--yes", "--conflicts", "hooked", "--json")
    assert done.returncode == ExitCode.DONE, done.stdout + done.stderr
    results = {each["id"]: each for each in json.loads(done.stdout)["tasks"]}
    assert results["resolve-2"]["output"] == "hooks: [2]"


def test_a_run_that_ended_before_its_merge_knows_who_resolves(shed: Shed) -> None:
    ended: list[str] = []

    def stop(event: RunEvent) -> None:
        ended.extend([event.task_id] if isinstance(event, TaskEnded) else [])
        if len(ended) == 2:
            raise InterruptedError

    wanted = WantedIsolation(merge="auto", conflicts="hooked")
    with pytest.raises(InterruptedError), Aurora.open(shed.path) as aurora:
        aurora.run_taskfile("tasks.md", isolation=wanted, on_event=stop)
    with Aurora.open(shed.path) as aurora:
        (status,) = aurora.status()
        plan = aurora.plan_resume(status.run_id)
        assert plan.agents == {"writer", "hooked"}
        assert plan.open_agents == {"hooked"}
        done = aurora.resume(status.run_id)
    assert done.results["resolve-2"].output == "hooks: [2]"
    assert shed.repository.shown("main", "same.txt") == "first and second"


def test_a_resume_asks_whether_who_resolves_is_trusted(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    isolation = replace(isolation_of(shed.path, home=shed.home, merge=MergeMode.ASK)[0], resolver="stranger")
    task = SpawnTask("Write", id="1")
    stranger = {"stranger": CommandBackend("stranger", ("true",)), "writer": CommandBackend("writer", ("true",))}
    options = RunOptions(default_agent="writer", kind="spawn", cwd=shed.path, spool=shed.path, isolation=isolation)
    run = Run.create(shed.journal, [task], stranger, options)
    write(shed.path, {".aurora/config.yaml": "backends:\n  stranger: {kind: command, command: [cat]}\n"})
    monkeypatch.delenv("AURORA_TRUST")
    with Aurora.open(shed.path) as aurora, pytest.raises(UntrustedAgentError, match="stranger"):
        aurora.resume(run.run_id, accept_changes=True)
