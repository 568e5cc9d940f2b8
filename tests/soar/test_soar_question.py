"""A question is read once: its intent, its words, its code-like tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar import EmptyQuestionError, Intent, read_question


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("How does the scheduler decide what runs next?", Intent.EXPLAIN),
        ("What is a chunk?", Intent.EXPLAIN),
        ("why is this test failing", Intent.DEBUG),
        ("fix the off-by-one error in pagination", Intent.DEBUG),
        ("the worker hangs on shutdown", Intent.DEBUG),
        ("why does a query raise MultipleObjectsReturned", Intent.DEBUG),
        ("how does failover choose a replica", Intent.EXPLAIN),
        ("add a --verbose flag", Intent.IMPLEMENT),
        ("please refactor the storage layer", Intent.IMPLEMENT),
        ("review the authentication code", Intent.REVIEW),
        ("do a security audit of the api", Intent.REVIEW),
        ("plan the move to a cluster", Intent.PLAN),
        ("how should we restructure the plugin loader", Intent.PLAN),
        ("what is the difference between Task and Job", Intent.COMPARE),
        ("dijkstra vs bellman ford", Intent.COMPARE),
    ],
)
def test_intent_is_read_from_the_words(text: str, intent: Intent) -> None:
    assert read_question(text).intent is intent


def test_terms_are_the_content_words_in_order_and_once() -> None:
    question = read_question("How does the scheduler decide what the scheduler runs next?")
    assert question.terms == ("scheduler", "runs", "next")
    assert question.focus == "scheduler runs next"


@pytest.mark.parametrize(
    ("text", "language", "intent", "terms"),
    [
        ("Wo ist RETRY_CEILING gesetzt?", "German", Intent.EXPLAIN, ("RETRY_CEILING", "set")),
        ("Was ist der Unterschied zwischen `send` und `close`?", "German", Intent.COMPARE, ("send", "close")),
        ("Comment est-ce que fetch_all est appelée ?", "French", Intent.EXPLAIN, ("fetch_all",)),
        ("¿Dónde se llama fetch_all?", "Spanish", Intent.EXPLAIN, ("fetch_all",)),
        ("Why does die() call sys.exit, and where is der_parser used?", "", Intent.DEBUG, None),
        ("How does Le.un() differ from la.de()?", "", Intent.COMPARE, None),
    ],
)
def test_function_words_of_other_languages_are_translated_or_left_out(
    text: str, language: str, intent: Intent, terms: tuple[str, ...] | None
) -> None:
    question = read_question(text)
    assert question.language == language
    assert terms is None or (question.intent, question.terms) == (intent, terms)


def test_code_like_tokens_are_kept_as_written() -> None:
    question = read_question("where does `load_config` call Path.read_text() in src/app/config.py for HttpClient?")
    assert question.identifiers == ("load_config", "src/app/config.py", "Path.read_text", "config.py", "HttpClient")


def test_the_sides_of_a_comparison_are_phrases() -> None:
    assert read_question("what is the difference between a Task and a Job?").sides == ("a Task", "a Job")
    assert read_question("compare the lexer with the parser").sides == ("the lexer", "the parser")


def test_a_comparison_with_an_empty_side_is_none() -> None:
    assert read_question("what is the difference between it and retries?").sides == ()


def test_a_question_of_stop_words_falls_back_to_its_longest_word() -> None:
    assert read_question("how does this actually work").terms == ("actually",)


@pytest.mark.parametrize("text", ["", "   ", "?!", "-- ::", "a"])
def test_a_question_without_words_is_refused(text: str) -> None:
    with pytest.raises(EmptyQuestionError, match="has no word to search for"):
        read_question(text)


def test_bytes_that_are_no_text_are_replaced() -> None:
    question = read_question("where is caf\udcff opened")
    assert question.text == "where is caf? opened"
    assert question.terms == ("caf", "opened")


def test_questions_about_tests_are_known() -> None:
    assert read_question("which tests cover the parser").about_tests
    assert not read_question("what is the latest release").about_tests


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        question = read_question(text)
    except EmptyQuestionError:
        return
    assert question.terms
    assert all(term == term.lower() or term in question.identifiers for term in question.terms)
    assert len({term.lower() for term in question.terms}) == len(question.terms)
