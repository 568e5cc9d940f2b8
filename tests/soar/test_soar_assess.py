"""Requests are sized by their words; the published prompts say what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar import Complexity, assess, read_question

PROMPTS = Path(__file__).with_name("data") / "complexity.txt"


def labelled_prompts() -> list[tuple[Complexity, str]]:
    rows = [line.split(": ", 1) for line in PROMPTS.read_text().splitlines() if line and not line.startswith("#")]
    return [(Complexity(label), prompt) for label, prompt in rows]


def test_at_least_96_in_100_published_prompts_are_sized_right() -> None:
    prompts = labelled_prompts()
    wrong = [(label, prompt) for label, prompt in prompts if assess(read_question(prompt)).complexity is not label]
    assert len(prompts) >= 100
    assert len(wrong) <= 0.04 * len(prompts), wrong


@pytest.mark.parametrize("label", list(Complexity))
def test_every_size_is_well_represented(label: Complexity) -> None:
    assert sum(given is label for given, _ in labelled_prompts()) >= 20


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
