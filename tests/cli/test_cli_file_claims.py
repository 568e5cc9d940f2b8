"""File claims at the command line: foreseen before the start, shown while tasks work, switched off by an option."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.cli.waiting import wait_for

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Aur = Callable[..., subprocess.CompletedProcess[str]]

TASKS = """\
- [ ] 1 First
  - Files: shared.txt
- [ ] 2 Second
  - Files: shared.*
- [ ] 3 Third
  - Files: other.txt
"""


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({"tasks.md": TASKS})
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    waits = f"until test -e {tmp_path}/go; do sleep 0.05; done"
    agent = f"cat > prompt.log; {waits}; echo $AURORA_TASK_ID >> shared.txt; echo x > other.txt; echo done"
    command = {"kind": "command", "command": ["sh", "-c", agent]}
    (folder / "config.yaml").write_text(f"tool: sh\nbackends: {json.dumps({'sh': command})}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def test_waits_are_told_before_the_start(aur: Aur, shed: Shed) -> None:
    words = ("spawn", "tasks.md", "--order", "parallel", "--dry-run")
    assert "  2 waits for 1: both declare shared.*\n" in aur(*words).stdout
    document = json.loads(aur(*words, "--json").stdout)
    assert document["waits"] == [{"task": "2", "for": "1", "files": ["shared.*"], "certain": True}]
    assert "waits for 1" not in aur(*words, "--overlaps", "allow").stdout
    in_order = aur("spawn", "tasks.md", "--order", "file", "--dry-run").stdout
    assert "waits for" not in in_order  # each depends on the one before


def test_claims_are_shown_while_tasks_work(
    aur: Aur, start_aur: Callable[..., subprocess.Popen[str]], shed: Shed, tmp_path: Path
) -> None:
    running = start_aur("spawn", "tasks.md", "--order", "parallel", "--merge", "never", "--yes")
    wanted = {"has claimed shared.txt", "has claimed other.txt", "waits for task 1, which has claimed shared.txt"}

    def are_shown() -> bool:
        has_run = (shed.path / ".aurora/runs.db").exists()
        return has_run and wanted <= {line.strip() for line in shown(aur).splitlines()}

    wait_for(are_shown)
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    tasks = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert [each["claims"] for each in tasks] == [["shared.txt"], [], ["other.txt"]]
    (tmp_path / "go").touch()
    out, err = running.communicate(timeout=50)
    assert "3 of 3 succeeded" in out, err
    assert "claimed" not in shown(aur)
    events = [json.loads(line) for line in aur("audit", "export", run_id).stdout.splitlines()]
    assert sorted(each["task"] for each in events if each["kind"] == "files_claimed") == ["1", "2", "3"]


def shown(aur: Aur) -> str:
    runs = json.loads(aur("runs", "list", "--json").stdout)["runs"]
    return aur("runs", "show", runs[0]["run_id"]).stdout if runs else ""


def test_a_resume_cannot_change_it(aur: Aur, shed: Shed) -> None:
    outcome = aur("spawn", "--resume", "spawn-1", "--overlaps", "allow")
    assert outcome.returncode == ExitCode.USAGE
    assert "--overlaps" in outcome.stderr
