"""`- Result:` in task files: asked for again until it is right, and shown as a document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

AGENT = """prompt=$(cat)
case $prompt in
  *"'n' is a required property"*) echo '{"n": 3}';;
  *'"n": 3'*) echo "it was three";;
  *) echo '{}';;
esac"""
CONFIG = f"tool: sh\nbackends:\n  sh: {{kind: command, command: {json.dumps(['sh', '-c', AGENT])}}}\n"
TASKS = "- [ ] 1 Count\n  - Result: count.json\n- [ ] 2 Tell\n  - Depends: 1\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config" / "aurora"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    (tmp_path / "project" / "tasks.md").write_text(TASKS)
    return tmp_path / "project"


def test_a_result_by_a_schema_is_asked_for_again_and_read_by_its_dependant(aur: Aur, project: Path) -> None:
    (project / "count.json").write_text(
        '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}'
    )
    assert aur("init").returncode == ExitCode.DONE
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "round 1 of 2: its answer is not the document asked for: $: 'n' is a required property" in outcome.stderr
    run_id = json.loads(aur("runs", "list", "--json").stdout)["runs"][0]["run_id"]
    first, second = json.loads(aur("runs", "show", run_id, "--json").stdout)["tasks"]
    assert (first["document"], first["attempts"]) == ({"n": 3}, 2)
    assert (second["document"], second["output"].strip()) == (None, "it was three")


def test_a_missing_schema_is_named_with_its_line_and_nothing_runs(aur: Aur, project: Path) -> None:
    assert aur("init").returncode == ExitCode.DONE
    outcome = aur("spawn", "tasks.md", "--yes")
    assert outcome.returncode == ExitCode.USAGE
    assert "tasks.md:2: count.json: cannot be read: No such file" in " ".join(outcome.stderr.split())
