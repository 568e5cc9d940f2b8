"""`aur goals` and `aur plan`: a goal becomes a reviewed plan on disk, and `aur spawn` runs its tasks as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.terminals import on_terminal
from tests.exhaustive import few

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

GOAL = "Add a discount to the till"


def folders(shop: Path) -> list[str]:
    return sorted(each.name for each in (shop / ".aurora" / "plans").glob("0*"))


def test_a_goal_becomes_a_plan_that_spawn_runs_as_it_is(aur: Aur, shop: Path) -> None:
    outcome = aur("goals", GOAL, "--yes")
    assert outcome.returncode == ExitCode.DONE
    assert "planned by rules, without a model" in outcome.stdout
    assert "GAP: ideal would be" in outcome.stdout
    assert "estimated time: unknown (too little history of local)" in outcome.stdout
    assert "run it:  aur spawn .aurora/plans/0001-add-a-discount-to-the-till/tasks.md" in outcome.stdout
    taskfile = shop / ".aurora" / "plans" / folders(shop)[0] / "tasks.md"
    run = aur("spawn", str(taskfile), "--yes")
    assert run.returncode == ExitCode.DONE, run.stderr
    assert "[ ]" not in taskfile.read_text()
    assert "5 of 5 tasks done" in aur("plan", "list").stdout
    again = aur("goals", GOAL, "--yes").stdout
    assert "(p50) to" in again.split("estimated time:")[1], "the run is history now"


def test_without_a_terminal_a_plan_needs_a_yes(aur: Aur, shop: Path) -> None:
    outcome = aur("goals", GOAL)
    assert outcome.returncode == ExitCode.USAGE
    assert "use --yes" in outcome.stderr
    assert not (shop / ".aurora").exists()
    assert aur("goals", "?!", "--yes").returncode != ExitCode.DONE
    assert not (shop / ".aurora").exists()


def test_the_document_is_goals_json_with_its_place_and_estimate(aur: Aur, shop: Path) -> None:
    document = json.loads(aur("goals", GOAL, "--yes", "--json").stdout)
    written = json.loads((Path(document["folder"]) / "goals.json").read_text())
    assert {key: document[key] for key in written} == written
    assert document["estimate"] == {
        "cost_usd": {"p50": 0.0, "p90": 0.0},
        "time_s": None,
        "without_history": ["local"],
    }
    shown = json.loads(aur("plan", "show", "1", "--json").stdout)
    assert shown == {"schema": "aur.plan/1", **written}


@pytest.mark.parametrize(
    ("typed", "status", "written"),
    few([("p\n", 0, True), ("nonsense\na\n", 1, False), ("f\n", 0, True), ("\n", 0, True), ("a\n", 1, False)], 3),
)
def test_the_review_decides_at_the_terminal(shop: Path, typed: str, status: int, written: bool) -> None:
    found, output = on_terminal("goals", GOAL, typed=typed)
    assert found == status, output
    assert "p = proceed, f = fallback, e = edit, a = abort" in output
    assert bool(folders(shop)) is written
    if typed == "f\n":
        assert "You work as" not in (shop / ".aurora" / "plans" / folders(shop)[0] / "tasks.md").read_text()


def editor(folder: Path, script: str) -> str:
    program = folder / "editor.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_tasks_can_be_edited_in_the_review(shop: Path, tmp_path: Path) -> None:
    edit = editor(tmp_path, 'printf -- "- [ ] 1 Ask the customers\\n" > "$1"')
    status, output = on_terminal("goals", GOAL, typed="e\np\n", EDITOR=edit, VISUAL="")
    assert status == 0, output
    assert "Ask the customers" in output
    folder = shop / ".aurora" / "plans" / folders(shop)[0]
    assert (folder / "tasks.md").read_text() == "- [ ] 1 Ask the customers\n"
    goals = json.loads((folder / "goals.json").read_text())
    assert [each["description"] for each in goals["subgoals"]] == ["Ask the customers"]


def test_an_edit_that_is_no_task_file_leaves_the_plan_and_keeps_the_text(shop: Path, tmp_path: Path) -> None:
    edit = editor(tmp_path, 'printf -- "- [ ] 1 a\\n  - Depends: 9\\n" > "$1"')
    status, output = on_terminal("goals", GOAL, typed="e\na\n", EDITOR=edit, VISUAL="")
    assert status == 1
    assert "the plan is as it was before; your text is kept in" in output
    kept = Path(output.split("your text is kept in ")[1].split()[0])
    assert "Depends: 9" in kept.read_text()
    kept.unlink()


def test_an_edit_without_an_editor_is_told_how_to_get_one(shop: Path) -> None:
    assert "set EDITOR" in on_terminal("goals", GOAL, typed="e\na\n", EDITOR="", VISUAL="")[1]


def test_plans_are_listed_shown_and_archived(aur: Aur, shop: Path) -> None:
    assert "no plan yet" in aur("mem", "index").stderr + aur("plan", "list").stderr
    aur("goals", GOAL, "--yes")
    assert "## Goal\n\n> Add a discount" in aur("plan", "show", "1").stdout
    assert aur("plan", "archive", "1").returncode == ExitCode.DONE
    assert aur("plan", "list").stdout == ""
    (archived,) = json.loads(aur("plan", "list", "--archived", "--json").stdout)["plans"]
    assert archived["status"] == "archived"
    assert json.loads(aur("plan", "show", "1", "--json").stdout)["status"] == "archived"
    missing = aur("plan", "show", "9")
    assert missing.returncode == ExitCode.USAGE
    assert "aur plan list" in missing.stderr


def test_text_that_could_control_the_terminal_is_escaped(aur: Aur, shop: Path) -> None:
    aur("goals", "Add \x1b[31mred\x1b[0m things", "--yes")
    goals = shop / ".aurora" / "plans" / folders(shop)[0] / "goals.json"
    goals.write_text(goals.read_text().replace('"title": "Add', '"title": "\\u001b[31mAdd'))
    assert "\x1b" not in aur("plan", "list").stdout + aur("plan", "show", "1").stdout
    goals.write_text("{")
    for shown in (aur("plan", "show", "1"), aur("plan", "show", "1", "--json")):
        assert "Traceback" not in shown.stderr
        assert "bug in" not in shown.stderr
    assert aur("plan", "show", "1", "--json").returncode == ExitCode.ENVIRONMENT
    broken = aur("plan", "list")
    assert "problem:" in broken.stdout
    assert broken.returncode == ExitCode.DONE


def test_the_plan_of_a_model_is_used(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").mkdir()
    plan = {"goal": "g", "subgoals": [{"description": "Ask the till keeper", "assigned_agent": "planner"}]}
    answer = shop / "answer.txt"
    answer.write_text("Here you are:\n" + json.dumps(plan).replace('"', "'"))
    config = f'backends:\n  planner: {{kind: command, command: ["cat", "{answer}"]}}\n'
    (shop / ".aurora" / "config.yaml").write_text(config)
    outcome = aur("goals", GOAL, "--yes", "--tool", "planner")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "planned by planner" in outcome.stdout
    assert "@planner plans\n" in outcome.stderr
    assert "no gap" in outcome.stdout
    taskfile = shop / ".aurora" / "plans" / folders(shop)[0] / "tasks.md"
    assert "- [ ] 1 Ask the till keeper\n  - Agent: planner\n" in taskfile.read_text()


def test_the_same_goal_is_planned_once_until_something_changes(aur: Aur, shop: Path) -> None:
    (shop / ".aurora").mkdir()
    plan = {"goal": "g", "subgoals": [{"description": "Ask the till keeper", "assigned_agent": "planner"}]}
    script = f"echo >> .aurora/asked; echo '{json.dumps(plan)}'"
    command = json.dumps(["sh", "-c", script])
    config = f"backends:\n  planner: {{kind: command, command: {command}}}\n"
    (shop / ".aurora" / "config.yaml").write_text(config)

    def planned(*options: str) -> tuple[str, int]:
        outcome = aur("goals", GOAL, "--yes", "--tool", "planner", *options)
        assert outcome.returncode == ExitCode.DONE, outcome.stderr
        assert "Ask the till keeper" in outcome.stdout
        return outcome.stdout, len((shop / ".aurora" / "asked").read_text().splitlines())

    first, asked = planned()
    assert ("note:" in first, asked) == (False, 1)
    again, asked = planned()
    assert asked == 1
    assert "planned by planner" in again
    assert "note: this plan was made before" in again
    assert planned("--no-cache") == (first.replace("0001", "0003"), 2)
    (shop / "scales.py").write_text("def weigh(article):\n    return article.grams\n")
    assert planned()[1] == 3, "the code is not what it was"
    assert aur("goals", "--from", "x", "--yes", "--no-cache").returncode == ExitCode.USAGE


def test_a_folder_of_a_spec_tool_is_a_plan_that_spawn_runs(aur: Aur, shop: Path) -> None:
    folder = shop / "openspec" / "changes" / "add-receipts"
    folder.mkdir(parents=True)
    (folder / "proposal.md").write_text("## Why\n\nThe till prints nothing.\n")
    (folder / "tasks.md").write_text("## 1. Till\n- [ ] 1.1 Find the till\n  - Agent: local\n")
    assert (
        "give one of these: a goal, --issue with a number, --from with a folder"
        in aur("goals", GOAL, "--from", str(folder), "--yes").stderr
    )
    outcome = aur("goals", "--from", str(folder), "--yes")
    assert outcome.returncode == ExitCode.DONE, outcome.stderr
    assert "planned by OpenSpec" in outcome.stdout
    assert "note: OpenSpec usually has specs, and it is missing" in outcome.stdout
    taskfile = shop / ".aurora" / "plans" / "0001-add-receipts" / "tasks.md"
    assert aur("spawn", str(taskfile), "--yes").returncode == ExitCode.DONE
    assert "- [x] 1.1 Find the till" in taskfile.read_text()
    assert "- [ ] 1.1" in (folder / "tasks.md").read_text(), "the tool's own file stays as it is"


def test_a_folder_that_is_no_plan_sets_nothing_up(aur: Aur, shop: Path) -> None:
    outcome = aur("goals", "--from", "src", "--yes")
    assert outcome.returncode == ExitCode.ENVIRONMENT
    assert "no folder of spec-kit, OpenSpec or Kiro" in outcome.stderr
    assert not (shop / ".aurora").exists()
