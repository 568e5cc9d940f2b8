"""A file's links are the modules it imports and the functions it calls, in every language, garbage included."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exhaustive import examples

from aurora_core.chunking.links import MAX_CALLS, MAX_IMPORTS, MAX_NAME, Links, joined_links
from aurora_core.chunking.split import AS_TEXT, cut_file

CASES = {
    "a.py": (
        "import os, a.b as c\nfrom ..pkg import x\nfrom . import y\nfoo(bar(1))\nself.go.far()\n'text()'\n# no()\n",
        ("os", "a.b", "..pkg", "."),
        ("foo", "bar", "far"),
    ),
    "a.js": (
        'import f from "./part";\nexport * from "lib";\nconst r = require("fs");\nf(new Thing());\na.b.c();\n',
        ("./part", "lib", "fs"),
        ("require", "f", "Thing", "c"),
    ),
    "a.ts": ('import { T } from "./types";\nconst x: T = make<T>();\n', ("./types",), ("make",)),
    "a.tsx": ('import View from "./view";\nexport const A = () => <View p={go()} />;\n', ("./view",), ("go",)),
    "a.go": (
        'package x\nimport (\n\t"net/http"\n\tz "my/zip"\n)\nfunc f() { http.Get(u()) }\n',
        ("net/http", "my/zip"),
        ("Get", "u"),
    ),
    "A.java": (
        "import java.util.List;\nclass A { void f() { g(); this.h(); new Box(); } }\n",
        ("java.util.List",),
        ("g", "h", "Box"),
    ),
    "a.rs": (
        'use std::fs::read;\nuse a::b::{c, d};\nmod part;\nfn f() { g(); x.h(); m::k(); println!("{}", 1); }\n',
        ("std::fs::read", "a::b", "part"),
        ("g", "h", "k", "println"),
    ),
    "a.c": ('#include <stdio.h>\n#include "own.h"\nint f() { g(); p->h(); }\n', ("stdio.h", "own.h"), ("g", "h")),
    "a.cpp": ('#include "own.hpp"\nint f() { n::g(); o.h(); }\n', ("own.hpp",), ("g", "h")),
}


@pytest.mark.parametrize("file", CASES)
def test_imports_and_calls_are_found_in_order(file: str) -> None:
    text, imports, calls = CASES[file]
    links = cut_file(file, text).links
    assert (links.imports, links.calls) == (imports, calls)


@pytest.mark.parametrize("file", CASES)
def test_a_name_is_given_once_however_often_it_is_used(file: str) -> None:
    text, _, _ = CASES[file]
    links = cut_file(file, text + text).links
    assert len(set(links.imports)) == len(links.imports)
    assert len(set(links.calls)) == len(links.calls)


def test_text_and_documents_have_no_links() -> None:
    for file in ("a.md", "a.txt", "LICENSE"):
        assert cut_file(file, "import os\nfoo()\n").links == Links(imports=(), calls=())


def test_the_number_of_names_is_bounded() -> None:
    lines = [f"import m{n}\nf{n}()" for n in range(max(MAX_IMPORTS, MAX_CALLS) + 50)]
    links = cut_file("a.py", "\n".join(lines)).links
    assert (len(links.imports), len(links.calls)) == (MAX_IMPORTS, MAX_CALLS)
    assert links.imports[0] == "m0"
    joined = joined_links([links, Links(imports=("m0", "extra"), calls=("more",))])
    assert (len(joined.imports), len(joined.calls)) == (MAX_IMPORTS, MAX_CALLS)


def test_the_length_of_a_name_is_bounded() -> None:
    (call,) = cut_file("a.py", f"{'x' * 5000}()\n").links.calls
    assert call == "x" * MAX_NAME


def test_no_name_holds_a_line_end() -> None:
    links = cut_file("a.py", "from a import (\n    b,\n)\nimport x\n(\n  f\n)(1)\n").links
    assert not any("\n" in name for name in (*links.imports, *links.calls))


def test_nesting_deeper_than_pythons_stack_is_walked_or_given_up_as_text() -> None:
    deep = 20_000
    cut = cut_file("a.py", "f(" * deep + ")" * deep + "\n")
    assert cut.note == AS_TEXT or cut.links.calls == ("f",)
    assert cut.chunks


@settings(deadline=None, max_examples=examples(80))
@given(text=st.text(alphabet="imporfl \n()\"'.:;{}<>/#_a1\0é", max_size=80), file=st.sampled_from(sorted(CASES)))
def test_no_text_raises_and_names_are_single_lines(text: str, file: str) -> None:
    links = cut_file(file, text).links
    assert all(name and "\n" not in name for name in (*links.imports, *links.calls))
