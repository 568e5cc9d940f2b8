"""The ranking of files: what a file defines counts by its name, and many chunks are no merit of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aurora_core import Memory, search
from aurora_core.ranking import WEIGHTS


def test_the_file_that_defines_what_is_asked_for_comes_before_one_that_repeats_the_words(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def report(items):\n    return restore(items, 'restore cache') or restore(items, 'restore the cache')\n"
    )
    (tmp_path / "b.py").write_text(f"def restore_cache(items):\n    return [{', '.join('abcdefghijklmnopqrst')}]\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        with_names = dict(memory.ranked_files("restore the cache", 10, WEIGHTS))
        without = dict(memory.ranked_files("restore the cache", 10, replace(WEIGHTS, name=0)))
        assert memory.search_files("restore the cache")[0].file == "b.py"
        gain = {file: with_names[file] - without[file] for file in without}
        assert gain["b.py"] > gain["a.py"] >= 0
        assert gain["b.py"] <= WEIGHTS.name


@pytest.mark.parametrize("query", ["zebra", "the", "?"])
def test_files_without_definitions_and_queries_without_words_have_no_names_to_compare(
    tmp_path: Path, query: str
) -> None:
    (tmp_path / "notes.md").write_text("# Animals\n\nA zebra has stripes.\n")
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert len(memory.search_files(query)) == (query == "zebra")


def test_of_two_files_with_the_same_match_the_one_with_fewer_chunks_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = "def paint_zebra(colour):\n    return colour\n\n\n"
    others = "\n\n".join(f"def other_{at}(value):\n    return value + {at}\n" for at in range(60))
    (tmp_path / "a.py").write_text(wanted + others)
    (tmp_path / "b.py").write_text(wanted)
    with Memory.open(tmp_path) as memory:
        memory.index()
        files = memory.search_files("paint zebra")
        assert [hit.file for hit in files] == ["b.py", "a.py"]
        assert files[0].score > files[1].score
        monkeypatch.setattr(search, "SIZE_POWER", 0.0)
        files = memory.search_files("paint zebra")
        assert files[0].score == pytest.approx(files[1].score)
