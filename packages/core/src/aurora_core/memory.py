"""The memory of one project: the public API of `aurora_core` in one class."""

from __future__ import annotations

import re
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from aurora_core.access_log import AccessLog
from aurora_core.activation import PRESETS, ActivationPreset
from aurora_core.chunking import ChunkKind
from aurora_core.contents import Contents
from aurora_core.errors import ProjectError
from aurora_core.freshness import Freshness
from aurora_core.hit_search import WITHOUT_REASONING, HitSearch
from aurora_core.hits import FileHit, Hit, Reference, Tie
from aurora_core.index.segments import built_segment, mark_dead, merge_if_needed, write_segment
from aurora_core.indexing.rebuild import Salvage, replace_database, salvage
from aurora_core.project import Project
from aurora_core.ranking import WEIGHTS, PartWeights
from aurora_core.search import Searcher
from aurora_core.semantic import Encoder, SemanticIndex, encode_pending, word_counts
from aurora_core.store.accesses import restore_accesses, symbol_of
from aurora_core.store.database import (
    connect,
    reading,
    transaction,
    translating_errors,
    translating_sqlite_errors,
)
from aurora_core.store.files import (
    described_chunks,
)
from aurora_core.store.reasoning import Reasoning, put_reasoning, remove_reasoning
from aurora_core.store.vectors import encoded, use_model
from aurora_core.symbols import defined, of_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from types import TracebackType

    from aurora_core.report import IndexProgress, IndexReport
    from aurora_core.semantic import Embedder, Vocabulary

__all__ = ["Memory"]

QUERY_CHARS: Final = 100_000
"""The part of a query that counts, from its start: each word of it costs time."""
# Of a search, what it puts first counts as used. More of them would make the next search worse: what was merely
# shown would rise (function search: MRR .571 without, .571 with one, .567 with three, .558 with ten).
RECORDED_HITS: Final = 1
# More than the lines of the largest file that is indexed.
MAX_FILE_CHUNKS: Final = 1_000_000


class Memory(Contents):
    """A project's memory. Use it in a `with` statement, from one thread at a time.

    Other processes may read and index the same memory at the same time; each sees complete changes only.
    """

    def __init__(
        self,
        project: Project,
        exclude: Sequence[str],
        *,
        activation: ActivationPreset = ActivationPreset.DEFAULT,
        embedder: Embedder | None = None,
        database: Path | None = None,
        read_only: bool = False,
    ) -> None:
        self._project = project
        self._exclude = tuple(exclude)
        super().__init__(database or project.memory_db)
        self._connection = connect(self._database, read_only=read_only)
        self._searcher = Searcher(self._connection)
        self._access_log = AccessLog(self._connection, PRESETS[activation])
        self._freshness = Freshness(self._connection, self._database, project.root, self._exclude)
        self._embedder = embedder
        self._hit_search = HitSearch(
            connection=self._connection,
            searcher=self._searcher,
            semantic=SemanticIndex(self._connection, embedder) if embedder else None,
            access_log=self._access_log,
            activation_weight=PRESETS[activation].weight,
        )
        self._encoder: Encoder | None = None

    @classmethod
    def open(
        cls,
        project_dir: Path | str,
        *,
        exclude: Sequence[str] = (),
        activation: ActivationPreset | str = ActivationPreset.DEFAULT,
        embedder: Embedder | None = None,
        read_only: bool = False,
    ) -> Memory:
        """Opens the memory of a folder; creates it if there is none.

        Args:
            exclude: patterns as in `.gitignore`, for files that are not indexed.
            activation: preset of activation: how much earlier use counts.
            embedder: a model whose vectors add candidates; chunks are encoded in the background after indexing.
            read_only: nothing is created or written; hits in files that changed since they were indexed are marked
                stale.

        Raises:
            ProjectError: the folder does not exist, cannot be written or must not be used (see `Project.init`).
            StoreError: memory.db cannot be used.
            StoreCorruptError: memory.db is damaged.
        """
        folder = Path(project_dir)
        return cls(
            Project.existing(folder) if read_only else Project.init(folder),
            exclude,
            activation=ActivationPreset(activation),
            embedder=embedder,
            read_only=read_only,
        )

    @classmethod
    def rebuild(
        cls,
        project_dir: Path | str,
        *,
        exclude: Sequence[str] = (),
        on_progress: Callable[[IndexProgress], None] | None = None,
    ) -> IndexReport:
        """Creates memory.db again from the files, whatever state it is in.

        Accesses and earlier answers that can still be read are kept. The old database stays in place until the new
        one is complete; no other process should have it open.

        Raises:
            ProjectError: the folder does not exist or cannot be written.
            StoreError: the new database cannot be written.
        """
        project = Project.init(Path(project_dir))
        kept = salvage(project.memory_db)
        fresh = project.memory_db.with_name("memory.db.new")
        for left in project.aurora_dir.glob("memory.db.new*"):
            left.unlink()
        with cls(project, exclude, database=fresh) as memory:
            report = memory.index(on_progress=on_progress)
            memory._take_over(kept)
        replace_database(fresh, project.memory_db)
        return report

    def _take_over(self, kept: Salvage) -> None:
        with transaction(self._connection):
            restore_accesses(self._connection, kept.accesses)
        for reasoning in kept.reasonings:
            self.remember(reasoning)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database; the memory cannot be used afterwards.

        Asynchronous calls that wait are cancelled. One that runs is waited for; an `aindex` stops after its batch of
        files.
        """
        with translating_errors(self._database), closing(self._connection):
            self._end_calls()
            self._access_log.flush()
            self._stop_encoding()

    def index(
        self, path: Path | str | None = None, *, on_progress: Callable[[IndexProgress], None] | None = None
    ) -> IndexReport:
        """Brings the memory up to date with the project's files.

        Args:
            path: a folder or file of the project, absolute or from its root; all other files stay as they are.
            on_progress: called for every file.

        Raises:
            ProjectError: the path is not in the project.
            StoreError: memory.db cannot be written.
        """
        from aurora_core.indexing.indexer import index_project

        below = self._below(path)
        with self._changing():
            return index_project(
                self._connection,
                self._project.root,
                below=below,
                exclude=self._exclude,
                on_progress=on_progress or _ignore,
            )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Stops encoding while chunks change, and encodes new chunks afterwards."""
        with translating_errors(self._database):
            self._stop_encoding()
            yield
            if self._embedder is not None:
                self._encoder = Encoder(self._database, self._embedder)

    def _stop_encoding(self) -> None:
        if self._encoder is not None:
            encoder, self._encoder = self._encoder, None
            encoder.stop()

    def encode(self, *, on_progress: Callable[[int, int], None] | None = None) -> int:
        """Encodes all chunks without a vector now instead of in the background; returns their number.

        Args:
            on_progress: called with (done, total) after each batch.

        Raises:
            StoreError: memory.db cannot be written.
        """
        if self._embedder is None:
            return 0
        with translating_sqlite_errors(self._database):
            self._stop_encoding()
            return encode_pending(self._connection, self._embedder, on_progress=on_progress)

    def word_counts(self) -> Vocabulary:
        """Returns the words of all chunks, of which a static model is distilled."""
        with reading(self._connection, self._database):
            return word_counts(self._connection)

    def encoded(self) -> tuple[int, str]:
        """Returns the number of chunks with a vector, and the name of the model; "" without vectors."""
        with reading(self._connection, self._database):
            return encoded(self._connection)

    def forget_vectors(self) -> None:
        """Removes the vectors of all chunks."""
        with translating_sqlite_errors(self._database):
            self._stop_encoding()
            with transaction(self._connection):
                use_model(self._connection, "")

    def update(self, paths: Iterable[Path | str]) -> IndexReport:
        """Indexes files and folders that are known to have changed, been added or removed, and no others.

        Args:
            paths: absolute or from the project's root.

        Raises:
            ProjectError: a path is not in the project.
            StoreError: memory.db cannot be written.
        """
        from aurora_core.indexing.indexer import index_files

        below = [self._below(path) for path in paths]
        with self._changing():
            return index_files(
                self._connection, self._project.root, below, exclude=self._exclude, on_progress=_ignore
            )

    def _below(self, path: Path | str | None) -> str:
        if path is None:
            return ""
        full = (self._project.root / path).resolve()
        if not full.is_relative_to(self._project.root):
            raise ProjectError(full, f"is not in the project {self._project.root}")
        below = full.relative_to(self._project.root).as_posix()
        return "" if below == "." else below

    def search(
        self,
        query: str,
        limit: int = 10,
        *,
        kinds: Collection[ChunkKind | str] | None = None,
        min_score: float = 0.0,
        record: bool = True,
    ) -> list[Hit]:
        """Returns the chunks that match best, best first.

        Args:
            query: of a longer one than `QUERY_CHARS` characters, the start.
            kinds: kinds of chunks to return; by default all but earlier answers.
            min_score: leave out hits with a lower hybrid_score.
            record: record an access of the first hit.
        """
        wanted = [ChunkKind(kind) for kind in kinds] if kinds is not None else WITHOUT_REASONING
        now = time.time()

        def ask(count: int) -> list[Hit]:
            with reading(self._connection, self._database):
                return self._hit_search.ranked(query[:QUERY_CHARS], count, wanted, min_score, now)

        hits = self._freshness.checked(ask, limit)
        if record and hits:
            with translating_errors(self._database):
                self._access_log.record((symbol_of(hit.file, hit.name) for hit in hits[:RECORDED_HITS]), now)
        return hits

    def search_files(self, query: str, limit: int = 10) -> list[FileHit]:
        """Returns the files that match best, best first, scored by all their chunks."""

        def ask(count: int) -> list[FileHit]:
            ranked = self.ranked_files(query, count, WEIGHTS)
            return [FileHit(file=file, score=score / ranked[0][1]) for file, score in ranked]

        return self._freshness.checked(ask, limit)

    def ranked_files(self, query: str, limit: int, weights: PartWeights) -> list[tuple[str, float]]:
        """Returns (path, raw score) of files under other part weights; for measuring what each part contributes."""
        with reading(self._connection, self._database):
            return self._searcher.files(query[:QUERY_CHARS], limit, weights)

    def definitions(self, name: str, limit: int = 10) -> list[Hit]:
        """Returns the chunks that define a symbol, given by its last component or its qualified name."""

        def ask(count: int) -> list[Hit]:
            with reading(self._connection, self._database):
                return defined(self._connection, self._access_log, name, count)

        return self._freshness.checked(ask, limit)

    def chunks_of(self, file: str) -> list[Hit]:
        """Returns the chunks of a file, by its path from the root, in file order; none if it is not in the memory."""

        def ask(_: int) -> list[Hit]:
            with reading(self._connection, self._database):
                return of_file(self._connection, self._access_log, file)

        return self._freshness.checked(ask, MAX_FILE_CHUNKS)

    def callers(
        self,
        name: str,
        limit: int = 10,
        *,
        tests: bool | None = None,
        file: str = "",
        within: tuple[str, int, int] | None = None,
        handed: bool = False,
    ) -> list[Reference]:
        """Returns the lines that call a symbol, named as in `definitions`: certain calls, then doubtful ones.

        Args:
            tests: True for lines of tests alone, False for others alone; by default those of tests come last.
            file: only the definitions in this file with exactly that name.
            within: a file, its first and its last line to look at; handed: also the symbol as an argument.
        """
        from aurora_core.references.lines import Callee, calling  # a search does not pay for it

        callee = Callee(name=name, file=file, handed=handed)

        def ask(count: int) -> list[Reference]:
            with reading(self._connection, self._database):
                return calling(self._connection, self._searcher, callee, count, tests=tests, within=within)

        return self._freshness.checked(ask, limit)

    def mentions(self, name: str, limit: int = 10, *, tests: bool | None = None) -> list[Reference]:
        """Returns the lines of code that mention a name (its last component), without comments, in index order.

        Args:
            tests: True for lines of tests alone, False for others alone; by default those of tests come last.
        """
        from aurora_core.references.lines import mentioning  # a search does not pay for it

        def ask(count: int) -> list[Reference]:
            with reading(self._connection, self._database):
                return mentioning(self._connection, self._searcher, name, count, tests=tests)

        return self._freshness.checked(ask, limit)

    def ties(self, file: str) -> list[Tie]:
        """Returns what ties a file to others, by its path from the root, strongest first; none if it is not known."""
        from aurora_core.ties import ties_of  # a search does not pay for it

        with reading(self._connection, self._database):
            return ties_of(self._connection, file)

    def record_access(self, chunk_ids: Iterable[str], *, now: float | None = None) -> None:
        """Records an access of chunks; their activation rises.

        Args:
            now: Unix seconds; the current time by default.
        """
        at = time.time() if now is None else now
        numbers = [int(number) for number in chunk_ids]
        with translating_errors(self._database):
            chunks = described_chunks(self._connection, numbers)
            self._access_log.record((symbol_of(c.file, c.name) for c in chunks.values()), at)
            self._access_log.flush()

    def remember(self, reasoning: Reasoning) -> str:
        """Stores an answer, so that similar questions find it; returns its chunk's id.

        An earlier answer to the same question is replaced.
        """
        from aurora_core.indexing.prepare import indexed_chunks

        with translating_errors(self._database), transaction(self._connection):
            put = put_reasoning(self._connection, reasoning)
            mark_dead(self._connection, put.replaced)
            built = built_segment(indexed_chunks(put.path, [put.chunk]))
            write_segment(self._connection, built, ids=[put.number], files=[put.file_id])
            merge_if_needed(self._connection)
        return str(put.number)

    def forget(self, chunk_id: str) -> bool:
        """Removes an earlier answer by its chunk's id; returns False if there is none.

        Code and documents cannot be forgotten, because the next index would find their files again: exclude them.
        """
        with translating_errors(self._database), transaction(self._connection):
            gone = remove_reasoning(self._connection, int(chunk_id)) if _CHUNK_ID.fullmatch(chunk_id) else []
            mark_dead(self._connection, gone)
        return bool(gone)


def _ignore(progress: IndexProgress) -> None:
    del progress


# Within SQLite's 64-bit integers.
_CHUNK_ID: Final = re.compile(r"[0-9]{1,18}")
