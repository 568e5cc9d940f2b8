"""`aur spawn` on task files as people have them: what runs, in which order, what is said about every other box."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from aurora_cli.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Aur = Callable[..., CompletedProcess[str]]

CONFIG = """\
spawner: {recovery: {base_delay: 0.01}}
tool: echo
backends:
  echo: {kind: command, command: ["cat"]}
  once: {kind: command, command: ["sh", "-c", "echo ran >> ran.txt; cat"]}
  flaky: {kind: command, command: ["sh", "-c", "[ -e well ] && cat || exit 7"]}
"""


@pytest.fixture
def tasks(shop: Path) -> Path:
    """Configure agents in the project and return its task file's path."""
    (shop / ".aurora").mkdir()
    (shop / ".aurora" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return shop / "tasks.md"


def ran(outcome: CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {task["id"]: task for task in json.loads(outcome.stdout)["tasks"]}


def test_bullets_of_a_web_api_reach_the_agent(aur: Aur, tasks: Path) -> None:
    tasks.write_text("- [ ] 1 Users API\n  - GET: returns the list\n  - POST: creates one\n", encoding="utf-8")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.DONE
    assert ran(outcome)["1"]["output"].strip() == "Users API\n- GET: returns the list\n- POST: creates one"


def test_odd_boxes_are_named_and_the_run_is_not_plainly_ok(aur: Aur, tasks: Path) -> None:
    text = "- [x] 1 done\n- [~] 2 deferred\n- [-] 3 in progress\n- [ ] 4 open\n- [ ] 5 next\n  - Depends: 2\n"
    tasks.write_text(text, encoding="utf-8")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.NOT_REACHED
    document = json.loads(outcome.stdout)
    assert (document["ok"], document["not_run"], list(ran(outcome))) == (False, ["2", "3", "5"], ["4"])
    assert "line 2: the box [~] is neither open nor done; not run" in outcome.stderr
    assert "line 3: the box [-] is neither open nor done; not run" in outcome.stderr
    assert "line 5: 5 depends on a task that is not run; not run" in outcome.stderr
    assert tasks.read_text(encoding="utf-8") == text.replace("[ ] 4", "[x] 4")


def test_a_file_with_nothing_but_odd_boxes_is_not_done(aur: Aur, tasks: Path) -> None:
    tasks.write_text("- [x] 1 done\n- [~] 2 deferred\n", encoding="utf-8")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.NOT_REACHED
    assert "line 2: the box [~] is neither open nor done; not run" in outcome.stderr
    assert json.loads(aur("spawn", "tasks.md", "--json").stdout)["ok"] is False


OPTIONAL = """\
- [ ] 1 Totals
  - [ ] 1.1 Write the sum
    - round once
  - [ ]* 1.2 Write a property test of the sum
    - **Property 1: order does not matter**
- [ ] 2 Print the totals
"""


def test_an_optional_task_is_named_or_run_and_never_part_of_another(aur: Aur, tasks: Path) -> None:
    tasks.write_text(OPTIONAL, encoding="utf-8")
    outcome = aur("spawn", "tasks.md", "--json")
    assert outcome.returncode == ExitCode.DONE
    assert list(ran(outcome)) == ["1.1", "2"]
    assert "Property 1" not in ran(outcome)["1.1"]["output"]
    assert "line 4: 1.2 is optional; left out" in outcome.stderr
    text = tasks.read_text(encoding="utf-8")
    assert [line.strip()[:7].strip() for line in text.splitlines() if "[" in line] == [
        "- [x] 1",
        "- [x] 1",
        "- [ ]*",
        "- [x] 2",
    ]
    tasks.write_text(OPTIONAL, encoding="utf-8")
    assert list(ran(aur("spawn", "tasks.md", "--optional", "--json"))) == ["1.1", "1.2", "2"]
    assert "[ ]" not in tasks.read_text(encoding="utf-8")


def test_a_parent_is_ticked_with_its_children_and_is_no_task(aur: Aur, tasks: Path) -> None:
    tasks.write_text("- [ ] 2. Search\n  - [ ] 2.1 Build the index\n  - [ ] 2.2 Rank the hits\n", encoding="utf-8")
    outcome = aur("spawn", "tasks.md", "--json")
    assert list(ran(outcome)) == ["2.1", "2.2"]
    assert ran(outcome)["2.1"]["output"].strip() == "Build the index\n\nPart of: Search"
    assert tasks.read_text(encoding="utf-8").count("[x]") == 3


def test_a_parent_stays_open_while_a_child_has_failed(aur: Aur, tasks: Path) -> None:
    tasks.write_text("- [ ] 2. Search\n  - [ ] 2.1 Build\n  - [ ] 2.2 Rank\n    - Agent: flaky\n", encoding="utf-8")
    assert aur("spawn", "tasks.md").returncode == ExitCode.NOT_REACHED
    assert [line.strip()[:5] for line in tasks.read_text(encoding="utf-8").splitlines()[:3]] == [
        "- [ ]",
        "- [x]",
        "- [ ]",
    ]


def test_the_preview_names_form_order_and_every_box_that_is_no_task(aur: Aur, tasks: Path) -> None:
    tasks.write_text(
        "## Phase 1: Setup\n- [ ] T001 [P] Configure\n- [ ] T002 [P] Document\n```\n- [ ] T003 no\n```\n"
        "## Phase 2: Work\n- [ ] T004 Build\n",
        encoding="utf-8",
    )
    shown = aur("spawn", "tasks.md", "--dry-run").stdout
    assert "spec-kit: phase after phase, [P] beside its neighbours" in shown
    assert "T004  Build  (@echo, timeout 120 s, 600 s while active, after T001, T002)" in shown
    assert "note: line 5: the box is in a code block; not a task" in shown
    document = json.loads(aur("spawn", "tasks.md", "--dry-run", "--json", "--order", "file").stdout)
    assert (document["form"], document["order"]) == ("spec-kit", "one after the other, in the order of the file")
    assert [task["depends_on"] for task in document["tasks"]] == [[], ["T001"], ["T002"]]
    assert document["notes"] == [{"line": 5, "last_line": None, "text": "the box is in a code block; not a task"}]


def test_a_resume_goes_on_in_the_order_that_was_asked_for(aur: Aur, tasks: Path) -> None:
    tasks.write_text(
        "# Implementation Plan\n\n- [ ] 1. A\n  - _Requirements: 1_\n  - Agent: once\n- [ ] 2. B\n  - Agent: flaky\n"
        "- [ ] 3. C\n",
        encoding="utf-8",
    )
    outcome = aur("spawn", "tasks.md", "--json")
    assert {task: row["state"] for task, row in ran(outcome).items()} == {
        "1": "succeeded",
        "2": "failed",
        "3": "skipped",
    }
    (tasks.parent / "well").touch()
    tasks.write_text(tasks.read_text(encoding="utf-8").replace("[x]", "[ ]"), encoding="utf-8")  # as if never ticked
    run_id = json.loads(outcome.stdout)["run_id"]
    again = aur("spawn", "--resume", run_id, "--retry-failed", "--json")
    assert again.returncode == ExitCode.DONE, again.stderr
    assert {task: row["state"] for task, row in ran(again).items()} == dict.fromkeys("123", "succeeded")
    assert (tasks.parent / "ran.txt").read_text(encoding="utf-8") == "ran\n"
    assert "[ ]" not in tasks.read_text(encoding="utf-8")


def test_a_resumed_run_keeps_its_optional_tasks(aur: Aur, tasks: Path) -> None:
    tasks.write_text("- [ ] 1 A\n  - Agent: flaky\n- [ ]* 2 B\n", encoding="utf-8")
    run_id = json.loads(aur("spawn", "tasks.md", "--optional", "--json").stdout)["run_id"]
    (tasks.parent / "well").touch()
    again = aur("spawn", "--resume", run_id, "--retry-failed", "--json")
    assert list(ran(again)) == ["1", "2"]
    assert "no effect with --resume: --optional" in aur("spawn", "--resume", run_id, "--optional").stderr


def test_a_link_to_a_device_is_no_task_file(aur: Aur, tasks: Path) -> None:
    tasks.symlink_to("/dev/zero")
    outcome = aur("spawn", "tasks.md")
    assert outcome.returncode == ExitCode.USAGE
    assert "is not a regular file" in outcome.stderr
