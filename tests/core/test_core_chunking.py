"""Files are cut where their definitions are, every language alike, and no line that says something is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.chunking import Chunk, ChunkKind
from aurora_core.chunking.split import cut_file

SOURCES = {
    "a.py": (
        'import os\nX = 1\n\n@dec\nclass A(B):\n    """Doc."""\n    y = 2\n\n    # lead\n    @property\n'
        "    def f(self, a):\n        return 1\n\n    z = 3333333333\n\nif X:\n    async def g(): pass\n"
    ),
    "a.js": (
        "// lead\nexport function f(a) {\n  return a;\n}\nconst g = (x) => x;\nclass K extends L {\n  m() {}\n}\n"
    ),
    "a.ts": "export const f = (a: number) => {\n  return a;\n};\ninterface I { a: string }\nenum E { A }\n",
    "a.tsx": "export function View(p: P) {\n  return <div>{p.x}</div>;\n}\n",
    "a.go": (
        "package x\n\n// Next does.\nfunc (h *Heap[T]) Next(a int) error {\n\treturn nil\n}\n\n"
        "type Foo struct {\n\tA int\n}\n\nfunc plain() {}\n"
    ),
    "A.java": "class A {\n  /** doc */\n  @Override\n  public int f(int a) { return a; }\n  A() {}\n}\n",
    "a.rs": (
        "/// Doc\n#[inline]\npub fn go(x: u8) -> u8 { x }\nimpl Foo for Bar<T> {\n    fn a(&self) {}\n}\n"
        "mod m { fn q() {} }\ntrait T { fn t(&self); }\n"
    ),
    "a.c": "static int *foo(int a) {\n return 0;\n}\nstruct s { int a; };\n",
    "a.cpp": (
        "namespace n {\nclass C : public D {\n public:\n  int f() { return 1; }\n};\n"
        "int C::g(int a) { return a; }\ntemplate <typename T> T h(T a) { return a; }\n}\n"
    ),
}
EXPECTED = {
    "a.py": [("class", "A", 4, 7), ("method", "A.f", 9, 12), ("function", "g", 17, 17)],
    "a.js": [("function", "f", 1, 4), ("function", "g", 5, 5), ("class", "K", 6, 6), ("method", "K.m", 7, 7)],
    "a.ts": [("function", "f", 1, 3), ("class", "I", 4, 4), ("class", "E", 5, 5)],
    "a.tsx": [("function", "View", 1, 3)],
    "a.go": [("method", "Heap.Next", 3, 6), ("class", "Foo", 8, 10), ("function", "plain", 12, 12)],
    "A.java": [("class", "A", 1, 1), ("method", "A.f", 2, 4), ("method", "A.A", 5, 5)],
    "a.rs": [("function", "go", 1, 3), ("method", "Bar.a", 5, 5), ("function", "m.q", 7, 7), ("class", "T", 8, 8)],
    "a.c": [("function", "foo", 1, 3), ("class", "s", 4, 4)],
    "a.cpp": [
        ("class", "n.C", 2, 3),
        ("method", "n.C.f", 4, 4),
        ("function", "n.C.g", 6, 6),
        ("function", "n.h", 7, 7),
    ],
}


def places(chunks: list[Chunk]) -> list[tuple[str, str, int, int]]:
    return [(c.symbol_type.value, c.name, c.line_start, c.line_end) for c in chunks]


@pytest.mark.parametrize("file", list(SOURCES))
def test_definitions_are_chunks_of_their_own(file: str) -> None:
    found = places(cut_file(file, SOURCES[file]).chunks)
    assert [place for place in EXPECTED[file] if place not in found] == []


@pytest.mark.parametrize("file", list(SOURCES))
def test_content_is_the_lines_it_says(file: str) -> None:
    lines = SOURCES[file].split("\n")
    for chunk in cut_file(file, SOURCES[file]).chunks:
        assert chunk.content == "\n".join(lines[chunk.line_start - 1 : chunk.line_end])
        assert chunk.kind is ChunkKind.CODE


def test_what_is_between_definitions_is_kept() -> None:
    found = places(cut_file("a.py", SOURCES["a.py"]).chunks)
    assert ("module", "a", 1, 2) in found
    assert ("class", "A", 14, 14) in found, "an attribute after a method still belongs to its class"


@pytest.mark.parametrize(
    ("line", "is_kept"), [("LIMIT = 5", True), ("N: int = 1", True), ("pass", False), ("1 == 2", False)]
)
def test_a_short_line_between_definitions_is_kept_if_it_gives_a_name_its_value(line: str, is_kept: bool) -> None:
    chunks = cut_file("a.py", f"{line}\n\n\ndef f():\n    return 1\n").chunks
    assert [each.content for each in chunks] == [*([line] if is_kept else []), "def f():\n    return 1"]


def test_signatures_are_one_line_without_body_or_comments() -> None:
    text = "def f(  # why\n    a: int,\n    b: str = 'x',\n) -> None:\n    '''Doc.'''\n    return None\n"
    (chunk,) = cut_file("m.py", text).chunks
    assert chunk.signature == "def f( a: int, b: str = 'x', ) -> None"


def test_long_definitions_are_split_and_keep_their_name() -> None:
    text = "def f():\n" + "    x = 1\n" * 400
    chunks = cut_file("m.py", text).chunks
    assert [(c.name, c.line_start, c.line_end) for c in chunks] == [("f", 1, 150), ("f", 151, 300), ("f", 301, 401)]


def test_markdown_is_cut_by_heading_and_code_fences_are_no_headings() -> None:
    text = "intro\n\n# One\ntext\n```sh\n# no heading\n```\n## Two #\nmore\n"
    found = [(c.name, c.line_start, c.line_end, c.kind) for c in cut_file("guide.md", text).chunks]
    assert found == [
        ("guide", 1, 1, ChunkKind.KB),
        ("One", 3, 7, ChunkKind.KB),
        ("Two", 8, 9, ChunkKind.KB),
    ]


def test_plain_text_is_cut_by_paragraph() -> None:
    text = "\n\n".join(f"Paragraph {i}\n" + "line\n" * 12 for i in range(3))
    chunks = cut_file("notes.txt", text).chunks
    assert [c.name for c in chunks] == ["Paragraph 0", "Paragraph 1", "Paragraph 2"]
    assert {c.kind for c in chunks} == {ChunkKind.DOC}


def test_broken_code_is_still_indexed() -> None:
    chunks = cut_file("m.py", "def f(:\n    retur\nclass\n\ndef good(a):\n    return a\n").chunks
    assert "return a" in "\n".join(c.content for c in chunks)


def test_deep_nesting_ends() -> None:
    text = "{" * 5000 + "}" * 5000
    assert cut_file("m.js", text).chunks is not None


@given(
    st.text(alphabet=st.sampled_from("def class():\n\t {}#/*\"'=xyz@`é\x0c\u2028"), max_size=300),
    st.sampled_from([*SOURCES, "a.md", "a.txt", "README"]),
)
def test_no_line_that_says_something_is_lost_or_doubled(text: str, file: str) -> None:
    lines = text.split("\n")
    covered: list[int] = []
    for chunk in cut_file(file, text).chunks:
        assert chunk.content == "\n".join(lines[chunk.line_start - 1 : chunk.line_end])
        covered += range(chunk.line_start, chunk.line_end + 1)
    assert len(covered) == len(set(covered)), "no line is in two chunks"
    lost = [line for row, line in enumerate(lines, start=1) if row not in covered and len(line.strip()) >= 12]
    assert lost == []
