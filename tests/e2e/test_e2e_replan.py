"""A run of real agents whose task fails for good: one of them plans the rest anew, and the run goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.exhaustive import few

from aurora_spawner.testing import processes_of_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.stage import Stage

pytestmark = pytest.mark.slow


def document_of(stage: Stage, *words: str) -> dict[str, Any]:
    process = stage.begin(*words)
    stdout, stderr = process.communicate(timeout=120)
    assert stdout.strip(), stderr
    document: dict[str, Any] = json.loads(stdout)
    return {**document, "status": process.returncode}


@pytest.mark.parametrize("kind", few(("claude", "codex"), 1))
def test_an_agent_plans_the_rest_of_its_run_anew(kind: str, stage: Stage, need: Callable[[str], None]) -> None:
    need(kind)
    key = f"replan-{kind}"
    stage.add_agent(kind, "replan", key, name="thinker")
    stage.recovery["max_retries"] = 0
    stage.add_task("thinker", "Find the grammar")
    stage.add_task("thinker", "Write the parser", "Depends: 1", "Files: parser.txt")
    stage.add_task("thinker", "Test the parser", "Depends: 2")
    played = stage.play()
    run_id = played.document["run_id"]
    assert [each["state"] for each in played.document["tasks"]] == ["succeeded", "failed", "skipped"]
    assert f"aur plan replan {run_id}" not in played.told, "a program that reads JSON reads no advice"

    replan = document_of(stage, "plan", "replan", run_id, "--tool", "thinker", "--yes", "--json")
    assert replan["status"] == 0
    assert replan["planned_by"] == "thinker"
    assert [(each["id"], each["change"]) for each in replan["tasks"]] == [("2", "new"), ("3", "kept")]
    assert replan["lost_settings"] == ["task 2: Files: parser.txt"]

    resumed = document_of(stage, "resume", run_id, "--yes", "--json")
    assert (resumed["status"], resumed["ok"]) == (0, True)
    outputs = {each["id"]: each["output"] for each in resumed["tasks"]}
    assert outputs == {
        "1": "The grammar is in grammar.txt.",
        "2": "The lexer is written.",
        "3": "The parser is tested.",
    }
    assert len(stage.cell.asked(key)) == 5, "what was done is not done again"
    assert processes_of_run(run_id, within_s=5.0) == []
