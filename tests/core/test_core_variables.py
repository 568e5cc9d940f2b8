"""The table of environment variables is complete, and says what is none of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aurora_core.settings.variables import VARIABLES, unknown_variables

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"\bAURORA_[A-Z][A-Z_]*[A-Z]\b")


def test_the_table_has_every_variable_that_the_code_names() -> None:
    named = {
        name
        for file in ROOT.glob("packages/*/src/**/*.py")
        for name in NAME.findall(file.read_text(encoding="utf-8"))
        if not name.startswith("AURORA_MAX_")  # an example of one that is not there
    }
    assert named == {each.name for each in VARIABLES}


def test_the_manual_has_every_variable_with_its_setting() -> None:
    manual = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for each in VARIABLES:
        row = next((line for line in manual.splitlines() if line.startswith(f"| `{each.name}`")), "")
        assert row, f"docs/cli.md does not have {each.name}"
        assert f"`{each.setting}`" in row if each.setting else True


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("AURORA_MAX_CONCURRENT", "AURORA_SPAWNER_MAX_CONCURRENT"),
        ("AURORA_TOL", "AURORA_TOOL"),
        ("AURORA_EXCLUDE", "AURORA_MEMORY_EXCLUDE"),
        ("AURORA_ZZZ", None),
        ("AURORA_", None),
    ],
)
def test_an_unknown_one_is_told_with_the_nearest(name: str, nearest: str | None) -> None:
    (found,) = unknown_variables({name: "1", "HOME": "/", "AURORA_TOOL": "x", "XAURORA_TOOL": "y"})
    assert (found.name, found.nearest) == (name, nearest)
