"""`aur review`: an editor on the change of a task, and what becomes of the comments in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

AGENT = """prompt=$(cat)
case $prompt in
  *"The user has looked at your work"*"a typing error"*) echo hello > out.txt;;
  *) echo hallo > out.txt;;
esac
echo done"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("VISUAL", raising=False)
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"tasks.md": "- [ ] 1 Write it\n"})
    return made


def edit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """Makes a script the editor; the file is its first argument."""
    editor = tmp_path / "editor.sh"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))


def run(aur: Aur) -> str:
    assert aur("spawn", "tasks.md", "--merge", "never").returncode == ExitCode.DONE
    return str(json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"])


COMMENTS = r"sed -i 's/^+hallo$/&\n> a typing error/' "


def test_comments_are_worked_in(aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = run(aur)
    assert "- [x] 1" in (shed.path / "tasks.md").read_text()
    edit(monkeypatch, tmp_path, COMMENTS + '"$1"')
    outcome = aur("review", run_id, "1")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "+hello" in aur("diff", run_id, "1").stdout
    (task,) = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert (task["state"], task["attempts"]) == ("succeeded", 2)
    assert list(tmp_path.glob("aurora-review-*")) == []
    edit(monkeypatch, tmp_path, "true")
    assert "no comments; nothing was sent" in aur("review", run_id, "1").stderr
    assert json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"][0]["attempts"] == 2


@pytest.mark.parametrize(
    ("script", "problem"),
    few([
        ("sed -i 's/^+hallo$/+hello/' \"$1\"", "'+hello', in place of '+hallo'"),
        (COMMENTS + '"$1"; echo mine > WORKTREE/out.txt', "these lines are different now: out.txt:1"),
        ("exit 3", "editor"),
        ('rm "$1"', "No such file"),
    ], 1),
    ids=["a line was changed", "the work has moved on", "the editor failed", "the file is gone"],
)  # fmt: skip
def test_comments_that_cannot_be_sent_are_kept(
    aur: Aur, shed: Shed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, problem: str
) -> None:
    run_id = run(aur)
    (task,) = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    edit(monkeypatch, tmp_path, script.replace("WORKTREE", task["work"]["worktree"]))
    outcome = aur("review", run_id, "1")
    assert outcome.returncode == ExitCode.NOT_REACHED
    said = " ".join(outcome.stderr.split())
    assert "the comments were not sent" in said
    assert problem.lower() in said.lower()
    kept = re.search(r"your comments are in (\S+)", said)
    assert kept is not None
    assert Path(kept[1]).exists() or script.startswith("rm")
    assert json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"][0]["attempts"] == 1


def test_without_an_editor_nothing_is_begun(aur: Aur, shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    outcome = aur("review", run(aur), "1")
    assert outcome.returncode == ExitCode.USAGE
    assert "set EDITOR" in outcome.stderr
