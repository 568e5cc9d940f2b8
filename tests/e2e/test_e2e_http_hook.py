"""The HTTP form of Claude Code's hooks, which Aurora does not use: decision 0032 rests on what is seen here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.alone import run_alone
from tests.e2e.http_gate import http_gate
from tests.exhaustive import few

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.cut_off import Cell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PORT = 8421
LEFT = {
    "taken": {".env", "allowed.txt"},
    "judges": {"victim", "allowed.txt"},
    "killed": {"victim"},
    "slow": {"victim"},
    "gone": {"victim"},
    "4xx": {"victim"},
    "5xx": {"victim"},
    "redirect": {"victim"},
    "garbage": {"victim"},
    "half": {"victim"},
}
"""What is in the folder afterwards, by what became of the gate: only who has its port can let everything pass."""
SETTINGS: dict[str, tuple[dict[str, object], set[str]]] = {
    "a proxy": ({"env": {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}}, {"victim"}),
    "a list of addresses": ({"allowedHttpHookUrls": ["https://example.invalid/*"]}, {"victim"}),
    "nothing": ({}, {".env", "allowed.txt"}),
}
"""Settings of a project, and what is in its folder afterwards. The gate at localhost lets everything pass, if it is
reached; the model is at 127.0.0.1."""


@pytest.mark.parametrize("manner", few(LEFT, 1))
def test_it_fails_closed_unless_another_program_has_its_port(
    manner: str, cell: Cell, tmp_path: Path, need: Callable[[str], None]
) -> None:
    need("claude")
    key = f"claude-http-{manner}"
    with http_gate(manner, PORT + list(LEFT).index(manner), cell) as settings:
        work = run_alone("claude", cell, tmp_path / "alone", key=key, args=("--settings", settings))
    assert len(cell.asked(key)) == 5
    assert {path.name for path in work.iterdir()} == LEFT[manner]


@pytest.mark.parametrize("name", few(SETTINGS, 1))
def test_settings_of_a_project_keep_its_calls_from_the_gate(
    name: str, cell: Cell, tmp_path: Path, need: Callable[[str], None]
) -> None:
    need("claude")
    number = list(SETTINGS).index(name)
    content, left = SETTINGS[name]
    own = {tmp_path / "alone" / "work" / ".claude" / "settings.json": content}
    with http_gate("allows", PORT + len(LEFT) + number, cell) as settings:
        args = ("--settings", settings.replace("127.0.0.1", "localhost"))
        work = run_alone("claude", cell, tmp_path / "alone", key=f"claude-http-{number}", args=args, files=own)
    assert len(cell.asked(f"claude-http-{number}")) == 5
    assert {path.name for path in work.iterdir()} == {".claude", *left}
