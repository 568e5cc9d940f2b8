"""Folders of spec-kit, OpenSpec and Kiro: taken as they are, losses named, hostile ones refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aurora_soar import Aurora, ReviewDecision, SpecFolderError
from aurora_soar.plans.spec_folder import MOST_FILES, read_spec_folder
from aurora_spawner import read_taskfile

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC_KIT = {
    "spec.md": (
        "# Feature Specification: Till receipts\n\n**Feature Branch**: `002-till`\n"
        '**Input**: User description: "Print a receipt for each sale"\n\n'
        "- **FR-001**: receipts are kept for [NEEDS CLARIFICATION: how long?]\n"
    ),
    "plan.md": "# Implementation Plan\n",
    "contracts/api.yaml": "receipt: {}\n",
    "tasks.md": (
        "# Tasks\n\n## Phase 1: Setup\n\n- [x] T001 Create the folders\n"
        "- [ ] T002 [P] Configure linting in setup.cfg\n\n"
        "## Phase 2: Receipts\n\n- [ ] T003 [P] [US1] Write tests in tests/test_receipt.py\n"
        "- [ ] T004 [US1] Print the receipt in src/receipt.py (depends on T003)\n  with a total line\n"
        "- [~] T005 Someday\n"
    ),
}
OPEN_SPEC = {
    "proposal.md": "## Why\n\nPasswords alone are weak.\n\n## What Changes\n- One more factor\n",
    "specs/sign-in/spec.md": "## ADDED Requirements\n",
    "tasks.md": "## 1. Store\n- [ ] 1.1 Add the column\n- [ ] 1.2 Migrate\n\n## 2. API\n- [ ] 2.1 Check codes",
}
KIRO = {
    "requirements.md": "# Requirements\n\n## Introduction\n\nUsers sign in\nwith a code.\n\n## Requirements\n",
    "design.md": "# Design\n",
    "tasks.md": (
        "# Implementation Plan\r\n\r\n- [ ] 1. Data\r\n\r\n  - [ ] 1.1 Create the user\r\n    - With a name\r\n\r\n"
        "    - _Requirements: 1.1_\r\n  - [ ]* 1.2 Property tests\r\n- [ ] 2. Form\r\n  - Ask for the code\r\n"
    ),
}


@pytest.fixture
def lay(shop: Path) -> Callable[..., Path]:
    """Write a folder of documents in the project."""

    def write(documents: dict[str, str], name: str = "specs/002-till") -> Path:
        for each, text in documents.items():
            path = shop / name / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return shop / name

    return write


def lines_of(path: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(line.id, line.title, line.task.depends_on) for line in read_taskfile(path).lines]


@pytest.mark.parametrize(
    ("documents", "name", "tool", "goal"),
    [
        (SPEC_KIT, "specs/002-till", "spec-kit", "Till receipts\n\nPrint a receipt for each sale"),
        (OPEN_SPEC, "openspec/changes/add-otp", "OpenSpec", "Add otp\n\nPasswords alone are weak."),
        (KIRO, ".kiro/specs/user-auth", "Kiro", "User auth\n\nUsers sign in with a code."),
    ],
)
def test_a_folder_becomes_a_plan_with_its_own_tasks(
    lay: Callable[..., Path], documents: dict[str, str], name: str, tool: str, goal: str
) -> None:
    folder = lay(documents, name)
    with Aurora.open() as aurora:
        review = aurora.plan_folder(folder)
        stored = aurora.write_plan(review, ReviewDecision.PROCEED)
    assert review.plan.goal == goal
    assert review.plan.spec is not None
    assert review.plan.planned_by == tool
    assert lines_of(stored.taskfile) == lines_of(folder / "tasks.md"), "ids, words and order are those of the tool"
    assert (folder / "tasks.md").read_bytes() == documents["tasks.md"].encode(), "the tool's own file stays as it is"
    document = json.loads((stored.folder / "goals.json").read_text())
    assert document["from"]["tool"] == tool
    assert f"{name}/{next(iter(documents))}" in document["from"]["documents"]
    kept = [line for line in documents["tasks.md"].splitlines() if line.strip()]
    written = stored.taskfile.read_text().splitlines()
    assert [line for line in written if line in kept] == kept, "no line is lost"
    for line in read_taskfile(stored.taskfile).lines:
        if line.id in {each.task for each in review.plan.subgoals}:
            assert goal.partition("\n")[0] in line.task.prompt
            assert f"{name}/{next(iter(documents))}" in line.task.prompt


def test_what_does_not_run_or_is_left_open_is_named(lay: Callable[..., Path], shop: Path) -> None:
    folder = lay({**SPEC_KIT, "logo.png": "\0"})
    (folder / "plan.md").unlink()
    with Aurora.open() as aurora:
        plan = aurora.plan_folder(folder).plan
    assert plan.spec is not None
    notes = "\n".join(plan.spec.notes)
    for said in ("plan.md, and it is missing", "logo.png was not read", "spec.md:6: open question: how long?"):
        assert said in notes
    assert "done before, and kept: T001" in notes
    assert "neither open nor done: T005" in notes
    assert [each.task for each in plan.subgoals] == ["T002", "T003", "T004"]
    assert [each.description for each in plan.subgoals][1] == "Write tests in tests/test_receipt.py"
    assert plan.subgoals[2].needs == (2,)


def test_a_persona_is_added_below_its_task_and_an_agent_of_the_file_stays(
    lay: Callable[..., Path], shop: Path
) -> None:
    personas = shop / ".aurora" / "agents"
    personas.mkdir(parents=True)
    (personas / "tester.md").write_text(
        "---\nname: test-engineer\ndescription: Writes automated tests, unit tests and test suites\n---\nTest.\n"
    )
    tasks = "## 1. Work\n- [ ] 1.1 Write unit tests\n- [ ] 1.2 Tidy up\n  - Agent: local\n"
    folder = lay({**OPEN_SPEC, "tasks.md": tasks}, "openspec/changes/tidy")
    with Aurora.open() as aurora:
        stored = aurora.write_plan(aurora.plan_folder(folder), ReviewDecision.FALLBACK)
    agents = [line.task.agent for line in read_taskfile(stored.taskfile).lines]
    assert agents == ["test-engineer", "local"]


def _link_out(folder: Path) -> None:
    (folder / "plan.md").unlink()
    (folder / "plan.md").symlink_to("/etc/hostname")


def _link_of_tasks(folder: Path) -> None:
    (folder / "tasks.md").unlink()
    (folder / "tasks.md").symlink_to(folder.parent / "other.md")


def _pipe(folder: Path) -> None:
    (folder / "plan.md").unlink()
    os.mkfifo(folder / "plan.md")


def _folder_of_tasks(folder: Path) -> None:
    (folder / "tasks.md").unlink()
    (folder / "tasks.md").mkdir()


def _many(folder: Path) -> None:
    for number in range(MOST_FILES):
        (folder / f"{number}.md").touch()


def _deep(folder: Path) -> None:
    (folder / "a/b/c/d/e").mkdir(parents=True)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_link_out, "plan.md: is a link out of the folder"),
        (_link_of_tasks, "tasks.md: is a link out of the folder"),
        (_pipe, "plan.md: cannot be read: is not a regular file"),
        (_folder_of_tasks, "tasks.md: cannot be read: is not a regular file"),
        (_many, f"002-till: has more than {MOST_FILES} entries"),
        (_deep, "a/b/c/d/e: lies too deep"),
        (lambda folder: (folder / "tasks.md").unlink(), "has spec.md but no tasks.md; make the tasks first"),
        (lambda folder: (folder / "spec.md").unlink(), "has tasks.md but none of proposal.md"),
        (lambda folder: (folder / "spec.md").write_bytes(b"#\0"), "spec.md: is binary"),
        (lambda folder: (folder / "spec.md").write_bytes(b"\xff"), "spec.md: is not UTF-8"),
        (lambda folder: (folder / "tasks.md").write_bytes(b"x" * 1_000_001), "tasks.md: is larger than"),
    ],
)
def test_a_hostile_folder_is_refused_with_its_path(
    lay: Callable[..., Path], spoil: Callable[[Path], object], said: str
) -> None:
    folder = lay(SPEC_KIT)
    spoil(folder)
    with pytest.raises(SpecFolderError) as refused:
        read_spec_folder(folder)
    assert said in str(refused.value)


def test_a_folder_of_folders_names_those_in_it(lay: Callable[..., Path], shop: Path) -> None:
    lay(SPEC_KIT)
    with pytest.raises(SpecFolderError, match="name one of them: 002-till"):
        read_spec_folder(shop / "specs")
    with pytest.raises(SpecFolderError, match="name one of them: specs/002-till"):
        read_spec_folder(shop)
    with pytest.raises(SpecFolderError, match="is no folder"):
        read_spec_folder(shop / "none")


def test_a_folder_whose_tasks_are_done_is_no_plan(lay: Callable[..., Path]) -> None:
    folder = lay({**OPEN_SPEC, "tasks.md": "- [x] 1.1 Done\n"})
    with Aurora.open() as aurora, pytest.raises(SpecFolderError, match="no open task"):
        aurora.plan_folder(folder)


def test_an_addition_that_would_change_a_task_is_left_out(lay: Callable[..., Path]) -> None:
    """A code block that never ends would swallow what is added below it."""
    tasks = "- [ ] 1.1 Write it\n  ```\n  code\n"
    folder = lay({**OPEN_SPEC, "tasks.md": tasks}, "openspec/changes/open")
    with Aurora.open() as aurora:
        stored = aurora.write_plan(aurora.plan_folder(folder), ReviewDecision.PROCEED)
    assert lines_of(stored.taskfile) == lines_of(folder / "tasks.md")
    assert tasks in stored.taskfile.read_text()


def test_a_proposal_that_speaks_of_an_argument_makes_no_recipe(lay: Callable[..., Path]) -> None:
    folder = lay({**OPEN_SPEC, "proposal.md": "## Why\n\nThe page shows {{name}}.\n"}, "openspec/changes/page")
    with Aurora.open() as aurora:
        stored = aurora.write_plan(aurora.plan_folder(folder), ReviewDecision.PROCEED)
        plan = aurora.plan(stored.taskfile)
    assert any("The page shows {{name}}." in task.prompt for task in plan.file.tasks)
