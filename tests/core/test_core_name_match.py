"""A name agrees with a query by what both have, and loses by what one of them lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aurora_core import Memory
from aurora_core.name_match import NameMatch, asked_words, own_words

WORDS = st.lists(st.sampled_from(["load", "loaded", "cache", "save", "x1", "config"]), max_size=4)


def agreement(query: str, name: str) -> float:
    asked = dict.fromkeys(asked_words(query), 1.0)
    words = own_words(name)
    match = NameMatch.of(asked, [words])
    return match.agreement(words) if match else 0.0


@pytest.mark.parametrize(
    ("query", "name", "share"),
    [
        ("load the cache", "Store.load_cache", 1.0),
        ("Loads the caches", "loadCache", 1.0),
        ("load the cache", "load", 0.5**0.5),
        ("load cache", "load_cache_of_user", 0.5**0.5),
        ("save", "Store.load", 0.0),
        ("store", "Store.load", 0.0),
        ("of the", "of", 0.0),
        ("load", "x", 0.0),
        ("save it\nload", "load", 0.0),
    ],
)
def test_both_sides_count(query: str, name: str, share: float) -> None:
    assert agreement(query, name) == pytest.approx(share)


def test_a_rare_word_of_the_query_counts_more() -> None:
    names = [["load"], ["cache"]]
    match = NameMatch.of({"load": 1.0, "cache": 3.0}, names)
    assert match is not None
    assert [match.agreement(name) for name in names] == pytest.approx([0.25**0.5, 0.75**0.5])


def test_words_that_a_model_finds_alike_count_by_their_cosine_and_distant_ones_do_not() -> None:
    def similar(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
        known = {("remove", "delete"): 0.8, ("remove", "paint"): 0.29}
        return np.array([[known.get((one, other), 0.0) for other in others] for one in some], dtype=np.float32)

    names = [["delete"], ["paint"], ["removed"]]
    match = NameMatch.of({"remove": 1.0}, names, similar)
    assert match is not None
    assert [match.agreement(name) for name in names] == pytest.approx([0.8, 0.0, 1.0])


@given(asked=WORDS, name=WORDS)
def test_agreement_is_a_share_and_whole_for_the_same_words(asked: list[str], name: list[str]) -> None:
    match = NameMatch.of(dict.fromkeys(asked, 2.0), [name, asked])
    if match is not None:
        assert 0.0 <= match.agreement(name) <= 1.0
        assert match.agreement(asked) == pytest.approx(1.0)


def test_the_function_of_that_name_comes_before_those_that_only_mention_it(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "def report(cache):\n    # restore cache, restore cache, restore cache\n    return restore_cache(cache)\n\n\n"
        "def restore_cache_of_an_old_release(cache):\n    return report(restore(cache))\n\n\n"
        "def restore_cache(items):\n    return list(items)\n"
    )
    with Memory.open(tmp_path) as memory:
        memory.index()
        best, *others = memory.search("restore the cache")
        assert best.name == "restore_cache"
        assert best.name_score == pytest.approx(1.0)
        assert all(hit.name_score < 1 for hit in others)
