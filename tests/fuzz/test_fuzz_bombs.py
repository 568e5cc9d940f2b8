"""No small file takes long, or much memory, whoever reads it; the work goes on after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from tests.core.polyglot import PARSED, Sample
from tests.exhaustive import few
from tests.fuzz.bounded import bounded

from aurora_core import Memory
from aurora_core.chunking.detect import SUFFIXES as GRAMMAR_SUFFIXES
from aurora_core.chunking.split import AS_TEXT, cut_file
from aurora_core.project_profile.detect import detect_profile
from aurora_core.project_profile.recipes import read_makefile

SIZE = 590_000
UNITS = ["(", "-", "*", "a(", "*a", "func(){", "[", '"', "def f(a=(", "# "]
SUFFIXES = sorted(
    {*(names.split()[0] for names, _ in GRAMMAR_SUFFIXES), ".h", ".vue", ".md", ".txt", ".ipynb", ".json"}
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("suffix", "start"), few(product(SUFFIXES, range(0, len(UNITS), 5)), 1))
def test_no_text_takes_long_in_any_grammar(suffix: str, start: int) -> None:
    counts = bounded(cut_some, suffix, UNITS[start : start + 5])
    assert len(counts) == len(UNITS[start : start + 5])


def cut_some(suffix: str, units: list[str]) -> list[int]:
    return [len(cut_file(f"bomb{suffix}", unit * (SIZE // len(unit.encode()))).chunks) for unit in units]


def test_what_is_too_complex_is_plain_text_and_found_as_such(tmp_path: Path) -> None:
    (tmp_path / "bomb.py").write_text("def quagga():\n    return 1\n" + ("a(" * 40 + "\n") * 6_000)
    (tmp_path / "plain.py").write_text("def wombat():\n    return 1\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert [hit.file for hit in memory.search("wombat")] == ["plain.py"]
        assert {hit.file for hit in memory.search("quagga")} == {"bomb.py"}
        assert {group.reason: group.examples for group in memory.stats().left_out} == {AS_TEXT: ("bomb.py",)}


@pytest.mark.parametrize("growth", few([1, 2, 4], 1))
def test_a_heading_takes_time_in_proportion_to_its_length(growth: int) -> None:
    line = "# " + "\t " * 100_000 * growth + "#" * 1000 + " x"
    assert len(bounded(cut_some, ".md", [line, "#" + " #" * 5])) == 2


def depth_bomb(opening: str, closing: str = "") -> Callable[[Path], None]:
    def put(root: Path) -> None:
        for suffix in (".py", ".js", ".ipynb", ".rs", ".c"):
            (root / f"deep{suffix}").write_text(opening * 90_000 + closing * 90_000)

    return put


def device(name: str, target: str = "/dev/zero") -> Callable[[Path], None]:
    def put(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)

    return put


def pipe(name: str) -> Callable[[Path], None]:
    def put(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(root / name)

    return put


def ignore_lines(text: str) -> Callable[[Path], None]:
    def put(root: Path) -> None:
        (root / ".gitignore").write_text(text)
        for number in range(20):
            (root / ("a" * 200 + f"{number}.py")).write_text("x = 1\n")
        deep = root.joinpath(*["a"] * 40)
        deep.mkdir(parents=True)
        (deep / "x.py").write_text("x = 1\n")

    return put


def spaced_key(root: Path) -> None:
    headers = f"Comment: {' ' * 80}\n" * 5
    (root / "key.txt").write_text(f"-----BEGIN RSA PRIVATE KEY-----\n{headers}!\n")


BOMBS: dict[str, Callable[[Path], None]] = {
    "ignore file is a device": device(".gitignore"),
    "ignore file is a pipe": pipe(".gitignore"),
    "source is a device": device("zero.py"),
    "source is a pipe": pipe("pipe.py"),
    "git file is a device": device("sub/.git"),
    "git file is a pipe": pipe("sub/.git"),
    "exclude file is a device": device(".git/info/exclude"),
    "ignore line of forty stars": ignore_lines("*a" * 40 + "b\n"),
    "ignore line of folders": ignore_lines("**/a/" * 12 + "b\n"),
    "ignore lines that are no patterns": ignore_lines("!\n[z-a]*\n[\n\\\n[[:x:]]\n"),
    "ignore file of one line": ignore_lines("*" * 250_000),
    "ignore file of many lines": ignore_lines("x*y\n" * 20_000),
    "nested parentheses": depth_bomb("(", ")"),
    "nested lists": depth_bomb("[", "]"),
    "nested blocks": depth_bomb("{", "}"),
    "private key of headers that end in spaces": spaced_key,
}


def indexed(root: Path) -> set[str]:
    with Memory.open(root) as memory:
        memory.index()
        return {hit.file for hit in memory.search("wombat")}


@pytest.mark.parametrize("name", few(BOMBS, 2))
def test_the_rest_of_a_project_is_indexed_whatever_lies_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain.py").write_text("def wombat():\n    return 1\n")
    BOMBS[name](tmp_path)
    assert bounded(indexed, tmp_path) == {"plain.py"}


@pytest.mark.parametrize("unit", few(["a-", "a ", "a", "a\\\n", "\t"], 2))
def test_a_makefile_is_read_in_time_in_proportion_to_its_length(unit: str) -> None:
    text = "test: x\n" + unit * (SIZE // len(unit)) + "\nbuild: y\n"
    commands = bounded(read_makefile, text, "Makefile").commands
    assert [command.line for command in commands] == ["make test", "make build"]


@pytest.mark.parametrize("target", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("name", ["Makefile", "package.json", "pyproject.toml"])
def test_a_manifest_that_is_no_file_is_passed_over(tmp_path: Path, name: str, target: str) -> None:
    if target == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to(target)
    profile = bounded(detect_profile, tmp_path, [name])
    assert name in str(profile.unread)


@pytest.mark.parametrize("unit", few(["a-", "a.", "a/", "a_", "add ", "aB", "word{} "], 1))
def test_a_long_question_is_answered(tmp_path: Path, unit: str) -> None:
    (tmp_path / "plain.py").write_text("def wombat():\n    return 1\n")
    question = "wombat " + "".join(unit.format(number) for number in range(100_000))
    assert bounded(asked, tmp_path, question) == {"plain.py"}


def asked(root: Path, query: str) -> set[str]:
    with Memory.open(root) as memory:
        memory.index()
        return {hit.file for hit in memory.search(query)}


@pytest.mark.parametrize("sample", few(PARSED, 3), ids=lambda sample: sample.file)
def test_a_program_that_ends_anywhere_is_cut_into_chunks_of_its_lines(sample: Sample) -> None:
    assert bounded(cut_at_every_place, sample.file, sample.text) == []


def cut_at_every_place(file: str, text: str) -> list[int]:
    """The places at which a program was cut off and a chunk has lines that are not there."""
    return [
        end
        for end in range(len(text))
        if any(
            not 1 <= chunk.line_start <= chunk.line_end <= text.count("\n", 0, end) + 1
            for chunk in cut_file(file, text[:end]).chunks
        )
    ]


@pytest.mark.parametrize("suffix", few(SUFFIXES, 1))
def test_a_file_of_one_line_longer_than_is_read_is_told(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "plain.py").write_text("def wombat():\n    return 1\n")
    (tmp_path / f"line{suffix}").write_text("value = [" + "1, " * 350_000 + "]")
    assert bounded(reasons, tmp_path) == {f"line{suffix}"}


def reasons(root: Path) -> set[str]:
    """The files that an index told of as left out or skipped."""
    with Memory.open(root) as memory:
        report = memory.index()
        assert [hit.name for hit in memory.search("wombat")] == ["wombat"]
        return {each.path for each in report.files_skipped} | {
            example for group in memory.stats().left_out for example in group.examples
        }
