"""The README's examples run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "packages" / "policies" / "README.md"
REFUSAL = (
    *("the", "monthly", "budget", "of", "$1.00", "has", "$0.00", "left,", "and", "an", "attempt", "is"),
    *("estimated", "at", "$0.50"),
)
PRINTED = (
    ["100.0", "deny", "120"],
    ["one", "True", "two", "True", "three", "False", *REFUSAL, "True", "0.38"],
    ["prompt", "file_delete", "deny", "git_force_push", "allow", "None"],
)


@pytest.mark.parametrize("number", range(len(PRINTED)))
def test_an_example_runs(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(examples) == len(PRINTED)
    monkeypatch.chdir(tmp_path)
    exec(compile(examples[number], str(README), "exec"), {})
    assert capsys.readouterr().out.split() == PRINTED[number]
