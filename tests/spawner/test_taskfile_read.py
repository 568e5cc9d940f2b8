"""tasks.md as a reader and as a ticker."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_spawner import SpawnerError, read_taskfile, tick
from aurora_spawner.errors import GraphError, TaskFileError
from aurora_spawner.taskfiles.read import parse_taskfile

FULL = """\
# Tasks

Some words.

## 1. First part
- [ ] 1.0 Write the lexer
  - Agent: @backend-developer
  - Model: sonnet
  - Priority: high
  - Timeout: 5m
  - Files: src/lexer.py, tests/test_lexer.py
  - Critical: no
- [x] 1.1 Choose a grammar
- [ ] 1.2 Write the parser
  - Depends: 1.0, 1.1
  - Use recursive descent
    because it reads best.

  ```python
  - [ ] not a task
  ```
* [ ] 2 Sum up <!-- agent: writer --> <!-- depends: 1.2 -->
+ [ ] 3. Check
<!-- depends: 2 -->
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tasks.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_setting_of_a_task_is_read(tmp_path: Path) -> None:
    taskfile = read_taskfile(write(tmp_path, FULL))
    assert [(line.id, line.line, line.done) for line in taskfile.lines] == [
        ("1.0", 6, False),
        ("1.1", 13, True),
        ("1.2", 14, False),
        ("2", 22, False),
        ("3", 23, False),
    ]
    lexer = taskfile.lines[0].task
    assert lexer.prompt == "Write the lexer"
    assert (lexer.agent, lexer.model, lexer.priority, lexer.timeout_s) == ("backend-developer", "sonnet", 10, 300.0)
    assert lexer.files == ("src/lexer.py", "tests/test_lexer.py")
    assert not lexer.critical


def test_what_stands_below_a_task_is_part_of_it(tmp_path: Path) -> None:
    parser = read_taskfile(write(tmp_path, FULL)).lines[2].task
    assert parser.depends_on == ("1.0", "1.1")
    assert "- Use recursive descent\n  because it reads best." in parser.prompt
    assert "- [ ] not a task" in parser.prompt


def test_comments_say_the_same_as_bullets(tmp_path: Path) -> None:
    taskfile = read_taskfile(write(tmp_path, FULL))
    assert taskfile.lines[3].task.agent == "writer"
    assert taskfile.lines[3].title == "Sum up"
    assert taskfile.lines[3].task.depends_on == ("1.2",)
    assert taskfile.lines[4].task.depends_on == ("2",)


def test_ticked_tasks_are_done_and_nobody_waits_for_them(tmp_path: Path) -> None:
    taskfile = read_taskfile(write(tmp_path, FULL))
    assert taskfile.done == ("1.1",)
    assert [(task.id, task.depends_on) for task in taskfile.tasks][1] == ("1.2", ("1.0",))


def test_tasks_without_numbers_are_counted(tmp_path: Path) -> None:
    taskfile = read_taskfile(write(tmp_path, "- [ ] One\n- [ ] Two\n  - Depends: 1\n"))
    assert [task.id for task in taskfile.tasks] == ["1", "2"]
    mixed = read_taskfile(write(tmp_path, "- [ ] One\n- [ ] 7. Two\n"))
    assert [task.id for task in mixed.tasks] == ["task-1", "7"]


def test_tasks_may_stand_at_any_depth(tmp_path: Path) -> None:
    text = "- [ ] 1 Outer\n  - Agent: a\n  - [ ] 1.1 Inner\n    - Agent: b\n\t\t- [ ] 1.1.1 Innermost\n"
    tasks = read_taskfile(write(tmp_path, text)).tasks
    assert [(task.id, task.agent) for task in tasks] == [("1.1.1", "b")]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", None, "has no tasks"),
        ("- [ ] 1 A\n  - Agent: a\n  - Agent: b\n", 3, "agent is set twice"),
        ("- [ ] <!-- agent: a -->\n", None, "has no tasks"),
        ("```\n- [ ] 1 A\n```\n", None, r"has no tasks \(1 of its boxes are in a code block\)"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, problem: str) -> None:
    with pytest.raises(TaskFileError, match=problem) as caught:
        read_taskfile(write(tmp_path, text))
    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("- [ ] 1 A\n- [ ] 1 B\n", 2, "the id is used twice in one section, first in line 1"),
        ("- [ ] 1 A\n- [ ] 2 B\n  - Depends: 3\n", 2, "depends on 3, which does not exist"),
        ("\n- [ ] 1 A\n  - Depends: 2\n- [ ] 2 B\n  - Depends: 1\n", 2, "depends on itself: 1 → 2 → 1"),
        ("- [ ] 1 A\n  - Depends: 1\n", 1, "depends on itself: 1 → 1"),
    ],
)
def test_a_graph_that_cannot_be_is_told_with_the_line_of_its_task(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(GraphError, match=problem) as caught:
        read_taskfile(path)
    assert (caught.value.line, caught.value.path) == (line, path)
    assert f"{path}:{line}" in str(caught.value)


def test_files_that_are_no_task_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskFileError, match="No such file"):
        read_taskfile(tmp_path / "missing.md")
    with pytest.raises(TaskFileError, match="is a folder"):
        read_taskfile(tmp_path)
    (tmp_path / "binary").write_bytes(b"- [ ] 1 A\n\xff\xfe")
    with pytest.raises(TaskFileError, match="is not UTF-8") as caught:
        read_taskfile(tmp_path / "binary")
    assert caught.value.line == 2
    with (tmp_path / "large").open("wb") as file:
        file.truncate(9 << 20)
    with pytest.raises(TaskFileError, match="is larger than 1 MiB"):
        read_taskfile(tmp_path / "large")


@given(st.text(alphabet=st.sampled_from("-*[] xX\n\t.:,<>!`#@é\x85\u2028\r0123456789AgentDeps"), max_size=200))
def test_any_text_gives_tasks_or_a_typed_error(text: str) -> None:
    try:
        taskfile = parse_taskfile(text, Path("tasks.md"))
    except SpawnerError:
        return
    assert len({line.id for line in taskfile.lines}) == len(taskfile.lines)


TITLES = st.from_regex(r"[A-Za-z][A-Za-z ]{0,20}[a-z]", fullmatch=True)


@given(st.lists(st.tuples(TITLES, st.booleans()), min_size=1, max_size=8), st.data())
def test_what_is_written_is_read_back(tasks: list[tuple[str, bool]], data: st.DataObject) -> None:
    text = "".join(
        f"- [{'x' if done else ' '}] {number} {title}\n" for number, (title, done) in enumerate(tasks, start=1)
    )
    taskfile = parse_taskfile(text, Path("tasks.md"))
    assert [(line.id, line.title, line.done) for line in taskfile.lines] == [
        (str(number), title, done) for number, (title, done) in enumerate(tasks, start=1)
    ]


def test_only_the_boxes_of_finished_tasks_change(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    report = tick(read_taskfile(path), ["1.0", "1.1", "2"])
    assert report.ticked == ("1.0", "2")
    expected = FULL.replace("- [ ] 1.0", "- [x] 1.0").replace("* [ ] 2", "* [x] 2")
    assert path.read_text() == expected


def test_line_ends_byte_order_mark_and_mode_stay(tmp_path: Path) -> None:
    path = tmp_path / "tasks.md"
    path.write_bytes(b"\xef\xbb\xbf- [ ] 1 A\r\n- [ ] 2 B\r\n")
    path.chmod(0o640)
    tick(read_taskfile(path), ["1"])
    assert path.read_bytes() == b"\xef\xbb\xbf- [x] 1 A\r\n- [ ] 2 B\r\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_lines_that_the_user_has_changed_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "- [ ] 1 A\n- [ ] 2 B\n- [ ] 3 C\n")
    taskfile = read_taskfile(path)
    path.write_text("New words.\n- [ ] 3 C\n- [ ] 1 A changed\n")
    report = tick(taskfile, ["1", "2", "3"])
    assert report.ticked == ("3",)
    assert [line.split(": ")[1] for line in report.left_alone] == [
        "task 1 has a different text now; its box was left alone",
        "task 2 is gone; its box was left alone",
    ]
    assert path.read_text() == "New words.\n- [x] 3 C\n- [ ] 1 A changed\n"


def test_a_box_that_the_user_has_ticked_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path, "- [ ] 1 A\n- [ ] 2 B\n")
    taskfile = read_taskfile(path)
    path.write_text("- [X] 1 A\n- [ ] 2 B\n")
    report = tick(taskfile, ["1", "2"])
    assert (report.ticked, report.left_alone) == (("2",), ())
    assert path.read_text() == "- [X] 1 A\n- [x] 2 B\n"


def test_a_group_whose_box_is_neither_open_nor_done_stays_so(tmp_path: Path) -> None:
    """Though all that is in it is done."""
    path = write(tmp_path, "- [~] 1 A\n  - [x] 1.1 B\n- [ ] 2 C\n")
    assert tick(read_taskfile(path), ["2"]).ticked == ("2",)
    assert path.read_text() == "- [~] 1 A\n  - [x] 1.1 B\n- [x] 2 C\n"


def test_a_file_that_is_broken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, "- [ ] 1 A\n")
    taskfile = read_taskfile(path)
    path.write_text("- [ ] 1 A\n- [ ] 1 A\n")
    assert tick(taskfile, ["1"]).ticked == ()
    assert path.read_text() == "- [ ] 1 A\n- [ ] 1 A\n"


def test_a_link_to_a_task_file_stays_a_link(tmp_path: Path) -> None:
    target = write(tmp_path, "- [ ] 1 A\n")
    link = tmp_path / "link.md"
    link.symlink_to(target)
    tick(read_taskfile(link), ["1"])
    assert link.is_symlink()
    assert target.read_text() == "- [x] 1 A\n"


def test_nothing_to_tick_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    before = path.stat().st_ino
    assert tick(read_taskfile(path), []).ticked == ()
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    ("line", "checks"),
    [
        ('- Check: `make lint && echo "a: b"`', ('make lint && echo "a: b"',)),
        ("- Check: pytest -q tests/api", ("pytest -q tests/api",)),
        ("- **Check:** `./check.sh`", ("./check.sh",)),
        ("- Check: ./check.sh --all", ("./check.sh --all",)),
        ("- Check: that users can log in", ()),
        ("- Check: make sure that it works", ()),
        ("- Check: test that it works", ()),
        ("- Check: node names are unique", ()),
        ("- Check: python is installed and users can log in", ()),
        ("- Check: and/or works for users", ()),
        ("- Check: npm run lint", ("npm run lint",)),
        ("- Check: ``echo `date` ``", ("echo `date`",)),
        ("- Check: `pytest` passes", ()),
        ("- Check: ``", ()),
    ],
)
def test_a_check_is_a_command_and_no_prose(tmp_path: Path, line: str, checks: tuple[str, ...]) -> None:
    file = tmp_path / "tasks.md"
    file.write_text(f"- [ ] Write it\n  {line}\n")
    read = read_taskfile(file)
    (task,) = read.tasks
    assert task.checks == checks
    assert (line in task.prompt) is not bool(checks)
    assert bool(read.notes) is not bool(checks)


def test_checks_of_the_task_its_group_and_the_file_add_up(tmp_path: Path) -> None:
    file = tmp_path / "tasks.md"
    file.write_text(
        "---\ntitle: x\ncheck: [ruff check ., 'test -e a']\n---\n- [ ] 1 Group\n  - Check: `in group`\n"
        "  - [ ] 1.1 Leaf\n    - Check: `one`\n    - Check: `two`\n    - Until: `goal`\n    - Max turns: 3\n"
    )
    (task,) = read_taskfile(file).tasks
    assert task.checks == ("one", "two", "in group", "ruff check .", "test -e a")
    assert (task.until, task.max_turns) == ("goal", 3)


@pytest.mark.parametrize("matter", ['"check": pytest', "Checks:\n- '`pytest`'"])
def test_a_check_of_the_file_may_be_written_in_several_ways(tmp_path: Path, matter: str) -> None:
    file = tmp_path / "tasks.md"
    file.write_text(f"---\n{matter}\n---\n- [ ] Write it\n")
    assert read_taskfile(file).tasks[0].checks == ("pytest",)


@pytest.mark.parametrize(
    "value", ["a\ncheck: b", "|\n  # style only:\n  touch x", "3", "{a: b}", "[1]", "['']", "[", "", "&a [x, *a]"]
)
def test_a_check_of_the_file_is_a_command_or_a_list(tmp_path: Path, value: str) -> None:
    file = tmp_path / "tasks.md"
    file.write_text(f"---\ntitle: x\ncheck: {value}\n---\n- [ ] Write it\n")
    with pytest.raises(TaskFileError) as refused:
        read_taskfile(file)
    assert (refused.value.line or 0) >= 3
    assert "check" in str(refused.value)
