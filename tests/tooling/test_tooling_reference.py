"""The references are what the program says, and no page names a command or an option that is not there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from tests.tooling.programs import ROOT, program

from aurora_cli.lazy import AurGroup
from aurora_cli.main import root

reference = program("reference")

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("packages/*/README.md"))]
FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(aur [^`\n]+)`")


def test_the_pages_are_what_the_program_says() -> None:
    for name, text in reference.pages().items():
        written = (reference.FOLDER / name).read_text(encoding="utf-8")
        assert written == text, "write it again: python3 dev.py run python tools/reference.py --write"


def commands_of(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ")
    lines = (line.strip().removeprefix("$ ") for line in blocks.splitlines())
    return {line for line in lines if line.startswith("aur ")} | set(INLINE.findall(text))


def words_of(line: str) -> list[str]:
    line = re.split(r"\s(?:#|\||>|&&|2>)|;", line.replace("…", "x"))[0]
    return shlex.split(line)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_and_option_of_a_page_exists(page: Path) -> None:
    wrong = []
    for line in sorted(commands_of(page)):
        command: click.Command = root
        context = click.Context(root)
        words = words_of(line)
        while isinstance(command, AurGroup) and words and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            if found is None:
                if words[0].isupper() or words[0] == "x":
                    break
                wrong.append(line)
                break
            command, words = found, words[1:]
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        known |= {"-h", "--help"}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        if "--" not in words and given - known and not isinstance(command, AurGroup):
            wrong.append(f"{line}: {', '.join(sorted(given - known))}")
    assert wrong == []


def test_each_figure_of_the_comparison_is_in_the_page_that_it_links() -> None:
    page = ROOT / "docs" / "comparison.md"
    sections = page.read_text(encoding="utf-8").split("\n## ")[1:]
    assert len(sections) == 3
    for section in sections:
        link = re.search(r"\[Measured\]\((.+?)\)", section)
        assert link, section
        source = (page.parent / link[1]).read_text(encoding="utf-8")
        rows = [line for line in section.splitlines() if line.startswith("|")][2:]
        figures = {each for row in rows for each in re.findall(r"\d+\.\d+|\d+ of \d+", row)}
        assert figures
        assert {each for each in figures if each not in source} == set()
