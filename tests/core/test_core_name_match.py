"""A definition agrees with a query by what both have, and loses by what one of them lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aurora_core import Memory
from aurora_core.name_match import MAX_ASKED, MAX_SIGNATURE, DefinitionWords, agreements, asked_words

WORDS = st.lists(st.sampled_from(["load", "loaded", "cache", "save", "x1", "config"]), max_size=4)


def agreement(query: str, name: str, *, file: str = "x.py", signature: str = "") -> float:
    definition = DefinitionWords.of(name, file, signature)
    return float(agreements(dict.fromkeys(asked_words(query), 1.0), [definition]).item())


def in_order(query: str, *names: str) -> bool:
    """Returns True if each name agrees with the query better than the next one."""
    found = [agreement(query, name) for name in names]
    return found == sorted(found, reverse=True) and len(set(found)) == len(found)


def test_the_words_of_a_definition_are_those_of_its_name_its_holder_its_file_and_its_signature() -> None:
    words = DefinitionWords.of(
        "app.UserCache.load_all", "src/user_store.py", "def load_all(self, keys: Keys) -> Users"
    )
    assert words.own == ["load", "all"]
    assert words.full == ["load", "all", "user", "cache", "store"]
    assert words.signature == ["def", "load", "all", "self", "keys", "users"]


def test_a_signature_of_any_length_has_few_words() -> None:
    signature = " ".join(f"word{chr(97 + at % 26)}{chr(97 + at // 26)}" for at in range(500))
    assert len(DefinitionWords.of("f", "x.py", signature).signature) == MAX_SIGNATURE


def test_a_query_of_any_length_asks_with_its_first_words_without_stop_words_and_below_its_first_line() -> None:
    assert asked_words("load it from the cache\nsave") == ["load", "cache"]
    many = " ".join(f"w{chr(97 + at % 26)}{chr(97 + at // 26)}" for at in range(500))
    assert asked_words(many) == many.split()[:MAX_ASKED]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("load the cache", ("load_cache", "load_cache_of_user", "load_all_keys_of_user", "save")),
        ("Loads the caches", ("loadCache", "loadCacheOfUser", "save")),
        ("load the cache of users", ("Users.load_cache", "Groups.load_cache", "Groups.save_file")),
        ("returns the directory", ("get_dir", "get_file", "paint")),
        ("load something from cache", ("load", "cache")),
    ],
)
def test_both_sides_count(query: str, names: tuple[str, ...]) -> None:
    assert in_order(query, *names)


def test_nothing_in_common_is_no_agreement() -> None:
    assert agreement("save", "Store.load") == 0
    assert agreement("of the", "of") == 0
    assert agreement("load", "x") == 0
    assert len(agreements({"load": 1.0}, [])) == 0


def test_the_file_and_the_signature_count() -> None:
    plain = agreement("parse the headers", "parse")
    assert agreement("parse the headers", "parse", file="http/headers.py") > plain
    assert agreement("parse the headers", "parse", signature="def parse(headers)") > plain


def test_a_rare_word_of_the_query_counts_more() -> None:
    names = [DefinitionWords.of(name, "x.py", "") for name in ("load", "cache")]
    load, cache = agreements({"load": 1.0, "cache": 3.0}, names).tolist()
    assert cache > load


def test_words_that_a_model_finds_alike_count_by_their_cosine_and_distant_ones_do_not() -> None:
    def similar(some: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
        known = {("hue", "colour"): 0.7, ("hue", "weight"): 0.29}
        return np.array([[known.get((one, other), 0.0) for other in others] for one in some], dtype=np.float32)

    names = [DefinitionWords.of(name, "x.py", "") for name in ("hues", "colour", "weight")]
    same, near, far = agreements({"hue": 1.0}, names, similar).tolist()
    assert same > near > far == 0


@given(asked=WORDS, name=WORDS)
def test_agreement_is_a_share_and_whole_for_the_same_words(asked: list[str], name: list[str]) -> None:
    definitions = [DefinitionWords(own=each, full=each, signature=each) for each in (name, asked)]
    other, same = agreements(dict.fromkeys(asked, 2.0), definitions).tolist()
    assert 0 <= other <= 1 + 1e-6
    assert same == pytest.approx(1.0 if asked else 0.0)


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
        assert best.name_score > 0.5
        assert all(hit.name_score < best.name_score for hit in others)
