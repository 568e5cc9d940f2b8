"""A cited place must exist and say what is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aurora_soar.evidence.citations import CitationChecker
from aurora_soar.evidence.evidence import Finding, FindingKind

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = '''class Heap:
    def pop(self):
        """Remove the smallest item and
        return it to the caller.
        """
        return self._items.pop(0)
'''


@pytest.fixture
def checker(tmp_path: Path) -> CitationChecker:
    (tmp_path / "heap.py").write_text(SOURCE)
    return CitationChecker(tmp_path)


def finding(kind: FindingKind, line: int, text: str, *, symbol: str = "Heap.pop", file: str = "heap.py") -> Finding:
    return Finding(kind=kind, file=file, line=line, line_end=line, symbol=symbol, text=text)


@pytest.mark.parametrize(
    "sound",
    [
        finding(FindingKind.DEFINITION, 2, "def pop(self)"),
        finding(FindingKind.CALLEE, 2, "def pop(self)"),
        finding(FindingKind.STATEMENT, 3, "Remove the smallest item and return it to the caller."),
        finding(FindingKind.STEP, 6, "return self._items.pop(0)"),
        finding(FindingKind.CALLER, 6, "return  self._items.pop(0)"),
    ],
)
def test_what_stands_there_is_sound(checker: CitationChecker, sound: Finding) -> None:
    assert checker.is_sound(sound)


@pytest.mark.parametrize(
    "unsound",
    [
        finding(FindingKind.DEFINITION, 6, "def push(self)", symbol="Heap.push"),
        finding(FindingKind.STEP, 6, "return self._items"),
        finding(FindingKind.STATEMENT, 3, "Remove the largest item."),
        finding(FindingKind.STATEMENT, 5, "Remove the smallest item and return it to the caller."),
        finding(FindingKind.STEP, 7, "return self._items.pop(0)"),
        finding(FindingKind.STEP, 1, "class Heap:", file="missing.py"),
        finding(FindingKind.STEP, 1, "root:x:0:0:root:/root:/bin/bash", file="../../../../../../etc/passwd"),
    ],
)
def test_what_does_not_stand_there_is_unsound(checker: CitationChecker, unsound: Finding) -> None:
    assert not checker.is_sound(unsound)


def test_a_file_that_changed_since_it_was_indexed_is_noticed(tmp_path: Path) -> None:
    claim = finding(FindingKind.STEP, 6, "return self._items.pop(0)")
    (tmp_path / "heap.py").write_text(SOURCE.replace("pop(0)", "pop()"))
    assert CitationChecker(tmp_path).sound([claim]) == []


def test_a_link_out_of_the_project_is_no_source(tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("secret = 1\n")
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "link.py").symlink_to(outside)
    assert not CitationChecker(inside).is_sound(finding(FindingKind.STEP, 1, "secret = 1", file="link.py"))


def test_order_is_kept(checker: CitationChecker) -> None:
    good = finding(FindingKind.STEP, 6, "return self._items.pop(0)")
    other = finding(FindingKind.DEFINITION, 1, "class Heap", symbol="Heap")
    bad = finding(FindingKind.STEP, 2, "nothing of the kind")
    assert checker.sound([good, bad, other]) == [good, other]


@pytest.mark.parametrize(
    ("file", "line", "last", "exists"),
    [
        ("heap.py", 1, None, True),
        ("heap.py", 6, 6, True),
        ("heap.py", 2, 6, True),
        ("heap.py", 2, 7, False),  # the range ends behind the file
        ("heap.py", 0, None, False),
        ("heap.py", 7, None, False),
        ("heap.py", None, None, True),
        ("gone.py", None, None, False),
        (".", None, None, False),
        ("../heap.py", None, None, False),
        ("/etc/hostname", 1, None, False),
    ],
)
def test_a_place_exists_or_does_not(
    checker: CitationChecker, file: str, line: int | None, last: int | None, *, exists: bool
) -> None:
    assert checker.exists(file, line, last) is exists


def test_an_empty_line_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n\n   \ny = 2\n")
    checker = CitationChecker(tmp_path)
    assert [checker.line("a.py", number) for number in (1, 2, 3, 4, 5)] == ["x = 1", None, None, "y = 2", None]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"a\r\nb\r\nc", ["a", "b", "c"]),
        (b"a\rb\r", ["a", "b", None]),
        ("a\fb\u2028c\nd".encode(), ["a\fb\u2028c", "d", None]),  # as the memory counts lines
        (b"\xff\xfea\nb", ["\ufffd\ufffda", "b", None]),
        (b"", [None, None, None]),
    ],
)
def test_lines_are_counted_as_the_memory_counts_them(tmp_path: Path, content: bytes, lines: list[str | None]) -> None:
    (tmp_path / "a.py").write_bytes(content)
    checker = CitationChecker(tmp_path)
    assert [checker.line("a.py", number) for number in (1, 2, 3)] == lines


def test_a_claim_needs_a_line_with_text_whatever_the_text_is(checker: CitationChecker) -> None:
    assert checker.is_sound(finding(FindingKind.CLAIM, 2, "the heap is a list"))
    assert not checker.is_sound(finding(FindingKind.CLAIM, 99, "the heap is a list"))
