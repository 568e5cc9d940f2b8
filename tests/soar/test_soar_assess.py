"""Requests are sized by learnt weights of words; exams that nothing is trained on say how well."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from runpy import run_path

import pytest
from benchmarks.assess.run import EXAMS, OLDER, TRAINING, labelled, wrong
from hypothesis import given
from hypothesis import strategies as st
from tests.exhaustive import few

from aurora_soar import Complexity, assess, read_question
from aurora_soar.phases.complexity_model import Table, Weights, features, judge, read_weights

TRAINER = Path(__file__).parents[2] / "tools" / "train_assess.py"


@pytest.mark.parametrize("name", [each.name for each in EXAMS])
def test_at_least_96_in_100_prompts_of_an_exam_are_sized_right(name: str) -> None:
    prompts = labelled(name)
    missed = wrong(prompts)
    assert len(prompts) >= 150
    assert len(missed) <= 0.04 * len(prompts), missed
    assert all(sum(given is label for given, _ in prompts) >= 10 for label in Complexity)


def test_no_prompt_of_an_exam_is_trained_on() -> None:
    def plain(names: list[str]) -> list[str]:
        return [" ".join(re.findall(r"\w+", prompt.lower())) for name in names for _, prompt in labelled(name)]

    exams = plain([each.name for each in EXAMS])
    assert len(set(exams)) == len(exams)
    assert not set(exams) & set(plain([each.name for each in (*OLDER, *TRAINING)]))


def test_the_weights_are_made_from_the_prompts_that_are_there() -> None:
    """Else run tools/train_assess.py."""
    tool = run_path(str(TRAINER))
    assert tool["stored_fingerprint"]() == tool["fingerprint"]()
    assert tool["WEIGHTS"].stat().st_size <= 600_000


def test_training_weighs_the_words_that_tell_levels_apart() -> None:
    tool = run_path(str(TRAINER))
    rows = [
        (level, f"{verb} the {noun}")
        for level, verb in (("SIMPLE", "show"), ("MEDIUM", "debug"), ("COMPLEX", "architect"), ("CRITICAL", "wipe"))
        for noun in ("parser", "cache", "queue")
    ]
    weights = tool["rounded"](tool["learn"](rows))
    chances = judge("architect the socket", weights).chances
    assert sum(chances) == pytest.approx(1.0)
    assert max(chances) == chances[2] > 0.5


def test_like_words_of_other_kinds_are_told_apart() -> None:
    log = "all is well. " * 1_000
    asked = replace(read_question("cache"), text=f"see this log: {log} Now delete the production database")
    assert assess(asked).complexity is Complexity.CRITICAL
    assert assess(read_question("Where is a price rounded?")).complexity is Complexity.SIMPLE
    assert assess(read_question("why does the build fail")).complexity is Complexity.MEDIUM


def test_asking_how_something_dangerous_works_is_not_dangerous() -> None:
    assert assess(read_question("how are passwords compared?")).complexity is not Complexity.CRITICAL
    assert assess(read_question("How does the encryption keys module work?")).complexity is not Complexity.CRITICAL
    assert assess(read_question("store the passwords of all users")).complexity is Complexity.CRITICAL


def test_the_reason_names_the_words_that_decided() -> None:
    assert "rotate" in assess(read_question("where are the leaked keys, rotate them all")).reasoning
    assert "implement" in assess(read_question("implement a plugin system")).reasoning
    assert assess(read_question("qwrtzk")).reasoning.startswith("no known word")


@pytest.mark.parametrize(
    "text",
    few(
        [
            "",
            " \n\t ",
            "🙂🙂🙂",
            "\x00\ud800",
            "удали продакшн базу",
            "このバグを直して",
            "x" * 1_000_000,
            "a b " * 250_000,
            "'" * 9_000,
        ],
        4,
    ),
    ids=["empty", "blank", "emoji", "garbage", "russian", "japanese", "one word", "1 MB", "quotes"],
)
def test_odd_texts_are_sized_in_time(text: str) -> None:
    question = replace(read_question("cache"), text=text)
    assess(question)
    took = []
    for _ in range(3):
        start = time.perf_counter()
        found = assess(question)
        took.append(time.perf_counter() - start)
    assert found.complexity in Complexity
    assert min(took) < 0.1, "30 ms on an idle machine"


def test_features_are_words_pairs_letter_groups_and_the_two_ends() -> None:
    words, letters = features("Fix it?")
    assert words == {"fix": 1, "it": 1, "fix it": 1, "^ fix": 1, "?": 1}
    assert letters == dict.fromkeys(
        [" fi", "fix", "ix ", " fix", "fix ", " fix ", " it", "it?", "t? ", " it?", "it? "], 1
    ) | {" it? ": 1}


def test_a_text_of_no_known_feature_gets_even_chances() -> None:
    assert judge("anything", Weights(step=0.1, tables=(Table([]), Table([])))).chances == [0.25] * 4


@given(st.text(min_size=1, max_size=400))
def test_scores_and_confidence_stay_in_their_range(text: str) -> None:
    assessment = assess(read_question(f"scheduler {text}"))
    assert 0.0 <= assessment.score <= 1.0
    assert 0.0 < assessment.confidence <= 1.0


def test_each_stored_feature_is_found_and_nothing_between_them() -> None:
    learnt = read_weights(run_path(str(TRAINER))["WEIGHTS"].read_bytes().decode())
    for table in learnt.tables:
        rows = [line.split("\t") for line in table.lines]
        assert all(table.numbers(name) == tuple(map(int, numbers.split())) for name, numbers in rows)
        known = {name for name, _ in rows}
        assert not any(table.numbers(f"{name}!") for name in known if f"{name}!" not in known)
