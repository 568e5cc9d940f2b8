"""Text from outside is printed so that it can do no harm and reads well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_cli.render.words import count, one_line, printable, size


@given(st.text())
def test_printable_text_holds_no_character_that_steers_a_terminal(text: str) -> None:
    assert not any(ord(char) < 32 and char not in "\t\n" for char in printable(text))
    assert not any(127 <= ord(char) < 160 for char in printable(text))


@given(st.text(st.characters(min_codepoint=160)))
def test_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_an_escape_sequence_is_spelled_out() -> None:
    assert printable("a\x1b[31mb") == "a\\x1b[31mb"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit


def test_a_cut_line_says_so() -> None:
    assert one_line("a b\n  c" * 20, 6) == "a b c…"


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 chunks"), (1, "1 chunk"), (2, "2 chunks"), (12345, "12,345 chunks")]
)
def test_a_noun_agrees_with_its_number(number: int, words: str) -> None:
    assert count(number, "chunk") == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (7_000_000_000, "7.0 GB")],
)
def test_sizes_take_the_unit_that_reads_best(number: int, words: str) -> None:
    assert size(number) == words
