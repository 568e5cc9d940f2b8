"""Task lists of spec tools, and what people write: every box is a task, a group, done, or named in a note."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aurora_spawner import SpawnTask
from aurora_spawner.errors import GraphError, TaskFileError
from aurora_spawner.taskfiles.model import LineState, TaskFile
from aurora_spawner.taskfiles.order import EDGE_LIMIT
from aurora_spawner.taskfiles.read import parse_taskfile

if TYPE_CHECKING:
    from aurora_spawner.taskfiles.model import Order

FILE = Path("tasks.md")


def parse(text: str, *, order: Order | None = None, optional: bool = False) -> TaskFile:
    return parse_taskfile(text, FILE, order=order, optional=optional)


def waits(file: TaskFile) -> dict[str, set[str]]:
    return {str(task.id): set(task.depends_on) for task in file.tasks}


def by_id(file: TaskFile) -> dict[str, SpawnTask]:
    return {str(task.id): task for task in file.tasks}


def notes(file: TaskFile) -> list[str]:
    return [str(note) for note in file.notes]


# The forms

SPEC_KIT = """\
# Tasks: Shop

**Input**: Design documents from `/specs/001-shop/`

## Format: `[ID] [P?] [Story] Description`

- **[P]**: Can run in parallel

## Phase 1: Setup

- [x] T001 Create the project structure
- [ ] T002 [P] Configure the linter
- [ ] T003 [P] Write the CI

## Phase 2: User Story 1 (Priority: P1)

### Tests

- [ ] T004 [P] [US1] Add a contract test in tests/contract/test_users.py
- [ ] T005 [P] [US1] Create the user model in src/models/user.py
- [ ] T006 [US1] Implement the service in src/services/user.py (depends on T005)
- [ ] T007 [US1] Expose the service

**Checkpoint**: Story 1 works

## Dependencies

- T006 before T007
"""


def test_spec_kit_runs_phase_after_phase_and_what_is_marked_side_by_side() -> None:
    file = parse(SPEC_KIT)
    assert (file.form, file.done) == ("spec-kit", ("T001",))
    assert waits(file) == {
        "T002": set(),
        "T003": set(),
        "T004": {"T002", "T003"},
        "T005": {"T002", "T003"},
        "T006": {"T005"},
        "T007": {"T004", "T005", "T006"},
    }
    assert by_id(file)["T002"].prompt == "Configure the linter"
    assert by_id(file)["T007"].prompt == "[US1] Expose the service"


def test_paths_in_a_spec_kit_task_that_makes_something_are_its_outputs() -> None:
    tasks = by_id(
        parse(
            "- [ ] T001 [P] Create the model in src/models/user.py\n"
            "- [ ] T002 Implement GET/POST in `src/api.py` and docs/api.md, see https://example.org/a/b.html\n"
            "- [ ] T003 Update src/models/user.py\n"
            "- [ ] T004 Create app/[slug]/page.tsx\n"
            "- [ ] T005 Add a script that removes src/models/old.py\n"
            "- [ ] T006 Add the command (in .claude/commands/new.md), as on example.org/a/new.html.\n"
        )
    )
    assert tasks["T001"].files == ("src/models/user.py",)
    assert tasks["T002"].files == ("src/api.py", "docs/api.md")
    assert tasks["T006"].files == (".claude/commands/new.md",)
    assert tasks["T003"].files == tasks["T004"].files == tasks["T005"].files == ()


KIRO = """\
# Implementation Plan

- [ ] 1. Set up the project
  - Use the workspace layout
- [ ] 2. Build the search
  - Keep it in memory
  - [x] 2.1 Build the index
    - _Requirements: 1.1_
  - [-] 2.2 Rank the hits
    - Use BM25
    - _Requirements: 1.2, 1.3_
  - [ ]* 2.3 Write a property test
    - **Validates: Requirements 1.2**
- [ ] 3. Checkpoint
"""


def test_kiro_runs_in_the_order_of_the_file_and_parents_are_groups() -> None:
    file = parse(KIRO)
    assert (file.form, file.order) == ("Kiro", "in the order of the file")
    assert waits(file) == {"1": set(), "2.2": {"1"}, "3": {"2.2"}}
    assert file.left_out == ("2.3",)
    assert [(group.id, group.members) for group in file.groups] == [("2", ("2.1", "2.2", "2.3"))]
    assert by_id(file)["2.2"].prompt == (
        "Rank the hits\n- Use BM25\n- _Requirements: 1.2, 1.3_\n\nPart of: Build the search\n- Keep it in memory"
    )
    assert notes(file) == [
        "line 5: 2 is a group of 3, ticked when the last is done",
        "line 9: the box [-] marks a task in progress; run as open",
        "line 12: 2.3 is optional; left out",
    ]
    assert waits(parse(KIRO, optional=True))["3"] == {"2.3"}


def test_groups_are_found_by_number_where_nothing_is_indented() -> None:
    file = parse("# Implementation Plan\n\n- [ ] 1. Set up\n- [ ] 1.1 Install\n- [ ] 1.2 Configure\n- [ ] 2. Check\n")
    assert waits(file) == {"1.1": set(), "1.2": {"1.1"}, "2": {"1.2"}}


CC_SDD = """\
- [ ] 1. Foundation
- [ ] 1.1 Create the schema
  - _Requirements: 1.1_
- [ ] 1.2 (P) Write the loader
  - _Boundary: Loader_
- [ ] 1.3 (P) Write the saver
- [ ] 2. (P) Interface
- [ ] 2.1 Show it
- [ ] 2.2 Print it
  - _Depends: 1.1_
"""


def test_cc_sdd_runs_what_is_marked_side_by_side() -> None:
    file = parse(CC_SDD)
    assert file.form == "cc-sdd"
    assert waits(file) == {"1.1": set(), "1.2": {"1.1"}, "1.3": {"1.1"}, "2.1": {"1.2", "1.3"}, "2.2": {"1.1"}}
    assert by_id(file)["1.2"].title == "Write the loader"


OPEN_SPEC = """\
## 1. Database

- [ ] 1.1 Create the table
- [ ] 1.2 Create the index

## 2. API

- [ ] 2.1 Read
- [ ] 2.2 Write
"""


def test_open_spec_runs_section_after_section() -> None:
    file = parse(OPEN_SPEC)
    assert file.form == "OpenSpec"
    assert waits(file) == {"1.1": set(), "1.2": set(), "2.1": {"1.1", "1.2"}, "2.2": {"1.1", "1.2"}}


def test_a_plain_list_runs_at_once() -> None:
    file = parse("- [ ] Wash\n* [ ] Dry\n1. [ ] Fold\n2) [ ] Iron\n-  [ ] Pack\n+\t[ ] Send\n")
    assert (file.form, file.order) == ("plain list", "all at once")
    assert [task.title for task in file.tasks] == ["Wash", "Dry", "Fold", "Iron", "Pack", "Send"]
    assert not any(task.depends_on for task in file.tasks)


def test_the_order_can_be_chosen() -> None:
    assert waits(parse("- [ ] A\n- [ ] B\n- [ ] C\n  - Depends: 1\n", order="file")) == {
        "1": set(),
        "2": {"1"},
        "3": {"1"},
    }
    assert not any(waits(parse(KIRO, order="parallel")).values())
    assert waits(parse(SPEC_KIT, order="file"))["T003"] == {"T002"}


def test_the_order_of_many_tasks_does_not_need_a_graph_of_all_pairs() -> None:
    text = "".join(
        f"## Phase {phase}\n" + "".join(f"- [ ] T{phase}{number:03} [P] Do it {number}\n" for number in range(400))
        for phase in range(1, 4)
    )
    file = parse(text)
    assert sum(len(task.depends_on) for task in file.tasks) < 2 * 400 * 3
    depths: dict[str, int] = {}
    for task in file.tasks:
        depths[str(task.id)] = 1 + max((depths[each] for each in task.depends_on), default=0)
    assert max(depths[f"T1{number:03}"] for number in range(400)) < min(
        depths[f"T2{number:03}"] for number in range(400)
    )
    assert EDGE_LIMIT < 400 * 400


# Ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("- [ ] T001 Do it\n- [ ] T002 Do more\n", ["T001", "T002"]),
        ("- [ ] A1 Do it\n- [ ] B2 Do more\n- [ ] A2 Do all\n  - Depends: A1, B2\n", ["A1", "B2", "A2"]),
        ("- [ ] **1.1** Do it\n- [ ] **1.2 Do more**\n", ["1.1", "1.2"]),
        ("- [ ] 1) Do it\n- [ ] 2: Do more\n- [ ] 3 - Do all\n", ["1", "2", "3"]),
        ("- [ ] Task 1: Do it\n- [ ] Task 2: Do more\n", ["1", "2"]),
        ("- [ ] TASK-7: Do it\n", ["TASK-7"]),
        ("1. [ ] Do it\n2. [ ] Do more\n", ["1", "2"]),
        ("1) [ ] Do it\n   1) [ ] First\n   2) [ ] Second\n2) [ ] Do more\n", ["1.1", "1.2", "2"]),
        ("1. [ ] Do it\n1. [ ] Do more\n", ["1", "2"]),
        ("- [ ] Do it\n- [ ] 7. Do more\n", ["task-1", "7"]),
        ("- [ ] 10.2 Do it\n- [ ] 10.2a Do more\n- [ ] 2a.1 Do all\n", ["10.2", "10.2a", "2a.1"]),
    ],
)
def test_ids_are_what_the_file_calls_its_tasks(text: str, ids: list[str]) -> None:
    assert [task.id for task in parse(text).tasks] == ids


@pytest.mark.parametrize(
    "text",
    [
        "404 page is missing",
        "500 is answered for an empty name",
        "3 retries are not enough",
        "S3 upload fails",
        "2FA codes expire",
        "1.5x speed is too fast",
    ],
)
def test_a_number_that_is_part_of_the_sentence_stays(text: str) -> None:
    for file in (parse(f"- [ ] {text}\n"), parse(f"- [ ] Wash\n- [ ] {text}\n- [ ] Dry\n")):
        assert text in [task.prompt for task in file.tasks]
    numbered = parse(f"- [ ] 1 Wash\n- [ ] 2 Dry\n- [ ] {text}\n") if text[:3] in ("404", "500") else None
    assert numbered is None or numbered.tasks[2].prompt == text


def test_numbers_that_start_anew_are_called_after_their_heading() -> None:
    file = parse(
        "## Backend\n- [ ] 1. Read\n- [ ] 2. Write\n  - Depends: 1\n"
        "## Frontend\n- [ ] 1. Show\n- [ ] 2. Edit\n  - Depends: 1, backend/2\n- [ ] 3. Save\n  - Depends: 2\n"
    )
    assert waits(file) == {
        "backend/1": set(),
        "backend/2": {"backend/1"},
        "frontend/1": set(),
        "frontend/2": {"frontend/1", "backend/2"},
        "3": {"frontend/2"},
    }


def test_sections_of_one_name_are_told_apart_by_what_is_above() -> None:
    file = parse("# A\n## Tasks\n- [ ] 1. One\n# B\n## Tasks\n- [ ] 1. Two\n")
    assert [task.id for task in file.tasks] == ["a/tasks/1", "b/tasks/1"]


def test_a_number_of_several_other_sections_is_refused_with_the_choice() -> None:
    with pytest.raises(
        GraphError, match=r"depends on 1, which several sections have: name one of a/1, b/1"
    ) as caught:
        parse("## A\n- [ ] 1. One\n## B\n- [ ] 1. Two\n## C\n- [ ] 5. Three\n  - Depends: 1\n")
    assert caught.value.line == 6


def test_a_line_that_was_copied_when_it_was_done_is_no_reason_to_refuse_the_file() -> None:
    file = parse("- [x] 2.5 Test it\n- [ ] 2.5 Test it\n")
    assert (len(file.done), len(file.tasks)) == (1, 1)


# Settings and prose


def test_bullets_of_a_web_api_are_prose() -> None:
    (task,) = parse("- [ ] 1 Users API\n  - GET: returns the list\n  - POST: creates one\n").tasks
    assert task.prompt == "Users API\n- GET: returns the list\n- POST: creates one"


PROSE = [
    "Model: User with email",
    "Files: src/a.py (new), tests",
    "File: src/a.py and its test",
    "Property: order does not matter",
    "Modal: asks before it deletes",
    "Filters: by date",
    "Dependencies: axios",
    "Dependencies: log4j2, python3",
    "Dependencies: es6-es2020",
    "Depends on: 2 teams",
    "Depends on: the schema",
    "depends on the schema",
    "Timeout: after 30 s",
    "Priority: whatever comes first",
    "Critical: must not fail",
    "Agent: the one who reads",
    "Model: User",
    "Pool: ten connections",
    "Check: all is well",
]


@pytest.mark.parametrize("prose", PROSE)
def test_what_only_looks_like_a_setting_stays_in_the_prompt_word_for_word(prose: str) -> None:
    for bullet in (f"- {prose}", f"* **{prose.replace(':', ':**', 1)}" if ":" in prose else f"* {prose}"):
        (task,) = parse(f"- [ ] 1 Do it\n  - Mind this\n  {bullet}\n").tasks
        assert task.prompt == f"Do it\n- Mind this\n{bullet}"
        assert (task.agent, task.model, task.files, task.timeout_s, task.priority) == (None, None, (), None, 0)


def test_near_misses_are_told_with_their_line() -> None:
    file = parse("- [ ] 1 Do it\n  - Timeout: after 30 s\n  - Agnet: reviewer\n  - Dependencies: axios\n")
    assert notes(file) == [
        (
            "line 2: “- Timeout: after 30 s” is not a setting and stays in the prompt: "
            "a timeout must be a time above 0, such as 90, 90s, 5m or 1h"
        ),
        "line 3: “- Agnet: reviewer” is not a setting; did you mean Agent?",
        (
            "line 4: “- Dependencies: axios” is not a setting and stays in the prompt: "
            "tasks must be named by their ids, such as 1.1 or T001"
        ),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "- Depends: 1.1, 1.2",
        "- Depends on: 1.1 and 1.2",
        "- **Depends on:** Task 1.1, task 1.2.",
        "- **Dependencies**: `1.1`; #1.2",
        "- _Depends: 1.1, 1.2_",
        "_Depends: 1.1, 1.2_",
        "- depends_on: 1.1, 1.2 (the schema)",
        "- Blocked by: 1.1 & 1.2",
        "- Depends: 1.1-1.2",
        "- depends on 1.1, 1.2",
        "- (depends on 1.1, 1.2)",
        "- *Blocked by 1.1 and 1.2.*",
        "<!-- depends: 1.1, 1.2 -->",
    ],
)
def test_dependencies_in_every_spelling(line: str) -> None:
    (task,) = [task for task in parse(f"- [ ] 1.1 A\n- [ ] 1.2 B\n- [ ] 1.3 C\n  {line}\n").tasks if task.id == "1.3"]
    assert task.depends_on == ("1.1", "1.2")
    assert task.prompt == "C"


def test_ranges_name_what_the_file_has_of_them() -> None:
    text = "- [ ] T001 A\n- [ ] T002 B\n- [ ] T004 C\n- [ ] T005 D (depends on T001\u2013T004)\n- [ ] T006 [P] E\n"
    assert waits(parse(text))["T005"] == {"T001", "T002", "T004"}


def test_none_is_a_word_about_dependencies_too() -> None:
    for none in ("none", "**None**.", "N/A", "-", "None (the first one)"):
        assert waits(parse(KIRO + f"- [ ] 4. Aside\n  - Depends: {none}\n"))["4"] == set()


def test_a_group_that_is_depended_on_stands_for_its_tasks_and_its_settings_for_theirs() -> None:
    file = parse(
        "- [ ] 1 Group\n  - Agent: @reader\n  - Timeout: 5m\n  - [ ] 1.1 A\n  - [ ] 1.2 B\n    - Agent: writer\n"
        "- [ ] 2 After\n  - Depends: 1\n- [ ] 3 Other\n  - Depends: 2\n  - [ ] 3.1 C\n"
    )
    assert waits(file) == {"1.1": set(), "1.2": set(), "2": {"1.1", "1.2"}, "3.1": {"2"}}
    assert [(task.agent, task.timeout_s) for task in file.tasks[:2]] == [("reader", 300.0), ("writer", 300.0)]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("- [ ] T001 A\n- [ ] T002 B (depends on T009)\n", 2, "depends on T009, which does not exist"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - _Depends: 7_\n", 2, "depends on 7, which does not exist"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - Dependencies: 7\n", 2, "depends on 7, which does not exist"),
        ("- [ ] 1 A\n  - [ ] 1.1 B\n    - Depends: 1\n", 2, "depends on itself"),
        ("- [ ] T001 A (depends on T002)\n- [ ] T002 B (depends on T001)\n", 1, "depends on itself"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - Depends: a, b\n", 2, "depends on a, which does not exist"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - Depends: setup\n", 2, "depends on setup, which does not exist"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - **Depends on**: 1, the schema\n", 2, "depends on the schema, which does not"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - Dependencies: 1, axios\n", 2, "depends on axios, which does not exist"),
        ("- [ ] 1.1 A\n- [ ] 1.2 B\n- [ ] 2 C\n  - Depends: 1.1 1.2\n", 3, "depends on 1.1 1.2, which does not"),
        ("- [ ] 1.1 A\n- [ ] 2 C\n  - Depends: 1.1 (API), 1.1\n", 2, r"depends on 1.1 \(API\), which does not"),
        ("- [ ] 1 A\n- [ ] 2 B\n<!-- depends: first -->\n", 2, "depends on first, which does not exist"),
        ("- [ ] T001 A\n- [ ] T002 B (depends on T001, US1)\n", 2, "depends on US1, which does not exist"),
        ("- [ ] T001 A\n- [ ] T002 B\n  - depends on T001 and setup\n", 2, "depends on setup, which does not"),
    ],
)
def test_dependencies_that_cannot_be_are_refused_with_file_and_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(GraphError, match=problem) as caught:
        parse(text)
    assert (caught.value.path, caught.value.line) == (FILE, line)


@pytest.mark.parametrize(
    "line",
    [
        "- Depends: T001-T500",
        "(depends on T009-T001)",
        "- depends on T001-T500",
        f"- Depends: {'T001, ' * 300}",
        f"- Depends: {', '.join(f'{letter}1-{letter}99' for letter in 'ABCDEFGHIJKLM')}",
    ],
)
def test_a_list_of_ids_that_is_too_long_is_refused_but_for_a_task_that_is_done(line: str) -> None:
    own = line if line[0] == "(" else f"\n  {line}"
    with pytest.raises(TaskFileError, match=r"too long|must go up|too many") as caught:
        parse(f"- [ ] T001 A\n- [ ] T002 B {own}\n")
    assert caught.value.line == (2 if line[0] == "(" else 3)
    assert [task.id for task in parse(f"- [ ] T001 A\n- [x] T002 B {own}\n").tasks] == ["T001"]
    assert [task.id for task in parse("- [ ] T001 A\n- [x] T002 B\n  - Depends: a, b\n").tasks] == ["T001"]


def test_a_mention_of_something_else_in_brackets_is_a_note() -> None:
    file = parse("- [ ] T001 A (depends on US1)\n- [ ] T002 B (depends on the database)\n")
    assert waits(file) == {"T001": set(), "T002": {"T001"}}
    assert len(file.notes) == 2


def test_a_comment_in_code_is_no_setting_and_other_comments_stay() -> None:
    (task,) = parse("- [ ] Strip `<!-- agent: x -->` <!-- as the editor does --> <!-- agent: y -->\n").tasks
    assert (task.agent, task.prompt) == ("y", "Strip `<!-- agent: x -->` <!-- as the editor does -->")


def test_code_below_a_task_keeps_its_indentation_and_blank_lines() -> None:
    (task,) = parse("- [ ] A\n\n  ```python\n  if x:\n      y()\n\n  z()\n  ```\n").tasks
    assert task.prompt == "A\n```python\nif x:\n    y()\n\nz()\n```"


def test_a_sentence_goes_on_in_the_next_line() -> None:
    (task,) = parse("- [ ] A long task\nthat goes on.\n\nNo part of it.\n").tasks
    assert task.prompt == "A long task\nthat goes on."


# Boxes that are no tasks


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("```\n- [ ] no\n```\n", "line 2: the box is in a code block"),
        ("````\n```\n- [ ] no\n```\n- [ ] no\n````\n", "lines 3 to 5: 2 boxes are in a code block"),
        ("~~~ text\n```\n- [ ] no\n~~~\n", "line 3: the box is in a code block"),
        ("- [ ] 2 Yes\n  ```\n  - [ ] no\n  ```\n", "line 3: the box is in a code block"),
        ("- ```\n  - [ ] no\n  ```\n", "line 2: the box is in a code block"),
        ("- [ ] 2 Yes\n  ~~~\n  - [ ] no\n", "line 3: the box is in a code block"),
        ("<!--\n- [ ] no\n-->\n", "line 2: the box is in a comment"),
        ("- [ ] 2 Yes\n  <!-- later:\n  - [ ] no\n  -->\n", "line 3: the box is in a comment"),
        ("<pre>\n- [ ] no\n</pre>\n", "line 2: the box is in raw HTML"),
        ("> - [ ] no\n", "line 1: the box is in a quotation"),
        ("- > - [ ] no\n", "line 1: the box is in a quotation"),
        ("Words.\n\n    - [ ] no\n", "line 3: the box is in indented code"),
        ("- [ ] 2 Yes\n\n      - [ ] no\n", "line 3: the box is in indented code"),
        ("-      [ ] no\n", "line 1: the box is in indented code"),
        ("| a | b |\n|---|---|\n| [ ] | no |\n", "line 3: the box is in a table"),
        ("### [ ] no\n", "line 1: the box is in a heading"),
        ("[ ] no\n", "line 1: the box is in no list item"),
        ("- [ ]no\n", "line 1: the box is in no list item, or has no space after it"),
        ("- **[ ] no**\n", "line 1: the box is in no list item, or has no space after it"),
        ("- [ ]\n", "line 1: the box has no text; not run"),
        ("- [] no\n", "line 1: the box [] is neither open nor done; not run"),
        ("- [✓] no\n", "line 1: the box [✓] is neither open nor done; not run"),
    ],
)
def test_boxes_that_are_no_tasks_are_named(text: str, where: str) -> None:
    file = parse(f"{text}\n\nMore:\n\n- [ ] 1 Real\n")
    assert [note for note in notes(file) if note.startswith(where)]
    assert "no" not in [task.title for task in file.tasks]
    assert "Real" in [task.title for task in file.tasks]


def test_front_matter_and_what_never_ends_hold_no_tasks() -> None:
    file = parse("---\nlist:\n- [ ] no\n---\n- [ ] 1 Real\n")
    assert (len(file.tasks), notes(file)) == (1, ["line 3: the box is in the front matter; not a task"])
    file = parse("- [ ] 1 Real\n\n```\n- [ ] no\n- [ ] no\n")
    assert notes(file) == [
        "lines 4 to 5: 2 boxes are in a code block that starts in line 3 and never ends; not tasks"
    ]


def test_links_labels_and_references_are_no_boxes() -> None:
    file = parse("- [x](https://example.org) A link\n- [P] tasks are parallel\n- [1] A reference\n- [ ] 1 Real\n")
    assert (len(file.lines), notes(file)) == (1, [])


def test_odd_boxes_are_held_and_what_depends_on_them_waits() -> None:
    file = parse(
        "- [x] 1 done\n- [~] 2 deferred\n- [-] 3 in progress\n- [ ] 4 open\n- [ ] 5 next\n  - Depends: 2\n"
        "- [ ] 6 last\n  - Depends: 5, 4\n- [!] 7 Group\n  - [ ] 7.1 Part\n"
    )
    assert [task.id for task in file.tasks] == ["4"]
    assert file.not_run == ("2", "3", "5", "6", "7.1")
    assert notes(file) == [
        "line 2: the box [~] is neither open nor done; not run",
        "line 3: the box [-] is neither open nor done; not run",
        "line 5: 5 depends on a task that is not run; not run",
        "line 7: 6 depends on a task that is not run; not run",
        "line 9: the box [!] is neither open nor done; its tasks are not run",
        "line 10: 7.1 is in a group that is neither open nor done; not run",
    ]


def test_an_optional_task_is_never_lost_nor_part_of_another() -> None:
    text = (
        "- [ ] 1 Totals\n  - [ ] 1.1 Write the sum\n    - round once\n  - [ ]* 1.2 Write a property test of the sum\n"
        "    - **Property 1: order does not matter**\n- [ ] 2 Print the totals\n"
    )
    file = parse(text)
    assert [(line.id, line.state) for line in file.lines] == [
        ("1.1", LineState.OPEN),
        ("1.2", LineState.OPTIONAL),
        ("2", LineState.OPEN),
    ]
    assert "Property 1" not in by_id(file)["1.1"].prompt
    assert [task.id for task in parse(text, optional=True).tasks] == ["1.1", "1.2", "2"]


def test_only_real_line_ends_end_lines() -> None:
    file = parse("- [ ] 1 A\u2028- [ ] 2 B\x0b\x85\n- [ ] 3 C\r- [ ] 4 D\r\n- [ ] 5 E")
    assert [(line.id, line.line) for line in file.lines] == [("1", 1), ("3", 2), ("4", 3), ("5", 4)]


def test_a_setting_given_twice_is_refused() -> None:
    with pytest.raises(TaskFileError, match="agent is set twice for this task, first in line 2") as caught:
        parse("- [ ] 1 A\n  - Agent: a\n  - Agent: b\n")
    assert caught.value.line == 3


def test_an_asterisk_after_the_number_says_optional_too() -> None:
    file = parse("- [ ] 7.8 Write it\n- [ ] 7.9* Test it\n")
    assert ([task.id for task in file.tasks], file.left_out) == (["7.8"], ("7.9",))


def test_a_comment_at_the_end_of_a_detail_is_a_setting_too() -> None:
    (task,) = parse("- [ ] 1 A\n  - with care <!-- agent: x -->\n  <!-- priority: high -->\n").tasks
    assert (task.agent, task.priority, task.prompt) == ("x", 10, "A\n- with care <!-- agent: x -->")


def test_files_of_a_group_are_words_for_its_tasks() -> None:
    (task,) = parse("- [ ] 1 A\n  - Files: src/a.py\n  - [ ] 1.1 B\n").tasks
    assert (task.files, task.prompt) == ((), "B\n\nPart of: A\n- Files: src/a.py")


def test_a_long_text_of_a_group_is_told_in_part() -> None:
    file = parse("- [ ] 1 A\n" + "  - more and more words\n" * 2000 + "  - [ ] 1.1 B\n  - [ ] 1.2 C\n")
    assert all(len(task.prompt) < 5000 for task in file.tasks)
    assert file.tasks[0].prompt.endswith("… (the rest is in the task file, line 1)")


def test_a_task_that_names_its_own_number_means_the_one_of_another_section() -> None:
    file = parse("## A\n- [ ] 1.1 X\n- [ ] 1.2 Z\n## B\n- [ ] 1.1 Y\n  - Depends: 1.1\n")
    assert waits(file) == {"a/1.1": set(), "1.2": set(), "b/1.1": {"a/1.1"}}


def test_what_a_task_says_goes_before_the_order_of_its_file() -> None:
    file = parse("- [ ] T001 A\n  - depends on T002\n- [ ] T002 [P] B\n- [ ] T003 C\n")
    assert waits(file) == {"T001": {"T002"}, "T002": set(), "T003": {"T001", "T002"}}
    file = parse(KIRO + "- [ ] 4. Late\n" + "- [ ] 5. Later\n  - _Depends: 4_\n", order="file")
    assert waits(file)["5"] == {"4"}
    assert waits(parse("- [ ] A\n  - Depends: 3\n- [ ] B\n- [ ] C\n", order="file")) == {
        "1": {"3"},
        "2": {"1", "3"},
        "3": set(),
    }
