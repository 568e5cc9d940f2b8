"""The examples of the packages' pages run as they stand, on a small project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[2] / "packages"


@pytest.mark.parametrize("package", ["core", "soar"])
def test_the_examples_run(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scheduler.py").write_text(
        "def next_task(heap):\n    '''Decide which task the scheduler runs next.'''\n    return heap.pop()\n"
    )
    (tmp_path / "tasks.md").write_text("- [ ] 1 What does next_task do?\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    page = PACKAGES / package / "README.md"
    examples = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, str(page), "exec"), {})
    assert capsys.readouterr().out


def test_the_example_of_plans_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "scheduler.py").write_text("def next_task(heap):\n    return heap.pop()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    page = PACKAGES.parent / "docs" / "plans.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(compile(example, str(page), "exec"), {})
    assert "tasks.md" in capsys.readouterr().out


def test_soar_s_example_answers_with_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    test_the_examples_run("soar", tmp_path, monkeypatch, capsys)
    log, *_ = (tmp_path / ".aurora" / "logs" / "conversations").rglob("*.md")
    assert "`scheduler.py:1`" in log.read_text()
    assert (tmp_path / "tasks.md").read_text() == "- [x] 1 What does next_task do?\n"
    assert log.stat().st_mode & 0o077 == 0
    assert log.parent.stat().st_mode & 0o077 == 0
