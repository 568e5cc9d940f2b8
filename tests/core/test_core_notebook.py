"""A notebook's cells are cut by their kind, each line at its row of the file; outputs and garbage are left out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.chunking.notebook import read_notebook
from aurora_core.chunking.split import NO_NOTEBOOK, cut_file


def cell(kind: str, *lines: str, **more: object) -> dict[str, object]:
    source = [f"{line}\n" for line in lines[:-1]] + list(lines[-1:])
    return {"cell_type": kind, "metadata": {}, "source": source, **more}


def notebook(*cells: dict[str, object], language: str | None = "python", indent: int | None = 1) -> str:
    info = {"language_info": {"name": language}} if language else {}
    return json.dumps({"cells": list(cells), "metadata": info, "nbformat": 4}, indent=indent)


CODE = cell("code", "import os", "", "def area(r):", "    return 3 * r * r", outputs=[{"text": ["SECRET OUTPUT"]}])
PROSE = cell("markdown", "# Circles", "", "All about circles and their areas.")


def test_every_line_is_at_its_row_of_a_file_as_notebook_programs_write_it() -> None:
    text = notebook(PROSE, CODE)
    read = read_notebook(text)
    assert read is not None
    rows = text.split("\n")
    for each in read.cells:
        for offset, line in enumerate(each.lines):
            assert json.dumps(line)[1:-1] in rows[each.first_row + offset]
            assert read.text.split("\n")[each.first_row + offset] == line
    assert len(read.text.split("\n")) == len(rows)


def test_a_file_on_one_line_has_its_cells_one_after_another() -> None:
    read = read_notebook(notebook(PROSE, CODE, indent=None))
    assert read is not None
    assert [each.first_row for each in read.cells] == [0, 4]
    assert read.text.split("\n")[4:8] == ["import os", "", "def area(r):", "    return 3 * r * r"]


def test_code_is_cut_by_definition_and_prose_by_heading() -> None:
    cut = cut_file("geo.ipynb", notebook(PROSE, CODE))
    assert {(str(chunk.symbol_type), chunk.name) for chunk in cut.chunks} >= {("function", "area")}
    assert any(chunk.name == "Circles" for chunk in cut.chunks)
    assert cut.links.imports == ("os",)
    for chunk in cut.chunks:
        assert chunk.content == "\n".join(cut.text.split("\n")[chunk.line_start - 1 : chunk.line_end])


def test_outputs_are_never_read() -> None:
    cut = cut_file("geo.ipynb", notebook(CODE))
    assert "SECRET" not in cut.text
    assert all("SECRET" not in chunk.content for chunk in cut.chunks)


@pytest.mark.parametrize(
    ("language", "suffix"), [("python", ".py"), ("Rust", ".rs"), ("java", ".java"), ("R", ""), (None, ".py")]
)
def test_the_language_of_code_cells_is_the_notebooks(language: str | None, suffix: str) -> None:
    read = read_notebook(notebook(cell("code", "x"), cell("markdown", "y"), cell("raw", "z"), language=language))
    assert read is not None
    assert [each.suffix for each in read.cells] == [suffix, ".md", ""]


def test_a_source_may_be_one_text_and_lines_may_end_as_windows_ends_them() -> None:
    read = read_notebook(json.dumps({"cells": [{"cell_type": "code", "source": "a = 1\r\nb = 2\r\n"}]}))
    assert read is not None
    assert [each.lines for each in read.cells] == [("a = 1", "b = 2")]


def test_a_source_that_an_output_imitates_does_not_move_the_lines() -> None:
    imitation = {"output_type": "display_data", "data": {"source": ["fake\n", "lines"]}}
    text = notebook(cell("code", "real = 1", "more = 2", outputs=[imitation]))
    read = read_notebook(text)
    assert read is not None
    assert [each.lines for each in read.cells] == [("real = 1", "more = 2")]


@pytest.mark.parametrize(
    "cells",
    [
        [None, 3, "text", [], {}],
        [{"cell_type": "code"}, {"cell_type": "code", "source": None}],
        [{"cell_type": "code", "source": ["a", 1]}, {"source": {"a": 1}}],
        [{"cell_type": ["x"], "source": [""]}, {"cell_type": "code", "source": []}],
    ],
)
def test_cells_that_are_none_are_passed_over(cells: list[object]) -> None:
    read = read_notebook(json.dumps({"cells": [*cells, cell("code", "kept = 1")]}))
    assert read is not None
    assert [each.lines for each in read.cells] == [("kept = 1",)]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"cells": 3}', '{"cells": null}', "[" * 100_000])
def test_what_is_no_notebook_has_no_chunks_and_a_note(text: str) -> None:
    assert read_notebook(text) is None
    if text.strip():
        cut = cut_file("x.ipynb", text)
        assert (cut.chunks, cut.note) == ([], NO_NOTEBOOK)


@pytest.mark.parametrize("metadata", [None, 3, [], {"language_info": None}, {"language_info": {"name": 3}}])
def test_metadata_of_another_form_means_python(metadata: object) -> None:
    read = read_notebook(json.dumps({"cells": [cell("code", "x = 1")], "metadata": metadata}))
    assert read is not None
    assert read.cells[0].suffix == ".py"


SOURCES = st.lists(st.lists(st.text(max_size=12), max_size=4), max_size=4)


@given(sources=SOURCES, indent=st.sampled_from([None, 0, 1, 4]))
def test_no_source_is_lost_and_every_chunk_is_lines_of_the_text(sources: list[list[str]], indent: int | None) -> None:
    text = json.dumps({"cells": [{"cell_type": "code", "source": parts} for parts in sources]}, indent=indent)
    read = read_notebook(text)
    assert read is not None
    wanted = ["".join(parts).replace("\r", "").removesuffix("\n").split("\n") for parts in sources]
    assert [list(each.lines) for each in read.cells] == [lines for lines in wanted if any(lines)]
    rows = read.text.split("\n")
    for each in read.cells:
        assert rows[each.first_row : each.first_row + len(each.lines)] == list(each.lines)
