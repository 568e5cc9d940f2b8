"""Ctrl-C at each question of a command at a real terminal, that of tmux: the command ends, nothing has changed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import make_shed
from tests.cli.screens import Tmux, needs_tmux
from tests.cli.terminals import AUR
from tests.cli.waiting import wait_for
from tests.exhaustive import few
from tests.soar.replanned_runs import make

from aurora_cli.exits import ExitCode
from aurora_spawner import SpawnTask
from aurora_spawner.control.checkpoints import list_checkpoints
from aurora_spawner.workspaces.isolation import MergeMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]
    Made = Callable[[Aur, Path, pytest.MonkeyPatch], tuple[str, ...]]

pytestmark = needs_tmux
CHECKED = "- [ ] 1 Look around\n  - Check: `touch checked`\n"


def in_a_project(*words: str) -> Made:
    def make_it(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
        (folder / "src").mkdir()
        monkeypatch.chdir(folder / "src")
        assert aur("init", "--no-index", "--no-instructions").returncode == ExitCode.DONE
        Path("tasks.md").write_text("- [ ] 1 Where is the till?\n")
        Path("checked.md").write_text(CHECKED)
        if "checked.md" in words:
            monkeypatch.delenv("AURORA_TRUST", raising=False)
        return words

    return make_it


def of_a_clone(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    (folder / "clone" / ".aurora").mkdir(parents=True)
    monkeypatch.chdir(folder / "clone")
    monkeypatch.delenv("AURORA_TRUST", raising=False)
    Path(".aurora/config.yaml").write_text("backends: {theirs: {kind: command, command: [touch, theirs]}}\n")
    return ("trust",)


def never_set_up(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    (folder / "src").mkdir()
    monkeypatch.chdir(folder / "src")
    return ("init", "--no-index")


def of_a_finished_run(*words: str) -> Made:
    def make_it(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
        shed = make_shed(folder, monkeypatch)
        merge = MergeMode.NEVER if words[0] == "pr" else MergeMode.ASK
        run_id = shed.run(SpawnTask("echo one > one.txt; echo done", "sh", id="1"), merge=merge).run_id
        if words[0] == "pr":
            shed.repository("remote", "add", "origin", "https://github.com/nobody/nothing.git")
        return tuple(run_id if word == "RUN" else word for word in words)

    return make_it


def of_a_failed_run(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    (folder / "calculator").mkdir()
    make(folder / "calculator")
    monkeypatch.chdir(folder / "calculator")
    failed = json.loads(aur("spawn", "tasks.md", "--yes", "--json").stdout)["run_id"]
    return ("plan", "replan", failed)


def of_an_open_question(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    shed = make_shed(folder, monkeypatch)
    agent = ["sh", "-c", "cat > /dev/null; echo true > deploy.sh; echo done"]
    config = {"tool": "sh", "backends": {"sh": {"kind": "command", "command": agent}}}
    (shed.path / ".aurora" / "config.yaml").write_text(json.dumps(config))
    shed.repository.commit({"tasks.md": "- [ ] 1 Write the script\n"})
    assert aur("spawn", "tasks.md", "--bg", "--yes").returncode == ExitCode.DONE

    def asked() -> list[dict[str, str]]:
        return list(json.loads(aur("approvals", "--json").stdout)["approvals"])

    wait_for(lambda: bool(asked()))
    return ("approve", asked()[0]["approval"], "--always-this-run")


def of_held_tasks(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    words = in_a_project("spawn", "tasks.md", "--yes", "--max-concurrent", "1")(aur, folder, monkeypatch)
    recovery = {"preset": "no_recovery", "max_failure_rate": 0.5, "min_batch": 2}
    broken = {"broken": {"kind": "command", "command": ["sh", "-c", "exit 7"]}}
    config = {"tool": "broken", "spawner": {"recovery": recovery}, "backends": broken}
    Path(".aurora/config.yaml").write_text(json.dumps(config))
    Path("tasks.md").write_text("- [ ] 1 Fail\n- [ ] 2 Fail\n- [ ] 3 Wait\n")
    return words


def at_the_end_of_a_run(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    shed = make_shed(folder, monkeypatch)
    agent = ["sh", "-c", "cat > /dev/null; echo one > one.txt; echo done"]
    config = {"tool": "sh", "backends": {"sh": {"kind": "command", "command": agent}}}
    (shed.path / ".aurora" / "config.yaml").write_text(json.dumps(config))
    shed.repository.commit({".gitignore": ".aurora/\ntasks.md\n"})
    (shed.path / "tasks.md").write_text("- [ ] 1 Write a file\n")
    return ("spawn", "tasks.md", "--isolation", "worktree", "--merge", "ask")


def of_a_protected_branch(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    words = of_a_finished_run("merge", "RUN")(aur, folder, monkeypatch)
    Path(".aurora/policies.yaml").unlink()  # by default, a person approves a merge into main
    return words


def of_a_lesson(aur: Aur, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    words = at_the_end_of_a_run(aur, folder, monkeypatch)
    agent = 'case $(cat) in *"SPDX is missing"*) echo SPDX;; *) echo plain;; esac > one.txt; echo done'
    config = {"tool": "sh", "backends": {"sh": {"kind": "command", "command": ["sh", "-c", agent]}}}
    check = {"check": ["test ! -e one.txt || grep SPDX one.txt || { echo error: SPDX is missing; exit 1; }"]}
    Path(".aurora/config.yaml").write_text(json.dumps(config | check))
    return words


PROMPTS: dict[str, tuple[Made, str]] = {
    "init": (never_set_up, "Tell agents how to use aur"),
    "trust": (of_a_clone, "Trust this project"),
    "start": (in_a_project("spawn", "tasks.md"), "Start?"),
    "checks": (in_a_project("spawn", "checked.md", "--yes"), "Trust them?"),
    "key": (in_a_project("keys", "set", "openai"), "Key openai"),
    "held": (of_held_tasks, "l = leave it held?"),
    "costs": (in_a_project("budget", "reset"), "cost to zero?"),
    "client": (in_a_project("mcp", "install", "claude"), "Add this to"),
    "protected": (of_a_protected_branch, "a protected branch?"),
    "merge": (of_a_finished_run("merge", "RUN"), "Deliver the merged work"),
    "discard": (of_a_finished_run("discard", "RUN", "1"), "Discard the work"),
    "pr": (of_a_finished_run("pr", "RUN"), "Push it?"),
    "replan": (of_a_failed_run, "p = proceed"),
    "grant": (of_an_open_question, "Approve all of that?"),
    "lesson": (of_a_lesson, "Keep such lessons"),
    "end": (at_the_end_of_a_run, "Merge it into"),
}
BEFORE = dict.fromkeys(("lesson", "end"), ("Start?", "y", "Enter"))
"""A question that comes first, and the keys that answer it."""


MAY_CHANGE = {
    "init": (".gitignore", ".yaml", ".md", "project"),
    "grant": ("",),
    "held": (".aurora/starting.lock",),
    **dict.fromkeys(("lesson", "end"), (".aurora/starting.lock", ".aurora/.gitignore", "tasks.md")),
}
"""Files that are written before a question; a run in the background goes on while one is asked."""


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home, and programs that claim to be signed in; what the runs here have left at work is ended."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("gh", "claude"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    yield tmp_path
    from aurora_spawner.control.steering import cancel_run

    for journal in tmp_path.glob("*/.aurora/runs.db"):
        for each in list_checkpoints(journal):
            if each.held:
                cancel_run(journal, each.run.run_id, at_once=True)


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of the user; Aurora's own memory and journal may grow."""
    own = (".git", "cache", "logs", "runs", "runs.db", "runs.db-wal", "runs.db-shm", "memory.db")
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not set(path.relative_to(folder).parts) & set(own)
    }


@pytest.mark.parametrize("name", few(PROMPTS, 1))
def test_control_c_at_a_question_ends_the_command_and_changes_nothing(
    aur: Aur, alone: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    made, question = PROMPTS[name]
    words = made(aur, alone, monkeypatch)
    here = Path.cwd()
    before = files_in(here)
    screen = Tmux("env", "TERM=screen-256color", AUR, *words, columns=100)
    try:
        if name in BEFORE:
            first, *keys = BEFORE[name]
            screen.wait_for(first)
            screen.press(*keys)
        screen.wait_for(question)
        screen.press("C-c")
        shown = screen.wait_for(f"status {ExitCode.INTERRUPTED.value}")
        assert "Traceback" not in shown
    finally:
        with suppress(Exception):
            screen.kill()
    changed = {path: text for path, text in files_in(here).items() if before.get(path) != text}
    assert not {path for path in changed if not path.endswith(MAY_CHANGE.get(name, ("/asked",)))}
