"""A BERT sentence encoder in numpy: the teacher whose vectors of words a static model keeps.

It reads what sentence-transformers writes: `model.safetensors`, `config.json` and `tokenizer.json`. Only the forward
pass is here, in float32, with the mean over tokens as the vector of a text (Reimers and Gurevych 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Teacher", "TeacherShape"]

_EPSILON: Final = np.float32(1e-12)
# Rows of one matrix product: large enough to be fast, small enough for the processor's cache.
BATCH_TOKENS: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherShape:
    """The sizes of a BERT model that its weights do not tell."""

    layers: int
    heads: int


class Teacher:
    """Encodes short texts.

    Args:
        weights: matrices by their names in BERT, (out, in).
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], shape: TeacherShape) -> None:
        self._weights = weights
        self._shape = shape

    def encode(
        self, texts: Sequence[Sequence[int]], *, on_progress: Callable[[int], None] = lambda _: None
    ) -> NDArray[np.float32]:
        """Returns the vectors of texts, (n, dimension).

        Args:
            texts: the numbers of each text's word pieces, with the marks of its start and end.
            on_progress: called with the number of texts that are done.
        """
        by_length: dict[int, list[int]] = {}
        for at, numbers in enumerate(texts):
            by_length.setdefault(len(numbers), []).append(at)
        dimension = self._weights["embeddings.word_embeddings.weight"].shape[1]
        vectors = np.zeros((len(texts), dimension), dtype=np.float32)
        done = 0
        for length, places in by_length.items():
            size = max(BATCH_TOKENS // length, 1)
            for first in range(0, len(places), size):
                batch = places[first : first + size]
                vectors[batch] = self._forward(np.array([texts[at] for at in batch])).mean(axis=1)
                done += len(batch)
                on_progress(done)
        return vectors

    def _forward(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the last layer's states, (n, length, dimension); all texts have the same length."""
        weights = self._weights
        states = (
            weights["embeddings.word_embeddings.weight"][tokens]
            + weights["embeddings.position_embeddings.weight"][: tokens.shape[1]]
            + weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normal(states, "embeddings.LayerNorm")
        for layer in range(self._shape.layers):
            states = self._layer(states, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        attended = self._linear(self._attention(states, name), f"{name}.attention.output.dense")
        states = self._normal(states + attended, f"{name}.attention.output.LayerNorm")
        inner = _gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._normal(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        count, length, dimension = states.shape
        heads = self._shape.heads

        def split(part: str) -> NDArray[np.float32]:
            projected = self._linear(states, f"{name}.attention.self.{part}")
            return projected.reshape(count, length, heads, dimension // heads).transpose(0, 2, 1, 3)

        scores = split("query") @ split("key").transpose(0, 1, 3, 2) / np.float32(math.sqrt(dimension // heads))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares = scores / scores.sum(axis=-1, keepdims=True)
        mixed: NDArray[np.float32] = (shares @ split("value")).transpose(0, 2, 1, 3).reshape(states.shape)
        return mixed

    def _linear(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        weight = self._weights[f"{name}.weight"]
        # As one product of two matrices; one for each text would be slow.
        rows: NDArray[np.float32] = states.reshape(-1, states.shape[-1]) @ weight.T + self._weights[f"{name}.bias"]
        return rows.reshape(*states.shape[:-1], len(weight))

    def _normal(self, states: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        centred = states - states.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _EPSILON)
        result: NDArray[np.float32] = (
            centred / deviation * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        )
        return result


def _gelu(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns x · Φ(x), with the hyperbolic tangent's approximation of Φ (Hendrycks and Gimpel 2016)."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (values + np.float32(0.044715) * values * values * values)
    result: NDArray[np.float32] = np.float32(0.5) * values * (1 + np.tanh(inner))
    return result
