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
}
"""What is in the folder afterwards, by what became of the gate: only who has its port can let everything pass."""


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
