"""One value of a YAML file is set, and nothing else changes."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.plain_yaml import parse_plain_yaml
from aurora_core.settings.yaml_edit import YamlEditError, set_in_yaml


@pytest.mark.parametrize(
    ("text", "place", "value", "expected"),
    [
        ("", "tool", "x", "tool: x\n"),
        ("# only a comment", "tool", "x", "# only a comment\ntool: x\n"),
        ("tool: a  # keep\n# end\n", "tool", "b c", 'tool: "b c"  # keep\n# end\n'),
        ("s:\n  n: 3 # x\n# e\nm: 1\n", "s.n", 8, "s:\n  n: 8 # x\n# e\nm: 1\n"),
        ("s:\n  n: 3 # x\n# e\n", "s.m", True, "s:\n  n: 3 # x\n  m: true\n# e\n"),
        ("a: 1\n", "s.m", 0.5, "a: 1\ns:\n  m: 0.5\n"),
        ("a: 1\n", "b", ["echo \U0001f389", "Ü b"], 'a: 1\nb: ["echo \U0001f389", "Ü b"]\n'),
        ("s:\n", "s.m", None, "s: {m: null}\n"),
        ("s: {}\n", "s.m", [], "s: {m: []}\n"),
        ("s: {a: 1, b: 2} # c\n", "s.a", "no", 's: {a: "no", b: 2} # c\n'),
        ("s: {a: 1, b: 2}", "s.c", {"k": [1]}, "s: {a: 1, b: 2, c: {k: [1]}}"),
        ("a: |\n  text\n  more\n# c\nb: 1\n", "a", "q", "a: q\n# c\nb: 1\n"),
        ("a:\n  b: 1", "a.c", 2, "a:\n  b: 1\n  c: 2"),
        ("\ufeffa: 1\r\nb: 2\r\n", "a", 3, "\ufeffa: 3\r\nb: 2\r\n"),
        ("a: 1\r\n", "b", 2, "a: 1\r\nb: 2\r\n"),
        ("---\na: 1\n...\n", "b", 2, "---\na: 1\nb: 2\n...\n"),
        (
            "m: # mm\n  e:\n    # one\n    - a # two\n    - 'b # no'\n  f: 1\n",
            "m.e",
            ["z"],
            "m: # mm\n  # one\n  # two\n  e: [z]\n  f: 1\n",
        ),
    ],
)
def test_the_text_changes_in_one_place(text: str, place: str, value: object, expected: str) -> None:
    assert set_in_yaml(text, place.split("."), value) == expected


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("a: &x 1\nb: *x\n", "b", "alias"),
        ("a: &x 1\nb: *x\n", "a", "by hand"),
        ("a: 1\n", "a.b", "a holds a value"),
        ("- a\n", "a", "the file holds a value"),
        ("base: &b {x: 1}\nc:\n  <<: *b\n", "base.x", "other settings would change"),
    ],
)
def test_what_cannot_be_done_without_other_changes_is_refused(text: str, place: str, problem: str) -> None:
    with pytest.raises(YamlEditError, match=problem):
        set_in_yaml(text, place.split("."), 5)


KEYS = st.sampled_from(["a", "b", "spawner", "on", "x y", "ä", "1"])
LEAVES = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.sampled_from(["no", "# x", "- y", ""])
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(DOCUMENTS, st.lists(KEYS, min_size=1, max_size=3), VALUES, st.sampled_from([None, True, False]))
def test_any_value_at_any_place_of_any_document_is_set_alone_or_refused(
    document: dict[str, object], place: list[str], value: object, flow: bool | None
) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=flow) if document else ""
    try:
        before = parse_plain_yaml(text).value or {}
        changed = set_in_yaml(text, place, value)
    except ValueError:
        return
    after = parse_plain_yaml(changed).value
    for name in place[:-1]:
        assert isinstance(after, dict)
        assert isinstance(before, dict)
        assert {key: each for key, each in after.items() if key != name} == {
            key: each for key, each in before.items() if key != name
        }
        after, before = after[name], before.get(name) or {}
    assert isinstance(after, dict)
    assert after[place[-1]] == value
