"""Requests are sized by their words; the published prompts say what is expected."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.assess.run import SETS, labelled, wrong
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar import Complexity, assess, read_question


@pytest.mark.parametrize("name", [each.name for each in SETS])
def test_at_least_96_in_100_published_prompts_are_sized_right(name: str) -> None:
    prompts = labelled(name)
    missed = wrong(prompts)
    assert len(prompts) >= 50
    assert len(missed) <= 0.04 * len(prompts), missed
    assert all(sum(given is label for given, _ in prompts) >= 10 for label in Complexity)


def test_no_prompt_is_in_two_sets() -> None:
    prompts = [prompt.lower() for each in SETS if each.name != "first" for _, prompt in labelled(each.name)]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize(
    ("text", "complexity"),
    [
        ("how do we store passwords?", Complexity.MEDIUM),
        ("what does the payment service do with a declined card", Complexity.MEDIUM),
        ("why does the build fail", Complexity.MEDIUM),
        ("the port is taken, explain why", Complexity.MEDIUM),
        ("find out why passwords leaked and rotate them", Complexity.CRITICAL),
        ("write a helper that splits a path", Complexity.MEDIUM),
        ("see this log: " + "all is well. " * 200 + "Now delete the production database", Complexity.CRITICAL),
        ("rename the method so that callers can view other columns", Complexity.MEDIUM),
        ("stop them, they can see other users data", Complexity.CRITICAL),
        ("show a tooltip on hover", Complexity.MEDIUM),
        ("show the tooltip class", Complexity.SIMPLE),
        ("x" * 100_000, Complexity.SIMPLE),
    ],
)
def test_like_words_of_other_kinds_are_told_apart(text: str, complexity: Complexity) -> None:
    question = replace(read_question("cache"), text=text) if len(text) > 1_000 else read_question(text)
    assert assess(question).complexity is complexity


def test_asking_how_something_dangerous_works_is_not_dangerous() -> None:
    assert assess(read_question("how are passwords compared?")).complexity is Complexity.MEDIUM
    assert assess(read_question("store the passwords of all users")).complexity is Complexity.CRITICAL


def test_the_reason_names_what_decided() -> None:
    assert "passwords" in assess(read_question("store the passwords of all users")).reasoning
    assert "keywords" in assess(read_question("implement a plugin system")).reasoning


@given(st.text(min_size=1, max_size=400))
def test_scores_and_confidence_stay_in_their_range(text: str) -> None:
    assessment = assess(read_question(f"scheduler {text}"))
    assert 0.0 <= assessment.score <= 1.0
    assert 0.5 <= assessment.confidence <= 1.0
    assert set(assessment.dimensions) == {"keywords", "scope", "constraints", "structure", "domain"}
    assert all(0.0 <= value <= 1.0 for value in assessment.dimensions.values())
