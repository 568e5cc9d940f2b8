"""The table of what was seen of real agents, in docs/agents.md between two marks."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.e2e.wirings import KINDS, search_path

PAGE: Final = Path(__file__).parents[2] / "docs" / "agents.md"
BEGIN: Final = "<!-- what was seen: written by the tests -->"
END: Final = "<!-- end of what was seen -->"
DATA: Final = re.compile(r"<!-- seen (\{.*?\}) -->", re.DOTALL)
SCENARIOS: Final = {
    "tool": "writes a file with a tool; usage",
    "progress": "events while it works",
    "resume": "goes on with its session",
    "r429": "429 twice, then an answer",
    "r429long": "429 for long: its provider pauses",
    "r401": "401",
    "r500": "500 for ever",
    "drop": "connection breaks in mid-answer",
    "hang": "no answer at all: watchdog",
    "huge": "answer of 400 kB",
    "sigterm": "SIGTERM while a tool runs",
}


class Table:
    """Cells by agent and scenario."""

    def __init__(self) -> None:
        self.seen: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def note(self, kind: str, scenario: str, said: str) -> None:
        """What came of it, in a few words."""
        self.seen[kind][scenario] = said

    def write(self) -> None:
        """Put it into the page; columns of agents that did not run now stay as they are."""
        text = PAGE.read_text(encoding="utf-8")
        found = DATA.search(text)
        old: dict[str, dict[str, str]] = json.loads(found[1]) if found else {}
        merged = {kind: {**old.get(kind, {}), **self.seen.get(kind, {})} for kind in KINDS}
        for kind in self.seen:
            merged[kind]["version"] = _version(kind)
            merged[kind]["date"] = f"{datetime.now(UTC):%Y-%m-%d}"
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{_drawn(merged)}\n{END}{after}", encoding="utf-8")


def _drawn(seen: dict[str, dict[str, str]]) -> str:
    kinds = [kind for kind in KINDS if seen.get(kind)]
    lines = [
        "| | " + " | ".join(kinds) + " |",
        "|---" * (len(kinds) + 1) + "|",
        *(_row(what, kinds, seen, name) for name, what in SCENARIOS.items()),
        _row("version", kinds, seen, "version"),
        _row("seen on", kinds, seen, "date"),
    ]
    kept = json.dumps({kind: seen[kind] for kind in kinds}, ensure_ascii=False, indent=0)
    return "\n".join([*lines, "", f"<!-- seen {kept} -->"])


def _row(title: str, kinds: list[str], seen: dict[str, dict[str, str]], name: str) -> str:
    return f"| {title} | " + " | ".join(seen[kind].get(name, "-") for kind in kinds) + " |"


def _version(kind: str) -> str:
    import os

    said = subprocess.run(
        [kind, "--version"], env={**os.environ, "PATH": search_path()}, capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found[0] if found else "unknown"
