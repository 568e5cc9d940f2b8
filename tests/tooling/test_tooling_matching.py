"""The benchmark of the persona matcher measures the rosters that are kept back only when asked to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from benchmarks.matching import run

if TYPE_CHECKING:
    from pathlib import Path

BLIND = "## blind\n\nMeasured on 2020-01-01.\n\n| r | 1 of 2 |\n"
EXAM = "## exam\n\nMeasured on 2020-01-03.\n"
UNUSUAL = "## unusual\n\nMeasured on 2020-01-04.\n"
SECOND_EXAM = "## second_exam\n\nMeasured on 2020-01-05.\n"
THIRD_EXAM = "## third_exam\n\nMeasured on 2020-01-06.\n"
OLDER = "## older\n\nMeasured on 2020-01-02.\n"
ROSTER = {
    "roster": "small",
    "personas": [{"id": "tester", "description": "Writes unit tests"}],
    "subgoals": [{"text": "Write unit tests", "gap": False, "right": "tester", "acceptable": None}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds a roster in each half; those that are measured on request cannot be read."""
    for half, text in (
        ("fit", json.dumps(ROSTER)),
        ("check", json.dumps(ROSTER)),
        ("blind", "not to be read"),
        ("exam", "nor this"),
        ("unusual", "nor this"),
        ("second_exam", "nor this"),
        ("third_exam", "nor this"),
    ):
        (tmp_path / "rosters" / half).mkdir(parents=True)
        (tmp_path / "rosters" / half / "small.json").write_text(text, encoding="utf-8")
    (tmp_path / "personas").mkdir()
    (tmp_path / "subgoals.yaml").write_text("development: [{text: Write unit tests, agent: gap}]", encoding="utf-8")
    (tmp_path / "results.md").write_text(
        f"# Results\n\n{BLIND}\n{EXAM}\n{UNUSUAL}\n{SECOND_EXAM}\n{THIRD_EXAM}\n{OLDER}", encoding="utf-8"
    )
    monkeypatch.setattr(run, "HERE", tmp_path)
    return tmp_path


def recorded(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    monkeypatch.setattr("sys.argv", ["run.py", *options])
    assert run.main() == 0
    return (folder / "results.md").read_text(encoding="utf-8")


def test_the_blind_rosters_keep_their_result_and_its_date(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = recorded(folder, monkeypatch, "--write")
    assert BLIND in results
    assert EXAM in results
    assert UNUSUAL in results
    assert SECOND_EXAM in results
    assert THIRD_EXAM in results
    assert OLDER not in results
    assert [line for line in results.splitlines() if line.startswith("## ")] == [f"## {half}" for half in run.HALVES]
    assert results.count("| small | 1 of 1 | 100.0% | 0 of 0 | 0 |") == 2


def test_one_half_alone_leaves_the_others_as_they_were(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = recorded(folder, monkeypatch, "--fit", "--write")
    assert BLIND in results
    assert OLDER in results
    assert "## check" not in results


@pytest.mark.parametrize("option", ["--blind", "--exam", "--unusual", "--second-exam", "--third-exam"])
def test_rosters_that_are_kept_back_are_measured_on_request(
    folder: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    with pytest.raises(json.JSONDecodeError):
        recorded(folder, monkeypatch, option)
