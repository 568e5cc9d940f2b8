"""The files that a query names are found by look-up, however many words and files there are."""

from __future__ import annotations

from typing import NoReturn

import pytest

from aurora_core.index.bm25 import path_frequencies
from aurora_core.path_mentions import MAX_SCOPED, PathNames

PATHS = (
    "src/parser/grammar.py",
    "src/parser/lexer.py",
    "lib/grammar.py",
    "crates/ignore/src/types.rs",
    "src/f.py",
    "docs/build/index.md",
)
NAMES = PathNames(PATHS)


class Unread(tuple[str, ...]):
    """Paths that nobody may look at."""

    __slots__ = ()

    def __iter__(self) -> NoReturn:
        raise AssertionError


def mentioned(query: str) -> dict[str, float]:
    return {path: float(share) for path, share in zip(PATHS, NAMES.mentioned(query), strict=True) if share}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("an error in src/parser/grammar.py", {"src/parser/grammar.py": 0.5}),
        ("grammar.py fails", {"src/parser/grammar.py": 0.5, "lib/grammar.py": 0.5}),
        ("/home/me/app/lib/grammar.py:12, lib/grammar.py", {"lib/grammar.py": 1.0}),
        ("grammar.py " * 9, {"src/parser/grammar.py": 1.0, "lib/grammar.py": 1.0}),
        ("xgrammar.py and grammar.pyc", {}),
        ("the grammar of the parser", {}),
    ],
)
def test_a_path_or_a_name_counts_half_each_time_and_one_at_most(query: str, expected: dict[str, float]) -> None:
    assert mentioned(query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("fix(parser): keep lines", {"src/parser/grammar.py": 1.0, "src/parser/lexer.py": 1.0}),
        ("feat(Lexer)!: new", {"src/parser/lexer.py": 1.0}),
        ("ignore/types: add mint", {"crates/ignore/src/types.rs": 1.0}),
        ("lexer: keep lines", {"src/parser/lexer.py": 1.0}),
        ("docs: say why\nlexer: no", {}),
        ("build(docs): say why", {}),
        ("http://lexer: x", {}),
    ],
)
def test_the_scope_of_a_title_names_a_folder_or_a_file(query: str, expected: dict[str, float]) -> None:
    assert mentioned(query) == expected


def test_a_scope_that_many_files_have_says_nothing() -> None:
    names = PathNames([f"src/parser/m{number}.py" for number in range(MAX_SCOPED + 1)])
    assert not names.mentioned("fix(parser): x").any()


def test_a_letter_names_a_file_only_if_it_is_called() -> None:
    assert mentioned("the value of f is wrong") == {}
    assert mentioned("f() is wrong") == {"src/f.py": 0.5}
    assert mentioned("F() or if() is wrong") == {}


def test_single_letters_of_a_path_are_no_terms() -> None:
    assert set(path_frequencies("x/c/parse.c")) == {"pars"}
    assert path_frequencies("a/parse.py")["pars"] == 2


def test_time_does_not_grow_with_words_times_files() -> None:
    names = PathNames([f"src/pkg{number % 97}/module{number}.py" for number in range(20_000)])
    traceback = "\n".join(f'File "/app/src/pkg{number % 97}/module{number}.py", line 1' for number in range(2_000))
    assert int((names.mentioned(traceback) > 0).sum()) == 2_000


def test_a_query_that_names_no_path_takes_none_apart() -> None:
    names = PathNames(Unread(PATHS))
    assert not names.mentioned("the grammar of the parser: how are lines kept?").any()
    with pytest.raises(AssertionError):
        names.mentioned("grammar.py fails")
