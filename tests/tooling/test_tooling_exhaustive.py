"""The ordinary run leaves out cases of families that it has others of; a second run takes just these."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings
from tests.conftest import pytest_xdist_auto_num_workers
from tests.exhaustive import EXAMPLES, SHARE, examples, few
from tests.left_whole import FAMILIES, LEFT_WHOLE

ROOT = Path(__file__).parents[2]
TEST = r"^ *(?:async )?def {}\("


@cache
def collected(*arguments: str) -> set[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line for line in done.stdout.splitlines() if "::" in line}


def is_there(test: str) -> bool:
    file, name = test.split("::")
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    return re.search(TEST.format(re.escape(name)), text, re.MULTILINE) is not None


def test_a_mark_is_written_by_few_alone() -> None:
    """It leaves a case of each family; a mark that is written by hand could leave out all of a promise unseen."""
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path.name != Path(__file__).name]
    by_hand = [path.name for path in files if "mark.exhaustive" in path.read_text(encoding="utf-8")]
    assert by_hand == []


def test_of_every_promise_a_test_is_in_the_ordinary_run() -> None:
    assert [test for test in (*LEFT_WHOLE, *LEFT_WHOLE.values()) if not is_there(test)] == []
    assert set(LEFT_WHOLE) & set(LEFT_WHOLE.values()) == set()
    assert [file for file, families in FAMILIES.items() if not families or not all(families.values())] == []


def test_what_is_left_whole_is_in_the_second_run_and_its_keeper_in_the_first() -> None:
    left = "faults/test_worktree_crash.py::test_killed_around_a_kind_of_fact"
    file = "tests/faults/test_worktree_crash.py"
    ordinary, rest = ({line.partition("[")[0] for line in collected(*option, file)} for option in ((), ("--rest",)))
    assert f"tests/{left}" in rest - ordinary
    assert f"tests/{LEFT_WHOLE[left]}" in ordinary


def test_a_family_of_which_no_case_is_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="keep is 0"):
        few(range(10), 0)


def test_every_test_is_in_just_one_of_the_two_runs() -> None:
    file = "tests/faults/test_worktree_crash.py"
    ordinary, rest, everything = collected(file), collected("--rest", file), collected("--all", file)
    assert ordinary & rest == set()
    assert ordinary | rest == everything


def test_a_property_is_in_both_runs_with_a_share_of_its_examples_in_the_first(request: pytest.FixtureRequest) -> None:
    file = "tests/spawner/recovery/test_recovery_machine.py"
    properties = {name for name in collected(file) if "EveryPath" in name}
    assert properties
    assert properties <= collected("--rest", file)
    whole = request.config.option.all or request.config.option.rest
    assert settings().max_examples == (EXAMPLES if whole else EXAMPLES // SHARE)
    assert examples(31) == (31 if whole else 4)


SPREADS = {1: [0], 2: [0, 9], 3: [0, 4, 9], 4: [0, 3, 6, 9], 10: list(range(10)), 20: list(range(10))}


@pytest.mark.parametrize("keep", SPREADS)
def test_few_cases_are_spread_from_the_first_to_the_last(keep: int) -> None:
    cases = few(range(10), keep)
    assert len(cases) == 10
    assert [case for case in cases if isinstance(case, int)] == SPREADS[keep]


def test_a_case_of_several_arguments_keeps_them() -> None:
    marked = few([("a", 1), ("b", 2)], 1)[1]
    assert (marked.values, [mark.name for mark in marked.marks]) == (("b", 2), ["exhaustive"])  # type: ignore[attr-defined]


def test_a_case_with_an_id_and_marks_keeps_them() -> None:
    marked = few(["a", pytest.param("b", 2, id="bee", marks=pytest.mark.slow)], 1)[1]
    assert (marked.values, marked.id) == (("b", 2), "bee")  # type: ignore[attr-defined]
    assert [mark.name for mark in marked.marks] == ["slow", "exhaustive"]  # type: ignore[attr-defined]


def test_two_selections_at_once_are_refused() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--all", "--rest", __file__]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr.strip()) == (4, "ERROR: --all and --rest: give one of them")


def test_workers_are_counted_by_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 4}, raising=False)
    assert pytest_xdist_auto_num_workers() == 4


def test_the_variable_of_xdist_says_how_many_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "5")
    assert pytest_xdist_auto_num_workers() is None
