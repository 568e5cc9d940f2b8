"""Each language is cut where its definitions are, and nothing that a person wrote is missing from the memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.core.polyglot import COMPONENTS, DOCUMENTS, PARSED, UNPARSED, Sample
from tests.exhaustive import few

from aurora_core import ChunkKind, Memory
from aurora_core.chunking.detect import SUFFIXES, grammar_of
from aurora_core.chunking.languages import GRAMMARS
from aurora_core.chunking.split import cut_file
from aurora_core.file_kinds import is_document


def places(file: str, text: str) -> list[tuple[str, str, int, int]]:
    return [(c.symbol_type.value, c.name, c.line_start, c.line_end) for c in cut_file(file, text).chunks]


def test_every_grammar_has_a_sample_and_a_suffix() -> None:
    sampled = {grammar.name for s in PARSED if (grammar := grammar_of(s.file, s.text))}
    assert sampled == {grammar.name for grammar in GRAMMARS} == {grammar.name for _, grammar in SUFFIXES}


@pytest.mark.parametrize("sample", [*PARSED, *COMPONENTS], ids=lambda sample: sample.file)
def test_definitions_are_chunks_of_their_own(sample: Sample) -> None:
    found = places(sample.file, sample.text)
    assert [place for place in sample.defines if place not in found] == [], found


@pytest.mark.parametrize("sample", [*PARSED, *COMPONENTS], ids=lambda sample: sample.file)
def test_every_line_with_content_is_in_one_chunk(sample: Sample) -> None:
    lines = sample.text.split("\n")
    held: list[int] = []
    for chunk in cut_file(sample.file, sample.text).chunks:
        assert chunk.content == "\n".join(lines[chunk.line_start - 1 : chunk.line_end])
        held += range(chunk.line_start, chunk.line_end + 1)
    assert len(held) == len(set(held))
    telling = {row for row, line in enumerate(lines, start=1) if len(line.strip()) >= 12}
    assert telling <= set(held)


def test_in_a_folder_of_many_languages_every_file_and_every_function_is_found(tmp_path: Path) -> None:
    files = {s.file: s.text for s in (*PARSED, *COMPONENTS)} | UNPARSED | DOCUMENTS
    assert len(files) > 40
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    with Memory.open(tmp_path) as memory:
        report = memory.index()
        assert (report.files_indexed, report.left_out, report.files_skipped) == (len(files), (), ())
        for file, text in files.items():
            word = re.findall(r"quagga_\w+", text)[0]
            assert file in [hit.file for hit in memory.search(word, 3)], word
        for sample in (*PARSED, *COMPONENTS):
            for symbol_type, name, first, last in sample.defines:
                hits = [hit for hit in memory.definitions(name) if hit.file == sample.file]
                assert (symbol_type, first, last) in [(h.symbol_type, h.line_start, h.line_end) for h in hits], name


@pytest.mark.parametrize(("files", "kind"), [(UNPARSED, ChunkKind.CODE), (DOCUMENTS, ChunkKind.DOC)])
def test_programs_without_a_grammar_are_code_and_all_else_is_a_document(
    files: dict[str, str], kind: ChunkKind
) -> None:
    for file, text in files.items():
        assert [chunk.kind for chunk in cut_file(file, text).chunks] == [kind], file
        assert is_document(file) is (kind is ChunkKind.DOC), file


@pytest.mark.parametrize(
    ("file", "text", "language"),
    [
        ("run", "#!/usr/bin/env python3\n", "python"),
        ("run", "#!/bin/sh -e\n", "bash"),
        ("run", "#! /usr/bin/env -S node --x\n", "javascript"),
        ("run", "#!/usr/bin/env\n", None),
        ("run", "#!" + "a" * 100_000, None),
        ("run", "echo\n", None),
        ("Gemfile", "gem 'x'\n", "ruby"),
        ("Jenkinsfile", "node {}\n", "groovy"),
        ("solve.m", "function x = solve(a)\nend\n", None),
        ("Shop.h", "@interface Shop\n@end\n", "objective-c"),
        ("shop.h", "int a;\n", "cpp"),
        ("a.PY", "x\n", "python"),
    ],
)
def test_the_language_is_told_by_name_first_line_or_text(file: str, text: str, language: str | None) -> None:
    grammar = grammar_of(file, text)
    assert (grammar.name if grammar else None) == language


LONG = "".join(f"  step{number}();\n" for number in range(160))
SYMBOLS = {
    "exports.js": (
        (
            "exports.send = function (a) {\n  return a;\n};\nFoo.prototype.bar = function () {\n};\n"
            "module.exports = 1;\n"
        ),
        [("function", "send", 1, 3), ("function", "Foo.bar", 4, 5)],
    ),
    "fields.js": (
        "class K {\n  handle = (e) => {\n    go(e);\n  };\n  static make = function () {\n  };\n  limit = 3;\n}\n",
        [("class", "K", 1, 1), ("method", "K.handle", 2, 4), ("method", "K.make", 5, 6), ("class", "K", 7, 8)],
    ),
    "fields.ts": (
        "class K {\n  private handle = (e: E): void => {\n    go(e);\n  };\n}\n",
        [("method", "K.handle", 2, 4)],
    ),
    "literal.js": (
        (
            "export const actions = {\n  add() {\n    go();\n  },\n  drop: function () {\n  },\n"
            "  clear: (a) => {\n  },\n"
            "  short: () => 1,\n};\n"
        ),
        [
            ("function", "actions.add", 2, 4),
            ("function", "actions.drop", 5, 6),
            ("function", "actions.clear", 7, 8),
        ],
    ),
    "wrapped.jsx": (
        (
            "const Memo = React.memo(function Inner(p) {\n  return p;\n});\n"
            "export const Ref = forwardRef((p, ref) => {\n"
            "  return p;\n});\nexport const useStore = create()(devtools((set) => ({\n  a: 1,\n})));\n"
        ),
        [("function", "Memo", 1, 3), ("function", "Ref", 4, 6), ("function", "useStore", 7, 9)],
    ),
    "values.js": ("const names = items.map((i) => {\n  return i.name;\n});\nconst total = sum(items);\n", []),
    "nested.js": (
        (
            f"function render(a) {{\n{LONG}  function patch(b) {{\n    return b;\n  }}\n  const move = () => {{\n"
            f"  }};\n}}\n"
        ),
        [("function", "render.patch", 162, 164), ("function", "render.move", 165, 166)],
    ),
    "nested.py": (
        "def outer():\n" + LONG.replace(";", "").replace("  ", "    ") + "    def inner():\n        return 1\n",
        [("function", "outer.inner", 162, 163)],
    ),
    "types.go": (
        (
            "package x\n\n// All.\ntype (\n\t// A is one.\n\tA struct {\n\t\tX int\n\t}\n\tB interface {\n"
            "\t\tGo()\n\t}\n)\n\n"
            "var Handler = func(a int) int {\n\treturn a\n}\n\nvar (\n\tOne = func() {}\n\tTwo = 2\n)\n\n"
            "type Alias = int\n"
        ),
        [
            ("class", "A", 5, 8),
            ("class", "B", 9, 11),
            ("function", "Handler", 14, 16),
            ("function", "One", 19, 19),
            ("class", "Alias", 23, 23),
        ],
    ),
    "Ann.java": (
        "@interface Ann {\n  int v() default 1;\n}\nrecord R(int a) {\n  R {\n  }\n}\n",
        [("class", "Ann", 1, 3), ("class", "R", 4, 4), ("method", "R.R", 5, 6)],
    ),
    "items.rs": (
        (
            '/// Most.\npub const MAX: usize = 1;\nstatic NAME: &str = "a";\ntype Res<T> = Result<T, E>;\n'
            "struct Unit;\n"
            "impl<T> Foo for Bar<T> {\n    fn a(&self) {}\n}\n"
        ),
        [
            ("constant", "MAX", 1, 2),
            ("constant", "NAME", 3, 3),
            ("class", "Res", 4, 4),
            ("class", "Unit", 5, 5),
            ("method", "Bar.a", 7, 7),
        ],
    ),
    "types.c": (
        (
            "typedef struct {\n  int a;\n} Anon;\n\ntypedef struct tag_s {\n  int a;\n} Tagged;\n"
            "typedef enum { A1, A2 } En;\n"
            "struct use *f(struct tag_s *a);\ntypedef struct tag_s other;\n"
        ),
        [("class", "Anon", 1, 3), ("class", "Tagged", 5, 7), ("class", "En", 8, 8)],
    ),
    "templates.cpp": (
        (
            "template <typename T>\nvoid Vec<T>::push(const T& a) {\n  x();\n}\n"
            "bool operator<(const A& a, const A& b) {\n  return true;\n}\n"
            "std::ostream& operator<<(std::ostream& o, const A& a) {\n  return o;\n}\n"
            "template <>\nint Map<K, V<int>>::get<3>() {\n  return 1;\n}\n"
            "struct F {\n  int operator()(int a) const {\n    return a;\n  }\n  operator bool() const {\n"
            "    return true;\n  }\n"
            "  ~F() {\n  }\n};\n"
        ),
        [
            ("function", "Vec.push", 1, 4),
            ("function", "operator<", 5, 7),
            ("function", "operator<<", 8, 10),
            ("function", "Map.get", 11, 14),
            ("method", "F.operator()", 16, 18),
            ("method", "F.operator bool", 19, 21),
            ("method", "F.~F", 22, 23),
        ],
    ),
    "operators.rb": (
        (
            "class A\n  def []=(key, value)\n    put\n  end\n  def [](key)\n    get\n  end\n  def ==(other)\n"
            "    same\n  end\nend\n"
        ),
        [("method", "A.[]=", 2, 4), ("method", "A.[]", 5, 7), ("method", "A.==", 8, 10)],
    ),
    "computed.js": (
        "class A {\n  [Symbol.iterator]() {\n  }\n  ['quoted']() {\n  }\n}\n",
        [("method", "A.Symbol.iterator", 2, 3), ("method", "A.quoted", 4, 5)],
    ),
    "shared.java": (
        "class A { int f() {\n    return 1;\n  }\n  int g() { return 2; } int h() { return 3; }\n}\n",
        [("class", "A", 1, 1), ("method", "A.f", 1, 3), ("method", "A.g", 4, 4), ("method", "A.h", 4, 4)],
    ),
}


@pytest.mark.parametrize("file", SYMBOLS)
def test_symbols_have_chunks_of_their_names_with_exact_lines(file: str) -> None:
    text, defines = SYMBOLS[file]
    found = places(file, text)
    assert [place for place in defines if place not in found] == [], found
    assert all(first <= last for _, _, first, last in found)
    if not defines:
        assert {symbol_type for symbol_type, *_ in found} == {"module"}


def test_a_long_line_of_many_functions_is_not_stored_once_for_each() -> None:
    text = "class A { " + "int f() { return 1; } " * 500 + "}\n"
    assert len(cut_file("A.java", text).chunks) == 1


@pytest.mark.parametrize("sample", few([*PARSED, *COMPONENTS], 10), ids=lambda sample: sample.file)
def test_a_text_that_is_cut_off_or_repeated_anywhere_has_right_lines(sample: Sample) -> None:
    for text in [sample.text[:end] for end in range(0, len(sample.text), 7)] + [sample.text[5:] * 3]:
        lines = text.split("\n")
        for chunk in cut_file(sample.file, text).chunks:
            assert 1 <= chunk.line_start <= chunk.line_end <= len(lines)
            assert chunk.content == "\n".join(lines[chunk.line_start - 1 : chunk.line_end])


DEEP = {"{": "}", "(": ")", "[": "]", "do ": " end", "<a>": "</a>", "begin ": " end;", "if x then ": " end "}


@pytest.mark.parametrize("sample", few((*PARSED, *COMPONENTS), 1), ids=lambda sample: sample.file)
def test_a_definition_after_deep_nesting_costs_no_stack(sample: Sample) -> None:
    for opening, closing in DEEP.items():
        text = f"{opening * 2_000}{closing * 2_000}\n{sample.text}"
        lines = text.split("\n")
        for chunk in cut_file(sample.file, text).chunks:
            assert chunk.content == "\n".join(lines[chunk.line_start - 1 : chunk.line_end])
