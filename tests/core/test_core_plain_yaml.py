"""YAML is read as plain data with the line of everything, within bounds, and errors say what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core import ConfigError
from aurora_core.plain_yaml import MAX_VALUES, PlainYamlError, parse_plain_yaml, read_plain_yaml
from aurora_core.settings.yaml_source import read_yaml

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("a: 1\nb: [x, 2.5, true, null, ~]\n", {"a": 1, "b": ["x", 2.5, True, None, None]}),
        ("day: 2026-02-30\n", {"day": "2026-02-30"}),
        ("day: 2026-02-28T10:00:00Z\n", {"day": "2026-02-28T10:00:00Z"}),
        ("1: one\ntrue: two\n", {"1": "one", "true": "two"}),
        ("text: |\n  two\n  lines\n", {"text": "two\nlines\n"}),
        ("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n", {"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}}),
    ],
)
def test_documents_are_plain_values(text: str, value: object) -> None:
    assert parse_plain_yaml(text).value == value


def test_of_several_merged_mappings_the_first_that_has_a_key_gives_its_value() -> None:
    read = parse_plain_yaml("a: &a {x: 1}\nb: &b {x: 2, z: 3}\nc: {<<: [*a, *b]}\n").value
    assert isinstance(read, dict)
    assert read["c"] == {"x": 1, "z": 3}


def test_every_value_knows_its_line() -> None:
    lines = parse_plain_yaml("a: 1\nb:\n  - x\n  - c: 2\n\nd: {e: 3,\n    f: 4}\n").lines
    assert lines[("a",)] == 1
    assert (lines["b", 0], lines["b", 1], lines["b", 1, "c"]) == (3, 4, 4)
    assert (lines["d", "e"], lines["d", "f"]) == (6, 7)


def test_every_value_knows_its_column() -> None:
    read = parse_plain_yaml("a: 1\nb:\n  - x\n  - c: 2\n\nd: {e: 3,\n    f: 4}\n")
    assert [read.place_of(each) for each in ((), ("a",), ("b", 0), ("b", 1, "c"))] == [(1, 1), (1, 1), (3, 5), (4, 5)]
    assert [read.place_of(each) for each in (("d", "e"), ("d", "f"), ("d", "none", 3))] == [(6, 5), (7, 5), (6, 1)]


def test_a_value_that_is_brought_in_and_replaced_has_the_place_of_its_own() -> None:
    read = parse_plain_yaml("base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  y: 3\n")
    assert (read.place_of(("more", "y")), read.place_of(("more", "x"))) == ((4, 3), (1, 11))
    read = parse_plain_yaml("base: &b {x: [1, 2]}\nmore:\n  <<: *b\n  x: [3, 4]\n")
    assert read.place_of(("more", "x", 1)) == (4, 10)


def test_a_key_that_is_given_twice_is_reported_with_both_lines() -> None:
    (again,) = parse_plain_yaml("a:\n  x: 1\n  y: 2\n  x: 3\n").repeated
    assert (again.place, again.first_line, again.line) == (("a", "x"), 2, 4)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: [1\nb: 2\n", 2, "is not valid YAML"),
        ("a: !!python/object:os.system x\n", 1, "has the tag"),
        ("a: 1\nb: !mine 2\n", 2, "has the tag '!mine'; remove the tag"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "a key must be a text"),
        ("a: 1\nb: !!int twelve\n", 2, "cannot be read as int; put a text in quotes"),
        ("a: 1\nb: {<<: 3}\n", 2, "`<<` must bring in a mapping"),
        ('a: "\\0"\n', 1, "not text"),
        ('a: "\\ud800"\n', 1, "not text"),
        ("a: 1\nb: \x07\n", 2, "does not allow (U+0007)"),
        ("a: 1\n---\nb: 2\n", 2, "is not valid YAML"),
        ("a: *nowhere\n", 1, "is not valid YAML"),
        ("a: &a [*a]\n", 1, "is nested too deeply"),
        ("[" * 3000, 1, "is nested too deeply"),
    ],
)
def test_what_is_not_plain_is_named_with_its_line(text: str, line: int | None, says: str) -> None:
    with pytest.raises(PlainYamlError) as raised:
        parse_plain_yaml(text)
    assert says in raised.value.reason
    assert raised.value.line == line


@pytest.mark.timeout(30)
def test_aliases_of_aliases_end_at_the_number_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 12)]
    with pytest.raises(PlainYamlError, match="has too many values"):
        parse_plain_yaml("\n".join(lines))
    assert MAX_VALUES < 8**11


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder", "latin", "large", "dangling"])
def test_only_a_readable_text_file_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling":
        path.symlink_to("nowhere")
    else:
        path.write_bytes(b"a: \xe9\n" if kind == "latin" else b"a: 1\n" * 500_000)
    with pytest.raises((PlainYamlError, FileNotFoundError)) as raised:
        read_plain_yaml(path)
    assert isinstance(raised.value, FileNotFoundError) == (kind == "dangling")


def test_a_settings_file_that_is_not_there_is_none_and_an_empty_one_has_no_settings(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    assert read_yaml(path) is None
    path.write_text("# nothing yet\n")
    source = read_yaml(path)
    assert source is not None
    assert source.value == {}


def test_the_line_of_an_unknown_place_is_that_of_the_nearest_one_around_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: 1\nb:\n  c: 2\n")
    source = read_yaml(path)
    assert source is not None
    assert source.line_of(("b", "c")) == 3
    assert source.line_of(("b", "missing", "deeper")) == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- a\n", 1, "must be a mapping"),
        ("a: 1\na: 2\n", 2, "is given twice, first in line 1"),
        ("a: [\n", 2, "YAML"),
    ],
)
def test_a_settings_file_of_another_form_is_an_error_with_its_line(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as raised:
        read_yaml(path)
    assert (raised.value.source, raised.value.line) == (path, line)


@given(text=st.text(alphabet="ab:-[]{}&*!<>|'\"\\#? \n\t1,%@`é\0", max_size=60))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        document = parse_plain_yaml(text)
    except PlainYamlError:
        return
    assert document.value is None or isinstance(document.value, dict | list | str | int | float | bool)
