"""Matching: fields of work rather than words, gaps, rosters of any size, the published set, made-up personas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar.personas import Matcher, Persona, adhoc_persona, cast, instructions_of, parse_persona
from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_spawner import SpawnTask

if TYPE_CHECKING:
    from random import Random

ORDINARY = Path(__file__).parent / "data" / "match-ordinary-subgoals"
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


def test_a_rare_word_that_is_shared_decides_nothing_alone() -> None:
    decoy = persona("stockbroker", "Buys qwertz shares")
    match = Matcher([decoy]).match("Render the qwertz component in React")
    assert (match.is_gap, match.ideal) == (True, "react-developer")


@pytest.mark.parametrize(
    ("work", "found"),
    [
        ("Write a Helm chart for the queue worker", "gap"),
        ("Write a tweet thread about the release", "gap"),
        ("Let people log in with a link instead of a password", "backend-dev"),
        ("Explain to admins how to install it", "docs-writer"),
    ],
)
def test_decoys_share_words_and_get_nothing(work: str, found: str) -> None:
    team = [
        persona("cpp-expert", "Modern C++ templates and memory layout; puts you at the helm of performance"),
        persona("java-expert", "Java threads, streams and long-running services"),
        persona("backend-dev", "Server code: endpoints, jobs, business rules"),
        persona("docs-writer", "Guides and readmes"),
    ]
    assert _found(Matcher(team), work) == found


def test_no_word_need_be_shared() -> None:
    team = [
        persona("network-engineer", "Routers and firewalls"),
        persona("mender", "Root causes of bugs and crashes"),
    ]
    assert _found(Matcher(team), "Find out why the nightly export dies") == "mender"


def test_a_persona_fills_the_gap_that_it_covers() -> None:
    work = "Port the app to iOS"
    assert Matcher(published_team()).match(work).ideal == "ios-developer"
    mobile = persona("phone-smith", "Builds mobile apps for Android and iOS")
    match = Matcher([*published_team(), mobile]).match(work)
    assert (match.is_gap, match.ideal) == (False, "phone-smith")


def test_a_generalist_does_what_no_specialist_is_there_for() -> None:
    generalist = persona("technical-writer", "Writes documentation")
    specialist = persona("tutorial-writer", "Writes tutorials for beginners")
    work = "Write a tutorial for beginners"
    assert _found(Matcher([generalist]), work) == "technical-writer"
    assert _found(Matcher([generalist, specialist]), work) == "tutorial-writer"


def test_a_persona_may_have_the_name_of_a_field_and_do_something_else() -> None:
    namesake = persona("composer", "Writes the file docker-compose.yaml: containers, images, registries, volumes")
    match = Matcher([namesake]).match("Translate the user guide into Swedish")
    assert (match.is_gap, match.ideal) == (True, "translator")


def test_names_that_are_words_as_well_need_their_capital() -> None:
    team = [persona("go-developer", "Idiomatic Go"), persona("release-manager", "Releases, tags, go or no go")]
    assert Matcher(team).match("Let the service in Go stop cleanly").ranked[0].persona.id == "go-developer"
    assert Matcher(team).match("What must go into the next release").ranked[0].persona.id == "release-manager"


def test_ordinary_subgoals_find_their_personas_among_decoys() -> None:
    readings = [parse_persona(path.read_bytes(), file=path.name) for path in ORDINARY.glob("agents/*.md")]
    matcher = Matcher([reading.persona for reading in readings if reading.persona])
    lines = (ORDINARY / "subgoals.tsv").read_text(encoding="utf-8").splitlines()
    wanted = dict(line.split("\t") for line in lines)
    assert {text: _found(matcher, text) for text in wanted} == wanted
    assert len(wanted) == 10


subgoals_of_all_kinds = st.sampled_from(
    [
        "Write unit tests for the parser",
        "Move the service to Kubernetes",
        "Translate the handbook into Swedish",
        "Why does the importer drop the last row?",
        "Feed the zebras",
    ]
)


@given(subgoals_of_all_kinds, st.randoms(use_true_random=False))
def test_the_order_of_the_personas_changes_nothing(text: str, random: Random) -> None:
    team = published_team()
    before = Matcher(team).match(text)
    random.shuffle(team)
    assert Matcher(team).match(text) == before


@given(subgoals_of_all_kinds, st.integers(1, 200))
def test_personas_of_other_trades_change_nothing_however_many(text: str, count: int) -> None:
    sculptors = [persona(f"sculptor-{number}", "Hews marble") for number in range(count)]
    match, without = Matcher([*published_team(), *sculptors]).match(text), Matcher(published_team()).match(text)
    assert (match.ideal, match.assigned) == (without.ideal, without.assigned)
    assert tuple(each for each in match.ranked if each.persona not in sculptors) == without.ranked


@given(st.text(max_size=200))
def test_whatever_is_asked_the_answer_holds_together(text: str) -> None:
    match = Matcher(published_team()).match(text)
    assert match.ideal
    assert match.ideal_description
    assert match.is_gap == (match.assigned is None or match.assigned.id != match.ideal)
    scores = [each.score for each in match.ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)


def test_every_ideal_agent_can_be_made_up() -> None:
    for field, does in fields_of_work().does.items():
        assert adhoc_persona(field, does).id == field


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
