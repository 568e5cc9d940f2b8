"""`- Review: @name` in task files: a persona or a backend reads the work, and what it says is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.cli.finished_runs import Shed, make_shed
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

BAD = '{"verdict": "send_back", "summary": "No.", "reasons": [{"reason": "not right", "file": "out.txt", "line": 1}]}'
GOOD = '{"verdict": "approve", "summary": "Yes.", "reasons": []}'
AGENT = f"""prompt=$(cat)
case $prompt in
  *"Review the work"*) echo "$prompt" > "$SAID"; if grep -q right out.txt; then echo '{GOOD}'; else echo '{BAD}'; fi;;
  *"sent it back"*) echo right > out.txt; echo done;;
  *) echo wrong > out.txt; echo done;;
esac"""
PERSONA = "---\nname: strict\ndescription: Reads every line twice.\n---\nYou never let anything pass.\n"


@pytest.fixture
def shed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shed:
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    one = {"kind": "command", "command": ["sh", "-c", AGENT], "env": {"SAID": str(tmp_path / "said")}}
    (folder / "config.yaml").write_text(
        f"tool: sh\nbackends:\n  sh: {json.dumps(one)}\n  critic: {json.dumps(one)}\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = make_shed(tmp_path, monkeypatch)
    made.repository.commit({".claude/agents/strict.md": PERSONA})
    return made


@pytest.mark.parametrize("reviewer", few(["strict", "critic"], 1))
def test_a_persona_or_a_backend_sends_work_back_and_then_approves(
    aur: Aur, shed: Shed, tmp_path: Path, reviewer: str
) -> None:
    (shed.path / "tasks.md").write_text(f"- [ ] 1 Write it\n  - Review: @{reviewer}\n")
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    agent = "sh" if reviewer == "strict" else "critic"
    assert f"its work is reviewed by {agent}" in outcome.stderr
    assert f"round 1 of 2: sent back by {agent}: out.txt:1: not right" in outcome.stderr
    assert f"unverified: no check was run; approved by {agent}" in outcome.stderr
    assert (shed.path / "out.txt").read_text() == "right\n"
    assert ("You never let anything pass." in (tmp_path / "said").read_text()) is (reviewer == "strict")
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    (task,) = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert (task["review"]["verdict"], task["review"]["agent"]) == ("approve", agent)


def test_an_unknown_reviewer_is_named_with_its_line(aur: Aur, shed: Shed) -> None:
    (shed.path / "tasks.md").write_text("- [ ] 1 Write it\n  - Review: @nobody\n")
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.USAGE
    assert "nobody" in outcome.stderr
    assert "tasks.md:1" in outcome.stderr


def test_an_unknown_reviewer_of_candidates_is_named_with_the_line_of_their_task(aur: Aur, shed: Shed) -> None:
    (shed.path / "tasks.md").write_text("# T\n\n- [ ] 1 Write it\n  - Review: @nobody\n  - Candidates: 2\n")
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.USAGE
    assert "tasks.md:3: no agent named 'nobody'" in outcome.stderr
