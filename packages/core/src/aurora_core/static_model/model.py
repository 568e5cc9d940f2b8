"""A static model: a vector for each word of a project, and the vector of a text as the weighted sum of its words'.

Distilled in the way of model2vec (Tulkens and van Dongen 2024), over the words of one project's code, each weighed by
how few of the project's chunks have it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from aurora_core.errors import EmbedderError
from aurora_core.static_model.arrays import UnreadableError, WordArrays, read_arrays, write_arrays
from aurora_core.tokens import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["StaticModel", "save_model"]

# The frequency of a word counts less and less, as in BM25.
K1: Final = 1.2
# A text's first line is the name of a chunk or the title of a query.
FIRST_LINE: Final = 3
_LARGEST: Final = 127
_WAY_OUT: Final = "run `aur mem semantic on` again"


class StaticModel:
    """Encodes texts by their words; follows `semantic.Embedder`.

    Args:
        rows: numbers of rows by word.
        vectors: (n, dimension) int8.
        weights: (n,) what a row is multiplied by: its scale, times the word's weight.
        name: identifies the model.
    """

    def __init__(
        self, rows: Mapping[str, int], vectors: NDArray[np.int8], weights: NDArray[np.float32], name: str
    ) -> None:
        self._rows = rows
        self._vectors = vectors
        self._weights = weights
        self.name = name

    @property
    def size(self) -> tuple[int, int]:
        """Number of words, and of dimensions."""
        return self._vectors.shape[0], self._vectors.shape[1]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Returns the vectors of texts, (n, dimension); zeros for a text without a known word."""
        vectors = np.zeros((len(texts), self._vectors.shape[1]), dtype=np.float32)
        for at, text in enumerate(texts):
            first, _, rest = text.partition("\n")
            counts = Counter(words(rest))
            for word in words(first):
                counts[word] += FIRST_LINE
            found = [(self._rows[word], count) for word, count in counts.items() if word in self._rows]
            if found:
                places, numbers = zip(*found, strict=True)
                frequencies = np.array(numbers, dtype=np.float32)
                chosen = list(places)
                shares = frequencies / (frequencies + np.float32(K1)) * self._weights[chosen]
                vectors[at] = shares @ self._vectors[chosen]
        return vectors

    @classmethod
    def load(cls, path: Path) -> StaticModel:
        """Reads a model that `save_model` wrote.

        Raises:
            EmbedderError: the file cannot be read.
        """
        try:
            content = path.read_bytes()
            found = read_arrays(content, "vectors", "weights")
        except (OSError, UnreadableError) as error:
            raise EmbedderError(path, f"cannot be read ({error}); {_WAY_OUT}") from error
        vectors, weights = found.arrays["vectors"], found.arrays["weights"]
        if vectors.dtype != np.int8 or vectors.shape[:1] != weights.shape or len(found.words) != len(weights):
            raise EmbedderError(path, f"has parts that do not fit together; {_WAY_OUT}")
        name = f"static:{hashlib.sha256(content).hexdigest()[:24]}"
        return cls({word: at for at, word in enumerate(found.words)}, vectors, weights, name)


def save_model(path: Path, known: Sequence[str], vectors: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    """Writes a model: each vector as int8 with a scale of its own.

    Raises:
        OSError: it cannot be written.
    """
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-9) / _LARGEST
    small = np.round(vectors / scales[:, None]).astype(np.int8)
    weights = (scales * weights).astype(np.float32)
    write_arrays(path, WordArrays(words=known, arrays={"vectors": small, "weights": weights}))
