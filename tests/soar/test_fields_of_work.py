"""The table of fields of work: current, consistent, and read as it was written."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import pytest

from aurora_soar.personas.fields_of_work import fields_of_work
from aurora_soar.personas.lexicon import evidence
from aurora_soar.personas.wording import bare, words

TOOLS = Path(__file__).parents[2] / "tools"


def test_the_table_is_what_its_source_says() -> None:
    """Else run tools/compile_fields.py."""
    tool = run_path(str(TOOLS / "compile_fields.py"))
    assert tool["TABLE"].read_text(encoding="utf-8") == tool["compiled"]()


@pytest.mark.parametrize(("phrase", "count"), [("who keeps all of the keys at night", 5), ("the current", 0)])
def test_a_phrase_that_no_text_could_have_is_refused_with_its_place(phrase: str, count: int) -> None:
    tool = run_path(str(TOOLS / "compile_fields.py"))
    with pytest.raises(ValueError, match=f"locks.ini: locksmith: asks: '{phrase}' has {count} words that count"):
        tool["_phrases"]({"locksmith": {"file": "locks.ini", "asks": f"open door, {phrase}"}})


def test_fields_name_fields_only() -> None:
    table = fields_of_work().by_id
    for field in table.values():
        assert field.near | field.part_of <= table.keys() - {field.id}
        assert field.does.endswith(".")


def test_nearness_goes_both_ways() -> None:
    table = fields_of_work().by_id
    assert all(field.id in table[other].near for field in table.values() for other in field.near)


def test_work_around_software_is_covered_broadly() -> None:
    assert len(fields_of_work().by_id) >= 120


def test_the_longest_phrase_hides_the_words_in_it() -> None:
    assert "blockchain-developer" in evidence(words("smart contract"))
    assert "legal-counsel" in evidence(words("contract"))
    assert "legal-counsel" not in evidence(words("smart contract"))


def test_a_word_that_nobody_claims_is_no_evidence() -> None:
    assert evidence(words("qwertz")) == {}
    assert evidence([]) == {}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("deploys deployed deploying", ["deploy"] * 3),
        ("optimise optimizing optimisation optimization", ["optimiz"] * 4),
        ("colour colors", ["color", "color"]),
        ("the user's queries", ["user", "query"]),
        ("C++, C# and .NET", ["cpp", "csharp", "and", "dotnet"]),
        ("CI/CD for Node.js", ["cicd", "for", "Nodej"]),
        ("Go on. Go far in Go", ["go", "on", "go", "far", "in", "Go"]),
    ],
)
def test_spelling_and_inflection_make_no_difference(written: str, read: list[str]) -> None:
    assert words(written) == read


def test_a_text_without_end_is_read_for_its_beginning_only() -> None:
    assert words("deploy " + "? " * 500_000) == ["deploy"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("community", "communication"), ("product", "production"), ("market", "marketing"), ("fit", "fitness")],
)
def test_words_that_only_begin_alike_stay_apart(one: str, other: str) -> None:
    assert bare(one) != bare(other)
