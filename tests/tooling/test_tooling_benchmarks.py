"""Benchmarks run by the command that they document, `python benchmarks/…`, from any folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = re.compile(r"^from (?:tests|benchmarks)[. ]", re.MULTILINE)
"""An import that needs the root of the repository, which Python does not look in by itself."""
PLACE = "sys.path.insert(0, "
USERS = sorted(path for path in (ROOT / "benchmarks").rglob("*.py") if OURS.search(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", USERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_benchmark_finds_what_it_imports_of_this_repository(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = OURS.search(text)
    assert first is not None
    assert PLACE in text[: first.start()], f"{path.name} imports from this repository before it has named its root"
