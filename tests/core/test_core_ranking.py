"""Scores are combined as documented: shares, ranks within a file, and the sum that orders hits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_core.file_kinds import is_document, is_test_file
from aurora_core.ranking import (
    NAME_WEIGHT,
    SEMANTIC_WEIGHT,
    Closeness,
    FileParts,
    PartWeights,
    best_of,
    combined,
    hit_scores,
    in_rank_order,
    shares,
)

RATIOS = st.floats(0, 1, allow_nan=False, width=32)
MATCHES = st.dictionaries(st.integers(1, 50), st.tuples(RATIOS, RATIOS), max_size=20)


def close(cosines: Mapping[int, float]) -> Closeness:
    return Closeness(cosines=cosines, names={}, standings={})


def test_a_hit_is_the_sum_of_its_parts_in_their_weights() -> None:
    (hit,) = hit_scores([(7, 0.5, 0.6)], close({7: 0.4}), {7: 0.3}, activation_weight=0.1)
    assert (hit.chunk, hit.bm25, hit.activation, hit.semantic) == (7, 0.5, 0.3, 0.4)
    assert hit.hybrid == pytest.approx(0.6 + 0.1 * 0.3 + SEMANTIC_WEIGHT * 0.4)


def test_name_and_meaning_count_by_the_standing() -> None:
    closeness = Closeness(cosines={7: 0.4}, names={7: 0.5}, standings={7: 0.4})
    (hit,) = hit_scores([(7, 0.5, 0.6)], closeness, {7: 0.0}, activation_weight=0.1)
    assert (hit.name, hit.semantic) == (0.5, 0.4), "the parts are told as they are"
    assert hit.hybrid == pytest.approx(0.6 + 0.4 * (NAME_WEIGHT * 0.5 + SEMANTIC_WEIGHT * 0.4))


def test_meaning_alone_adds_a_candidate_and_removes_none() -> None:
    found = hit_scores([(1, 1.0, 1.0)], close({2: 0.9}), {1: 0.0, 2: 0.0}, activation_weight=0.1)
    assert [(hit.chunk, hit.bm25) for hit in found] == [(1, 1.0), (2, 0.0)]


def test_ties_keep_their_order_and_candidates_by_meaning_come_after() -> None:
    matches = [(5, 0.0, 0.3), (3, 0.0, 0.3), (9, 0.0, 0.3)]
    found = hit_scores(matches, close({4: 1.0, 2: 1.0}), dict.fromkeys([2, 3, 4, 5, 9], 0.0), activation_weight=0.1)
    assert [hit.chunk for hit in found] == [5, 3, 9, 4, 2]


def test_a_chunk_that_is_gone_meanwhile_has_no_score() -> None:
    found = hit_scores([(1, 1.0, 1.0), (2, 0.5, 0.5)], close({3: 1.0}), {2: 0.0}, activation_weight=0.1)
    assert [hit.chunk for hit in found] == [2]


@given(matches=MATCHES, cosines=st.dictionaries(st.integers(1, 60), RATIOS, max_size=10), weight=RATIOS)
def test_hits_come_once_and_best_first(
    matches: dict[int, tuple[float, float]], cosines: dict[int, float], weight: float
) -> None:
    rows = [(chunk, bm25, score) for chunk, (bm25, score) in matches.items()]
    chunks = matches.keys() | cosines.keys()
    found = hit_scores(rows, close(cosines), dict.fromkeys(chunks, 0.5), activation_weight=weight)
    assert sorted(hit.chunk for hit in found) == sorted(chunks)
    assert [hit.hybrid for hit in found] == sorted((hit.hybrid for hit in found), reverse=True)


def test_shares_are_of_the_largest_and_nothing_stays_nothing() -> None:
    assert shares(np.array([1, 2, 4], dtype=np.float32)).tolist() == [0.25, 0.5, 1.0]
    assert shares(np.zeros(3, dtype=np.float32)).tolist() == [0, 0, 0]
    assert shares(np.zeros(0, dtype=np.float32)).tolist() == []


def test_chunks_of_a_file_count_half_as_much_at_each_rank() -> None:
    scores = np.array([8, 4, 4, 1, 0], dtype=np.float32)
    files = np.array([0, 0, 1, 0, 1], dtype=np.int64)
    assert in_rank_order(scores, files, 3).tolist() == [8 + 4 / 2 + 1 / 4, 4, 0]
    assert best_of(scores, files, 3).tolist() == [8, 4, 0]


def test_thousands_of_chunks_of_one_file_add_up_to_less_than_twice_its_best() -> None:
    scores = np.ones(5000, dtype=np.float32)
    total = in_rank_order(scores, np.zeros(5000, dtype=np.int64), 1)
    assert total[0] == pytest.approx(2.0)
    assert np.isfinite(total).all()


def test_every_part_counts_its_weight_and_a_path_is_a_share_already() -> None:
    def parts(**given: float) -> FileParts:
        arrays = {name: np.array([given.get(name, 0.0), 0.0], dtype=np.float32) for name in FileParts.__slots__}
        return FileParts(**arrays)

    weights = PartWeights(ranked=1.0, best=2.0, history=3.0, recency=4.0, symbol=5.0, path=6.0)
    for name, weight in {"ranked": 1, "best": 2, "history": 3, "recency": 4, "symbol": 5}.items():
        assert combined(parts(**{name: 0.3}), weights).tolist() == [weight, 0]
    assert combined(parts(path=0.5), weights).tolist() == [3, 0]


@pytest.mark.parametrize(
    "path",
    [
        *("tests/a.py", "src/test/a.py", "pkg/test_a.py", "conftest.py", "a_test.go", "a.test.ts", "a.spec.js"),
        *("t/a.c", "src/__tests__/a.js", "spec/a.rb", "testdata/a.txt", "src/FooTest.java", "FooTests.java"),
        *(
            "FooTest.kt",
            "src/FooTests.cs",
            "FooTest.php",
            "FooSpec.scala",
            "FooTests.swift",
            "FooTests.m",
            "FooTest.cpp",
        ),
        *("foo_spec.rb", "foo_spec.lua", "FooSpec.hs", "FooSpec.groovy", "FooTest.scala", "Foo.Tests.ps1"),
    ],
)
def test_paths_of_tests_are_recognised(path: str) -> None:
    assert is_test_file(path)


@pytest.mark.parametrize(
    "path",
    [
        *("src/a.py", "contest.py", "latest/a.py", "attest.go", "src/inspect.py", "a/testing_tools_x", "Testament"),
        *("Latest.kt", "Testing.swift", "PodSpec.kt", "pod_spec.go", "Spectrum.scala", "my_spec.rb.md", "Test.txt"),
    ],
)
def test_paths_that_only_sound_like_tests_are_not(path: str) -> None:
    assert not is_test_file(path)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        *(("README.md", True), ("docs/a.RST", True), ("LICENSE", True), ("a/NOTES", True), ("a.txt", True)),
        *(("a.py", False), ("Makefile", False), ("a.md.py", False), ("docs/conf.py", False), ("", False)),
        *(("LICENSE-MIT", True), ("LICENSE-APACHE", True), ("Readme", True), ("a/readme", True), ("Changelog", True)),
        *(("COPYING.LESSER", True), ("LICENSE.BSD-3", True), ("license_check", False), ("noticeboard", False)),
        *(
            (".bashrc", False),
            ("home/.zshrc", False),
            (".profile", False),
            ("PKGBUILD", False),
            ("GNUmakefile", False),
        ),
        *(("Gemfile", False), (".gitignore", True)),
    ],
)
def test_documents_are_recognised_by_their_names(path: str, document: bool) -> None:
    assert is_document(path) is document
