"""A policy file broken in eighty ways: each stops everything, with the right line, column and field."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from tests.policies.broken_policies import BROKEN, Broken

from aurora_policies import PoliciesEngine, PolicyFileError

if TYPE_CHECKING:
    from pathlib import Path

HEAD = b"# policies\nbudget: {warn_at_percent: 50}\n"


def places(path: Path) -> set[tuple[int | None, int | None, str]]:
    with pytest.raises(PolicyFileError) as caught:
        PoliciesEngine.load(path)
    for each in caught.value.problems:
        if each.line is not None:
            assert f"{path}:{each.line}:{each.column}: {each.field}".rstrip(": ") in str(caught.value)
    return {(each.line, each.column, each.field) for each in caught.value.problems}


def test_there_are_fifty_and_more() -> None:
    assert len({each.content for each in BROKEN}) >= 75


@pytest.mark.parametrize("case", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_stops_everything_at_the_right_place(tmp_path: Path, case: Broken) -> None:
    path = tmp_path / "policies.yaml"
    path.write_bytes(case.written)
    found = places(path)
    with pytest.raises(PolicyFileError, match="(?i)" + re.escape(case.said)):
        PoliciesEngine.load(path)
    if case.column is None and case.line is not None:  # PyYAML counts the values that aliases stand for
        assert case.line in {line for line, _column, _field in found}
        return
    assert (case.line, case.column, case.field) in found


MOVABLE = [
    each
    for each in BROKEN
    if each.line and isinstance(each.content, str) and not each.content.startswith(("- ", "%"))
]


@pytest.mark.parametrize("case", MOVABLE, ids=range(len(MOVABLE)))
def test_lines_before_it_move_the_line_and_nothing_else(tmp_path: Path, case: Broken) -> None:
    if case.said == "must be a mapping" or case.column is None:
        pytest.skip("with lines before it, it is another error")
    path = tmp_path / "policies.yaml"
    path.write_bytes(HEAD + case.written)
    assert case.line is not None
    assert (case.line + 2, case.column, case.field) in places(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link", "unreadable"])
def test_what_is_no_readable_file_stops_everything_too(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "policies.yaml"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "dangling link":
            path.symlink_to(tmp_path / "nowhere")
        case _:
            path.symlink_to("/proc/self/mem")
    assert places(path) == {(None, None, "")}


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"# nothing\n", b"---\n...\n"])
def test_an_empty_file_is_no_broken_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policies.yaml"
    path.write_bytes(content)
    assert PoliciesEngine.load(path).policies == PoliciesEngine.load(None).policies


def test_all_errors_are_told_in_the_order_of_their_places(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("safety: {b: 1, a: 2}\nbudgt: {}\nsafety: {max_lines_changed: x}\n")
    with pytest.raises(PolicyFileError) as caught:
        PoliciesEngine.load(path)
    found = [(each.line, each.column, each.field) for each in caught.value.problems]
    assert found == sorted(found)
    assert len(found) == 3
