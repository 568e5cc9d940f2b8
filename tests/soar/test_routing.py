"""The agent of tasks that name none is chosen by results: only with enough of them, and with the reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_soar.taskruns.routing import AgentChoice, Standing, choose, wilson_lower

FEW = Standing(agent="few", judged=7, passed_at_once=7)
GOOD = Standing(agent="good", judged=20, passed_at_once=19)
POOR = Standing(agent="poor", judged=40, passed_at_once=10)
LIKE_GOOD = Standing(agent="like", judged=20, passed_at_once=19)


def among(*standings: Standing, **costs: float) -> AgentChoice:
    return choose(standings, at_least=20, costs=lambda: costs)


def not_asked() -> dict[str, float]:
    raise AssertionError("costs decide only between equals")


@given(of=st.integers(1, 5000), share=st.floats(0, 1))
@settings(max_examples=examples(300))
def test_the_lower_end_is_where_the_share_is_just_within_the_normal_quantile(of: int, share: float) -> None:
    passed = round(of * share)
    lower = wilson_lower(passed, of)
    assert 0 <= lower <= passed / of
    distance = 1.959964 * math.sqrt(lower * (1 - lower) / of)
    assert passed == 0 or math.isclose(passed / of - lower, distance, rel_tol=1e-6, abs_tol=1e-9)


def test_few_results_count_for_less_than_many_of_the_same_share() -> None:
    assert wilson_lower(0, 0) == wilson_lower(0, 5) == wilson_lower(0, 1449) == 0
    assert wilson_lower(9, 10) < wilson_lower(90, 100) < 0.9
    assert wilson_lower(20, 20) == pytest.approx(0.8389, abs=1e-4)


def test_the_best_of_those_with_enough_results_is_chosen_with_its_figures() -> None:
    found = choose([POOR, FEW, GOOD], at_least=20, costs=not_asked)
    assert found.agent == "good"
    assert "19 of 20 tasks" in found.because
    assert "poor 10 of 40 tasks" in found.because
    assert "few" not in found.because
    assert among(GOOD, POOR).agent == "good"


def test_the_first_is_used_until_it_and_another_have_enough_results() -> None:
    assert among(FEW, GOOD, POOR).agent == "few"
    assert among(FEW, GOOD, POOR).because == "too few results here to choose by (7 of 20)"
    assert among(POOR, FEW).agent == "poor"
    assert among(POOR, FEW).because == "too few results here to compare it with (few 7 of 20)"
    exactly = Standing(agent="exactly", judged=20, passed_at_once=20)
    below = Standing(agent="below", judged=19, passed_at_once=19)
    assert (among(POOR, exactly).agent, among(POOR, below).agent) == ("exactly", "poor")


def test_of_equal_ones_the_cheaper_is_chosen_then_the_first() -> None:
    cheaper = among(GOOD, LIKE_GOOD, POOR, good=0.2, like=0.1, poor=0.01)
    assert cheaper.agent == "like"
    assert "$0.1000 an attempt" in cheaper.because
    assert "poor 10 of 40" in cheaper.because
    assert [each.usd_per_attempt for each in cheaper.standings] == [0.2, 0.1, None]
    assert among(GOOD, LIKE_GOOD, like=0.1).agent == "like", "a cost that is unknown is not less"
    assert among(GOOD, LIKE_GOOD).agent == "good"
    assert among(GOOD, LIKE_GOOD, good=0.1, like=0.1).agent == "good"


def test_one_that_cannot_work_here_is_left_out_and_said() -> None:
    absent = Standing(agent="absent", judged=50, passed_at_once=50, problem="is not installed")
    found = among(absent, POOR, GOOD)
    assert found.agent == "good"
    assert found.because.endswith("; left out: absent is not installed")
    alone = among(absent, POOR)
    assert (alone.agent, alone.because) == ("poor", "no other can work here; left out: absent is not installed")
    nobody = among(absent)
    assert (nobody.agent, nobody.because) == ("absent", "none can work here (absent is not installed)")


def test_without_readable_results_the_first_is_used() -> None:
    found = choose([POOR, GOOD], at_least=1, unread="the results here cannot be read (x)")
    assert (found.agent, found.because) == ("poor", "the results here cannot be read (x)")
