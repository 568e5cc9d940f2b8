"""The rounds that failed checks get: counted apart for checks and for a goal, and ended where they are of no use."""

from __future__ import annotations

import pytest

from aurora_spawner import SpawnTask
from aurora_spawner.runs.check_stage import next_round
from aurora_spawner.tasks.checked import CheckedWork, CheckOutcome, CheckRun

TASK = SpawnTask("Work", id="t", checks=("lint",), until="bench", max_turns=4)


def failed(command: str, output: str, outcome: CheckOutcome = CheckOutcome.FAILED) -> CheckedWork:
    return CheckedWork(
        number=1, outcome=outcome, runs=(CheckRun(command=command, status=1, seconds=1.0, output=output),)
    )


def rounds(pattern: str) -> list[CheckedWork]:
    """Return failures: L of the lint, a digit of the goal that says it, and `.` of a goal that is silent."""
    return [
        failed("lint", f"line {at}") if each == "L" else failed("bench", "" if each == "." else f"{each} of 9\n")
        for at, each in enumerate(pattern)
    ]


@pytest.mark.parametrize(("pattern", "number", "most"), [
    ("L", 1, 2),
    ("LL", 2, 2),
    ("1", 1, 3),
    ("12", 2, 3),
    ("123", 3, 3),
    ("LL1", 1, 3),
    ("1L", 1, 2),
    ("12L", 1, 2),
    ("1L2L", 2, 2),
    ("L1L2", 2, 3),
    ("...", 3, 3),
    ("1L1", 2, 3),
    ("11", 2, 3),
    ("121", 3, 3),
])  # fmt: skip
def test_the_round_that_follows(pattern: str, number: int, most: int) -> None:
    following = next_round(TASK, rounds(pattern), check_rounds=2)
    assert following is not None
    assert (following.number, following.most) == (number, most)


@pytest.mark.parametrize("pattern", ["LLL", "L1L2L", "1234", "12L34", "111", "2111"])
def test_none_follows(pattern: str) -> None:
    assert next_round(TASK, rounds(pattern), check_rounds=2) is None


@pytest.mark.parametrize("outcome", [each for each in CheckOutcome if each is not CheckOutcome.FAILED])
def test_none_follows_another_outcome(outcome: CheckOutcome) -> None:
    assert next_round(TASK, [failed("lint", "", outcome)], check_rounds=2) is None


@pytest.mark.parametrize(("one", "other", "alike"), [
    ("1 failed in 0.2 s", "3 failed in 1.75 s", True),
    ("at /tmp/a/app.py:7: error", "at /var/b/app.py:12: error", True),
    ("at /tmp/a/app.py: error", "at /tmp/a/lib.py: error", False),
    ("<x at 0x7f1a>", "<x at 0x7fff>", True),
    ("one failed", "one failed\ntwo failed", False),
])  # fmt: skip
def test_failures_that_are_alike(one: str, other: str, alike: bool) -> None:
    first, second = (CheckRun(command="c", status=1, seconds=0.0, output=output) for output in (one, other))
    assert first.fails_like(second) is second.fails_like(first) is alike
    assert not first.fails_like(CheckRun(command="c", status=2, seconds=0.0, output=one))
    assert not first.fails_like(CheckRun(command="d", status=1, seconds=0.0, output=one))
    assert not first.fails_like(None)
