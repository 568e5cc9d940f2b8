"""Identifiers are found by their words and by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.tokens import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("loadConfig", ["load", "config", "loadconfig"]),
        ("load_config", ["load", "config", "load_config"]),
        ("HTTPServerError", ["http", "server", "error", "httpservererror"]),
        ("parsing parsed parses", ["pars", "pars", "pars"]),
        ("utf8_decode", ["utf", "8", "decod", "utf8_decod"]),
        ("__init__", ["init"]),
        ("x = y + 1", ["x", "y", "1"]),
        ("größe", ["größe"]),
        ("", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.from_regex(r"[a-z]{2,8}(_[a-z]{2,8}){1,3}", fullmatch=True))
def test_snake_case_is_found_by_its_words(identifier: str) -> None:
    words = identifier.replace("_", " ")
    assert set(terms(words)) <= set(terms(identifier))


@given(st.text())
def test_any_text_has_terms_of_bounded_length(text: str) -> None:
    assert all(0 < len(term) <= 64 for term in terms(text))
