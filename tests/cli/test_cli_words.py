"""Text from outside is printed so that it can do no harm and reads well."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_cli.escapes import _BLANK, printable_json, printable_with_colours
from aurora_cli.render.words import count, one_line, printable, size


@given(st.text())
def test_printable_text_holds_no_character_that_steers_a_terminal(text: str) -> None:
    assert not any(ord(char) < 32 and char not in "\t\n" for char in printable(text))
    assert not any(127 <= ord(char) < 160 for char in printable(text))


@given(st.text(st.characters(min_codepoint=160, exclude_categories=("C", "Zl", "Zp"), exclude_characters=_BLANK)))
def test_other_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text(st.characters(categories=("Cf", "Cc", "Zl", "Zp", "L", "N")), max_size=8))
def test_nothing_unseen_is_printed_but_joiners_in_scripts_and_emoji(text: str) -> None:
    for shown in (printable(text), printable_with_colours(text)):
        left = {char for char in shown if unicodedata.category(char) in {"Cf", "Cc", "Zl", "Zp"}}
        assert not left - set("\t\n\u200c\u200d")
    assert printable("\u200d\u200c").isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ad\u202enimda", "ad\\u202enimda"),
        *[(f"a{chr(code)}b", f"a\\u{code:04x}b") for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))],
        *[(f"a{char}b", f"a\\u{ord(char):04x}b") for char in "\u200b\u200c\u200d\u200e\u2060\ufeff\u2028\u061c"],
        ("\U000e0041", "\\U000e0041"),
        ("a\u00adb", "a\\xadb"),
        ("\x9b31m", "\\x9b31m"),
        ("family: \U0001f468\u200d\U0001f469", "family: \U0001f468\u200d\U0001f469"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
    ],
)
def test_what_pretends_to_be_other_text_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_only_colours_pass_the_last_door() -> None:
    assert printable_with_colours("\x1b[1;31mred\x1b[0m \x1b]0;title\x07 \x1b[2J\u202e") == (
        "\x1b[1;31mred\x1b[0m \\x1b]0;title\\x07 \\x1b[2J\\u202e"
    )


@given(st.dictionaries(st.text(max_size=5), st.text(), max_size=3))
def test_a_document_says_what_it_said(document: dict[str, str]) -> None:
    text = printable_json(json.dumps(document, indent=2, ensure_ascii=False))
    assert json.loads(text) == document
    assert not any(unicodedata.category(char) in {"Cf", "Cc"} and char != "\n" for char in text)


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
