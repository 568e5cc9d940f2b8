"""Each signal of complexity earns its weight, and what is at stake outweighs them all."""

from __future__ import annotations

import pytest

from aurora_soar import Complexity, assess, read_question
from aurora_soar.phases import complexity_signals as signals


def dimension(text: str, name: str) -> float:
    return assess(read_question(text)).dimensions[name]


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("Where is the parser?", signals.LOOK_UP_WEIGHT),
        (
            "List the endpoints, then implement pagination and filtering over orders, customers and invoices",
            signals.LOOK_UP_WITH_BUILD_WEIGHT,
        ),
        ("Implement the parser", signals.BUILD_WEIGHT),
        ("Outline the next steps of the parser", signals.PLAN_WEIGHT),
        ("Explain the parser", signals.ANALYSIS_WEIGHT),
        ("Add a parser", signals.CHANGE_WEIGHT),
        ("Implement the parser and explain it", signals.BUILD_WEIGHT),
        ("Add a parser and explain it", signals.ANALYSIS_WEIGHT),
    ],
)
def test_the_first_kind_of_work_that_matches_gives_the_weight(text: str, weight: float) -> None:
    assert dimension(text, "keywords") == weight


def test_words_of_no_kind_weigh_by_their_number() -> None:
    assert dimension("parser tokens grammar lexer states", "keywords") == 0.35
    assert dimension("parser tokens", "keywords") == 0.2


def test_wide_words_add_up_to_one_and_a_narrow_one_takes_back() -> None:
    assert dimension("Add retries", "scope") == 0.0
    assert dimension("Add retries to all clients", "scope") == signals.WIDE_SCOPE_WEIGHT
    assert dimension("Add retries to all clients across every service and module", "scope") == 1.0
    assert dimension("Add retries to all clients in this", "scope") == 0.0
    assert dimension("Add this", "scope") == 0.0, "a narrow word alone does not make the scope negative"


def test_a_part_of_a_word_is_no_signal() -> None:
    assert dimension("Show the wall and the hallway", "scope") == 0.0


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("constraints", "Add a cache without locks", "Add a cache without locks that must be atomic"),
        ("domain", "Add a cache to the database", "Add a cache to the database with permissions"),
    ],
)
def test_two_matches_fill_a_dimension(name: str, one: str, two: str) -> None:
    assert dimension(one, name) == 0.5
    assert dimension(two, name) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "Rotate the leaked api key",
        "DELETE the users of the old tenant",
        "Migrate the orders table in production",
        "Review the login for sql injection",
        "git: force-push the rewritten history",
    ],
)
def test_acting_on_what_is_at_stake_is_critical_whatever_the_score(text: str) -> None:
    found = assess(read_question(text))
    assert found.complexity is Complexity.CRITICAL
    assert found.score >= 0.4, "no smaller than a complex one"
    assert "at stake" in found.reasoning


@pytest.mark.parametrize(
    "text", ["What is a sql injection?", "How does the encryption keys module work?", "Explain data loss"]
)
def test_a_question_about_how_it_works_is_not_critical(text: str) -> None:
    assert assess(read_question(text)).complexity is not Complexity.CRITICAL


def test_a_list_of_items_is_structure() -> None:
    flat = dimension("Add retries timeouts caches", "structure")
    listed = dimension("Add\n- retries\n- timeouts\n1. caches", "structure")
    assert listed > flat + 0.7


def test_confidence_grows_with_the_distance_from_a_threshold() -> None:
    near, far = assess(read_question("Where is it used")), assess(read_question("Show it"))
    assert 0.5 <= near.confidence <= 1.0
    assert far.score <= near.score
    assert far.confidence >= near.confidence
