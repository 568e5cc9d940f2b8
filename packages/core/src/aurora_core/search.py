"""Scores chunks and files for a query."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from aurora_core.chunking import ChunkKind
from aurora_core.chunking.chunk import DEFINING, KINDS
from aurora_core.file_kinds import is_document, is_test_file
from aurora_core.index.bm25 import BALANCED, CHUNK, SINGLE, FieldWeights, idf, query_weights, saturated
from aurora_core.index.compounds import compounds
from aurora_core.index.frequencies import Frequencies
from aurora_core.index.history import neighbours, read_history
from aurora_core.index.segments import Part, read_postings, read_segments
from aurora_core.name_match import DefinitionWords, agreements, asked_words
from aurora_core.path_mentions import PathNames
from aurora_core.ranking import (
    CLASS_REST_WEIGHT,
    DOCUMENT_WEIGHT,
    MODULE_REST_WEIGHT,
    TEST_WEIGHT,
    WEIGHTS,
    FileParts,
    PartWeights,
    best_of,
    combined,
    in_rank_order,
    shares,
)
from aurora_core.store.database import generation
from aurora_core.store.files import described_chunks, unindexed_files
from aurora_core.tokens import stem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from aurora_core.index.history import CommitIndex
    from aurora_core.index.segments import Segment
    from aurora_core.name_match import Alike
    from aurora_core.store.files import DescribedChunk

__all__ = ["Rarity", "Searcher"]

_Number = TypeVar("_Number", bound=np.generic)

# Of a chunk's score, how much the standing of its whole file counts.
FILE_WEIGHT: Final = 0.2
# Among hits each has its own name's agreement; that of the file's other definitions says nothing more.
HIT_FILE_WEIGHTS: Final = replace(WEIGHTS, name=0)
# The names of so many of the best chunks are compared with the query.
NAMED: Final = 100
# A file of n chunks has that many chances: what its chunks give is divided by n to this power.
SIZE_POWER: Final = 0.12
# Each code-like word of a query is looked up.
MAX_SYMBOLS: Final = 1_000
# "test" alone says nothing: many projects are about testing, and most issues mention a test.
_ASKS_FOR_TESTS: Final = re.compile(
    r"\b(?:add|fix|update|write|flaky|failing|which|what|missing|find|show)\s+(?:\w+\s+)?tests?\b"
    r"|\btests? (?:for|of|that|which)\b|\bunit ?tests?\b|^\W*tests?\b",
    re.IGNORECASE,
)
_ASKS_FOR_DOCUMENTS: Final = re.compile(
    r"\b(?:docs?|documentation|document(?:s|ed)?|changelog|readme|guide|tutorial)\b", re.IGNORECASE
)
# By number of `Part`; a byte of a damaged index is any number.
REST_WEIGHTS: Final = np.ones(16, dtype=np.float32)
REST_WEIGHTS[Part.MODULE_REST] = MODULE_REST_WEIGHT
REST_WEIGHTS[Part.CLASS_REST] = CLASS_REST_WEIGHT
# One text of ids for each name, which thousands of chunks may have. The files stand in another table, which would be
# read row by row.
_IDS_NAMED: Final = "SELECT (SELECT group_concat(id) FROM chunks WHERE short_name = value) FROM json_each(?)"
_CODE_LIKE: Final = re.compile(
    r"\b(?:\w+_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+[A-Z]\w*)\b|\b\w+(?=\(\))|(?<=`)\w+(?=[`(])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """The document frequencies of terms in a memory.

    Attributes:
        documents: number of chunks in the memory.
        containing: number of chunks that have a term, by term; earlier answers do not count.
        in_code: number of these that are source code outside of tests, by term.
    """

    documents: int
    containing: Mapping[str, int]
    in_code: Mapping[str, int]

    def idf(self, term: str) -> float:
        """Returns the inverse document frequency; largest for a term that no chunk has."""
        return idf(self.documents, self.containing.get(term, 0))

    def unknown(self, term: str) -> bool:
        """Returns True if no chunk has the term."""
        return self.containing.get(term, 0) == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunks:
    """The arrays of all segments concatenated; `starts` holds the offset of each segment.

    Attributes:
        files: (n,) positions in `paths`.
        paths: paths of the files, by position.
        tests: (n_files,) True for a test file.
        prose: (n_files,) True for a document.
        sizes: (n_files,) number of living chunks, at least 1.
        recency: (n_files,) 1 for files of the newest commit, halved for every 90 days before it.
        places: positions of the files, by path.
        names: the files by the parts of their paths.
        parts: (n,) numbers of `Part`.
        by_id: (n,) the positions in the order of their ids.
        removed: number of removed chunks, by the segment's id.
        documents: number of living chunks; mean_body and mean_head are their mean lengths.
    """

    generation: int
    starts: Mapping[int, int]
    ids: NDArray[np.int64]
    files: NDArray[np.int64]
    bodies: NDArray[np.float32]
    heads: NDArray[np.float32]
    kinds: NDArray[np.uint8]
    alive: NDArray[np.bool_]
    paths: Sequence[str]
    tests: NDArray[np.bool_]
    prose: NDArray[np.bool_]
    sizes: NDArray[np.float32]
    recency: NDArray[np.float32]
    places: Mapping[str, int]
    names: PathNames
    parts: NDArray[np.uint8]
    by_id: NDArray[np.int64]
    removed: Mapping[int, int]
    commits: CommitIndex
    documents: int
    mean_body: float
    mean_head: float

    def positions(self, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the positions of chunks by id; ids that the arrays do not have are left out."""
        if not len(self.ids):
            return np.zeros(0, dtype=np.int64)
        at = np.searchsorted(self.ids, wanted, sorter=self.by_id)
        found: NDArray[np.int64] = self.by_id[np.minimum(at, len(self.ids) - 1)]
        there: NDArray[np.int64] = found[self.ids[found] == wanted]
        return there


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matches:
    """The living chunks that share a term with a query; only these are scored.

    Attributes:
        chunks: (n,) positions in the arrays, ascending.
        files: (n,) positions of their files.
        at: (m,) positions in `chunks` of the uses of the query's most informative terms, one term after another.
        worth: (m,) weight of the term times its idf.
        body, path, name: (m,) its frequency in each field.
        bodies, heads: (m,) lengths of the chunk's body and head.
        weights: of all terms of the query.
    """

    chunks: NDArray[np.int64]
    files: NDArray[np.int64]
    at: NDArray[np.int32]
    worth: NDArray[np.float32]
    body: NDArray[np.float32]
    path: NDArray[np.float32]
    name: NDArray[np.float32]
    bodies: NDArray[np.float32]
    heads: NDArray[np.float32]
    weights: Mapping[str, float]


class Searcher:
    """Scores chunks and files; caches the index's small arrays and reloads them after a change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._arrays: _Chunks | None = None
        self._idfs: Mapping[str, float] = {}

    def scores(self, query: str, kinds: Collection[int], limit: int) -> list[tuple[int, float, float]]:
        """Returns the best chunks as (id, BM25F as a share of the best, score), best first; ties by id.

        The score includes the share of the chunk's file.

        Args:
            kinds: positions in `ChunkKind` of the kinds wanted.
        """
        arrays = self._current()
        if not arrays.documents:
            return []
        matches = self._matches(arrays, query)
        standing = _file_type_weights(arrays, query)
        wanted = np.isin(arrays.kinds[matches.chunks], list(kinds))
        own = np.where(wanted, _chunk_scores(arrays, matches, CHUNK), np.float32(0))
        own = shares(own * standing[matches.files] * REST_WEIGHTS[arrays.parts[matches.chunks]])
        files = shares(self._file_scores(arrays, query, matches, HIT_FILE_WEIGHTS) * standing)
        total = np.where(own > 0, own + np.float32(FILE_WEIGHT) * files[matches.files], np.float32(0))
        return [(int(arrays.ids[matches.chunks[at]]), float(own[at]), float(total[at])) for at in _best(total, limit)]

    def files(self, query: str, limit: int, weights: PartWeights) -> list[tuple[str, float]]:
        """Returns the best files as (path, score), best first."""
        arrays = self._current()
        if not arrays.documents:
            return []
        scores = self._file_scores(arrays, query, self._matches(arrays, query), weights)
        total = scores * _file_type_weights(arrays, query)
        return [(arrays.paths[at], float(total[at])) for at in _best(total, limit)]

    def standings(self, query: str, numbers: Sequence[int]) -> dict[int, float]:
        """Returns the factors of chunks by id: low for tests, documents, and what is left of files and types."""
        arrays = self._current()
        at = arrays.positions(np.array(numbers, dtype=np.int64))
        factors = _file_type_weights(arrays, query)[arrays.files[at]] * REST_WEIGHTS[arrays.parts[at]]
        return dict(zip(arrays.ids[at].tolist(), factors.tolist(), strict=True))

    def name_agreements(
        self, query: str, described: Mapping[int, DescribedChunk], similar: Alike | None = None
    ) -> tuple[list[int], NDArray[np.float32]]:
        """Returns the ids of the definitions among chunks, and the agreement of each with the query.

        Args:
            query: the one that was scored last.
            similar: cosines of words with other words, from a model.
        """
        defined = [(number, chunk) for number, chunk in described.items() if chunk.symbol_type in DEFINING]
        weights = {word: self._idfs[stem(word)] for word in asked_words(query) if stem(word) in self._idfs}
        words = [DefinitionWords.of(chunk.name, chunk.file, chunk.signature) for _, chunk in defined]
        return [number for number, _ in defined], agreements(weights, words, similar)

    def _matches(self, arrays: _Chunks, query: str) -> _Matches:
        weights = query_weights(query)
        counted = Frequencies(self._connection, starts=arrays.starts, alive=arrays.alive, removed=arrays.removed)
        # Only names that the code really has: unknown words would take the places of others.
        joined = {term: weight for term, weight in compounds(query).items() if term and term not in weights}
        weights = {**weights, **{term: joined[term] for term in counted.known(list(joined))}}
        self._idfs = counted.idfs([term for word in asked_words(query) if (term := stem(word)) in weights])
        chosen = counted.chosen(weights)
        idfs = counted.idfs(chosen)
        uses = [(term, segment, found) for term in chosen for segment, found in counted.postings(term)]
        places = _joined_arrays([found.places + arrays.starts[segment] for _, segment, found in uses], np.int64)
        living = arrays.alive[places]
        places = places[living]
        matched = np.zeros(len(arrays.ids), dtype=np.bool_)
        matched[places] = True
        chunks = np.flatnonzero(matched)
        local = np.empty(len(arrays.ids), dtype=np.int32)
        local[chunks] = np.arange(len(chunks), dtype=np.int32)
        worth = np.array([weights[term] * idfs[term] for term, _, _ in uses], dtype=np.float32)
        return _Matches(
            chunks=chunks,
            files=arrays.files[chunks],
            at=local[places],
            worth=np.repeat(worth, [len(found.places) for _, _, found in uses])[living],
            body=_joined_arrays([found.body for _, _, found in uses], np.float32)[living],
            path=_joined_arrays([found.path for _, _, found in uses], np.float32)[living],
            name=_joined_arrays([found.name for _, _, found in uses], np.float32)[living],
            bodies=arrays.bodies[places],
            heads=arrays.heads[places],
            weights=weights,
        )

    def _file_scores(
        self, arrays: _Chunks, query: str, matches: _Matches, weights: PartWeights
    ) -> NDArray[np.float32]:
        """Returns the files' scores before the file-type weights."""
        count = len(arrays.paths)
        balanced = _chunk_scores(arrays, matches, BALANCED)
        ranked = in_rank_order(balanced, matches.files, count) / arrays.sizes ** np.float32(SIZE_POWER)
        parts = FileParts(
            ranked=ranked,
            best=best_of(_chunk_scores(arrays, matches, SINGLE), matches.files, count),
            history=self._history(arrays, matches.weights),
            recency=arrays.recency,
            symbol=self._symbols(arrays, query),
            name=self._names(arrays, query, matches, balanced) if weights.name else np.zeros(count, dtype=np.float32),
            path=arrays.names.mentioned(query),
        )
        worth = (ranked > 0) | (parts.history > 0) | (parts.path > 0)
        return np.where(worth, combined(parts, weights), np.float32(0))

    def _names(
        self, arrays: _Chunks, query: str, matches: _Matches, scores: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Returns the best agreement with the query of the definitions among the best chunks, by file."""
        total = np.zeros(len(arrays.paths), dtype=np.float32)
        best = matches.chunks[_best(scores, NAMED)]
        places = dict(zip(arrays.ids[best].tolist(), arrays.files[best].tolist(), strict=True))
        described = described_chunks(self._connection, list(places))
        numbers, found = self.name_agreements(query, described)
        np.maximum.at(total, np.array([places[number] for number in numbers], dtype=np.int64), found)
        return total

    def _history(self, arrays: _Chunks, weights: Mapping[str, float]) -> NDArray[np.float32]:
        total = np.zeros(len(arrays.paths), dtype=np.float32)
        for path, score in neighbours(self._connection, weights, arrays.commits).items():
            if path in arrays.places:
                total[arrays.places[path]] = score
        return total

    def _symbols(self, arrays: _Chunks, query: str) -> NDArray[np.float32]:
        """Returns Σ 1/√(number of files that define it) over the code-like words of the query, by file."""
        total = np.zeros(len(arrays.paths), dtype=np.float32)
        words = list(islice(dict.fromkeys(_CODE_LIKE.findall(query)), MAX_SYMBOLS))
        rows = self._connection.execute(_IDS_NAMED, (json.dumps(words),)).fetchall() if words else []
        for ids in (ids for (ids,) in rows if ids):
            chunks = arrays.positions(np.fromstring(ids, dtype=np.int64, sep=","))
            files = np.unique(arrays.files[chunks])
            total[files] += max(len(files), 1) ** -0.5
        return total

    def code_with(self, wanted: Collection[str], *, tests: bool | None = None) -> list[int]:
        """Returns the ids of the chunks of code that have all terms: those outside of tests first, each ascending.

        Args:
            tests: True for the chunks of tests alone, False for the others alone.
        """
        arrays = self._current()
        at = self._code_with(arrays, wanted)
        of_tests = arrays.tests[arrays.files[at]]
        if tests is not None:
            at, of_tests = at[of_tests == tests], of_tests[of_tests == tests]
        ids = arrays.ids[at]
        found: list[int] = ids[np.lexsort((ids, of_tests))].tolist()
        return found

    def files_with(self, wanted: Collection[str]) -> list[str]:
        """Returns the files of code with a chunk that has all terms: tests last, each in index order."""
        arrays = self._current()
        places = np.unique(arrays.files[self._code_with(arrays, wanted)])
        ordered = places[np.argsort(arrays.tests[places], kind="stable")]
        return [arrays.paths[place] for place in ordered]

    def _code_with(self, arrays: _Chunks, wanted: Collection[str]) -> NDArray[np.int64]:
        """Returns the positions of the living chunks of code that have all terms, ascending; none without terms."""
        found: NDArray[np.int64] | None = None
        for term in dict.fromkeys(wanted):
            having = self._having(arrays, term)
            found = having if found is None else np.intersect1d(found, having)
            if not len(found):
                break
        if found is None or not len(found):
            return np.zeros(0, dtype=np.int64)
        code: NDArray[np.int64] = found[arrays.kinds[found] == KINDS[ChunkKind.CODE]]
        return code

    def _having(self, arrays: _Chunks, term: str) -> NDArray[np.int64]:
        """Returns the positions of the living chunks that have a term and are no earlier answers."""
        parts = read_postings(self._connection, term)
        none = np.zeros(0, dtype=np.int64)
        at: NDArray[np.int64] = np.concatenate([none, *(p.places + arrays.starts[s] for s, p in parts)])
        kept: NDArray[np.int64] = at[arrays.alive[at] & (arrays.kinds[at] != KINDS[ChunkKind.REAS])]
        return kept

    def rarity(self, wanted: Iterable[str]) -> Rarity:
        """Returns how many chunks have each term."""
        arrays = self._current()
        having = {term: self._having(arrays, term) for term in wanted}
        other = arrays.tests | arrays.prose
        code = {
            term: at[(arrays.kinds[at] == KINDS[ChunkKind.CODE]) & ~other[arrays.files[at]]] if len(at) else at
            for term, at in having.items()
        }
        return Rarity(
            documents=arrays.documents,
            containing={term: len(at) for term, at in having.items()},
            in_code={term: len(at) for term, at in code.items()},
        )

    def _current(self) -> _Chunks:
        now = generation(self._connection)
        if self._arrays is None or self._arrays.generation != now:
            none = unindexed_files(self._connection)
            rows = self._connection.execute("SELECT id, path FROM files ORDER BY id")
            paths = [(number, path) for number, path in rows if number not in none]
            history = read_history(self._connection)
            self._arrays = _joined(read_segments(self._connection), paths, history, now)
        return self._arrays


def _joined(
    segments: Sequence[Segment], paths: Sequence[tuple[int, str]], commits: CommitIndex, at_generation: int
) -> _Chunks:
    starts: dict[int, int] = {}
    at = 0
    for segment in segments:
        starts[segment.id] = at
        at += len(segment.ids)
    none = [np.zeros(0, dtype=np.int64)]
    ids = np.array([number for number, _ in paths] or [0], dtype=np.int64)
    files = np.concatenate([s.files for s in segments] or none)
    # Files of dead chunks may be gone; any place will do for them, they never score.
    places = np.minimum(np.searchsorted(ids, files), max(len(paths) - 1, 0))
    bodies = np.concatenate([s.bodies for s in segments] or none).astype(np.float32)
    heads = np.concatenate([s.heads for s in segments] or none).astype(np.float32)
    alive = np.concatenate([s.dead for s in segments] or none) == 0
    chunks = np.concatenate([s.ids for s in segments] or none)
    return _Chunks(
        generation=at_generation,
        starts=starts,
        ids=chunks,
        files=places.astype(np.int64),
        bodies=bodies,
        heads=heads,
        kinds=np.concatenate([s.kinds for s in segments] or none).astype(np.uint8),
        alive=alive,
        paths=tuple(path for _, path in paths),
        tests=np.array([is_test_file(path) for _, path in paths], dtype=np.bool_),
        prose=np.array([is_document(path) for _, path in paths], dtype=np.bool_),
        sizes=np.maximum(np.bincount(places[alive], minlength=len(paths)), 1).astype(np.float32),
        recency=np.array([commits.recency(path) for _, path in paths], dtype=np.float32),
        places={path: at for at, (_, path) in enumerate(paths)},
        names=PathNames([path for _, path in paths]),
        parts=np.concatenate([s.parts for s in segments] or none).astype(np.uint8),
        by_id=np.argsort(chunks, kind="stable"),
        removed={s.id: int(s.dead.sum()) for s in segments},
        commits=commits,
        documents=int(alive.sum()),
        mean_body=float(bodies[alive].mean()) if alive.any() else 1.0,
        mean_head=float(heads[alive].mean()) if alive.any() else 1.0,
    )


def _joined_arrays(parts: Sequence[NDArray[Any]], dtype: type[_Number]) -> NDArray[_Number]:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts], dtype=dtype)


def _chunk_scores(arrays: _Chunks, matches: _Matches, weights: FieldWeights) -> NDArray[np.float32]:
    """Returns the BM25F score of every match."""
    total = np.zeros(len(matches.chunks), dtype=np.float32)
    head = np.float32((weights.path + weights.name) / 2)
    lengths = matches.bodies + head * matches.heads
    mean = arrays.mean_body + float(head) * arrays.mean_head
    frequencies = np.float32(weights.path) * matches.path + np.float32(weights.name) * matches.name + matches.body
    np.add.at(total, matches.at, matches.worth * saturated(frequencies, lengths, mean, weights.b))
    return total


def _file_type_weights(arrays: _Chunks, query: str) -> NDArray[np.float32]:
    """Returns the factor of each file's score: low for tests and documents unless the query's title asks for them."""
    title = query.strip().partition("\n")[0]
    factor = np.ones(len(arrays.paths), dtype=np.float32)
    if not _ASKS_FOR_TESTS.search(title):
        factor[arrays.tests] *= np.float32(TEST_WEIGHT)
    if not _ASKS_FOR_DOCUMENTS.search(title):
        factor[arrays.prose] *= np.float32(DOCUMENT_WEIGHT)
    return factor


def _best(total: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """Returns the positions of the largest positive values, largest first, ties in order."""
    positive = np.flatnonzero(total > 0)
    if len(positive) > limit:
        threshold = np.partition(total[positive], len(positive) - limit)[len(positive) - limit]
        positive = positive[total[positive] >= threshold]
    order = np.lexsort((positive, -total[positive]))[:limit]
    return positive[order]
