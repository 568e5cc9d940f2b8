"""Each signal of complexity earns its weight in the dimension that describes it."""

from __future__ import annotations

import pytest

from aurora_soar import assess, read_question
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


def test_a_list_of_items_is_structure() -> None:
    flat = dimension("Add retries timeouts caches", "structure")
    listed = dimension("Add\n- retries\n- timeouts\n1. caches", "structure")
    assert listed > flat + 0.7
