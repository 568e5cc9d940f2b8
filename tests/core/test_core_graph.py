"""Edges between files come from imports, calls and common commits, and activation spreads along them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core import Memory
from aurora_core.chunking.split import cut_file
from aurora_core.index.graph import FileGraph, read_graph
from aurora_core.store.database import connect

SOURCES = {
    "m.py": (
        (
            "import os.path\nfrom ..shop import prices as p\nimport shop.stock as s\n\n"
            "def f():\n    helper()\n    s.reserve(1)\n"
        ),
        ("os.path", "..shop", "shop.stock"),
        ("helper", "reserve"),
    ),
    "m.js": (
        (
            'import {a} from "./part";\nexport * from "../b";\n'
            'const c = require("lib/c");\nfunction g() { a.run(); new Box(); }\n'
        ),
        ("./part", "../b", "lib/c"),
        ("require", "run", "Box"),
    ),
    "m.ts": ('import type {T} from "./t";\nfunction g(): T { return make(); }\n', ("./t",), ("make",)),
    "m.tsx": ('import {T} from "./t";\nconst G = () => useThing();\n', ("./t",), ("useThing",)),
    "m.go": ('package m\nimport (\n\t"net/http"\n)\nfunc f() { http.Get("x"); g() }\n', ("net/http",), ("Get", "g")),
    "M.java": ("import com.a.B;\nclass M { void f() { new B().go(); } }\n", ("com.a.B",), ("B", "go")),
    "m.rs": (
        'use crate::a::b;\nuse x::{y, z};\nmod inner;\nfn f() { b::make(); println!(""); q.go(); }\n',
        ("crate::a::b", "x", "inner"),
        ("make", "println", "go"),
    ),
    "m.c": (
        '#include "dir/x.h"\n#include <stdio.h>\nint f() { return g(s->h()); }\n',
        ("dir/x.h", "stdio.h"),
        ("g", "h"),
    ),
    "m.cpp": ('#include "x.hpp"\nint f() { return ns::g() + s.h(); }\n', ("x.hpp",), ("g", "h")),
}


@pytest.mark.parametrize("file", sorted(SOURCES))
def test_what_a_file_names_of_others(file: str) -> None:
    text, imports, calls = SOURCES[file]
    links = cut_file(file, text).links
    assert set(links.imports) == set(imports)
    assert set(links.calls) == set(calls)


def test_a_broken_file_still_has_links() -> None:
    assert cut_file("m.py", "import a.b\ndef f(:\n    g(\n").links.imports == ("a.b",)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "app/main.py": "from app.core import engine\nimport app.views\n\ndef main():\n    engine.ignite()\n",
        "app/core/engine.py": "def ignite():\n    return 1\n",
        "app/views.py": "from . import forms\nfrom .forms import render_form\n\ndef show():\n    render_form()\n",
        "app/forms.py": "def render_form():\n    return ''\n",
        "app/json.py": "def dump():\n    return ''\n",
        "other/tool.py": "import json\n\ndef tool():\n    json.dumps(1)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def edges(root: Path) -> set[tuple[str, str]]:
    connection = connect(root / ".aurora" / "memory.db")
    try:
        paths = dict(connection.execute("SELECT id, path FROM files"))
        graph = read_graph(connection)
        return {(paths[a], paths[b]) for a, b in zip(graph.sources.tolist(), graph.targets.tolist(), strict=True)}
    finally:
        connection.close()


def test_imports_and_calls_become_edges_and_other_packages_do_not(project: Path) -> None:
    with Memory.open(project) as memory:
        memory.index()
    found = edges(project)
    assert ("app/main.py", "app/views.py") in found
    assert ("app/main.py", "app/core/engine.py") in found, "by the call of ignite"
    assert ("app/views.py", "app/forms.py") in found
    assert not any(source == "other/tool.py" for source, _ in found), "the standard library's json is not app/json.py"


def test_a_graph_after_edits_is_that_of_a_fresh_index(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Memory.open(project) as memory:
        memory.index()
        (project / "app/core/engine.py").rename(project / "app/core/motor.py")
        (project / "app/main.py").write_text("from app.core import motor\nimport app.forms\n\nmotor.ignite()\n")
        (project / "app/json.py").unlink()
        memory.index()
    fresh = tmp_path_factory.mktemp("fresh")
    subprocess.run(["cp", "-r", project / "app", project / "other", fresh], check=True)
    with Memory.open(fresh) as memory:
        memory.index()
    assert edges(project) == edges(fresh)
    assert ("app/main.py", "app/core/motor.py") in edges(project)


def test_files_changed_together_are_neighbours(project: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
        subprocess.run(["git", "-C", project, *identity, *arguments], check=True, capture_output=True)

    git("init", "-q")
    for number in range(3):
        (project / "app/json.py").write_text(f"def dump():\n    return {number}\n")
        (project / "other/tool.py").write_text(f"def tool():\n    return {number}\n")
        git("add", "app/json.py", "other/tool.py")
        git("commit", "-q", "-m", f"change {number}")
    with Memory.open(project) as memory:
        memory.index()
    assert ("app/json.py", "other/tool.py") in edges(project)
    assert ("other/tool.py", "app/json.py") in edges(project)


def test_what_a_used_file_needs_comes_before_its_equals(project: Path) -> None:
    for folder in ("app", "apart"):
        (project / folder).mkdir(exist_ok=True)
        (project / folder / "tax.py").write_text("def tax_rate(country):\n    return 0.19\n")
    (project / "till.py").write_text("import app.tax\n\ndef till():\n    return 1\n")
    with Memory.open(project) as memory:
        memory.index()
        assert memory.search("tax rate of a country", record=False)[0].file == "apart/tax.py"
        memory.record_access([memory.definitions("till")[0].chunk_id])
        first = memory.search("tax rate of a country", record=False)[0]
    assert first.file == "app/tax.py"
    assert 0 < first.activation_score < 0.5


WEIGHTS = st.floats(min_value=0.01, max_value=1.0)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), WEIGHTS), max_size=30), st.integers(1, 3))
def test_spreading_is_the_best_way_s_product(rows: list[tuple[int, int, float]], hops: int) -> None:
    rows = sorted({(a, b): (a, b, w) for a, b, w in rows if a != b}.values())
    graph = FileGraph(
        sources=np.array([a for a, _, _ in rows], dtype=np.int64),
        targets=np.array([b for _, b, _ in rows], dtype=np.int64),
        weights=np.array([w for _, _, w in rows], dtype=np.float32),
    )
    best: dict[int, float] = {}

    def walk(file: int, strength: float, left: int) -> None:
        for a, b, w in rows:
            if a == file and left and b != 0:
                through = strength * float(np.float32(w)) * 0.7
                best[b] = max(best.get(b, 0.0), through)
                walk(b, through, left - 1)

    walk(0, 1.0, hops)
    found = graph.spread([0], factor=0.7, hops=hops)
    assert found == pytest.approx(best)
    assert all(0 < value <= 0.7 for value in found.values())
