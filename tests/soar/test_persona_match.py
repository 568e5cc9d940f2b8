"""Matching: double and single words, gaps without thresholds, the published set, made-up personas."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar.personas import Matcher, Persona, adhoc_persona, cast, instructions_of, parse_persona
from aurora_soar.personas.specialities import SPECIALITIES
from aurora_spawner import SpawnTask

PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "matching"


def persona(name: str, goal: str, **more: object) -> Persona:
    return Persona(id=name, role=name, goal=goal, **more)  # type: ignore[arg-type]


def published_team() -> list[Persona]:
    readings = [parse_persona(path.read_bytes(), file=path.name) for path in PUBLISHED.glob("personas/*.md")]
    return [reading.persona for reading in readings if reading.persona]


def test_nine_of_ten_published_subgoals_find_the_right_persona_or_the_right_gap() -> None:
    matcher = Matcher(published_team())
    subgoals = yaml.safe_load((PUBLISHED / "subgoals.yaml").read_text(encoding="utf-8"))
    for part in ("development", "held_out"):
        right = [_found(matcher, each["text"]) == each["agent"] for each in subgoals[part]]
        assert sum(right) >= 0.9 * len(right), part
    assert sum(map(len, subgoals.values())) == 60
    assert len(published_team()) == 12


def _found(matcher: Matcher, text: str) -> str:
    match = matcher.match(text)
    return "gap" if match.is_gap or match.assigned is None else match.assigned.id


def test_a_word_of_the_goal_counts_more_than_the_same_as_a_skill() -> None:
    by_goal, by_skill = persona("a", "zebras"), persona("b", "gnus", skills=("zebras",))
    assert [each.persona.id for each in Matcher([by_skill, by_goal]).match("feed zebras").ranked] == ["a", "b"]


def test_when_to_use_counts_as_much_as_the_goal() -> None:
    one, two = persona("p", "gnus", when_to_use="zebras"), persona("q", "zebras", when_to_use="gnus")
    scores = {each.persona.id: each.score for each in Matcher([one, two]).match("zebras").ranked}
    assert scores["p"] == scores["q"]


def test_without_anybody_everything_is_a_gap() -> None:
    match = Matcher([]).match("write unit tests")
    assert (match.is_gap, match.assigned, match.ideal) == (True, None, "test-engineer")


def test_words_that_nobody_knows_are_a_gap_for_a_generalist() -> None:
    match = Matcher([persona("a", "gnus")]).match("qwertz")
    assert (match.is_gap, match.ideal) == (True, "generalist")
    assert "qwertz" in match.ideal_description


def test_a_persona_fills_the_gap_that_it_covers() -> None:
    work = "Port the app to iOS"
    assert Matcher(published_team()).match(work).ideal == "mobile-developer"
    mobile = persona("phone-smith", "Builds mobile apps for Android and iOS")
    match = Matcher([*published_team(), mobile]).match(work)
    assert (match.is_gap, match.ideal) == (False, "phone-smith")


def test_a_persona_may_be_called_like_a_kind_of_work_and_do_another() -> None:
    match = Matcher([persona("translator", "Compiles one programming language to another")]).match(
        "compile the language"
    )
    assert (match.is_gap, match.ideal) == (False, "translator")


@given(st.text(max_size=200))
def test_whatever_is_asked_the_answer_holds_together(text: str) -> None:
    match = Matcher(published_team()).match(text)
    assert match.ideal
    assert match.ideal_description
    assert match.is_gap == (match.assigned is None or match.assigned.id != match.ideal)
    scores = [each.score for each in match.ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)


def test_kinds_of_work_have_names_of_their_own() -> None:
    assert len({each.id for each in SPECIALITIES}) == len(SPECIALITIES)


@given(st.text(max_size=40), st.text(max_size=200))
def test_a_made_up_persona_is_the_same_for_the_same_words_and_can_be_given_a_task(name: str, text: str) -> None:
    made_up = adhoc_persona(name, text)
    assert made_up == adhoc_persona(name, text)
    task = cast(SpawnTask("x"), made_up, agent=None, speaks="claude")
    assert task.instructions == instructions_of(made_up)
    assert made_up.id in (task.instructions or "")


def test_a_tasks_own_model_comes_before_the_personas() -> None:
    reviewer = persona("r", "g", model="opus", tool="claude")
    assert cast(SpawnTask("x", model="haiku"), reviewer, agent="a", speaks="claude").model == "haiku"
    assert cast(SpawnTask("x"), reviewer, agent="a", speaks="claude").model == "opus"
    assert cast(SpawnTask("x"), reviewer, agent="a", speaks="codex").model is None
