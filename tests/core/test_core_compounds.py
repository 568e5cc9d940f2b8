"""A name is found in whichever form the query spells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.exhaustive import few

from aurora_core import Memory
from aurora_core.index.compounds import ADJACENT_WEIGHT, HYPHENATED_WEIGHT, compounds


def test_words_side_by_side_may_be_one_name_and_hyphenated_ones_are() -> None:
    assert compounds("list time zone\nbody text") == dict.fromkeys(
        ["listtim", "list_tim", "timezon", "time_zon"], ADJACENT_WEIGHT
    )
    assert compounds("set-default") == dict.fromkeys(["setdefault", "set_default"], HYPHENATED_WEIGHT)


def test_punctuation_and_stop_words_part_names() -> None:
    assert compounds("fix: time") == {}
    assert compounds("the time") == {}
    assert compounds("") == {}


@pytest.mark.parametrize("query", few(["fix auth setup-git", "auth setup git fails"], 1))
def test_a_file_of_that_name_comes_before_one_that_only_has_the_words(tmp_path: Path, query: str) -> None:
    (tmp_path / "setupgit.go").write_text("package a\n\nfunc run() {\n\tauth()\n}\n")
    for number in range(5):
        (tmp_path / f"other{number}.go").write_text(
            f"package a\n\nfunc login{number}() {{\n\tauth()\n\tsetup()\n}}\n"
        )
    with Memory.open(tmp_path) as memory:
        memory.index()
        assert memory.search_files(query)[0].file == "setupgit.go"
