"""Our BM25 is the reference's, posting segments and all."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from aurora_core.index import bm25
from aurora_core.index.segments import (
    IndexedChunk,
    Part,
    built_segment,
    mark_dead,
    merge_if_needed,
    read_postings,
    read_segments,
    write_segment,
)
from aurora_core.ranking import best_of, in_rank_order, shares
from aurora_core.store.schema import migrate

WORDS = st.sampled_from(["heap", "task", "queue", "retry", "plan", "run"])
CORPUS = st.lists(st.lists(WORDS, min_size=1, max_size=12), min_size=2, max_size=8)


@given(CORPUS, WORDS)
def test_saturation_and_length_agree_with_the_reference(corpus: list[list[str]], word: str) -> None:
    """Where the reference's idf is not negative, our score is its score times the ratio of the idfs."""
    reference = BM25Okapi(corpus, k1=bm25.K1, b=0.5)
    containing = sum(word in document for document in corpus)
    if not containing:
        return
    frequencies = np.array([document.count(word) for document in corpus], dtype=np.float32)
    lengths = np.array([len(document) for document in corpus], dtype=np.float32)
    ours = bm25.saturated(frequencies, lengths, float(lengths.mean()), 0.5)
    theirs = np.array(reference.get_scores([word])) / reference.idf[word] if reference.idf[word] else ours
    assert ours == pytest.approx(theirs, rel=1e-4)


@given(st.integers(1, 10_000), st.integers(0, 10_000))
def test_idf_falls_as_a_term_gets_common_and_is_never_negative(documents: int, containing: int) -> None:
    assert bm25.idf(documents, containing) >= 0.0
    assert bm25.idf(documents, containing) >= bm25.idf(documents, containing + 1)


def test_idf_is_the_formula() -> None:
    assert bm25.idf(100, 10) == pytest.approx(math.log(1 + 90.5 / 10.5))


def test_a_title_counts_more_than_a_body_and_stop_words_not_at_all() -> None:
    weights = bm25.query_weights("the heap\ntask task task task")
    assert weights == {"heap": 6.0, "task": 2.0}
    assert bm25.query_weights("the") == {"the": 6.0}


def test_of_very_many_terms_the_title_s_and_the_repeated_ones_count() -> None:
    body = " ".join(f"w{number}" for number in range(3000))
    weights = bm25.query_weights(f"heap\n{body}\nw2999")
    assert len(weights) == bm25.MAX_DISTINCT_TERMS
    assert (weights["heap"], weights["w2999"], weights["w0"]) == (6.0, 2.0, 1.0)
    assert "w2998" not in weights


def test_only_the_most_telling_terms_are_asked() -> None:
    weights = {f"t{i}": 1.0 for i in range(50)}
    idfs = {f"t{i}": float(i) for i in range(50)}
    assert list(bm25.choose_terms(weights, idfs)) == [f"t{i}" for i in range(49, 29, -1)]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "memory.db", isolation_level=None)) as connection:
        migrate(connection, tmp_path / "memory.db")
        yield connection


def write(connection: sqlite3.Connection, chunks: dict[int, list[str]]) -> None:
    """A segment of chunks of one file, by id, with these words."""
    built = built_segment(
        [
            IndexedChunk(
                body=Counter(words), path=Counter(["p"]), name=Counter({"n": 20}), kind=0, part=Part.WHOLE, test=False
            )
            for words in chunks.values()
        ]
    )
    write_segment(connection, built, ids=list(chunks), files=[1] * len(chunks))


def places_of(connection: sqlite3.Connection, term: str) -> dict[int, tuple[int, int, int]]:
    """(body, path, name) frequencies of the living chunks that have a term, by chunk id."""
    segments = {segment.id: segment for segment in read_segments(connection)}
    found = {}
    for segment, postings in read_postings(connection, term):
        for at, body, path, name in zip(postings.places, postings.body, postings.path, postings.name, strict=True):
            if not segments[segment].dead[at]:
                found[int(segments[segment].ids[at])] = (int(body), int(path), int(name))
    return found


BATCHES = st.lists(st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=4), min_size=1, max_size=12)


@given(batches=BATCHES, data=st.data())
def test_merging_changes_nothing_that_can_be_found(batches: list[list[list[str]]], data: st.DataObject) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        assert_merging_changes_nothing(connection, batches, data)


def assert_merging_changes_nothing(
    connection: sqlite3.Connection, batches: list[list[list[str]]], data: st.DataObject
) -> None:
    migrate(connection, Path("memory.db"))
    living: dict[int, list[str]] = {}
    numbers = count(1)
    for batch in batches:
        added = {next(numbers): words for words in batch}
        write(connection, added)
        living |= added
        gone: set[int] = data.draw(st.sets(st.sampled_from(sorted(living)), max_size=2)) if living else set()
        mark_dead(connection, gone)
        for number in gone:
            del living[number]
        merge_if_needed(connection)
        assert len(read_segments(connection)) <= 8
    for word in ("heap", "task", "queue"):
        found = {number: body for number, (body, _, _) in places_of(connection, word).items()}
        assert found == {number: words.count(word) for number, words in living.items() if word in words}


def test_frequencies_are_capped_and_not_wrapped(connection: sqlite3.Connection) -> None:
    write(connection, {1: ["heap"] * 1000})
    assert places_of(connection, "heap") == {1: (255, 0, 0)}
    assert places_of(connection, "n") == {1: (0, 0, 15)}


def test_a_file_s_later_chunks_count_half_as_much_each() -> None:
    scores = np.array([4.0, 2.0, 8.0, 0.0], dtype=np.float32)
    files = np.array([0, 0, 1, 1], dtype=np.int64)
    assert in_rank_order(scores, files, 3).tolist() == [5.0, 8.0, 0.0]
    assert best_of(scores, files, 3).tolist() == [4.0, 8.0, 0.0]
    assert shares(np.array([1.0, 4.0], dtype=np.float32)).tolist() == [0.25, 1.0]
    assert shares(np.zeros(2, dtype=np.float32)).tolist() == [0.0, 0.0]
