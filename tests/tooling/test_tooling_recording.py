"""README.md shows what the commands print: its session is recorded again and compared."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tools import recording

from aurora_spawner.backends.profiles import PROFILES

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def lines_of(block: str) -> list[str]:
    """Returns the lines of a recording without ids, times and scores, and with the ends of tasks in one order."""
    text = re.sub(r"\[\d/(\d)\]", r"[n/\1]", block)
    text = re.sub(r"spawn-\d+|\d+\.\d+", "N", text)
    lines = text.strip().splitlines()
    ends = sorted(line for line in lines if line.startswith("[n/"))
    return [line if not line.startswith("[n/") else ends.pop(0) for line in lines]


def test_the_recording_in_the_readme_is_current_and_starts_no_agent_cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, called = tmp_path / "bin", tmp_path / "called"
    programs.mkdir()
    for name in (profile.program for profile in PROFILES.values()):
        stand_in = programs / name
        stand_in.write_text(f"#!/bin/sh\necho {name} >> '{called}'\n", encoding="utf-8")
        stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    shown = recording.IN_README.search(recording.README.read_text(encoding="utf-8"))
    assert shown, "README.md has no marks of a recording"
    assert lines_of(shown[0]) == lines_of(recording.record(tmp_path)), "run: python tools/recording.py"
    assert not called.exists(), called.read_text(encoding="utf-8")
