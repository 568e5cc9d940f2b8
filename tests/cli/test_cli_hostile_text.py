"""Names and words from a project reach the terminal spelt out, whichever command prints them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.exhaustive import few

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

EVIL = "ev\x1b]0;owned\x07il\u202e\u200b\x9bx"
COMMANDS = (
    ("agents", "doctor"),
    ("agents", "list"),
    ("agents", "show", "tester"),
    ("agents", "search", "test the till"),
    ("doctor",),
    ("trust",),
    ("init",),
    ("mem", "index"),
    ("mem", "search", "till"),
    ("mem", "show", "Till"),
    ("mem", "stats"),
    ("soar", "What does Till do?"),
    ("soar", "What does Till do?", "--verbosity", "verbose"),
    ("spawn", "tasks.md", "--dry-run"),
    ("spawn", "tasks.md", "--yes"),
    ("spawn", "tasks.md", "--tool", EVIL),
    ("status",),
    ("runs", "list"),
    ("logs", "RUN", "1"),
    ("runs", "show", "RUN"),
    ("runs", "show", "RUN", "--recovery"),
    ("runs", "show", EVIL),
    ("budget", "history"),
    ("keys", "remove", EVIL),
    ("mem", "search", EVIL),
    (EVIL,),
    ("spawn", EVIL),
)


@pytest.fixture
def hostile(shop: Path) -> Path:
    """Stand in a project of which every name and text is hostile."""
    name = json.dumps(EVIL)
    folder = shop / ".aurora"
    folder.mkdir()
    command = json.dumps(["sh", "-c", f"echo '{EVIL}'"])
    (folder / "config.yaml").write_text(
        f"backends:\n  {name}: {{kind: command, command: {command}, env: {{{name}: {name}}}}}\n"
    )
    (shop / "tasks.md").write_text(f"- [ ] 1 Do {EVIL}\n  - Agent: {EVIL}\n- [ ] 2 What does Till do? {EVIL}\n")
    (shop / ".claude" / "agents").mkdir(parents=True)
    persona = f"---\nname: tester\ndescription: {json.dumps(f'Tests the till {EVIL}')}\nmodel: {name}\n---\n{EVIL}\n"
    (shop / ".claude" / "agents" / "tester.md").write_text(persona)
    (shop / f"{EVIL.replace('/', '')}.py").write_text(f'def till():\n    """The till, {EVIL}."""\n')
    return shop


def steering(text: str) -> set[str]:
    return {char for char in text if char not in "\t\n" and unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}}


@pytest.mark.parametrize("trusted", few(["1", "0"], 1))
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_no_command_prints_what_steers(
    hostile: Path,
    aur: Callable[..., CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
    trusted: str,
    as_json: bool,
) -> None:
    monkeypatch.setenv("AURORA_TRUST", trusted)
    run = "RUN"
    for words in COMMANDS:
        told = aur(*(run if word == "RUN" else word for word in words), *(["--json"] if as_json else []))
        assert steering(told.stdout + told.stderr) == set(), words
        assert "bug in Aurora" not in told.stderr, (words, told.stderr)
        runs = hostile / ".aurora" / "runs"
        run = next((path.name for path in runs.glob("spawn-*")), run)
        if words == ("agents", "doctor") and trusted == "1":
            assert "\\u202e" in told.stdout
