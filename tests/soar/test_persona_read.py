"""Reading personas: both forms, everything that people get wrong, and whatever bytes there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_soar.personas import Category, Persona, Reading, parse_persona
from aurora_soar.personas.ids import kebab
from aurora_soar.personas.read import MAX_BYTES

OWN = """---
id: qa-test-architect
role: Test architect
goal: Make changes safe
category: qa
skills: [unit tests, fixtures]
examples:
  - Write tests for the parser
when_to_use: When tests are missing
dependencies: [code-reviewer]
---

You write tests.
"""
CLAUDE = """---
name: Code Reviewer
description: "Reviews diffs. Use after each change."
tools: Read, Grep
model: opus
color: blue
---
You review.
"""


def read(text: str, file: str = "a/some-agent.md") -> Reading:
    return parse_persona(text.encode(), file=file, tool="claude")


def persona(text: str, file: str = "a/some-agent.md") -> Persona:
    found = read(text, file).persona
    assert found is not None
    return found


def test_our_own_form() -> None:
    found = persona(OWN)
    assert read(OWN).problems == ()
    assert (found.id, found.role, found.goal) == ("qa-test-architect", "Test architect", "Make changes safe")
    assert found.category is Category.QA
    assert found.skills == ("unit tests", "fixtures")
    assert found.examples == ("Write tests for the parser",)
    assert found.when_to_use == "When tests are missing"
    assert found.dependencies == ("code-reviewer",)
    assert found.instructions == "You write tests."
    assert (found.tools, found.model) == ((), None)


def test_claude_codes_form_with_keys_of_others_passed_over() -> None:
    found = persona(CLAUDE)
    assert read(CLAUDE).problems == ()
    assert (found.id, found.role) == ("code-reviewer", "Code reviewer")
    assert found.goal == "Reviews diffs. Use after each change."
    assert found.tools == ("Read", "Grep")
    assert found.model == "opus"
    assert found.category is Category.QA


def test_a_file_without_a_name_is_called_by_its_own() -> None:
    assert persona("---\ndescription: x\n---\n", "a/db-expert.agent.md").id == "db-expert"


def test_switches_of_tools_name_those_that_are_on() -> None:
    assert persona("---\ndescription: x\ntools: {write: false, read: true}\n---\n").tools == ("read",)


def test_inherit_is_no_model() -> None:
    assert persona("---\ndescription: x\nmodel: inherit\n---\n").model is None


def test_a_colon_in_a_description_is_told_and_read_all_the_same() -> None:
    text = "---\nname: fixer\ndescription: Use it: always\\nand <example>user: hi</example>\ntools:\n  - Read\n---\n"
    reading = read(text)
    assert reading.persona is not None
    assert reading.persona.goal == "Use it: always and <example>user: hi</example>"
    assert reading.persona.tools == ("Read",)
    (problem,) = reading.problems
    assert problem.line == 3
    assert "not valid YAML" in problem.reason
    assert str(problem).startswith("a/some-agent.md:3: is not valid YAML")


@pytest.mark.parametrize(
    ("text", "line", "field", "reason"),
    [
        ("", 1, "", "is empty"),
        ("# Title\n", 1, "", "has no front matter"),
        ("\n---\nname: x\n", 2, "", "does not end"),
        ("---\n- a\n---\n", 2, "", "not `key: value` lines"),
        ("---\nname: x\n---\n", None, "description", "is missing"),
    ],
    ids=["empty", "no-head", "open-head", "list", "no-goal"],
)
def test_a_file_that_gives_no_persona_says_why(text: str, line: int | None, field: str, reason: str) -> None:
    reading = read(text)
    assert reading.persona is None
    found = reading.problems[-1]
    assert (found.line, found.field) == (line, field)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("line", "field", "reason"),
    [
        ("model: haiku is fine", "model", "not the name of a model"),
        ("model: --dangerous", "model", "not the name of a model"),
        ("skills: {a: b}", "skills", "must be a list"),
        ("role: [[a]]", "role", "must be a text"),
        ("goal: again", "goal", "given twice"),
    ],
)
def test_a_wrong_field_is_left_out_and_told_with_its_line(line: str, field: str, reason: str) -> None:
    reading = read(f"---\nid: x\ngoal: y\n{line}\n---\n")
    assert reading.persona is not None
    assert reading.persona.goal == "y"
    (problem,) = reading.problems
    assert (problem.line, problem.field) == (4, field)
    assert reason in problem.reason


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_told() -> None:
    reading = parse_persona(b"---\nname: \xff\n", file="x.md")
    assert reading.persona is None
    assert (reading.problems[0].line, reading.problems[0].reason) == (2, "is not UTF-8 text; save it as UTF-8")
    assert "is larger than" in parse_persona(b"x" * (MAX_BYTES + 1), file="x.md").problems[0].reason


def test_halves_of_characters_can_be_written_down_again() -> None:
    found = persona('---\nname: x\ndescription: "a \\ud800 b"\n---\n')
    assert found.goal.encode("utf-8")


def test_aliases_of_aliases_are_not_followed() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    reading = read(f"---\ndescription: x\na0: &a0 [y]\n{levels}skills: *a29\n---\n")
    assert reading.persona is not None
    assert reading.persona.skills == ()


_KEYS = st.sampled_from(["id", "name", "role", "goal", "description", "skills", "tools", "category", "x: y", "- z"])
_VALUES = st.one_of(
    st.text(max_size=40), st.sampled_from(["[", "{a: b}", "[a, b]", "&a *a", "!!python/x", "|", '"\\ud800"'])
)


@given(st.binary(max_size=400))
def test_no_bytes_raise(content: bytes) -> None:
    reading = parse_persona(content, file="x.md")
    assert (reading.persona is not None) or reading.problems


@given(st.lists(st.tuples(_KEYS, _VALUES), max_size=8), st.text(max_size=60))
def test_no_head_raises_and_what_is_read_can_be_used(pairs: list[tuple[str, str]], body: str) -> None:
    head = "\n".join(f"{key}: {value}" for key, value in pairs)
    reading = parse_persona(f"---\n{head}\n---\n{body}".encode("utf-8", "replace"), file="x.md")
    if reading.persona is None:
        assert reading.problems
    else:
        assert reading.persona.id == kebab(reading.persona.id) != ""
        assert reading.persona.goal
        repr(reading.persona).encode("utf-8")
