"""The tables of the languages name only what their grammars know: an entry that no tree has is dead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields

import pytest
from tests.exhaustive import few

from aurora_core.chunking.grammars import Grammar, Path, language_of
from aurora_core.chunking.languages import GRAMMARS
from aurora_core.chunking.link_nodes import ANY, LINK_NODES, LinkNodes
from aurora_core.chunking.split import cut_file


def steps(paths: Iterable[Path]) -> Iterator[str]:
    """Yields `type NAME` and `field NAME` for each step."""
    for step in (step for path in paths for step in path if step != "@0"):
        yield f"type {step[1:]}" if step.startswith(":") else f"field {step}"


def words_of(grammar: Grammar) -> Iterator[str]:
    sets = [value for field in fields(grammar) if isinstance(value := getattr(grammar, field.name), frozenset)]
    tables = (grammar.renaming, grammar.names, grammar.fixed_names, grammar.joined, grammar.bindings)
    types = [*sets, *grammar.joined.values(), *map(frozenset, tables), frozenset({grammar.keyword_node} - {""})]
    yield from (f"type {each}" for group in types for each in group)
    yield from steps(grammar.renaming.values())
    for paths in grammar.names.values():
        yield from steps(paths)
    for binding in grammar.bindings.values():
        yield from steps([binding.name, *binding.value])


def words_of_links(links: LinkNodes) -> Iterator[str]:
    for node_type, naming in [*links.calls.items(), *links.imports.items()]:
        yield f"type {node_type}"
        yield from (f"type {each}" for each in naming.plain - ANY)
        yield from ([f"field {naming.field}"] if naming.field else [])
        for child, (field, last) in (naming.last or {}).items():
            yield from (f"type {each}" for each in {child, last} - ANY)
            yield from ([f"field {field}"] if field else [])
    if links.requires:
        yield from steps([links.arguments])
        yield from (f"type {each}" for each in links.required)


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.name)
def test_every_node_type_and_field_of_the_tables_is_one_of_the_grammar(grammar: Grammar) -> None:
    language = language_of(grammar)
    known = {f"type {language.node_kind_for_id(number)}" for number in range(language.node_kind_count)}
    known |= {f"field {language.field_name_for_id(number)}" for number in range(1, language.field_count + 1)}
    links = LINK_NODES.get(grammar.name, LinkNodes())
    assert {*words_of(grammar), *words_of_links(links)} - known == set()


def test_links_are_of_known_languages() -> None:
    assert LINK_NODES.keys() <= {grammar.name for grammar in GRAMMARS}


def test_a_record_struct_of_c_sharp_is_a_type() -> None:
    chunks = cut_file("A.cs", "public record struct Point(int X)\n{\n    int Far() => X;\n}\n").chunks
    assert [(chunk.symbol_type.value, chunk.name) for chunk in chunks][:2] == [
        ("class", "Point"),
        ("method", "Point.Far"),
    ]


_AT_ONCE = """
import sys, threading
from aurora_core.chunking.split import cut_file
text = "".join(f"def f{n}(a, b):\\n    return a + {n}\\n\\n" for n in range(4000))
begin = threading.Barrier(4)
def cut():
    begin.wait()
    for _ in range(int(sys.argv[1])):
        assert len(cut_file("a.py", text).chunks) >= 4000
threads = [threading.Thread(target=cut) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
"""


@pytest.mark.parametrize("times", few([1, 3], 1))
def test_files_are_cut_in_several_threads_at_once(times: int) -> None:
    """In a process of its own: two threads in one parser end it with a segmentation fault."""
    subprocess.run([sys.executable, "-c", _AT_ONCE, str(times)], check=True, timeout=100)
