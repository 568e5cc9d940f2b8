"""The tables of what was seen of real agents, each in a page of the docs between two marks."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.e2e.wirings import KINDS, search_path

DOCS: Final = Path(__file__).parents[2] / "docs"
END: Final = "<!-- end of what was seen -->"
SCENARIOS: Final = {
    "tool": "writes a file with a tool; usage",
    "progress": "events while it works",
    "resume": "resumes its session",
    "r429": "429 twice, then an answer",
    "r429long": "429 for long: its provider pauses",
    "r401": "401",
    "r500": "500 for ever",
    "drop": "connection breaks in mid-answer",
    "hang": "no answer at all: watchdog",
    "huge": "answer of 400 kB",
    "sigterm": "SIGTERM while a tool runs",
}
VERSIONS: Final = {"version": "version", "date": "seen on"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Where a table stands, and what its columns and rows are."""

    page: Path
    begin: str
    columns: tuple[str, ...]
    rows: dict[str, str]


AGENTS: Final = Sheet(
    page=DOCS / "agents.md",
    begin="<!-- what was seen: written by the tests -->",
    columns=KINDS,
    rows={**SCENARIOS, **VERSIONS},
)
TALKS: Final = Sheet(
    page=DOCS / "interact.md",
    begin="<!-- what was seen in conversations: written by the tests -->",
    columns=(*KINDS, "model", "json-lines", "acp"),
    rows={
        "transport": "talked with by",
        "tool": "a tool call",
        "allowed": "a tool call that you allow",
        "denied": "a tool call that is denied",
        "question": "a question of the agent",
        "interrupt": "an interrupt",
        "kill": "`kill -9` of Aurora in an answer",
        "resume": "the next turn after it",
        "turns": "turns in all",
        "left": "processes left behind",
        **VERSIONS,
    },
)


class Table:
    """Cells by agent and scenario."""

    def __init__(self, sheet: Sheet) -> None:
        self.seen: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._sheet = sheet

    def note(self, kind: str, scenario: str, said: str) -> None:
        """What came of it, in a few words."""
        self.seen[kind][scenario] = said

    def write(self) -> None:
        """Put it into the page; columns of agents that did not run now stay as they are."""
        sheet = self._sheet
        text = sheet.page.read_text(encoding="utf-8")
        before, rest = text.split(sheet.begin)
        drawn, after = rest.split(END, 1)
        old = _read(drawn, sheet)
        merged = {kind: {**old.get(kind, {}), **self.seen.get(kind, {})} for kind in sheet.columns}
        for kind in self.seen:
            merged[kind]["version"] = _version(kind) if kind in KINDS else "-"
            merged[kind]["date"] = f"{datetime.now(UTC):%Y-%m-%d}"
        sheet.page.write_text(f"{before}{sheet.begin}\n{_drawn(merged, sheet)}\n{END}{after}", encoding="utf-8")


def _drawn(seen: dict[str, dict[str, str]], sheet: Sheet) -> str:
    kinds = [kind for kind in sheet.columns if seen.get(kind)]
    lines = [f"| | {' | '.join(kinds)} |", "|---" * (len(kinds) + 1) + "|"]
    return "\n".join([*lines, *(_row(what, kinds, seen, name) for name, what in sheet.rows.items())])


def _read(drawn: str, sheet: Sheet) -> dict[str, dict[str, str]]:
    """What a table that was drawn before holds, by agent."""
    lines = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in drawn.strip().splitlines()]
    if not lines:
        return {}
    kinds = drawn.strip().splitlines()[0].strip("| ").split(" | ")
    names = {what: name for name, what in sheet.rows.items()}
    cells = {line[0]: line[1:] for line in lines[2:]}
    return {
        kind: {names[what]: row[column] for what, row in cells.items() if what in names and row[column] != "-"}
        for column, kind in enumerate(kinds)
    }


def _row(title: str, kinds: list[str], seen: dict[str, dict[str, str]], name: str) -> str:
    return f"| {title} | " + " | ".join(seen[kind].get(name, "-") for kind in kinds) + " |"


def _version(kind: str) -> str:
    said = subprocess.run(
        [kind, "--version"], env={**os.environ, "PATH": search_path()}, capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found[0] if found else "unknown"
