"""Task files of any form and of any bytes: boxes are accounted for, ticks change one byte, reading is linear."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from tests.exhaustive import examples, few

from aurora_spawner import SpawnerError, read_taskfile, tick
from aurora_spawner.errors import TaskFileError
from aurora_spawner.taskfiles import lines
from aurora_spawner.taskfiles.model import TaskFile
from aurora_spawner.taskfiles.read import BOX_LIMIT, parse_taskfile
from aurora_spawner.taskfiles.reading import SIZE_LIMIT_BYTES

FILE = Path("tasks.md")
BOX = re.compile(r"^[\s>]*(?:[-*+]|\d+[.)])\s+\[[ xX~/>!?-]?\](?=[\s*]|$)")

# Files as people write them, with everything that they put between their tasks

words = st.from_regex(r"[A-Z][a-z]{1,8}( [a-z]{1,8}){0,4}", fullmatch=True)
boxes = st.sampled_from(["[ ]", "[ ]", "[ ]", "[x]", "[X]", "[-]", "[~]", "[ ]*", "[x]*", "[]", "[/]", "[!]"])
markers = st.sampled_from(["- ", "* ", "+ ", "-  ", "-\t", "1. ", "2) "])
labels = st.sampled_from(["", "", "", "[P] ", "[P] [US1] ", "(P) "])
details = st.sampled_from(
    [
        "- a detail",
        "- Agent: @reviewer",
        "- Model: User with email",
        "- _Requirements: 1.1_",
        "- GET: returns the list",
        "_Boundary: Loader_",
        "- Timeout: 5m",
        "more words",
        "<!-- priority: high -->",
        "```\n- [ ] in code\n```",
        "> - [ ] quoted",
        "<!--\n- [ ] in a comment\n-->",
    ]
)
between = st.sampled_from(
    [
        "",
        "## Phase 1: Setup",
        "## 2. Backend",
        "## Notes",
        "Words between.",
        "**Checkpoint**: all is well",
        "```text\n- [ ] in code\n  - [x] too\n```",
        "````\n```\n- [ ] nested\n```\n````",
        "<!-- - [ ] hidden -->",
        "<!--\n- [ ] hidden\n-->",
        "> - [ ] quoted",
        "Words.\n\n    - [ ] indented",
        "- a bullet",
        "---",
    ]
)


@st.composite
def task_lines(draw: st.DrawFn) -> str:
    """Draws one to six boxes with consecutive numbers of one style, nested or not, and details below them."""
    style = draw(st.sampled_from(["T{0:03} ", "{0}. ", "{0}.{1} ", "", "{0} "]))
    start, depth = draw(st.integers(1, 3)), 0
    found = []
    for number in range(start, start + draw(st.integers(1, 6))):
        indent = "  " * depth
        text = style.format(number, number) + draw(labels) + draw(words)
        found.append(f"{indent}{draw(markers)}{draw(boxes)} {text}")
        for detail in draw(st.lists(details, max_size=2, unique=True)):
            found += [f"{indent}    {line}" for line in detail.split("\n")]
        depth = draw(st.integers(0, min(depth + 1, 3)))
    return "\n".join(found)


@st.composite
def files(draw: st.DrawFn) -> str:
    head = draw(st.sampled_from(["", "# Tasks\n", "---\na: b\n---\n", "# Implementation Plan\n\n", "\ufeff"]))
    parts = draw(st.lists(st.one_of(task_lines(), between), min_size=1, max_size=8))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = head + draw(st.sampled_from(["\n", "\n\n"])).join(parts) + draw(st.sampled_from(["", "\n"]))
    return text.replace("\n", end)


def box_lines(text: str) -> set[int]:
    split = re.split(r"\r\n|\n|\r", text.removeprefix("\ufeff"))
    return {number for number, line in enumerate(split, start=1) if BOX.match(line)}


def accounted(file: TaskFile) -> set[int]:
    named = {line.line for line in file.lines} | {group.line for group in file.groups}
    for note in file.notes:
        named.update(range(note.line, (note.last or note.line) + 1))
    return named


@given(files())
@settings(max_examples=examples(200), deadline=None)
def test_every_box_is_a_task_a_group_done_or_named_in_a_note(text: str) -> None:
    for optional in (False, True):
        try:
            file = parse_taskfile(text, FILE, optional=optional)
        except SpawnerError as error:
            refusal = str(error)
            assert re.search("has no tasks|used twice in one section|is set twice", refusal)
            continue
        assert box_lines(text) <= accounted(file)
        left_aside = {*file.done, *file.not_run, *file.left_out}
        assert {line.id for line in file.lines} == left_aside | {str(task.id) for task in file.tasks}
        noted = {note.line for note in file.notes}
        assert {line.line for line in file.lines if line.id in {*file.not_run, *file.left_out}} <= noted


@given(files(), st.data())
@settings(max_examples=examples(100), deadline=None)
def test_ticking_changes_one_byte_for_each_task_and_finished_group(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("ticks") / "tasks.md"
    before = text.encode()
    path.write_bytes(before)
    try:
        file = read_taskfile(path)
    except SpawnerError:
        reject()
    assume(file.tasks)
    finished = data.draw(st.sets(st.sampled_from([str(task.id) for task in file.tasks])))
    report = tick(file, finished)
    after = path.read_bytes()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert all(new == ord("x") and old in b" -" for old, new in changed)
    assert len(changed) == len(report.ticked)
    assert finished <= set(report.ticked)
    assert report.left_alone == ()
    again = read_taskfile(path)
    assert set(again.done) == {*file.done, *finished}
    assert {group.id for group in again.groups if group.done} - {group.id for group in file.groups if group.done} == (
        set(report.ticked) - finished
    )
    assert tick(again, finished).ticked == ()


@given(st.text(alphabet=st.sampled_from("-*+[] xX~\n\t.:,<>!`#@()_|\\é\x85\u2028\r01234T/AgentDeps"), max_size=300))
@settings(max_examples=examples(500), deadline=None)
def test_any_text_gives_a_file_or_a_typed_error(text: str) -> None:
    try:
        file = parse_taskfile(text, FILE)
    except SpawnerError:
        return
    assert len({line.id for line in file.lines}) == len(file.lines)
    assert all(line.task.prompt.strip() for line in file.lines)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_give_a_file_or_a_typed_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "tasks.md"
    path.write_bytes(b"- [ ] 1 A\n" + content)
    try:
        tick(read_taskfile(path), ["1"])
    except SpawnerError:
        assert path.read_bytes() == b"- [ ] 1 A\n" + content


# Files that are none


def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "zero.md").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.md")
    for name in ("zero.md", "pipe.md"):
        with pytest.raises(TaskFileError, match="is not a regular file"):
            read_taskfile(tmp_path / name)
    (tmp_path / "large.md").write_bytes(b"- [ ] A\n" + b"x" * SIZE_LIMIT_BYTES)
    with pytest.raises(TaskFileError, match="is larger than 1 MiB"):
        read_taskfile(tmp_path / "large.md")
    (tmp_path / "many.md").write_text("- [ ] A\n" * (BOX_LIMIT + 1))
    with pytest.raises(TaskFileError, match="has more than 10,000 boxes") as caught:
        read_taskfile(tmp_path / "many.md")
    assert caught.value.line == BOX_LIMIT + 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"- [ ] 1 A\n\xff\xfe", "is not UTF-8 text"),
        ("- [ ] 1 A\n".encode("utf-16"), "is not UTF-8 text"),
        ("- [ ] 1 Café\n".encode("latin-1"), "is not UTF-8 text"),
        (b"- [ ] 1 A\n\0", "contains a NUL character"),
        (b"", "has no tasks"),
    ],
)
def test_other_bytes_are_refused_with_the_reason(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "tasks.md"
    path.write_bytes(content)
    with pytest.raises(TaskFileError, match=problem):
        read_taskfile(path)


# Linear time

MEGABYTE = 1 << 20


def repeated(piece: str) -> Callable[[int], str]:
    return lambda size: "- [ ] 1 A\n" + piece * (size // len(piece))


BOMBS: dict[str, Callable[[int], str]] = {
    "an open comment": lambda size: "- [ ] 1 A <!-- a" + " " * size,
    "an open setting": lambda size: "- [ ] 1 A <!-- a:" + " " * size,
    "comment after comment": lambda size: "- [ ] 1 A " + "<!-- a: b -->" * (size // 13),
    "comments that never end": lambda size: "- [ ] 1 A " + "<!--" * (size // 4),
    "comments in code": lambda size: "- [ ] 1 A " + "`<!--a-->" * (size // 9),
    "spaces in a task": lambda size: "- [ ] 1 A" + " " * size + "b",
    "tabs before a task": lambda size: "\t" * size + "- [ ] 1 A",
    "markers in a line": lambda size: "- " * (size // 2) + "[ ] 1 A",
    "boxes in a line": lambda size: "- [ ] " * (size // 6) + "A",
    "brackets": lambda size: "- [ ] 1 A (depends on " + "(" * size,
    "a long value": lambda size: "- [ ] 1 A\n  - Depends: " + "1, " * (size // 3),
    "a long range": lambda size: "- [ ] 1 A\n  - Depends: " + "1-999, " * (size // 7),
    "a long word": lambda size: "- [ ] 1 A\n  - Depends: " + "a-" * (size // 2),
    "a long path": lambda size: "- [ ] T001 Create " + "a/" * (size // 2),
    "quotations": lambda size: ">" * size + " - [ ] A",
    "a table": lambda size: "|" + " [ ]" * (size // 4),
    "cells": lambda size: "|[ ] " * (size // 5),
    "headings": repeated("# A\n"),
    "deeper headings": lambda size: "".join(f"{'#' * (n % 6 + 1)} H{n}\n- [ ] 1 A\n" for n in range(size // 160)),
    "fences": repeated("```\n"),
    "fences in items": repeated("- ```\n"),
    "bullets": repeated("- a: b\n"),
    "settings that are none": repeated("  - Model: a b\n"),
    "slips": repeated("  - agnet: b\n"),
    "blank lines": repeated("\n"),
    "rules": repeated("---\n"),
    "stars": lambda size: "* " * (size // 2),
    "deeper and deeper": lambda size: "".join(f"{' ' * depth}- [ ] A\n" for depth in range(0, int(size**0.5), 2)),
    "deep and blank": lambda size: "- " * (size // 4) + "[ ] A\n" + "\n" * (size // 2),
    "tasks": lambda size: "".join(f"- [ ] {n} A\n" for n in range(1, BOX_LIMIT)),
    "a chain": lambda size: (
        "".join(f"- [ ] {n}. A\n  - Depends: {n - 1}\n" for n in range(2, BOX_LIMIT)) + "- [ ] 1. A"
    ),
    "side by side": lambda size: "".join(f"## Phase {n // 999}\n- [ ] T{n:05} [P] A\n" for n in range(BOX_LIMIT - 1)),
    "one name": lambda size: "".join(f"## Same\n- [x] 1. A{n}\n" for n in range(BOX_LIMIT - 1)),
    "groups of groups": lambda size: (
        "- [ ] 1 A\n"
        + "".join(f"  - [ ] 1.{n} B\n" for n in range(4000))
        + "".join(f"- [ ] {n} C\n  - Depends: 1\n" for n in range(2, 5000))
    ),
    "a talkative group": lambda size: (
        "- [ ] 1 A\n" + "  - more and more words\n" * (size // 40) + "  - [ ] B\n" * (BOX_LIMIT - 1)
    ),
    "code of blank lines": lambda size: "- [ ] 1 A\n  ```\n" + "\n" * size,
    "underlines": lambda size: "- [ ] 1 A\n" + "_" * size + ":",
    "asterisks": lambda size: "- [ ] 1 A\n  - " + "*" * size + "Agent: b",
}


@pytest.mark.parametrize("name", few(BOMBS, 2))
@pytest.mark.timeout(30)
def test_a_megabyte_of_anything_is_read_in_the_time_of_a_megabyte(name: str) -> None:
    """Square time would take hours for these, so the limit of the test is the test."""
    try:
        parse_taskfile(BOMBS[name](MEGABYTE), FILE)
    except SpawnerError:
        return


@pytest.mark.parametrize(
    "name", ["deep and blank", "bullets", "fences in items", "markers in a line", "deeper and deeper"]
)
def test_the_steps_of_the_reader_grow_as_the_text_does(name: str) -> None:
    def steps(size: int) -> int:
        text = BOMBS[name](size)
        count = 0

        def tracer(frame: object, event: str, arg: object) -> object:
            nonlocal count
            count += event == "line"
            return tracer

        before = sys.gettrace()
        sys.settrace(tracer)  # type: ignore[arg-type]
        try:
            lines.read_outline(text)
        finally:
            sys.settrace(before)
        return count

    small, large = steps(4_000), steps(16_000)
    assert large <= 5 * small
