"""Vectors of an embedding model, if the user has one: they add candidates and never remove any.

The model is optional and never installed or downloaded automatically. `Model2VecEmbedder` reads a static model from a
local folder (`pip install 'aurora-core[semantic]'`); any object that follows `Embedder` works.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from aurora_core.errors import EmbedderError, StoreError
from aurora_core.store.database import connect, transaction, translating_sqlite_errors
from aurora_core.store.files import chunks_by_id
from aurora_core.store.vectors import put_vectors, read_vectors, use_model, vectors_model, without_vector
from aurora_core.tokens import words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from aurora_core.store.files import StoredChunk

__all__ = [
    "Embedder",
    "Encoder",
    "Model2VecEmbedder",
    "SemanticIndex",
    "Vocabulary",
    "encode_pending",
    "word_counts",
]

BATCH: Final = 256
# A chunk's first characters say what it is about; models cut longer texts anyhow.
MAX_CHARACTERS: Final = 2000


class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: identifies the model; vectors of another model are deleted.
    """

    name: str

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vectors of texts, (n, dimension); their length need not be 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The words of a memory, whole, not as index terms.

    Attributes:
        documents: number of chunks.
        containing: number of chunks that have a word, by word.
    """

    documents: int
    containing: Mapping[str, int]


class Model2VecEmbedder:
    """A static embedding model of the model2vec library, from a local folder.

    Raises:
        EmbedderError: model2vec is not installed, or the folder holds no such model.
    """

    def __init__(self, folder: Path | str) -> None:
        path = Path(folder).expanduser()
        # The library would take any other name for one to download.
        if not (path / "model.safetensors").is_file():
            raise EmbedderError(path, "is not the folder of a model2vec model (model.safetensors, tokenizer.json)")
        try:
            from model2vec import StaticModel
        except ImportError as error:
            raise EmbedderError(path, "needs model2vec: pip install 'aurora-core[semantic]'") from error
        try:
            self._model = StaticModel.from_pretrained(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EmbedderError(path, f"holds a model that cannot be read ({error})") from error
        self.name = f"model2vec:{path.resolve()}:{(path / 'model.safetensors').stat().st_mtime_ns}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vectors of texts, (n, dimension)."""
        return np.asarray(self._model.encode(list(texts)), dtype=np.float32)


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def _text_of(chunk: StoredChunk) -> str:
    """Returns what a model reads of a chunk; the first line is its name."""
    return f"{chunk.name}\n{chunk.content[:MAX_CHARACTERS]}"


def word_counts(connection: sqlite3.Connection) -> Vocabulary:
    """Returns the words of all chunks."""
    numbers = [number for (number,) in connection.execute("SELECT id FROM chunks ORDER BY id")]
    containing: Counter[str] = Counter()
    for at in range(0, len(numbers), BATCH):
        for chunk in chunks_by_id(connection, numbers[at : at + BATCH]).values():
            containing.update(frozenset(words(_text_of(chunk))))
    return Vocabulary(documents=len(numbers), containing=containing)


def encode_pending(
    connection: sqlite3.Connection,
    embedder: Embedder,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Encodes the chunks without a vector of this model, one batch a transaction; returns the number encoded.

    It ends early if another process begins with another model meanwhile: the vectors of two models never mix.

    Args:
        stop: called before each batch; encoding ends if it returns True.
        on_progress: called with (done, total) after each batch.
    """
    with transaction(connection):
        use_model(connection, embedder.name)
    pending = without_vector(connection)
    done = 0
    while done < len(pending) and not stop():
        chunks = chunks_by_id(connection, pending[done : done + BATCH])
        texts = [_text_of(chunk) for chunk in chunks.values()]
        if texts:
            vectors = _unit(embedder.encode(texts))
            with transaction(connection):
                if vectors_model(connection) != embedder.name:
                    return done
                put_vectors(connection, list(chunks), vectors)
        done = min(done + BATCH, len(pending))
        if on_progress is not None:
            on_progress(done, len(pending))
    return done


class Encoder:
    """Encodes in a background thread with its own connection, until everything is encoded or it is stopped."""

    def __init__(self, database: Path, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder
        self._stopped = threading.Event()
        self._failure: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name="aurora-encoder", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        connection = connect(self._database)
        try:
            with translating_sqlite_errors(self._database):
                encode_pending(connection, self._embedder, stop=self._stopped.is_set)
        except StoreError as error:
            self._failure = error
        finally:
            connection.close()

    def wait(self) -> None:
        """Waits until everything is encoded.

        Raises:
            StoreError: the memory could not be read or written.
        """
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Stops after the current batch; the rest is encoded next time.

        Raises:
            StoreError: the memory could not be read or written.
        """
        self._stopped.set()
        self.wait()


@dataclass(frozen=True, slots=True)
class _Vectors:
    version: int
    ids: NDArray[np.int64]
    unit: NDArray[np.float32]


class SemanticIndex:
    """Compares a query with encoded chunks by meaning."""

    def __init__(self, connection: sqlite3.Connection, embedder: Embedder) -> None:
        self._connection = connection
        self._embedder = embedder
        self._vectors: _Vectors | None = None

    def cosines(self, query: str, candidates: Sequence[int], limit: int) -> dict[int, float]:
        """Returns the cosines above 0 of candidates, by chunk id, and of the nearest other chunks, best first.

        Args:
            candidates: chunk ids; those that are not encoded yet are left out.
            limit: number of nearest chunks.
        """
        stored = self._current()
        if not len(stored.ids):
            return {}
        vector = _unit(self._embedder.encode([query]))[0]
        cosines = stored.unit @ vector
        places = np.searchsorted(stored.ids, np.array(candidates, dtype=np.int64))
        places = places[places < len(stored.ids)]
        wanted = np.isin(stored.ids[places], candidates)
        nearest = np.argpartition(-cosines, limit)[:limit] if len(cosines) > limit else np.arange(len(cosines))
        chosen = np.union1d(places[wanted], nearest)
        chosen = chosen[np.argsort(-cosines[chosen], kind="stable")]
        return {int(stored.ids[at]): float(cosines[at]) for at in chosen if cosines[at] > 0}

    def alike(self, some: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
        """Returns the cosines of single words with other words, (n, m); 0 for a word that the model does not know."""
        unit = _unit(self._embedder.encode([*some, *others]))
        found: NDArray[np.float32] = unit[: len(some)] @ unit[len(some) :].T
        return found

    def _current(self) -> _Vectors:
        version, model = self._connection.execute(
            """SELECT (SELECT value FROM meta WHERE key = 'vectors_version'),
                      (SELECT value FROM meta WHERE key = 'vectors_model')"""
        ).fetchone()
        if model != self._embedder.name:
            return _Vectors(0, np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=np.float32))
        if self._vectors is None or self._vectors.version != int(version):
            ids, unit = read_vectors(self._connection)
            self._vectors = _Vectors(int(version), ids, unit.astype(np.float32))
        return self._vectors
