"""Distils a static model for a project from a teacher: words → vectors, main directions, weights.

The teacher sees each word alone. Its vectors are turned into the directions in which the words of its own vocabulary
differ most, and the first of these are kept. They are kept in the user's cache, so that the next project asks the
teacher for its own words only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from aurora_core.index.bm25 import idf
from aurora_core.static_model.arrays import UnreadableError, WordArrays, read_arrays, write_arrays
from aurora_core.static_model.model import save_model
from aurora_core.static_model.wordpiece import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from aurora_core.static_model.weights import FoundTeacher

__all__ = ["distil"]

DIMENSIONS: Final = 256
# Longer ones are hashes and encoded data.
MAX_LETTERS: Final = 24
# The teacher's vocabulary begins with the most frequent words; the directions are found from these.
BASIS: Final = 8000
# A word of one chunk only is found by itself; the most frequent others are worth the teacher's time.
MIN_CHUNKS: Final = 2
MAX_OWN_WORDS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The words that the teacher has been asked for.

    Attributes:
        vectors: (n, DIMENSIONS) float32, along the directions.
        mean: (d,) of the teacher's vectors of its own vocabulary.
        directions: (d, DIMENSIONS).
    """

    words: Sequence[str]
    vectors: NDArray[np.float32]
    mean: NDArray[np.float32]
    directions: NDArray[np.float32]


def distil(
    found: FoundTeacher,
    containing: Mapping[str, int],
    documents: int,
    path: Path,
    *,
    on_progress: Callable[[int, int], None],
) -> None:
    """Writes the model of a project.

    Args:
        containing: number of the project's chunks that have a word, by word.
        documents: number of the project's chunks.
        path: of the model; what is known of the teacher is kept beside it.
        on_progress: called with (done, total) words that the teacher is asked for.

    Raises:
        OSError: it cannot be written.
    """
    kept = path.with_name(f"teacher-{found.digest}.npz")
    basis = [word for word in found.vocabulary if _usual(word)][:BASIS]
    known = _read_known(kept)
    have = frozenset(known.words) if known else frozenset(basis)
    frequent = sorted((w for w, n in containing.items() if n >= MIN_CHUNKS), key=lambda w: (-containing[w], w))
    own = [w for w in frequent[:MAX_OWN_WORDS] if w not in have and _usual(w) and pieces(w, found.vocabulary)]
    asked = own if known else [*basis, *own]
    vectors = _asked(found, asked, on_progress) if asked else np.zeros((0, 0), dtype=np.float32)
    if known is None:
        known = _along_directions(asked, vectors, len(basis))
    elif own:
        more = (vectors - known.mean) @ known.directions
        known = _Known(
            words=[*known.words, *own],
            vectors=np.concatenate([known.vectors, more]),
            mean=known.mean,
            directions=known.directions,
        )
    if asked:
        _keep(kept, known)
    # What only other projects have is left with the teacher.
    own_or_usual = frozenset([*basis, *containing])
    rows = [at for at, word in enumerate(known.words) if word in own_or_usual]
    words = [known.words[at] for at in rows]
    weights = np.array([idf(documents, containing.get(word, 0)) for word in words], dtype=np.float32)
    save_model(path, words, known.vectors[rows], weights)


def _usual(word: str) -> bool:
    return word.isascii() and word.isalpha() and word.islower() and 1 < len(word) <= MAX_LETTERS


def _asked(found: FoundTeacher, words: Sequence[str], on_progress: Callable[[int, int], None]) -> NDArray[np.float32]:
    start, end = found.vocabulary["[CLS]"], found.vocabulary["[SEP]"]
    texts = [[start, *pieces(word, found.vocabulary), end] for word in words]
    return found.teacher.encode(texts, on_progress=lambda done: on_progress(done, len(words)))


def _along_directions(words: Sequence[str], vectors: NDArray[np.float32], basis: int) -> _Known:
    """Returns the vectors along the main directions of the first `basis` of them."""
    mean = vectors[:basis].mean(axis=0)
    centred = vectors[:basis] - mean
    _, directions = np.linalg.eigh(centred.T @ centred)
    main = directions[:, ::-1][:, :DIMENSIONS].astype(np.float32)
    return _Known(words=words, vectors=(vectors - mean) @ main, mean=mean, directions=main)


def _read_known(path: Path) -> _Known | None:
    """Returns what was kept; None if nothing was, or it cannot be read."""
    try:
        found = read_arrays(path.read_bytes(), "vectors", "mean", "directions")
    except (OSError, UnreadableError):
        return None
    arrays = found.arrays
    vectors, mean, directions = arrays["vectors"].astype(np.float32), arrays["mean"], arrays["directions"]
    size = min(DIMENSIONS, len(mean))
    if vectors.shape != (len(found.words), size) or directions.shape != (len(mean), size):
        return None
    return _Known(words=found.words, vectors=vectors, mean=mean, directions=directions)


def _keep(path: Path, known: _Known) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "vectors": known.vectors.astype(np.float16),
        "mean": known.mean,
        "directions": known.directions,
    }
    write_arrays(path, WordArrays(words=known.words, arrays=arrays))
